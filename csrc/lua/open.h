/*
 * open.h: what the files that open neap in a state share: open.c, which ties a
 * runtime to it; module.c, what scripts get; embed.c, for hosts.
 */
#ifndef NEAP_LUA_OPEN_H
#define NEAP_LUA_OPEN_H

#include "include/neap_lua.h"
#include "lua/neapl.h"

/* The state's neapL, made as options say if need be. NULL and a code in *err
   when there is no runtime; may raise, for want of memory. */
struct neapL *neapL_open(lua_State *L, const neap_lua_options *options,
                         int *err);

/* Pushes the module table, made if need be. May raise. */
void neapL_module_push(lua_State *L, struct neapL *N);

/* Has require find the parts of the module in this state, and not those named
   in leave_out, which ends with NULL; before the module table is made. May
   raise. */
void neapL_module_offer(lua_State *L, struct neapL *N,
                        const char *const *leave_out);

#endif
