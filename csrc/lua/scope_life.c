/*
 * scope_life.c: how a script's scope begins, what becomes of it while it lives,
 * and how it ends.
 */
#include "lua/scope_life.h"

#include "lua/cancelled.h"
#include "lua/entry.h"
#include "lua/report.h"
#include "lua/task_handle.h"
#include "lua/traceback.h"

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

void neapL_scope_disown(struct neapL_scope *scope) {
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
  if (scope->is_isolated || scope->body_failed || scope->failed_id != 0 ||
      scope->core.orphaned)
    return false;
  scope->error_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  scope->failed_id = task->id;
  neap__cancel_entry(&scope->core.entry, NEAP_WHY_CHILD);
  return true;
}

void neapL_scope_fail_bare(struct neapL_scope *scope,
                           const struct neap_task *task) {
  if (scope->is_isolated)
    return;
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

struct neapL_scope *neapL_scope_begin(lua_State *L, struct neapL *N,
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

/* Waits for the end of all tasks in scope. A deadlock there is an error of the
   block as any other: it cancels the tasks. False: it came, and they could not
   be ended either. */
static bool end_tasks(struct neapL_scope *scope, bool *deadlock) {
  struct neap_scope *core = &scope->core;
  *deadlock = neap__scope_close(scope->N->rt, core) < 0;
  if (!*deadlock)
    return true;
  scope->body_failed = scope->failed_id == 0;
  neap__cancel_entry(&core->entry, NEAP_WHY_BODY);
  return neap__scope_close(scope->N->rt, core) == 0;
}

enum neapL_end neapL_scope_end(lua_State *L, struct neapL_scope *scope,
                               bool failed) {
  struct neapL *N = scope->N;
  struct neap_scope *core = &scope->core;
  bool own = failed && neapL_cancelled_belongs(L, N, &core->entry);
  bool deadlock;
  enum neapL_end how = NEAPL_END_WELL;
  if (failed && !own) {
    scope->body_failed = scope->failed_id == 0;
    neap__cancel_entry(&core->entry, NEAP_WHY_BODY);
  }
  if (core->entry.cause == &core->entry)
    unhook(L, N);
  leave_thread(L, scope);
  if (!end_tasks(scope, &deadlock)) {
    neapL_scope_disown(scope);
    return NEAPL_END_DEADLOCK;
  }
  if (scope->failed_id != 0) {
    how = NEAPL_END_CHILD;
    push_child_error(L, scope, failed && !own);
  } else if (own) {
    how =
        core->entry.why == NEAP_WHY_TIMEOUT ? NEAPL_END_TIME : NEAPL_END_CANCEL;
    neapL_reason_push(L, N, scope);
  } else if (!failed && scope->ncancelled > 0 && neap__op_check(N->rt) < 0) {
    how = NEAPL_END_AROUND;
  }
  if (deadlock && how == NEAPL_END_WELL)
    how = NEAPL_END_DEADLOCK;
  free_scope(scope);
  return how;
}

void neapL_scope_raise_outside(lua_State *L, const struct neapL *N,
                               enum neapL_end how) {
  if (how == NEAPL_END_DEADLOCK)
    neapL_raise(L, NEAP_EDEADLK);
  else if (how == NEAPL_END_AROUND)
    neapL_raise(L, neap__op_check(N->rt));
}

int neapL_scope_call(lua_State *L, struct neapL_scope *scope, int nargs,
                     enum neapL_end *how) {
  const struct neapL *N = scope->N;
  int base = lua_gettop(L) - nargs; /* where the function is */
  int status = neapL_traceback_call(L, nargs);
  *how = neapL_scope_end(L, scope, status != LUA_OK);
  neapL_scope_raise_outside(L, N, *how);
  if (*how == NEAPL_END_CHILD || (*how == NEAPL_END_WELL && status != LUA_OK))
    return lua_error(L);
  return *how == NEAPL_END_WELL ? lua_gettop(L) - base : -1;
}
