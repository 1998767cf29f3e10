/*
 * compat_io.c: io's functions over the files of neap.compat. Lua's own files
 * are taken as well: what a script had opened before the functions were put in
 * place, or was given, goes on as it is.
 */
#include "include/neap_lua.h"

#include "lua/compat.h"
#include "lua/file.h"
#include "lua/formats.h"
#include "lua/fs_open.h"
#include "lua/process.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* Upvalue 2 of each function: a table of the default files, and of those that
   are open (weak keys). */
enum { INPUT = 1, OUTPUT, FILES };

#define STATE lua_upvalueindex(2)

/* --- files ---------------------------------------------------------- */

enum state { NO_FILE, CLOSED, OPEN };

/* Whether the value at arg is a file, ours or Lua's. */
static enum state state_of(lua_State *L, int arg) {
  const struct neapL_file *box = neapL_file_test(L, arg);
  if (box != NULL)
    return neapL_file_get(L, box) != NULL || box->stdio != NULL ? OPEN : CLOSED;
  const luaL_Stream *stream = luaL_testudata(L, arg, LUA_FILEHANDLE);
  if (stream == NULL)
    return NO_FILE;
  return stream->closef != NULL ? OPEN : CLOSED;
}

static void check_open(lua_State *L, int arg) {
  enum state state = state_of(L, arg);
  if (state == NO_FILE)
    luaL_typeerror(L, arg, LUA_FILEHANDLE);
  if (state == CLOSED)
    luaL_error(L, "attempt to use a closed file");
}

/* Calls a method of the file at 1 with what is above it. */
static int call_method(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* Puts a default file before the arguments. */
static void insert_default(lua_State *L, int which) {
  lua_rawgeti(L, STATE, which);
  if (state_of(L, -1) != OPEN)
    luaL_error(L, "default %s file is closed",
               which == INPUT ? "input" : "output");
  lua_insert(L, 1);
}

/* Pushes a file that is not open yet, and notes it. */
static struct neapL_file *new_file(lua_State *L) {
  struct neapL_file *box = neapL_compat_newfile(L);
  lua_rawgeti(L, STATE, FILES);
  lua_pushvalue(L, -2);
  lua_pushboolean(L, true);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  return box;
}

/* Pushes the open file. Waits. Returns 0 or a negative code. */
static int open_file(lua_State *L, const char *path, const char *mode) {
  neap_rt *rt = neapL_waitrt(L);
  struct neapL_file *box = new_file(L);
  neap_file *file;
  int err = neap_file_open(rt, path, neapL_fs_modeflags(mode), NEAPL_FILE_MODE,
                           &file);
  if (err == 0)
    box->file = file;
  return err;
}

/* The same, or raises. */
static void must_open(lua_State *L, const char *path, const char *mode) {
  int err = open_file(L, path, mode);
  neapL_raise(L, err);
  if (err < 0)
    luaL_error(L, "cannot open file '%s' (%s)", path, neapL_strerror(err));
}

/* --- opening -------------------------------------------------------- */

/* open(path [, mode]) -> file | nil, message, number. Waits. */
static int compat_open(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  const char *mode = luaL_optstring(L, 2, "r");
  bool valid = neapL_fs_modeflags(mode) >= 0 && strchr(mode, 'x') == NULL;
  luaL_argcheck(L, valid, 2, "invalid mode");
  int err = open_file(L, path, mode);
  return err < 0 ? neapL_compat_fail(L, err, path) : 1;
}

/* tmpfile() -> file | nil, message, number. Waits. */
static int compat_tmpfile(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  struct neapL_file *box = new_file(L);
  neap_blob name;
  neap_file *file;
  int err = neap_fs_tempfile(rt, &name, &file);
  if (err < 0)
    return neapL_compat_fail(L, err, NULL);
  neap_fs_free_blob(&name);
  box->file = file;
  return 1;
}

/* Of the open files, as they are now, pushes a list; returns how many. */
static lua_Integer push_files(lua_State *L) {
  lua_Integer n = 0;
  lua_newtable(L);
  lua_rawgeti(L, STATE, FILES);
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    lua_pop(L, 1);
    if (neapL_file_get(L, lua_touserdata(L, -1)) == NULL)
      continue;
    lua_pushvalue(L, -1);
    lua_rawseti(L, -4, ++n);
  }
  lua_pop(L, 1);
  return n;
}

/* popen(command [, mode]) -> file | nil, message, number. Waits, but not for
   the command. As io's it first writes out what files have buffered, which the
   command may want to read; not those that another task is at work on, which
   may last until the command has ended. */
static int compat_popen(lua_State *L) {
  const char *command = luaL_checkstring(L, 1);
  neapL_waitrt(L);
  fflush(NULL);
  lua_settop(L, 2);
  lua_Integer n = push_files(L);
  int err = 0;
  for (lua_Integer i = 1; i <= n && err == 0; i++) {
    lua_rawgeti(L, 3, i);
    struct neapL_file *box = lua_touserdata(L, -1);
    if (neapL_file_get(L, box) != NULL && neap_file_has_output(box->file))
      err = neap_file_flush(box->file);
    if (err == UV_EBADF || err == UV_ECANCELED)
      err = 0; /* closed meanwhile: it is written out */
    lua_pop(L, 1);
  }
  if (err < 0)
    return neapL_compat_fail(L, err, command);
  return neapL_popen_with(L, new_file);
}

/* lines([path, ...]) -> as io's. Waits; so does the iterator. */
static int compat_lines(lua_State *L) {
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, lua_gettop(L) > 1 ? lua_gettop(L) : 1);
    lua_rawgeti(L, STATE, INPUT);
    lua_replace(L, 1);
    check_open(L, 1);
    return call_method(L, "lines");
  }
  must_open(L, neapL_checkpath(L, 1), "r");
  lua_replace(L, 1);
  neapL_file_pushlines(L, 1, lua_gettop(L) - 1, true);
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushvalue(L, 1);
  return 4;
}

/* --- the default files ---------------------------------------------- */

/* Sets the default file to what is at 1, if there is anything; pushes it. */
static int set_default(lua_State *L, int which, const char *mode) {
  if (!lua_isnoneornil(L, 1)) {
    if (lua_isstring(L, 1)) {
      must_open(L, neapL_checkpath(L, 1), mode);
    } else {
      check_open(L, 1);
      lua_pushvalue(L, 1);
    }
    lua_rawseti(L, STATE, which);
  }
  lua_rawgeti(L, STATE, which);
  return 1;
}

/* input([path | file]) -> file. Waits. */
static int compat_input(lua_State *L) {
  return set_default(L, INPUT, "r");
}

/* output([path | file]) -> file. Waits. */
static int compat_output(lua_State *L) {
  return set_default(L, OUTPUT, "w");
}

/* read(...) -> as io's. Waits. */
static int compat_read(lua_State *L) {
  neapL_checkformats(L, 1, lua_gettop(L));
  insert_default(L, INPUT);
  return call_method(L, "read");
}

/* write(...) -> file | nil, message, number. Waits. */
static int compat_write(lua_State *L) {
  int top = lua_gettop(L);
  for (int arg = 1; arg <= top; arg++)
    if (lua_type(L, arg) != LUA_TNUMBER)
      luaL_checkstring(L, arg);
  insert_default(L, OUTPUT);
  return call_method(L, "write");
}

/* flush() -> as io's. Waits. */
static int compat_flush(lua_State *L) {
  lua_settop(L, 0);
  insert_default(L, OUTPUT);
  return call_method(L, "flush");
}

/* close([file]) -> as io's. Waits; not cancellable. */
static int compat_close(lua_State *L) {
  lua_settop(L, 1);
  if (lua_isnil(L, 1)) {
    lua_rawgeti(L, STATE, OUTPUT);
    lua_replace(L, 1);
  }
  check_open(L, 1);
  return call_method(L, "close");
}

/* type(value) -> "file" | "closed file" | nil. Does not wait. */
static int compat_type(lua_State *L) {
  static const char *const names[] = {NULL, "closed file", "file"};
  luaL_checkany(L, 1);
  lua_pushstring(L, names[state_of(L, 1)]);
  return 1;
}

/* --- the process's end ---------------------------------------------- */

/* All files are written out, as C's own are by exit(3). */
static void finish(lua_State *L) {
  lua_Integer n = push_files(L);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, -1, i);
    int err = neapL_file_shut(L, lua_touserdata(L, -1));
    if (err < 0)
      neapL_warn2(L, "closing a file failed: ", neapL_strerror(err));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* exit([code [, close]]): os's own, upvalue 3, asks nobody but C. Waits where
   one may; not cancellable. */
static int compat_exit(lua_State *L) {
  if (!lua_isboolean(L, 1))
    luaL_optinteger(L, 1, EXIT_SUCCESS);
  finish(L);
  lua_pushvalue(L, lua_upvalueindex(3));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* core.exit_for(exit) -> the function above around os.exit. */
static int core_exit_for(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_pushlightuserdata(L, neapL_self(L));
  lua_pushvalue(L, STATE);
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, compat_exit, 3);
  return 1;
}

/* --- the module ----------------------------------------------------- */

static const luaL_Reg io_functions[] = {
    {"open", compat_open},   {"tmpfile", compat_tmpfile},
    {"popen", compat_popen}, {"lines", compat_lines},
    {"input", compat_input}, {"output", compat_output},
    {"read", compat_read},   {"write", compat_write},
    {"flush", compat_flush}, {"close", compat_close},
    {"type", compat_type},   {NULL, NULL},
};

static const luaL_Reg core_functions[] = {
    {"exit_for", core_exit_for},
    {NULL, NULL},
};

/* luaL_setfuncs with the state at `state` as second upvalue. */
static void set_functions(lua_State *L, struct neapL *N, int state,
                          const luaL_Reg *functions) {
  lua_pushlightuserdata(L, N);
  lua_pushvalue(L, state);
  luaL_setfuncs(L, functions, 2);
}

/* Sets a standard file in the table on the top and, if it is one, as a default
   file in the state at `state`. */
static void set_std(lua_State *L, neap_rt *rt, int state, int which,
                    FILE *stdio, const char *name) {
  neapL_compat_newstd(L, rt, which, stdio);
  if (which < 2) {
    lua_pushvalue(L, -1);
    lua_rawseti(L, state, which == 0 ? INPUT : OUTPUT);
  }
  lua_setfield(L, -2, name);
}

static void push_state(lua_State *L) {
  lua_createtable(L, 3, 0);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawseti(L, -2, FILES);
}

/* -> {io = {...}, os = {...}, exit_for =}: what neap.compat puts in. */
int luaopen_neap_compat_core(lua_State *L) {
  struct neapL *N = neapL_require(L);
  if (N->rt == NULL || N->rt->closing)
    luaL_error(L, "neap: the runtime has ended");
  luaL_requiref(L, "neap.fs", luaopen_neap_fs, false); /* the type */
  lua_settop(L, 0);
  neapL_compat_openfile(L, N);
  push_state(L);
  lua_newtable(L);
  set_functions(L, N, 1, core_functions);
  lua_newtable(L);
  set_functions(L, N, 1, io_functions);
  set_std(L, N->rt, 1, 0, stdin, "stdin");
  set_std(L, N->rt, 1, 1, stdout, "stdout");
  set_std(L, N->rt, 1, 2, stderr, "stderr");
  lua_setfield(L, 2, "io");
  neapL_compat_pushos(L, N);
  lua_setfield(L, 2, "os");
  return 1;
}
