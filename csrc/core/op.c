/* op.c: the wait object; its life is told in op.h. */
#include "core/op.h"

#include "core/rt.h"
#include "core/sched.h"

#include <assert.h>

/* Kept out of the frames of a waiting task. */
#define NOT_IN_FRAME __attribute__((noinline))

int neap__op_new(struct neap_rt *rt, const char *what, size_t size,
                 struct neap_op **out) {
  if (size > UINT32_MAX - NEAP_OP_HEAD)
    return UV_ENOMEM;
  size_t whole = NEAP_OP_HEAD + size;
  struct neap_op *op = neap__mem_zalloc(&rt->mem, whole);
  if (op == NULL)
    return UV_ENOMEM;
  op->rt = rt;
  op->what = what;
  op->size = (uint32_t)whole;
  op->refs = 2;
  *out = op;
  return 0;
}

void neap__op_init(struct neap_rt *rt, const char *what, struct neap_op *op) {
  op->rt = rt;
  op->what = what;
  op->refs = 3; /* the third one is never given up: not ours to free */
}

int neap__op_new_relay(struct neap_rt *rt, size_t size,
                       void (*relay)(struct neap_op *op),
                       struct neap_op **out) {
  struct neap_op *op;
  int err = neap__op_new(rt, "relay", size, &op);
  if (err < 0)
    return err;
  op->relays = true;
  op->relay = relay;
  *out = op;
  return 0;
}

void neap__op_unref(struct neap_op *op) {
  assert(op->refs > 0);
  if (--op->refs > 0)
    return;
  assert(op->timer.place == 0 && !neap__list_linked(&op->link));
  neap__mem_free(&op->rt->mem, op, op->size);
}

void neap__op_free(struct neap_op *op) {
  if (op == NULL)
    return;
  neap__timer_stop(op->rt, &op->timer);
  op->refs = 1;
  neap__op_unref(op);
}

bool neap__op_abandoned(const struct neap_op *op) {
  return op->done;
}

/* The wait is over, one way or the other. */
static void finish(struct neap_op *op, int status) {
  op->done = true;
  op->status = status;
  neap__timer_stop(op->rt, &op->timer);
  if (op->task == NULL) {
    if (op->relays)
      op->relay(op);
    return;
  }
  if (op->rt->slices.watching != 0)
    neap__trace_add(op->rt, NEAP_EVENT_WAKE, op->task, op->what);
  neap__sched_ready(op->task);
}

bool neap__op_wake(struct neap_op *op, int status) {
  bool taken = !op->done;
  if (taken)
    finish(op, status);
  neap__op_unref(op);
  return taken;
}

void neap__op_interrupt(struct neap_op *op, int status) {
  if (op->done)
    return;
  enum neap_op_fate fate = op->cancel != NULL ? op->cancel(op) : NEAP_OP_GONE;
  if (fate == NEAP_OP_STAYS)
    return;
  finish(op, status);
  if (fate == NEAP_OP_GONE)
    neap__op_unref(op);
}

static struct neap_op *op_of_timer(struct neap_timer *timer) {
  return NEAP_LIST_ENTRY(timer, struct neap_op, timer);
}

static void on_limit(struct neap_timer *timer) {
  neap__op_interrupt(op_of_timer(timer), UV_ETIMEDOUT);
}

int neap__op_new_until(struct neap_rt *rt, const char *what, size_t size,
                       uint64_t due_ns, struct neap_op **out) {
  struct neap_op *op;
  int err = neap__op_new(rt, what, size, &op);
  if (err < 0)
    return err;
  if (due_ns != NEAP_FOREVER) {
    op->timer.fire = on_limit;
    err = neap__timer_start(rt, &op->timer, due_ns);
    if (err < 0) {
      neap__op_free(op);
      return err;
    }
  }
  *out = op;
  return 0;
}

/*
 * A task that goes on swallowing the runtime's end would never let go of its
 * stack. A binding makes it raise at its every step after NEAP_STUBBORN times;
 * if that does not help either, it is not gone on with.
 */
static bool is_hopeless(struct neap_task *task) {
  if (task->swallowed < NEAP_MAX_SWALLOWED)
    task->swallowed++;
  return task->rt->closing && !task->is_main &&
         task->swallowed > 2 * NEAP_STUBBORN;
}

/* The current task has gone on although its waits are ended. */
NOT_IN_FRAME static int check_hopeless(struct neap_task *task) {
  if (is_hopeless(task))
    neap__sched_drop(task->rt);
  return task->interrupt;
}

int neap__op_check(struct neap_rt *rt) {
  struct neap_task *task = rt->sched.current;
  return task == NULL || task->interrupt == 0 ? 0 : check_hopeless(task);
}

int neap__op_begin(struct neap_rt *rt) {
  neap__sched_spend(rt);
  return neap__op_check(rt);
}

/* The current task is not to wait: calls its request off, if it can be. */
NOT_IN_FRAME static void call_off(struct neap_op *op, struct neap_task *task) {
  neap__op_interrupt(op, task->interrupt);
  if (op->done && is_hopeless(task)) {
    neap__op_unref(op); /* nobody comes back to do it */
    neap__sched_drop(task->rt);
  }
}

static void on_sleep_over(struct neap_timer *timer) {
  neap__op_wake(op_of_timer(timer), 0);
}

/* Counts a wait that is not for other tasks alone. */
static void count_external(struct neap_rt *rt, struct neap_op *op) {
  const bool limited = op->timer.place != 0;
  op->external = !op->internal || limited;
  op->timed = limited && (op->internal || op->timer.fire == on_sleep_over);
  rt->sched.external += op->external;
  rt->sched.timed += op->timed;
}

static void uncount_external(struct neap_rt *rt, const struct neap_op *op) {
  rt->sched.external -= op->external;
  rt->sched.timed -= op->timed;
}

/* The current task is about to wait for op. False when it need not. */
NOT_IN_FRAME static bool begin_wait(struct neap_op *op) {
  struct neap_rt *rt = op->rt;
  struct neap_task *task = rt->sched.current;
  assert(task != NULL); /* the driver itself can't wait */
  if (!op->done && task->interrupt != 0)
    call_off(op, task);
  if (op->done)
    return false;
  count_external(rt, op);
  op->task = task;
  task->op = op;
  task->state = NEAP_TASK_WAITING;
  task->since_ns = rt->sched.now_ns;
  if (rt->slices.watching != 0)
    neap__trace_add(rt, NEAP_EVENT_WAIT, task, op->what);
  return true;
}

/* Suspends the current task until op is done. Inline, and op alone is kept in
   the frame meanwhile: a waiting task has a copy of every byte from here on. */
static inline void wait_for(struct neap_op *op) {
  if (!begin_wait(op))
    return;
  neap__sched_suspend(op->rt);
  assert(op->done);
  op->task->op = NULL;
  op->task = NULL;
  uncount_external(op->rt, op);
}

void neap__op_forget(struct neap_op *op) {
  uncount_external(op->rt, op);
  op->task->op = NULL;
  op->task = NULL;
}

int neap__op_park(struct neap_op *op) {
  wait_for(op);
  return op->status;
}

/* Gives the waiter's share up; returns the status. */
NOT_IN_FRAME static int give_up(struct neap_op *op) {
  int status = op->status;
  neap__op_unref(op);
  return status;
}

NOT_IN_FRAME int neap__op_await(struct neap_op *op) {
  wait_for(op);
  return give_up(op);
}

int neap__op_sleep(struct neap_rt *rt, uint64_t due_ns) {
  struct neap_op *op;
  int err = neap__op_new(rt, "sleep", 0, &op);
  if (err < 0)
    return err;
  op->timer.fire = on_sleep_over;
  err = neap__timer_start(rt, &op->timer, due_ns);
  if (err < 0) {
    neap__op_free(op);
    return err;
  }
  return neap__op_await(op);
}

/* A host's waker always comes: its request is let go, not called off. */
static enum neap_op_fate let_go(struct neap_op *op) {
  (void)op;
  return NEAP_OP_LATE;
}

int neap_wait_new(neap_rt *rt, size_t size, neap_wait **out) {
  int err = neap__op_new(rt, "host", size, out);
  if (err == 0) {
    (*out)->cancel = let_go;
    rt->late++;
  }
  return err;
}

void *neap_wait_data(neap_wait *wait) {
  return neap__op_data(wait);
}

int neap_park(neap_wait *wait) {
  return neap__op_park(wait);
}

int neap_park_until(neap_wait *wait, uint64_t due_ns) {
  if (!wait->done && due_ns != NEAP_FOREVER) {
    wait->timer.fire = on_limit;
    int err = neap__timer_start(wait->rt, &wait->timer, due_ns);
    if (err < 0)
      neap__op_interrupt(wait, err);
  }
  return neap__op_park(wait);
}

void neap_wait_free(neap_wait *wait) {
  neap__op_unref(wait);
}

bool neap_wake(neap_wait *wait, int status) {
  wait->rt->late--;
  return neap__op_wake(wait, status);
}
