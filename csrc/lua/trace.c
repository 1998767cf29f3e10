/* trace.c: neap.trace, neap.trace_file; what they are: trace.h. */
#include "lua/trace.h"

#include "core/info.h"
#include "lua/task_handle.h"

#include <string.h>

/* The hooks of neap.trace, by the kind of event that calls them. */
static const struct hook {
  const char *name;
  enum neap_event_kind kind;
} hooks[] = {{"on_spawn", NEAP_EVENT_SPAWN},
             {"on_switch", NEAP_EVENT_RUN},
             {"on_wait", NEAP_EVENT_WAIT},
             {"on_wake", NEAP_EVENT_WAKE},
             {"on_end", NEAP_EVENT_STOP}};
#define HOOKS (sizeof hooks / sizeof hooks[0])

/* The hook that event calls, or NULL. */
static const struct hook *hook_of(const struct neap_trace_event *event) {
  if (event->kind == NEAP_EVENT_STOP && event->task->state != NEAP_TASK_ENDED)
    return NULL;
  for (size_t i = 0; i < HOOKS; i++)
    if (hooks[i].kind == event->kind)
      return &hooks[i];
  return NULL;
}

/* --- calling a script's functions ----------------------------------------- */

/*
 * Pushes the handle of an event's task. While there are hooks a table holds the
 * handle of every task, so that it gets the outcome, which on_end may ask for:
 * the task itself has none any more by then.
 */
static void push_handle(lua_State *L, struct neapL *N, struct neap_task *task) {
  uint32_t place = neapL_handle_place(task);
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->trace_handles_ref);
  if (task->state == NEAP_TASK_ENDED) {
    lua_rawgeti(L, -1, place);
  } else {
    neapL_task_push(L, N, task);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, place);
  }
  lua_remove(L, -2);
}

/* Pushes what a hook is told beside the task and the time; returns how many
   values that is. */
static int push_rest(lua_State *L, struct neapL *N,
                     const struct neap_trace_event *event) {
  char wait[128];
  switch (event->kind) {
  case NEAP_EVENT_SPAWN:
  case NEAP_EVENT_WAKE:
    if (event->by == NULL || !neapL_task_is_lua(event->by))
      return 0;
    push_handle(L, N, event->by);
    return 1;
  case NEAP_EVENT_WAIT:
    if (event->task->op == NULL) {
      lua_pushstring(L, event->what);
      return 1;
    }
    neap__info_wait(event->task, wait, sizeof wait);
    lua_pushstring(L, wait);
    return 1;
  default:
    return 0;
  }
}

/* Its end was the last of a task's events: the table lets go of its handle. */
static void forget_ended(lua_State *L, const struct neapL *N,
                         const struct neap_trace_event *event) {
  if (event->kind != NEAP_EVENT_STOP)
    return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->trace_handles_ref);
  lua_pushnil(L);
  lua_rawseti(L, -2, neapL_handle_place(event->task));
  lua_pop(L, 1);
}

/* For lua_pcall on N->work: (neapL, event). */
static int call_hook(lua_State *L) {
  struct neapL *N = lua_touserdata(L, 1);
  const struct neap_trace_event *event = lua_touserdata(L, 2);
  const struct hook *hook = hook_of(event);
  push_handle(L, N, event->task);
  forget_ended(L, N, event);
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->trace_hooks_ref);
  lua_getfield(L, -1, hook->name);
  if (lua_isnil(L, -1))
    return 0;
  lua_pushvalue(L, 3);
  lua_pushinteger(L, (lua_Integer)event->at_ns);
  int n = push_rest(L, N, event);
  lua_call(L, 2 + n, 0);
  return 0;
}

static void drop_hooks(struct neapL *N) {
  lua_State *work = N->work;
  N->has_trace_hooks = false;
  lua_pushboolean(work, false);
  lua_rawseti(work, LUA_REGISTRYINDEX, N->trace_hooks_ref);
  lua_pushboolean(work, false);
  lua_rawseti(work, LUA_REGISTRYINDEX, N->trace_handles_ref);
}

/* A hook that raises is not called again, nor are the others. */
static void call_hooks(struct neapL *N, const struct neap_trace_event *event) {
  lua_State *work = N->work;
  if (event->task == NULL || !neapL_task_is_lua(event->task) ||
      hook_of(event) == NULL)
    return;
  lua_pushcfunction(work, call_hook);
  lua_pushlightuserdata(work, N);
  lua_pushlightuserdata(work, (void *)(uintptr_t)event);
  if (lua_pcall(work, 2, 0, 0) == LUA_OK)
    return;
  const char *message = lua_tostring(work, -1);
  neapL_warn2(work, "tracing is off, as its hook failed: ",
              message != NULL ? message : "(no message)");
  lua_pop(work, 1);
  drop_hooks(N);
}

/* --- events --------------------------------------------------------------- */

/* Events that were lost leave the picture wrong: better none. */
static void on_lost(struct neapL *N) {
  neapL_warn(N->work, "tracing is off, as there was no memory for events");
  if (N->has_trace_hooks)
    drop_hooks(N);
  neapL_trace_file_free(N);
}

/* What core/trace.h asks for. On the driver's stack. */
static void deliver(neap_rt *rt, const struct neap_trace_event *events,
                    uint32_t n, uint64_t lost) {
  struct neapL *N = rt->binding;
  const char *before = N->no_wait;
  N->no_wait = "in a trace hook";
  for (uint32_t i = 0; i < n; i++) {
    if (N->trace_file != NULL)
      neapL_trace_file_add(N, &events[i]);
    if (N->has_trace_hooks)
      call_hooks(N, &events[i]);
  }
  if (lost > 0)
    on_lost(N);
  N->no_wait = before;
  neapL_trace_update(N);
}

void neapL_trace_update(struct neapL *N) {
  neap_rt *rt = N->rt;
  bool on = N->has_trace_hooks || N->trace_file != NULL;
  if (on == rt->trace.on)
    return;
  neap__slice_watch(rt, NEAP_WATCH_TRACE, on);
  neap__trace_set(rt, on ? deliver : NULL);
}

void neapL_trace_close(struct neapL *N) {
  if (N->has_trace_hooks)
    drop_hooks(N);
  if (N->trace_file != NULL)
    neap__trace_flush(N->rt);
  if (N->trace_file != NULL && neapL_trace_file_free(N) < 0)
    neapL_warn(N->work, "the trace file could not be written");
  neapL_trace_update(N);
}

/* --- the functions -------------------------------------------------------- */

/* Checks the table of hooks at 1 and pushes a copy that nobody else has. */
static void push_hooks(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_createtable(L, 0, (int)HOOKS);
  lua_pushnil(L);
  while (lua_next(L, 1) != 0) {
    size_t i = 0;
    if (lua_type(L, -2) != LUA_TSTRING)
      luaL_argerror(L, 1, "a hook's name is a string");
    const char *name = lua_tostring(L, -2);
    while (i < HOOKS && strcmp(hooks[i].name, name) != 0)
      i++;
    if (i == HOOKS)
      neapL_fielderror(L, 1, name, "no such hook");
    if (!lua_isfunction(L, -1))
      neapL_fielderror(L, 1, name,
                       lua_pushfstring(L, "function expected, got %s",
                                       luaL_typename(L, -1)));
    lua_setfield(L, 2, name);
  }
}

/* Pushes a table place -> handle of all live tasks. */
static void push_handles(lua_State *L, struct neapL *N) {
  uint32_t n = N->rt->sched.ntasks + 1;
  struct neap_list *node = N->rt->sched.tasks.next;
  lua_newtable(L);
  for (uint32_t i = 0; i < n; i++) {
    struct neap_task *task = NEAP_LIST_ENTRY(node, struct neap_task, all);
    node = node->next;
    if (!neapL_task_is_lua(task))
      continue;
    neapL_task_push(L, N, task);
    lua_rawseti(L, -2, neapL_handle_place(task));
  }
}

/* neap.trace(hooks | nil). Does not wait. */
static int neap_trace(lua_State *L) {
  struct neapL *N = neapL_self(L);
  neap_rt *rt = neapL_rt(L);
  lua_settop(L, 1);
  neap__trace_flush(rt); /* what has happened by now is the old hooks' */
  if (lua_isnil(L, 1)) {
    if (N->has_trace_hooks)
      drop_hooks(N);
  } else {
    push_hooks(L);
    push_handles(L, N);
    lua_rawseti(L, LUA_REGISTRYINDEX, N->trace_handles_ref);
    lua_rawseti(L, LUA_REGISTRYINDEX, N->trace_hooks_ref);
    N->has_trace_hooks = true;
  }
  neapL_trace_update(N);
  return 0;
}

/* neap.trace_file(path | nil) -> true | nil, message, code. Does not wait. */
static int neap_trace_file(lua_State *L) {
  struct neapL *N = neapL_self(L);
  neap_rt *rt = neapL_rt(L);
  lua_settop(L, 1);
  const char *path = lua_isnil(L, 1) ? NULL : neapL_checkpath(L, 1);
  neap__trace_flush(rt);
  int err = N->trace_file != NULL ? neapL_trace_file_free(N) : 0;
  if (err == 0 && path != NULL)
    err = neapL_trace_file_new(N, path, &N->trace_file);
  neapL_trace_update(N);
  if (err < 0)
    return neapL_fail(L, err, path != NULL ? path : "trace file");
  lua_pushboolean(L, true);
  return 1;
}

void neapL_trace_open(lua_State *L, struct neapL *N) {
  static const luaL_Reg functions[] = {
      {"trace", neap_trace}, {"trace_file", neap_trace_file}, {NULL, NULL}};
  neapL_setfuncs(L, N, functions);
  lua_pushboolean(L, false);
  N->trace_hooks_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushboolean(L, false);
  N->trace_handles_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}
