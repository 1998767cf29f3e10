/*
 * timer.h: one array heap of due times, in nanoseconds, over one uv_timer_t.
 * A waiting sleep costs 16 bytes here; libuv's own timer 150. Never early:
 * the uv timer is set from a fresh uv_update_time, rounded up, and a callback
 * that comes early arms it again.
 */
#ifndef NEAP_CORE_TIMER_H
#define NEAP_CORE_TIMER_H

#include "core/task.h"

#include <uv.h>

/* One due time; part of what waits for it. All-zero: not armed. */
struct neap_timer {
  /* Called on the driver's stack when the time has come; the timer is no
     longer armed then. */
  void (*fire)(struct neap_timer *timer);
  uint32_t place; /* in the heap, from 1; 0: not armed */
  uint32_t order; /* equal due times fire in the order of arming */
};

struct neap_timer_due {
  uint64_t due_ns;
  struct neap_timer *timer;
};

struct neap_timers {
  struct neap_timer_due *heap; /* heap[0] is place 1 */
  uint32_t n, capacity;
  uint32_t order;
  uint64_t armed_ns; /* what the uv timer is set for; 0: stopped */
  uv_timer_t *uv;
};

/* NEAP_FOREVER as a due time never comes. */
#define NEAP_FOREVER UINT64_MAX

/* As a due time: what would have to wait has timed out at once. */
#define NEAP_ONCE 0

/* Returns 0 or a negative UV_E*. */
int neap__timer_init(struct neap_rt *rt);

/* Frees the heap and starts closing the uv timer. No timer is armed. */
void neap__timer_deinit(struct neap_rt *rt);

/* Arms timer, which is not armed, for due_ns on the tasks' clock. Returns 0
   or UV_ENOMEM. */
int neap__timer_start(struct neap_rt *rt, struct neap_timer *timer,
                      uint64_t due_ns);

/* Harmless on one that is not armed. */
void neap__timer_stop(struct neap_rt *rt, struct neap_timer *timer);

/* Fires all that are due. On the driver's stack. */
void neap__timer_fire_due(struct neap_rt *rt);

/* The same when it was `now` on the tasks' clock a moment ago. */
void neap__timer_fire_until(struct neap_rt *rt, uint64_t now);

/* When the first one is due, or NEAP_FOREVER. */
uint64_t neap__timer_next(const struct neap_rt *rt);

/* When an armed timer is due. */
uint64_t neap__timer_due(const struct neap_rt *rt,
                         const struct neap_timer *timer);

/* The clock has jumped: sets libuv's timer anew. */
void neap__timer_rearm(struct neap_rt *rt);

/* now + ns, saturating: what a duration of ns from now is due. */
uint64_t neap__timer_after(const struct neap_rt *rt, uint64_t ns);

#endif
