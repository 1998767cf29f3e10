/* chan.c: neap.channel; how items stand for values is told in chan.h. */
#include "lua/chan.h"

#define TYPE "neap.channel"

/* Its address marks a channel. */
static const char mark = 'c';

/* The user values: the table of far places, or nil, and near ones from 2 to at
   most NEAR_MOST. Items number the far ones from there on. */
#define FAR       1
#define NEAR_MOST 63
#define NEAR_MORE 4 /* than the capacity: for senders that wait */

/* What an item is, in its low bits; the rest is the value. */
#define TAG_BITS 3
enum { TAG_PLACE, TAG_INTEGER, TAG_BOOLEAN };

/* --- items ---------------------------------------------------------------- */

static void check_value(lua_State *L, int index) {
  if (lua_isnoneornil(L, index))
    luaL_argerror(L, index, "nil cannot be sent: it means the end");
}

/* Pushes the table of far places, which may have to be made. */
static void push_far(lua_State *L, int self) {
  if (lua_getiuservalue(L, self, FAR) != LUA_TNIL)
    return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, self, FAR);
}

/* Keeps the value on the top in the first free far place, or behind the last.
   May raise: nothing has happened then. */
static uint32_t keep_far(lua_State *L, struct neapL_chan *ch, int self) {
  uint32_t place = ch->far, next = 0;
  push_far(L, self);
  if (place != 0) {
    lua_rawgeti(L, -1, place);
    next = (uint32_t)lua_tointeger(L, -1);
    lua_pop(L, 1);
  } else {
    place = ch->far_most + 1;
  }
  lua_insert(L, -2);
  lua_rawseti(L, -2, place);
  lua_pop(L, 1);
  ch->far = next;
  if (place > ch->far_most)
    ch->far_most = place;
  return place;
}

static uint32_t keep_in_place(lua_State *L, struct neapL_chan *ch, int self,
                              int index) {
  lua_pushvalue(L, index);
  if (ch->near == 0)
    return NEAR_MOST + keep_far(L, ch, self);
  int place = __builtin_ctzll(ch->near);
  ch->near &= ch->near - 1;
  lua_setiuservalue(L, self, place);
  return (uint32_t)place;
}

uint64_t neapL_chan_keep(lua_State *L, struct neapL_chan *ch, int self,
                         int index) {
  if (lua_isinteger(L, index)) {
    lua_Integer n = lua_tointeger(L, index);
    uint64_t shifted = (uint64_t)n << TAG_BITS;
    if ((int64_t)shifted >> TAG_BITS == n)
      return shifted | TAG_INTEGER;
  } else if (lua_isboolean(L, index)) {
    return (uint64_t)lua_toboolean(L, index) << TAG_BITS | TAG_BOOLEAN;
  }
  check_value(L, index);
  return (uint64_t)keep_in_place(L, ch, self, index) << TAG_BITS | TAG_PLACE;
}

/* Pushes the value in a far place, and gives the place back. */
static void take_far(lua_State *L, struct neapL_chan *ch, int self,
                     uint32_t place) {
  lua_getiuservalue(L, self, FAR);
  lua_rawgeti(L, -1, place);
  lua_pushinteger(L, ch->far);
  lua_rawseti(L, -3, place);
  lua_remove(L, -2);
  ch->far = place;
}

static void take_place(lua_State *L, struct neapL_chan *ch, int self,
                       uint32_t place) {
  if (place > NEAR_MOST) {
    take_far(L, ch, self, place - NEAR_MOST);
    return;
  }
  lua_getiuservalue(L, self, (int)place);
  lua_pushnil(L);
  lua_setiuservalue(L, self, (int)place);
  ch->near |= (uint64_t)1 << place;
}

void neapL_chan_take(lua_State *L, struct neapL_chan *ch, int self,
                     uint64_t item) {
  switch (item & ((1 << TAG_BITS) - 1)) {
  case TAG_INTEGER:
    lua_pushinteger(L, (int64_t)item >> TAG_BITS);
    break;
  case TAG_BOOLEAN:
    lua_pushboolean(L, item >> TAG_BITS != 0);
    break;
  default:
    take_place(L, ch, self, (uint32_t)(item >> TAG_BITS));
    break;
  }
}

/* The value of an item stays with the caller: it is forgotten. */
static void forget(lua_State *L, struct neapL_chan *ch, uint64_t item) {
  neapL_chan_take(L, ch, 1, item);
  lua_pop(L, 1);
}

void neapL_chan_reserve(lua_State *L, struct neapL_chan *ch, int self,
                        uint32_t n) {
  uint32_t have = (uint32_t)__builtin_popcountll(ch->near);
  if (have >= n)
    return;
  push_far(L, self);
  for (uint32_t at = ch->far; at != 0 && have < n; have++) {
    lua_rawgeti(L, -1, at);
    at = (uint32_t)lua_tointeger(L, -1);
    lua_pop(L, 1);
  }
  for (; have < n; have++) {
    lua_pushinteger(L, ch->far);
    lua_rawseti(L, -2, ch->far_most + 1);
    ch->far = ++ch->far_most;
  }
  lua_pop(L, 1);
}

/* --- the type ------------------------------------------------------------- */

/*
 * The channel at 1. A fifth of the instructions that looking at the metatable
 * takes: no other userdata begins with the address of our mark, since it is
 * wiped before a channel's memory is given back.
 */
static inline struct neapL_chan *check_self(lua_State *L) {
  struct neapL_chan *ch = lua_touserdata(L, 1);
  if (ch != NULL && lua_rawlen(L, 1) >= sizeof *ch && ch->mark == &mark)
    return ch;
  return luaL_checkudata(L, 1, TYPE);
}

struct neapL_chan *neapL_chan_test(lua_State *L, int index) {
  return luaL_testudata(L, index, TYPE);
}

static int fail(lua_State *L, const char *message, const char *code) {
  lua_pushnil(L);
  lua_pushstring(L, message);
  lua_pushstring(L, code);
  return 3;
}

int neapL_chan_closed(lua_State *L, int err) {
  return fail(L, "channel is closed", err == UV_EOF ? "EOF" : "EPIPE");
}

/* What a send or receive with a timeout at arg returns that came to nothing. */
static int fail_wait(lua_State *L, int err, int arg) {
  if (err == UV_EOF || err == UV_EPIPE)
    return neapL_chan_closed(L, err);
  return neapL_failwait(L, err, lua_tonumber(L, arg));
}

/* Whether it may be waited here must only be looked at in earnest when it will
   be: a call that goes through at once stays short. */
static inline void enter(lua_State *L, const struct neapL_chan *ch,
                         bool waits) {
  struct neapL *N = ch->N;
  if (waits || N->rt == NULL || N->rt->sched.budget <= 0 || N->coblocks > 0)
    neapL_waitrt_of(L, N);
}

/* As neapL_opttimeout, quickly when there are fewer arguments. */
static inline uint64_t opt_timeout(lua_State *L, int arg) {
  return lua_gettop(L) < arg ? NEAP_FOREVER : neapL_opttimeout(L, arg);
}

/* channel:send(value [, timeout]) -> true | nil, message, code. Waits. */
static int chan_send(lua_State *L) {
  struct neapL_chan *ch = check_self(L);
  uint64_t due = opt_timeout(L, 3);
  enter(L, ch, !neap__chan_can_send(&ch->core));
  uint64_t item = neapL_chan_keep(L, ch, 1, 2);
  int err = neap__chan_send(&ch->core, item, due);
  if (err < 0) {
    forget(L, ch, item);
    return fail_wait(L, err, 3);
  }
  lua_pushboolean(L, true);
  return 1;
}

/* channel:try_send(value) -> true | nil, message, code. Does not wait. */
static int chan_try_send(lua_State *L) {
  struct neapL_chan *ch = check_self(L);
  neapL_rt(L);
  uint64_t item = neapL_chan_keep(L, ch, 1, 2);
  int err = neap__chan_try_send(&ch->core, item);
  if (err < 0) {
    forget(L, ch, item);
    return err == UV_EAGAIN ? fail(L, "channel is full", "EAGAIN")
                            : neapL_chan_closed(L, err);
  }
  lua_pushboolean(L, true);
  return 1;
}

/* channel:recv([timeout]) -> value | nil, message, code. Waits. */
static int chan_recv(lua_State *L) {
  struct neapL_chan *ch = check_self(L);
  uint64_t due = opt_timeout(L, 2);
  uint64_t item;
  enter(L, ch, !neap__chan_can_recv(&ch->core));
  int err = neap__chan_recv(&ch->core, due, &item);
  if (err < 0)
    return fail_wait(L, err, 2);
  neapL_chan_take(L, ch, 1, item);
  return 1;
}

/* channel:try_recv() -> value | nil, message, code. Does not wait. */
static int chan_try_recv(lua_State *L) {
  struct neapL_chan *ch = check_self(L);
  uint64_t item;
  neapL_rt(L);
  int err = neap__chan_try_recv(&ch->core, &item);
  if (err < 0)
    return err == UV_EAGAIN ? fail(L, "channel is empty", "EAGAIN")
                            : neapL_chan_closed(L, err);
  neapL_chan_take(L, ch, 1, item);
  return 1;
}

/* for value in channel do: the next value, nil at the end. Waits. */
static int chan_call(lua_State *L) {
  lua_settop(L, 1);
  return chan_recv(L);
}

/* channel:close() -> true. Does not wait. */
static int chan_close(lua_State *L) {
  struct neapL_chan *ch = check_self(L);
  if (neapL_peekrt(L) != NULL)
    neap__chan_close(&ch->core);
  lua_pushboolean(L, true);
  return 1;
}

/* #channel: how many values are in it. */
static int chan_len(lua_State *L) {
  const struct neapL_chan *ch = luaL_checkudata(L, 1, TYPE);
  lua_pushinteger(L, ch->core.n);
  return 1;
}

static int chan_tostring(lua_State *L) {
  const struct neapL_chan *ch = luaL_checkudata(L, 1, TYPE);
  lua_pushfstring(L, "channel (%d of %d%s)", (int)ch->core.n,
                  (int)ch->core.capacity, ch->core.closed ? ", closed" : "");
  return 1;
}

/* Waiters, if there are any: the state is closing. */
static int chan_gc(lua_State *L) {
  struct neapL_chan *ch = luaL_checkudata(L, 1, TYPE);
  neapL_gc_enter(L, !neap__list_empty(&ch->core.senders) ||
                        !neap__list_empty(&ch->core.receivers));
  ch->core.closed = true; /* for close handlers that still find it */
  ch->mark = NULL;
  return 0;
}

/* neap.channel([capacity]) -> channel. Does not wait. */
static int neap_channel(lua_State *L) {
  lua_Integer capacity = luaL_optinteger(L, 1, 0);
  neap_rt *rt = neapL_rt(L);
  luaL_argcheck(L, capacity >= 0, 1, "negative capacity");
  luaL_argcheck(L, capacity <= INT32_MAX, 1, "capacity out of range");
  size_t size = sizeof(struct neapL_chan) + (size_t)capacity * sizeof(uint64_t);
  int last = NEAR_MOST;
  if (capacity < NEAR_MOST - NEAR_MORE)
    last = 1 + (int)capacity + NEAR_MORE;
  struct neapL_chan *ch = lua_newuserdatauv(L, size, last);
  ch->mark = NULL;
  ch->N = neapL_self(L);
  ch->near = (UINT64_MAX >> (63 - last)) & ~(uint64_t)3; /* bits 2 .. last */
  ch->far = ch->far_most = 0;
  neap__chan_init(&ch->core, rt, ch->items, (uint32_t)capacity);
  luaL_setmetatable(L, TYPE);
  ch->mark = &mark; /* from now on it is wiped in time */
  return 1;
}

static const luaL_Reg functions[] = {{"channel", neap_channel}, {NULL, NULL}};

static const luaL_Reg chan_methods[] = {
    {"send", chan_send},         {"recv", chan_recv},
    {"try_send", chan_try_send}, {"try_recv", chan_try_recv},
    {"close", chan_close},       {NULL, NULL}};

static const luaL_Reg chan_meta[] = {
    {"__call", chan_call},   {"__len", chan_len}, {"__tostring", chan_tostring},
    {"__close", chan_close}, {"__gc", chan_gc},   {NULL, NULL}};

void neapL_chan_open(lua_State *L, struct neapL *N) {
  neapL_newtype(L, N, TYPE, chan_methods, chan_meta);
  neapL_setfuncs(L, N, functions);
}
