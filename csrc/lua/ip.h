/*
 * ip.h: the module neap.net.ip.
 */
#ifndef NEAP_LUA_IP_H
#define NEAP_LUA_IP_H

#include "include/neap.h"
#include "lua/neapl.h"

NEAP_API int luaopen_neap_net_ip(lua_State *L);

#endif
