/* fs.h: what the files that make neap.fs up share, and their openers. */
#ifndef NEAP_LUA_FS_H
#define NEAP_LUA_FS_H

#include "lua/neapl.h"

/* Each adds its functions to the table on L's top. May raise. */
void neapL_fs_path_open(lua_State *L, struct neapL *N);
void neapL_fs_tree_open(lua_State *L, struct neapL *N);
void neapL_fs_copy_open(lua_State *L, struct neapL *N);
void neapL_fs_temp_open(lua_State *L, struct neapL *N);
void neapL_watch_open(lua_State *L, struct neapL *N);

/* Whether what ends something may wait for it. In a finalizer and on the
   driver's stack nobody can, and lua_gc tells: it returns -1 in the former. */
static inline bool neapL_fs_canwait(lua_State *L, const neap_rt *rt) {
  return rt->sched.current != NULL && lua_gc(L, LUA_GCISRUNNING) != -1;
}

/* true, or the failure of what was done to path. */
int neapL_fs_done(lua_State *L, int err, const char *path);

/* Pushes what is known about a file as a table; returns 1. */
int neapL_fs_pushinfo(lua_State *L, const neap_fs_info *info);

/* The argument, seconds since 1970, in *out; def, which may be NULL, for none.
 */
const neap_fs_time *neapL_fs_opttime(lua_State *L, int arg, neap_fs_time *out,
                                     const neap_fs_time *def);

/* luaL_setfuncs for functions that use neapL_fs_pushblob. */
void neapL_fs_setfuncs(lua_State *L, struct neapL *N, const luaL_Reg *funcs);

/* Pushes blob as a string and frees it; in such a function only. */
void neapL_fs_pushblob(lua_State *L, neap_blob blob);

/* As neapL_fail, with the path in failed, which it frees, or path if failed is
   empty; in such a function only. */
int neapL_fs_failblob(lua_State *L, int err, neap_blob failed,
                      const char *path);

#endif
