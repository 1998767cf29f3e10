/*
 * standin.h: functions of ours in the place of some of Lua's libraries, while
 * preemption or the watchdog is on: what they are for is told in running.h and
 * hook.h.
 */
#ifndef NEAP_LUA_STANDIN_H
#define NEAP_LUA_STANDIN_H

#include "lua/neapl.h"

/* Puts them in, and takes them out again, each if nobody has replaced it
   meanwhile. Harmless when they are there, or are not. May raise. */
void neapL_standin_install(lua_State *L, struct neapL *N);
void neapL_standin_remove(lua_State *L, struct neapL *N);

#endif
