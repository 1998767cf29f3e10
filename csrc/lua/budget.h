/*
 * budget.h: how much CPU time a task may use within one step of the host: more
 * than that is a Lua error in it, once in each step; a handler of the script's
 * may catch it, and the task then gives way. It is found at the end of a slice:
 * the ticks of the thread's CPU time that hit the task are counted, and that it
 * has been running for so long by the clock is asked for as well. So neither a
 * tick that hits the wrong one nor another process's time makes it an offender.
 */
#ifndef NEAP_LUA_BUDGET_H
#define NEAP_LUA_BUDGET_H

#include "lua/neapl.h"

/* From now on each task may use step_ns in a step, which is looked at after
   slices of slice_ns; both more than 0. May raise, for want of memory. */
void neapL_budget_begin(lua_State *L, struct neapL *N, uint64_t slice_ns,
                        uint64_t step_ns);

/* A slice is over in the running task: raises if that was too many. */
void neapL_budget_spend(lua_State *L, struct neapL *N,
                        const struct neap_task *task);

/* The runtime ends. */
void neapL_budget_end(struct neapL *N);

#endif
