/*
 * net.h: servers as scripts see them.
 */
#ifndef NEAP_LUA_NET_H
#define NEAP_LUA_NET_H

#include "include/neap.h"
#include "lua/neapl.h"

/* The server that the userdata at index is, or NULL when it is closed; raises
   if it is none. */
neap_server *neapL_toserver(lua_State *L, int index);

NEAP_API int luaopen_neap_net(lua_State *L);

#endif
