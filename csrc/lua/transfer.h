/*
 * transfer.h: net.copy and net.relay.
 */
#ifndef NEAP_LUA_TRANSFER_H
#define NEAP_LUA_TRANSFER_H

#include "lua/neapl.h"

/* Adds the functions to the table on L's top. */
void neapL_transfer_open(lua_State *L, struct neapL *N);

#endif
