/* file_attr.c: the methods of files that tell or set what a file is, and
   reading at any place. */
#include "lua/file.h"

#include "lua/fs.h"

/* Pushes blob as a string and frees it. No wait, so one box is enough. */
static void push_blob(lua_State *L, struct neapL_file *box, neap_blob blob) {
  neap_fs_free_blob(&box->blob);
  box->blob = blob;
  lua_pushlstring(L, blob.base, blob.len);
  neap_fs_free_blob(&box->blob);
}

/* file:pread(n, offset) -> string | nil at the end | nil, message, code.
 * Waits, unless it is cached. */
int neapL_file_pread(lua_State *L) {
  struct neapL_file *box = neapL_file_check(L);
  lua_Integer n = luaL_checkinteger(L, 2);
  lua_Integer at = luaL_checkinteger(L, 3);
  luaL_argcheck(L, n >= 0, 2, "negative count");
  luaL_argcheck(L, at >= 0, 3, "negative");
  neapL_waitrt(L);
  if (neapL_file_get(L, box) == NULL)
    return neapL_file_failclosed(L);
  neap_blob blob;
  /* 0 asks whether there is anything, as with file:read. */
  int err = neap_file_pread(box->file, n > 0 ? (size_t)n : 1, at, &blob);
  if (err < 0)
    return neapL_file_fail(L, box, err);
  if (blob.len == 0) {
    neap_fs_free_blob(&blob);
    lua_pushnil(L);
    return 1;
  }
  if (n == 0)
    blob.len = 0;
  push_blob(L, box, blob);
  return 1;
}

/* file:stat() -> table as fs.stat's | nil, message, code. Waits, unless the
 * system tells at once. */
int neapL_file_stat(lua_State *L) {
  struct neapL_file *box = neapL_file_check(L);
  neapL_waitrt(L);
  if (neapL_file_get(L, box) == NULL)
    return neapL_file_failclosed(L);
  neap_fs_info info;
  int err = neap_file_stat(box->file, &info);
  if (err < 0)
    return neapL_file_fail(L, box, err);
  return neapL_fs_pushinfo(L, &info);
}

/* file:chmod(mode) -> true | nil, message, code. Waits. */
int neapL_file_chmod(lua_State *L) {
  struct neapL_file *box = neapL_file_check(L);
  lua_Integer mode = luaL_checkinteger(L, 2);
  luaL_argcheck(L, mode >= 0 && mode <= 07777, 2, "not a mode");
  neapL_waitrt(L);
  if (neapL_file_get(L, box) == NULL)
    return neapL_file_failclosed(L);
  return neapL_file_done(L, box, neap_file_chmod(box->file, (int)mode));
}

/* file:utime([atime [, mtime]]) -> true | nil, message, code. Waits. */
int neapL_file_utime(lua_State *L) {
  struct neapL_file *box = neapL_file_check(L);
  neap_fs_time times[2];
  const neap_fs_time *atime = neapL_fs_opttime(L, 2, &times[0], NULL);
  const neap_fs_time *mtime = neapL_fs_opttime(L, 3, &times[1], atime);
  neapL_waitrt(L);
  if (neapL_file_get(L, box) == NULL)
    return neapL_file_failclosed(L);
  return neapL_file_done(L, box, neap_file_utime(box->file, atime, mtime));
}

/* file:fd() -> integer | nil, message, code */
int neapL_file_fd(lua_State *L) {
  struct neapL_file *box = neapL_file_check(L);
  if (neapL_file_get(L, box) == NULL)
    return neapL_file_failclosed(L);
  lua_pushinteger(L, neap_file_fd(box->file));
  return 1;
}
