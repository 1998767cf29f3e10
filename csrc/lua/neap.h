/* neap.h (of the binding): the module table's own functions. */
#ifndef NEAP_LUA_NEAP_H
#define NEAP_LUA_NEAP_H

#include "lua/neapl.h"

/* Adds them to the table on L's top. May raise. */
void neapL_neap_open(lua_State *L, struct neapL *N);

/* Takes back what only test builds have changed in the state. */
void neapL_neap_close(lua_State *L, struct neapL *N);

#endif
