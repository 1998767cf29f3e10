/* await.h: neap.await, neap.after and neap.every. */
#ifndef NEAP_LUA_AWAIT_H
#define NEAP_LUA_AWAIT_H

#include "lua/neapl.h"

/* Adds the functions to the module table on L's top. May raise. */
void neapL_await_open(lua_State *L, struct neapL *N);

#endif
