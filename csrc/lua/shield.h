/*
 * shield.h: shields and deadlines, for open.c.
 */
#ifndef NEAP_LUA_SHIELD_H
#define NEAP_LUA_SHIELD_H

#include "lua/neapl.h"

/* Adds neap.shield and neap.time_left to the module table on the top. May
   raise. */
void neapL_shield_open(lua_State *L, struct neapL *N);

#endif
