/*
 * stream.h: connections as scripts see them.
 */
#ifndef NEAP_LUA_STREAM_H
#define NEAP_LUA_STREAM_H

#include "include/neap.h"
#include "lua/neapl.h"

/* What Linux takes for TCP_KEEPIDLE. */
#define NEAPL_KEEPALIVE_MAX 32767

struct neapL_conn {
  const char *tag;            /* what tells it from another userdata */
  neap_stream *stream;        /* NULL: not opened yet, or closed */
  uint64_t read_ns, write_ns; /* time limits, for messages */
};

/* The connection that is the first argument; raises if it is none. */
struct neapL_conn *neapL_checkconn(lua_State *L);

/* The same for the value at index. */
struct neapL_conn *neapL_toconn(lua_State *L, int index);

/* Pushes nil, message, code for what a call on conn brought, and returns 3;
   limit_ns is what the call was limited to. Raises as neapL_fail. */
int neapL_failconn(lua_State *L, const struct neapL_conn *conn, int err,
                   uint64_t limit_ns);

/* The same of one that is closed: "EBADF". */
int neapL_conn_failclosed(lua_State *L);

/* Methods, of stream_write.c: */
int neapL_conn_write(lua_State *L);
int neapL_conn_shutdown(lua_State *L);

/* of stream_info.c: */
int neapL_conn_settimeout(lua_State *L);
int neapL_conn_address(lua_State *L);
int neapL_conn_peer(lua_State *L);
int neapL_conn_fd(lua_State *L);
int neapL_conn_nodelay(lua_State *L);
int neapL_conn_keepalive(lua_State *L);
int neapL_conn_sndbuf(lua_State *L);
int neapL_conn_rcvbuf(lua_State *L);

/* Makes the type. */
void neapL_openconn(lua_State *L, struct neapL *N);

/* Pushes ip, port, family, or path, nil, "unix"; returns 3. */
int neapL_pushaddress(lua_State *L, const neap_address *address);

/* Pushes a connection that is closed, for what opens one. */
struct neapL_conn *neapL_newconn(lua_State *L);

#endif
