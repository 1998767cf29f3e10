/*
 * context.h: the values of a task, which what it spawns gets a copy of.
 */
#ifndef NEAP_LUA_CONTEXT_H
#define NEAP_LUA_CONTEXT_H

#include "lua/neapl.h"

/* Adds neap.context to the module table on the top. May raise. */
void neapL_context_open(lua_State *L, struct neapL *N);

/* Pushes a copy of the running task's context; false, with nothing pushed, if
   it has none. May raise. */
bool neapL_context_push(lua_State *L, struct neapL *N);

/* The context at index is that of the task at place. May raise. */
void neapL_context_file(lua_State *L, struct neapL *N, int index,
                        uint32_t place);

#endif
