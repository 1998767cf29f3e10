/*
 * slice.h: how long tasks run, and telling of each time that they do, while
 * somebody wants to know. A look at the clock takes half as long as a switch,
 * so nobody pays for it otherwise: the scheduler looks at one word.
 */
#ifndef NEAP_CORE_SLICE_H
#define NEAP_CORE_SLICE_H

#include "core/task.h"

/* Who watches; each user has a bit of its own. */
enum neap_watching {
  NEAP_WATCH_STATS = 1, /* NEAP_STATS=1 in the environment */
  NEAP_WATCH_TRACE = 2, /* and events are noted (trace.h) */
  NEAP_WATCH_PREEMPT = 4,
  NEAP_WATCH_WATCHDOG = 8,
  NEAP_WATCH_HOP = 16 /* sched.c's own: hop is to be looked at */
};

struct neap_slices {
  uint32_t watching; /* enum neap_watching; 0: nobody */
  uint64_t since_ns; /* when the current task's slice began, by uv_hrtime; 0:
                        nobody watched then */
};

/* Begins or ends watching for one of the users. */
void neap__slice_watch(struct neap_rt *rt, enum neap_watching user, bool on);

/* Somebody watches: task, main included, is about to run, or has stopped. On
   the driver's stack. */
void neap__slice_begin(struct neap_rt *rt, struct neap_task *task);
void neap__slice_end(struct neap_rt *rt, struct neap_task *task);

#endif
