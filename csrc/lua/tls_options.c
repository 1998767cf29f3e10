/*
 * tls_options.c: options of TLS, from a table into what neap.h takes. Strings
 * are kept by a table that is the options' user value: the script's own may
 * change while the call waits.
 */
#include "lua/tls.h"

#include <string.h>
#include <uv.h>

/* Where things are on the stack while a table is read. */
struct reader {
  lua_State *L;
  int arg;  /* the table */
  int held; /* the table of what is kept */
};

/* Keeps the value on top, and takes it off the stack. */
static void hold(const struct reader *r) {
  lua_rawseti(r->L, r->held, (lua_Integer)lua_rawlen(r->L, r->held) + 1);
}

/* Keeps the string on top and returns it. what: "field 'cert'". */
static const char *hold_string(const struct reader *r, const char *name,
                               int arg) {
  lua_State *L = r->L;
  size_t len;
  if (lua_type(L, -1) != LUA_TSTRING)
    neapL_fielderror(
        L, arg, name,
        lua_pushfstring(L, "string expected, got %s", luaL_typename(L, -1)));
  const char *text = lua_tolstring(L, -1, &len);
  if (strlen(text) != len)
    neapL_fielderror(L, arg, name, "contains zeros");
  hold(r);
  return text;
}

/* A string field of the table at index, or NULL. */
static const char *field(const struct reader *r, int index, const char *name) {
  if (lua_getfield(r->L, index, name) != LUA_TNIL)
    return hold_string(r, name, r->arg);
  lua_pop(r->L, 1);
  return NULL;
}

static void *hold_block(const struct reader *r, size_t size) {
  void *block = lua_newuserdatauv(r->L, size, 0);
  memset(block, 0, size);
  hold(r);
  return block;
}

/* A certificate, its key and the key's password. */
static neap_tls_identity read_identity(const struct reader *r, int index) {
  return (neap_tls_identity){.cert = field(r, index, "cert"),
                             .key = field(r, index, "key"),
                             .password = field(r, index, "password")};
}

/* names = {["a.example"] = {cert=, key=, password=}, ...} */
static void read_names(const struct reader *r, neap_tls_options *o) {
  lua_State *L = r->L;
  size_t n = 0;
  if (lua_getfield(L, r->arg, "names") == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  int names = lua_gettop(L);
  if (!lua_istable(L, names))
    neapL_fielderror(L, r->arg, "names", "table expected");
  for (lua_pushnil(L); lua_next(L, names) != 0; lua_pop(L, 1))
    n++;
  neap_tls_name *list = hold_block(r, (n + 1) * sizeof *list);
  o->names = list;
  /* Metamethods of the entries may change the table: no more than counted. */
  for (lua_pushnil(L); o->nnames < n && lua_next(L, names) != 0;) {
    lua_pushvalue(L, -2);
    list[o->nnames].name = hold_string(r, "names", r->arg);
    if (!lua_istable(L, -1))
      neapL_fielderror(L, r->arg, "names", "tables expected in it");
    list[o->nnames].identity = read_identity(r, lua_gettop(L));
    if (list[o->nnames].identity.cert == NULL)
      neapL_fielderror(L, r->arg, "names", "a name has no cert");
    o->nnames++;
    lua_pop(L, 1);
  }
  lua_settop(L, names - 1);
}

static const char *hold_protocol(const struct reader *r) {
  const char *name = hold_string(r, "alpn", r->arg);
  size_t len = strlen(name);
  if (len == 0 || len > 255)
    neapL_fielderror(r->L, r->arg, "alpn", "a name of 1 to 255 bytes expected");
  return name;
}

/* alpn = "h2" or {"h2", "http/1.1"} */
static void read_alpn(const struct reader *r, neap_tls_options *o) {
  lua_State *L = r->L;
  int type = lua_getfield(L, r->arg, "alpn");
  if (type == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  size_t n = type == LUA_TTABLE ? lua_rawlen(L, -1) : 1;
  if (n > 100)
    neapL_fielderror(L, r->arg, "alpn", "too many names");
  const char **list = hold_block(r, (n + 1) * sizeof *list);
  for (size_t i = 0; i < n; i++) {
    if (type == LUA_TTABLE)
      lua_rawgeti(L, -1, (lua_Integer)i + 1);
    else
      lua_pushvalue(L, -1);
    list[i] = hold_protocol(r);
  }
  o->alpn = list;
  o->nalpn = n;
  lua_pop(L, 1);
}

/* verify = true, false, or "optional" for a server. */
static neap_tls_verify read_verify(const struct reader *r, bool server) {
  lua_State *L = r->L;
  neap_tls_verify verify = NEAP_TLS_VERIFY_DEFAULT;
  int type = lua_getfield(L, r->arg, "verify");
  if (type == LUA_TBOOLEAN)
    verify =
        lua_toboolean(L, -1) ? NEAP_TLS_VERIFY_REQUIRED : NEAP_TLS_VERIFY_NONE;
  else if (server && type == LUA_TSTRING &&
           strcmp(lua_tostring(L, -1), "optional") == 0)
    verify = NEAP_TLS_VERIFY_OPTIONAL;
  else if (type != LUA_TNIL)
    neapL_fielderror(L, r->arg, "verify",
                     server ? "boolean or \"optional\" expected"
                            : "boolean expected");
  lua_pop(L, 1);
  return verify;
}

static int read_version(const struct reader *r) {
  const char *text = field(r, r->arg, "min_version");
  if (text == NULL || strcmp(text, "1.2") == 0)
    return 12;
  if (strcmp(text, "1.3") != 0)
    neapL_fielderror(r->L, r->arg, "min_version",
                     "\"1.2\" or \"1.3\" expected");
  return 13;
}

static void read_context(const struct reader *r, bool server,
                         neap_tls_options *o) {
  uint64_t limit = neapL_optfieldseconds(r->L, r->arg, "handshake_timeout", 0);
  o->server = server;
  o->identity = read_identity(r, r->arg);
  o->ca = field(r, r->arg, "ca");
  o->keylog = field(r, r->arg, "keylog");
  o->verify = read_verify(r, server);
  o->min_version = read_version(r);
  o->handshake_ns = limit;
  read_alpn(r, o);
  if (server)
    read_names(r, o);
  if (server && o->identity.cert == NULL)
    neapL_fielderror(r->L, r->arg, "cert", "string expected, got nil");
}

static void read_peer(const struct reader *r, neap_tls_peer_options *peer) {
  lua_State *L = r->L;
  peer->size = sizeof *peer;
  peer->servername = field(r, r->arg, "servername");
  if (peer->servername != NULL && peer->servername[0] == '\0')
    neapL_fielderror(L, r->arg, "servername", "is empty");
  if (lua_getfield(L, r->arg, "session") == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  if (lua_type(L, -1) != LUA_TSTRING)
    neapL_fielderror(
        L, r->arg, "session",
        lua_pushfstring(L, "string expected, got %s", luaL_typename(L, -1)));
  peer->session = lua_tolstring(L, -1, &peer->session_len);
  hold(r);
}

/* The field context: one that is there already. Takes a share of it. */
static bool share_context(const struct reader *r, bool server,
                          struct neapL_tlscontext *box) {
  lua_State *L = r->L;
  if (lua_getfield(L, r->arg, "context") == LUA_TNIL) {
    lua_pop(L, 1);
    return false;
  }
  struct neapL_tlscontext *given = luaL_testudata(L, -1, NEAPL_TLS_CONTEXT);
  if (given == NULL)
    neapL_fielderror(L, r->arg, "context",
                     lua_pushfstring(L, NEAPL_TLS_CONTEXT " expected, got %s",
                                     luaL_typename(L, -1)));
  if (neap_tls_context_serves(given->context) != server)
    neapL_fielderror(L, r->arg, "context",
                     server ? "it is a client's" : "it is a server's");
  box->context = neap_tls_context_ref(given->context);
  lua_pop(L, 1);
  return true;
}

struct neapL_tlsoptions *neapL_checktls(lua_State *L, int arg, bool server) {
  luaL_checkstack(L, 20, NULL);
  struct neapL_tlsoptions *options = lua_newuserdatauv(L, sizeof *options, 1);
  int self = lua_gettop(L);
  memset(options, 0, sizeof *options);
  struct neapL_tlscontext *box = lua_newuserdatauv(L, sizeof *box, 0);
  box->context = NULL;
  luaL_setmetatable(L, NEAPL_TLS_CONTEXT);
  options->box = box;
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, self, 1);
  if (lua_isnoneornil(L, arg)) { /* a table that has nothing */
    lua_newtable(L);
    arg = lua_gettop(L);
  }
  struct reader r = {.L = L, .arg = arg, .held = self + 2};
  options->context.size = sizeof options->context;
  options->context.problem = options->problem;
  options->context.problem_size = sizeof options->problem;
  options->limit_ns = neapL_optfieldseconds(L, arg, "timeout", NEAP_NEVER);
  if (!share_context(&r, server, box))
    read_context(&r, server, &options->context);
  read_peer(&r, &options->peer);
  lua_settop(L, self + 1);
  return options;
}

int neapL_maketls(neap_rt *rt, struct neapL_tlsoptions *options) {
  if (options->box->context != NULL)
    return 0;
  return neap_tls_context_new(rt, &options->context, &options->box->context);
}

int neapL_failtls(lua_State *L, const struct neapL_tlsoptions *options,
                  int err) {
  const char *problem = options->problem;
  neapL_raise(L, err);
  if (err != UV_EINVAL || problem[0] == '\0')
    return neapL_fail(L, err, problem[0] != '\0' ? problem : "TLS");
  lua_pushnil(L); /* it says it all */
  lua_pushstring(L, problem);
  lua_pushliteral(L, "EINVAL");
  return 3;
}
