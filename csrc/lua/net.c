/* net.c: neap.net: connecting, listening and servers. */
#include "lua/net.h"

#include "lua/ip.h"
#include "lua/listen.h"
#include "lua/serve.h"
#include "lua/stream.h"
#include "lua/tls.h"
#include "lua/transfer.h"
#include "lua/udp.h"

#include <string.h>
#include <uv.h>

#define SERVER "neap.server"

/* Addresses of a name whose failures are told. */
#define MAX_ATTEMPTS 8

/* --- connect -------------------------------------------------------------- */

/* What neap_connect is told, and what it tells. Lies in a userdata: the frames
   that wait stay small. */
struct connecting {
  neap_connect_options options;
  uint64_t limit_ns;
  neap_attempt attempts[MAX_ATTEMPTS];
};

static struct connecting *push_connecting(lua_State *L, int options) {
  struct connecting *c = lua_newuserdatauv(L, sizeof *c, 1);
  memset(c, 0, sizeof *c);
  neap_connect_options *o = &c->options;
  c->limit_ns = neapL_optfieldseconds(L, options, "timeout", NEAP_NEVER);
  o->size = sizeof *o;
  o->bind = neapL_optfieldstring(L, options, "bind", NULL);
  lua_setiuservalue(L, -2, 1); /* holds it */
  o->nagle = !neapL_optfieldbool(L, options, "nodelay", true);
  o->keepalive = (uint32_t)neapL_optfieldint(L, options, "keepalive", 0,
                                             NEAPL_KEEPALIVE_MAX, 0);
  o->attempts = c->attempts;
  o->max_attempts = MAX_ATTEMPTS;
  return c;
}

/* Several addresses: one message that lists each with its reason. */
static int fail_attempts(lua_State *L, const struct connecting *c, int err,
                         const char *name) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 4 * MAX_ATTEMPTS, NULL);
  lua_pushnil(L);
  lua_pushfstring(L, "%s: ", name);
  for (size_t i = 0; i < c->options.nattempts; i++)
    lua_pushfstring(L, i == 0 ? "%s: %s" : "; %s: %s", c->attempts[i].address,
                    neapL_strerror(c->attempts[i].err));
  lua_concat(L, lua_gettop(L) - top - 1);
  lua_pushstring(L, uv_err_name(err));
  return 3;
}

static int fail_connect(lua_State *L, const struct connecting *c, int err,
                        const struct neapL_target *target) {
  if (err == UV_ETIMEDOUT && c->options.due_ns != 0 &&
      neap_now(neapL_self(L)->rt) >= c->options.due_ns)
    return neapL_timedout(L, (double)c->limit_ns / 1e9);
  neapL_raise(L, err);
  const char *name = neapL_pushtarget(L, target);
  if (c->options.nattempts > 1 && err != UV_ENOMEM)
    return fail_attempts(L, c, err, name);
  return neapL_failtarget(L, err, target);
}

/* net.connect(host, port [, options]) or net.connect("unix:/path" [, options])
   -> conn | nil, message, code. Waits. */
static int net_connect(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  struct neapL_target target = neapL_checktarget(L);
  struct connecting *c = push_connecting(L, target.options);
  struct neapL_conn *conn = neapL_newconn(L);
  if (c->limit_ns != NEAP_NEVER)
    c->options.due_ns = neap__timer_after(rt, c->limit_ns);
  int err =
      neap_connect(rt, target.host, target.port, &c->options, &conn->stream);
  return err == 0 ? 1 : fail_connect(L, c, err, &target);
}

/* net.pair() -> conn, conn | nil, message, code. */
static int net_pair(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  struct neapL_conn *a = neapL_newconn(L), *b = neapL_newconn(L);
  int err = neap_pair(rt, &a->stream, &b->stream);
  return err < 0 ? neapL_fail(L, err, "pair") : 2;
}

/* --- servers -------------------------------------------------------------- */

static struct neapL_server *check_server(lua_State *L) {
  return neapL_checkself(L, SERVER);
}

neap_server *neapL_toserver(lua_State *L, int index) {
  struct neapL_server *server = luaL_checkudata(L, index, SERVER);
  return neapL_peekrt(L) != NULL ? server->server : NULL;
}

static int fail_closed(lua_State *L) {
  lua_pushnil(L);
  lua_pushliteral(L, "server is closed");
  lua_pushliteral(L, "EBADF");
  return 3;
}

/* The system has run out of something: the server goes on, and says so once. */
static bool is_shortage(lua_State *L, struct neapL_server *server, int err) {
  if (err != UV_EMFILE && err != UV_ENFILE && err != UV_ENOBUFS)
    return false;
  if (!server->warned) {
    server->warned = true;
    lua_pushfstring(L, "accept: %s; trying again", neapL_strerror(err));
    neapL_warn(L, lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  return true;
}

int neapL_server_next(lua_State *L, struct neapL_server *server,
                      uint64_t due_ns) {
  struct neapL_conn *conn = neapL_newconn(L);
  int err;
  do {
    err = UV_EBADF;
    if (server->server != NULL)
      err = neap_accept(server->server, due_ns, &conn->stream);
  } while (is_shortage(L, server, err));
  return err;
}

/* server:accept([timeout]) -> conn | nil, message, code. Waits. */
static int server_accept(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  struct neapL_server *server = check_server(L);
  uint64_t limit_ns = neapL_optseconds(L, 2, NEAP_NEVER);
  int err = neapL_server_next(L, server, neap__timer_after(rt, limit_ns));
  if (err == 0)
    return 1;
  if (err == UV_EBADF && server->server == NULL)
    return fail_closed(L);
  if (err == UV_ETIMEDOUT)
    return neapL_timedout(L, (double)limit_ns / 1e9);
  return neapL_fail(L, err, "accept");
}

/* for conn in server do: the server is the iterator. Its closing ends the
   loop; other failures are raised. Waits. */
static int server_call(lua_State *L) {
  neapL_waitrt(L);
  struct neapL_server *server = check_server(L);
  int err = neapL_server_next(L, server, NEAP_NEVER);
  if (err == 0)
    return 1;
  if (server->server == NULL) {
    neapL_raise(L, err);
    lua_pushnil(L);
    return 1;
  }
  neapL_fail(L, err, "accept");
  return luaL_error(L, "%s", lua_tostring(L, -2));
}

/* server:address() -> ip, port, family | nil, message, code. */
static int server_address(lua_State *L) {
  struct neapL_server *server = check_server(L);
  neap_address address;
  if (neapL_peekrt(L) == NULL || server->server == NULL)
    return fail_closed(L);
  int err = neap_server_address(server->server, &address);
  return err < 0 ? neapL_fail(L, err, "server")
                 : neapL_pushaddress(L, &address);
}

/* server:fd() -> descriptor | nil, message, code. */
static int server_fd(lua_State *L) {
  struct neapL_server *server = check_server(L);
  if (neapL_peekrt(L) == NULL || server->server == NULL)
    return fail_closed(L);
  lua_pushinteger(L, neap_server_fd(server->server));
  return 1;
}

void neapL_server_close(lua_State *L, struct neapL_server *box) {
  neap_server *server = box->server;
  box->server = NULL;
  if (server != NULL && neapL_peekrt(L) != NULL)
    neap_server_close(server);
}

/* server:close() -> true. */
static int server_close(lua_State *L) {
  neapL_server_close(L, check_server(L));
  lua_pushboolean(L, true);
  return 1;
}

static int server_gc(lua_State *L) {
  struct neapL_server *server = check_server(L);
  if (server->server == NULL || neapL_peekrt(L) == NULL)
    return 0;
  neapL_gc_enter(L, neap_server_waited(server->server));
  if (server->server == NULL || neapL_peekrt(L) == NULL)
    return 0;
  neapL_server_close(L, server);
  neapL_warn(L, "a server was not closed");
  return 0;
}

static int server_tostring(lua_State *L) {
  struct neapL_server *server = check_server(L);
  neap_address a;
  if (neapL_peekrt(L) == NULL || server->server == NULL ||
      neap_server_address(server->server, &a) < 0)
    lua_pushliteral(L, "server (closed)");
  else if (strcmp(a.family, "unix") == 0)
    lua_pushfstring(L, "server (unix:%s)", a.text);
  else
    lua_pushfstring(L,
                    strcmp(a.family, "inet6") == 0 ? "server ([%s]:%d)"
                                                   : "server (%s:%d)",
                    a.text, a.port);
  return 1;
}

static const luaL_Reg server_methods[] = {
    {"accept", server_accept},
    {"serve", neapL_server_serve},
    {"shutdown", neapL_server_shutdown},
    {"address", server_address},
    {"fd", server_fd},
    {"reload", neapL_server_reload},
    {"close", server_close},
    {NULL, NULL},
};

static const luaL_Reg server_meta[] = {
    {"__call", server_call},
    {"__close", server_close},
    {"__gc", server_gc},
    {"__tostring", server_tostring},
    {NULL, NULL},
};

/* net.pool([options]) -> pool. Does not wait. Written in Lua:
   lua/neap/net/pool.lua. */
static int net_pool(lua_State *L) {
  neapL_checkoptions(L, 1);
  lua_settop(L, 1);
  return neapL_calllua(L, "neap.net.pool");
}

static const luaL_Reg net_functions[] = {
    {"connect", net_connect},
    {"listen", neapL_net_listen},
    {"listen_fds", neapL_net_listen_fds},
    {"udp", neapL_udp_open},
    {"pair", net_pair},
    {"pool", net_pool},
    {NULL, NULL},
};

int luaopen_neap_net(lua_State *L) {
  struct neapL *N = neapL_require(L);
  neapL_openconn(L, N);
  neapL_opentls(L, N);
  neapL_newtype(L, N, SERVER, server_methods, server_meta);
  lua_newtable(L);
  neapL_setfuncs(L, N, net_functions);
  neapL_openudp(L, N);
  luaL_requiref(L, "neap.net.ip", luaopen_neap_net_ip, 0);
  lua_setfield(L, -2, "ip");
  neapL_transfer_open(L, N);
  return 1;
}
