/* file_write.c: the methods of files that write, or change their length. */
#include "lua/file.h"

#include <stdio.h>

void neapL_file_checktext(lua_State *L, int arg) {
  if (NEAPL_IO_SHORT_FLOATS && lua_type(L, arg) == LUA_TNUMBER &&
      !lua_isinteger(L, arg)) {
    char text[64];
    snprintf(text, sizeof text, LUA_NUMBER_FMT, lua_tonumber(L, arg));
    lua_pushstring(L, text);
    lua_replace(L, arg);
  }
  luaL_checkstring(L, arg);
}

/* All the arguments as one operation; no Lua but for strings that are there. */
static int append_strings(lua_State *L, neap_file *file, int top) {
  int err = 0;
  for (int arg = 2; arg <= top && err == 0; arg++) {
    size_t len;
    const char *bytes = lua_tolstring(L, arg, &len);
    err = neap_file_append(file, bytes, len);
  }
  return err < 0 ? err : neap_file_put(file);
}

static int write_strings(lua_State *L, neap_file *file, int top) {
  int err = neap_file_try_write(file); /* nearly always: into the buffer */
  if (err == 0)
    return append_strings(L, file, top);
  if (err == UV_EAGAIN)
    err = neap_file_begin_write(file);
  if (err < 0)
    return err;
  err = append_strings(L, file, top);
  neap_file_end(file);
  return err;
}

/* file:write(...) -> file | nil, message, code. Waits. */
int neapL_file_write(lua_State *L) {
  struct neapL_file *box = neapL_file_check(L);
  int top = lua_gettop(L);
  for (int arg = 2; arg <= top; arg++) {
    if (lua_type(L, arg) != LUA_TSTRING)
      neapL_file_checktext(L, arg);
  }
  neapL_waitrt(L); /* raises when the runtime, which has the file, has ended */
  if (box->file == NULL || neap_file_is_closed(box->file))
    return neapL_file_failclosed(L);
  int err = write_strings(L, box->file, top);
  if (err < 0)
    return neapL_file_fail(L, box, err);
  lua_settop(L, 1);
  return 1;
}

/* file:flush() -> true | nil, message, code. Waits. */
int neapL_file_flush(lua_State *L) {
  struct neapL_file *box = neapL_file_check(L);
  neapL_waitrt(L);
  if (neapL_file_get(L, box) == NULL)
    return neapL_file_failclosed(L);
  int err = neap_file_flush(box->file);
  if (err < 0)
    return neapL_file_fail(L, box, err);
  lua_pushboolean(L, true);
  return 1;
}

/* file:seek([whence [, offset]]) -> position | nil, message, code. Waits. */
int neapL_file_seek(lua_State *L) {
  static const int whence[] = {SEEK_SET, SEEK_CUR, SEEK_END};
  static const char *const names[] = {"set", "cur", "end", NULL};
  struct neapL_file *box = neapL_file_check(L);
  int which = luaL_checkoption(L, 2, "cur", names);
  lua_Integer offset = luaL_optinteger(L, 3, 0);
  neapL_waitrt(L);
  if (neapL_file_get(L, box) == NULL)
    return neapL_file_failclosed(L);
  int64_t at = neap_file_seek(box->file, offset, whence[which]);
  if (at < 0)
    return neapL_file_fail(L, box, (int)at);
  lua_pushinteger(L, at);
  return 1;
}

/* file:setvbuf(mode [, size]) -> true | nil, message, code. Waits. */
int neapL_file_setvbuf(lua_State *L) {
  static const neap_file_buffering modes[] = {NEAP_FILE_UNBUFFERED,
                                              NEAP_FILE_FULL, NEAP_FILE_LINE};
  static const char *const names[] = {"no", "full", "line", NULL};
  struct neapL_file *box = neapL_file_check(L);
  int which = luaL_checkoption(L, 2, NULL, names);
  lua_Integer size = luaL_optinteger(L, 3, 0);
  luaL_argcheck(L, size >= 0, 3, "negative size");
  neapL_waitrt(L);
  if (neapL_file_get(L, box) == NULL)
    return neapL_file_failclosed(L);
  int err = neap_file_setvbuf(box->file, modes[which], (size_t)size);
  if (err < 0)
    return neapL_file_fail(L, box, err);
  lua_pushboolean(L, true);
  return 1;
}

/* A place in a file, or a length of one. */
static int64_t checkplace(lua_State *L, int arg) {
  lua_Integer place = luaL_checkinteger(L, arg);
  luaL_argcheck(L, place >= 0, arg, "negative");
  return place;
}

/* file:pwrite(string, offset) -> file | nil, message, code. Waits. */
int neapL_file_pwrite(lua_State *L) {
  size_t len;
  struct neapL_file *box = neapL_file_check(L);
  const char *bytes = luaL_checklstring(L, 2, &len);
  int64_t at = checkplace(L, 3);
  neapL_waitrt(L);
  if (neapL_file_get(L, box) == NULL)
    return neapL_file_failclosed(L);
  int err = neap_file_pwrite(box->file, bytes, len, at);
  if (err < 0)
    return neapL_file_fail(L, box, err);
  lua_settop(L, 1);
  return 1;
}

/* file:truncate(length) -> true | nil, message, code. Waits. */
int neapL_file_truncate(lua_State *L) {
  struct neapL_file *box = neapL_file_check(L);
  int64_t size = checkplace(L, 2);
  neapL_waitrt(L);
  if (neapL_file_get(L, box) == NULL)
    return neapL_file_failclosed(L);
  return neapL_file_done(L, box, neap_file_truncate(box->file, size));
}

static int sync_file(lua_State *L, bool data_only) {
  struct neapL_file *box = neapL_file_check(L);
  neapL_waitrt(L);
  if (neapL_file_get(L, box) == NULL)
    return neapL_file_failclosed(L);
  return neapL_file_done(L, box, neap_file_sync(box->file, data_only));
}

/* file:sync() -> true | nil, message, code. Waits. */
int neapL_file_sync(lua_State *L) {
  return sync_file(L, false);
}

/* file:datasync() -> true | nil, message, code. Waits. */
int neapL_file_datasync(lua_State *L) {
  return sync_file(L, true);
}
