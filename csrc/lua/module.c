/*
 * module.c: the module table, and the parts that it loads at first use. For
 * scripts that require us Lua finds those; in a host's state they are offered
 * in package.preload, or left out.
 */
#include "lua/await.h"
#include "lua/cancelled.h"
#include "lua/chan.h"
#include "lua/context.h"
#include "lua/dump.h"
#include "lua/offload.h"
#include "lua/open.h"
#include "lua/preempt.h"
#include "lua/scope.h"
#include "lua/select.h"
#include "lua/shield.h"
#include "lua/start.h"
#include "lua/sync.h"
#include "lua/trace.h"
#include "lua/wait_fd.h"

#include <string.h>

/* What the module loads at first use: parts that are modules of their own, and
   functions that a Lua part has. */
static const struct part {
  const char *key, *module;
  bool is_function; /* a field of the module, not the module */
} parts[] = {
    {"fs", "neap.fs", false},           {"net", "neap.net", false},
    {"dns", "neap.dns", false},         {"tls", "neap.tls", false},
    {"process", "neap.process", false}, {"signal", "neap.signal", false},
    {"tty", "neap.tty", false},         {"stdin", "neap.std", true},
    {"stdout", "neap.std", true},       {"stderr", "neap.std", true},
    {"all", "neap.combine", true},      {"all_settled", "neap.combine", true},
    {"any", "neap.combine", true},      {"map", "neap.combine", true},
    {"race", "neap.combine", true},     {"testing", "neap.testing", false},
    {"compat", "neap.compat", false},
};

/* Those written in C. */
static const luaL_Reg c_modules[] = {
    {"neap.fs", luaopen_neap_fs},
    {"neap.net", luaopen_neap_net},
    {"neap.dns", luaopen_neap_dns},
    {"neap.tls", luaopen_neap_tls},
    {"neap.process", luaopen_neap_process},
    {"neap.signal", luaopen_neap_signal},
    {"neap.tty", luaopen_neap_tty},
    {"neap.std", luaopen_neap_std},
    {"neap.testing.core", luaopen_neap_testing_core},
};

static const struct part *find_part(const char *key) {
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
    if (strcmp(parts[i].key, key) == 0)
      return &parts[i];
  return NULL;
}

/* -- what is left out */

static bool is_left_out(lua_State *L, const struct neapL *N, const char *key) {
  if (N->left_out_ref == LUA_NOREF)
    return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->left_out_ref);
  bool is = lua_getfield(L, -1, key) != LUA_TNIL;
  lua_pop(L, 2);
  return is;
}

/* __index of what stands for a module that is left out; its name is the
   upvalue. */
static int refuse(lua_State *L) {
  return luaL_error(L, "%s is left out of this program",
                    lua_tostring(L, lua_upvalueindex(1)));
}

/* Other modules need the types of one that is left out: it is opened, and then
   something else stands where require looks. LOADED is at index 1, the top. */
static void leave_out_module(lua_State *L, const luaL_Reg *module) {
  lua_pushcfunction(L, module->func);
  lua_pushstring(L, module->name);
  lua_call(L, 1, 0);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushstring(L, module->name);
  lua_pushcclosure(L, refuse, 1);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, module->name);
}

static const luaL_Reg *find_c_module(const char *name) {
  for (size_t i = 0; i < sizeof c_modules / sizeof c_modules[0]; i++)
    if (strcmp(c_modules[i].name, name) == 0)
      return &c_modules[i];
  return NULL;
}

static void leave_out_all(lua_State *L, struct neapL *N,
                          const char *const *names) {
  lua_newtable(L);
  for (const char *const *name = names; *name != NULL; name++) {
    lua_pushboolean(L, true);
    lua_setfield(L, -2, *name);
  }
  if (N->left_out_ref == LUA_NOREF)
    N->left_out_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  else
    lua_rawseti(L, LUA_REGISTRYINDEX, N->left_out_ref);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (; *names != NULL; names++) {
    const struct part *part = find_part(*names);
    const luaL_Reg *module =
        part != NULL && !part->is_function ? find_c_module(part->module) : NULL;
    if (module != NULL)
      leave_out_module(L, module);
  }
  lua_pop(L, 1);
}

void neapL_module_offer(lua_State *L, struct neapL *N,
                        const char *const *leave_out) {
  luaL_checkstack(L, 10, NULL);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  for (size_t i = 0; i < sizeof c_modules / sizeof c_modules[0]; i++) {
    lua_pushcfunction(L, c_modules[i].func);
    lua_setfield(L, -2, c_modules[i].name);
  }
  lua_pop(L, 1);
  if (leave_out != NULL)
    leave_out_all(L, N, leave_out);
}

/* -- loading */

/* Pushes the module: one that is loaded or offered, also where there is no
   require; else what that finds. */
static void load(lua_State *L, const char *name) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, name) == LUA_TNIL) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_CFunction open = lua_getfield(L, -1, name) == LUA_TFUNCTION
                             ? lua_tocfunction(L, -1)
                             : NULL;
    lua_pop(L, 3);
    if (open != NULL) {
      luaL_requiref(L, name, open, false);
    } else {
      if (lua_getglobal(L, "require") != LUA_TFUNCTION)
        luaL_error(L, "there is no require to load %s with", name);
      lua_pushstring(L, name);
      lua_call(L, 1, 1);
    }
  }
  lua_replace(L, -2);
}

int neapL_calllua(lua_State *L, const char *module) {
  int nargs = lua_gettop(L);
  luaL_checkstack(L, 6, NULL);
  load(L, module);
  lua_insert(L, 1);
  lua_call(L, nargs, LUA_MULTRET);
  return lua_gettop(L);
}

/* The module's __index. */
static int load_part(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING)
    return 0;
  const char *key = lua_tostring(L, 2);
  const struct part *part = find_part(key);
  if (part == NULL || is_left_out(L, neapL_self(L), key))
    return 0;
  load(L, part->module);
  if (part->is_function)
    lua_getfield(L, -1, part->key);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -2);
  lua_rawset(L, 1);
  return 1;
}

/* Adds all functions to the table on L's top. */
static void add_functions(lua_State *L, struct neapL *N) {
  neapL_neap_open(L, N);
  neapL_dump_open(L, N);
  neapL_trace_open(L, N);
  neapL_await_open(L, N);
  neapL_cancelled_open(L, N);
  neapL_scope_open(L, N);
  neapL_shield_open(L, N);
  neapL_start_open(L, N);
  neapL_context_open(L, N);
  neapL_chan_open(L, N);
  neapL_select_open(L, N);
  neapL_sync_open(L, N);
  neapL_preempt_open(L, N);
  neapL_wait_fd_open(L, N);
  neapL_offload_open(L, N);
}

/* Takes the functions that are left out off the table on L's top. */
static void remove_left_out(lua_State *L, const struct neapL *N) {
  if (N->left_out_ref == LUA_NOREF)
    return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->left_out_ref);
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawset(L, -5);
  }
  lua_pop(L, 1);
}

void neapL_module_push(lua_State *L, struct neapL *N) {
  luaL_checkstack(L, 10, NULL);
  if (N->module_ref != LUA_NOREF) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, N->module_ref);
    return;
  }
  lua_newtable(L);
  add_functions(L, N);
  remove_left_out(L, N);
  static const luaL_Reg meta[] = {{"__index", load_part}, {NULL, NULL}};
  lua_createtable(L, 0, 1);
  neapL_setfuncs(L, N, meta);
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  N->module_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}
