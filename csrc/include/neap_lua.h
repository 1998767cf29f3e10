/*
 * neap_lua.h: neap for programs that embed Lua.
 */
#ifndef NEAP_LUA_H
#define NEAP_LUA_H

#include "neap.h"

#include <lua.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Lua's entry points of the modules, for package.preload or luaL_requiref.
   Each pushes its module table and returns 1; may raise. Does not wait. */
NEAP_API int luaopen_neap(lua_State *L);
NEAP_API int luaopen_neap_fs(lua_State *L);
NEAP_API int luaopen_neap_net(lua_State *L);
NEAP_API int luaopen_neap_compat_core(lua_State *L);
NEAP_API int luaopen_neap_testing_core(lua_State *L);
NEAP_API int luaopen_neap_process(lua_State *L);
NEAP_API int luaopen_neap_signal(lua_State *L);
NEAP_API int luaopen_neap_std(lua_State *L);
NEAP_API int luaopen_neap_tty(lua_State *L);

#ifdef __cplusplus
}
#endif

#endif
