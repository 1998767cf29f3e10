/* formats.c: reading by io's formats; see formats.h. */
#include "lua/formats.h"

#include <lauxlib.h>
#include <uv.h>

/* A format's letter as io takes it: a star before it and what follows it don't
   count. */
static char letter(const char *format) {
  return format[0] == '*' ? format[1] : format[0];
}

void neapL_checkformats(lua_State *L, int first, int n) {
  luaL_checkstack(L, n + LUA_MINSTACK, "too many arguments");
  for (int arg = first; arg < first + n; arg++) {
    if (lua_type(L, arg) == LUA_TNUMBER) {
      luaL_argcheck(L, luaL_checkinteger(L, arg) >= 0, arg, "negative count");
      continue;
    }
    switch (letter(luaL_checkstring(L, arg))) {
    case 'l':
    case 'L':
    case 'a':
    case 'n':
      break;
    default:
      luaL_argerror(L, arg, "invalid format");
    }
  }
}

/* Pushes what is shown and takes it. May raise, before it is taken. */
static void push(lua_State *L, const struct neapL_source *source, void *self,
                 const neap_view *view, bool with_tail) {
  lua_pushlstring(L, view->base, view->len + (with_tail ? view->tail : 0));
  source->take(self, view->len + view->tail);
}

static int read_line(lua_State *L, const struct neapL_source *source,
                     void *self, bool keep_newline) {
  neap_view view;
  int err = source->peek_line(self, &view);
  if (err == 0)
    push(L, source, self, &view, keep_newline);
  return err;
}

static int read_count(lua_State *L, const struct neapL_source *source,
                      void *self, size_t n) {
  neap_view view;
  int err = source->peek_count(self, n, &view);
  if (err == 0)
    push(L, source, self, &view, false);
  return err;
}

static int read_all(lua_State *L, const struct neapL_source *source,
                    void *self) {
  neap_view view;
  int err = source->peek_all(self, &view);
  if (err == 0)
    push(L, source, self, &view, false);
  return err;
}

/* What is no numeral is taken all the same, and is as the end: io's way. */
static int read_number(lua_State *L, const struct neapL_source *source,
                       void *self) {
  neap_view view;
  int err = source->peek_number(self, &view);
  if (err < 0)
    return err;
  push(L, source, self, &view, false);
  if (lua_stringtonumber(L, lua_tostring(L, -1)) == 0) {
    lua_pop(L, 1);
    return UV_EOF;
  }
  lua_remove(L, -2); /* the numeral's text */
  return 0;
}

static int read_one(lua_State *L, const struct neapL_source *source, void *self,
                    int arg) {
  if (lua_type(L, arg) == LUA_TNUMBER)
    return read_count(L, source, self, (size_t)lua_tointeger(L, arg));
  switch (letter(lua_tostring(L, arg))) {
  case 'a':
    return read_all(L, source, self);
  case 'n':
    return read_number(L, source, self);
  case 'L':
    return read_line(L, source, self, true);
  default:
    return read_line(L, source, self, false);
  }
}

int neapL_readformats(lua_State *L, const struct neapL_source *source,
                      void *self, int first, int n) {
  int top = lua_gettop(L);
  int err = 0;
  source->rewind(self);
  if (n == 0)
    err = read_line(L, source, self, false);
  for (int i = 0; i < n && err == 0; i++)
    err = read_one(L, source, self, first + i);
  if (err == UV_EOF) {
    lua_pushnil(L);
  } else if (err < 0) {
    source->rewind(self);
    lua_settop(L, top);
    return err;
  }
  source->commit(self);
  return lua_gettop(L) - top;
}
