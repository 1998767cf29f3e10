/*
 * start.h: scope:start and neap.ready: a spawn that waits until the task says
 * that it is ready.
 */
#ifndef NEAP_LUA_START_H
#define NEAP_LUA_START_H

#include "lua/neapl.h"

struct neapL_scope_box;

/* Adds neap.ready to the module table on the top. May raise. */
void neapL_start_open(lua_State *L, struct neapL *N);

/* scope:start: spawns the function at 2 with the arguments behind it into the
   scope at 1, whose box is given, and returns what it is ready with. Waits. */
int neapL_start(lua_State *L, struct neapL *N,
                const struct neapL_scope_box *box);

/* The task at place, which somebody has started, has ended. On N->work. Does
   not raise. */
void neapL_start_ended(struct neapL *N, uint32_t place);

#endif
