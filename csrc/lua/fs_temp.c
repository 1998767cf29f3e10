/*
 * fs_temp.c: neap.fs: temporary files and folders. A temporary file is a file
 * whose name goes with it; a temporary folder is an object of its own, which
 * stands for its path and is removed, with all in it, when it is closed.
 */
#include "lua/file.h"
#include "lua/fs.h"

#include <string.h>
#include <uv.h>

#define TEMPDIR "neap.tempdir"

/* The path is the user value. */
struct tempdir {
  bool is_open;
};

/* fs.tempfile() -> file, path | nil, message, code. Waits. */
static int fs_tempfile(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  struct neapL_file *box = neapL_file_new(L);
  neap_blob name;
  neap_file *file;
  int err = neap_fs_tempfile(rt, &name, &file);
  if (err < 0)
    return neapL_fail(L, err, NULL);
  box->file = file;
  neapL_fs_pushblob(L, name);
  return 2;
}

/* fs.tempdir() -> tempdir | nil, message, code. Waits. */
static int fs_tempdir(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  struct tempdir *dir = lua_newuserdatauv(L, sizeof *dir, 1);
  dir->is_open = false;
  luaL_setmetatable(L, TEMPDIR);
  neap_blob name;
  int err = neap_fs_tempdir(rt, &name);
  if (err < 0)
    return neapL_fail(L, err, NULL);
  neapL_fs_pushblob(L, name);
  lua_setiuservalue(L, -2, 1);
  dir->is_open = true;
  return 1;
}

static struct tempdir *checkdir(lua_State *L) {
  return luaL_checkudata(L, 1, TEMPDIR);
}

/* Removes the folder. Waits where one may wait. Leaves its path, or that of
   what could not be removed, on the stack. Returns 0 or a code. */
static int remove_dir(lua_State *L, struct tempdir *dir) {
  if (!dir->is_open)
    return 0;
  neap_rt *rt = neapL_peekrt(L);
  lua_getiuservalue(L, 1, 1);
  const char *path = lua_tostring(L, -1);
  neap_blob failed = {0};
  int err = UV_ENOMEM;
  dir->is_open = false;
  if (rt != NULL && neapL_fs_canwait(L, rt))
    err = neap_fs_remove_shielded(rt, path, &failed);
  if (err == UV_ENOMEM) /* not even for a job */
    err = neap_fs_remove_blocking(path);
  if (failed.base != NULL)
    neapL_fs_pushblob(L, failed);
  return err == UV_ENOENT ? 0 : err; /* somebody else has removed it */
}

/* tempdir:close() -> true | nil, message, code. Waits; not cancellable. */
static int tempdir_close(lua_State *L) {
  int err = remove_dir(L, checkdir(L));
  if (err < 0)
    return neapL_fail(L, err, lua_tostring(L, -1));
  lua_pushboolean(L, true);
  return 1;
}

static void warn_failed(lua_State *L, int err) {
  lua_warning(L, "neap: ", 1);
  lua_warning(L, lua_tostring(L, -1), 1);
  lua_warning(L, ": ", 1);
  lua_warning(L, neapL_strerror(err), 0);
}

/* A failure is raised, unless an error is on its way already. */
static int tempdir_tbc(lua_State *L) {
  int err = remove_dir(L, checkdir(L));
  if (err < 0 && lua_isnoneornil(L, 2))
    return luaL_error(L, "%s: %s", lua_tostring(L, -1), neapL_strerror(err));
  if (err < 0)
    warn_failed(L, err);
  return 0;
}

static int tempdir_gc(lua_State *L) {
  struct tempdir *dir = checkdir(L);
  if (!dir->is_open)
    return 0;
  int err = remove_dir(L, dir);
  if (err < 0)
    warn_failed(L, err);
  neapL_warn(L, "a temporary folder was not closed");
  return 0;
}

static int tempdir_tostring(lua_State *L) {
  checkdir(L);
  lua_getiuservalue(L, 1, 1);
  return 1;
}

/* dir .. "/name" */
static int tempdir_concat(lua_State *L) {
  lua_settop(L, 2);
  luaL_tolstring(L, 1, NULL);
  luaL_tolstring(L, 2, NULL);
  lua_concat(L, 2);
  return 1;
}

/* Upvalues: neapL, the methods. */
static int tempdir_index(lua_State *L) {
  checkdir(L);
  const char *key = lua_tostring(L, 2);
  if (key != NULL && strcmp(key, "path") == 0)
    lua_getiuservalue(L, 1, 1);
  else
    lua_rawget(L, lua_upvalueindex(2));
  return 1;
}

/* With the box for bytes as second upvalue: luaL_checkudata, not ours. */
static const luaL_Reg tempdir_methods[] = {
    {"close", tempdir_close},
    {NULL, NULL},
};

static const luaL_Reg tempdir_meta[] = {
    {"__close", tempdir_tbc},
    {"__gc", tempdir_gc},
    {"__tostring", tempdir_tostring},
    {"__concat", tempdir_concat},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"tempfile", fs_tempfile},
    {"tempdir", fs_tempdir},
    {NULL, NULL},
};

void neapL_fs_temp_open(lua_State *L, struct neapL *N) {
  luaL_newmetatable(L, TEMPDIR);
  neapL_fs_setfuncs(L, N, tempdir_meta);
  lua_pushlightuserdata(L, N);
  lua_newtable(L);
  neapL_fs_setfuncs(L, N, tempdir_methods);
  lua_pushcclosure(L, tempdir_index, 2);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  neapL_fs_setfuncs(L, N, functions);
}
