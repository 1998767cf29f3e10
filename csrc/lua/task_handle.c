/*
 * task_handle.c: the handle of a Lua task. A weak table has it by the task's
 * place, so that nobody but scripts keeps it alive; at the task's end it is
 * given the outcome, if it is still there.
 */
#include "lua/task_handle.h"

#include <string.h>

struct neapL_handle *neapL_handle_find(lua_State *L, struct neapL *N,
                                       uint32_t place) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->handles_ref);
  lua_rawgeti(L, -1, place);
  lua_remove(L, -2);
  return lua_touserdata(L, -1);
}

struct neapL_handle *neapL_handle_new(lua_State *L, const struct neapL *N,
                                      const char *name) {
  size_t size =
      sizeof(struct neapL_handle) + 1 + (name != NULL ? strlen(name) : 0);
  struct neapL_handle *h = lua_newuserdatauv(L, size, 1);
  memset(h, 0, size);
  if (name != NULL)
    memcpy(h->name, name, size - sizeof *h);
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->handle_meta_ref);
  lua_setmetatable(L, -2);
  return h;
}

void neapL_handle_file(lua_State *L, struct neapL *N, uint32_t place) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->handles_ref);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, place);
  lua_pop(L, 1);
}

void neapL_task_push(lua_State *L, struct neapL *N, struct neap_task *task) {
  luaL_checkstack(L, 5, NULL);
  if (neapL_handle_find(L, N, neapL_handle_place(task)) != NULL)
    return;
  struct neapL_handle *h = neapL_handle_new(L, N, neapL_task_name(task));
  lua_replace(L, -2);
  if (neapL_handle_find(L, N, neapL_handle_place(task)) != NULL) {
    lua_replace(L, -2); /* a finalizer made one just now */
    return;
  }
  lua_pop(L, 1);
  h->id = task->id;
  neapL_handle_file(L, N, neapL_handle_place(task)); /* may raise */
  h->task = task; /* only now, that nothing can */
  struct neapL_task *lt = neapL_task_data(task);
  if (lt != NULL) {
    h->place = lt->place;
    h->quiet = lt->quiet;
    h->reports = lt->reports;
  }
}

/* Packs the values at 2.. of the handle at 1. For lua_pcall on N->work. */
static int pack_results(lua_State *L) {
  neapL_pack(L, 2);
  lua_setiuservalue(L, 1, NEAPL_HANDLE_VALUE);
  return 0;
}

int neapL_handle_keep(lua_State *co, lua_State *work, int n) {
  struct neapL_handle *h = lua_touserdata(work, -1);
  int status = LUA_OK;
  if (n == 1) {
    lua_xmove(co, work, 1);
    lua_setiuservalue(work, -2, NEAPL_HANDLE_VALUE);
  } else if (n > 1) {
    if (!lua_checkstack(work, n + 2))
      return LUA_ERRMEM;
    lua_pushcfunction(work, pack_results);
    lua_pushvalue(work, -2);
    lua_xmove(co, work, n);
    status = lua_pcall(work, n + 1, 0, 0);
    if (status != LUA_OK)
      lua_pop(work, 1);
  }
  h->nresults = n;
  return status;
}

void neapL_handle_pushkept(lua_State *L, int index,
                           const struct neapL_handle *h, int which) {
  lua_getiuservalue(L, index, NEAPL_HANDLE_VALUE);
  if (h->bare && which == 2) {
    lua_pop(L, 1);
    lua_pushnil(L);
  } else if (!h->bare) {
    lua_rawgeti(L, -1, which);
    lua_remove(L, -2);
  }
}
