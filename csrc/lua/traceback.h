/*
 * traceback.h: where an error came from, for errors that one of our functions
 * has caught and raised again: the Lua stack is unwound by then.
 */
#ifndef NEAP_LUA_TRACEBACK_H
#define NEAP_LUA_TRACEBACK_H

#include "lua/neapl.h"

/* A message handler that leaves the error as it is and remembers the running
   task's traceback. */
int neapL_traceback_handler(lua_State *L);

/* Pushes the error of the {error, traceback} at ref in the registry, to be
   raised again in the running task, and remembers its traceback. Does not
   raise. */
void neapL_traceback_raise(lua_State *L, struct neapL *N, int ref);

/* Pushes the traceback that was remembered for the error on the top of task's
   Lua thread; false, with nothing pushed, if there is none. */
bool neapL_traceback_known(lua_State *L, struct neap_task *task);

/* The task at place has ended. Does not raise. */
void neapL_traceback_forget(struct neapL *N, uint32_t place);

#endif
