/*
 * offload.c: neap.offload: a function in a thread of the pool, in a Lua state
 * of its own. What goes there and what comes back is copied.
 */
#include "lua/offload.h"

#include "lua/value.h"

#include <stdatomic.h>
#include <string.h>
#include <uv.h>

#define TYPE "neap.offload"

/* Instructions between two looks at whether it is still wanted. */
#define LOOK_EVERY 10000

/* What comes before a function's upvalues and arguments in what is sent. */
enum { PATH = 1, CPATH, CHUNK, IS_SOURCE, UPVALUES, HEAD = UPVALUES };

enum outcome { RETURNED, RAISED };

/* Both threads': while it runs only stop is the caller's. */
struct offload {
  struct neapL_values sent, brought;
  enum outcome outcome;
  atomic_bool stop;
  bool running;
};

/* --- in the pool ------------------------------------------------------ */

static struct offload *offload_of(lua_State *S) {
  return *(struct offload **)lua_getextraspace(S);
}

/* Whoever wanted it is cancelled: from now on every instruction raises. */
static void on_count(lua_State *S, lua_Debug *ar) {
  (void)ar;
  if (!atomic_load_explicit(&offload_of(S)->stop, memory_order_relaxed))
    return;
  lua_sethook(S, on_count, LUA_MASKCOUNT, 1);
  luaL_error(S, "cancelled");
}

static int on_error(lua_State *S) {
  if (lua_type(S, 1) == LUA_TSTRING)
    luaL_traceback(S, S, lua_tostring(S, 1), 1);
  return 1;
}

static void set_path(lua_State *S, const char *field, int index) {
  if (lua_type(S, index) != LUA_TSTRING)
    return;
  lua_getglobal(S, LUA_LOADLIBNAME);
  lua_pushvalue(S, index);
  lua_setfield(S, -2, field);
  lua_pop(S, 1);
}

/* Pushes the function. On the stack are the head, then a pair for each of its
   upvalues: whether it is the globals, else its value. */
static void load_function(lua_State *S, int nup) {
  size_t len;
  const char *chunk = lua_tolstring(S, CHUNK, &len);
  bool is_source = lua_toboolean(S, IS_SOURCE);
  if (luaL_loadbufferx(S, chunk, len, "=offload", is_source ? "t" : "b") !=
      LUA_OK)
    lua_error(S);
  for (int i = 1; i <= nup; i++) {
    int pair = HEAD + 2 * i - 1;
    if (lua_toboolean(S, pair))
      lua_pushglobaltable(S);
    else
      lua_pushvalue(S, pair + 1);
    lua_setupvalue(S, -2, i);
  }
}

/* offload -> what its function returns. */
static int call_function(lua_State *S) {
  struct offload *offload = lua_touserdata(S, 1);
  lua_settop(S, 0);
  luaL_openlibs(S);
  int n = neapL_value_read(S, &offload->sent);
  neapL_value_free(&offload->sent);
  set_path(S, "path", PATH);
  set_path(S, "cpath", CPATH);
  int nup = (int)lua_tointeger(S, UPVALUES);
  int before = HEAD + 2 * nup; /* the arguments */
  load_function(S, nup);
  lua_insert(S, before + 1);
  lua_sethook(S, on_count, LUA_MASKCOUNT, LOOK_EVERY);
  lua_call(S, n - before, LUA_MULTRET);
  return lua_gettop(S) - before;
}

/* values: written for the caller. Raises for one that can't be copied, but of
   an error it takes the text then. */
static int bring(lua_State *S) {
  struct offload *offload = offload_of(S);
  int bad;
  if (neapL_value_write(S, 1, lua_gettop(S), &offload->brought, &bad))
    return 0;
  neapL_value_free(&offload->brought);
  if (offload->outcome == RETURNED)
    return luaL_error(S, "result %d is %s, which cannot be copied", bad,
                      lua_tostring(S, -1));
  luaL_tolstring(S, 1, NULL);
  neapL_value_write(S, lua_gettop(S), 1, &offload->brought, &bad);
  return 0;
}

static bool try_bring(lua_State *S) {
  lua_pushcfunction(S, bring);
  lua_insert(S, 1);
  return lua_pcall(S, lua_gettop(S) - 1, 0, 0) == LUA_OK;
}

static int run(void *arg) {
  struct offload *offload = arg;
  lua_State *S = luaL_newstate();
  if (S == NULL)
    return UV_ENOMEM;
  *(struct offload **)lua_getextraspace(S) = offload;
  lua_pushcfunction(S, on_error);
  lua_pushcfunction(S, call_function);
  lua_pushlightuserdata(S, offload);
  bool ok = lua_pcall(S, 1, LUA_MULTRET, 1) == LUA_OK;
  lua_remove(S, 1);
  offload->outcome = ok ? RETURNED : RAISED;
  ok = try_bring(S);
  if (!ok && offload->outcome == RETURNED) { /* why is the error now */
    offload->outcome = RAISED;
    ok = try_bring(S);
  }
  lua_close(S);
  return ok ? 0 : UV_ENOMEM;
}

/* --- in the caller's thread ------------------------------------------- */

static void stop(void *arg) {
  struct offload *offload = arg;
  atomic_store_explicit(&offload->stop, true, memory_order_relaxed);
}

static struct offload *new_offload(lua_State *L) {
  struct offload *offload = lua_newuserdatauv(L, sizeof *offload, 0);
  *offload = (struct offload){.outcome = RAISED};
  atomic_init(&offload->stop, false);
  luaL_setmetatable(L, TYPE);
  return offload;
}

/* When a thread still has it the state is closing: the runtime's end waits. */
static int offload_gc(lua_State *L) {
  struct offload *offload = luaL_checkudata(L, 1, TYPE);
  neapL_gc_enter(L, offload->running);
  neapL_value_free(&offload->sent);
  neapL_value_free(&offload->brought);
  return 0;
}

/* Where a dump goes; bytes NULL: it is only measured. */
struct dump {
  char *bytes;
  size_t len;
};

static int add_to_dump(lua_State *L, const void *bytes, size_t len, void *ud) {
  struct dump *dump = ud;
  (void)L;
  if (dump->bytes != NULL)
    memcpy(dump->bytes + dump->len, bytes, len);
  dump->len += len;
  return 0;
}

/* Pushes the function at 1 as a binary chunk. */
static void push_chunk(lua_State *L) {
  struct dump dump = {0};
  lua_pushvalue(L, 1);
  lua_dump(L, add_to_dump, &dump, false);
  dump.bytes = lua_newuserdatauv(L, dump.len, 0);
  dump.len = 0;
  lua_insert(L, -2);
  lua_dump(L, add_to_dump, &dump, false);
  lua_pop(L, 1);
  lua_pushlstring(L, dump.bytes, dump.len);
  lua_replace(L, -2);
}

static void push_package_field(lua_State *L, const char *field) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, LUA_LOADLIBNAME) == LUA_TTABLE)
    lua_getfield(L, -1, field);
  else
    lua_pushnil(L);
  lua_replace(L, -3);
  lua_pop(L, 1);
}

/* Its globals are those of the state it runs in, whatever table it has here. */
static bool is_globals(lua_State *L, const char *name) {
  lua_pushglobaltable(L);
  bool same = lua_rawequal(L, -1, -2);
  lua_pop(L, 1);
  return same || strcmp(name, "_ENV") == 0;
}

/* Pushes the pairs of load_function; returns how many. */
static int push_upvalues(lua_State *L) {
  const char *name;
  int n = 0;
  while ((name = lua_getupvalue(L, 1, n + 1)) != NULL) {
    bool globals = is_globals(L, name);
    if (globals) {
      lua_pop(L, 1);
      lua_pushnil(L);
    }
    lua_pushboolean(L, globals);
    lua_insert(L, -2);
    luaL_checkstack(L, 10, NULL);
    n++;
  }
  return n;
}

/* bad: which of what is sent can't be; what it is is on the top. */
static int fail_to_send(lua_State *L, int bad, int nup) {
  const char *what = lua_tostring(L, -1);
  int upvalue = (bad - HEAD + 1) / 2;
  if (upvalue > nup)
    return luaL_argerror(L, bad - HEAD - 2 * nup + 1,
                         lua_pushfstring(L, "%s cannot be copied", what));
  const char *name = lua_getupvalue(L, 1, upvalue);
  return luaL_argerror(L, 1,
                       lua_pushfstring(L,
                                       "upvalue '%s' is %s, which cannot be "
                                       "copied",
                                       name, what));
}

/* Writes the function or source at 1 and the nargs arguments from 2 on. */
static void send_all(lua_State *L, struct offload *offload, int nargs) {
  int first = lua_gettop(L) + 1;
  bool is_source = lua_type(L, 1) == LUA_TSTRING;
  luaL_checkstack(L, nargs + 20, "too many arguments");
  push_package_field(L, "path");
  push_package_field(L, "cpath");
  if (is_source)
    lua_pushvalue(L, 1);
  else
    push_chunk(L);
  lua_pushboolean(L, is_source);
  lua_pushnil(L);
  int nup = is_source ? 0 : push_upvalues(L);
  lua_pushinteger(L, nup);
  lua_replace(L, first + UPVALUES - 1);
  luaL_checkstack(L, nargs + 20, "too many arguments");
  for (int i = 0; i < nargs; i++)
    lua_pushvalue(L, 2 + i);
  int bad;
  if (!neapL_value_write(L, first, lua_gettop(L) - first + 1, &offload->sent,
                         &bad))
    fail_to_send(L, bad, nup);
  lua_settop(L, first - 1);
}

/* What it has brought: results, or an error that is raised. */
static int receive_all(lua_State *L, neap_rt *rt, struct offload *offload) {
  bool stopped = atomic_load_explicit(&offload->stop, memory_order_relaxed);
  if (stopped && offload->outcome == RAISED)
    neapL_raise(L, neap_yield(rt)); /* not its error: our own end */
  int n = neapL_value_read(L, &offload->brought);
  neapL_value_free(&offload->brought);
  return offload->outcome == RETURNED ? n : lua_error(L);
}

/* neap.offload(fn | code, ...) -> results | nil, message, code. Waits. */
static int neap_offload_function(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  if (lua_type(L, 1) != LUA_TSTRING)
    luaL_checktype(L, 1, LUA_TFUNCTION);
  luaL_argcheck(L, !lua_iscfunction(L, 1), 1, "a C function cannot be copied");
  int nargs = lua_gettop(L) - 1;
  struct offload *offload = new_offload(L);
  send_all(L, offload, nargs);
  offload->running = true;
  int err = neap_offload(rt, run, stop, offload);
  offload->running = false;
  neapL_checkwait(L, err);
  if (err < 0)
    return neapL_fail(L, err, "offload");
  return receive_all(L, rt, offload);
}

void neapL_offload_open(lua_State *L, struct neapL *N) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", offload_gc}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"offload", neap_offload_function},
                                       {NULL, NULL}};
  neapL_newtype(L, N, TYPE, none, meta);
  neapL_setfuncs(L, N, functions);
}
