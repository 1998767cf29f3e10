/* dns.c: neap.dns: names to addresses and back, and what name servers say. */
#include "lua/neapl.h"
#include "neap_lua.h"

#include <string.h>
#include <uv.h>

/* What a look-up brings, while it is pushed: pushing may raise. */
#define RESULT "neap.dns.result"

#define MISSING "dns.query is not in this build of neap: c-ares was not found"

struct result {
  neap_addrs *addrs;
  neap_dns_answer *answer;
};

static struct result *push_result(lua_State *L) {
  struct result *result = lua_newuserdatauv(L, sizeof *result, 0);
  *result = (struct result){.addrs = NULL};
  luaL_setmetatable(L, RESULT);
  return result;
}

static void free_result(struct result *result) {
  neap_dns_free(result->addrs);
  neap_dns_answer_free(result->answer);
  *result = (struct result){.addrs = NULL};
}

static int result_gc(lua_State *L) {
  if (neapL_self(L)->rt != NULL) /* else the memory went with it */
    free_result(neapL_checkself(L, RESULT));
  return 0;
}

/* --- arguments ------------------------------------------------------------ */

static const char *check_host(lua_State *L) {
  size_t len;
  const char *host = luaL_checklstring(L, 1, &len);
  luaL_argcheck(L, strlen(host) == len, 1, "host contains zeros");
  return host;
}

/* A time limit, as an option: how long, and when it ends. */
struct limit {
  uint64_t ns, due_ns;
};

static struct limit check_limit(lua_State *L, neap_rt *rt, int options) {
  struct limit limit;
  limit.ns = neapL_optfieldseconds(L, options, "timeout", NEAP_NEVER);
  limit.due_ns = neap__timer_after(rt, limit.ns);
  return limit;
}

/* What a failed look-up returns. */
static int fail(lua_State *L, int err, const char *what,
                const struct limit *limit) {
  if (err == UV_ETIMEDOUT && neap_now(neapL_self(L)->rt) >= limit->due_ns)
    return neapL_timedout(L, (double)limit->ns / 1e9);
  return neapL_fail(L, err, what);
}

static neap_family check_family(lua_State *L, int options) {
  const char *name = neapL_optfieldstring(L, options, "family", NULL);
  if (name == NULL)
    return NEAP_FAMILY_ANY;
  if (strcmp(name, "inet") == 0)
    return NEAP_FAMILY_INET;
  if (strcmp(name, "inet6") != 0)
    neapL_fielderror(L, options, "family", "'inet' or 'inet6' expected");
  return NEAP_FAMILY_INET6;
}

/* --- resolve, reverse ----------------------------------------------------- */

/* Kept out of the frame that waits. */
static void push_addresses(lua_State *L, const neap_addrs *addrs) {
  const size_t n = neap_dns_count(addrs);
  neap_address address;
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    neap_dns_address(addrs, i, &address);
    lua_pushstring(L, address.text);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* Pushes the list of what host stands for by itself. True; or false with
   nothing pushed: it is to be looked up, or *err says why not. */
__attribute__((noinline)) static bool push_known(lua_State *L, const char *host,
                                                 neap_family family, int *err) {
  neap_address addresses[2];
  *err = neap_dns_known(host, family, addresses);
  if (*err <= 0)
    return false;
  lua_createtable(L, *err, 0);
  for (int i = 0; i < *err; i++) {
    lua_pushstring(L, addresses[i].text);
    lua_rawseti(L, -2, i + 1);
  }
  return true;
}

/* dns.resolve(host [, options]) -> addresses | nil, message, code. Waits. */
static int dns_resolve(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  const char *host = check_host(L);
  neapL_checkoptions(L, 2);
  lua_settop(L, 2);
  struct limit limit = check_limit(L, rt, 2);
  neap_family family = check_family(L, 2);
  int err = neap__op_begin(rt);
  if (err == 0 && push_known(L, host, family, &err))
    return 1;
  if (err < 0)
    return fail(L, err, host, &limit);
  struct result *result = push_result(L);
  err = neap_dns_resolve(rt, host, family, limit.due_ns, &result->addrs);
  if (err < 0)
    return fail(L, err, host, &limit);
  push_addresses(L, result->addrs);
  free_result(result);
  return 1;
}

/* dns.reverse(address [, options]) -> name | nil, message, code. Waits. */
static int dns_reverse(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  const char *ip = check_host(L);
  neapL_checkoptions(L, 2);
  lua_settop(L, 2);
  struct limit limit = check_limit(L, rt, 2);
  const size_t size = NEAP_DNS_NAME_MAX;
  char *name = lua_newuserdatauv(L, size, 0); /* it may wait: no frame has it */
  int err = neap_dns_reverse(rt, ip, limit.due_ns, name, size);
  luaL_argcheck(L, err != UV_EINVAL, 1, "not an IP address");
  if (err < 0)
    return fail(L, err, ip, &limit);
  lua_pushstring(L, name);
  return 1;
}

/* --- query ---------------------------------------------------------------- */

static const struct type {
  const char *name;
  neap_dns_type type;
  const char *value; /* the field of the record's value */
} types[] = {
    {"A", NEAP_DNS_A, "address"},        {"AAAA", NEAP_DNS_AAAA, "address"},
    {"CNAME", NEAP_DNS_CNAME, "target"}, {"MX", NEAP_DNS_MX, "target"},
    {"TXT", NEAP_DNS_TXT, "text"},       {"SRV", NEAP_DNS_SRV, "target"},
    {"NS", NEAP_DNS_NS, "target"},       {"PTR", NEAP_DNS_PTR, "target"},
    {"CAA", NEAP_DNS_CAA, "value"},
};

static const struct type *check_type(lua_State *L, int arg) {
  const char *name = luaL_checkstring(L, arg);
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
    if (strcmp(types[i].name, name) == 0)
      return &types[i];
  const char *problem = lua_pushfstring(L, "unknown type '%s'", name);
  luaL_argerror(L, arg, problem);
  return NULL;
}

#define MAX_SERVERS 16

/* The options of a query: in a userdata, the waiting frames stay small. Its
   user value holds the servers' strings. */
struct asking {
  neap_dns_options options;
  struct limit limit;
  const char *servers[MAX_SERVERS];
};

/* Reads the list of servers on top, and pops it. */
static void take_servers(lua_State *L, int arg, struct asking *asking,
                         int holder) {
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return;
  }
  if (!lua_istable(L, -1))
    neapL_fielderror(L, arg, "servers", "table of addresses expected");
  lua_Integer n = luaL_len(L, -1);
  if (n < 1 || n > MAX_SERVERS)
    neapL_fielderror(L, arg, "servers", "1 to 16 addresses expected");
  lua_createtable(L, (int)n, 0);
  for (lua_Integer i = 1; i <= n; i++) {
    if (lua_geti(L, -2, i) != LUA_TSTRING)
      neapL_fielderror(L, arg, "servers", "table of addresses expected");
    asking->servers[i - 1] = lua_tostring(L, -1);
    lua_rawseti(L, -2, i);
  }
  lua_setiuservalue(L, holder, 1);
  lua_pop(L, 1);
  asking->options.servers = asking->servers;
  asking->options.nservers = (size_t)n;
}

static struct asking *push_asking(lua_State *L, neap_rt *rt, int arg) {
  struct asking *asking = lua_newuserdatauv(L, sizeof *asking, 1);
  memset(asking, 0, sizeof *asking);
  neap_dns_options *o = &asking->options;
  o->size = sizeof *o;
  asking->limit = check_limit(L, rt, arg);
  o->due_ns = asking->limit.due_ns;
  o->retry_ns = neapL_optfieldseconds(L, arg, "retry", 0);
  o->tcp = neapL_optfieldbool(L, arg, "tcp", false);
  if (lua_istable(L, arg)) {
    lua_getfield(L, arg, "servers");
    take_servers(L, arg, asking, lua_gettop(L) - 1);
  }
  return asking;
}

static void push_record(lua_State *L, const struct type *type,
                        const neap_dns_record *record) {
  lua_createtable(L, 0, 7);
  lua_pushstring(L, record->name);
  lua_setfield(L, -2, "name");
  lua_pushstring(L, type->name);
  lua_setfield(L, -2, "type");
  neapL_setinteger(L, "ttl", record->ttl);
  lua_pushlstring(L, record->value, record->len);
  lua_setfield(L, -2, type->value);
  if (type->type == NEAP_DNS_MX || type->type == NEAP_DNS_SRV)
    neapL_setinteger(L, "priority", record->priority);
  if (type->type == NEAP_DNS_SRV) {
    neapL_setinteger(L, "weight", record->weight);
    neapL_setinteger(L, "port", record->port);
  }
  if (type->type == NEAP_DNS_CAA) {
    neapL_setinteger(L, "flags", record->flags);
    lua_pushstring(L, record->tag);
    lua_setfield(L, -2, "tag");
  }
}

static void push_records(lua_State *L, const struct type *type,
                         const neap_dns_answer *answer) {
  size_t n;
  const neap_dns_record *records = neap_dns_answer_records(answer, &n);
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    push_record(L, type, &records[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* What is due to the question, in its own words; or NULL. */
static const char *reason_of(int err) {
  switch (err) {
  case UV_EAI_NONAME:
    return "no such name";
  case UV_EAI_NODATA:
    return "no such record";
  case UV_EAI_AGAIN:
    return "no name server could answer";
  case UV_EPROTO:
    return "the answer makes no sense";
  case UV_ETIMEDOUT:
    return "no name server answered";
  default:
    return NULL;
  }
}

static int fail_query(lua_State *L, int err, const char *name,
                      const struct type *type, const struct limit *limit) {
  if (err == UV_EINVAL)
    return neapL_fielderror(L, 3, "servers", "IP address[:port] expected");
  const char *what = lua_pushfstring(L, "%s %s", name, type->name);
  const char *reason = reason_of(err);
  const bool late =
      err == UV_ETIMEDOUT && neap_now(neapL_self(L)->rt) >= limit->due_ns;
  if (late || (reason == NULL && err != UV_ENOTSUP))
    return fail(L, err, what, limit);
  lua_pushnil(L);
  if (err == UV_ENOTSUP)
    lua_pushliteral(L, MISSING " (Debian: install libc-ares-dev)");
  else
    lua_pushfstring(L, "%s: %s", what, reason);
  lua_pushstring(L, neapL_errname(err));
  return 3;
}

/* dns.query(name, type [, options]) -> records | nil, message, code. Waits. */
static int dns_query(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  const char *name = check_host(L);
  const struct type *type = check_type(L, 2);
  neapL_checkoptions(L, 3);
  lua_settop(L, 3);
  struct asking *asking = push_asking(L, rt, 3);
  struct result *result = push_result(L);
  int err =
      neap_dns_query(rt, name, type->type, &asking->options, &result->answer);
  if (err < 0)
    return fail_query(L, err, name, type, &asking->limit);
  push_records(L, type, result->answer);
  free_result(result);
  return 1;
}

/* --- the module ----------------------------------------------------------- */

static const luaL_Reg dns_functions[] = {
    {"resolve", dns_resolve},
    {"reverse", dns_reverse},
    {"query", dns_query},
    {NULL, NULL},
};

static const luaL_Reg result_methods[] = {{NULL, NULL}};

static const luaL_Reg result_meta[] = {{"__gc", result_gc}, {NULL, NULL}};

int luaopen_neap_dns(lua_State *L) {
  struct neapL *N = neapL_require(L);
  neapL_newtype(L, N, RESULT, result_methods, result_meta);
  lua_newtable(L);
  neapL_setfuncs(L, N, dns_functions);
  return 1;
}
