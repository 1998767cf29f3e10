/*
 * where.h: where a task stands: its Lua stack from the outside, coroutines that
 * it has resumed included. A waiting task's Lua thread may only be looked at
 * with what can't raise (lua_getstack, lua_getinfo), and texts are made
 * elsewhere: on the caller's state, or in the runtime's memory.
 *
 * Lua has no way from a thread to the one it has resumed. But the innermost
 * frame of a thread that has resumed another is the C function that did so, and
 * that holds it: coroutine.resume and close as their first argument, a wrapped
 * coroutine as an upvalue.
 */
#ifndef NEAP_LUA_WHERE_H
#define NEAP_LUA_WHERE_H

#include "core/text.h"
#include "lua/neapl.h"

/* Pushes the traceback of a live task, innermost frame first. May raise. */
void neapL_where_traceback(lua_State *L, struct neapL *N,
                           const struct neap_task *task);

/* What struct neap_info asks of a binding. */
uint64_t neapL_where_hash(const struct neap_task *task);
void neapL_where_print(const struct neap_task *task, struct neap_text *text,
                       uint32_t indent);

#endif
