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

/* Makes the type. */
void neapL_openconn(lua_State *L, struct neapL *N);

/* Pushes ip, port, family, or path, nil, "unix"; returns 3. */
int neapL_pushaddress(lua_State *L, const neap_address *address);

/* Pushes a connection that is closed, for what opens one. */
struct neapL_conn *neapL_newconn(lua_State *L);

#endif
