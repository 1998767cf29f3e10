/*
 * tls.h: TLS as scripts see it. Where it was left out, tls_none.c has what is
 * declared here but the options.
 */
#ifndef NEAP_LUA_TLS_H
#define NEAP_LUA_TLS_H

#include "include/neap.h"
#include "lua/neapl.h"

/* Methods of connections and servers. */
int neapL_conn_starttls(lua_State *L);
int neapL_conn_handshake(lua_State *L);
int neapL_conn_info(lua_State *L);
int neapL_conn_session(lua_State *L);
int neapL_server_reload(lua_State *L);

/* Makes the types. */
void neapL_opentls(lua_State *L, struct neapL *N);

/* --- tls_info.c ----------------------------------------------------------- */

/* Makes its type. */
void neapL_opentlsinfo(lua_State *L, struct neapL *N);

/* --- tls_options.c -------------------------------------------------------- */

#define NEAPL_TLS_CONTEXT "neap.tls.context"

/* A context as scripts keep it. */
struct neapL_tlscontext {
  neap_tls_context *context; /* NULL: not made yet */
};

/* A table of options, read. Its userdata holds all that it points to. */
struct neapL_tlsoptions {
  neap_tls_options context;
  neap_tls_peer_options peer;
  uint64_t limit_ns; /* the field timeout, or NEAP_NEVER */
  struct neapL_tlscontext *box;
  char problem[256];
};

/* Reads the table at arg, for a server's or a client's side; raises what is
   wrong with it. Pushes the options, which need no stack place later than the
   context, and the context as a value that may not be made yet. */
struct neapL_tlsoptions *neapL_checktls(lua_State *L, int arg, bool server);

/* Makes the context, if it is not there. Waits. Returns 0 or a negative code
   for neapL_failtls. */
int neapL_maketls(neap_rt *rt, struct neapL_tlsoptions *options);

/* Pushes nil, message, code; returns 3. */
int neapL_failtls(lua_State *L, const struct neapL_tlsoptions *options,
                  int err);

#endif
