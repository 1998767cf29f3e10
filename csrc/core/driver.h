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
  bool exits;            /* neap__driver_exit has been called */
  uint32_t exiting;      /* tasks, without main, that wait in it */
  uint64_t exit_ns;      /* when it is carried out at the latest */
};

void neap__driver_init(struct neap_rt *rt);

/*
 * Has rt->on_exit called on the driver's stack when all other tasks have ended,
 * or after grace_ns. Waits, and comes back only when the wait is ended from
 * outside (NEAP_CLOSING when on_exit closes the runtime), or with UV_ENOMEM.
 */
int neap__driver_exit(struct neap_rt *rt, uint64_t grace_ns);

/* Unwinds every task and runs the loop until no request is left that could
   touch the runtime. On the driver's stack. */
void neap__driver_unwind(struct neap_rt *rt);

/* Runs the loop until every handle of the runtime has been closed. */
void neap__driver_drain(struct neap_rt *rt);

#endif
