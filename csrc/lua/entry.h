/*
 * entry.h: where a Lua thread stands in the tree of scopes, limits and shields
 * (core/cancel.h). Each Lua thread has a stack of entries of its own: a
 * coroutine that opened none stands where its task does, one that did stands in
 * its own and then in its task's, whichever task runs it.
 */
#ifndef NEAP_LUA_ENTRY_H
#define NEAP_LUA_ENTRY_H

#include "core/cancel.h"
#include "lua/neapl.h"

/* The innermost entry around L, or NULL. Does not raise. */
struct neap_entry *neapL_entry_here(lua_State *L, struct neapL *N);

/* The running task stands where L does from now on: for what waits or asks
   whether it may go on. Does not raise. */
void neapL_entry_stand(lua_State *L, struct neapL *N);

/* Makes sure that neapL_entry_enter can't fail. May raise. */
void neapL_entry_prepare(lua_State *L, struct neapL *N);

/* L stands in entry, which was opened in where it stood, from now on. */
void neapL_entry_enter(lua_State *L, struct neapL *N, struct neap_entry *entry);

/*
 * entry, which owner has entered, is about to leave the tree. thread: the stack
 * index of the coroutine that entered it, 0 for L itself.
 */
void neapL_entry_leave(lua_State *L, struct neapL *N, struct neap_entry *entry,
                       struct neap_task *owner, int thread);

#endif
