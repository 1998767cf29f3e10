/*
 * udp.h: UDP sockets as scripts see them.
 */
#ifndef NEAP_LUA_UDP_H
#define NEAP_LUA_UDP_H

#include "lua/neapl.h"

/* The function net.udp. */
int neapL_udp_open(lua_State *L);

/* Makes the type. */
void neapL_openudp(lua_State *L, struct neapL *N);

#endif
