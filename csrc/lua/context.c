/* context.c: neap.context; what it is: context.h. */
#include "lua/context.h"

#include "lua/task_handle.h"

/* Pushes the running task's context, or nil. */
static int get(lua_State *L, const struct neapL *N,
               const struct neap_task *task) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->contexts_ref);
  int type = lua_rawgeti(L, -1, neapL_handle_place(task));
  lua_remove(L, -2);
  return type;
}

void neapL_context_file(lua_State *L, struct neapL *N, int index,
                        uint32_t place) {
  index = lua_absindex(L, index);
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->contexts_ref);
  lua_pushvalue(L, index);
  lua_rawseti(L, -2, place);
  lua_pop(L, 1);
}

bool neapL_context_push(lua_State *L, struct neapL *N) {
  const struct neap_task *task = N->rt->sched.current;
  if (task == NULL || !N->has_contexts || !neapL_task_is_lua(task))
    return false;
  if (get(L, N, task) == LUA_TNIL) {
    lua_pop(L, 1);
    return false;
  }
  lua_newtable(L);
  lua_pushnil(L);
  while (lua_next(L, -3) != 0) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
  lua_replace(L, -2);
  return true;
}

/* neap.context() -> table. Does not wait. */
static int neap_context(lua_State *L) {
  struct neapL *N = neapL_self(L);
  const struct neap_task *task = neapL_rt(L)->sched.current;
  if (task == NULL || !neapL_task_is_lua(task))
    return luaL_error(L, "no Lua task is running");
  if (get(L, N, task) != LUA_TNIL)
    return 1;
  lua_newtable(L);
  neapL_context_file(L, N, -1, neapL_handle_place(task));
  if (!task->is_main)
    neapL_task_data(task)->has_context = true;
  N->has_contexts = true;
  return 1;
}

void neapL_context_open(lua_State *L, struct neapL *N) {
  static const luaL_Reg functions[] = {{"context", neap_context}, {NULL, NULL}};
  neapL_setfuncs(L, N, functions);
}
