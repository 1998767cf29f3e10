/* wait_fd.h: neap.wait_fd. */
#ifndef NEAP_LUA_WAIT_FD_H
#define NEAP_LUA_WAIT_FD_H

#include "lua/neapl.h"

/* Adds the function to the module table on L's top. May raise. */
void neapL_wait_fd_open(lua_State *L, struct neapL *N);

#endif
