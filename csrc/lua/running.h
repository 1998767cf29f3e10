/*
 * running.h: which coroutine runs innermost in a task. Lua has no pointer to
 * it, so while somebody wants to know, coroutine.resume, wrap and close are
 * ours and note it. Whoever resumes a coroutine otherwise (functions of the
 * stock library that a script has kept, other C libraries) escapes.
 */
#ifndef NEAP_LUA_RUNNING_H
#define NEAP_LUA_RUNNING_H

#include "lua/neapl.h"

/* A coroutine that runs in a task, in the frame of who has resumed it: only to
   be looked at while that task runs. */
struct neapL_running {
  lua_State *co;
  struct neapL_running *outer; /* NULL: the task's own Lua thread */
};

/* By task's place; a signal handler reads it. */
struct neapL_runs {
  uint32_t n;
  struct neapL_running *innermost[];
};

/* The innermost noted coroutine of the running task, or NULL: its own Lua
   thread runs. Async-signal-safe. */
struct neapL_running *neapL_running_of(const struct neapL *N,
                                       const struct neap_task *task);

/* coroutine.resume, wrap and close; the first upvalue is the neapL. */
int neapL_running_resume(lua_State *L);
int neapL_running_wrap(lua_State *L);
int neapL_running_close(lua_State *L);

/* The task at place has ended, wherever it was. */
void neapL_running_forget(const struct neapL *N, uint32_t place);

/* Frees what is noted, when no task is alive. */
void neapL_running_deinit(struct neapL *N);

#endif
