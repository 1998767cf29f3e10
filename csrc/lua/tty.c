/* tty.c: the module neap.tty. */
#include "include/neap_lua.h"

#include "lua/file.h"
#include "lua/task.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

/* The descriptor that the argument is, or has: a number, one of io's files, or
   neap.stdin and its like; stdout when there is none. -1: it is closed. */
static int check_fd(lua_State *L, int arg) {
  if (lua_isnoneornil(L, arg))
    return STDOUT_FILENO;
  if (lua_isinteger(L, arg)) {
    lua_Integer fd = lua_tointeger(L, arg);
    luaL_argcheck(L, fd >= 0 && fd <= INT_MAX, arg, "descriptor out of range");
    return (int)fd;
  }
  const luaL_Stream *stream = luaL_testudata(L, arg, LUA_FILEHANDLE);
  if (stream != NULL)
    return stream->closef != NULL ? fileno(stream->f) : -1;
  const struct neapL_file *box = neapL_file_test(L, arg);
  if (box == NULL)
    luaL_typeerror(L, arg, "file or descriptor");
  if (box->file == NULL || neapL_peekrt(L) == NULL)
    return -1;
  return neap_file_fd(box->file);
}

/* tty.isatty([file | fd]) -> boolean. Does not wait. */
static int tty_isatty(lua_State *L) {
  int fd = check_fd(L, 1);
  lua_pushboolean(L, fd >= 0 && isatty(fd));
  return 1;
}

static int push_size(lua_State *L, int fd) {
  int columns, rows;
  int err = fd < 0 ? UV_EBADF : neap_tty_size(fd, &columns, &rows);
  if (err < 0)
    return neapL_fail(L, err, "terminal");
  lua_pushinteger(L, columns);
  lua_pushinteger(L, rows);
  return 2;
}

/* tty.size([file | fd]) -> columns, rows | nil, message, code. Does not
   wait. */
static int tty_size(lua_State *L) {
  return push_size(L, check_fd(L, 1));
}

/* tty.raw(on) -> true | nil, message, code. Does not wait. */
static int tty_raw(lua_State *L) {
  luaL_checktype(L, 1, LUA_TBOOLEAN);
  int err = neap_tty_raw(neapL_rt(L), lua_toboolean(L, 1));
  if (err < 0)
    return neapL_fail(L, err, "terminal");
  lua_pushboolean(L, true);
  return 1;
}

/* Whether the listener at 1 has heard something; false: it was closed. */
static bool wait_for_change(lua_State *L) {
  lua_getfield(L, 1, "wait");
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  bool heard = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return heard;
}

/* The task of on_resize. (listener, fn) */
static int follow(lua_State *L) {
  lua_settop(L, 2);
  lua_pushvalue(L, 1);
  lua_toclose(L, 3);
  while (wait_for_change(L)) {
    lua_pushvalue(L, 2);
    if (push_size(L, STDOUT_FILENO) == 2)
      lua_call(L, 2, 0);
    lua_settop(L, 3);
  }
  return 0;
}

/* tty.on_resize(fn) -> listener. fn(columns, rows) is called in a task of its
   own after each change, until the listener is closed. Does not wait. */
static int tty_on_resize(lua_State *L) {
  struct neapL *N = neapL_self(L);
  struct neapL_spawn how = {.name = "tty.on_resize"};
  neapL_rt(L);
  neapL_checkcallable(L, 1);
  lua_settop(L, 1);
  luaL_requiref(L, "neap.signal", luaopen_neap_signal, false);
  lua_getfield(L, -1, "listen");
  lua_createtable(L, 1, 0);
  lua_pushliteral(L, "SIGWINCH");
  lua_rawseti(L, -2, 1);
  lua_call(L, 1, 1);
  lua_replace(L, 2); /* the listener */
  lua_pushlightuserdata(L, N);
  lua_pushcclosure(L, follow, 1);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 1);
  neapL_task_spawn(L, N, &how, 2);
  lua_settop(L, 2);
  return 1;
}

static const luaL_Reg functions[] = {
    {"isatty", tty_isatty},       {"size", tty_size}, {"raw", tty_raw},
    {"on_resize", tty_on_resize}, {NULL, NULL},
};

int luaopen_neap_tty(lua_State *L) {
  struct neapL *N = neapL_require(L);
  lua_newtable(L);
  neapL_setfuncs(L, N, functions);
  return 1;
}
