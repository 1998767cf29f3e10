/* fs.c: the module neap.fs: whole files, paths, folders, opening. */
#include "lua/file.h"

#include <fcntl.h>
#include <string.h>

#define DIR_TYPE "neap.dir"
#define BOX_TYPE "neap.blob"

#define FILE_MODE   0666 /* less the process's umask */
#define FOLDER_MODE 0777
#define MODE_MAX    07777

/* --- whole files ---------------------------------------------------- */

/* Bytes on their way to a Lua string: should making it raise, they are freed
   with the next ones, or with the state. Upvalue 2 of what uses it. */
static int box_gc(lua_State *L) {
  neap_fs_free_blob(luaL_checkudata(L, 1, BOX_TYPE));
  return 0;
}

/* Pushes blob as a string and frees it. No wait, so one box is enough. */
static void push_blob(lua_State *L, neap_blob blob) {
  neap_blob *box = lua_touserdata(L, lua_upvalueindex(2));
  neap_fs_free_blob(box);
  *box = blob;
  lua_pushlstring(L, blob.base, blob.len);
  neap_fs_free_blob(box);
}

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
  push_blob(L, blob);
  return 1;
}

static int write_whole(lua_State *L, bool append) {
  const char *path = neapL_checkpath(L, 1);
  size_t len;
  const char *data = luaL_checklstring(L, 2, &len);
  neapL_checkoptions(L, 3);
  int mode = (int)neapL_optfieldint(L, 3, "mode", 0, MODE_MAX, FILE_MODE);
  append = append || neapL_optfieldbool(L, 3, "append", false);
  /* Better no write than one that a crash can cut in half unasked. */
  if (neapL_optfieldbool(L, 3, "atomic", false))
    return neapL_fielderror(L, 3, "atomic", "not supported");
  neap_rt *rt = neapL_waitrt(L);
  int err = neap_fs_writefile(rt, path, data, len, mode, append);
  if (err < 0)
    return neapL_fail(L, err, path);
  lua_pushboolean(L, true);
  return 1;
}

/* fs.writefile(path, data [, {mode=, append=}]) -> true | nil, message, code.
 * Waits. */
static int fs_writefile(lua_State *L) {
  return write_whole(L, false);
}

/* fs.appendfile(path, data [, {mode=}]) -> true | nil, message, code. Waits. */
static int fs_appendfile(lua_State *L) {
  return write_whole(L, true);
}

/* --- paths ---------------------------------------------------------- */

/* true, or the failure of what was done to path. */
static int done(lua_State *L, int err, const char *path) {
  if (err < 0)
    return neapL_fail(L, err, path);
  lua_pushboolean(L, true);
  return 1;
}

static void set_integer(lua_State *L, const char *name, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

/* Seconds, as everywhere. */
static void set_time(lua_State *L, const char *name, neap_fs_time time) {
  lua_pushnumber(L, (lua_Number)time.sec + (lua_Number)time.nsec * 1e-9);
  lua_setfield(L, -2, name);
}

static int push_info(lua_State *L, const neap_fs_info *info) {
  lua_createtable(L, 0, 15);
  lua_pushstring(L, info->type);
  lua_setfield(L, -2, "type");
  set_integer(L, "dev", info->dev);
  set_integer(L, "mode", info->mode);
  set_integer(L, "nlink", info->nlink);
  set_integer(L, "uid", info->uid);
  set_integer(L, "gid", info->gid);
  set_integer(L, "rdev", info->rdev);
  set_integer(L, "ino", info->ino);
  set_integer(L, "size", info->size);
  set_integer(L, "blksize", info->blksize);
  set_integer(L, "blocks", info->blocks);
  set_time(L, "atime", info->atime);
  set_time(L, "mtime", info->mtime);
  set_time(L, "ctime", info->ctime);
  set_time(L, "birthtime", info->birthtime);
  return 1;
}

/* fs.stat(path) -> table | nil, message, code. Waits. */
static int fs_stat(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  neap_fs_info info;
  int err = neap_fs_stat(neapL_waitrt(L), path, &info);
  return err < 0 ? neapL_fail(L, err, path) : push_info(L, &info);
}

/* fs.lstat(path): of a symbolic link itself. Waits. */
static int fs_lstat(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  neap_fs_info info;
  int err = neap_fs_lstat(neapL_waitrt(L), path, &info);
  return err < 0 ? neapL_fail(L, err, path) : push_info(L, &info);
}

/* fs.unlink(path) -> true | nil, message, code. Waits. */
static int fs_unlink(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  return done(L, neap_fs_unlink(neapL_waitrt(L), path), path);
}

/* fs.rmdir(path) -> true | nil, message, code. Waits. */
static int fs_rmdir(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  return done(L, neap_fs_rmdir(neapL_waitrt(L), path), path);
}

/* fs.mkdir(path [, {mode=}]) -> true | nil, message, code. Waits. */
static int fs_mkdir(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  neapL_checkoptions(L, 2);
  int mode = (int)neapL_optfieldint(L, 2, "mode", 0, MODE_MAX, FOLDER_MODE);
  return done(L, neap_fs_mkdir(neapL_waitrt(L), path, mode), path);
}

/* fs.rename(from, to) -> true | nil, message, code. Waits. */
static int fs_rename(lua_State *L) {
  const char *from = neapL_checkpath(L, 1);
  const char *to = neapL_checkpath(L, 2);
  return done(L, neap_fs_rename(neapL_waitrt(L), from, to), from);
}

/* fs.mkdtemp(template) -> path | nil, message, code. Waits. */
static int fs_mkdtemp(lua_State *L) {
  const char *template = neapL_checkpath(L, 1);
  size_t len = strlen(template);
  luaL_argcheck(L, len >= 6 && strcmp(template + len - 6, "XXXXXX") == 0, 1,
                "template does not end in 'XXXXXX'");
  neap_blob name;
  int err = neap_fs_mkdtemp(neapL_waitrt(L), template, &name);
  if (err < 0)
    return neapL_fail(L, err, template);
  push_blob(L, name);
  return 1;
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

/* --- opening -------------------------------------------------------- */

/* What follows the first letter of a mode: "+", then "b" and "x" in any
   order. Returns false when it is no such thing. */
static bool parse_rest(const char *rest, bool *update, bool *exclusive) {
  *update = *rest == '+';
  rest += *update;
  for (; *rest != '\0'; rest++) {
    if (*rest == 'x')
      *exclusive = true;
    else if (*rest != 'b')
      return false;
  }
  return true;
}

/* io.open's modes and "x" as open(2)'s flags, or -1. */
static int mode_flags(const char *mode) {
  bool update = false, exclusive = false;
  if (mode[0] == '\0' || !parse_rest(mode + 1, &update, &exclusive))
    return -1;
  int flags = exclusive ? O_EXCL : 0;
  switch (mode[0]) {
  case 'r':
    return exclusive ? -1 : update ? O_RDWR : O_RDONLY;
  case 'w':
    return flags | (update ? O_RDWR : O_WRONLY) | O_CREAT | O_TRUNC;
  case 'a':
    return flags | (update ? O_RDWR : O_WRONLY) | O_CREAT | O_APPEND;
  default:
    return -1;
  }
}

/* fs.open(path [, mode]) -> file | nil, message, code. Waits. */
static int fs_open(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  int flags = mode_flags(luaL_optstring(L, 2, "r"));
  luaL_argcheck(L, flags >= 0, 2, "invalid mode");
  neap_rt *rt = neapL_waitrt(L);
  struct neapL_file *box = neapL_file_new(L);
  neap_file *file;
  int err = neap_file_open(rt, path, flags, FILE_MODE, &file);
  if (err < 0)
    return neapL_fail(L, err, path);
  box->file = file;
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

/* With the box for bytes as their second upvalue. */
static const luaL_Reg blob_functions[] = {
    {"readfile", fs_readfile},
    {"mkdtemp", fs_mkdtemp},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"writefile", fs_writefile},
    {"appendfile", fs_appendfile},
    {"stat", fs_stat},
    {"lstat", fs_lstat},
    {"unlink", fs_unlink},
    {"rmdir", fs_rmdir},
    {"mkdir", fs_mkdir},
    {"rename", fs_rename},
    {"scandir", fs_scandir},
    {"open", fs_open},
    {NULL, NULL},
};

static void new_box(lua_State *L) {
  neap_blob *box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = (neap_blob){0};
  if (luaL_newmetatable(L, BOX_TYPE)) {
    lua_pushcfunction(L, box_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
}

NEAP_API int luaopen_neap_fs(lua_State *L);

int luaopen_neap_fs(lua_State *L) {
  struct neapL *N = neapL_require(L);
  neapL_file_open(L, N);
  neapL_newtype(L, N, DIR_TYPE, dir_methods, dir_meta);
  lua_newtable(L);
  neapL_setfuncs(L, N, functions);
  lua_pushlightuserdata(L, N);
  new_box(L);
  luaL_setfuncs(L, blob_functions, 2);
  return 1;
}
