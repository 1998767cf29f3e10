/* offload.h: neap.offload. */
#ifndef NEAP_LUA_OFFLOAD_H
#define NEAP_LUA_OFFLOAD_H

#include "lua/neapl.h"

/* Adds the function to the module table on L's top. May raise. */
void neapL_offload_open(lua_State *L, struct neapL *N);

#endif
