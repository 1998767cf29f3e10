/* fs_open.h: the functions of neap.fs that open files. */
#ifndef NEAP_LUA_FS_OPEN_H
#define NEAP_LUA_FS_OPEN_H

#include <lua.h>

int neapL_fs_open(lua_State *L);
int neapL_fs_lines(lua_State *L);

#endif
