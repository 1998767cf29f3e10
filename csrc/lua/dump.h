/*
 * dump.h: neap.tasks, neap.dump and what a deadlock says. The tree and its
 * words are the core's (core/info.h); from here it has names and Lua stacks.
 */
#ifndef NEAP_LUA_DUMP_H
#define NEAP_LUA_DUMP_H

#include "lua/neapl.h"

/* Adds the functions to the module table on L's top. May raise. */
void neapL_dump_open(lua_State *L, struct neapL *N);

/* Gives the runtime what a dump shows of Lua, and what is done about a
   deadlock. Cannot fail. */
void neapL_dump_attach(neap_rt *rt);

/* Pushes the message of the deadlock that has just been found, with its dump.
   Does not raise. */
void neapL_dump_pushdeadlock(lua_State *L, const struct neapL *N);

/* neap.dump */
int neapL_dump_function(lua_State *L);

#endif
