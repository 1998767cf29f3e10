/* sync.h: neap.mutex, semaphore, event and condition. */
#ifndef NEAP_LUA_SYNC_H
#define NEAP_LUA_SYNC_H

#include "lua/neapl.h"

/* Adds the functions to the module table on L's top. May raise. */
void neapL_sync_open(lua_State *L, struct neapL *N);

/* The waiters of the event or condition at index, or NULL; NULL also for an
   event that is set, as it would be waited for in vain. */
struct neap_list *neapL_sync_queue(lua_State *L, int index);

#endif
