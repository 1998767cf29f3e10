/*
 * test_preempt.c: ticks, the queue of preempted tasks and the watchdog, without
 * Lua: the "binding" here counts.
 */
#include "core/preempt.h"
#include "core/rt.h"
#include "core/watchdog.h"

#include "test.h"

#include <pthread.h>
#include <signal.h>

static neap_rt *open_rt(void) {
  neap_rt *rt = NULL;
  CHECK(neap_new(NULL, &rt) == 0);
  rt->sched.seed = 0;
  return rt;
}

/* rt->binding in these tests. */
struct seen {
  volatile int ticks, pokes;
  volatile uint64_t task; /* whom describe was asked about last */
  uint64_t missed;        /* who was not told of, the last of them */
  uint64_t held_ns;       /* and for how long */
};

static struct seen *seen_of(neap_rt *rt) {
  return rt->binding;
}

static void on_tick(struct neap_rt *rt) {
  seen_of(rt)->ticks++;
}

static void on_poke(struct neap_rt *rt) {
  seen_of(rt)->pokes++;
}

/* A call at which a thread sanitizer lets signals in that it holds back. */
static void let_in(void) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  pthread_mutex_unlock(&mutex);
  pthread_mutex_destroy(&mutex);
}

/* Uses the processor until the counter is n. */
static void burn_until(const volatile int *counter, int n) {
  while (*counter < n)
    let_in();
}

/* The same until it has moved on by n. */
static void burn(const volatile int *counter, int n) {
  burn_until(counter, *counter + n);
}

static void ticks_come_while_the_thread_works(void) {
  struct seen one = {0}, two = {0};
  neap_rt *a = open_rt(), *b = open_rt();
  a->binding = &one;
  b->binding = &two;
  a->preempt.on_tick = b->preempt.on_tick = on_tick;
  CHECK(neap__preempt_start(a, 1000000) == 0);
  burn(&one.ticks, 3);
  CHECK(two.ticks == 0);
  /* Two runtimes of one thread have a timer each. */
  CHECK(neap__preempt_start(b, 1000000) == 0);
  burn(&two.ticks, 3);
  burn(&one.ticks, 3);
  neap__preempt_stop(a);
  int before = one.ticks;
  burn(&two.ticks, 10);
  CHECK(one.ticks == before);
  neap__preempt_stop(a); /* again */
  neap_free(b);          /* stops by itself */
  neap_free(a);
}

static void a_slice_may_change(void) {
  struct seen seen = {0};
  neap_rt *rt = open_rt();
  rt->binding = &seen;
  rt->preempt.on_tick = on_tick;
  CHECK(neap__preempt_start(rt, 1000000000000) == 0);
  CHECK(neap__preempt_start(rt, 1000000) == 0);
  burn(&seen.ticks, 2);
  neap_free(rt);
}

/* A tick and a poke that are pending in a thread that blocks them do not come
   when the runtime is gone. */
static void a_blocked_signal_is_taken_away(void) {
  struct seen seen = {0};
  neap_rt *rt = open_rt();
  rt->binding = &seen;
  rt->preempt.on_tick = on_tick;
  rt->preempt.on_poke = on_poke;
  CHECK(neap__preempt_start(rt, 1000000) == 0);
  sigset_t set, old, pending;
  sigemptyset(&set);
  sigaddset(&set, rt->preempt.signum);
  pthread_sigmask(SIG_BLOCK, &set, &old);
  neap__preempt_poke(rt);
  do {
    sigpending(&pending);
  } while (!sigismember(&pending, rt->preempt.signum));
  int signum = rt->preempt.signum;
  neap__preempt_stop(rt);
  neap__preempt_hush(rt);
  sigpending(&pending);
  CHECK(!sigismember(&pending, signum));
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  int ticks = seen.ticks;
  neap_free(rt);
  CHECK(seen.ticks == ticks && seen.pokes == 0);
}

static void *poke(void *rt) {
  neap__preempt_poke(rt);
  return NULL;
}

static void a_poke_from_another_thread_arrives_here(void) {
  struct seen seen = {0};
  neap_rt *rt = open_rt();
  rt->binding = &seen;
  rt->preempt.on_poke = on_poke;
  CHECK(neap__preempt_listen(rt) == 0);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, poke, rt) == 0);
  burn_until(&seen.pokes, 1);
  pthread_join(thread, NULL);
  CHECK(seen.pokes == 1);
  neap__preempt_hush(rt);
  neap_free(rt);
}

/* -- the queue of preempted tasks */

struct order {
  char text[64];
  int n;
};

static struct order order;

static void note(char what) {
  if (order.n < (int)sizeof order.text - 1)
    order.text[order.n++] = what;
}

/* Uses up three slices. */
static int hog(neap_rt *rt, void *name) {
  for (int i = 0; i < 3; i++) {
    note(*(const char *)name);
    neap__sched_preempt(rt);
  }
  return 0;
}

static int polite(neap_rt *rt, void *name) {
  for (int i = 0; i < 9; i++) {
    note(*(const char *)name);
    neap_yield(rt);
  }
  return 0;
}

static void one_preempted_task_runs_in_a_turn(void) {
  memset(&order, 0, sizeof order);
  neap_rt *rt = open_rt();
  CHECK(neap_spawn(rt, hog, "A", NULL, NULL) == 0);
  CHECK(neap_spawn(rt, hog, "B", NULL, NULL) == 0);
  CHECK(neap_spawn(rt, polite, "p", NULL, NULL) == 0);
  CHECK(neap_spawn(rt, hog, "C", NULL, NULL) == 0);
  CHECK(neap_run(rt) == 0);
  /* All in the first turn; then each turn is p and one of the others. */
  CHECK(strcmp(order.text, "ABpCpApBpCpApBpCpp") == 0);
  if (strcmp(order.text, "ABpCpApBpCpApBpCpp") != 0)
    printf("%s\n", order.text);
  neap_free(rt);
}

static void preempted_tasks_alone_get_on(void) {
  memset(&order, 0, sizeof order);
  neap_rt *rt = open_rt();
  CHECK(neap_spawn(rt, hog, "A", NULL, NULL) == 0);
  CHECK(neap_spawn(rt, hog, "B", NULL, NULL) == 0);
  note('m');
  neap__sched_preempt(rt); /* main as well */
  note('m');
  CHECK(neap_run(rt) == 0);
  CHECK(order.n == 8);
  CHECK(strncmp(order.text, "mAB", 3) == 0);
  neap_free(rt);
}

static void preempted_tasks_end_with_the_runtime(void) {
  memset(&order, 0, sizeof order);
  neap_rt *rt = open_rt();
  CHECK(neap_spawn(rt, hog, "A", NULL, NULL) == 0);
  CHECK(neap_spawn(rt, hog, "B", NULL, NULL) == 0);
  neap_yield(rt);
  neap_free(rt);
  CHECK(order.n == 6);
}

/* -- the watchdog */

static void describe(struct neap_rt *rt, const struct neap_task *task,
                     char *out, size_t size) {
  snprintf(out, size, "a test's task");
  seen_of(rt)->task = task != NULL ? task->id : 0;
}

static void on_missed(struct neap_rt *rt, const struct neap_held *held) {
  seen_of(rt)->missed = held->task;
  seen_of(rt)->held_ns = held->held_ns;
}

static neap_rt *open_watched(struct seen *seen) {
  neap_rt *rt = open_rt();
  rt->binding = seen;
  rt->preempt.on_poke = neap__watchdog_on_poke;
  rt->watchdog.describe = describe;
  rt->watchdog.on_missed = on_missed;
  CHECK(neap__watchdog_start(rt, 2000000) == 0);
  return rt;
}

/* Holds the loop until the watchdog has asked. */
static int hold(neap_rt *rt, void *arg) {
  const struct seen *seen = arg;
  uint64_t me = neap_task_id(neap_current(rt));
  while (seen->task != me)
    let_in();
  return (int)me;
}

static void the_watchdog_asks_who_holds_the_loop(void) {
  struct seen seen = {0};
  neap_rt *rt = open_watched(&seen);
  neap_task *task;
  int id = 0;
  CHECK(neap_spawn(rt, hold, &seen, NULL, &task) == 0);
  CHECK(neap_join(task, &id) == 0);
  /* Nobody has told more, so the driver is told that it was missed. */
  while (seen.missed != (uint64_t)id)
    neap_sleep(rt, 1000000);
  CHECK(seen.held_ns >= 2000000);
  neap_task_unref(task);
  neap_free(rt);
}

/* The same, and tells it. */
static int hold_and_tell(neap_rt *rt, void *arg) {
  int me = hold(rt, arg);
  uint64_t held = 0;
  while (held == 0) /* the handler has written, and not yet said so */
    held = neap__watchdog_take(rt);
  CHECK(held >= 2000000);
  CHECK(neap__watchdog_take(rt) == 0);
  return me;
}

static void what_was_told_is_not_missed(void) {
  struct seen seen = {0};
  neap_rt *rt = open_watched(&seen);
  for (int i = 0; i < 2; i++) {
    neap_task *task;
    int id = 0;
    CHECK(neap_spawn(rt, hold_and_tell, &seen, NULL, &task) == 0);
    CHECK(neap_join(task, &id) == 0);
    neap_task_unref(task);
    /* Another hold, after whose end the one before would have been missed. */
    CHECK(neap_spawn(rt, hold, &seen, NULL, &task) == 0);
    int other = 0;
    CHECK(neap_join(task, &other) == 0);
    neap_task_unref(task);
    while (seen.missed != (uint64_t)other) {
      CHECK(seen.missed != (uint64_t)id);
      neap_sleep(rt, 1000000);
    }
  }
  neap_free(rt);
}

static void main_may_hold_the_loop_and_the_runtime_end(void) {
  struct seen seen = {0};
  neap_rt *rt = open_watched(&seen);
  CHECK(hold(rt, &seen) == 1);
  seen.task = 0;
  CHECK(neap__watchdog_start(rt, 1000000) == 0); /* anew */
  CHECK(hold(rt, &seen) == 1);
  neap_free(rt);
}

TESTS(TEST(ticks_come_while_the_thread_works), TEST(a_slice_may_change),
      TEST(a_blocked_signal_is_taken_away),
      TEST(a_poke_from_another_thread_arrives_here),
      TEST(one_preempted_task_runs_in_a_turn),
      TEST(preempted_tasks_alone_get_on),
      TEST(preempted_tasks_end_with_the_runtime),
      TEST(the_watchdog_asks_who_holds_the_loop),
      TEST(what_was_told_is_not_missed),
      TEST(main_may_hold_the_loop_and_the_runtime_end))
