/* standin.c: functions of ours in Lua's libraries; what for: standin.h. */
#include "lua/standin.h"

#include "lua/preempt.h"
#include "lua/running.h"

static const struct standin {
  const char *library, *name;
  lua_CFunction function; /* upvalues: the neapL, the one it stands in for */
} standins[] = {{LUA_COLIBNAME, "resume", neapL_running_resume},
                {LUA_COLIBNAME, "wrap", neapL_running_wrap},
                {LUA_COLIBNAME, "close", neapL_running_close},
                {LUA_DBLIBNAME, "gethook", neapL_hook_gethook},
                {LUA_DBLIBNAME, "sethook", neapL_hook_sethook}};

#define NSTANDINS ((int)(sizeof standins / sizeof standins[0]))

/* Pushes a loaded library; false, with nothing pushed, when it is not there. */
static bool push_library(lua_State *L, const char *name) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  int type = lua_getfield(L, -1, name);
  lua_remove(L, -2);
  if (type == LUA_TTABLE)
    return true;
  lua_pop(L, 1);
  return false;
}

/* What stand-in i replaces, a C function, is noted in the table on the top. */
static void install(lua_State *L, struct neapL *N, int i) {
  const struct standin *s = &standins[i];
  if (!push_library(L, s->library))
    return;
  lua_getfield(L, -1, s->name);
  if (!lua_iscfunction(L, -1) || lua_tocfunction(L, -1) == s->function) {
    lua_pop(L, 2); /* nothing of the kind, or it is there */
    return;
  }
  lua_pushvalue(L, -1);
  lua_rawseti(L, -4, i + 1);
  lua_pushlightuserdata(L, N);
  lua_insert(L, -2);
  lua_pushcclosure(L, s->function, 2);
  lua_setfield(L, -2, s->name);
  lua_pop(L, 1);
}

void neapL_standin_install(lua_State *L, struct neapL *N) {
  int *ref = &N->preempt->standins_ref;
  if (*ref == LUA_NOREF) {
    lua_createtable(L, NSTANDINS, 0);
    *ref = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, *ref);
  for (int i = 0; i < NSTANDINS; i++)
    install(L, N, i);
  lua_pop(L, 1);
}

static void take_out(lua_State *L, int i) {
  const struct standin *s = &standins[i];
  if (!push_library(L, s->library))
    return;
  lua_getfield(L, -1, s->name);
  if (lua_tocfunction(L, -1) == s->function) {
    lua_rawgeti(L, -3, i + 1);
    lua_setfield(L, -3, s->name);
  }
  lua_pop(L, 2);
}

void neapL_standin_remove(lua_State *L, struct neapL *N) {
  int ref = N->preempt->standins_ref;
  if (ref == LUA_NOREF)
    return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
  for (int i = 0; i < NSTANDINS; i++)
    take_out(L, i);
  lua_pop(L, 1);
  luaL_unref(L, LUA_REGISTRYINDEX, ref);
  N->preempt->standins_ref = LUA_NOREF;
}
