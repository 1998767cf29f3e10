/*
 * serve.h: servers as scripts see them, between net.c and serve.c.
 */
#ifndef NEAP_LUA_SERVE_H
#define NEAP_LUA_SERVE_H

#include "include/neap.h"
#include "lua/neapl.h"

struct neapL_scope;

struct neapL_server {
  neap_server *server;         /* NULL: closed */
  bool warned;                 /* that descriptors run out was told once */
  struct neapL_scope *serving; /* of a server:serve that is under way */
  uint32_t nhandlers;          /* of it that have not ended */
  struct neap_list changed;    /* who waits for fewer handlers, or its end */
};

/* The parts that serve.c keeps, empty. */
void neapL_server_init(struct neapL_server *server);

/* Pushes the next connection and returns 0, or a negative code. Waits. */
int neapL_server_next(lua_State *L, struct neapL_server *server,
                      uint64_t due_ns);

/* Stops listening. Does not raise. */
void neapL_server_close(lua_State *L, struct neapL_server *server);

/* Methods: server:serve, server:shutdown. */
int neapL_server_serve(lua_State *L);
int neapL_server_shutdown(lua_State *L);

#endif
