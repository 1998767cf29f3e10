/* stream_write.c: the methods of connections that write. */
#include "lua/stream.h"

#include <limits.h>
#include <uv.h>

/* Replaces the array at arg by all its strings and numbers in a row. */
static void join_array(lua_State *L, int arg) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, arg);
  luaL_argcheck(L, n < INT_MAX, arg, "too many elements");
  luaL_checkstack(L, (int)n + 1, "too many elements");
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, arg, i);
    if (!lua_isstring(L, -1))
      luaL_argerror(L, arg,
                    lua_pushfstring(L, "element %I is a %s", (LUAI_UACINT)i,
                                    luaL_typename(L, -1)));
  }
  lua_concat(L, (int)n);
  lua_replace(L, arg);
}

/* Makes strings of the arguments from 2 on: then they stay where they are, and
   alive, as long as this call waits. */
static void check_pieces(lua_State *L, int top) {
  for (int arg = 2; arg <= top; arg++) {
    if (lua_type(L, arg) == LUA_TTABLE)
      join_array(L, arg);
    else
      luaL_checkstring(L, arg);
  }
}

/* Pushes an array of the pieces. */
static neap_bytes *collect_pieces(lua_State *L, int top) {
  neap_bytes *pieces =
      lua_newuserdatauv(L, (size_t)top * sizeof(neap_bytes), 0);
  for (int arg = 2; arg <= top; arg++)
    pieces[arg - 2].base = lua_tolstring(L, arg, &pieces[arg - 2].len);
  return pieces;
}

/* Writes what is collected and pushes the results of conn:write. */
static int write_pieces(lua_State *L, struct neapL_conn *conn,
                        const neap_bytes *pieces, size_t n) {
  size_t sent = 0;
  int err = UV_EBADF;
  if (conn->stream != NULL)
    err = neap_stream_write(conn->stream, pieces, n, &sent);
  if (err == 0) {
    lua_settop(L, 1);
    return 1;
  }
  neapL_failconn(L, conn, err, conn->write_ns);
  lua_pushinteger(L, (lua_Integer)sent);
  return 4;
}

/* conn:write(string | number | {string | number...}...) -> conn | nil, message,
   code, bytes sent. Waits. */
int neapL_conn_write(lua_State *L) {
  neapL_waitrt(L);
  struct neapL_conn *conn = neapL_checkconn(L);
  int top = lua_gettop(L);
  neap_bytes one;
  if (top == 2 && lua_type(L, 2) == LUA_TSTRING) {
    one.base = lua_tolstring(L, 2, &one.len);
    return write_pieces(L, conn, &one, 1);
  }
  check_pieces(L, top);
  return write_pieces(L, conn, collect_pieces(L, top), (size_t)top - 1);
}

/* conn:shutdown() -> true | nil, message, code. Waits. */
int neapL_conn_shutdown(lua_State *L) {
  neapL_waitrt(L);
  struct neapL_conn *conn = neapL_checkconn(L);
  int err = UV_EBADF;
  if (conn->stream != NULL)
    err = neap_stream_shutdown(conn->stream);
  if (err < 0)
    return neapL_failconn(L, conn, err, conn->write_ns);
  lua_pushboolean(L, true);
  return 1;
}
