/*
 * fs_path.c: neap.fs: functions of a path: what it is, links, permissions,
 * times, names that are made up.
 */
#include "lua/file.h"
#include "lua/fs.h"

#include <math.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define BOX_TYPE "neap.blob"

#define FOLDER_MODE 0777 /* less the process's umask */
#define MODE_MAX    07777

/* --- bytes and results ------------------------------------------------ */

/* Bytes on their way to a Lua string: should making it raise, they are freed
   with the next ones, or with the state. Upvalue 2 of what uses it. */
static int box_gc(lua_State *L) {
  neap_fs_free_blob(luaL_checkudata(L, 1, BOX_TYPE));
  return 0;
}

/* No wait, so one box is enough. */
void neapL_fs_pushblob(lua_State *L, neap_blob blob) {
  neap_blob *box = lua_touserdata(L, lua_upvalueindex(2));
  neap_fs_free_blob(box);
  *box = blob;
  lua_pushlstring(L, blob.base, blob.len);
  neap_fs_free_blob(box);
}

static void push_box(lua_State *L) {
  neap_blob *box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = (neap_blob){0};
  if (luaL_newmetatable(L, BOX_TYPE)) {
    lua_pushcfunction(L, box_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
}

void neapL_fs_setfuncs(lua_State *L, struct neapL *N, const luaL_Reg *funcs) {
  lua_pushlightuserdata(L, N);
  push_box(L);
  luaL_setfuncs(L, funcs, 2);
}

int neapL_fs_failblob(lua_State *L, int err, neap_blob failed,
                      const char *path) {
  if (failed.base == NULL)
    return neapL_fail(L, err, path);
  neapL_fs_pushblob(L, failed);
  return neapL_fail(L, err, lua_tostring(L, -1));
}

int neapL_fs_done(lua_State *L, int err, const char *path) {
  if (err < 0)
    return neapL_fail(L, err, path);
  lua_pushboolean(L, true);
  return 1;
}

/* --- what is known about a path -------------------------------------- */

/* Seconds, as everywhere. */
static void set_time(lua_State *L, const char *name, neap_fs_time time) {
  lua_pushnumber(L, (lua_Number)time.sec + (lua_Number)time.nsec * 1e-9);
  lua_setfield(L, -2, name);
}

int neapL_fs_pushinfo(lua_State *L, const neap_fs_info *info) {
  lua_createtable(L, 0, 15);
  lua_pushstring(L, info->type);
  lua_setfield(L, -2, "type");
  neapL_setinteger(L, "dev", info->dev);
  neapL_setinteger(L, "mode", info->mode);
  neapL_setinteger(L, "nlink", info->nlink);
  neapL_setinteger(L, "uid", info->uid);
  neapL_setinteger(L, "gid", info->gid);
  neapL_setinteger(L, "rdev", info->rdev);
  neapL_setinteger(L, "ino", info->ino);
  neapL_setinteger(L, "size", info->size);
  neapL_setinteger(L, "blksize", info->blksize);
  neapL_setinteger(L, "blocks", info->blocks);
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
  return err < 0 ? neapL_fail(L, err, path) : neapL_fs_pushinfo(L, &info);
}

/* fs.lstat(path): of a symbolic link itself. Waits. */
static int fs_lstat(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  neap_fs_info info;
  int err = neap_fs_lstat(neapL_waitrt(L), path, &info);
  return err < 0 ? neapL_fail(L, err, path) : neapL_fs_pushinfo(L, &info);
}

/* Pushes whether path is of that type (NULL: is there); what keeps us from
   finding out is a failure. */
static int is_a(lua_State *L, const char *type) {
  const char *path = neapL_checkpath(L, 1);
  neap_fs_info info;
  int err = neap_fs_stat(neapL_waitrt(L), path, &info);
  if (err < 0 && err != UV_ENOENT && err != UV_ENOTDIR)
    return neapL_fail(L, err, path);
  lua_pushboolean(L,
                  err == 0 && (type == NULL || strcmp(info.type, type) == 0));
  return 1;
}

/* fs.exists(path) -> boolean | nil, message, code. Waits. */
static int fs_exists(lua_State *L) {
  return is_a(L, NULL);
}

/* fs.isfile(path) -> boolean | nil, message, code. Waits. */
static int fs_isfile(lua_State *L) {
  return is_a(L, "file");
}

/* fs.isdir(path) -> boolean | nil, message, code. Waits. */
static int fs_isdir(lua_State *L) {
  return is_a(L, "directory");
}

/* fs.access(path [, "rwx"]) -> true | nil, message, code. Waits. */
static int fs_access(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  int mode = F_OK;
  for (const char *at = luaL_optstring(L, 2, ""); *at != '\0'; at++) {
    const char *letters = "rwx";
    const int bits[] = {R_OK, W_OK, X_OK};
    const char *letter = strchr(letters, *at);
    luaL_argcheck(L, letter != NULL, 2, "letters of 'rwx' expected");
    mode |= bits[letter - letters];
  }
  return neapL_fs_done(L, neap_fs_access(neapL_waitrt(L), path, mode), path);
}

/* fs.statfs(path) -> table | nil, message, code. Waits. */
static int fs_statfs(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  neap_fs_space space;
  int err = neap_fs_statfs(neapL_waitrt(L), path, &space);
  if (err < 0)
    return neapL_fail(L, err, path);
  lua_createtable(L, 0, 7);
  neapL_setinteger(L, "type", space.type);
  neapL_setinteger(L, "bsize", space.bsize);
  neapL_setinteger(L, "blocks", space.blocks);
  neapL_setinteger(L, "bfree", space.bfree);
  neapL_setinteger(L, "bavail", space.bavail);
  neapL_setinteger(L, "files", space.files);
  neapL_setinteger(L, "ffree", space.ffree);
  return 1;
}

/* --- making, moving, removing ----------------------------------------- */

/* fs.unlink(path) -> true | nil, message, code. Waits. */
static int fs_unlink(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  return neapL_fs_done(L, neap_fs_unlink(neapL_waitrt(L), path), path);
}

/* fs.rmdir(path) -> true | nil, message, code. Waits. */
static int fs_rmdir(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  return neapL_fs_done(L, neap_fs_rmdir(neapL_waitrt(L), path), path);
}

/* fs.mkdir(path [, {parents=, mode=}]) -> true | nil, message, code.
 * Waits. */
static int fs_mkdir(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  neapL_checkoptions(L, 2);
  int mode = (int)neapL_optfieldint(L, 2, "mode", 0, MODE_MAX, FOLDER_MODE);
  bool parents = neapL_optfieldbool(L, 2, "parents", false);
  neap_rt *rt = neapL_waitrt(L);
  int err =
      parents ? neap_fs_mkdirs(rt, path, mode) : neap_fs_mkdir(rt, path, mode);
  return neapL_fs_done(L, err, path);
}

/* fs.rename(from, to) -> true | nil, message, code. Waits. */
static int fs_rename(lua_State *L) {
  const char *from = neapL_checkpath(L, 1);
  const char *to = neapL_checkpath(L, 2);
  return neapL_fs_done(L, neap_fs_rename(neapL_waitrt(L), from, to), from);
}

/* --- links ------------------------------------------------------------ */

/* fs.link(from, to) -> true | nil, message, code. Waits. */
static int fs_link(lua_State *L) {
  const char *from = neapL_checkpath(L, 1);
  const char *to = neapL_checkpath(L, 2);
  return neapL_fs_done(L, neap_fs_link(neapL_waitrt(L), from, to), to);
}

/* fs.symlink(target, path) -> true | nil, message, code. Waits. */
static int fs_symlink(lua_State *L) {
  const char *target = neapL_checkpath(L, 1);
  const char *path = neapL_checkpath(L, 2);
  return neapL_fs_done(L, neap_fs_symlink(neapL_waitrt(L), target, path), path);
}

/* Pushes what call finds out about the path at 1. */
static int find_out(lua_State *L,
                    int (*call)(neap_rt *, const char *, neap_blob *)) {
  const char *path = neapL_checkpath(L, 1);
  neap_blob found;
  int err = call(neapL_waitrt(L), path, &found);
  if (err < 0)
    return neapL_fail(L, err, path);
  neapL_fs_pushblob(L, found);
  return 1;
}

/* fs.readlink(path) -> target | nil, message, code. Waits. */
static int fs_readlink(lua_State *L) {
  return find_out(L, neap_fs_readlink);
}

/* fs.realpath(path) -> path | nil, message, code. Waits. */
static int fs_realpath(lua_State *L) {
  return find_out(L, neap_fs_realpath);
}

/* --- permissions, owners, times --------------------------------------- */

/* fs.chmod(path, mode) -> true | nil, message, code. Waits. */
static int fs_chmod(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  lua_Integer mode = luaL_checkinteger(L, 2);
  luaL_argcheck(L, mode >= 0 && mode <= MODE_MAX, 2, "no permission bits");
  int err = neap_fs_chmod(neapL_waitrt(L), path, (int)mode);
  return neapL_fs_done(L, err, path);
}

/* A user's or group's number; -1, which leaves it as it is. */
static uint32_t check_id(lua_State *L, int arg) {
  lua_Integer id = luaL_checkinteger(L, arg);
  luaL_argcheck(L, id >= -1 && id < UINT32_MAX, arg, "no user or group id");
  return (uint32_t)id;
}

static int chown_with(lua_State *L, int (*call)(neap_rt *, const char *,
                                                uint32_t, uint32_t)) {
  const char *path = neapL_checkpath(L, 1);
  uint32_t uid = check_id(L, 2), gid = check_id(L, 3);
  return neapL_fs_done(L, call(neapL_waitrt(L), path, uid, gid), path);
}

/* fs.chown(path, uid, gid) -> true | nil, message, code. Waits. */
static int fs_chown(lua_State *L) {
  return chown_with(L, neap_fs_chown);
}

/* fs.lchown(path, uid, gid): of a symbolic link itself. Waits. */
static int fs_lchown(lua_State *L) {
  return chown_with(L, neap_fs_lchown);
}

const neap_fs_time *neapL_fs_opttime(lua_State *L, int arg, neap_fs_time *out,
                                     const neap_fs_time *def) {
  if (lua_isnoneornil(L, arg))
    return def;
  lua_Number n = luaL_checknumber(L, arg);
  luaL_argcheck(L, n > -1e15 && n < 1e15, arg, "time out of range");
  lua_Number whole = floor(n);
  out->sec = (int64_t)whole;
  out->nsec = (int64_t)((n - whole) * 1e9);
  return out;
}

/* fs.utime(path [, atime [, mtime]]) -> true | nil, message, code. Waits.
 * Without atime both are now, without mtime it is atime. */
static int fs_utime(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  neap_fs_time times[2];
  const neap_fs_time *atime = neapL_fs_opttime(L, 2, &times[0], NULL);
  const neap_fs_time *mtime = neapL_fs_opttime(L, 3, &times[1], atime);
  int err = neap_fs_utime(neapL_waitrt(L), path, atime, mtime);
  return neapL_fs_done(L, err, path);
}

/* fs.touch(path) -> true | nil, message, code. Waits. */
static int fs_touch(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  return neapL_fs_done(L, neap_fs_touch(neapL_waitrt(L), path), path);
}

/* --- names that are made up ------------------------------------------- */

static const char *check_template(lua_State *L, int arg) {
  const char *template = neapL_checkpath(L, arg);
  size_t len = strlen(template);
  luaL_argcheck(L, len >= 6 && strcmp(template + len - 6, "XXXXXX") == 0, arg,
                "template does not end in 'XXXXXX'");
  return template;
}

/* fs.mkdtemp(template) -> path | nil, message, code. Waits. */
static int fs_mkdtemp(lua_State *L) {
  const char *template = check_template(L, 1);
  neap_blob name;
  int err = neap_fs_mkdtemp(neapL_waitrt(L), template, &name);
  if (err < 0)
    return neapL_fail(L, err, template);
  neapL_fs_pushblob(L, name);
  return 1;
}

/* fs.mkstemp(template) -> file, path | nil, message, code. Waits. */
static int fs_mkstemp(lua_State *L) {
  const char *template = check_template(L, 1);
  neap_rt *rt = neapL_waitrt(L);
  struct neapL_file *box = neapL_file_new(L);
  neap_blob name;
  neap_file *file;
  int err = neap_fs_mkstemp(rt, template, &name, &file);
  if (err < 0)
    return neapL_fail(L, err, template);
  box->file = file;
  neapL_fs_pushblob(L, name);
  return 2;
}

/* --- the functions ---------------------------------------------------- */

static const luaL_Reg functions[] = {
    {"stat", fs_stat},
    {"lstat", fs_lstat},
    {"exists", fs_exists},
    {"isfile", fs_isfile},
    {"isdir", fs_isdir},
    {"access", fs_access},
    {"statfs", fs_statfs},
    {"unlink", fs_unlink},
    {"rmdir", fs_rmdir},
    {"mkdir", fs_mkdir},
    {"rename", fs_rename},
    {"link", fs_link},
    {"symlink", fs_symlink},
    {"chmod", fs_chmod},
    {"chown", fs_chown},
    {"lchown", fs_lchown},
    {"utime", fs_utime},
    {"touch", fs_touch},
    {NULL, NULL},
};

/* Those that bring bytes. */
static const luaL_Reg blob_functions[] = {
    {"readlink", fs_readlink},
    {"realpath", fs_realpath},
    {"mkdtemp", fs_mkdtemp},
    {"mkstemp", fs_mkstemp},
    {NULL, NULL},
};

void neapL_fs_path_open(lua_State *L, struct neapL *N) {
  neapL_setfuncs(L, N, functions);
  neapL_fs_setfuncs(L, N, blob_functions);
}
