/* stream_info.c: the methods of connections that ask and set: time limits,
   addresses, options, the descriptor. None of them waits. */
#include "lua/stream.h"

#include <string.h>

/* The stream, or NULL when it is closed, or the runtime has ended. */
static neap_stream *stream_of(lua_State *L, const struct neapL_conn *conn) {
  return neapL_peekrt(L) != NULL ? conn->stream : NULL;
}

static int fail(lua_State *L, const struct neapL_conn *conn, int err) {
  return neapL_failconn(L, conn, err, NEAP_NEVER);
}

static uint64_t check_limit(lua_State *L, int arg) {
  return lua_isnoneornil(L, arg) ? NEAP_NEVER : neapL_checkseconds(L, arg);
}

/* conn:settimeout(read [, write]): seconds that each read and each write may
   take from now on; nil: no limit. */
int neapL_conn_settimeout(lua_State *L) {
  struct neapL_conn *conn = neapL_checkconn(L);
  uint64_t read_ns = check_limit(L, 2);
  uint64_t write_ns = lua_isnone(L, 3) ? read_ns : check_limit(L, 3);
  neap_stream *stream = stream_of(L, conn);
  if (stream == NULL)
    return neapL_conn_failclosed(L);
  conn->read_ns = read_ns;
  conn->write_ns = write_ns;
  neap_stream_timeouts(stream, read_ns, write_ns);
  lua_pushboolean(L, true);
  return 1;
}

/* --- addresses ------------------------------------------------------------ */

int neapL_pushaddress(lua_State *L, const neap_address *address) {
  lua_pushstring(L, address->text);
  if (strcmp(address->family, "unix") == 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, address->port);
  lua_pushstring(L, address->family);
  return 3;
}

typedef int address_fn(neap_stream *stream, neap_address *out);

static int push_address(lua_State *L, address_fn *which) {
  struct neapL_conn *conn = neapL_checkconn(L);
  neap_stream *stream = stream_of(L, conn);
  neap_address address;
  if (stream == NULL)
    return neapL_conn_failclosed(L);
  int err = which(stream, &address);
  return err < 0 ? fail(L, conn, err) : neapL_pushaddress(L, &address);
}

/* conn:address() -> ip, port, family of this side | nil, message, code. */
int neapL_conn_address(lua_State *L) {
  return push_address(L, neap_stream_address);
}

/* conn:peer() -> ip, port, family of the other side | nil, message, code. */
int neapL_conn_peer(lua_State *L) {
  return push_address(L, neap_stream_peer);
}

/* --- options -------------------------------------------------------------- */

static int push_done(lua_State *L, const struct neapL_conn *conn, int err) {
  if (err < 0)
    return fail(L, conn, err);
  lua_pushboolean(L, true);
  return 1;
}

/* conn:nodelay(on) -> true | nil, message, code. */
int neapL_conn_nodelay(lua_State *L) {
  struct neapL_conn *conn = neapL_checkconn(L);
  luaL_checktype(L, 2, LUA_TBOOLEAN);
  neap_stream *stream = stream_of(L, conn);
  if (stream == NULL)
    return neapL_conn_failclosed(L);
  return push_done(L, conn, neap_stream_nodelay(stream, lua_toboolean(L, 2)));
}

/* conn:keepalive(seconds | false) -> true | nil, message, code. */
int neapL_conn_keepalive(lua_State *L) {
  struct neapL_conn *conn = neapL_checkconn(L);
  lua_Integer seconds = 0;
  if (lua_type(L, 2) != LUA_TBOOLEAN || lua_toboolean(L, 2)) {
    seconds = luaL_checkinteger(L, 2);
    luaL_argcheck(L, seconds >= 1 && seconds <= NEAPL_KEEPALIVE_MAX, 2,
                  "out of range");
  }
  neap_stream *stream = stream_of(L, conn);
  if (stream == NULL)
    return neapL_conn_failclosed(L);
  return push_done(L, conn, neap_stream_keepalive(stream, (uint32_t)seconds));
}

static int push_number(lua_State *L, const struct neapL_conn *conn, int n) {
  if (n < 0)
    return fail(L, conn, n);
  lua_pushinteger(L, n);
  return 1;
}

typedef int buffer_fn(neap_stream *stream, int size);

static int set_buffer(lua_State *L, buffer_fn *which) {
  struct neapL_conn *conn = neapL_checkconn(L);
  int size = neapL_optbuffer(L, 2);
  neap_stream *stream = stream_of(L, conn);
  if (stream == NULL)
    return neapL_conn_failclosed(L);
  return push_number(L, conn, which(stream, size));
}

/* conn:sndbuf([bytes]) -> bytes | nil, message, code. */
int neapL_conn_sndbuf(lua_State *L) {
  return set_buffer(L, neap_stream_sndbuf);
}

/* conn:rcvbuf([bytes]) -> bytes | nil, message, code. */
int neapL_conn_rcvbuf(lua_State *L) {
  return set_buffer(L, neap_stream_rcvbuf);
}

/* conn:fd() -> descriptor | nil, message, code. */
int neapL_conn_fd(lua_State *L) {
  struct neapL_conn *conn = neapL_checkconn(L);
  neap_stream *stream = stream_of(L, conn);
  if (stream == NULL)
    return neapL_conn_failclosed(L);
  return push_number(L, conn, neap_stream_fd(stream));
}
