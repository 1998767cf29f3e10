/* signal.h: names of signals as arguments. */
#ifndef NEAP_LUA_SIGNAL_H
#define NEAP_LUA_SIGNAL_H

#include "lua/neapl.h"

/* The number of the signal whose name the argument is; raises for others. */
int neapL_checksignal(lua_State *L, int arg);

/* The same, or a number, or def. 0, which is sent to nobody, is one. */
int neapL_optsignal(lua_State *L, int arg, int def);

/* Pushes the name of a signal, or "signal 42". */
void neapL_pushsignal(lua_State *L, int signum);

#endif
