/*
 * traceback.c: remembered tracebacks. A table has {error, traceback} by the
 * task's place: the last error that was caught and raised again in it.
 */
#include "lua/traceback.h"

#include "lua/task_handle.h"

/* Files the {error, traceback} on the top for the running task. May raise. */
static void remember(lua_State *L, struct neapL *N) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->traces_ref);
  lua_insert(L, -2);
  lua_rawseti(L, -2, neapL_handle_place(N->rt->sched.current));
  lua_pop(L, 1);
  N->traced = true;
}

/* Whether the error at index is the one that was remembered last. */
static bool is_known(lua_State *L, const struct neapL *N, int index) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->traces_ref);
  bool known = false;
  if (lua_rawgeti(L, -1, neapL_handle_place(N->rt->sched.current)) ==
      LUA_TTABLE) {
    lua_rawgeti(L, -1, 1);
    known = lua_rawequal(L, -1, index);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  return known;
}

/* (error, neapL), called by the handler: level 1 is the handler, 2 the error.
 */
static int remember_here(lua_State *L) {
  struct neapL *N = lua_touserdata(L, 2);
  if (is_known(L, N, 1))
    return 0; /* raised again: the first place is the one to be told */
  lua_createtable(L, 2, 0);
  lua_pushvalue(L, 1);
  lua_rawseti(L, -2, 1);
  luaL_traceback(L, L, NULL, 2);
  lua_rawseti(L, -2, 2);
  remember(L, N);
  return 0;
}

/* The message handler: leaves the error as it is. */
static int handler(lua_State *L) {
  lua_settop(L, 1);
  lua_pushcfunction(L, remember_here);
  lua_pushvalue(L, 1);
  lua_pushlightuserdata(L, neapL_of(L));
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
    /* no memory for it: the error itself is worth more */
  }
  lua_settop(L, 1);
  return 1;
}

int neapL_traceback_call(lua_State *L, int nargs) {
  int at = lua_gettop(L) - nargs;
  lua_pushcfunction(L, handler);
  lua_insert(L, at);
  int status = lua_pcall(L, nargs, LUA_MULTRET, at);
  if (!lua_checkstack(L, LUA_MINSTACK)) { /* results up to the limit */
    lua_settop(L, at);
    lua_rawgetp(L, LUA_REGISTRYINDEX, neapL_no_memory);
    status = LUA_ERRMEM;
  }
  return status;
}

/* For lua_pcall on N->work: (neapL, pair). */
static int remember_pair(lua_State *L) {
  remember(L, lua_touserdata(L, 1));
  return 0;
}

void neapL_traceback_raise(lua_State *L, struct neapL *N, int ref) {
  lua_State *work = N->work;
  lua_pushcfunction(work, remember_pair);
  lua_pushlightuserdata(work, N);
  lua_rawgeti(work, LUA_REGISTRYINDEX, ref);
  if (lua_pcall(work, 2, 0, 0) != LUA_OK)
    lua_pop(work, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
  lua_rawgeti(L, -1, 1);
  lua_replace(L, -2);
}

bool neapL_traceback_known(lua_State *L, struct neap_task *task) {
  struct neapL *N = neapL_task_binding(task);
  lua_State *co = neapL_task_co(task);
  if (!N->traced || !lua_checkstack(co, 1))
    return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->traces_ref);
  if (lua_rawgeti(L, -1, neapL_handle_place(task)) != LUA_TTABLE) {
    lua_pop(L, 2);
    return false;
  }
  lua_rawgeti(L, -1, 1);
  lua_pushvalue(co, -1);
  lua_xmove(co, L, 1);
  bool known = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  if (known) {
    lua_rawgeti(L, -1, 2);
    lua_replace(L, -3);
    lua_pop(L, 1);
  } else {
    lua_pop(L, 2);
  }
  return known;
}

void neapL_traceback_forget(struct neapL *N, uint32_t place) {
  lua_State *L = N->work;
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->traces_ref);
  if (lua_rawgeti(L, -1, place) != LUA_TNIL) {
    lua_pushnil(L);
    lua_rawseti(L, -3, place);
  }
  lua_pop(L, 2);
}
