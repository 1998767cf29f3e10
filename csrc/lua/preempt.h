/*
 * preempt.h: what happens to Lua code that does not wait: slices of CPU time
 * (preempt.c) and the watchdog's question where it is (watchdog.c). A signal
 * handler notes what is due and puts a hook in front of the running Lua thread;
 * the hook, which fires at the next instruction, does it.
 */
#ifndef NEAP_LUA_PREEMPT_H
#define NEAP_LUA_PREEMPT_H

#include "lua/hook.h"

#include <signal.h>

struct neapL_runs;

/* What is due. */
enum {
  NEAPL_DUE_SLICE = 1, /* the slice is over */
  NEAPL_DUE_PLACE = 2, /* the watchdog wants to know where we are */
  NEAPL_DUE_RUNNER = 4 /* a signal of the neap command; runner.h */
};

/* Lies in a userdata of its own, made when a script first asks for one of the
   two. */
struct neapL_preempt {
  struct neapL_hooks hooks;
  struct neapL_runs *volatile runs; /* running.c */
  int standins_ref; /* what our functions stand in for, or LUA_NOREF */

  bool slices, watches; /* which of the two are wanted */
  bool hosts;           /* the slices are the host's: scripts leave them */
  struct neapL_budgets *budgets; /* budget.h; NULL: there is no budget */
  bool reports;     /* a slice that is over is reported, that is all */
  double slice;     /* in seconds, for reports */
  bool counts_time; /* no signals: the hook itself looks at the clock */
  uint64_t slice_ns, over_ns; /* when this slice is over */
  int watchdog_ref;           /* the function for its reports, or LUA_NOREF */

  /* Written in the signal handler: what is due, on which Lua thread, and as
     long as its task has not waited. */
  volatile sig_atomic_t due;
  lua_State *volatile due_on;
  volatile uint32_t due_switches;

  /* The task that was running at the end of the slice before, if it has not
     waited since; whether it was reported. */
  uint64_t seen_id;
  uint32_t seen_switches;
  bool seen_told;
};

/* The state's, made if need be. May raise. */
struct neapL_preempt *neapL_preempt_need(lua_State *L, struct neapL *N);

/* Whether the running task (NULL: the driver) has Lua code of ours that can be
   stopped. Async-signal-safe. */
bool neapL_preempt_can(const struct neap_task *task);

/* Something is due for the running task, at its next Lua instruction.
   Async-signal-safe. */
void neapL_preempt_due(struct neapL *N, const struct neap_task *task, int what);

/* One of our hooks has fired on L. May wait, and raise. */
void neapL_preempt_fired(lua_State *L, struct neapL *N);

/* After a change of what is wanted: our functions come or go. May raise. */
void neapL_preempt_settle(lua_State *L, struct neapL *N);

/* Slices of so many ns for all scripts, which can't change that. May raise. */
void neapL_preempt_impose(lua_State *L, struct neapL *N, uint64_t ns);

/* The runtime has ended. */
void neapL_preempt_close(struct neapL *N);

/* The Lua threads of the running task, innermost first, as one traceback on L's
   top. May raise. */
void neapL_preempt_traceback(lua_State *L, struct neapL *N);

/* "task 7 'name' (spawned at x.lua:3)". Async-signal-safe as far as snprintf of
   these is. task may be NULL. */
void neapL_preempt_describe(const struct neap_task *task, char *out,
                            size_t size);

/* neap.preempt, neap.nopreempt: adds them to the table on L's top. */
void neapL_preempt_open(lua_State *L, struct neapL *N);

#endif
