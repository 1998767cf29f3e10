/*
 * select.h: what a type provides so that neap.select can wait for it: the
 * metamethod __select(object, woken), which never waits. It returns true and
 * what its case returns when it is ready, having taken what it gives; else
 * false and what to wait for before it is asked again. woken: what it gave has
 * just happened. A Lua object gives an event, a condition or a task; a C type
 * the queue of its waiters.
 */
#ifndef NEAP_LUA_SELECT_H
#define NEAP_LUA_SELECT_H

#include "lua/neapl.h"

/* Pushes what __select of a C type returns that is not ready: who wakes queue,
   which lives as long as the object, has it asked again. internal: only another
   task's doing wakes it. what: the wait for dumps, static text. */
int neapL_select_later(lua_State *L, struct neap_list *queue, bool internal,
                       const char *what);

/* Adds neap.select to the module table on L's top. May raise. */
void neapL_select_open(lua_State *L, struct neapL *N);

#endif
