/*
 * traceback.h: where an error came from, for errors that one of our functions
 * has caught and raised again: the Lua stack is unwound by then.
 */
#ifndef NEAP_LUA_TRACEBACK_H
#define NEAP_LUA_TRACEBACK_H

#include "lua/neapl.h"

/*
 * Calls the function with its nargs arguments on L's top protected, and
 * remembers where an error came from. Returns the status; the results or the
 * error stand above where the function was, which is filled by something else.
 * LUA_MINSTACK slots are free then. Does not raise; two slots must be free.
 */
int neapL_traceback_call(lua_State *L, int nargs);

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
