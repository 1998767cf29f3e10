/*
 * scope.c: neap.scope, neap.timeout, neap.time_limit and neap.shield. The
 * closure forms call their function protected: what comes out of it is looked
 * at when every task in the scope has ended. The block forms do the same in
 * their __close, which can replace an error but not swallow it.
 */
#include "lua/scope.h"

#include "lua/cancelled.h"
#include "lua/entry.h"
#include "lua/report.h"
#include "lua/start.h"
#include "lua/task_handle.h"
#include "lua/traceback.h"

#include <stdio.h>
#include <string.h>

#define TYPE "neap.scope"

/* The userdata of a scope. Its user value: the coroutine that opened it. */
struct neapL_scope_box {
  struct neapL_scope *scope; /* NULL when it has ended */
  uint64_t id;
};

/* -- what the binding asks */

static void free_scope(struct neapL_scope *scope) {
  if (scope->box != NULL)
    scope->box->scope = NULL;
  luaL_unref(scope->N->work, LUA_REGISTRYINDEX, scope->error_ref);
  neapL_reason_clear(scope->N->work, scope->N, scope);
  neap__mem_free(&scope->N->rt->mem, scope, sizeof *scope);
}

static void on_orphan_end(struct neap_scope *core) {
  free_scope((struct neapL_scope *)(void *)core);
}

/* Nobody waits for the end of scope any more. */
static void disown(struct neapL_scope *scope) {
  if (scope->box != NULL)
    scope->box->scope = NULL;
  scope->box = NULL;
  neap__scope_orphan(&scope->core);
}

static struct neapL_scope *of_entry(struct neap_entry *entry) {
  if (entry == NULL || entry->kind != NEAP_ENTRY_SCOPE)
    return NULL;
  struct neap_scope *core = neap__scope_of(entry);
  if (core->on_orphan_end != on_orphan_end)
    return NULL;
  return (struct neapL_scope *)(void *)core;
}

struct neapL_scope *neapL_scope_around(const struct neap_task *task) {
  struct neap_entry *root = neap__cancel_root_of(task);
  return root != NULL ? of_entry(root->outer) : NULL;
}

struct neap_scope *neapL_scope_in(const struct neapL_scope_box *box) {
  return box->scope != NULL ? &box->scope->core : NULL;
}

struct neap_scope *neapL_scope_here(lua_State *L, struct neapL *N) {
  struct neap_entry *entry = neap__cancel_scope(neapL_entry_here(L, N));
  return entry != NULL ? neap__scope_of(entry) : NULL;
}

bool neapL_scope_fail(lua_State *L, struct neapL_scope *scope,
                      const struct neap_task *task) {
  if (scope->body_failed || scope->failed_id != 0 || scope->core.orphaned)
    return false;
  scope->error_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  scope->failed_id = task->id;
  neap__cancel_entry(&scope->core.entry, NEAP_WHY_CHILD);
  return true;
}

void neapL_scope_fail_bare(struct neapL_scope *scope,
                           const struct neap_task *task) {
  if (scope->failed_id == 0)
    scope->failed_id = task->id;
  neap__cancel_entry(&scope->core.entry, NEAP_WHY_CHILD);
}

void neapL_scope_cancelled(const struct neap_task *task) {
  struct neapL_scope *scope = neapL_scope_around(task);
  if (scope != NULL)
    scope->ncancelled++;
}

void neapL_scope_tell(const struct neap_entry *entry, double *seconds,
                      uint64_t *failed_id) {
  const struct neapL_scope *scope =
      of_entry((struct neap_entry *)(uintptr_t)entry);
  if (scope == NULL)
    return;
  *seconds = scope->seconds;
  *failed_id = scope->failed_id;
}

/* -- opening and ending */

/* Opens a scope in which L stands from now on. due_ns limits it. May raise,
   with nothing opened. */
static struct neapL_scope *open_scope(lua_State *L, struct neapL *N,
                                      uint64_t due_ns) {
  neap_rt *rt = N->rt;
  neapL_entry_prepare(L, N);
  struct neapL_scope *scope = neap__mem_zalloc(&rt->mem, sizeof *scope);
  if (scope == NULL)
    neapL_nomem(L);
  scope->N = N;
  scope->error_ref = LUA_NOREF;
  scope->core.on_orphan_end = on_orphan_end;
  neap__scope_open(rt, &scope->core, neapL_entry_here(L, N));
  neapL_entry_enter(L, N, &scope->core.entry);
  if (neap__cancel_limit(rt, &scope->core.entry, due_ns) < 0) {
    neapL_entry_leave(L, N, &scope->core.entry, scope->core.owner, 0);
    neap__scope_close(rt, &scope->core);
    free_scope(scope);
    neapL_nomem(L);
  }
  return scope;
}

/* How a scope has ended. */
enum end {
  END_WELL,     /* by its block's results, or its block's own error */
  END_CHILD,    /* by a child's error, which is pushed */
  END_DEADLOCK, /* it has not: its tasks can't go on */
  END_AROUND,   /* a cancellation from around it has ended tasks */
  END_TIME,     /* by its deadline; its reason, nil, is pushed */
  END_CANCEL    /* by scope:cancel; its reason is pushed */
};

/* The Lua thread that opened scope stands in it no longer. That is L, unless a
   script has called scope:close elsewhere. */
static void leave_thread(lua_State *L, struct neapL_scope *scope) {
  const struct neap_entry *entry = &scope->core.entry;
  struct neap_task *owner = scope->core.owner;
  int thread = 0;
  if (entry->stack != L && scope->box != NULL) {
    lua_getiuservalue(L, 1, 1);
    thread = lua_gettop(L);
  }
  neapL_entry_leave(L, scope->N, &scope->core.entry, owner, thread);
  if (thread != 0)
    lua_pop(L, 1);
}

/* What has made stubborn code end is left. */
static void unhook(lua_State *L, struct neapL *N) {
  neapL_unstubborn(L);
  neapL_unstubborn(neapL_task_thread(N, N->rt->sched.current));
}

/* Pushes the error of the first task that failed in scope. If the block has
   failed otherwise, with the error on L's top, that is reported. */
static void push_child_error(lua_State *L, struct neapL_scope *scope,
                             bool failed) {
  if (scope->error_ref == LUA_NOREF)
    lua_rawgetp(L, LUA_REGISTRYINDEX, neapL_no_memory);
  else
    neapL_traceback_raise(L, scope->N, scope->error_ref);
  if (!failed || lua_rawequal(L, -1, -2))
    return; /* the same error, as somebody has joined the task */
  lua_insert(L, -2);
  neapL_report_also(L, scope->N, scope->failed_id);
  lua_pop(L, 1);
}

/*
 * L's block is over, with the error on its top if failed. Waits for the tasks
 * in scope and frees it; pushes what enum end says. One slot must be free: does
 * not raise.
 */
static enum end end_scope(lua_State *L, struct neapL_scope *scope,
                          bool failed) {
  struct neapL *N = scope->N;
  struct neap_scope *core = &scope->core;
  bool own = failed && neapL_cancelled_belongs(L, N, &core->entry);
  enum end how = END_WELL;
  if (failed && !own) {
    scope->body_failed = scope->failed_id == 0;
    neap__cancel_entry(&core->entry, NEAP_WHY_BODY);
  }
  if (core->entry.cause == &core->entry)
    unhook(L, N);
  leave_thread(L, scope);
  if (neap__scope_close(N->rt, core) < 0) {
    disown(scope);
    return END_DEADLOCK;
  }
  if (scope->failed_id != 0) {
    how = END_CHILD;
    push_child_error(L, scope, failed && !own);
  } else if (own) {
    how = core->entry.why == NEAP_WHY_TIMEOUT ? END_TIME : END_CANCEL;
    neapL_reason_push(L, N, scope);
  } else if (!failed && scope->ncancelled > 0 && neap__op_check(N->rt) < 0) {
    how = END_AROUND;
  }
  free_scope(scope);
  return how;
}

/* Raises what is not the scope's own doing. */
static void raise_outside(lua_State *L, const struct neapL *N, enum end how) {
  if (how == END_DEADLOCK)
    neapL_raise(L, NEAP_EDEADLK);
  else if (how == END_AROUND)
    neapL_raise(L, neap__op_check(N->rt));
}

/*
 * Calls the function with its nargs arguments on L's top inside scope. Returns
 * the number of results on the top, or raises; -1 when the scope was cancelled:
 * how says by what, and its reason is on the top.
 */
static int call_in(lua_State *L, struct neapL_scope *scope, int nargs,
                   enum end *how) {
  const struct neapL *N = scope->N;
  int base = lua_gettop(L) - nargs; /* where the function is */
  int status = neapL_traceback_call(L, nargs);
  *how = end_scope(L, scope, status != LUA_OK);
  raise_outside(L, N, *how);
  if (*how == END_CHILD || (*how == END_WELL && status != LUA_OK))
    return lua_error(L);
  return *how == END_WELL ? lua_gettop(L) - base : -1;
}

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
  struct neapL_scope *scope = open_scope(L, N, due_ns);
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
  enum end how;
  int n = call_in(L, scope, nargs, &how);
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
      open_scope(L, N, ns > 0 ? neap__timer_after(N->rt, ns) : 0);
  scope->seconds = seconds_at(L, 1);
  enum end how;
  int n = call_in(L, scope, lua_gettop(L) - 2, &how);
  if (n >= 0)
    return n;
  if (how == END_CANCEL)
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
static int raise_end(lua_State *L, enum end how, double seconds) {
  if (how == END_TIME) {
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
  enum end how = end_scope(L, scope, !lua_isnil(L, 3));
  if (how == END_CHILD)
    return lua_error(L);
  raise_outside(L, N, how);
  if (how != END_WELL)
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
  uint32_t n = scope->core.nchildren;
  char text[100];
  snprintf(text, sizeof text,
           "a scope was collected before its end; its tasks are cancelled (%u)",
           (unsigned)n);
  neap__cancel_entry(&scope->core.entry, NEAP_WHY_ABANDONED);
  lua_getiuservalue(L, 1, 1);
  neapL_entry_leave(L, N, &scope->core.entry, scope->core.owner,
                    lua_isnil(L, -1) ? 0 : lua_gettop(L));
  disown(scope);
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
