/*
 * driver.h: who runs the loop. On a loop of its own the driver is the main
 * stack while main waits: it runs a turn, polls libuv, and so on, until it is
 * main's turn. libuv's callbacks only wake; neap__sched_turn alone resumes.
 */
#ifndef NEAP_CORE_DRIVER_H
#define NEAP_CORE_DRIVER_H

#include "core/task.h"

struct neap_driver {
  uint64_t polls;
  uint64_t idle_ns;      /* spent in polls that could block */
  uint64_t began_ns;     /* when the runtime was made */
  struct neap_list idle; /* who waits for all tasks to end */
};

void neap__driver_init(struct neap_rt *rt);

/* Unwinds every task and runs the loop until no request is left that could
   touch the runtime. On the driver's stack. */
void neap__driver_unwind(struct neap_rt *rt);

/* Runs the loop until every handle of the runtime has been closed. */
void neap__driver_drain(struct neap_rt *rt);

#endif
