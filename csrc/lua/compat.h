/*
 * compat.h: functions and files in the place of io's and os's, which suspend
 * their task and otherwise return and raise what those do. They are put there
 * by lua/neap/compat.lua; here they are made: files in compat_file.c, io's
 * functions in compat_io.c, os's in compat_os.c.
 */
#ifndef NEAP_LUA_COMPAT_H
#define NEAP_LUA_COMPAT_H

#include "lua/neapl.h"

#include <stdio.h>

/* The type's name in the registry; scripts see io's, "FILE*". */
#define NEAPL_COMPAT_FILE "neap.compat.file"

struct neapL_file;

/* As neapL_fail, with the system's number in the place of the code's name. */
int neapL_compat_fail(lua_State *L, int err, const char *what);

/* Makes the type. */
void neapL_compat_openfile(lua_State *L, struct neapL *N);

/* Pushes such a file that is not open yet. */
struct neapL_file *neapL_compat_newfile(lua_State *L);

/* Pushes that of a standard descriptor, which is stdio's as well: closed, if
   the descriptor is. May raise. */
void neapL_compat_newstd(lua_State *L, neap_rt *rt, int which, FILE *stdio);

/* Pushes the table of os's functions. */
void neapL_compat_pushos(lua_State *L, struct neapL *N);

#endif
