/*
 * task_type.c: the task type, as scripts see it: methods and fields of a
 * handle.
 */
#include "lua/task_handle.h"

#include "core/info.h"
#include "core/scope.h"
#include "lua/cancelled.h"
#include "lua/report.h"
#include "lua/select.h"
#include "lua/where.h"

#include <stdio.h>
#include <string.h>

#define TYPE "neap.task"

/* Whether the runtime is there and the handle's task alive. */
static bool is_alive(const struct neapL *N, const struct neapL_handle *h) {
  if (h->task == NULL || N->rt == NULL || N->rt->closed)
    return false;
  if (h->place == 0)
    return true; /* main's */
  const struct neap_task *task = N->tasks[h->place - 1];
  return task != NULL && task == h->task && task->id == h->id;
}

/*
 * The task of the handle at index 1 while it is alive. A handle that only a
 * finalizer could still reach has been taken out of the weak table: the first
 * use puts it back, so that it gets the outcome. May raise.
 */
static struct neap_task *live(lua_State *L, struct neapL_handle *h) {
  struct neapL *N = neapL_self(L);
  if (!is_alive(N, h)) {
    if (h->task != NULL && h->outcome == NEAPL_ALIVE && neapL_peekrt(L) != NULL)
      h->outcome = NEAPL_LOST;
    h->task = NULL;
    return NULL;
  }
  if (neapL_handle_find(L, N, h->place) == NULL) {
    lua_pushvalue(L, 1);
    neapL_handle_file(L, N, h->place);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return h->task;
}

static struct neapL_handle *check_handle(lua_State *L, int arg) {
  return luaL_checkudata(L, arg, TYPE);
}

/* An error that says the task at 1 was cancelled. */
static void push_cancelled(lua_State *L, const struct neapL_handle *h) {
  char text[48];
  snprintf(text, sizeof text, "task %llu was cancelled",
           (unsigned long long)h->id);
  lua_getiuservalue(L, 1, NEAPL_HANDLE_VALUE);
  lua_pushvalue(L, -1);
  neapL_reason_text(L, text);
  lua_insert(L, -2);
  neapL_error_push(L, "ECANCELED");
}

/* Waits for the end of the task at 1. Returns the number of values pushed for
   a timeout, or 0 when it has ended. */
static int wait_for_end(lua_State *L, struct neapL_handle *h) {
  neapL_waitrt(L);
  uint64_t due = neapL_opttimeout(L, 2);
  struct neap_task *task = live(L, h);
  int err = task != NULL ? neap__scope_join(task, due)
                         : neap__op_check(neapL_self(L)->rt);
  if (err == UV_ELOOP)
    return luaL_error(L, "cannot join task %I: it %s", (LUAI_UACINT)h->id,
                      task == task->rt->sched.current
                          ? "is the one that asks"
                          : "waits for the one that asks");
  if (err == UV_ETIMEDOUT)
    return neapL_timedout(L, lua_tonumber(L, 2));
  neapL_checkwait(L, err);
  return 0;
}

/* Pushes the results of a task that is done. */
static int push_results(lua_State *L, const struct neapL_handle *h) {
  if (h->nresults == 0)
    return 0;
  lua_getiuservalue(L, 1, NEAPL_HANDLE_VALUE);
  return h->nresults == 1 ? 1 : neapL_unpack(L, h->nresults);
}

/* Pushes the error of a task that is not done. */
static void push_failure(lua_State *L, struct neapL_handle *h) {
  if (h->outcome == NEAPL_FAILED) {
    neapL_handle_pushkept(L, 1, h, 1);
    neapL_report_heard(neapL_self(L), h);
  } else if (h->outcome == NEAPL_LOST) {
    lua_pushfstring(L,
                    "the outcome of task %I is lost: it ended while its handle "
                    "was being collected",
                    (LUAI_UACINT)h->id);
  } else {
    push_cancelled(L, h);
  }
}

/* task:join([timeout]) -> results. Waits. Raises the task's error. */
static int task_join(lua_State *L) {
  struct neapL_handle *h = check_handle(L, 1);
  int n = wait_for_end(L, h);
  if (n > 0)
    return n;
  if (h->outcome == NEAPL_DONE)
    return push_results(L, h);
  push_failure(L, h);
  return lua_error(L);
}

/* Pushes true and the results, or false and the error, of a task that has
   ended. */
static int push_outcome(lua_State *L, struct neapL_handle *h) {
  lua_pushboolean(L, h->outcome == NEAPL_DONE);
  if (h->outcome == NEAPL_DONE)
    return 1 + push_results(L, h);
  push_failure(L, h);
  return 2;
}

/* task:wait([timeout]) -> true, results | false, error. Waits. */
static int task_wait(lua_State *L) {
  struct neapL_handle *h = check_handle(L, 1);
  int n = wait_for_end(L, h);
  return n > 0 ? n : push_outcome(L, h);
}

/* What select asks: as wait. */
static int task_select(lua_State *L) {
  struct neapL_handle *h = check_handle(L, 1);
  struct neap_task *task = live(L, h);
  if (task != NULL && task == task->rt->sched.current)
    return luaL_error(L, "cannot join task %I: it is the one that asks",
                      (LUAI_UACINT)h->id);
  if (task != NULL)
    return neapL_select_later(L, &task->joiners, true, "join");
  lua_pushboolean(L, true);
  return 1 + push_outcome(L, h);
}

/* task:cancel([reason]) -> boolean. Does not wait. */
static int task_cancel(lua_State *L) {
  struct neapL_handle *h = check_handle(L, 1);
  struct neapL *N = neapL_self(L);
  lua_settop(L, 2);
  struct neap_task *task = live(L, h);
  bool open = task != NULL && !task->cancelled;
  if (open && !lua_isnil(L, 2)) {
    lua_pushvalue(L, 2);
    neapL_reason_set(L, N, task); /* of its own waits */
    struct neap_entry *root = neap__cancel_root_of(task);
    if (root != NULL) {
      lua_pushvalue(L, 2);
      neapL_reason_set(L, N, root); /* of its children's */
    }
  }
  lua_pushboolean(L, open && neap__cancel_task(task));
  return 1;
}

static const char *status_name(lua_State *L, struct neapL_handle *h) {
  static const char *const outcomes[] = {"", "done", "failed", "cancelled",
                                         "done"};
  const struct neap_task *task = live(L, h);
  if (task != NULL)
    return neap__task_state_name(task);
  return outcomes[h->outcome != NEAPL_ALIVE ? h->outcome : NEAPL_CANCELLED];
}

/* task:status() -> string. Does not wait. */
static int task_status(lua_State *L) {
  lua_pushstring(L, status_name(L, check_handle(L, 1)));
  return 1;
}

/* task:traceback() -> string | nil. Does not wait. A live task's Lua stack; of
   a failed one, where it failed. */
static int task_traceback(lua_State *L) {
  struct neapL_handle *h = check_handle(L, 1);
  struct neapL *N = neapL_self(L);
  const struct neap_task *task = live(L, h);
  if (task == NULL && h->outcome == NEAPL_FAILED)
    neapL_handle_pushkept(L, 1, h, 2);
  else if (task == NULL)
    lua_pushnil(L);
  else
    neapL_where_traceback(L, N, task);
  return 1;
}

static void set_number(lua_State *L, const char *name, lua_Number n) {
  lua_pushnumber(L, n);
  lua_setfield(L, -2, name);
}

/* task:stats() -> table. Does not wait. switches, age, since (seconds in this
   state), frames (bytes of C stack), ran, waiting_for, detail. */
static int task_stats(lua_State *L) {
  struct neapL_handle *h = check_handle(L, 1);
  const struct neap_task *task = live(L, h);
  lua_createtable(L, 0, 5);
  lua_pushinteger(L, task != NULL ? task->switches : h->switches);
  lua_setfield(L, -2, "switches");
  if (task == NULL)
    return 1;
  uint64_t now = neap_now(task->rt);
  set_number(L, "age", (lua_Number)(now - task->born_ns) / 1e9);
  set_number(L, "since", (lua_Number)(now - task->since_ns) / 1e9);
  lua_pushinteger(L, (lua_Integer)neap__stack_used(&task->frames));
  lua_setfield(L, -2, "frames");
  if (task->rt->slices.watching != 0)
    set_number(L, "ran", (lua_Number)task->ran_ns / 1e9);
  if (task->state == NEAP_TASK_WAITING && task->op != NULL) {
    char detail[128];
    neap__info_wait(task, detail, sizeof detail);
    lua_pushstring(L, task->op->what);
    lua_setfield(L, -2, "waiting_for");
    lua_pushstring(L, detail);
    lua_setfield(L, -2, "detail");
  }
  return 1;
}

/* task.name, task.id; else the methods. */
static int task_index(lua_State *L) {
  const struct neapL_handle *h = check_handle(L, 1);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(key, "id") == 0) {
    lua_pushinteger(L, (lua_Integer)h->id);
  } else if (strcmp(key, "name") == 0) {
    if (h->name[0] != 0)
      lua_pushstring(L, h->name);
    else
      lua_pushnil(L);
  } else {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(2));
  }
  return 1;
}

static int task_tostring(lua_State *L) {
  struct neapL_handle *h = check_handle(L, 1);
  lua_pushfstring(L, "task %I%s%s (%s)", (LUAI_UACINT)h->id,
                  h->name[0] != 0 ? " " : "", h->name, status_name(L, h));
  return 1;
}

/* tostring of a neap.error: its message. */
static int error_tostring(lua_State *L) {
  lua_getfield(L, 1, "message");
  return 1;
}

static const luaL_Reg task_methods[] = {{"join", task_join},
                                        {"wait", task_wait},
                                        {"status", task_status},
                                        {"traceback", task_traceback},
                                        {"stats", task_stats},
                                        {"cancel", task_cancel},
                                        {NULL, NULL}};

void neapL_handle_newtype(lua_State *L, struct neapL *N) {
  luaL_newmetatable(L, TYPE);
  lua_pushvalue(L, -1);
  N->handle_meta_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushlightuserdata(L, N);
  lua_newtable(L);
  neapL_setfuncs(L, N, task_methods);
  lua_pushcclosure(L, task_index, 2);
  lua_setfield(L, -2, "__index");
  lua_pushlightuserdata(L, N);
  lua_pushcclosure(L, task_tostring, 1);
  lua_setfield(L, -2, "__tostring");
  lua_pushlightuserdata(L, N);
  lua_pushcclosure(L, task_select, 1);
  lua_setfield(L, -2, "__select");
  lua_pop(L, 1);
  luaL_newmetatable(L, "neap.error");
  lua_pushcfunction(L, error_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
}
