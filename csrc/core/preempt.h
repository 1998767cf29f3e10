/*
 * preempt.h: a tick in the middle of whatever the loop's thread does: a timer
 * on that thread's CPU time sends it a signal. An idle loop gets none. The
 * handler only calls what the binding gave, which leaves a mark; the switch
 * itself is the task's own (neap__sched_preempt), made where the binding can.
 *
 * The signal is a real-time one that nobody has a handler for, and it carries
 * its runtime, so that several of them in one thread don't mix. The handler
 * stays installed: another thread's runtime may use it as well.
 */
#ifndef NEAP_CORE_PREEMPT_H
#define NEAP_CORE_PREEMPT_H

#include "core/task.h"

struct neap_preempt {
  void *timer;    /* a timer_t */
  int signum;     /* 0: none is claimed yet */
  int tid;        /* the loop's thread */
  bool has_timer; /* it goes on until neap__preempt_stop */
  bool by_wall;   /* tests: real time, which ticks in system calls as well */

  /* Upward, in the signal handler: set before the first tick. */
  void (*on_tick)(struct neap_rt *rt); /* a slice of CPU time is over */
  void (*on_poke)(struct neap_rt *rt); /* neap__preempt_poke was called */
};

/* From now on on_tick is called after each slice_ns > 0 of CPU time of this
   thread, which is the loop's. Returns 0 or a negative UV_E*: UV_ENOSYS where
   there is no such timer, and nothing has changed then. */
int neap__preempt_start(struct neap_rt *rt, uint64_t slice_ns);

/* No tick comes any more. Harmless without one. */
void neap__preempt_stop(struct neap_rt *rt);

/* Makes neap__preempt_poke possible. For the loop's thread. Returns 0 or a
   negative UV_E*. */
int neap__preempt_listen(struct neap_rt *rt);

/* Has on_poke called on the loop's thread, from any thread. */
void neap__preempt_poke(struct neap_rt *rt);

/* Nobody pokes any more: after this no poke comes. For the loop's thread. */
void neap__preempt_hush(struct neap_rt *rt);

#endif
