/* listen.c: net.listen and net.listen_fds; addresses as arguments. */
#include "lua/listen.h"

#include "lua/serve.h"

#include <string.h>
#include <uv.h>

#define SERVER "neap.server"

/* --- addresses as arguments ----------------------------------------------- */

struct neapL_target neapL_checktarget(lua_State *L) {
  struct neapL_target target = {.options = 3};
  size_t len;
  target.host = luaL_checklstring(L, 1, &len);
  luaL_argcheck(L, strlen(target.host) == len, 1, "host contains zeros");
  target.is_unix = strncmp(target.host, "unix:", 5) == 0;
  if (target.is_unix) {
    if (lua_istable(L, 2))
      target.options = 2;
    else
      luaL_argcheck(L, lua_isnoneornil(L, 2), 2, "a unix socket has no port");
  } else {
    lua_Integer port = luaL_checkinteger(L, 2);
    luaL_argcheck(L, port >= 0 && port <= 65535, 2, "port out of range");
    target.port = (uint16_t)port;
  }
  neapL_checkoptions(L, target.options);
  lua_settop(L, target.options); /* what is pushed is no argument */
  return target;
}

const char *neapL_pushtarget(lua_State *L, const struct neapL_target *target) {
  if (target->is_unix)
    return lua_pushstring(L, target->host);
  bool six = strchr(target->host, ':') != NULL;
  return lua_pushfstring(L, six ? "[%s]:%d" : "%s:%d", target->host,
                         (int)target->port);
}

/* A socket's path has less room than others: that is not obvious. */
int neapL_failtarget(lua_State *L, int err, const struct neapL_target *target) {
  neapL_raise(L, err);
  const char *name = neapL_pushtarget(L, target);
  if (err != UV_ENAMETOOLONG || !target->is_unix)
    return neapL_fail(L, err, name);
  lua_pushnil(L);
  lua_pushfstring(L, "%s: a socket's path has at most %d bytes", name,
                  NEAP_UNIX_PATH_MAX);
  lua_pushliteral(L, "ENAMETOOLONG");
  return 3;
}

/* --- listening ------------------------------------------------------------ */

static struct neapL_server *new_server(lua_State *L) {
  struct neapL_server *server = lua_newuserdatauv(L, sizeof *server, 0);
  *server = (struct neapL_server){0};
  neapL_server_init(server);
  luaL_setmetatable(L, SERVER);
  return server;
}

/* listen(host, port, {fd=}), or listen({fd=}) alone. */
static struct neapL_target check_place(lua_State *L) {
  if (!lua_istable(L, 1))
    return neapL_checktarget(L);
  struct neapL_target target = {.host = "", .options = 1};
  lua_settop(L, 1);
  if (lua_getfield(L, 1, "fd") == LUA_TNIL)
    neapL_fielderror(L, 1, "fd", "expected where there is no host");
  lua_pop(L, 1);
  return target;
}

static neap_listen_options check_listen(lua_State *L,
                                        const struct neapL_target *target) {
  const int at = target->options;
  neap_listen_options o = {.size = sizeof o};
  o.backlog = (int)neapL_optfieldint(L, at, "backlog", 1, 65535, 0);
  o.reuseport = neapL_optfieldbool(L, at, "reuseport", false);
  o.ipv6only = neapL_optfieldbool(L, at, "ipv6only", false);
  o.mode = (int)neapL_optfieldint(L, at, "mode", 1, 0777, 0);
  if (o.mode != 0 && (!target->is_unix || target->host[5] == '@'))
    neapL_fielderror(L, at, "mode", "only a unix socket's file has one");
  o.fd = (int)neapL_optfieldint(L, at, "fd", 0, INT32_MAX, -1);
  o.inherited = o.fd >= 0;
  return o;
}

/* net.listen(host, port [, options]) or net.listen("unix:/path" [, options])
   -> server | nil, message, code. Waits when host is a name. */
int neapL_net_listen(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  struct neapL_target target = check_place(L);
  neap_listen_options o = check_listen(L, &target);
  struct neapL_server *server = new_server(L);
  int err = neap_listen(rt, target.host, target.port, &o, &server->server);
  if (err == 0)
    return 1;
  if (!o.inherited)
    return neapL_failtarget(L, err, &target);
  return neapL_fail(L, err, lua_pushfstring(L, "descriptor %d", o.fd));
}

/* Names, n of them, with colons between them: the table on the top gets the
   descriptors by name; of several with one name the first. */
static void add_names(lua_State *L, const char *names, int n) {
  for (int i = 0; i < n && names != NULL; i++) {
    const char *end = strchrnul(names, ':');
    lua_pushlstring(L, names, (size_t)(end - names));
    lua_pushvalue(L, -1);
    if (end > names && lua_rawget(L, -3) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_pushinteger(L, NEAP_LISTEN_FDS_FIRST + i);
      lua_rawset(L, -3);
    } else {
      lua_pop(L, 2);
    }
    names = *end == ':' ? end + 1 : NULL;
  }
}

/* net.listen_fds() -> {descriptor..., name = descriptor...} | nil, message,
   code. */
int neapL_net_listen_fds(lua_State *L) {
  const char *names = NULL;
  int n = neap_listen_fds(&names);
  if (n < 0)
    return neapL_fail(L, n, "LISTEN_FDS");
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_pushinteger(L, NEAP_LISTEN_FDS_FIRST + i);
    lua_rawseti(L, -2, i + 1);
  }
  add_names(L, names, n);
  return 1;
}
