/* watchdog.c: the thread that watches the loop; the idea is in watchdog.h. */
#include "core/watchdog.h"

#include "core/post.h"
#include "core/preempt.h"
#include "core/rt.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* So often the thread looks within the limit: a hold is seen that much late. */
#define LOOKS 4

/* It looks no more often than that. */
#define MIN_PERIOD_NS ((uint64_t)1000 * 1000)

/* How long the loop's thread has for telling more, until what is known is said
   without it. */
#define GRACE_NS ((uint64_t)50 * 1000 * 1000)

static int load_hold(const struct neap_watchdog *dog) {
  return __atomic_load_n(&dog->hold, __ATOMIC_ACQUIRE);
}

/* Only if it is still from: the other thread may have gone on. */
static bool advance(struct neap_watchdog *dog, int from, int to) {
  return __atomic_compare_exchange_n(&dog->hold, &from, to, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Not by stdio: the loop may be held in it, with its lock. */
static void say(const struct neap_watchdog *dog, uint64_t held_ns) {
  char text[sizeof dog->text + 80];
  int n = snprintf(text, sizeof text,
                   "neap: the loop has been held for %.3f s by %s\n",
                   (double)held_ns / 1e9, dog->text);
  if (write(STDERR_FILENO, text, (size_t)n) < 0)
    return; /* there is nobody to tell it to */
}

/* On the driver's stack, some time after the hold. */
static void on_posted(neap_rt *rt, void *arg) {
  if (rt->watchdog.on_missed != NULL)
    rt->watchdog.on_missed(rt, arg);
  neap__mem_shared_free(arg);
}

/* The hold is over. Whoever wanted to tell it has, or never will. */
static void end_hold(struct neap_rt *rt, uint64_t now) {
  struct neap_watchdog *dog = &rt->watchdog;
  int was = __atomic_exchange_n(&dog->hold, NEAP_HOLD_NONE, __ATOMIC_ACQ_REL);
  if (was == NEAP_HOLD_NONE || was == NEAP_HOLD_TOLD)
    return;
  struct neap_held *held = neap__mem_shared_alloc(sizeof *held);
  if (held == NULL)
    return;
  held->task = was != NEAP_HOLD_ASKED ? dog->task : 0;
  held->held_ns = now - dog->since_ns;
  held->said = was == NEAP_HOLD_SAID;
  if (neap_post(rt, on_posted, held) < 0)
    neap__mem_shared_free(held); /* the runtime ends */
}

/* What the thread saw when it last looked. */
struct look {
  uint64_t switches;
  uint64_t asked_ns;
};

static void look(struct neap_rt *rt, struct look *last) {
  struct neap_watchdog *dog = &rt->watchdog;
  uint64_t now = uv_hrtime();
  uint64_t switches = __atomic_load_n(&rt->sched.switches, __ATOMIC_RELAXED);
  bool sleeps = __atomic_load_n(&rt->blocking, __ATOMIC_RELAXED);
  if (sleeps || switches != last->switches) {
    end_hold(rt, now);
    last->switches = switches;
    __atomic_store_n(&dog->since_ns, now, __ATOMIC_RELAXED);
    return;
  }
  uint64_t held = now - dog->since_ns;
  int hold = load_hold(dog);
  if (hold == NEAP_HOLD_NONE && held >= dog->limit_ns) {
    last->asked_ns = now;
    __atomic_store_n(&dog->switches, switches, __ATOMIC_RELAXED);
    if (advance(dog, NEAP_HOLD_NONE, NEAP_HOLD_ASKED))
      neap__preempt_poke(rt);
  } else if (hold == NEAP_HOLD_NOTED && now - last->asked_ns >= GRACE_NS) {
    if (advance(dog, NEAP_HOLD_NOTED, NEAP_HOLD_SAID))
      say(dog, held);
  }
}

static void watch(void *arg) {
  struct neap_rt *rt = arg;
  struct neap_watchdog *dog = &rt->watchdog;
  struct look last = {0, 0};
  uint64_t period = dog->limit_ns / LOOKS;
  if (period < MIN_PERIOD_NS)
    period = MIN_PERIOD_NS;
  uv_mutex_lock(&dog->lock);
  while (!dog->stop) {
    uint64_t wait = period;
    if (load_hold(dog) == NEAP_HOLD_NOTED && wait > GRACE_NS)
      wait = GRACE_NS;
    uv_cond_timedwait(&dog->wake, &dog->lock, wait);
    if (!dog->stop)
      look(rt, &last);
  }
  uv_mutex_unlock(&dog->lock);
}

/* A new thread takes over the mask of its creator: signals of the process are
   for the threads that expect them. */
static int make_thread(struct neap_rt *rt) {
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  int err = uv_thread_create(&rt->watchdog.thread, watch, rt);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  return err;
}

int neap__watchdog_start(struct neap_rt *rt, uint64_t limit_ns) {
  struct neap_watchdog *dog = &rt->watchdog;
  neap__watchdog_stop(rt);
  int err = neap__preempt_listen(rt);
  if (err == 0)
    err = uv_mutex_init(&dog->lock);
  if (err < 0)
    return err;
  err = uv_cond_init(&dog->wake);
  if (err < 0)
    goto fail_lock;
  dog->limit_ns = limit_ns;
  dog->stop = false;
  dog->hold = NEAP_HOLD_NONE;
  dog->since_ns = uv_hrtime();
  err = make_thread(rt);
  if (err < 0)
    goto fail;
  dog->runs = true;
  return 0;
fail:
  uv_cond_destroy(&dog->wake);
fail_lock:
  uv_mutex_destroy(&dog->lock);
  return err;
}

void neap__watchdog_stop(struct neap_rt *rt) {
  struct neap_watchdog *dog = &rt->watchdog;
  if (!dog->runs)
    return;
  uv_mutex_lock(&dog->lock);
  dog->stop = true;
  uv_cond_signal(&dog->wake);
  uv_mutex_unlock(&dog->lock);
  uv_thread_join(&dog->thread);
  uv_cond_destroy(&dog->wake);
  uv_mutex_destroy(&dog->lock);
  dog->runs = false;
  dog->hold = NEAP_HOLD_NONE; /* a poke that is under way finds nothing */
  neap__preempt_hush(rt);
}

void neap__watchdog_on_poke(struct neap_rt *rt) {
  struct neap_watchdog *dog = &rt->watchdog;
  const struct neap_task *task = rt->sched.current;
  if (load_hold(dog) != NEAP_HOLD_ASKED || rt->blocking ||
      __atomic_load_n(&dog->switches, __ATOMIC_RELAXED) != rt->sched.switches)
    return; /* it is over by now */
  dog->task = task != NULL ? task->id : 0;
  dog->describe(rt, task, dog->text, sizeof dog->text);
  advance(dog, NEAP_HOLD_ASKED, NEAP_HOLD_NOTED);
}

uint64_t neap__watchdog_take(struct neap_rt *rt) {
  struct neap_watchdog *dog = &rt->watchdog;
  if (!advance(dog, NEAP_HOLD_NOTED, NEAP_HOLD_TOLD) &&
      !advance(dog, NEAP_HOLD_SAID, NEAP_HOLD_TOLD))
    return 0;
  uint64_t held =
      uv_hrtime() - __atomic_load_n(&dog->since_ns, __ATOMIC_RELAXED);
  return held > 0 ? held : 1;
}
