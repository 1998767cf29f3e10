/*
 * step.h: a runtime whose host owns the time: it is stepped once a frame, or
 * turns inside the host's own uv_run. The host's stack is main's; nothing here
 * ever blocks it.
 */
#ifndef NEAP_CORE_STEP_H
#define NEAP_CORE_STEP_H

#include "core/list.h"

#include <uv.h>

struct neap_rt;

/* On a loop of the host's: how tasks run while that runs it. */
struct neap_guest {
  uv_check_t *check; /* runs a turn, after each poll; NULL: our own loop */
  uv_idle_t *idle; /* active while anybody is ready: the poll must not block */
  struct neap_list frames; /* who waits for the next step */
  uint64_t steps;          /* begun, by neap_step or in the host's run */
};

/* Returns 0 or a negative UV_E*. On the runtime's own loop there is nothing to
   do but to set the list up. */
int neap__step_init(struct neap_rt *rt);

/* Starts closing the handles. */
void neap__step_deinit(struct neap_rt *rt);

#endif
