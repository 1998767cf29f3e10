/*
 * serve.c: server:serve and server:shutdown: a task per connection, in one
 * scope. The scope is isolated: a handler's failure is its own.
 */
#include "lua/serve.h"

#include "core/waitq.h"
#include "lua/cancelled.h"
#include "lua/scope_life.h"
#include "lua/stream.h"
#include "lua/task.h"
#include "lua/traceback.h"

#define SERVER "neap.server"

void neapL_server_init(struct neapL_server *server) {
  neap__list_init(&server->changed);
}

/* (fn, conn): calls fn(conn) in a scope: what it spawns ends before this
   does. Waits. */
static int handle_in_scope(lua_State *L) {
  struct neapL_scope *scope = neapL_scope_begin(L, neapL_self(L), NEAP_FOREVER);
  enum neapL_end how;
  neapL_scope_call(L, scope, 1, &how);
  return 0;
}

static void close_conn(lua_State *L, int index) {
  struct neapL_conn *conn = lua_touserdata(L, index);
  neap_stream *stream = conn->stream;
  conn->stream = NULL;
  if (stream != NULL && neapL_peekrt(L) != NULL)
    neap_stream_close(stream);
}

/* A handler's task: (fn, conn, on_error or nil, server, open connections).
   Waits. */
static int handle(lua_State *L) {
  struct neapL *N = neapL_self(L);
  struct neapL_server *server = lua_touserdata(L, 4);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushcclosure(L, handle_in_scope, 1);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  int status = neapL_traceback_call(L, 2);
  close_conn(L, 2);
  lua_pushvalue(L, 2);
  lua_pushnil(L);
  lua_rawset(L, 5); /* a key that is there: allocates nothing */
  server->nhandlers--;
  neap__waitq_wake_all(&server->changed, 0);
  if (status == LUA_OK)
    return 0;
  const struct neap_task *task = N->rt->sched.current;
  if (lua_isnil(L, 3) || neapL_cancelled_ends(L, N, task))
    return lua_error(L);
  lua_pushvalue(L, 3);
  lua_insert(L, -2);
  lua_pushvalue(L, 2);
  lua_call(L, 2, 0);
  return 0;
}

/* Waits until a handler may begin: where the runtime has as many tasks as it
   may, one of ours has to end. Raises what ends the wait. */
static void wait_for_room(lua_State *L, struct neapL_server *server,
                          uint32_t limit) {
  neap_rt *rt = neapL_rt(L);
  while (server->nhandlers >= limit ||
         (server->nhandlers > 0 && neap__sched_full(&rt->sched))) {
    int err =
        neap__waitq_wait(rt, &server->changed, "serve", NEAP_FOREVER, true);
    neapL_checkwait(L, err);
  }
}

/* The connection on the top is in the table of open ones, or not. */
static void set_open(lua_State *L, bool open) {
  lua_pushvalue(L, -1);
  if (open)
    lua_pushboolean(L, true);
  else
    lua_pushnil(L);
  lua_rawset(L, 4);
}

/* Spawns the handler of the connection on the top. Where there are as many
   tasks as there may be, and none of them is a handler, it is closed. */
static void begin_handler(lua_State *L, struct neapL *N,
                          struct neapL_server *server) {
  static const struct neapL_spawn how = {.name = "serve"};
  if (neap__sched_full(&N->rt->sched)) {
    close_conn(L, -1);
    set_open(L, false);
    neapL_warn(L, "serve: a connection was closed: too many tasks");
    return;
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushcclosure(L, handle, 1);
  lua_insert(L, 6);
  lua_pushvalue(L, 1);
  lua_insert(L, 7); /* handle, fn, conn */
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  lua_pushvalue(L, 4);
  neapL_task_spawn(L, N, &how, 5);
  server->nhandlers++;
}

/* (fn, on_error or nil, server, open connections, limit): accepts until the
   server is closed. Returns nothing then, or nil, message, code. Waits. */
static int accept_all(lua_State *L) {
  struct neapL *N = neapL_self(L);
  struct neapL_server *server = lua_touserdata(L, 3);
  uint32_t limit = (uint32_t)lua_tointeger(L, 5);
  for (;;) {
    wait_for_room(L, server, limit);
    int err = neapL_server_next(L, server, NEAP_FOREVER);
    if (server->server == NULL) { /* shut down, or closed */
      neapL_raise(L, err);
      return 0;
    }
    if (err < 0)
      return neapL_fail(L, err, "accept");
    set_open(L, true);
    wait_for_room(L, server, limit); /* others may have spawned meanwhile */
    begin_handler(L, N, server);
    lua_settop(L, 5);
  }
}

/* Closes the connections whose handlers were cancelled before they began. The
   table of open ones is at index 4. */
static void close_rest(lua_State *L) {
  lua_pushnil(L);
  while (lua_next(L, 4) != 0) {
    lua_pop(L, 1);
    close_conn(L, -1);
  }
}

/* The arguments (server, fn, options) become (fn, on_error or nil, server, open
   connections, limit). */
static void arrange(lua_State *L) {
  neapL_checkcallable(L, 2);
  neapL_checkoptions(L, 3);
  lua_settop(L, 3);
  lua_Integer limit = neapL_optfieldint(L, 3, "limit", 1, INT32_MAX, INT32_MAX);
  if (lua_isnil(L, 3))
    lua_pushnil(L);
  else if (lua_getfield(L, 3, "on_error") != LUA_TNIL &&
           !neapL_iscallable(L, -1))
    neapL_fielderror(L, 3, "on_error", "function expected");
  lua_replace(L, 3); /* server, fn, on_error */
  lua_pushvalue(L, 1);
  lua_remove(L, 1);
  lua_newtable(L);
  lua_pushinteger(L, limit);
}

/* server:serve(fn [, {limit=, on_error=}]) -> true | nil, message, code. Waits
   until the server is closed and every handler has ended. */
int neapL_server_serve(lua_State *L) {
  struct neapL *N = neapL_self(L);
  neapL_waitrt(L);
  struct neapL_server *server = neapL_checkself(L, SERVER);
  if (server->serving != NULL)
    return luaL_error(L, "the server is being served already");
  arrange(L);
  struct neapL_scope *scope = neapL_scope_begin(L, N, NEAP_FOREVER);
  scope->is_isolated = true;
  server->serving = scope;
  server->nhandlers = 0;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushcclosure(L, accept_all, 1);
  for (int i = 1; i <= 5; i++)
    lua_pushvalue(L, i);
  int status = neapL_traceback_call(L, 5);
  enum neapL_end how = neapL_scope_end(L, scope, status != LUA_OK);
  server->serving = NULL;
  server->nhandlers = 0;
  neap__waitq_wake_all(&server->changed, 0);
  if (neapL_peekrt(L) != NULL)
    close_rest(L);
  neapL_scope_raise_outside(L, N, how);
  if (how == NEAPL_END_WELL && status != LUA_OK)
    return lua_error(L);
  if (how == NEAPL_END_WELL && lua_gettop(L) > 6)
    return 3; /* nil, message, code of an accept */
  lua_pushboolean(L, true);
  return 1;
}

/* Waits until nothing is served any more. Returns 0 or a negative code. */
static int wait_for_end(lua_State *L, struct neapL_server *server,
                        uint64_t due_ns) {
  int err = neap__op_check(neapL_rt(L));
  while (err == 0 && server->serving != NULL)
    err = neap__waitq_wait(neapL_rt(L), &server->changed, "shutdown", due_ns,
                           true);
  return err;
}

/* server:shutdown([grace]) -> boolean. Waits. */
int neapL_server_shutdown(lua_State *L) {
  neapL_waitrt(L);
  struct neapL_server *server = neapL_checkself(L, SERVER);
  uint64_t grace_ns = neapL_optseconds(L, 2, NEAP_FOREVER);
  neapL_server_close(L, server);
  uint64_t due =
      grace_ns > 0 ? neap__timer_after(neapL_self(L)->rt, grace_ns) : 0;
  int err = wait_for_end(L, server, due);
  bool in_time = err == 0;
  if (err == UV_ETIMEDOUT && server->serving != NULL) {
    neap__cancel_entry(&server->serving->core.entry, NEAP_WHY_ASKED);
    err = wait_for_end(L, server, NEAP_FOREVER);
  }
  neapL_checkwait(L, err);
  lua_pushboolean(L, in_time);
  return 1;
}
