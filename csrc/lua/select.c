/* select.c: neap.select; what objects provide for it is told in select.h. */
#include "lua/select.h"

#include "core/select.h"
#include "lua/chan.h"
#include "lua/sync.h"

#include <string.h>

#define NANOSECONDS 1e9

/*
 * A select under way: a userdata. Behind it on the Lua stack are three values
 * per case: the object; what is sent, or the object's __select; what it waits
 * for. So all of that lives as long as the wait.
 */
struct select {
  uint32_t n, nsends;
  bool internal; /* nothing outside the runtime can end the wait */
  uint64_t timeout_ns, due_ns;
  uint32_t *order;
  struct neap_case cases[];
};

#define SELECT     2 /* where the userdata stands */
#define PER_CASE   3
#define NOT_WOKEN  UINT32_MAX
#define ROOM       12 /* stack for what is done with one case */
#define MOST_CASES 100000

static int object_at(uint32_t i) {
  return SELECT + 1 + PER_CASE * (int)i;
}

static int value_at(uint32_t i) {
  return object_at(i) + 1;
}

static int source_at(uint32_t i) {
  return object_at(i) + 2;
}

/* --- reading the cases ---------------------------------------------------- */

/* Raises "bad argument #1 to 'select' (case 2: problem)". */
static int case_error(lua_State *L, uint32_t i, const char *problem) {
  return luaL_argerror(L, 1,
                       lua_pushfstring(L, "case %d: %s", (int)i + 1, problem));
}

/* The name of the type of a value as Lua's own errors give it. May push. */
static const char *type_name(lua_State *L, int index) {
  int kind = luaL_getmetafield(L, index, "__name");
  return kind == LUA_TSTRING ? lua_tostring(L, -1) : luaL_typename(L, index);
}

/* What a channel's case does: the second value says it. */
static enum neap_case_kind read_kind(lua_State *L, uint32_t i, int index) {
  if (lua_isnil(L, index))
    return NEAP_CASE_RECV;
  const char *word =
      lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : "";
  if (strcmp(word, "recv") == 0)
    return NEAP_CASE_RECV;
  if (strcmp(word, "send") != 0)
    case_error(L, i,
               lua_pushfstring(L, "'send' or 'recv' expected, got %s",
                               luaL_tolstring(L, index, NULL)));
  return NEAP_CASE_SEND;
}

/* The case is the table on the top, {channel [, "send", value]}; leaves the
   channel and the value instead. */
static void read_channel(lua_State *L, struct select *s, uint32_t i) {
  struct neap_case *c = &s->cases[i];
  int table = lua_gettop(L);
  lua_rawgeti(L, table, 1);
  lua_rawgeti(L, table, 2);
  c->kind = read_kind(L, i, -1);
  lua_rawgeti(L, table, 3);
  if (c->kind == NEAP_CASE_SEND && lua_isnil(L, -1))
    case_error(L, i, "nil cannot be sent");
  c->chan = &neapL_chan_test(L, table + 1)->core;
  s->nsends += c->kind == NEAP_CASE_SEND;
  lua_remove(L, table + 2);
  lua_remove(L, table);
}

/* The case is the table on the top, {object}; leaves the object and its
   __select instead. */
static void read_object(lua_State *L, struct select *s, uint32_t i) {
  s->cases[i].kind = NEAP_CASE_QUEUE;
  lua_rawgeti(L, -1, 1);
  lua_remove(L, -2);
  if (luaL_getmetafield(L, -1, "__select") == LUA_TNIL)
    case_error(L, i,
               lua_pushfstring(L,
                               "channel, task, event, timer or another object "
                               "with __select expected, got %s",
                               type_name(L, lua_gettop(L))));
}

/* Pushes the three values of case i. */
static void read_case(lua_State *L, struct select *s, uint32_t i) {
  int base = lua_gettop(L);
  lua_rawgeti(L, 1, (lua_Integer)i + 1);
  if (lua_istable(L, -1)) {
    lua_rawgeti(L, -1, 1);
    bool is_channel = neapL_chan_test(L, -1) != NULL;
    lua_pop(L, 1);
    if (is_channel)
      read_channel(L, s, i);
    else
      read_object(L, s, i);
  } else if (!lua_isboolean(L, -1) || lua_toboolean(L, -1)) {
    case_error(L, i,
               lua_pushfstring(L, "table, or false for none, expected, got %s",
                               type_name(L, lua_gettop(L))));
  }
  lua_settop(L, base + PER_CASE);
}

/* Reads the table at 1. Leaves the select and the values of its cases. */
static struct select *read_cases(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  uint64_t ns = neapL_optfieldseconds(L, 1, "timeout", NEAP_FOREVER);
  lua_Unsigned n = lua_rawlen(L, 1);
  luaL_argcheck(L, n > 0, 1, "no cases");
  luaL_argcheck(L, n <= MOST_CASES, 1, "too many cases");
  size_t size =
      sizeof(struct select) + n * (sizeof(struct neap_case) + sizeof(uint32_t));
  struct select *s = lua_newuserdatauv(L, size, 0);
  memset(s, 0, size);
  s->n = (uint32_t)n;
  s->order = (uint32_t *)(void *)&s->cases[n];
  luaL_checkstack(L, PER_CASE * (int)n + ROOM, "too many cases");
  uint32_t none = 0;
  for (uint32_t i = 0; i < s->n; i++) {
    read_case(L, s, i);
    none += s->cases[i].kind == NEAP_CASE_NONE;
  }
  luaL_argcheck(L, none < n || ns != NEAP_FOREVER, 1,
                "no case can ever be ready");
  s->timeout_ns = ns;
  s->due_ns = ns == 0 ? NEAP_ONCE : neap__timer_after(neapL_self(L)->rt, ns);
  return s;
}

/* --- trying --------------------------------------------------------------- */

static struct neapL_chan *chan_of(const struct neap_case *c) {
  return NEAP_LIST_ENTRY(c->chan, struct neapL_chan, core);
}

/* The item that case i was to send is not sent. */
static void take_back(lua_State *L, struct select *s, uint32_t i) {
  neapL_chan_take(L, chan_of(&s->cases[i]), object_at(i), s->cases[i].item);
  lua_pop(L, 1);
}

/* Pushes the results of a channel's case, which has happened. */
static int push_channel(lua_State *L, struct select *s, uint32_t i,
                        int status) {
  struct neap_case *c = &s->cases[i];
  lua_pushinteger(L, (lua_Integer)i + 1);
  if (status < 0)
    return 1 + neapL_chan_closed(L, status);
  if (c->kind == NEAP_CASE_RECV)
    neapL_chan_take(L, chan_of(c), object_at(i), c->item);
  else
    lua_pushboolean(L, true);
  return 2;
}

static int try_channel(lua_State *L, struct select *s, uint32_t i) {
  struct neap_case *c = &s->cases[i];
  if (c->kind == NEAP_CASE_SEND) {
    if (!neap__chan_can_send(c->chan))
      return 0;
    c->item = neapL_chan_keep(L, chan_of(c), object_at(i), value_at(i));
  }
  int status = neap__select_try(c);
  if (status < 0 && c->kind == NEAP_CASE_SEND)
    take_back(L, s, i);
  return status == UV_EAGAIN ? 0 : push_channel(L, s, i, status);
}

/* Notes what object i waits for: the values from index on. */
static void note_source(lua_State *L, struct select *s, uint32_t i, int index) {
  struct neap_list *queue = NULL;
  if (lua_iscfunction(L, value_at(i)) && lua_islightuserdata(L, index)) {
    queue = lua_touserdata(L, index);
    s->internal &= lua_toboolean(L, index + 1);
    s->cases[i].what = lua_touserdata(L, index + 2);
  } else {
    queue = neapL_sync_queue(L, index);
    s->cases[i].what = "object";
  }
  if (queue == NULL)
    luaL_error(L,
               "case %d: __select returned false and %s (condition, or event "
               "that is not set, expected)",
               (int)i + 1, type_name(L, index));
  s->cases[i].queue = queue;
  lua_pushvalue(L, index);
  lua_replace(L, source_at(i));
}

/* Asks object i whether it is ready. Pushes its results, or nothing. */
static int ask(lua_State *L, struct select *s, uint32_t i, bool woken) {
  int first = lua_gettop(L) + 1;
  lua_pushinteger(L, (lua_Integer)i + 1);
  lua_pushvalue(L, value_at(i));
  lua_pushvalue(L, object_at(i));
  lua_pushboolean(L, woken);
  lua_call(L, 2, LUA_MULTRET);
  luaL_checkstack(L, ROOM, "too many results");
  if (!lua_isboolean(L, first + 1))
    luaL_error(L, "case %d: __select returned %s (true or false expected)",
               (int)i + 1, luaL_typename(L, first + 1));
  if (lua_toboolean(L, first + 1)) {
    lua_remove(L, first + 1);
    return lua_gettop(L) - first + 1;
  }
  note_source(L, s, i, first + 2);
  lua_settop(L, first - 1);
  return 0;
}

/* Tries all cases in random order, first the one that has been woken. Pushes
   the results of the first that is ready; 0: none is. */
static int try_all(lua_State *L, neap_rt *rt, struct select *s,
                   uint32_t woken) {
  int n = 0;
  s->internal = true;
  if (woken != NOT_WOKEN)
    n = ask(L, s, woken, true);
  neap__select_order(rt, s->order, s->n);
  for (uint32_t at = 0; at < s->n && n == 0; at++) {
    uint32_t i = s->order[at];
    if (s->cases[i].kind == NEAP_CASE_QUEUE && i != woken)
      n = ask(L, s, i, false);
    else if (s->cases[i].kind == NEAP_CASE_SEND ||
             s->cases[i].kind == NEAP_CASE_RECV)
      n = try_channel(L, s, i);
  }
  return n;
}

/* --- waiting -------------------------------------------------------------- */

/* Has the channels keep what is to be sent. Raises before the first one does or
   not at all. */
static void keep_all(lua_State *L, struct select *s) {
  if (s->nsends == 0)
    return;
  for (uint32_t i = 0; i < s->n; i++)
    if (s->cases[i].kind == NEAP_CASE_SEND)
      neapL_chan_reserve(L, chan_of(&s->cases[i]), object_at(i), s->nsends);
  for (uint32_t i = 0; i < s->n; i++)
    if (s->cases[i].kind == NEAP_CASE_SEND)
      s->cases[i].item =
          neapL_chan_keep(L, chan_of(&s->cases[i]), object_at(i), value_at(i));
}

/* Takes back what was not sent: all but what case `sent` did. */
static void take_back_all(lua_State *L, struct select *s, uint32_t sent) {
  for (uint32_t i = 0; i < s->n && s->nsends > 0; i++)
    if (s->cases[i].kind == NEAP_CASE_SEND && i != sent)
      take_back(L, s, i);
}

/* neap.select{{channel}, {channel, "send", value}, {object}, timeout=} -> the
   case's number, what its own call returns | nil, message, "ETIMEDOUT". Waits.
 */
static int neap_select(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  struct select *s = read_cases(L);
  neap__sched_spend(rt);
  neapL_raise(L, neap__op_check(rt));
  uint32_t woken = NOT_WOKEN;
  for (;;) {
    int status, n = try_all(L, rt, s, woken);
    if (n > 0)
      return n;
    keep_all(L, s);
    int err = neap__select_wait(rt, s->cases, s->n, s->due_ns, s->internal,
                                &woken, &status);
    bool sent = err == 0 && status == 0;
    take_back_all(L, s, sent ? woken : s->n);
    if (err < 0)
      return neapL_failwait(L, err, (double)s->timeout_ns / NANOSECONDS);
    if (s->cases[woken].kind != NEAP_CASE_QUEUE)
      return push_channel(L, s, woken, status);
  }
}

int neapL_select_later(lua_State *L, struct neap_list *queue, bool internal,
                       const char *what) {
  lua_pushboolean(L, false);
  lua_pushlightuserdata(L, queue);
  lua_pushboolean(L, internal);
  lua_pushlightuserdata(L, (void *)(uintptr_t)what);
  return 4;
}

static const luaL_Reg functions[] = {{"select", neap_select}, {NULL, NULL}};

void neapL_select_open(lua_State *L, struct neapL *N) {
  neapL_setfuncs(L, N, functions);
}
