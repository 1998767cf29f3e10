/* stream.c: the methods of connections, but those that write. */
#include "lua/stream.h"

#include "lua/formats.h"
#include "lua/tls.h"

#include <string.h>
#include <uv.h>

#define CONN "neap.conn"

/* As io.lines: upvalues are few. */
#define MAX_FORMATS 250

/* Its address is what every connection begins with. */
static const char conn_tag = 'c';

/* The quickest way: no metatable is pushed. Counted with callgrind, it spares
   7 % of the instructions of an echoed message. */
struct neapL_conn *neapL_checkconn(lua_State *L) {
  struct neapL_conn *conn = lua_touserdata(L, 1);
  if (conn != NULL && lua_rawlen(L, 1) == sizeof *conn &&
      conn->tag == &conn_tag)
    return conn;
  return neapL_checkself(L, CONN);
}

struct neapL_conn *neapL_toconn(lua_State *L, int index) {
  return luaL_checkudata(L, index, CONN);
}

/* --- failures ------------------------------------------------------------- */

/* Apart, so that its text does not lie in a frame that waits. */
__attribute__((noinline)) static int
fail_named(lua_State *L, const struct neapL_conn *conn, int err) {
  char name[80] = "connection";
  if (conn->stream != NULL)
    neap_stream_name(conn->stream, name, sizeof name);
  const char *reason = NULL;
  if (conn->stream != NULL)
    reason = neap_stream_reason(conn->stream, err);
  if (reason == NULL && err != UV_EBUSY)
    return neapL_fail(L, err, name);
  lua_pushnil(L);
  if (reason != NULL)
    lua_pushfstring(L, "%s: TLS: %s", name, reason);
  else
    lua_pushfstring(L, "%s: another task is reading", name);
  lua_pushstring(L, neapL_errname(err));
  return 3;
}

int neapL_conn_failclosed(lua_State *L) {
  lua_pushnil(L);
  lua_pushliteral(L, "connection is closed");
  lua_pushliteral(L, "EBADF");
  return 3;
}

int neapL_failconn(lua_State *L, const struct neapL_conn *conn, int err,
                   uint64_t limit_ns) {
  if (err == UV_EBADF && conn->stream == NULL)
    return neapL_conn_failclosed(L);
  if (err == UV_ETIMEDOUT && limit_ns != NEAP_NEVER &&
      (conn->stream == NULL || neap_stream_reason(conn->stream, err) == NULL))
    return neapL_timedout(L, (double)limit_ns / 1e9);
  return fail_named(L, conn, err);
}

static int fail_read(lua_State *L, const struct neapL_conn *conn, int err) {
  return neapL_failconn(L, conn, err, conn->read_ns);
}

/* --- reading -------------------------------------------------------------- */

/* What formats.c reads from. The connection may be closed at any step: by
   another task in a wait, by a finalizer when something is pushed. */
static int peek_line(void *self, neap_view *out) {
  struct neapL_conn *conn = self;
  if (conn->stream == NULL)
    return UV_EBADF;
  return neap_stream_peek_line(conn->stream, out);
}

static int peek_count(void *self, size_t n, neap_view *out) {
  struct neapL_conn *conn = self;
  if (conn->stream == NULL)
    return UV_EBADF;
  return neap_stream_peek_count(conn->stream, n, out);
}

static int peek_all(void *self, neap_view *out) {
  struct neapL_conn *conn = self;
  if (conn->stream == NULL)
    return UV_EBADF;
  return neap_stream_peek_all(conn->stream, out);
}

static int peek_number(void *self, neap_view *out) {
  struct neapL_conn *conn = self;
  if (conn->stream == NULL)
    return UV_EBADF;
  return neap_stream_peek_number(conn->stream, out);
}

static void take(void *self, size_t n) {
  struct neapL_conn *conn = self;
  if (conn->stream != NULL)
    neap_stream_take(conn->stream, n);
}

static void commit(void *self) {
  struct neapL_conn *conn = self;
  if (conn->stream != NULL)
    neap_stream_commit(conn->stream);
}

static void rewind_conn(void *self) {
  struct neapL_conn *conn = self;
  if (conn->stream != NULL)
    neap_stream_rewind(conn->stream);
}

static const struct neapL_source conn_source = {
    .peek_line = peek_line,
    .peek_count = peek_count,
    .peek_all = peek_all,
    .peek_number = peek_number,
    .take = take,
    .commit = commit,
    .rewind = rewind_conn,
};

/* conn:read(format...) -> values as io's file:read | nil, message, code.
   Waits. */
static int conn_read(lua_State *L) {
  neapL_waitrt(L);
  struct neapL_conn *conn = neapL_checkconn(L);
  int n = lua_gettop(L) - 1;
  neapL_checkformats(L, 2, n);
  int got = neapL_readformats(L, &conn_source, conn, 2, n);
  return got >= 0 ? got : fail_read(L, conn, got);
}

/* Pushes what is shown, then takes n bytes of it; nil at the end. */
static int push_view(lua_State *L, struct neapL_conn *conn, int err,
                     const neap_view *view, size_t len, size_t n) {
  if (err == UV_EOF) {
    lua_pushnil(L);
    return 1;
  }
  if (err < 0)
    return fail_read(L, conn, err);
  lua_pushlstring(L, view->base, len); /* may raise: nothing is lost */
  if (n > 0) {
    take(conn, n);
    commit(conn);
  }
  return 1;
}

static size_t check_size(lua_State *L, int arg, size_t least) {
  lua_Integer n = luaL_checkinteger(L, arg);
  luaL_argcheck(L, n >= (lua_Integer)least, arg, "out of range");
  return (size_t)n;
}

/* conn:read_some([max]) -> at least a byte | nil [, message, code]. Waits. */
static int conn_read_some(lua_State *L) {
  neapL_waitrt(L);
  struct neapL_conn *conn = neapL_checkconn(L);
  size_t max = lua_isnoneornil(L, 2) ? SIZE_MAX : check_size(L, 2, 1);
  neap_view view = {0};
  rewind_conn(conn);
  int err = UV_EBADF;
  if (conn->stream != NULL)
    err = neap_stream_peek_some(conn->stream, max, &view);
  return push_view(L, conn, err, &view, view.len, view.len);
}

/* conn:read_until(delimiter [, {max=, keep=}]) -> string | nil [, message,
   code]. Waits. At the end of the stream: the rest, then nil. */
static int conn_read_until(lua_State *L) {
  neapL_waitrt(L);
  struct neapL_conn *conn = neapL_checkconn(L);
  size_t dlen;
  const char *delim = luaL_checklstring(L, 2, &dlen);
  luaL_argcheck(L, dlen > 0, 2, "empty delimiter");
  neapL_checkoptions(L, 3);
  size_t max = neapL_optfieldsize(L, 3, "max", SIZE_MAX);
  bool keep = neapL_optfieldbool(L, 3, "keep", false);
  neap_view view = {0};
  rewind_conn(conn);
  int err = UV_EBADF;
  if (conn->stream != NULL)
    err = neap_stream_peek_until(conn->stream, delim, dlen, max, &view);
  size_t whole = view.len + view.tail;
  return push_view(L, conn, err, &view, keep ? whole : view.len, whole);
}

/* conn:peek(n) -> the next n bytes, fewer at the end, which stay to be read |
   nil [, message, code]. Waits. */
static int conn_peek(lua_State *L) {
  neapL_waitrt(L);
  struct neapL_conn *conn = neapL_checkconn(L);
  size_t n = check_size(L, 2, 1);
  neap_view view = {0};
  rewind_conn(conn);
  int err = UV_EBADF;
  if (conn->stream != NULL)
    err = neap_stream_peek_count(conn->stream, n, &view);
  return push_view(L, conn, err, &view, view.len, 0);
}

/* conn:buffered() -> bytes that can be read without waiting. */
static int conn_buffered(lua_State *L) {
  struct neapL_conn *conn = neapL_checkconn(L);
  if (neapL_peekrt(L) == NULL || conn->stream == NULL)
    return neapL_conn_failclosed(L);
  lua_pushinteger(L, (lua_Integer)neap_stream_buffered(conn->stream));
  return 1;
}

/* The iterator of conn:lines. Upvalues: the binding, the connection, how many
   formats, the formats. A failure is raised, as io.lines does. */
static int lines_next(lua_State *L) {
  neapL_waitrt(L);
  struct neapL_conn *conn = lua_touserdata(L, lua_upvalueindex(2));
  int n = (int)lua_tointeger(L, lua_upvalueindex(3));
  lua_settop(L, 0);
  luaL_checkstack(L, n, "too many formats");
  for (int i = 0; i < n; i++)
    lua_pushvalue(L, lua_upvalueindex(4 + i));
  int got = neapL_readformats(L, &conn_source, conn, 1, n);
  if (got >= 0)
    return got;
  fail_read(L, conn, got);
  return luaL_error(L, "%s", lua_tostring(L, -2));
}

/* conn:lines(format...) -> iterator. */
static int conn_lines(lua_State *L) {
  neapL_checkconn(L);
  int n = lua_gettop(L) - 1;
  luaL_argcheck(L, n <= MAX_FORMATS, MAX_FORMATS + 2, "too many arguments");
  neapL_checkformats(L, 2, n);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_pushinteger(L, n);
  lua_insert(L, 3);
  lua_pushcclosure(L, lines_next, 3 + n);
  return 1;
}

/* --- closing -------------------------------------------------------------- */

/* After the runtime's end its streams are gone by themselves. */
static void close_conn(lua_State *L, struct neapL_conn *conn,
                       void (*how)(neap_stream *)) {
  neap_stream *stream = conn->stream;
  conn->stream = NULL;
  if (stream != NULL && neapL_peekrt(L) != NULL)
    how(stream);
}

/* conn:close() -> true. */
static int conn_close(lua_State *L) {
  close_conn(L, neapL_checkconn(L), neap_stream_close);
  lua_pushboolean(L, true);
  return 1;
}

/* conn:reset() -> true. Closes; the peer sees a reset. */
static int conn_reset(lua_State *L) {
  close_conn(L, neapL_checkconn(L), neap_stream_reset);
  lua_pushboolean(L, true);
  return 1;
}

static int conn_gc(lua_State *L) {
  struct neapL_conn *conn = neapL_checkconn(L);
  if (conn->stream == NULL || neapL_peekrt(L) == NULL)
    return 0;
  neapL_gc_enter(L, neap_stream_waited(conn->stream));
  if (conn->stream == NULL || neapL_peekrt(L) == NULL)
    return 0;
  close_conn(L, conn, neap_stream_close);
  neapL_warn(L, "a connection was not closed");
  return 0;
}

/* --- the type ------------------------------------------------------------- */

static int conn_tostring(lua_State *L) {
  struct neapL_conn *conn = neapL_checkconn(L);
  char name[80] = "closed";
  if (neapL_peekrt(L) != NULL && conn->stream != NULL)
    neap_stream_name(conn->stream, name, sizeof name);
  lua_pushfstring(L, "connection (%s)", name);
  return 1;
}

static const luaL_Reg conn_methods[] = {
    {"read", conn_read},
    {"read_some", conn_read_some},
    {"read_until", conn_read_until},
    {"lines", conn_lines},
    {"peek", conn_peek},
    {"buffered", conn_buffered},
    {"write", neapL_conn_write},
    {"shutdown", neapL_conn_shutdown},
    {"close", conn_close},
    {"reset", conn_reset},
    {"settimeout", neapL_conn_settimeout},
    {"address", neapL_conn_address},
    {"peer", neapL_conn_peer},
    {"fd", neapL_conn_fd},
    {"nodelay", neapL_conn_nodelay},
    {"keepalive", neapL_conn_keepalive},
    {"sndbuf", neapL_conn_sndbuf},
    {"rcvbuf", neapL_conn_rcvbuf},
    {"starttls", neapL_conn_starttls},
    {"handshake", neapL_conn_handshake},
    {"info", neapL_conn_info},
    {"session", neapL_conn_session},
    {NULL, NULL},
};

static const luaL_Reg conn_meta[] = {
    {"__close", conn_close},
    {"__gc", conn_gc},
    {"__tostring", conn_tostring},
    {NULL, NULL},
};

void neapL_openconn(lua_State *L, struct neapL *N) {
  neapL_newtype(L, N, CONN, conn_methods, conn_meta);
}

struct neapL_conn *neapL_newconn(lua_State *L) {
  struct neapL_conn *conn = lua_newuserdatauv(L, sizeof *conn, 0);
  *conn = (struct neapL_conn){
      .tag = &conn_tag, .read_ns = NEAP_NEVER, .write_ns = NEAP_NEVER};
  luaL_setmetatable(L, CONN);
  return conn;
}
