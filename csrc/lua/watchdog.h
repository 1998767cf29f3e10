/*
 * watchdog.h: neap.watchdog: who holds the loop, and where. The core's watchdog
 * notices; what it finds is told to a script's function, or on stderr.
 */
#ifndef NEAP_LUA_WATCHDOG_H
#define NEAP_LUA_WATCHDOG_H

#include "lua/neapl.h"

/* In the hook, at the first instruction after the watchdog has asked: tells
   where the running task is. Does not raise. */
void neapL_watchdog_tell(struct neapL *N);

/* Adds neap.watchdog to the table on L's top. */
void neapL_watchdog_open(lua_State *L, struct neapL *N);

#endif
