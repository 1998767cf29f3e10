/* watch.c: fs.watch and its watchers. */
#include "lua/fs.h"
#include "lua/select.h"

#include <uv.h>

#define TYPE "neap.watcher"

struct watcher {
  neap_watch *watch; /* NULL: not open yet, or closed */
};

static struct watcher *check(lua_State *L) {
  return neapL_checkself(L, TYPE);
}

/* Pushes the message of a failure, with the limit behind it. */
static void push_message(lua_State *L, int err, const char *limit) {
  if (limit != NULL)
    lua_pushfstring(L, "%s (limit reached: %s)", neapL_strerror(err), limit);
  else
    lua_pushstring(L, neapL_strerror(err));
}

/* fs.watch(path [, {recursive=, poll=}]) -> watcher | nil, message, code.
 * Waits. */
static int fs_watch(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  neapL_checkoptions(L, 2);
  neap_watch_options options = {
      .size = sizeof options,
      .recursive = neapL_optfieldbool(L, 2, "recursive", false),
      .poll_ns = neapL_optfieldseconds(L, 2, "poll", 0),
  };
  if (options.poll_ns == NEAP_FOREVER)
    return neapL_fielderror(L, 2, "poll", "a finite time expected");
  neap_rt *rt = neapL_waitrt(L);
  struct watcher *watcher = lua_newuserdatauv(L, sizeof *watcher, 0);
  watcher->watch = NULL;
  luaL_setmetatable(L, TYPE);
  neap_watch *watch;
  int err = neap_watch_open(rt, path, &options, &watch);
  if (err < 0) {
    neapL_raise(L, err);
    lua_pushnil(L);
    push_message(L, err, options.limit);
    lua_pushfstring(L, "%s: %s", path, lua_tostring(L, -1));
    lua_replace(L, -2);
    lua_pushstring(L, uv_err_name(err));
    return 3;
  }
  watcher->watch = watch;
  return 1;
}

static void set_string(lua_State *L, const char *name, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, name);
}

static int push_event(lua_State *L, const neap_watch_event *event) {
  lua_createtable(L, 0, 4);
  set_string(L, "path", event->path);
  set_string(L, "name", event->name);
  set_string(L, "kind", event->kind);
  if (event->from != NULL)
    set_string(L, "from", event->from);
  if (event->overflow) {
    lua_pushboolean(L, true);
    lua_setfield(L, -2, "overflow");
  }
  if (event->err < 0) {
    push_message(L, event->err, event->limit);
    lua_setfield(L, -2, "message");
    set_string(L, "code", uv_err_name(event->err));
  }
  return 1;
}

/* What became of a wait for an event; seconds: how long it was to last. */
static int push_result(lua_State *L, int more, const neap_watch_event *event,
                       double seconds) {
  if (more == 1)
    return push_event(L, event);
  if (more == UV_ETIMEDOUT)
    return neapL_timedout(L, seconds);
  if (more == UV_EBADF) {
    lua_pushnil(L);
    lua_pushliteral(L, "watcher is closed");
    lua_pushliteral(L, "EBADF");
    return 3;
  }
  return neapL_fail(L, more == 0 ? UV_EOF : more, "watch");
}

/* watcher:wait([timeout]) -> event | nil, message, code. Waits. nil, "...",
 * "EOF" when what was watched is gone. */
static int watcher_wait(lua_State *L) {
  struct watcher *watcher = check(L);
  uint64_t due_ns = neapL_opttimeout(L, 2);
  neap_watch_event event;
  neapL_waitrt(L);
  int more = UV_EBADF;
  if (watcher->watch != NULL)
    more = neap_watch_next(watcher->watch, due_ns, &event);
  return push_result(L, more, &event, luaL_optnumber(L, 2, 0));
}

/* For neap.select: as wait. */
static int watcher_select(lua_State *L) {
  struct watcher *watcher = check(L);
  bool woken = lua_toboolean(L, 2);
  neap_watch_event event;
  int more = woken ? UV_ECANCELED : UV_EBADF;
  if (watcher->watch != NULL)
    more = neap_watch_try(watcher->watch, woken, &event);
  if (more == UV_EAGAIN)
    return neapL_select_later(L, neap_watch_queue(watcher->watch), false,
                              "watch");
  lua_pushboolean(L, true);
  return 1 + push_result(L, more, &event, 0);
}

/* for event in watcher do: ends when the watcher is closed, or when what was
 * watched is gone. Waits. */
static int watcher_call(lua_State *L) {
  struct watcher *watcher = check(L);
  neap_watch_event event;
  neapL_waitrt(L);
  if (watcher->watch == NULL)
    return 0;
  int more = neap_watch_next(watcher->watch, NEAP_FOREVER, &event);
  if (more == 1)
    return push_event(L, &event);
  if (more == 0 || more == UV_EBADF || more == UV_ECANCELED)
    return 0;
  neapL_checkwait(L, more);
  return luaL_error(L, "watch: %s", neapL_strerror(more));
}

static void close_watch(struct watcher *watcher) {
  neap_watch_close(watcher->watch);
  watcher->watch = NULL;
}

/* watcher:close() -> true. Does not wait. */
static int watcher_close(lua_State *L) {
  struct watcher *watcher = check(L);
  if (neapL_peekrt(L) != NULL)
    close_watch(watcher);
  lua_pushboolean(L, true);
  return 1;
}

static int watcher_gc(lua_State *L) {
  struct watcher *watcher = check(L);
  if (watcher->watch == NULL || neapL_peekrt(L) == NULL)
    return 0;
  neapL_gc_enter(L, neap_watch_waited(watcher->watch));
  if (watcher->watch == NULL || neapL_peekrt(L) == NULL)
    return 0;
  close_watch(watcher);
  neapL_warn(L, "a watcher was not closed");
  return 0;
}

static int watcher_tostring(lua_State *L) {
  struct watcher *watcher = check(L);
  if (neapL_peekrt(L) == NULL || watcher->watch == NULL)
    lua_pushliteral(L, "watcher (closed)");
  else
    lua_pushfstring(L, "watcher (%p)", (void *)watcher->watch);
  return 1;
}

static const luaL_Reg watcher_methods[] = {
    {"wait", watcher_wait},
    {"close", watcher_close},
    {NULL, NULL},
};

static const luaL_Reg watcher_meta[] = {
    {"__call", watcher_call},
    {"__close", watcher_close},
    {"__gc", watcher_gc},
    {"__select", watcher_select},
    {"__tostring", watcher_tostring},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"watch", fs_watch},
    {NULL, NULL},
};

void neapL_watch_open(lua_State *L, struct neapL *N) {
  neapL_newtype(L, N, TYPE, watcher_methods, watcher_meta);
  neapL_setfuncs(L, N, functions);
}
