/* tls_info.c: conn:info and conn:session. */
#include "lua/stream.h"
#include "lua/tls.h"

#include <string.h>
#include <uv.h>

/* A peer's certificate while it is pushed: pushing may raise. */
#define CERT "neap.tls.cert"

static int cert_gc(lua_State *L) {
  neap_tls_free_cert(neapL_checkself(L, CERT));
  return 0;
}

void neapL_opentlsinfo(lua_State *L, struct neapL *N) {
  static const luaL_Reg methods[] = {{NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", cert_gc}, {NULL, NULL}};
  neapL_newtype(L, N, CERT, methods, meta);
}

static void set_text(lua_State *L, const char *name, const char *text) {
  lua_pushstring(L, text); /* NULL: nil */
  lua_setfield(L, -2, name);
}

static void set_bool(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void push_cert(lua_State *L, const neap_tls_cert *cert) {
  lua_createtable(L, 0, 8);
  set_text(L, "subject", cert->subject);
  set_text(L, "issuer", cert->issuer);
  set_text(L, "serial", cert->serial);
  set_text(L, "fingerprint", cert->fingerprint);
  set_text(L, "pem", cert->pem);
  lua_pushinteger(L, cert->not_before);
  lua_setfield(L, -2, "not_before");
  lua_pushinteger(L, cert->not_after);
  lua_setfield(L, -2, "not_after");
  lua_createtable(L, (int)cert->nnames, 0);
  const char *name = cert->names;
  for (size_t i = 0; i < cert->nnames; i++) {
    lua_pushstring(L, name);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
    name += strlen(name) + 1;
  }
  lua_setfield(L, -2, "names");
}

/* Sets the field peer, if the peer has shown a certificate. Returns 0 or a
   negative code. box is a userdata of CERT at index. */
static int set_peer(lua_State *L, const struct neapL_conn *conn,
                    neap_tls_cert *cert) {
  int err = neap_tls_peer_cert(conn->stream, cert);
  if (err < 0)
    return err == UV_ENOENT ? 0 : err;
  push_cert(L, cert);
  lua_setfield(L, -2, "peer");
  neap_tls_free_cert(cert);
  return 0;
}

static void push_info(lua_State *L, const neap_tls_info *info) {
  lua_createtable(L, 0, 8);
  set_text(L, "version", info->version);
  set_text(L, "cipher", info->cipher);
  set_text(L, "servername", info->servername);
  if (info->alpn != NULL) {
    lua_pushlstring(L, info->alpn, info->alpn_len);
    lua_setfield(L, -2, "alpn");
  }
  set_bool(L, "resumed", info->resumed);
  set_bool(L, "verified", info->verified);
  set_text(L, "verify", info->verify);
}

/* conn:info() -> table | nil, message, code. Waits for the handshake. */
int neapL_conn_info(lua_State *L) {
  neapL_waitrt(L);
  struct neapL_conn *conn = neapL_checkconn(L);
  neap_tls_cert *cert = lua_newuserdatauv(L, sizeof *cert, 0);
  memset(cert, 0, sizeof *cert);
  luaL_setmetatable(L, CERT);
  neap_tls_info info;
  int err = UV_EBADF;
  if (conn->stream != NULL)
    err = neap_tls_handshake(conn->stream, NEAP_NEVER);
  if (err == 0)
    err = neap_tls_describe(conn->stream, &info);
  if (err == 0) {
    push_info(L, &info);
    err = set_peer(L, conn, cert);
  }
  return err == 0 ? 1 : neapL_failconn(L, conn, err, NEAP_NEVER);
}

/* conn:session() -> string | nil, message, code. */
int neapL_conn_session(lua_State *L) {
  struct neapL_conn *conn = neapL_checkconn(L);
  neap_tls_cert *box = lua_newuserdatauv(L, sizeof *box, 0);
  memset(box, 0, sizeof *box);
  luaL_setmetatable(L, CERT); /* frees the session, should pushing it raise */
  int err = UV_EBADF;
  if (neapL_peekrt(L) != NULL && conn->stream != NULL)
    err = neap_tls_session(conn->stream, &box->memory);
  if (err == UV_ENOENT) {
    lua_pushnil(L);
    lua_pushliteral(L, "no session yet");
    lua_pushliteral(L, "ENOENT");
    return 3;
  }
  if (err < 0)
    return neapL_failconn(L, conn, err, NEAP_NEVER);
  lua_pushlstring(L, box->memory.base, box->memory.len);
  neap_tls_free_cert(box);
  return 1;
}
