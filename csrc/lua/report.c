/*
 * report.c: failures of tasks. One that nobody waits for is noted when it
 * happens and reported at the end of the turn, unless somebody has asked for
 * it by then; neap.run counts those that nobody asks for later either.
 */
#include "lua/report.h"

#include "lua/scope.h"
#include "lua/task_handle.h"

#include <stdio.h>

/* A __tostring may not wait. */
static const char while_reporting[] = "while a failure is reported";

/* (error) -> its text, whatever its __tostring does. */
static int error_text(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

/* Pushes the text of the error on the top, which stays. */
static void push_error_text(lua_State *L) {
  lua_pushcfunction(L, error_text);
  lua_pushvalue(L, -2);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK)
    return;
  lua_pop(L, 1);
  lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, -1));
}

/*
 * Pushes what is told of where the failure with the error at 2 came from, or
 * nil: {first error, traceback} is what task failed with before its close
 * handlers ran. When one of those has raised another error since, the first one
 * is named.
 */
static void push_traceback(lua_State *L, const struct neap_task *task) {
  if (lua_rawgeti(L, LUA_REGISTRYINDEX, neapL_task_data(task)->cause_ref) !=
      LUA_TTABLE)
    return;
  lua_rawgeti(L, -1, 2);
  lua_rawgeti(L, -2, 1);
  if (!lua_isnil(L, -1) && !lua_rawequal(L, -1, 2)) {
    push_error_text(L);
    const char *traceback = lua_tostring(L, -3);
    lua_pushfstring(L, "after another error: %s%s%s", lua_tostring(L, -1),
                    traceback != NULL ? "\n" : "",
                    traceback != NULL ? traceback : "");
    lua_replace(L, -4);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  lua_replace(L, -2);
}

/*
 * Notes a failure. For lua_pcall on N->work: (task, error). Makes the handle if
 * nobody has it, and files it for the report at the turn's end unless somebody
 * waits for the task.
 */
static int note_failure(lua_State *L) {
  struct neap_task *task = lua_touserdata(L, 1);
  struct neapL *N = neapL_task_binding(task);
  neapL_task_push(L, N, task);
  struct neapL_handle *h = lua_touserdata(L, -1);
  lua_createtable(L, 2, 0);
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, 1);
  push_traceback(L, task);
  lua_rawseti(L, -2, 2);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, -3, NEAPL_HANDLE_VALUE);
  struct neapL_scope *scope = h->quiet ? NULL : neapL_scope_around(task);
  h->heard = scope != NULL && neapL_scope_fail(L, scope, task);
  h->outcome = NEAPL_FAILED;
  if (h->heard)
    return 0;
  lua_settop(L, 3);
  if (h->quiet || !neap__list_empty(&task->joiners))
    return 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->failed_ref);
  lua_insert(L, -2);
  lua_rawseti(L, -2, (lua_Integer)N->nfailed + 1);
  N->nfailed++;
  return 0;
}

/* The last word when there is no memory for a better one. */
static void report_plainly(struct neap_task *task, const char *text) {
  const char *name = neapL_task_name(task);
  fprintf(stderr, "neap: task %llu%s%s failed: %s\n",
          (unsigned long long)task->id, name != NULL ? " " : "",
          name != NULL ? name : "", text);
}

/* A failure that could not be filed for the report: told at once, unless it is
   its joiners' alone. h: its handle or NULL. */
static void report_unfiled(struct neap_task *task, struct neapL_handle *h) {
  struct neapL_task *lt = neapL_task_data(task);
  struct neapL_scope *scope = lt->quiet ? NULL : neapL_scope_around(task);
  if (scope != NULL)
    neapL_scope_fail_bare(scope, task);
  if (lt->quiet || !neap__list_empty(&task->joiners))
    return;
  report_plainly(task, "not enough memory to keep its error");
  if (h != NULL)
    h->reported = true;
  if (!lt->reports)
    neapL_task_binding(task)->unheard++;
}

void neapL_report_note(struct neap_task *task, lua_State *co, lua_State *work) {
  struct neapL *N = neapL_task_binding(task);
  lua_pushcfunction(work, note_failure);
  lua_pushlightuserdata(work, task);
  lua_xmove(co, work, 1);
  N->no_wait = while_reporting; /* a __tostring of the first error's */
  int status = lua_pcall(work, 2, 0, 0);
  N->no_wait = NULL;
  if (status == LUA_OK)
    return;
  lua_pop(work, 1);
  struct neapL_handle *h = neapL_handle_find(work, N, neapL_handle_place(task));
  if (h != NULL) { /* the error could not be kept: that is the error */
    lua_rawgetp(work, LUA_REGISTRYINDEX, neapL_no_memory);
    lua_setiuservalue(work, -2, NEAPL_HANDLE_VALUE);
    h->outcome = NEAPL_FAILED;
    h->bare = true;
  }
  report_unfiled(task, h);
  lua_pop(work, 1);
}

void neapL_report_heard(struct neapL *N, struct neapL_handle *h) {
  if (h->heard)
    return;
  h->heard = true;
  if (h->reported && N->unheard > 0)
    N->unheard--;
}

/* The handle is on the top. Writes the failure to stderr. May raise. */
static void write_report(lua_State *L, const struct neapL_handle *h) {
  neapL_handle_pushkept(L, -1, h, 2);
  neapL_handle_pushkept(L, -2, h, 1);
  push_error_text(L);
  const char *traceback = lua_tostring(L, -3);
  lua_pushfstring(L, "neap: task %I%s%s failed: %s%s%s\n", (LUAI_UACINT)h->id,
                  h->name[0] != 0 ? " " : "", h->name, lua_tostring(L, -1),
                  traceback != NULL ? "\n" : "",
                  traceback != NULL ? traceback : "");
  fputs(lua_tostring(L, -1), stderr);
  fflush(stderr);
  lua_pop(L, 4);
}

/* The handle is on the top. Has on_error run in a task of its own. */
static void spawn_on_error(lua_State *L, struct neapL *N,
                           const struct neapL_handle *h) {
  static const struct neapL_spawn how = {
      .name = "on_error", .reports = true, .detached = true};
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->on_error_ref);
  lua_pushvalue(L, -2);
  neapL_handle_pushkept(L, -3, h, 1);
  neapL_handle_pushkept(L, -4, h, 2);
  neapL_task_spawn(L, N, &how, 3);
  lua_pop(L, 1);
}

/* For lua_pcall on N->work: (error, neapL, id of the first). */
static int also(lua_State *L) {
  struct neapL *N = lua_touserdata(L, 2);
  static const struct neapL_spawn how = {
      .name = "on_error", .reports = true, .detached = true};
  if (N->on_error_ref != LUA_NOREF && !N->rt->closing) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, N->on_error_ref);
    neapL_task_push(L, N, N->rt->sched.current);
    lua_pushvalue(L, 1);
    neapL_task_spawn(L, N, &how, 2);
    return 0;
  }
  lua_pushvalue(L, 1);
  push_error_text(L);
  fprintf(stderr,
          "neap: after task %llu of its scope, task %llu failed too: %s\n",
          (unsigned long long)lua_tointeger(L, 3),
          (unsigned long long)N->rt->sched.current->id, lua_tostring(L, -1));
  fflush(stderr);
  return 0;
}

void neapL_report_also(lua_State *L, struct neapL *N, uint64_t first) {
  lua_State *work = N->work;
  lua_pushcfunction(work, also);
  lua_pushvalue(L, -1);
  lua_xmove(L, work, 1);
  lua_pushlightuserdata(work, N);
  lua_pushinteger(work, (lua_Integer)first);
  N->no_wait = while_reporting; /* a __tostring must not wait */
  if (lua_pcall(work, 3, 0, 0) != LUA_OK) {
    fputs("neap: a task failed, and so did its report\n", stderr);
    lua_pop(work, 1);
  }
  N->no_wait = NULL;
}

/* Remembers the first failure's text, for neap.run. The handle is on top. */
static void note_first(lua_State *L, struct neapL *N,
                       const struct neapL_handle *h) {
  if (N->unheard++ > 0)
    return;
  neapL_handle_pushkept(L, -1, h, 1);
  push_error_text(L);
  luaL_unref(L, LUA_REGISTRYINDEX, N->first_ref);
  N->first_ref = LUA_NOREF;
  N->first_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pop(L, 1);
}

/* For lua_pcall on N->work: (neapL, index). */
static int report_one(lua_State *L) {
  struct neapL *N = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->failed_ref);
  lua_rawgeti(L, -1, lua_tointeger(L, 2));
  struct neapL_handle *h = lua_touserdata(L, -1);
  if (h->heard)
    return 0;
  h->reported = true;
  bool to_script =
      N->on_error_ref != LUA_NOREF && !h->reports && !N->rt->closing;
  if (to_script)
    spawn_on_error(L, N, h);
  else
    write_report(L, h);
  if (!h->reports)
    note_first(L, N, h);
  return 0;
}

void neapL_task_report(struct neapL *N) {
  lua_State *work = N->work;
  N->no_wait = while_reporting;
  for (uint32_t i = 1; i <= N->nfailed; i++) {
    lua_pushcfunction(work, report_one);
    lua_pushlightuserdata(work, N);
    lua_pushinteger(work, i);
    if (lua_pcall(work, 2, 0, 0) != LUA_OK) {
      fprintf(stderr, "neap: a task failed, and so did its report: %s\n",
              lua_type(work, -1) == LUA_TSTRING ? lua_tostring(work, -1) : "?");
      lua_pop(work, 1);
    }
    lua_rawgeti(work, LUA_REGISTRYINDEX, N->failed_ref);
    lua_pushnil(work);
    lua_rawseti(work, -2, i);
    lua_pop(work, 1);
  }
  N->nfailed = 0;
  N->no_wait = NULL;
}

bool neapL_task_unheard(lua_State *L, struct neapL *N) {
  neapL_task_report(N);
  if (N->unheard == 0 || N->on_error_ref != LUA_NOREF)
    return false;
  uint32_t n = N->unheard;
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->first_ref);
  const char *first = lua_tostring(L, -1);
  lua_pushfstring(L, "%d task%s failed; first: %s", (int)n, n == 1 ? "" : "s",
                  first != NULL ? first : "?");
  lua_remove(L, -2);
  N->unheard = 0;
  return true;
}
