/*
 * test_sched.c: tasks, slots, wait objects and timers together, through the
 * public C functions, without Lua.
 */
#include "core/op.h"
#include "core/rt.h"
#include "core/waitq.h"

#include "test.h"

/* For tests about order: without the hostile build's shuffle. */
static neap_rt *in_order(neap_rt *rt) {
  rt->sched.seed = 0;
  return rt;
}

static neap_rt *open_rt(bool private_stacks) {
  neap_options options = {.size = sizeof options,
                          .private_stacks = private_stacks};
  neap_rt *rt = NULL;
  CHECK(neap_new(&options, &rt) == 0);
  return rt;
}

static void spawn_shared(neap_rt *rt, neap_task_fn fn, void *arg) {
  neap_spawn_options options = {.size = sizeof options, .shared_stack = true};
  CHECK(neap_spawn(rt, fn, arg, &options, NULL) == 0);
}

/* What a task does with a deep stack: a checksum over frames of random depth,
   waiting at the bottom. */
struct diver {
  uint32_t seed;
  int rounds;
  int wrong, ended;
};

static uint32_t next_random(uint32_t *seed) {
  *seed = *seed * 1664525u + 1013904223u;
  return *seed >> 8;
}

__attribute__((noinline)) static uint32_t dive(neap_rt *rt, uint32_t seed,
                                               uint32_t depth) {
  volatile uint32_t words[24];
  uint32_t fill = seed, sum = 0;
  for (int i = 0; i < 24; i++)
    words[i] = next_random(&fill);
  uint32_t below = 0;
  if (depth > 0)
    below = dive(rt, fill, depth - 1);
  else
    neap_yield(rt);
  for (int i = 0; i < 24; i++)
    sum = sum * 33 + words[i];
  return sum ^ below;
}

/* The same sum without any stack to lose it from. */
static uint32_t expected(uint32_t seed, uint32_t depth) {
  uint32_t result = 0;
  for (uint32_t level = 0; level <= depth; level++) {
    uint32_t sum = 0;
    for (int i = 0; i < 24; i++)
      sum = sum * 33 + next_random(&seed);
    result ^= sum;
  }
  return result;
}

static int dive_task(neap_rt *rt, void *arg) {
  struct diver *diver = arg;
  for (int i = 0; i < diver->rounds; i++) {
    uint32_t seed = next_random(&diver->seed);
    uint32_t depth = next_random(&diver->seed) % 60;
    if (dive(rt, seed, depth) != expected(seed, depth))
      diver->wrong++;
  }
  diver->ended = 1;
  return 0;
}

static void frames_survive_sharing(void) {
  enum { N = 300 };
  static struct diver divers[N];
  int rounds = (int)test_count(30, 300);
  neap_rt *rt = open_rt(false);
  for (int i = 0; i < N; i++) {
    divers[i] = (struct diver){.seed = (uint32_t)i + 1, .rounds = rounds};
    spawn_shared(rt, dive_task, &divers[i]);
  }
  CHECK(neap_run(rt) == 0);
  int wrong = 0, ended = 0;
  for (int i = 0; i < N; i++)
    wrong += divers[i].wrong, ended += divers[i].ended;
  CHECK(wrong == 0);
  CHECK(ended == N);
  neap_figures figures;
  neap_info(rt, &figures);
  CHECK(rt->stacks.all_private || figures.copies > 0);
  CHECK(figures.bytes_saved == 0);
  neap_free(rt);
}

static void private_frames_are_never_copied(void) {
  static struct diver divers[20];
  neap_rt *rt = open_rt(true);
  for (int i = 0; i < 20; i++) {
    divers[i] = (struct diver){.seed = (uint32_t)i + 1, .rounds = 20};
    CHECK(neap_spawn(rt, dive_task, &divers[i], NULL, NULL) == 0);
  }
  CHECK(neap_run(rt) == 0);
  for (int i = 0; i < 20; i++)
    CHECK(divers[i].wrong == 0 && divers[i].ended);
  CHECK(rt->stacks.copies == 0);
  neap_free(rt);
}

static char order[64];

static int note_twice(neap_rt *rt, void *arg) {
  strcat(order, arg);
  neap_yield(rt);
  strcat(order, arg);
  return 0;
}

static void the_ready_queue_is_first_come_first_served(void) {
  neap_rt *rt = in_order(open_rt(false));
  order[0] = '\0';
  spawn_shared(rt, note_twice, (void *)"a");
  spawn_shared(rt, note_twice, (void *)"b");
  spawn_shared(rt, note_twice, (void *)"c");
  CHECK(neap_yield(rt) == 0); /* main is behind them */
  CHECK(strcmp(order, "abc") == 0);
  CHECK(neap_run(rt) == 0);
  CHECK(strcmp(order, "abcabc") == 0);
  neap_free(rt);
}

static uint64_t sleep_base;

static int sleep_and_note(neap_rt *rt, void *arg) {
  const char *text = arg;
  uint64_t due = sleep_base + (uint64_t)(text[0] - '0') * 2000000;
  CHECK(neap_sleep_until(rt, due) == 0);
  CHECK(uv_hrtime() >= due);
  strcat(order, text);
  return 0;
}

static void sleepers_wake_in_order_and_never_early(void) {
  neap_rt *rt = in_order(open_rt(false));
  order[0] = '\0';
  sleep_base = uv_hrtime() + 300000000; /* all are asleep by then */
  const char *names[] = {"5", "1", "4", "2", "3", "0"};
  for (int i = 0; i < 6; i++)
    spawn_shared(rt, sleep_and_note, (void *)names[i]);
  CHECK(neap_run(rt) == 0);
  CHECK(strcmp(order, "012345") == 0);
  neap_free(rt);
}

struct meeting {
  struct neap_list queue;
  struct neap_op *op;
  int statuses[4], n;
};

static int wait_in_queue(neap_rt *rt, void *arg) {
  struct meeting *m = arg;
  int err = neap__waitq_wait(rt, &m->queue, "test", NEAP_FOREVER, true);
  m->statuses[m->n++] = err;
  return 0;
}

static void waiters_are_woken_in_order_and_leave_when_called_off(void) {
  neap_rt *rt = in_order(open_rt(false));
  struct meeting m = {.n = 0};
  neap__list_init(&m.queue);
  for (int i = 0; i < 3; i++)
    spawn_shared(rt, wait_in_queue, &m);
  neap_yield(rt);
  struct neap_list *second = m.queue.next->next;
  neap__op_interrupt(NEAP_LIST_ENTRY(second, struct neap_op, link),
                     UV_ETIMEDOUT);
  CHECK(neap__waitq_wake_one(&m.queue, 11));
  CHECK(neap__waitq_wake_one(&m.queue, 33));
  CHECK(!neap__waitq_wake_one(&m.queue, 0));
  CHECK(neap_run(rt) == 0);
  int sum = 0;
  for (int i = 0; i < m.n; i++)
    sum += m.statuses[i];
  CHECK(m.n == 3 && sum == 44 + UV_ETIMEDOUT);
  neap_free(rt);
}

static void nobody_left_to_wake_is_a_deadlock(void) {
  neap_rt *rt = open_rt(false);
  struct meeting m = {.n = 0};
  neap__list_init(&m.queue);
  spawn_shared(rt, wait_in_queue, &m);
  CHECK(neap_run(rt) == NEAP_EDEADLK);
  neap_free(rt); /* unwinds the waiter */
  CHECK(m.n == 1 && m.statuses[0] == NEAP_CLOSING);
}

static int hold_wait(neap_rt *rt, void *arg) {
  neap_wait *wait;
  (void)arg;
  CHECK(neap_wait_new(rt, sizeof(int), &wait) == 0);
  *(int *)neap_wait_data(wait) = 41;
  *(neap_wait **)arg = wait;
  int status = neap_park(wait);
  CHECK(status == 5 && *(int *)neap_wait_data(wait) == 42);
  neap_wait_free(wait);
  return status;
}

static void wake_from_thread(void *arg) {
  neap_wait *wait = arg;
  (*(int *)neap_wait_data(wait))++;
  neap_wake_post(wait, 5);
}

static void another_thread_may_wake(void) {
  neap_rt *rt = in_order(open_rt(false));
  neap_wait *wait = NULL;
  neap_task *task;
  neap_spawn_options shared = {.size = sizeof shared, .shared_stack = true};
  int result = 0;
  CHECK(neap_spawn(rt, hold_wait, &wait, &shared, &task) == 0);
  neap_yield(rt);
  uv_thread_t thread;
  CHECK(uv_thread_create(&thread, wake_from_thread, wait) == 0);
  CHECK(neap_join(task, &result) == 0 && result == 5);
  neap_task_unref(task);
  uv_thread_join(&thread);
  neap_free(rt);
}

static void note_post(neap_rt *rt, void *arg) {
  (void)rt;
  strcat(order, arg);
}

static void post_from_thread(void *arg) {
  static const char *const texts[] = {"x", "y", "z"};
  for (int i = 0; i < 3; i++)
    CHECK(neap_post(arg, note_post, (void *)texts[i]) == 0);
}

static void posts_run_in_order(void) {
  neap_rt *rt = open_rt(false);
  order[0] = '\0';
  uv_thread_t thread;
  CHECK(uv_thread_create(&thread, post_from_thread, rt) == 0);
  uv_thread_join(&thread);
  CHECK(neap_sleep(rt, 1000000) == 0);
  CHECK(strcmp(order, "xyz") == 0);
  neap__post_refuse(rt); /* as another thread would see the end */
  CHECK(neap_post(rt, note_post, (void *)"!") == UV_ECANCELED);
  neap_free(rt);
}

static int join_arg(neap_rt *rt, void *arg) {
  (void)rt;
  return neap_join(*(neap_task **)arg, NULL);
}

static void joins_of_oneself_and_in_a_circle_are_refused(void) {
  neap_rt *rt = open_rt(false);
  neap_task *a, *b;
  int ra = 0, rb = 0;
  CHECK(neap_join(neap_current(rt), NULL) == UV_ELOOP);
  CHECK(neap_spawn(rt, join_arg, &b, NULL, &a) == 0);
  CHECK(neap_spawn(rt, join_arg, &a, NULL, &b) == 0);
  CHECK(neap_join(a, &ra) == 0);
  CHECK(neap_join(b, &rb) == 0);
  CHECK((ra == UV_ELOOP) != (rb == UV_ELOOP));
  neap_task_unref(a);
  neap_task_unref(b);
  neap_free(rt);
}

/* -- memory and the system refusing */

static int allocations_left;

static void *failing_alloc(void *ud, void *ptr, size_t old, size_t new) {
  (void)ud;
  (void)old;
  if (new == 0) {
    free(ptr);
    return NULL;
  }
  if (allocations_left == 0)
    return NULL;
  allocations_left--;
  return realloc(ptr, new);
}

static void a_runtime_without_memory_is_refused_cleanly(void) {
  int n = 0, err;
  do {
    neap_options options = {.size = sizeof options, .alloc = failing_alloc};
    neap_rt *rt = NULL;
    allocations_left = n++;
    err = neap_new(&options, &rt);
    CHECK(err == 0 || (err == UV_ENOMEM && rt == NULL));
    neap_free(rt);
  } while (err != 0 && n < 100);
  CHECK(err == 0 && n > 1);
}

static int count_end(neap_rt *rt, void *arg) {
  int err = neap_sleep(rt, 1000);
  if (err == 0 || err == UV_ENOMEM)
    ++*(int *)arg;
  return 0;
}

/* Every allocation from the start of the tasks on fails in turn: all of them
   end in any case, and nothing leaks. */
static void tasks_end_whatever_allocation_fails(void) {
  for (int n = 0; n < (int)test_count(40, 400); n++) {
    neap_options options = {.size = sizeof options, .alloc = failing_alloc};
    neap_rt *rt = NULL;
    int ended = 0, spawned = 0;
    allocations_left = 1000000;
    if (!CHECK(neap_new(&options, &rt) == 0))
      return;
    rt->mem.limit = rt->mem.used + (size_t)n * 500;
    for (int i = 0; i < 100; i++) {
      neap_spawn_options shared = {.size = sizeof shared, .shared_stack = true};
      int err = neap_spawn(rt, count_end, &ended, &shared, NULL);
      CHECK(err == 0 || err == UV_ENOMEM);
      spawned += err == 0;
    }
    int err = neap_run(rt);
    while (err == UV_ENOMEM) {
      rt->mem.limit += 500; /* main itself could not wait: let it */
      err = neap_run(rt);
    }
    CHECK(err == 0);
    CHECK(ended == spawned);
    neap_free(rt);
  }
}

/* -- the end */

struct cleanup {
  int closing, after;
};

static int clean_up(neap_rt *rt, void *arg) {
  struct cleanup *c = arg;
  c->closing += neap_sleep(rt, NEAP_FOREVER / 2) == NEAP_CLOSING;
  c->after += neap_yield(rt) == NEAP_CLOSING;
  return 0;
}

static int sleep_and_set(neap_rt *rt, void *arg) {
  int err = neap_sleep(rt, 1000000);
  *(bool *)arg = true;
  return err;
}

/* Hangs if it does not hold. */
static void a_main_that_only_yields_lets_the_loop_work(void) {
  neap_rt *rt = open_rt(false);
  bool woken = false;
  spawn_shared(rt, sleep_and_set, &woken);
  while (!woken)
    CHECK(neap_yield(rt) == 0);
  neap_free(rt);
}

static void every_task_is_unwound_at_the_end(void) {
  struct cleanup c = {0};
  neap_rt *rt = open_rt(false);
  for (int i = 0; i < 100; i++)
    spawn_shared(rt, clean_up, &c);
  neap_yield(rt);
  neap_free(rt);
  CHECK(c.closing == 100 && c.after == 100);
}

static int never_ends(neap_rt *rt, void *arg) {
  for (;;)
    *(int *)arg += neap_sleep(rt, 1000000) == NEAP_CLOSING;
  return 0;
}

static void a_task_that_will_not_end_is_dropped(void) {
  int swallowed = 0;
  neap_rt *rt = open_rt(false);
  spawn_shared(rt, never_ends, &swallowed);
  neap_yield(rt);
  neap_free(rt);
  CHECK(swallowed > 100);
}

TESTS(TEST(frames_survive_sharing), TEST(private_frames_are_never_copied),
      TEST(the_ready_queue_is_first_come_first_served),
      TEST(sleepers_wake_in_order_and_never_early),
      TEST(waiters_are_woken_in_order_and_leave_when_called_off),
      TEST(nobody_left_to_wake_is_a_deadlock), TEST(another_thread_may_wake),
      TEST(posts_run_in_order),
      TEST(joins_of_oneself_and_in_a_circle_are_refused),
      TEST(a_runtime_without_memory_is_refused_cleanly),
      TEST(tasks_end_whatever_allocation_fails),
      TEST(a_main_that_only_yields_lets_the_loop_work),
      TEST(every_task_is_unwound_at_the_end),
      TEST(a_task_that_will_not_end_is_dropped))
