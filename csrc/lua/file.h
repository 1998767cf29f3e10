/* file.h: the file object of scripts. */
#ifndef NEAP_LUA_FILE_H
#define NEAP_LUA_FILE_H

#include "lua/neapl.h"

/* What the userdata "neap.file" holds. */
struct neapL_file {
  neap_file *file; /* NULL: not open yet, or given up */
};

/* Makes the type. */
void neapL_file_open(lua_State *L, struct neapL *N);

/* Pushes a file object that is not open yet. */
struct neapL_file *neapL_file_new(lua_State *L);

#endif
