/*
 * scope.c: neap.scope, neap.timeout, neap.time_limit and their type. The
 * closure forms call their function protected: what comes out of it is looked
 * at when every task in the scope has ended. The block forms do the same in
 * their __close, which can replace an error but not swallow it.
 */
#include "lua/scope_life.h"

#include "lua/cancelled.h"
#include "lua/entry.h"
#include "lua/start.h"
#include "lua/task_handle.h"

#include <stdio.h>
#include <string.h>

#define TYPE "neap.scope"

/* Pushes the userdata of a scope that L is to open. May raise. */
static struct neapL_scope_box *new_box(lua_State *L, struct neapL *N) {
  struct neapL_scope_box *box = lua_newuserdatauv(L, sizeof *box, 1);
  memset(box, 0, sizeof *box);
  luaL_setmetatable(L, TYPE);
  if (L != neapL_task_thread(N, N->rt->sched.current)) {
    lua_pushthread(L);
    lua_setiuservalue(L, -2, 1);
  }
  return box;
}

static struct neapL_scope *open_box(lua_State *L, struct neapL *N,
                                    struct neapL_scope_box *box,
                                    uint64_t due_ns) {
  struct neapL_scope *scope = neapL_scope_begin(L, N, due_ns);
  scope->box = box;
  box->scope = scope;
  box->id = scope->core.entry.serial;
  return scope;
}

static double seconds_at(lua_State *L, int arg) {
  double seconds = lua_tonumber(L, arg);
  return seconds > 0 ? seconds : 0;
}

/* The reason is on the top: returns nil, "scope cancelled: reason",
   "ECANCELED". */
static int return_cancelled(lua_State *L) {
  neapL_reason_text(L, "scope cancelled");
  lua_pushnil(L);
  lua_insert(L, -2);
  lua_pushliteral(L, "ECANCELED");
  return 3;
}

/* neap.scope(fn, ...) -> fn's results | nil, message, "ECANCELED". Waits.
   neap.scope() -> scope, to be closed. Does not wait. */
static int neap_scope_(lua_State *L) {
  struct neapL *N = neapL_self(L);
  int nargs = lua_gettop(L); /* of the function: the scope is the first */
  neapL_waitrt(L);
  if (nargs == 0) {
    open_box(L, N, new_box(L, N), NEAP_FOREVER);
    return 1;
  }
  neapL_checkcallable(L, 1);
  luaL_checkstack(L, 4, NULL);
  struct neapL_scope_box *box = new_box(L, N);
  lua_insert(L, 2);
  lua_pushvalue(L, 2); /* held here, whatever the function does with its own */
  lua_insert(L, 1);
  struct neapL_scope *scope = open_box(L, N, box, NEAP_FOREVER);
  scope->is_call = true;
  enum neapL_end how;
  int n = neapL_scope_call(L, scope, nargs, &how);
  return n >= 0 ? n : return_cancelled(L);
}

/* neap.timeout(seconds, fn, ...) -> fn's results | nil, message, "ETIMEDOUT",
   true. Waits. */
static int neap_timeout(lua_State *L) {
  struct neapL *N = neapL_self(L);
  uint64_t ns = neapL_checkseconds(L, 1);
  neapL_waitrt(L);
  neapL_checkcallable(L, 2);
  luaL_checkstack(L, 4, NULL);
  struct neapL_scope *scope =
      neapL_scope_begin(L, N, ns > 0 ? neap__timer_after(N->rt, ns) : 0);
  scope->seconds = seconds_at(L, 1);
  enum neapL_end how;
  int n = neapL_scope_call(L, scope, lua_gettop(L) - 2, &how);
  if (n >= 0)
    return n;
  if (how == NEAPL_END_CANCEL)
    return return_cancelled(L);
  neapL_timedout(L, seconds_at(L, 1));
  lua_pushboolean(L, true);
  return 4;
}

/* neap.time_limit(seconds) -> limit, to be closed. Does not wait. */
static int neap_time_limit(lua_State *L) {
  struct neapL *N = neapL_self(L);
  uint64_t ns = neapL_checkseconds(L, 1);
  neapL_waitrt(L);
  struct neapL_scope *scope =
      open_box(L, N, new_box(L, N), ns > 0 ? neap__timer_after(N->rt, ns) : 0);
  scope->seconds = seconds_at(L, 1);
  return 1;
}

/* -- the type */

/* scope:spawn([opts,] fn, ...) -> task. Does not wait. */
static int scope_spawn(lua_State *L) {
  struct neapL_spawn how = {.box = neapL_checkself(L, TYPE)};
  return neapL_spawn_at(L, neapL_self(L), &how, 2);
}

/* scope:start(fn, ...) -> what fn gives to neap.ready. Waits. */
static int scope_start(lua_State *L) {
  return neapL_start(L, neapL_self(L), neapL_checkself(L, TYPE));
}

/* scope:cancel([reason]) -> boolean. Does not wait. */
static int scope_cancel(lua_State *L) {
  struct neapL_scope_box *box = neapL_checkself(L, TYPE);
  struct neapL *N = neapL_self(L);
  lua_settop(L, 2);
  if (neapL_peekrt(L) == NULL || box->scope == NULL ||
      box->scope->core.entry.why != 0) {
    lua_pushboolean(L, false);
    return 1;
  }
  if (!lua_isnil(L, 2))
    neapL_reason_set(L, N, box->scope);
  /* May have been closed meanwhile, by what a collection has run. */
  bool done = box->scope != NULL &&
              neap__cancel_entry(&box->scope->core.entry, NEAP_WHY_ASKED);
  lua_pushboolean(L, done);
  return 1;
}

/* What a limit or a cancelled block raises instead of its cancellation: the
   reason is on the top. */
static int raise_end(lua_State *L, enum neapL_end how, double seconds) {
  if (how == NEAPL_END_TIME) {
    lua_pop(L, 1);
    neapL_timedout(L, seconds);
    lua_pop(L, 1);
    lua_pushnil(L); /* no reason */
    neapL_error_push(L, "ETIMEDOUT");
  } else {
    lua_pushvalue(L, -1);
    neapL_reason_text(L, "scope cancelled");
    lua_insert(L, -2);
    neapL_error_push(L, "ECANCELED");
  }
  return lua_error(L);
}

/* scope:close() and __close, with the error on its way. Waits for the tasks in
   it. */
static int scope_close(lua_State *L) {
  struct neapL_scope_box *box = neapL_checkself(L, TYPE);
  struct neapL_scope *scope = box->scope;
  struct neapL *N = neapL_self(L);
  lua_settop(L, 2);
  lua_pushboolean(L, true);
  lua_insert(L, 2);
  if (scope == NULL || neapL_peekrt(L) == NULL) {
    lua_settop(L, 2);
    return 1;
  }
  const struct neap_task *owner = scope->core.owner;
  neapL_waitrt(L);
  if (owner != N->rt->sched.current && scope->core.entry.stack == L)
    neap__scope_own(N->rt, &scope->core); /* the coroutine has moved here */
  else if (owner != N->rt->sched.current)
    return luaL_error(L, "cannot close the scope: it is task %I's",
                      (LUAI_UACINT)owner->id);
  if (scope->is_call)
    return luaL_error(L, "cannot close the scope: it ends with its function");
  double seconds = scope->seconds;
  enum neapL_end how = neapL_scope_end(L, scope, !lua_isnil(L, 3));
  if (how == NEAPL_END_CHILD)
    return lua_error(L);
  neapL_scope_raise_outside(L, N, how);
  if (how != NEAPL_END_WELL)
    return raise_end(L, how, seconds);
  lua_settop(L, 2);
  return 1;
}

/* A block that nobody can end any more: its coroutine was collected, or it was
   never to be closed. */
static int scope_gc(lua_State *L) {
  struct neapL_scope_box *box = neapL_checkself(L, TYPE);
  struct neapL_scope *scope = box->scope;
  struct neapL *N = neapL_self(L);
  const neap_rt *rt = neapL_peekrt(L);
  if (scope == NULL || rt == NULL || rt->closing)
    return 0; /* its memory goes with the runtime */
  if (scope->is_call)
    return 0; /* a script has called this: neap.scope holds it */
  uint32_t n = scope->core.nchildren;
  char text[100];
  snprintf(text, sizeof text,
           "a scope was collected before its end; its tasks are cancelled (%u)",
           (unsigned)n);
  neap__cancel_entry(&scope->core.entry, NEAP_WHY_ABANDONED);
  lua_getiuservalue(L, 1, 1);
  neapL_entry_leave(L, N, &scope->core.entry, scope->core.owner,
                    lua_isnil(L, -1) ? 0 : lua_gettop(L));
  neapL_scope_disown(scope);
  neapL_warn(L, text);
  return 0;
}

static int scope_tostring(lua_State *L) {
  const struct neapL_scope_box *box = neapL_checkself(L, TYPE);
  if (box->scope == NULL)
    lua_pushfstring(L, "scope %I (ended)", (LUAI_UACINT)box->id);
  else
    lua_pushfstring(L, "scope %I (%d tasks%s)", (LUAI_UACINT)box->id,
                    (int)box->scope->core.nchildren,
                    box->scope->core.entry.why != 0 ? ", cancelled" : "");
  return 1;
}

static const luaL_Reg scope_methods[] = {{"spawn", scope_spawn},
                                         {"start", scope_start},
                                         {"cancel", scope_cancel},
                                         {"close", scope_close},
                                         {NULL, NULL}};

static const luaL_Reg scope_meta[] = {{"__close", scope_close},
                                      {"__gc", scope_gc},
                                      {"__tostring", scope_tostring},
                                      {NULL, NULL}};

static const luaL_Reg functions[] = {{"scope", neap_scope_},
                                     {"timeout", neap_timeout},
                                     {"time_limit", neap_time_limit},
                                     {NULL, NULL}};

void neapL_scope_open(lua_State *L, struct neapL *N) {
  neapL_newtype(L, N, TYPE, scope_methods, scope_meta);
  neapL_setfuncs(L, N, functions);
}
