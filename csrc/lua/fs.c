/* fs.c: the module neap.fs: whole files, folders. */
#include "lua/fs.h"

#include "lua/file.h"
#include "lua/fs_open.h"

#include <string.h>

#define DIR_TYPE "neap.dir"

#define FILE_MODE 0666 /* less the process's umask */
#define MODE_MAX  07777

/* --- whole files ---------------------------------------------------- */

/* fs.readfile(path [, {max=}]) -> string | nil, message, code. Waits. */
static int fs_readfile(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  neapL_checkoptions(L, 2);
  size_t max = neapL_optfieldsize(L, 2, "max", SIZE_MAX);
  neap_rt *rt = neapL_waitrt(L);
  neap_blob blob;
  int err = neap_fs_readfile(rt, path, max, &blob);
  if (err < 0)
    return neapL_fail(L, err, path);
  neapL_fs_pushblob(L, blob);
  return 1;
}

static int write_whole(lua_State *L, bool append) {
  const char *path = neapL_checkpath(L, 1);
  size_t len;
  const char *data = luaL_checklstring(L, 2, &len);
  neapL_checkoptions(L, 3);
  int mode = (int)neapL_optfieldint(L, 3, "mode", 0, MODE_MAX, FILE_MODE);
  append = neapL_optfieldbool(L, 3, "append", append) || append;
  bool atomic = neapL_optfieldbool(L, 3, "atomic", false);
  if (atomic && append) /* the new contents would be the old ones and more */
    return neapL_fielderror(L, 3, "atomic", "not for appending");
  neap_rt *rt = neapL_waitrt(L);
  int err = atomic ? neap_fs_replacefile(rt, path, data, len, mode)
                   : neap_fs_writefile(rt, path, data, len, mode, append);
  if (err < 0)
    return neapL_fail(L, err, path);
  lua_pushboolean(L, true);
  return 1;
}

/* fs.writefile(path, data [, {mode=, append=, atomic=}]) -> true | nil,
 * message, code. Waits. */
static int fs_writefile(lua_State *L) {
  return write_whole(L, false);
}

/* fs.appendfile(path, data [, {mode=}]) -> true | nil, message, code. Waits. */
static int fs_appendfile(lua_State *L) {
  return write_whole(L, true);
}

/* --- folders -------------------------------------------------------- */

struct dir_box {
  neap_dir *dir; /* NULL: closed, or all read */
};

static void close_dir(struct dir_box *box) {
  neap_dir_close(box->dir);
  box->dir = NULL;
}

/* Upvalues: neapL, the folder. */
static int scandir_next(lua_State *L) {
  struct dir_box *box = lua_touserdata(L, lua_upvalueindex(2));
  const char *name, *type;
  if (box->dir == NULL)
    return 0;
  if (!neap_dir_next(box->dir, &name, &type)) {
    close_dir(box);
    return 0;
  }
  lua_pushstring(L, name);
  lua_pushstring(L, type);
  return 2;
}

/* fs.scandir(path) -> iterator of name, type | nil, message, code. Waits; the
 * iterator does not. */
static int fs_scandir(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  neap_rt *rt = neapL_waitrt(L);
  lua_settop(L, 1);
  struct dir_box *box = lua_newuserdatauv(L, sizeof *box, 0);
  box->dir = NULL;
  luaL_setmetatable(L, DIR_TYPE);
  lua_pushlightuserdata(L, neapL_self(L));
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, scandir_next, 2);
  neap_dir *dir;
  int err = neap_fs_scandir(rt, path, &dir);
  if (err < 0)
    return neapL_fail(L, err, path);
  box->dir = dir;
  lua_pushnil(L);
  lua_pushnil(L);
  lua_rotate(L, 2, -1); /* iterator, nil, nil, what a for loop closes */
  return 4;
}

static int dir_close(lua_State *L) {
  close_dir(luaL_checkudata(L, 1, DIR_TYPE));
  lua_pushboolean(L, true);
  return 1;
}

static int dir_gc(lua_State *L) {
  close_dir(luaL_checkudata(L, 1, DIR_TYPE));
  return 0;
}

static int dir_tostring(lua_State *L) {
  struct dir_box *box = luaL_checkudata(L, 1, DIR_TYPE);
  if (box->dir == NULL)
    lua_pushliteral(L, "dir (closed)");
  else
    lua_pushfstring(L, "dir (%p)", (void *)box->dir);
  return 1;
}

/* --- the module ----------------------------------------------------- */

static const luaL_Reg dir_methods[] = {
    {"close", dir_close},
    {NULL, NULL},
};

static const luaL_Reg dir_meta[] = {
    {"__close", dir_close},
    {"__gc", dir_gc},
    {"__tostring", dir_tostring},
    {NULL, NULL},
};

static const luaL_Reg blob_functions[] = {
    {"readfile", fs_readfile},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"writefile", fs_writefile}, {"appendfile", fs_appendfile},
    {"scandir", fs_scandir},     {"open", neapL_fs_open},
    {"lines", neapL_fs_lines},   {NULL, NULL},
};

NEAP_API int luaopen_neap_fs(lua_State *L);

int luaopen_neap_fs(lua_State *L) {
  struct neapL *N = neapL_require(L);
  neapL_file_open(L, N);
  neapL_newtype(L, N, DIR_TYPE, dir_methods, dir_meta);
  lua_newtable(L);
  neapL_setfuncs(L, N, functions);
  neapL_fs_setfuncs(L, N, blob_functions);
  neapL_fs_path_open(L, N);
  neapL_fs_tree_open(L, N);
  neapL_fs_copy_open(L, N);
  neapL_fs_temp_open(L, N);
  neapL_watch_open(L, N);
  return 1;
}
