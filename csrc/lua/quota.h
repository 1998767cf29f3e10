/*
 * quota.h: a limit on memory that holds for Lua and neap together: an allocator
 * in front of the state's own counts what Lua has, and refuses what would pass
 * it. Lua collects and tries again, and then raises "not enough memory" in the
 * code that has asked.
 */
#ifndef NEAP_LUA_QUOTA_H
#define NEAP_LUA_QUOTA_H

#include "lua/neapl.h"

/* Counts Lua's memory in the runtime's from now on, to the state's end. Returns
   0 or UV_ENOMEM. Harmless when it does already. */
int neapL_quota_begin(lua_State *L, struct neapL *N);

/* The runtime ends: there is no limit any more. */
void neapL_quota_end(struct neapL *N);

#endif
