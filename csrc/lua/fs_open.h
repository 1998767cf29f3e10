/* fs_open.h: the functions of neap.fs that open files. */
#ifndef NEAP_LUA_FS_OPEN_H
#define NEAP_LUA_FS_OPEN_H

#include <lua.h>

#define NEAPL_FILE_MODE 0666 /* less the process's umask */

/* io.open's modes and "x" as open(2)'s flags, or -1. */
int neapL_fs_modeflags(const char *mode);

int neapL_fs_open(lua_State *L);
int neapL_fs_lines(lua_State *L);

#endif
