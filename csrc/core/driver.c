/* driver.c: turning and polling; who drives: driver.h. */
#include "core/driver.h"

#include "core/rt.h"
#include "core/waitq.h"

/* libuv runs due timers and pending callbacks before it polls: one that makes
   somebody ready must not let the poll block. */
static void stop_poll(struct neap_rt *rt) {
  uv_stop(rt->loop);
}

/* The watchdog's thread reads it. */
static void set_blocking(struct neap_rt *rt, bool blocking) {
  __atomic_store_n(&rt->blocking, blocking, __ATOMIC_RELAXED);
  rt->sched.on_ready = blocking ? stop_poll : NULL;
}

/* libuv's part of a poll. Virtual time passes as the real one does while the
   world is waited for, and stands still otherwise. */
static void run_loop(struct neap_rt *rt, uv_run_mode mode) {
  struct neap_sched *sched = &rt->sched;
  const bool blocks = mode == UV_RUN_ONCE;
  uint64_t before = uv_hrtime();
  if (blocks && rt->clock.is_virtual)
    neap__timer_rearm(rt);
  set_blocking(rt, blocks);
  uv_run(rt->loop, mode);
  set_blocking(rt, false);
  sched->looked_ns = sched->polled_ns = uv_hrtime();
  if (!blocks)
    return;
  rt->driver.idle_ns += sched->polled_ns - before;
  neap__clock_pass(&rt->clock, sched->polled_ns - before);
}

/* Fires what is due, at the time that is the turn's from now on. */
static void fire_due(struct neap_rt *rt) {
  neap__timer_fire_due(rt);
  rt->sched.now_ns = neap__clock_now(&rt->clock);
}

static void poll(struct neap_rt *rt, uv_run_mode mode) {
  neap__cxx_look(&rt->sched.cxx); /* a task may have loaded a C++ module */
  neap__trace_add(rt, NEAP_EVENT_POLL, NULL, NULL);
  run_loop(rt, mode);
  fire_due(rt);
  rt->sched.resumes = 0;
  rt->driver.polls++;
  neap__trace_add(rt, NEAP_EVENT_POLLED, NULL, NULL);
  neap__trace_flush(rt);
}

/* Whether a task other than main is alive. */
static bool any_task(const struct neap_rt *rt) {
  return rt->sched.ntasks > 0;
}

/* Whether somebody waits for what is outside the runtime. In virtual time a
   sleep for ever is not that. */
static bool awaits_world(const struct neap_rt *rt) {
  return rt->sched.external > (rt->clock.is_virtual ? rt->sched.timed : 0);
}

static void count_active(uv_handle_t *uv, void *arg) {
  uint32_t *n = arg;
  *n += uv_is_active(uv) && uv_has_ref(uv) && !uv_is_closing(uv);
}

/* Whether the loop has an active handle that is not ours: what it does is the
   host's business, and may be to wake a task. */
static bool host_is_active(struct neap_rt *rt) {
  uint32_t all = 0, ours = 0;
  uv_walk(rt->loop, count_active, &all);
  count_active((uv_handle_t *)rt->timers.uv, &ours);
  count_active((uv_handle_t *)rt->posts.uv, &ours);
  if (rt->guest.idle != NULL)
    count_active((uv_handle_t *)rt->guest.idle, &ours);
  if (rt->io != NULL)
    ours += rt->io_active(rt);
  return all > ours;
}

/* Nobody is ready, and nothing outside can change that. */
static bool is_deadlock(struct neap_rt *rt) {
  return rt->sched.nready == 0 && !awaits_world(rt) &&
         neap__timer_next(rt) == NEAP_FOREVER && !host_is_active(rt);
}

/* neap__driver_exit has been called, and everybody else has ended or had the
   time they were given. */
static bool exit_is_due(const struct neap_rt *rt) {
  return rt->sched.ntasks <= rt->driver.exiting ||
         neap__clock_now(&rt->clock) >= rt->driver.exit_ns;
}

/* The one wait in which what happens to the whole program shows. */
static void interrupt_main(struct neap_rt *rt, int status) {
  struct neap_op *op = rt->sched.main->op;
  if (op != NULL)
    neap__op_interrupt(op, status);
}

/* Ctrl-C while main waits. */
static void on_interrupt(struct neap_rt *rt) {
  if (rt->on_sigint != NULL)
    rt->on_sigint(rt, rt->binding);
  else
    interrupt_main(rt, NEAP_INTERRUPTED);
}

/* Nothing can end the waits there are: main's is ended, and raises. */
static void end_deadlock(struct neap_rt *rt) {
  if (rt->on_deadlock != NULL)
    rt->on_deadlock(rt, rt->binding);
  rt->sched.deadlocked = true; /* for waits that nothing else ends */
  interrupt_main(rt, NEAP_EDEADLK);
  rt->sched.deadlocked = false;
}

/* Nobody is ready. In virtual time, and with nothing of the world to be waited
   for, it is the next due time at once. */
static void rest(struct neap_rt *rt) {
  if (!rt->clock.is_virtual || awaits_world(rt) ||
      neap__timer_next(rt) == NEAP_FOREVER) {
    poll(rt, UV_RUN_ONCE);
    return;
  }
  poll(rt, UV_RUN_NOWAIT); /* what was closed meanwhile */
  if (rt->sched.nready > 0)
    return;
  neap__clock_jump(&rt->clock, neap__timer_next(rt));
  fire_due(rt);
}

/* Runs tasks until it is main's turn. */
static void turn_and_poll(struct neap_rt *rt) {
  struct neap_sched *sched = &rt->sched;
  bool watched = false;
  for (;;) {
    enum neap_turn turn = neap__sched_turn(rt);
    if (turn == NEAP_TURN_MAIN) {
      /* A main script that only yields must not keep the loop from its
         timers and descriptors. */
      if (neap__sched_poll_due(rt))
        poll(rt, UV_RUN_NOWAIT);
      return;
    }
    if (!any_task(rt))
      neap__waitq_wake_all(&rt->driver.idle, 0);
    if (neap__sigint_take(rt))
      on_interrupt(rt);
    if (rt->driver.exits && exit_is_due(rt))
      rt->on_exit(rt, rt->binding);
    if (is_deadlock(rt))
      end_deadlock(rt);
    if (sched->nready == 0) {
      if (!watched) /* a system call: once per wait of main */
        neap__sigint_watch(rt);
      watched = true;
      rest(rt);
    } else if (turn == NEAP_TURN_POLL) {
      neap__sigint_watch(rt); /* tasks that only yield must not keep main */
      poll(rt, UV_RUN_NOWAIT);
    }
  }
}

/* On the main stack, from main's wait. */
static void drive(struct neap_rt *rt) {
  void (*on_ready)(struct neap_rt *) = rt->sched.on_ready; /* a host's loop's */
  rt->sched.on_ready = NULL;
  if (!rt->owns_loop)
    neap__post_keep(rt, true);
  turn_and_poll(rt);
  rt->sched.on_ready = on_ready;
  if (on_ready != NULL)
    on_ready(rt);
}

/* task's frames stand in somebody's way and can't be saved. */
static void on_no_memory(struct neap_task *task) {
  neap__op_interrupt(task->op, UV_ENOMEM);
}

/* Something around task's wait was cancelled. */
static void on_cancel(struct neap_task *task) {
  neap__op_interrupt(task->op, NEAP_CANCELLED);
}

void neap__driver_init(struct neap_rt *rt) {
  rt->sched.drive = drive;
  rt->sched.on_no_memory = on_no_memory;
  rt->cancels.interrupt = on_cancel;
  rt->driver.began_ns = uv_hrtime();
  neap__list_init(&rt->driver.idle);
}

int neap__driver_exit(struct neap_rt *rt, uint64_t grace_ns) {
  struct neap_driver *driver = &rt->driver;
  const bool is_main = rt->sched.current->is_main;
  uint64_t due = neap__timer_after(rt, grace_ns);
  struct neap_op *op;
  /* Limited so that the poll ends. */
  int err = neap__op_new_until(rt, "exit", 0, due, &op);
  if (err < 0)
    return err;
  if (!driver->exits || due < driver->exit_ns)
    driver->exit_ns = due;
  driver->exits = true;
  driver->exiting += !is_main;
  err = neap__op_await(op);
  driver->exiting -= !is_main;
  if (err == UV_ETIMEDOUT && is_main)
    rt->on_exit(rt, rt->binding); /* main was ready before the driver looked */
  return err == UV_ETIMEDOUT ? neap__driver_exit(rt, 0) : err;
}

int neap_run(neap_rt *rt) {
  if (rt->sched.current != rt->sched.main || neap__fork_is_child(&rt->fork))
    return UV_EPERM;
  int err = 0;
  while (err == 0 && any_task(rt))
    err = neap__waitq_wait(rt, &rt->driver.idle, "run", NEAP_FOREVER, true);
  return err;
}

/* The stack that closes the runtime is never unwound, nor is main's. */
static bool spared(const struct neap_rt *rt, const struct neap_task *task) {
  return task->is_main || task == rt->closer;
}

static uint32_t to_unwind(const struct neap_rt *rt) {
  uint32_t n = rt->sched.ntasks;
  return n - (rt->closer != NULL && !rt->closer->is_main && n > 0);
}

static void interrupt_all(struct neap_rt *rt) {
  struct neap_list *head = &rt->sched.tasks, *node;
  for (node = head->next; node != head; node = node->next) {
    struct neap_task *task = NEAP_LIST_ENTRY(node, struct neap_task, all);
    if (spared(rt, task))
      continue;
    task->interrupt = NEAP_CLOSING;
    task->swallowed = 0;
    if (task->op != NULL)
      neap__op_interrupt(task->op, NEAP_CLOSING);
  }
}

/* Those that can't be unwound: they wait all the same. */
static void forget_rest(struct neap_rt *rt) {
  struct neap_list *head = &rt->sched.tasks, *node = head->next;
  while (node != head) {
    struct neap_task *task = NEAP_LIST_ENTRY(node, struct neap_task, all);
    node = node->next;
    if (spared(rt, task))
      continue;
    if (rt->on_dropped != NULL)
      rt->on_dropped(task, rt->binding);
    neap__sched_forget(task);
  }
}

void neap__driver_unwind(struct neap_rt *rt) {
  struct neap_sched *sched = &rt->sched;
  interrupt_all(rt);
  while (to_unwind(rt) > 0) {
    if (sched->nready > 0) {
      /* Main's turn does not come any more: it just leaves the queue. */
      if (neap__sched_turn(rt) == NEAP_TURN_POLL)
        poll(rt, UV_RUN_NOWAIT);
      if (sched->starved && sched->ran == 0 && sched->stuck > 0)
        break; /* no memory to move anybody's frames, and nobody else to run */
    } else if (sched->external > 0) {
      poll(rt, UV_RUN_ONCE);
    } else {
      break;
    }
  }
  forget_rest(rt);
  while (rt->late > 0) /* wakers that will still come */
    poll(rt, UV_RUN_ONCE);
}

void neap__driver_drain(struct neap_rt *rt) {
  while (rt->uv_handles > 0)
    uv_run(rt->loop, UV_RUN_ONCE);
}
