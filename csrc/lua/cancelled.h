/*
 * cancelled.h: the value that a cancelled wait raises. It belongs to the entry
 * that was cancelled, so that whoever leaves that entry knows it for his own.
 */
#ifndef NEAP_LUA_CANCELLED_H
#define NEAP_LUA_CANCELLED_H

#include "core/cancel.h"
#include "lua/neapl.h"

/* Makes the type. May raise. */
void neapL_cancelled_open(lua_State *L, struct neapL *N);

/* Pushes the value for what cancels the running task. May raise, for want of
   memory. */
void neapL_cancelled_push(lua_State *L, struct neapL *N);

/* Whether the value on the top of L is a cancellation that belongs to entry.
   Does not raise. */
bool neapL_cancelled_belongs(lua_State *L, const struct neapL *N,
                             const struct neap_entry *entry);

/* Whether the value on the top of L is what cancels task, from itself outward:
   what stands in it does not count. Does not raise. */
bool neapL_cancelled_ends(lua_State *L, const struct neapL *N,
                          const struct neap_task *task);

/* Replaces the cancellation value on the top by its reason, or nil. Does not
   raise. */
void neapL_cancelled_reason(lua_State *L);

/*
 * The reason that somebody gave with a cancellation, for what is at key: a task
 * or an entry. set: takes it off the top, may raise; push, clear: don't.
 */
void neapL_reason_set(lua_State *L, const struct neapL *N, const void *key);
void neapL_reason_push(lua_State *L, const struct neapL *N, const void *key);
void neapL_reason_clear(lua_State *L, const struct neapL *N, const void *key);

/* Pushes "prefix" or "prefix: reason", of the reason on the top, in its place.
   May raise. */
void neapL_reason_text(lua_State *L, const char *prefix);

/* Pushes an error table {code=, message=, reason=} that tostring explains,
   instead of the message and the reason on the top. May raise. */
void neapL_error_push(lua_State *L, const char *code);

#endif
