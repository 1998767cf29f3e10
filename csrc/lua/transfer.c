/* transfer.c: net.copy: steps in C, and between two of them the script's
   function that is told how far it is; net.relay, which is Lua. */
#include "lua/transfer.h"

#include "lua/file.h"
#include "lua/stream.h"

#include <string.h>

#define CONN_TYPE "neap.conn"
#define FILE_TYPE "neap.file"

/* The two ends as scripts have them, which may close them at any time, and the
   transfer: in a userdata, as the frames of waiting tasks are to be small. */
struct copying {
  struct neapL_conn *from_conn, *to_conn; /* NULL: it is a file */
  struct neapL_file *from_file, *to_file;
  bool telling; /* there is a function that is told */
  neap_transfer transfer;
};

static void check_end(lua_State *L, int arg, struct neapL_conn **conn,
                      struct neapL_file **file) {
  *conn = luaL_testudata(L, arg, CONN_TYPE);
  *file = luaL_testudata(L, arg, FILE_TYPE);
  if (*conn == NULL && *file == NULL)
    luaL_typeerror(L, arg, "connection or file");
}

/* Pushes the option, or nil; returns whether it is there. */
static bool push_progress(lua_State *L, int arg) {
  if (!neapL_pushfield(L, arg, "progress"))
    return false;
  if (!neapL_iscallable(L, -1))
    neapL_fielderror(L, arg, "progress", "function expected");
  return true;
}

/* One that was closed is NULL: a step says UV_EBADF. */
static void set_ends(lua_State *L, struct copying *c) {
  neap_transfer *t = &c->transfer;
  if (c->from_conn != NULL)
    t->from_stream = c->from_conn->stream;
  else
    t->from_file = neapL_file_get(L, c->from_file);
  if (c->to_conn != NULL)
    t->to_stream = c->to_conn->stream;
  else
    t->to_file = neapL_file_get(L, c->to_file);
}

static int fail_end(lua_State *L, int err, const struct neapL_conn *conn,
                    const struct neapL_file *file, uint64_t limit_ns) {
  return conn != NULL ? neapL_failconn(L, conn, err, limit_ns)
                      : neapL_file_fail(L, file, err);
}

/* nil, message, code, bytes, "read" or "write". */
static int fail(lua_State *L, const struct copying *c, int err) {
  const struct neapL_conn *from = c->from_conn, *to = c->to_conn;
  neapL_raise(L, err);
  if (c->transfer.writing)
    fail_end(L, err, to, c->to_file, to != NULL ? to->write_ns : NEAP_NEVER);
  else
    fail_end(L, err, from, c->from_file,
             from != NULL ? from->read_ns : NEAP_NEVER);
  lua_pushinteger(L, (lua_Integer)c->transfer.moved);
  lua_pushstring(L, c->transfer.writing ? "write" : "read");
  return 5;
}

/* Checks the arguments of net.copy and pushes what it works with, then the
   progress function or nil. */
static struct copying *push_copying(lua_State *L) {
  neapL_checkoptions(L, 3);
  lua_settop(L, 3);
  struct copying *c = lua_newuserdatauv(L, sizeof *c, 0);
  memset(c, 0, sizeof *c);
  check_end(L, 1, &c->from_conn, &c->from_file);
  check_end(L, 2, &c->to_conn, &c->to_file);
  luaL_argcheck(L, c->from_file == NULL || c->from_file != c->to_file, 2,
                "the same file as the source");
  c->transfer.limit = neapL_optfieldsize(L, 3, "limit", SIZE_MAX);
  c->telling = push_progress(L, 3);
  return c;
}

static void tell(lua_State *L, const struct copying *c) {
  lua_pushvalue(L, 5);
  lua_pushinteger(L, (lua_Integer)c->transfer.moved);
  lua_call(L, 1, 0);
}

/* net.copy(src, dst [, {limit=, progress=}]) -> bytes | nil, message, code,
   bytes, side. Waits. */
static int net_copy(lua_State *L) {
  neapL_waitrt(L);
  struct copying *c = push_copying(L);
  int64_t n;
  do {
    neap_rt *rt = neapL_waitrt(L);
    set_ends(L, c);
    n = neap_transfer_step(rt, &c->transfer);
    if (n > 0 && c->telling)
      tell(L, c);
  } while (n > 0);
  if (n < 0)
    return fail(L, c, (int)n);
  lua_pushinteger(L, (lua_Integer)c->transfer.moved);
  return 1;
}

/* Raises for what is no connection, and for options that are none. */
static void check_relay(lua_State *L) {
  neapL_toconn(L, 1);
  neapL_toconn(L, 2);
  luaL_argcheck(L, !lua_rawequal(L, 1, 2), 2, "the same connection");
  neapL_checkoptions(L, 3);
  lua_settop(L, 3);
  push_progress(L, 3);
  lua_settop(L, 3);
}

/* net.relay(a, b [, {progress=}]) -> bytes, bytes | nil, message, code, bytes,
 * bytes. Waits. Written in Lua: lua/neap/net/relay.lua. */
static int net_relay(lua_State *L) {
  neapL_waitrt(L);
  check_relay(L);
  return neapL_calllua(L, "neap.net.relay");
}

static const luaL_Reg functions[] = {
    {"copy", net_copy},
    {"relay", net_relay},
    {NULL, NULL},
};

void neapL_transfer_open(lua_State *L, struct neapL *N) {
  neapL_setfuncs(L, N, functions);
}
