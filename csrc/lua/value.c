/*
 * value.c: values as bytes; see value.h. First come the values themselves, in
 * which a table is but a number; then, for each number in turn, its keys and
 * values and a mark. Both ways go through the tables in that order, not by
 * recursion, so that no depth of nesting is too much.
 */
#include "lua/value.h"

#include "core/mem.h"
#include "lua/compat54.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum tag { END, NIL, FALSE, TRUE, INTEGER, FLOAT, STRING, TABLE };

/* --- writing ---------------------------------------------------------- */

/* Of one call; lies in its frame, which does not wait. */
struct writer {
  struct neapL_values *out;
  int seen;       /* index of a table: table -> number, number -> table */
  uint32_t count; /* tables that were met */
};

static void put(lua_State *L, struct neapL_values *out, const void *bytes,
                size_t len) {
  if (out->capacity - out->len < len) {
    size_t capacity = 2 * out->capacity + len + 64;
    char *grown = neap__mem_shared_alloc(capacity);
    if (grown == NULL)
      luaL_error(L, "not enough memory");
    if (out->len > 0)
      memcpy(grown, out->bytes, out->len);
    neap__mem_shared_free(out->bytes);
    out->bytes = grown;
    out->capacity = capacity;
  }
  memcpy(out->bytes + out->len, bytes, len);
  out->len += len;
}

static void put_tagged(lua_State *L, struct neapL_values *out, enum tag tag,
                       const void *bytes, size_t len) {
  char byte = (char)tag;
  put(L, out, &byte, 1);
  if (len > 0)
    put(L, out, bytes, len);
}

static void put_number(lua_State *L, struct neapL_values *out, int index) {
  if (lua_isinteger(L, index)) {
    lua_Integer n = lua_tointeger(L, index);
    put_tagged(L, out, INTEGER, &n, sizeof n);
  } else {
    lua_Number n = lua_tonumber(L, index);
    put_tagged(L, out, FLOAT, &n, sizeof n);
  }
}

static void put_string(lua_State *L, struct neapL_values *out, int index) {
  size_t len;
  const char *bytes = lua_tolstring(L, index, &len);
  put_tagged(L, out, STRING, &len, sizeof len);
  put(L, out, bytes, len);
}

/* The number of the table at index, a new one when it was not met before. */
static void put_table(lua_State *L, struct writer *w, int index) {
  lua_pushvalue(L, index);
  uint32_t number;
  if (lua_rawget(L, w->seen) == LUA_TNUMBER) {
    number = (uint32_t)lua_tointeger(L, -1);
    lua_pop(L, 1);
  } else {
    lua_pop(L, 1);
    number = ++w->count;
    lua_pushvalue(L, index);
    lua_rawseti(L, w->seen, number);
    lua_pushvalue(L, index);
    lua_pushinteger(L, number);
    lua_rawset(L, w->seen);
  }
  put_tagged(L, w->out, TABLE, &number, sizeof number);
}

static bool refuse(lua_State *L, int index) {
  lua_pushfstring(L, "a %s", luaL_typename(L, index));
  return false;
}

/* False, and a text pushed, for what can't be copied. index is absolute. */
static bool put_value(lua_State *L, struct writer *w, int index) {
  switch (lua_type(L, index)) {
  case LUA_TNIL:
    put_tagged(L, w->out, NIL, NULL, 0);
    return true;
  case LUA_TBOOLEAN:
    put_tagged(L, w->out, lua_toboolean(L, index) ? TRUE : FALSE, NULL, 0);
    return true;
  case LUA_TNUMBER:
    put_number(L, w->out, index);
    return true;
  case LUA_TSTRING:
    put_string(L, w->out, index);
    return true;
  case LUA_TTABLE:
    if (lua_getmetatable(L, index)) { /* half an object would be a surprise */
      lua_pop(L, 1);
      lua_pushliteral(L, "a table with a metatable");
      return false;
    }
    put_table(L, w, index);
    return true;
  default:
    return refuse(L, index);
  }
}

/* The keys and values of the table on the top. */
static bool put_contents(lua_State *L, struct writer *w) {
  int table = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
    if (!put_value(L, w, table + 1) || !put_value(L, w, table + 2))
      return false;
  }
  put_tagged(L, w->out, END, NULL, 0);
  return true;
}

/* Which of the values the table of that number belongs to is not known: the
   last one that led to a table. */
int neapL_value_write(lua_State *L, int first, int n, struct neapL_values *out,
                      int *bad) {
  luaL_checkstack(L, 10, NULL);
  lua_newtable(L);
  struct writer w = {.out = out, .seen = lua_gettop(L)};
  uint32_t written = 0;
  out->n = n;
  /* Each value's own tables follow at once, so that *bad is true; they are
     numbered on. */
  for (*bad = 1; *bad <= n; ++*bad) {
    bool ok = put_value(L, &w, first + *bad - 1);
    while (ok && written < w.count) {
      lua_rawgeti(L, w.seen, ++written);
      ok = put_contents(L, &w);
      if (ok)
        lua_pop(L, 1);
    }
    if (!ok) {
      lua_replace(L, w.seen);
      lua_settop(L, w.seen);
      return false;
    }
  }
  lua_pop(L, 1);
  return true;
}

/* --- reading ---------------------------------------------------------- */

struct reader {
  const char *at, *end;
  int made;       /* index of a table: number -> table */
  uint32_t count; /* tables that were made */
};

static void get(struct reader *r, void *out, size_t len) {
  memcpy(out, r->at, len);
  r->at += len;
}

static void push_table(lua_State *L, struct reader *r) {
  uint32_t number;
  get(r, &number, sizeof number);
  if (number <= r->count) {
    lua_rawgeti(L, r->made, number);
    return;
  }
  r->count = number;
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_rawseti(L, r->made, number);
}

static void push_string(lua_State *L, struct reader *r) {
  size_t len;
  get(r, &len, sizeof len);
  lua_pushlstring(L, r->at, len);
  r->at += len;
}

/* Pushes the next value; false at a mark. */
static bool push_value(lua_State *L, struct reader *r) {
  lua_Integer integer;
  lua_Number number;
  switch ((enum tag) * r->at++) {
  case END:
    return false;
  case NIL:
    lua_pushnil(L);
    break;
  case FALSE:
    lua_pushboolean(L, false);
    break;
  case TRUE:
    lua_pushboolean(L, true);
    break;
  case INTEGER:
    get(r, &integer, sizeof integer);
    lua_pushinteger(L, integer);
    break;
  case FLOAT:
    get(r, &number, sizeof number);
    lua_pushnumber(L, number);
    break;
  case STRING:
    push_string(L, r);
    break;
  case TABLE:
    push_table(L, r);
    break;
  }
  return true;
}

int neapL_value_read(lua_State *L, const struct neapL_values *values) {
  luaL_checkstack(L, values->n + 10, "too many values");
  lua_newtable(L);
  struct reader r = {.at = values->bytes,
                     .end = values->bytes + values->len,
                     .made = lua_gettop(L)};
  uint32_t read = 0;
  for (int i = 0; i < values->n; i++) {
    push_value(L, &r);
    while (read < r.count) {
      lua_rawgeti(L, r.made, ++read);
      while (push_value(L, &r)) {
        push_value(L, &r);
        lua_rawset(L, -3);
      }
      lua_pop(L, 1);
    }
  }
  lua_remove(L, r.made);
  return values->n;
}

void neapL_value_free(struct neapL_values *values) {
  neap__mem_shared_free(values->bytes);
  *values = (struct neapL_values){0};
}
