/* tls_none.c: a build without OpenSSL: it says so. */
#include "lua/stream.h"
#include "lua/tls.h"
#include "neap_lua.h"

#define MISSING "TLS is not in this build of neap: OpenSSL 3 was not found"

static int fail(lua_State *L) {
  lua_pushnil(L);
  lua_pushliteral(L, MISSING);
  lua_pushliteral(L, "ENOTSUP");
  return 3;
}

/* conn:starttls, conn:handshake, conn:info, conn:session, server:reload:
   -> nil, message, "ENOTSUP". */
int neapL_conn_starttls(lua_State *L) {
  neapL_checkconn(L);
  return fail(L);
}

int neapL_conn_handshake(lua_State *L) {
  neapL_checkconn(L);
  return fail(L);
}

int neapL_conn_info(lua_State *L) {
  neapL_checkconn(L);
  return fail(L);
}

int neapL_conn_session(lua_State *L) {
  neapL_checkconn(L);
  return fail(L);
}

int neapL_server_reload(lua_State *L) {
  return fail(L);
}

void neapL_opentls(lua_State *L, struct neapL *N) {
  (void)L;
  (void)N;
}

int luaopen_neap_tls(lua_State *L) {
  return luaL_error(L, "neap.tls: " MISSING
                       " (Debian: install libssl-dev and build again)");
}
