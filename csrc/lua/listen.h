/*
 * listen.h: where to connect to or listen, as an argument; listening.
 */
#ifndef NEAP_LUA_LISTEN_H
#define NEAP_LUA_LISTEN_H

#include "lua/neapl.h"

/* Where to: host and port, or "unix:/path" alone. options: the index of the
   table that may follow. */
struct neapL_target {
  const char *host;
  uint16_t port;
  bool is_unix;
  int options;
};

/* The arguments 1 and 2, or 1 alone; what follows them is an optional table,
   and the last argument. Raises for anything else. */
struct neapL_target neapL_checktarget(lua_State *L);

/* Pushes and returns the target's name for messages. */
const char *neapL_pushtarget(lua_State *L, const struct neapL_target *target);

/* As neapL_fail for what became of the target. */
int neapL_failtarget(lua_State *L, int err, const struct neapL_target *target);

/* Functions: net.listen, net.listen_fds. */
int neapL_net_listen(lua_State *L);
int neapL_net_listen_fds(lua_State *L);

#endif
