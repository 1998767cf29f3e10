/*
 * compat_file.c: the files of neap.compat: those of file.c, as io shows its
 * own. A standard one is never closed, and shares its descriptor with C's
 * stream, which print writes to: so it keeps no bytes back, and what print has
 * left in C's goes first.
 */
#include "lua/compat.h"

#include "lua/file.h"

#include <errno.h>
#include <string.h>
#include <uv.h>

int neapL_compat_fail(lua_State *L, int err, const char *what) {
  neapL_fail(L, err, what);
  lua_pushinteger(L, -err); /* libuv's codes are the system's, negated */
  lua_replace(L, -2);
  return 3;
}

/* --- standard streams ----------------------------------------------- */

/* Where no task can wait, a finalizer and the state's end among it, io's files
   can be written to all the same. */
static bool can_write(lua_State *L, const struct neapL_file *box) {
  const neap_rt *rt = neapL_peekrt(L);
  return rt != NULL && !rt->closing && neapL_self(L)->no_wait == NULL &&
         rt->sched.current != NULL && lua_gc(L, LUA_GCISRUNNING) != -1 &&
         neapL_file_get(L, box) != NULL;
}

/* The arguments by C's stream. */
static int write_stdio(lua_State *L, FILE *stdio) {
  int top = lua_gettop(L);
  bool ok = true;
  for (int arg = 2; arg <= top; arg++) {
    size_t len;
    neapL_file_checktext(L, arg);
    const char *bytes = lua_tolstring(L, arg, &len);
    ok = ok && fwrite(bytes, 1, len, stdio) == len;
  }
  if (!ok || fflush(stdio) != 0)
    return luaL_fileresult(L, false, NULL);
  lua_settop(L, 1);
  return 1;
}

static bool is_output(const struct neapL_file *box) {
  return box->stdio != NULL && box->fd != 0;
}

/* file:write(...) -> file | nil, message, number. Waits. */
static int compat_write(lua_State *L) {
  struct neapL_file *box = neapL_file_self(L);
  if (is_output(box)) {
    if (!can_write(L, box))
      return write_stdio(L, box->stdio);
    fflush(stdout); /* how that fails is print's business, which never says */
  }
  return neapL_file_write(L);
}

/* file:flush() -> true | nil, message, number. Waits. */
static int compat_flush(lua_State *L) {
  struct neapL_file *box = neapL_file_check(L);
  if (!is_output(box))
    return neapL_file_flush(L);
  return luaL_fileresult(L, fflush(box->stdio) == 0, NULL);
}

/* file:setvbuf(mode [, size]) -> true | nil, message, number. Waits. Of a
   standard output it is for what print writes. */
static int compat_setvbuf(lua_State *L) {
  static const int modes[] = {_IONBF, _IOFBF, _IOLBF};
  static const char *const names[] = {"no", "full", "line", NULL};
  struct neapL_file *box = neapL_file_check(L);
  if (!is_output(box))
    return neapL_file_setvbuf(L);
  int mode = modes[luaL_checkoption(L, 2, NULL, names)];
  lua_Integer size = luaL_optinteger(L, 3, LUAL_BUFFERSIZE);
  int err = setvbuf(box->stdio, NULL, mode, (size_t)size);
  return luaL_fileresult(L, err == 0, NULL);
}

/* --- the end -------------------------------------------------------- */

/* file:close() -> as io's. Waits; not cancellable. */
static int compat_close(lua_State *L) {
  struct neapL_file *box = neapL_file_check(L);
  if (box->stdio == NULL)
    return neapL_file_close(L);
  lua_pushnil(L);
  lua_pushliteral(L, "cannot close standard file");
  return 2;
}

static int compat_tbc(lua_State *L) {
  return neapL_file_self(L)->stdio == NULL ? neapL_file_tbc(L) : 0;
}

/* --- making them ---------------------------------------------------- */

struct neapL_file *neapL_compat_newfile(lua_State *L) {
  struct neapL_file *box = neapL_file_new(L);
  box->stock = true;
  luaL_setmetatable(L, NEAPL_COMPAT_FILE);
  return box;
}

void neapL_compat_newstd(lua_State *L, neap_rt *rt, int which, FILE *stdio) {
  struct neapL_file *box = neapL_compat_newfile(L);
  int err = neap_file_std(rt, which, &box->file);
  neapL_checkwait(L, err);
  if (err < 0 && err != UV_EBADF)
    luaL_error(L, "descriptor %d: %s", which, neapL_strerror(err));
  box->fd = which;
  box->stdio = stdio;
}

static const luaL_Reg methods[] = {
    {"close", compat_close},     {"flush", compat_flush},
    {"lines", neapL_file_lines}, {"read", neapL_file_read},
    {"seek", neapL_file_seek},   {"setvbuf", compat_setvbuf},
    {"write", compat_write},     {NULL, NULL},
};

static const luaL_Reg meta[] = {
    {"__close", compat_tbc},
    {"__gc", neapL_file_gc},
    {"__tostring", neapL_file_tostring},
    {NULL, NULL},
};

void neapL_compat_openfile(lua_State *L, struct neapL *N) {
  neapL_newtype(L, N, NEAPL_COMPAT_FILE, methods, meta);
  luaL_getmetatable(L, NEAPL_COMPAT_FILE);
  lua_pushliteral(L, LUA_FILEHANDLE);
  lua_setfield(L, -2, "__name");
  lua_pop(L, 1);
}
