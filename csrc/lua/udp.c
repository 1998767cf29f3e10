/* udp.c: net.udp and the methods of its sockets. */
#include "lua/udp.h"

#include "lua/stream.h"

#include <string.h>
#include <uv.h>

#define TYPE "neap.udp"

/* More datagrams than this in a queue are a mistake. */
#define MAX_QUEUE 1048576

struct box {
  neap_udp *udp; /* NULL: not opened yet, or closed */
};

static struct box *check_box(lua_State *L) {
  return neapL_checkself(L, TYPE);
}

/* The open socket, or NULL; for calls that don't wait. */
static neap_udp *check_udp(lua_State *L) {
  struct box *box = check_box(L);
  return neapL_peekrt(L) != NULL ? box->udp : NULL;
}

/* --- failures ------------------------------------------------------------- */

static int fail_closed(lua_State *L) {
  lua_pushnil(L);
  lua_pushliteral(L, "socket is closed");
  lua_pushliteral(L, "EBADF");
  return 3;
}

/* A call about the socket itself has failed. Apart, so that its text does not
   lie in a frame that waits. */
__attribute__((noinline)) static int fail(lua_State *L, const neap_udp *udp,
                                          int err) {
  char name[80] = "socket";
  if (udp == NULL && err == UV_EBADF)
    return fail_closed(L);
  if (udp != NULL)
    neap_udp_name(udp, name, sizeof name);
  if (err != UV_EBUSY)
    return neapL_fail(L, err, name);
  lua_pushnil(L);
  lua_pushfstring(L, "%s: another task is receiving", name);
  lua_pushliteral(L, "EBUSY");
  return 3;
}

/* A call that was about an address, or, host NULL, about the peer. */
static int fail_at(lua_State *L, const neap_udp *udp, int err, const char *host,
                   int port) {
  if (host == NULL || (udp == NULL && err == UV_EBADF))
    return fail(L, udp, err);
  neapL_raise(L, err);
  bool six = strchr(host, ':') != NULL;
  return neapL_fail(L, err,
                    lua_pushfstring(L, six ? "[%s]:%d" : "%s:%d", host, port));
}

static int push_done(lua_State *L, const neap_udp *udp, int err) {
  if (err < 0)
    return fail(L, udp, err);
  lua_pushboolean(L, true);
  return 1;
}

/* --- arguments ------------------------------------------------------------ */

/* A text without zeros, or NULL for none. */
static const char *opt_text(lua_State *L, int arg) {
  size_t len;
  const char *text = luaL_optlstring(L, arg, NULL, &len);
  luaL_argcheck(L, text == NULL || strlen(text) == len, arg, "contains zeros");
  return text;
}

static const char *check_text(lua_State *L, int arg) {
  luaL_checkstring(L, arg);
  return opt_text(L, arg);
}

static uint16_t check_port(lua_State *L, int arg) {
  lua_Integer port = luaL_checkinteger(L, arg);
  luaL_argcheck(L, port >= 0 && port <= 65535, arg, "port out of range");
  return (uint16_t)port;
}

/* Whom to send to, or connect with: host and port, or none of both. */
static const char *opt_host(lua_State *L, int arg, uint16_t *port) {
  const char *host = opt_text(L, arg);
  *port = 0;
  if (host != NULL)
    *port = check_port(L, arg + 1);
  else
    luaL_argcheck(L, lua_isnoneornil(L, arg + 1), arg + 1,
                  "a port without a host");
  return host;
}

/* --- opening -------------------------------------------------------------- */

static struct box *new_box(lua_State *L) {
  struct box *box = lua_newuserdatauv(L, sizeof *box, 0);
  box->udp = NULL;
  luaL_setmetatable(L, TYPE);
  return box;
}

static neap_udp_options check_udp_options(lua_State *L, int arg) {
  neap_udp_options o = {.size = sizeof o};
  neapL_checkoptions(L, arg);
  o.queue = (uint32_t)neapL_optfieldint(L, arg, "queue", 1, MAX_QUEUE, 0);
  o.max = (size_t)neapL_optfieldint(L, arg, "max", 1, 65536, 0);
  o.reuseaddr = neapL_optfieldbool(L, arg, "reuseaddr", false);
  o.reuseport = neapL_optfieldbool(L, arg, "reuseport", false);
  o.ipv6only = neapL_optfieldbool(L, arg, "ipv6only", false);
  return o;
}

/* net.udp([host [, port [, options]]]) -> socket | nil, message, code. Waits
   when host is a name. */
int neapL_udp_open(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  const char *host = opt_text(L, 1);
  uint16_t port = lua_isnoneornil(L, 2) ? 0 : check_port(L, 2);
  neap_udp_options o = check_udp_options(L, 3);
  struct box *box = new_box(L);
  if (host == NULL)
    host = "*";
  int err = neap_udp_open(rt, host, port, &o, &box->udp);
  return err < 0 ? fail_at(L, NULL, err, host, port) : 1;
}

/* --- receiving and sending ------------------------------------------------ */

/* What d says: taken away when all of it is pushed, unless a finalizer that ran
   meanwhile has closed the socket. */
__attribute__((noinline)) static int
push_datagram(lua_State *L, const struct box *box, const neap_datagram *d) {
  neap_address from;
  neap_udp_from(box->udp, &from);
  lua_pushlstring(L, d->base, d->len);
  lua_pushstring(L, from.text);
  lua_pushinteger(L, from.port);
  lua_pushboolean(L, d->truncated);
  if (box->udp != NULL)
    neap_udp_consume(box->udp);
  return 4;
}

/* udp:recv([timeout]) -> data, host, port, truncated | nil, message, code.
   Waits. */
static int udp_recv(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  struct box *box = check_box(L);
  uint64_t limit_ns = neapL_optseconds(L, 2, NEAP_NEVER);
  neap_datagram d;
  int err = UV_EBADF;
  luaL_checkstack(L, 4, NULL);
  if (box->udp != NULL)
    err = neap_udp_peek(box->udp, neap__timer_after(rt, limit_ns), &d);
  if (err == 0)
    return push_datagram(L, box, &d);
  if (err == UV_ETIMEDOUT)
    return neapL_timedout(L, (double)limit_ns / 1e9);
  return fail(L, box->udp, err);
}

/* udp:send(data [, host, port [, timeout]]) -> true | nil, message, code.
   Waits. */
static int udp_send(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  struct box *box = check_box(L);
  size_t len;
  uint16_t port;
  const char *data = luaL_checklstring(L, 2, &len);
  const char *host = opt_host(L, 3, &port);
  uint64_t limit_ns = neapL_optseconds(L, 5, NEAP_NEVER);
  int err = UV_EBADF;
  if (box->udp != NULL)
    err = neap_udp_send(box->udp, data, len, host, port,
                        neap__timer_after(rt, limit_ns));
  if (err == 0) {
    lua_pushboolean(L, true);
    return 1;
  }
  if (err == UV_ETIMEDOUT && limit_ns != NEAP_NEVER)
    return neapL_timedout(L, (double)limit_ns / 1e9);
  return fail_at(L, box->udp, err, host, port);
}

/* udp:connect([host, port [, timeout]]) -> true | nil, message, code. Waits
   when host is a name. */
static int udp_connect(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  struct box *box = check_box(L);
  uint16_t port;
  const char *host = opt_host(L, 2, &port);
  uint64_t limit_ns = neapL_optseconds(L, 4, NEAP_NEVER);
  int err = UV_EBADF;
  if (box->udp != NULL)
    err =
        neap_udp_connect(box->udp, host, port, neap__timer_after(rt, limit_ns));
  if (err == 0) {
    lua_pushboolean(L, true);
    return 1;
  }
  if (err == UV_ETIMEDOUT && limit_ns != NEAP_NEVER)
    return neapL_timedout(L, (double)limit_ns / 1e9);
  return fail_at(L, box->udp, err, host, port);
}

/* --- options and groups --------------------------------------------------- */

/* udp:broadcast(on) -> true | nil, message, code. */
static int udp_broadcast(lua_State *L) {
  neap_udp *udp = check_udp(L);
  luaL_checktype(L, 2, LUA_TBOOLEAN);
  if (udp == NULL)
    return fail_closed(L);
  return push_done(L, udp, neap_udp_broadcast(udp, lua_toboolean(L, 2)));
}

/* udp:ttl(n) -> true | nil, message, code. */
static int udp_ttl(lua_State *L) {
  neap_udp *udp = check_udp(L);
  lua_Integer ttl = luaL_checkinteger(L, 2);
  luaL_argcheck(L, ttl >= 1 && ttl <= 255, 2, "out of range");
  if (udp == NULL)
    return fail_closed(L);
  return push_done(L, udp, neap_udp_ttl(udp, (int)ttl));
}

/* udp:multicast{ttl=, loop=, interface=} -> true | nil, message, code. */
static int udp_multicast(lua_State *L) {
  neap_udp *udp = check_udp(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  int ttl = (int)neapL_optfieldint(L, 2, "ttl", 0, 255, -1);
  bool has_loop = lua_getfield(L, 2, "loop") != LUA_TNIL;
  bool loop = neapL_optfieldbool(L, 2, "loop", false);
  const char *name = neapL_optfieldstring(L, 2, "interface", NULL);
  int err = 0;
  if (udp == NULL)
    return fail_closed(L);
  if (ttl >= 0)
    err = neap_udp_multicast_ttl(udp, ttl);
  if (err == 0 && has_loop)
    err = neap_udp_multicast_loop(udp, loop);
  if (err == 0 && name != NULL) {
    err = neap_udp_multicast_interface(udp, name);
    if (err < 0)
      return neapL_fail(L, err, name);
  }
  return push_done(L, udp, err);
}

typedef int member_fn(neap_udp *udp, const char *group, const char *interface_,
                      const char *source);

static int change_group(lua_State *L, member_fn *change) {
  neap_udp *udp = check_udp(L);
  const char *group = check_text(L, 2);
  const char *name = opt_text(L, 3);
  const char *source = opt_text(L, 4);
  if (udp == NULL)
    return fail_closed(L);
  int err = change(udp, group, name, source);
  if (err < 0)
    return neapL_fail(L, err, err == UV_ENODEV && name != NULL ? name : group);
  lua_pushboolean(L, true);
  return 1;
}

/* udp:join(group [, interface [, source]]) -> true | nil, message, code. */
static int udp_join(lua_State *L) {
  return change_group(L, neap_udp_join);
}

/* udp:leave(group [, interface [, source]]) -> true | nil, message, code. */
static int udp_leave(lua_State *L) {
  return change_group(L, neap_udp_leave);
}

typedef int size_fn(neap_udp *udp, int bytes);

static int change_size(lua_State *L, size_fn *change) {
  neap_udp *udp = check_udp(L);
  int bytes = neapL_optbuffer(L, 2);
  if (udp == NULL)
    return fail_closed(L);
  int size = change(udp, bytes);
  if (size < 0)
    return fail(L, udp, size);
  lua_pushinteger(L, size);
  return 1;
}

/* udp:rcvbuf([bytes]) -> bytes | nil, message, code. */
static int udp_rcvbuf(lua_State *L) {
  return change_size(L, neap_udp_rcvbuf);
}

/* udp:sndbuf([bytes]) -> bytes | nil, message, code. */
static int udp_sndbuf(lua_State *L) {
  return change_size(L, neap_udp_sndbuf);
}

/* --- what can be asked ---------------------------------------------------- */

typedef int address_fn(neap_udp *udp, neap_address *out);

static int push_address(lua_State *L, address_fn *which) {
  neap_udp *udp = check_udp(L);
  neap_address address;
  if (udp == NULL)
    return fail_closed(L);
  int err = which(udp, &address);
  return err < 0 ? fail(L, udp, err) : neapL_pushaddress(L, &address);
}

/* udp:address() -> ip, port, family of this side | nil, message, code. */
static int udp_address(lua_State *L) {
  return push_address(L, neap_udp_address);
}

/* udp:peer() -> ip, port, family it is connected to | nil, message, code. */
static int udp_peer(lua_State *L) {
  return push_address(L, neap_udp_peer);
}

/* udp:queued() -> datagrams | nil, message, code. */
static int udp_queued(lua_State *L) {
  neap_udp *udp = check_udp(L);
  if (udp == NULL)
    return fail_closed(L);
  lua_pushinteger(L, (lua_Integer)neap_udp_queued(udp));
  return 1;
}

/* udp:dropped() -> datagrams | nil, message, code. */
static int udp_dropped(lua_State *L) {
  neap_udp *udp = check_udp(L);
  if (udp == NULL)
    return fail_closed(L);
  lua_pushinteger(L, (lua_Integer)neap_udp_dropped(udp));
  return 1;
}

/* --- the end -------------------------------------------------------------- */

static void close_box(lua_State *L, struct box *box) {
  neap_udp *udp = box->udp;
  box->udp = NULL;
  if (udp != NULL && neapL_peekrt(L) != NULL)
    neap_udp_close(udp);
}

/* udp:close() -> true. */
static int udp_close(lua_State *L) {
  close_box(L, check_box(L));
  lua_pushboolean(L, true);
  return 1;
}

static int udp_gc(lua_State *L) {
  struct box *box = check_box(L);
  if (box->udp == NULL || neapL_peekrt(L) == NULL)
    return 0;
  neapL_gc_enter(L, neap_udp_waited(box->udp));
  if (box->udp == NULL || neapL_peekrt(L) == NULL)
    return 0;
  close_box(L, box);
  neapL_warn(L, "a UDP socket was not closed");
  return 0;
}

static int udp_tostring(lua_State *L) {
  const neap_udp *udp = check_udp(L);
  char name[80] = "closed";
  if (udp != NULL)
    neap_udp_name(udp, name, sizeof name);
  lua_pushfstring(L, "udp (%s)", name);
  return 1;
}

static const luaL_Reg udp_methods[] = {
    {"recv", udp_recv},           {"send", udp_send},
    {"connect", udp_connect},     {"broadcast", udp_broadcast},
    {"join", udp_join},           {"leave", udp_leave},
    {"multicast", udp_multicast}, {"ttl", udp_ttl},
    {"rcvbuf", udp_rcvbuf},       {"sndbuf", udp_sndbuf},
    {"address", udp_address},     {"peer", udp_peer},
    {"queued", udp_queued},       {"dropped", udp_dropped},
    {"close", udp_close},         {NULL, NULL},
};

static const luaL_Reg udp_meta[] = {
    {"__close", udp_close},
    {"__gc", udp_gc},
    {"__tostring", udp_tostring},
    {NULL, NULL},
};

void neapL_openudp(lua_State *L, struct neapL *N) {
  neapL_newtype(L, N, TYPE, udp_methods, udp_meta);
}
