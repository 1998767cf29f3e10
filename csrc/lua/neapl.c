/* neapl.c: the binding's helpers; what they promise is in neapl.h. */
#include "lua/neapl.h"

#include "lua/cancelled.h"
#include "lua/dump.h"
#include "lua/task_handle.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* -- failures */

const char *neapL_strerror(int err) {
  static const struct {
    int code;
    const char *text;
  } ours[] = {{NEAP_CANCELLED, "cancelled"},
              {NEAP_CLOSING, "runtime is closing"},
              {NEAP_EDEADLK, "deadlock: nothing can end this wait"},
              {NEAP_INTERRUPTED, "interrupted!"},
              {NEAP_ELIMIT, "too many open handles: the limit is reached"},
              {NEAP_ECERT, "certificate is not trusted"}};
  for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
    if (ours[i].code == err)
      return ours[i].text;
  /* libuv's codes of system errors are negated errno values (uv/errno.h), and
     Lua's io writes strerror's text. */
  const char *text = err > -3000 ? strerror(-err) : NULL;
  return text != NULL ? text : uv_strerror(err);
}

/* Pushes what a task's waits raise while its interrupt is err. */
static void push_interrupt(lua_State *L, struct neapL *N, int err) {
  if (err == NEAP_CANCELLED)
    neapL_cancelled_push(L, N);
  else
    lua_pushstring(L, neapL_strerror(err));
}

/* After NEAP_STUBBORN swallowed ends: raises at every instruction, so that no
   pcall in a loop can go on. Off again when what ends is left. */
static void on_stubborn(lua_State *L, lua_Debug *ar) {
  struct neapL *N = neapL_of(L);
  const struct neap_task *task = N->rt->sched.current;
  (void)ar;
  if (task == NULL || task->interrupt == 0) {
    neapL_unstubborn(L);
    return;
  }
  push_interrupt(L, N, task->interrupt);
  lua_error(L);
}

bool neapL_is_stubborn(lua_State *L) {
  return lua_gethook(L) == on_stubborn;
}

void neapL_unstubborn(lua_State *L) {
  if (neapL_is_stubborn(L))
    lua_sethook(L, NULL, 0, 0);
}

void neapL_raise_interrupt(lua_State *L, struct neapL *N, int err) {
  struct neap_task *task = N->rt->sched.current;
  if (task != NULL && task->swallowed >= NEAP_STUBBORN) {
    lua_sethook(L, on_stubborn, LUA_MASKCOUNT, 1);
    neapL_task_sethook(task, on_stubborn);
  }
  push_interrupt(L, N, err);
  lua_error(L);
}

void neapL_raise_outside(lua_State *L, int err) {
  struct neapL *N = neapL_of(L);
  switch (err) {
  case NEAP_CLOSING:
  case NEAP_CANCELLED:
    neapL_raise_interrupt(L, N, err);
    break;
  case NEAP_INTERRUPTED:
    neapL_raise_sigint(L, N);
    break;
  case NEAP_EDEADLK:
    luaL_where(L, 1);
    neapL_dump_pushdeadlock(L, N);
    lua_concat(L, 2);
    lua_error(L);
    break;
  case NEAP_ELIMIT:
    luaL_error(L, "%s", neapL_strerror(err));
    break;
  default:
    break;
  }
}

void neapL_nomem(lua_State *L) {
  lua_pushliteral(L, "not enough memory"); /* Lua's own text */
  lua_error(L);
}

const char *neapL_errname(int err) {
  static const struct {
    int code;
    const char *name;
  } others[] = {{NEAP_ECERT, "ECERT"},
                {-EDQUOT, "EDQUOT"},
                {-ESTALE, "ESTALE"},
                {-ENOLCK, "ENOLCK"},
                {-EUCLEAN, "EUCLEAN"}};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    if (others[i].code == err)
      return others[i].name;
  }
  return uv_err_name(err);
}

int neapL_fail(lua_State *L, int err, const char *what) {
  neapL_raise(L, err);
  const char *message = neapL_strerror(err);
  lua_pushnil(L);
  if (what != NULL)
    lua_pushfstring(L, "%s: %s", what, message);
  else
    lua_pushstring(L, message);
  lua_pushstring(L, neapL_errname(err));
  return 3;
}

int neapL_timedout(lua_State *L, double seconds) {
  char text[64];
  snprintf(text, sizeof text, "timed out after %.14g s", seconds);
  lua_pushnil(L);
  lua_pushstring(L, text);
  lua_pushliteral(L, "ETIMEDOUT");
  return 3;
}

void neapL_checkwait(lua_State *L, int err) {
  if (err == UV_ENOMEM)
    neapL_nomem(L);
  neapL_raise(L, err);
}

int neapL_failwait(lua_State *L, int err, double seconds) {
  if (err == UV_ETIMEDOUT)
    return neapL_timedout(L, seconds);
  neapL_checkwait(L, err);
  return neapL_fail(L, err, NULL);
}

void neapL_warn2(lua_State *L, const char *text, const char *more) {
  lua_warning(L, "neap: ", 1);
  lua_warning(L, text, 1);
  lua_warning(L, more, 0);
}

void neapL_setinteger(lua_State *L, const char *name, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

int neapL_pack(lua_State *L, int first) {
  int n = lua_gettop(L) - first + 1;
  luaL_checkstack(L, 1, NULL);
  lua_createtable(L, n, 0);
  lua_insert(L, first);
  for (int i = n; i >= 1; i--)
    lua_rawseti(L, first, i);
  return n;
}

int neapL_unpack(lua_State *L, int n) {
  luaL_checkstack(L, n, "too many values");
  int packed = lua_gettop(L);
  for (int i = 1; i <= n; i++)
    lua_rawgeti(L, packed, i);
  lua_remove(L, packed);
  return n;
}

void neapL_warn(lua_State *L, const char *text) {
  neapL_warn2(L, text, "");
}

/* -- arguments */

/* Seconds as nanoseconds. n is not NaN. */
static uint64_t to_ns(lua_Number n) {
  if (n <= 0)
    return 0;
  if (n >= 9e9) /* 285 years: for ever, and no overflow below */
    return NEAP_FOREVER;
  return (uint64_t)ceil(n * 1e9);
}

uint64_t neapL_checkseconds(lua_State *L, int arg) {
  lua_Number n = luaL_checknumber(L, arg);
  luaL_argcheck(L, !isnan(n), arg, "number of seconds expected, got nan");
  return to_ns(n);
}

uint64_t neapL_optseconds(lua_State *L, int arg, uint64_t def) {
  return lua_isnoneornil(L, arg) ? def : neapL_checkseconds(L, arg);
}

uint64_t neapL_opttimeout(lua_State *L, int arg) {
  if (lua_isnoneornil(L, arg))
    return NEAP_FOREVER;
  uint64_t ns = neapL_checkseconds(L, arg);
  if (ns == 0)
    return NEAP_ONCE;
  return neap__timer_after(neapL_rt(L), ns);
}

int neapL_optbuffer(lua_State *L, int arg) {
  if (lua_isnoneornil(L, arg))
    return 0;
  lua_Integer bytes = luaL_checkinteger(L, arg);
  luaL_argcheck(L, bytes >= 1 && bytes <= INT_MAX, arg, "out of range");
  return (int)bytes;
}

const char *neapL_checkpath(lua_State *L, int arg) {
  size_t len;
  const char *path = luaL_checklstring(L, arg, &len);
  luaL_argcheck(L, strlen(path) == len, arg, "path contains a zero byte");
  return path;
}

void neapL_checkoptions(lua_State *L, int arg) {
  if (!lua_isnoneornil(L, arg))
    luaL_checktype(L, arg, LUA_TTABLE);
}

int neapL_fielderror(lua_State *L, int arg, const char *name,
                     const char *problem) {
  return luaL_argerror(L, arg,
                       lua_pushfstring(L, "field '%s': %s", name, problem));
}

static int fieldtype(lua_State *L, int arg, const char *name,
                     const char *expected) {
  return neapL_fielderror(L, arg, name,
                          lua_pushfstring(L, "%s expected, got %s", expected,
                                          luaL_typename(L, -1)));
}

bool neapL_pushfield(lua_State *L, int arg, const char *name) {
  if (lua_isnoneornil(L, arg)) {
    lua_pushnil(L);
    return false;
  }
  luaL_checktype(L, arg, LUA_TTABLE);
  return lua_getfield(L, arg, name) != LUA_TNIL;
}

/* The same; when there is none, nothing is pushed. */
static bool getfield(lua_State *L, int arg, const char *name) {
  if (neapL_pushfield(L, arg, name))
    return true;
  lua_pop(L, 1);
  return false;
}

bool neapL_optfieldbool(lua_State *L, int arg, const char *name, bool def) {
  if (!getfield(L, arg, name))
    return def;
  if (!lua_isboolean(L, -1))
    fieldtype(L, arg, name, "boolean");
  bool value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

lua_Integer neapL_optfieldint(lua_State *L, int arg, const char *name,
                              lua_Integer min, lua_Integer max,
                              lua_Integer def) {
  if (!getfield(L, arg, name))
    return def;
  int isint;
  lua_Integer value = lua_tointegerx(L, -1, &isint);
  if (!isint)
    fieldtype(L, arg, name, "integer");
  if (value < min || value > max)
    neapL_fielderror(L, arg, name,
                     lua_pushfstring(L, "%I is not between %I and %I",
                                     (LUAI_UACINT)value, (LUAI_UACINT)min,
                                     (LUAI_UACINT)max));
  lua_pop(L, 1);
  return value;
}

size_t neapL_optfieldsize(lua_State *L, int arg, const char *name, size_t def) {
  const lua_Integer none = -1; /* no given value: those are at least 0 */
  lua_Integer given = neapL_optfieldint(L, arg, name, 0, LUA_MAXINTEGER, none);
  return given == none ? def : (size_t)given;
}

uint64_t neapL_optfieldseconds(lua_State *L, int arg, const char *name,
                               uint64_t def) {
  if (!getfield(L, arg, name))
    return def;
  int isnum;
  lua_Number n = lua_tonumberx(L, -1, &isnum);
  if (!isnum)
    fieldtype(L, arg, name, "number");
  if (isnan(n))
    neapL_fielderror(L, arg, name, "number of seconds expected, got nan");
  lua_pop(L, 1);
  return to_ns(n);
}

const char *neapL_optfieldstring(lua_State *L, int arg, const char *name,
                                 const char *def) {
  if (!getfield(L, arg, name)) {
    lua_pushnil(L);
    return def;
  }
  if (lua_type(L, -1) != LUA_TSTRING)
    fieldtype(L, arg, name, "string");
  return lua_tostring(L, -1);
}

bool neapL_iscallable(lua_State *L, int arg) {
  if (lua_isfunction(L, arg))
    return true;
  if (luaL_getmetafield(L, arg, "__call") == LUA_TNIL)
    return false;
  lua_pop(L, 1);
  return true;
}

void neapL_checkcallable(lua_State *L, int arg) {
  if (!neapL_iscallable(L, arg))
    luaL_typeerror(L, arg, "function");
}

/* -- types */

void neapL_setfuncs(lua_State *L, struct neapL *N, const luaL_Reg *funcs) {
  lua_pushlightuserdata(L, N);
  luaL_setfuncs(L, funcs, 1);
}

void neapL_newtype(lua_State *L, struct neapL *N, const char *name,
                   const luaL_Reg *methods, const luaL_Reg *meta) {
  luaL_newmetatable(L, name);
  lua_pushlightuserdata(L, N);
  lua_pushvalue(L, -2);
  luaL_setfuncs(L, meta, 2);
  lua_newtable(L);
  lua_pushlightuserdata(L, N);
  lua_pushvalue(L, -3);
  luaL_setfuncs(L, methods, 2);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
