/* tls.c: neap.tls: connecting, listening and what TLS adds to connections. */
#include "lua/tls.h"
#include "neap_lua.h"

#include "lua/net.h"
#include "lua/stream.h"

#include <string.h>
#include <uv.h>

/* --- arguments ------------------------------------------------------------ */

static bool is_unix(lua_State *L) {
  return strncmp(lua_tostring(L, 1), "unix:", 5) == 0;
}

/* Where the options are: behind host and port, or behind "unix:/path" alone. */
static int check_target(lua_State *L) {
  luaL_checkstring(L, 1);
  int arg = is_unix(L) && lua_istable(L, 2) ? 2 : 3;
  neapL_checkoptions(L, arg);
  lua_settop(L, arg);
  return arg;
}

/* Calls the function of neap.net that is upvalue 2 with the arguments up to
   last, and leaves its three results on top. Waits. */
static void call_net(lua_State *L, int last) {
  lua_pushvalue(L, lua_upvalueindex(2));
  for (int arg = 1; arg <= last; arg++)
    lua_pushvalue(L, arg);
  lua_call(L, last, 3);
}

/* --- connections ---------------------------------------------------------- */

/* Begins TLS on conn and waits for the handshake. Returns 0 or a negative code.
   Waits. */
static int secure(struct neapL_conn *conn,
                  const struct neapL_tlsoptions *options, uint64_t due_ns) {
  int err = neap_tls_start(conn->stream, options->box->context, &options->peer);
  return err < 0 ? err : neap_tls_handshake(conn->stream, due_ns);
}

static void close_stream(struct neapL_conn *conn) {
  neap_stream *stream = conn->stream;
  conn->stream = NULL;
  neap_stream_close(stream);
}

/* The peer's name is missing or is none. */
static int raise_servername(lua_State *L, int arg,
                            const struct neapL_tlsoptions *options) {
  return neapL_fielderror(L, arg, "servername",
                          options->peer.servername == NULL
                              ? "needed, to verify the peer"
                              : "is no host name");
}

/* Puts what is left of the time limit in the place of the options. */
static void replace_timeout(lua_State *L, int arg, uint64_t due_ns) {
  uint64_t now = neap_now(neapL_rt(L));
  lua_createtable(L, 0, 1);
  lua_pushnumber(L, due_ns > now ? (lua_Number)(due_ns - now) / 1e9 : 0);
  lua_setfield(L, -2, "timeout");
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, arg);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_replace(L, arg);
}

/* Calls net.connect; true with the connection on top, or false with what
   tls.connect returns. Waits. */
static bool connect_plain(lua_State *L, int arg, uint64_t limit_ns,
                          uint64_t due_ns) {
  if (due_ns != NEAP_NEVER)
    replace_timeout(L, arg, due_ns);
  call_net(L, arg);
  if (!lua_isnil(L, -3)) {
    lua_pop(L, 2);
    return true;
  }
  if (due_ns != NEAP_NEVER && neap_now(neapL_rt(L)) >= due_ns &&
      strcmp(lua_tostring(L, -1), "ETIMEDOUT") == 0)
    neapL_timedout(L, (double)limit_ns / 1e9);
  return false;
}

/* The handshake has failed: nothing stays open, whether or not this raises. */
static int fail_secure(lua_State *L, int arg, struct neapL_conn *conn,
                       const struct neapL_tlsoptions *options, int err) {
  if (err <= NEAP_CANCELLED || err == UV_EINVAL) {
    close_stream(conn);
    neapL_raise(L, err);
    return raise_servername(L, arg, options);
  }
  neapL_failconn(L, conn, err, options->limit_ns);
  close_stream(conn);
  return 3;
}

/* tls.connect(host, port [, options]) or tls.connect("unix:/path" [, options])
   -> conn | nil, message, code. Waits. */
static int tls_connect(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  int arg = check_target(L);
  struct neapL_tlsoptions *options = neapL_checktls(L, arg, false);
  if (options->peer.servername == NULL && !is_unix(L))
    options->peer.servername = lua_tostring(L, 1);
  uint64_t due_ns = neap__timer_after(rt, options->limit_ns);
  int err = neapL_maketls(rt, options);
  if (err < 0)
    return neapL_failtls(L, options, err);
  if (!connect_plain(L, arg, options->limit_ns, due_ns))
    return 3;
  struct neapL_conn *conn = neapL_toconn(L, -1);
  err = secure(conn, options, due_ns);
  return err == 0 ? 1 : fail_secure(L, arg, conn, options, err);
}

/* Bytes that came unprotected are in the way. */
static int fail_starttls(lua_State *L, struct neapL_conn *conn,
                         const struct neapL_tlsoptions *options, int err) {
  if (err == UV_EINVAL)
    return raise_servername(L, 2, options);
  if (err == UV_EPROTO && neap_stream_reason(conn->stream, err) == NULL) {
    lua_pushnil(L);
    lua_pushfstring(L, "%I bytes were received before TLS began",
                    (LUAI_UACINT)neap_stream_buffered(conn->stream));
    lua_pushliteral(L, "EPROTO");
    return 3;
  }
  return neapL_failconn(L, conn, err, options->limit_ns);
}

/* conn:starttls([options]) -> true | nil, message, code. Waits. */
int neapL_conn_starttls(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  struct neapL_conn *conn = neapL_checkconn(L);
  neapL_checkoptions(L, 2);
  lua_settop(L, 2);
  bool server = neapL_optfieldbool(L, 2, "server", false);
  struct neapL_tlsoptions *options = neapL_checktls(L, 2, server);
  uint64_t due_ns = neap__timer_after(rt, options->limit_ns);
  int err = neapL_maketls(rt, options);
  if (err < 0)
    return neapL_failtls(L, options, err);
  if (conn->stream == NULL)
    return neapL_failconn(L, conn, UV_EBADF, NEAP_NEVER);
  neap_stream_rewind(conn->stream);
  err = secure(conn, options, due_ns);
  if (err < 0 && conn->stream == NULL)
    return neapL_failconn(L, conn, err, NEAP_NEVER);
  if (err < 0)
    return fail_starttls(L, conn, options, err);
  lua_pushboolean(L, true);
  return 1;
}

/* Waits for the handshake. Returns 0 or a negative code. */
static int wait_handshake(const neap_rt *rt, const struct neapL_conn *conn,
                          uint64_t limit_ns) {
  return conn->stream == NULL
             ? UV_EBADF
             : neap_tls_handshake(conn->stream,
                                  neap__timer_after(rt, limit_ns));
}

/* conn:handshake([timeout]) -> true | nil, message, code. Waits. */
int neapL_conn_handshake(lua_State *L) {
  const neap_rt *rt = neapL_waitrt(L);
  struct neapL_conn *conn = neapL_checkconn(L);
  uint64_t limit_ns = neapL_optseconds(L, 2, NEAP_NEVER);
  int err = wait_handshake(rt, conn, limit_ns);
  if (err < 0)
    return neapL_failconn(L, conn, err, limit_ns);
  lua_pushboolean(L, true);
  return 1;
}

/* --- servers -------------------------------------------------------------- */

/* tls.listen(host, port, options) or tls.listen("unix:/path", options)
   -> server | nil, message, code. Waits. */
static int tls_listen(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  int arg = check_target(L);
  struct neapL_tlsoptions *options = neapL_checktls(L, arg, true);
  int err = neapL_maketls(rt, options);
  if (err < 0)
    return neapL_failtls(L, options, err);
  call_net(L, arg);
  if (lua_isnil(L, -3))
    return 3;
  lua_pop(L, 2);
  err = neap_tls_serve(neapL_toserver(L, -1), options->box->context);
  return err == 0 ? 1 : neapL_fail(L, err, "listen");
}

/* server:reload(options) -> true | nil, message, code. Waits. */
int neapL_server_reload(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  neap_server *server = neapL_toserver(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  if (server != NULL && !neap_tls_serves(server))
    return neapL_fail(L, UV_ENOTSUP, "server without TLS");
  struct neapL_tlsoptions *options = neapL_checktls(L, 2, true);
  int err = neapL_maketls(rt, options);
  if (err < 0)
    return neapL_failtls(L, options, err);
  server = neapL_toserver(L, 1); /* it may have been closed meanwhile */
  err =
      server == NULL ? UV_EBADF : neap_tls_serve(server, options->box->context);
  if (err < 0)
    return neapL_fail(L, err, "server");
  lua_pushboolean(L, true);
  return 1;
}

/* --- contexts ------------------------------------------------------------- */

/* tls.context(options) -> context | nil, message, code. Waits. */
static int tls_context(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  neapL_checkoptions(L, 1);
  lua_settop(L, 1);
  bool server = neapL_optfieldbool(L, 1, "server", false);
  struct neapL_tlsoptions *options = neapL_checktls(L, 1, server);
  int err = neapL_maketls(rt, options);
  return err == 0 ? 1 : neapL_failtls(L, options, err);
}

static int context_gc(lua_State *L) {
  struct neapL_tlscontext *box = neapL_checkself(L, NEAPL_TLS_CONTEXT);
  neap_tls_context_unref(box->context); /* also after the runtime's end */
  box->context = NULL;
  return 0;
}

static int context_tostring(lua_State *L) {
  const struct neapL_tlscontext *box = neapL_checkself(L, NEAPL_TLS_CONTEXT);
  bool made = box->context != NULL;
  lua_pushfstring(L, "TLS context (%s)",
                  !made                                   ? "none"
                  : neap_tls_context_serves(box->context) ? "server"
                                                          : "client");
  return 1;
}

static const luaL_Reg context_methods[] = {{NULL, NULL}};

static const luaL_Reg context_meta[] = {
    {"__gc", context_gc},
    {"__tostring", context_tostring},
    {NULL, NULL},
};

void neapL_opentls(lua_State *L, struct neapL *N) {
  neapL_newtype(L, N, NEAPL_TLS_CONTEXT, context_methods, context_meta);
  neapL_opentlsinfo(L, N);
}

/* --- the module ----------------------------------------------------------- */

static const luaL_Reg tls_functions[] = {
    {"context", tls_context},
    {NULL, NULL},
};

/* These stand on the function of the same name in neap.net, upvalue 2. */
static const luaL_Reg tls_on_net[] = {
    {"connect", tls_connect},
    {"listen", tls_listen},
    {NULL, NULL},
};

int luaopen_neap_tls(lua_State *L) {
  struct neapL *N = neapL_require(L);
  luaL_requiref(L, "neap.net", luaopen_neap_net, 0);
  lua_newtable(L);
  neapL_setfuncs(L, N, tls_functions);
  for (const luaL_Reg *f = tls_on_net; f->name != NULL; f++) {
    lua_pushlightuserdata(L, N);
    lua_getfield(L, -3, f->name);
    lua_pushcclosure(L, f->func, 2);
    lua_setfield(L, -2, f->name);
  }
  return 1;
}
