/*
 * ip.c: the module neap.net.ip: IP addresses and networks as text, as tables,
 * as bytes. What is an address here is one for net.connect: the same functions
 * of libuv's read both.
 */
#include "lua/ip.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

/* As if_nametoindex takes it, and some more. */
#define MAX_SCOPE 63

/* An address, or a network when it has a prefix. */
struct ip {
  unsigned char bytes[16];
  size_t n;   /* of bytes: 4 or 16 */
  int prefix; /* bits; -1: none */
  char scope[MAX_SCOPE + 1];
};

static int family_of(const struct ip *ip) {
  return ip->n == 4 ? AF_INET : AF_INET6;
}

/* --- text ----------------------------------------------------------------- */

/* Each returns NULL, or what is wrong with the text. */

/* "24": a number of bits, without leading zeros. */
static const char *read_prefix(const char *text, size_t len, struct ip *ip) {
  int bits = 0;
  if (len == 0 || len > 3 || (len > 1 && text[0] == '0'))
    return "malformed prefix length";
  for (size_t i = 0; i < len; i++) {
    if (text[i] < '0' || text[i] > '9')
      return "malformed prefix length";
    bits = bits * 10 + (text[i] - '0');
  }
  if (bits > (int)ip->n * 8)
    return "prefix length out of range";
  ip->prefix = bits;
  return NULL;
}

/* "eth0": which interface a link-local address is on. */
static const char *read_scope(const char *text, size_t len, struct ip *ip) {
  if (ip->n == 4)
    return "an IPv4 address has no scope";
  if (len == 0 || len > MAX_SCOPE || memchr(text, '%', len) != NULL)
    return "malformed scope";
  memcpy(ip->scope, text, len);
  ip->scope[len] = '\0';
  return NULL;
}

static const char *read_address(const char *text, size_t len, struct ip *ip) {
  char copy[INET6_ADDRSTRLEN]; /* the longest there is fits */
  if (len >= sizeof copy)
    return "too long for an address";
  memcpy(copy, text, len);
  copy[len] = '\0';
  bool six = memchr(text, ':', len) != NULL;
  ip->n = six ? 16 : 4;
  if (uv_inet_pton(family_of(ip), copy, ip->bytes) == 0)
    return NULL;
  return six ? "malformed IPv6 address" : "malformed IPv4 address";
}

static const char *read_ip(const char *text, size_t len, struct ip *ip) {
  *ip = (struct ip){.prefix = -1};
  if (memchr(text, '\0', len) != NULL)
    return "contains zeros";
  const char *end = text + len;
  const char *slash = memchr(text, '/', len);
  const char *last = slash != NULL ? slash : end;
  const char *percent = memchr(text, '%', (size_t)(last - text));
  const char *stop = percent != NULL ? percent : last;
  const char *wrong = read_address(text, (size_t)(stop - text), ip);
  if (wrong == NULL && percent != NULL)
    wrong = read_scope(percent + 1, (size_t)(last - percent - 1), ip);
  if (wrong == NULL && slash != NULL)
    wrong = read_prefix(slash + 1, (size_t)(end - slash - 1), ip);
  return wrong;
}

/* Pushes it as RFC 5952 has it. */
static void push_text(lua_State *L, const struct ip *ip) {
  char text[INET6_ADDRSTRLEN];
  if (uv_inet_ntop(family_of(ip), ip->bytes, text, sizeof text) != 0)
    text[0] = '\0'; /* can't be: the family is known, there is room */
  lua_pushstring(L, text);
  if (ip->scope[0] != '\0') {
    lua_pushfstring(L, "%%%s", ip->scope);
    lua_concat(L, 2);
  }
  if (ip->prefix >= 0) {
    lua_pushfstring(L, "/%d", ip->prefix);
    lua_concat(L, 2);
  }
}

/* --- tables --------------------------------------------------------------- */

static void push_table(lua_State *L, const struct ip *ip) {
  lua_createtable(L, 0, 4);
  lua_pushstring(L, ip->n == 4 ? "inet" : "inet6");
  lua_setfield(L, -2, "family");
  lua_pushlstring(L, (const char *)ip->bytes, ip->n);
  lua_setfield(L, -2, "bytes");
  if (ip->scope[0] != '\0') {
    lua_pushstring(L, ip->scope);
    lua_setfield(L, -2, "scope");
  }
  if (ip->prefix >= 0) {
    lua_pushinteger(L, ip->prefix);
    lua_setfield(L, -2, "prefix");
  }
}

/* The string at index as an address's bytes; raises for argument arg. */
static void check_bytes(lua_State *L, int index, int arg, struct ip *ip) {
  const char *bytes = lua_tolstring(L, index, &ip->n);
  luaL_argcheck(L, ip->n == 4 || ip->n == 16, arg, "not 4 or 16 bytes");
  memcpy(ip->bytes, bytes, ip->n);
}

/* The table at arg, as ip.parse makes them. */
static void check_table(lua_State *L, int arg, struct ip *ip) {
  luaL_checktype(L, arg, LUA_TTABLE);
  *ip = (struct ip){.prefix = -1};
  if (lua_getfield(L, arg, "bytes") != LUA_TSTRING)
    neapL_fielderror(L, arg, "bytes", "string expected");
  check_bytes(L, -1, arg, ip);
  const char *scope = neapL_optfieldstring(L, arg, "scope", NULL);
  if (scope != NULL) {
    const char *wrong = strlen(scope) != lua_rawlen(L, -1)
                            ? "contains zeros"
                            : read_scope(scope, strlen(scope), ip);
    if (wrong != NULL)
      neapL_fielderror(L, arg, "scope", wrong);
  }
  ip->prefix =
      (int)neapL_optfieldint(L, arg, "prefix", 0, (lua_Integer)ip->n * 8, -1);
  lua_pop(L, 2);
}

/* --- functions ------------------------------------------------------------ */

static int fail_text(lua_State *L, const char *text, const char *wrong) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", text, wrong);
  lua_pushliteral(L, "EINVAL");
  return 3;
}

/* ip.parse(text) -> {family=, bytes=, scope=, prefix=} | nil, message, code. */
static int ip_parse(lua_State *L) {
  size_t len;
  struct ip ip;
  luaL_checktype(L, 1, LUA_TSTRING);
  const char *text = lua_tolstring(L, 1, &len);
  const char *wrong = read_ip(text, len, &ip);
  if (wrong != NULL)
    return fail_text(L, text, wrong);
  push_table(L, &ip);
  return 1;
}

/* ip.format(address | bytes) -> text. */
static int ip_format(lua_State *L) {
  struct ip ip = {.prefix = -1};
  if (lua_type(L, 1) == LUA_TSTRING)
    check_bytes(L, 1, 1, &ip);
  else
    check_table(L, 1, &ip);
  push_text(L, &ip);
  return 1;
}

/* The text or table at arg. Returns NULL, or what is wrong with a text. */
static const char *take(lua_State *L, int arg, struct ip *ip) {
  size_t len;
  if (lua_type(L, arg) != LUA_TSTRING) {
    check_table(L, arg, ip);
    return NULL;
  }
  const char *text = lua_tolstring(L, arg, &len);
  return read_ip(text, len, ip);
}

/* An IPv4 address that came through an IPv6 socket is one: else
   "::ffff:10.0.0.1" would pass by a rule about 10.0.0.0/8. */
static void unmap(struct ip *ip) {
  static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
  if (ip->n != 16 || memcmp(ip->bytes, mapped, sizeof mapped) != 0)
    return;
  memmove(ip->bytes, ip->bytes + 12, 4);
  ip->n = 4;
}

static bool same_bits(const unsigned char *a, const unsigned char *b,
                      int bits) {
  size_t whole = (size_t)bits / 8;
  unsigned int rest = (unsigned int)bits % 8;
  if (memcmp(a, b, whole) != 0)
    return false;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

/* ip.contains(network, address) -> boolean | nil, message, code. */
static int ip_contains(lua_State *L) {
  struct ip net, ip;
  const char *wrong = take(L, 1, &net);
  if (wrong != NULL)
    return fail_text(L, lua_tostring(L, 1), wrong);
  wrong = take(L, 2, &ip);
  if (wrong == NULL && ip.prefix >= 0)
    wrong = "a network, not an address";
  if (wrong != NULL)
    return lua_type(L, 2) == LUA_TSTRING
               ? fail_text(L, lua_tostring(L, 2), wrong)
               : luaL_argerror(L, 2, wrong);
  if (net.n == 4)
    unmap(&ip);
  int bits = net.prefix >= 0 ? net.prefix : (int)net.n * 8;
  lua_pushboolean(L, net.n == ip.n && same_bits(net.bytes, ip.bytes, bits));
  return 1;
}

static const luaL_Reg functions[] = {
    {"parse", ip_parse},
    {"format", ip_format},
    {"contains", ip_contains},
    {NULL, NULL},
};

int luaopen_neap_net_ip(lua_State *L) {
  struct neapL *N = neapL_require(L);
  lua_newtable(L);
  neapL_setfuncs(L, N, functions);
  return 1;
}
