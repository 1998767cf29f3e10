/* signal.c: the module neap.signal. */
#include "lua/signal.h"

#include "include/neap_lua.h"
#include "lua/select.h"

#include <uv.h>

#define TYPE "neap.listener"

/* As many as there are signals. */
#define MAX_SIGNALS 64

struct box {
  neap_listener *listener; /* NULL: not opened yet, or closed */
};

/* --- names ------------------------------------------------------------ */

static int signal_of(lua_State *L, int index, int arg) {
  const char *name = lua_tostring(L, index);
  int signum = neap_signal_number(name);
  if (signum == 0)
    luaL_argerror(L, arg, lua_pushfstring(L, "unknown signal '%s'", name));
  return signum;
}

int neapL_checksignal(lua_State *L, int arg) {
  if (lua_type(L, arg) != LUA_TSTRING)
    luaL_typeerror(L, arg, "name of a signal");
  return signal_of(L, arg, arg);
}

int neapL_optsignal(lua_State *L, int arg, int def) {
  if (lua_isnoneornil(L, arg))
    return def;
  if (lua_type(L, arg) != LUA_TNUMBER)
    return neapL_checksignal(L, arg);
  lua_Integer signum = luaL_checkinteger(L, arg);
  luaL_argcheck(L, signum >= 0 && signum <= MAX_SIGNALS, arg,
                "number of a signal out of range");
  return (int)signum;
}

void neapL_pushsignal(lua_State *L, int signum) {
  const char *name = neap_signal_name(signum);
  if (name != NULL)
    lua_pushstring(L, name);
  else
    lua_pushfstring(L, "signal %d", signum);
}

/* The names in the table at 1. */
static size_t check_signals(lua_State *L, int *signums) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
  luaL_argcheck(L, n > 0, 1, "no signals");
  luaL_argcheck(L, n <= MAX_SIGNALS, 1, "too many signals");
  for (lua_Integer i = 1; i <= n; i++) {
    if (lua_rawgeti(L, 1, i) != LUA_TSTRING)
      luaL_argerror(L, 1,
                    lua_pushfstring(L, "name of a signal expected, got %s",
                                    luaL_typename(L, -1)));
    signums[i - 1] = signal_of(L, -1, 1);
    lua_pop(L, 1);
  }
  return (size_t)n;
}

/* --- listeners -------------------------------------------------------- */

static struct box *check_box(lua_State *L) {
  return neapL_checkself(L, TYPE);
}

static struct box *new_box(lua_State *L) {
  struct box *box = lua_newuserdatauv(L, sizeof *box, 0);
  box->listener = NULL;
  luaL_setmetatable(L, TYPE);
  return box;
}

static void close_box(lua_State *L, struct box *box) {
  neap_listener *listener = box->listener;
  box->listener = NULL;
  if (listener != NULL && neapL_peekrt(L) != NULL)
    neap_listener_close(listener);
}

/* Some signals can't be listened to: a mistake of the script's. */
static void open_box(lua_State *L, const int *signums, size_t n,
                     struct box *box) {
  int err = neap_signal_listen(neapL_rt(L), signums, n, &box->listener);
  neapL_checkwait(L, err);
  if (err == UV_EINVAL)
    luaL_argerror(L, 1, "a signal that cannot be listened to");
  if (err < 0)
    luaL_error(L, "cannot listen to signals: %s", neapL_strerror(err));
}

/* signal.listen{name, ...} -> listener. Does not wait. */
static int signal_listen(lua_State *L) {
  int signums[MAX_SIGNALS];
  size_t n = check_signals(L, signums);
  struct box *box = new_box(L);
  open_box(L, signums, n, box);
  return 1;
}

static int push_result(lua_State *L, const struct box *box, int result,
                       uint64_t limit_ns) {
  if (result >= 0) {
    neapL_pushsignal(L, result);
    return 1;
  }
  if (result == UV_ETIMEDOUT)
    return neapL_timedout(L, (double)limit_ns / 1e9);
  if (result == UV_EBADF && box->listener == NULL) {
    lua_pushnil(L);
    lua_pushliteral(L, "listener is closed");
    lua_pushliteral(L, "EBADF");
    return 3;
  }
  return neapL_fail(L, result, "listener:wait");
}

static int wait_box(lua_State *L, struct box *box, uint64_t limit_ns) {
  if (box->listener == NULL)
    return UV_EBADF;
  return neap_listener_wait(box->listener,
                            neap__timer_after(neapL_self(L)->rt, limit_ns));
}

/* listener:wait([timeout]) -> name | nil, message, code. Waits. */
static int listener_wait(lua_State *L) {
  struct box *box = check_box(L);
  uint64_t limit_ns = neapL_optseconds(L, 2, NEAP_FOREVER);
  neapL_waitrt(L);
  int result = wait_box(L, box, limit_ns);
  return push_result(L, box, result, limit_ns);
}

/* for name in listener do: until it is closed. Waits. */
static int listener_call(lua_State *L) {
  struct box *box = check_box(L);
  neapL_waitrt(L);
  int result = wait_box(L, box, NEAP_FOREVER);
  if (result >= 0 || box->listener != NULL)
    return push_result(L, box, result, NEAP_FOREVER);
  neapL_raise(L, result);
  lua_pushnil(L);
  return 1;
}

/* signal.wait(name [, timeout]) -> name | nil, message, code. Waits. */
static int signal_wait(lua_State *L) {
  int signum = neapL_checksignal(L, 1);
  uint64_t limit_ns = neapL_optseconds(L, 2, NEAP_FOREVER);
  neapL_waitrt(L);
  struct box *box = new_box(L);
  open_box(L, &signum, 1, box);
  int result = wait_box(L, box, limit_ns);
  close_box(L, box);
  return push_result(L, box, result, limit_ns);
}

/* signal.ignore(name) -> true. Does not wait. */
static int signal_ignore(lua_State *L) {
  int signum = neapL_checksignal(L, 1);
  int err = neap_signal_ignore(neapL_rt(L), signum);
  if (err == UV_EINVAL)
    return luaL_argerror(L, 1, "a signal that cannot be ignored");
  if (err < 0)
    return neapL_fail(L, err, "signal.ignore");
  lua_pushboolean(L, true);
  return 1;
}

/* For neap.select: as wait. */
static int listener_select(lua_State *L) {
  struct box *box = check_box(L);
  bool woken = lua_toboolean(L, 2);
  int result = woken ? UV_ECANCELED : UV_EBADF;
  if (box->listener != NULL)
    result = neap_listener_try(box->listener, woken);
  if (result == UV_EAGAIN)
    return neapL_select_later(L, neap_listener_queue(box->listener), false,
                              "listener:wait");
  lua_pushboolean(L, true);
  return 1 + push_result(L, box, result, NEAP_FOREVER);
}

/* listener:close() -> true. */
static int listener_close(lua_State *L) {
  close_box(L, check_box(L));
  lua_pushboolean(L, true);
  return 1;
}

static int listener_gc(lua_State *L) {
  struct box *box = check_box(L);
  if (box->listener == NULL || neapL_peekrt(L) == NULL)
    return 0;
  neapL_gc_enter(L, neap_listener_waited(box->listener));
  if (box->listener == NULL || neapL_peekrt(L) == NULL)
    return 0;
  close_box(L, box);
  neapL_warn(L, "a signal listener was not closed");
  return 0;
}

static int listener_tostring(lua_State *L) {
  const struct box *box = check_box(L);
  bool open = box->listener != NULL && neapL_peekrt(L) != NULL;
  lua_pushfstring(L, "signal listener (%s)", open ? "open" : "closed");
  return 1;
}

static const luaL_Reg listener_methods[] = {
    {"wait", listener_wait},
    {"close", listener_close},
    {NULL, NULL},
};

static const luaL_Reg listener_meta[] = {
    {"__call", listener_call},
    {"__close", listener_close},
    {"__gc", listener_gc},
    {"__select", listener_select},
    {"__tostring", listener_tostring},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"listen", signal_listen},
    {"wait", signal_wait},
    {"ignore", signal_ignore},
    {NULL, NULL},
};

int luaopen_neap_signal(lua_State *L) {
  struct neapL *N = neapL_require(L);
  neapL_newtype(L, N, TYPE, listener_methods, listener_meta);
  lua_newtable(L);
  neapL_setfuncs(L, N, functions);
  return 1;
}
