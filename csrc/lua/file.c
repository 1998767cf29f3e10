/* file.c: an open file's methods, those of Lua's own files. */
#include "lua/file.h"

#include "lua/compat.h"
#include "lua/formats.h"

#define TYPE "neap.file"

/* Formats that one iterator may have: Lua's own limit is that of upvalues. */
#define MAX_FORMATS 250

/* Upvalues of an iterator: neapL, the file, whether it closes it at the end,
   how many formats, the formats. */
#define BEFORE_FORMATS 4

struct neapL_file *neapL_file_test(lua_State *L, int arg) {
  struct neapL_file *box = luaL_testudata(L, arg, TYPE);
  return box != NULL ? box : luaL_testudata(L, arg, NEAPL_COMPAT_FILE);
}

struct neapL_file *neapL_file_self(lua_State *L) {
  struct neapL_file *box = lua_touserdata(L, 1);
  if (box != NULL && lua_getmetatable(L, 1)) {
    bool ours = lua_rawequal(L, -1, lua_upvalueindex(2));
    lua_pop(L, 1);
    if (ours)
      return box;
  }
  box = neapL_file_test(L, 1);
  if (box == NULL) {
    lua_getfield(L, lua_upvalueindex(2), "__name");
    luaL_typeerror(L, 1, lua_tostring(L, -1));
  }
  return box;
}

struct neapL_file *neapL_file_check(lua_State *L) {
  struct neapL_file *box = neapL_file_self(L);
  if (box->stock && neapL_file_get(L, box) == NULL)
    luaL_error(L, "attempt to use a closed file");
  return box;
}

/* Its memory goes with the runtime. */
neap_file *neapL_file_get(lua_State *L, const struct neapL_file *box) {
  neap_rt *rt = neapL_peekrt(L);
  if (box->file == NULL || rt == NULL || rt->closed ||
      neap_file_is_closed(box->file))
    return NULL;
  return box->file;
}

int neapL_file_failclosed(lua_State *L) {
  lua_pushnil(L);
  lua_pushliteral(L, "file is closed");
  lua_pushliteral(L, "EBADF");
  return 3;
}

/* UV_EBADF is what a file says that is closed, or not open for this. */
int neapL_file_fail(lua_State *L, const struct neapL_file *box, int err) {
  if (box->stock)
    return neapL_compat_fail(L, err, NULL);
  if (err == UV_EBADF && neapL_file_get(L, box) == NULL)
    return neapL_file_failclosed(L);
  return neapL_fail(L, err, NULL);
}

int neapL_file_done(lua_State *L, const struct neapL_file *box, int err) {
  if (err < 0)
    return neapL_file_fail(L, box, err);
  lua_pushboolean(L, true);
  return 1;
}

/* --- reading -------------------------------------------------------- */

static int peek_line(void *self, neap_view *out) {
  return neap_file_peek_line(self, out);
}

static int peek_count(void *self, size_t n, neap_view *out) {
  return neap_file_peek_count(self, n, out);
}

static int peek_all(void *self, neap_view *out) {
  return neap_file_peek_all(self, out);
}

static int peek_number(void *self, neap_view *out) {
  return neap_file_peek_number(self, out);
}

static void take(void *self, size_t n) {
  neap_file_take(self, n);
}

static void commit(void *self) {
  neap_file_commit(self);
}

static void rewind_taken(void *self) {
  neap_file_rewind(self);
}

static const struct neapL_source source = {
    .peek_line = peek_line,
    .peek_count = peek_count,
    .peek_all = peek_all,
    .peek_number = peek_number,
    .take = take,
    .commit = commit,
    .rewind = rewind_taken,
};

/* Of a read that waits. Lies in the frame of read_waiting, and is touched only
   while that runs. */
struct reading {
  neap_file *file;
  int result;
};

/* reading, formats... -> what was read. Called in protected mode. */
static int read_claimed(lua_State *L) {
  struct reading *reading = lua_touserdata(L, 1);
  int n = lua_gettop(L) - 1;
  int result = neapL_readformats(L, &source, reading->file, 2, n);
  reading->result = result < 0 ? result : 0;
  return result < 0 ? 0 : result;
}

/*
 * The file is ours while we wait. Making the strings may raise, and the claim
 * must not be kept then: hence the protected call.
 */
static int read_waiting(lua_State *L, const struct neapL_file *box, int first,
                        int n) {
  struct reading reading = {.file = box->file};
  int err = neap_file_begin_read(reading.file);
  if (err < 0)
    return neapL_file_fail(L, box, err);
  int top = lua_gettop(L);
  lua_pushcfunction(L, read_claimed);
  lua_pushlightuserdata(L, &reading);
  for (int i = 0; i < n; i++)
    lua_pushvalue(L, first + i);
  int status = lua_pcall(L, n + 1, LUA_MULTRET, 0);
  neap_file_end(reading.file);
  if (status != LUA_OK)
    return lua_error(L);
  if (reading.result < 0)
    return neapL_file_fail(L, box, reading.result);
  return lua_gettop(L) - top;
}

/* Reads by the n formats at index first and on. */
static int read_formats(lua_State *L, const struct neapL_file *box, int first,
                        int n) {
  int result = neap_file_try_read(box->file);
  if (result == 0)
    result = neapL_readformats(L, &source, box->file, first, n);
  if (result >= 0)
    return result;
  if (result == UV_EAGAIN)
    return read_waiting(L, box, first, n);
  return neapL_file_fail(L, box, result);
}

/* file:read(...) -> as io's. Waits. */
int neapL_file_read(lua_State *L) {
  struct neapL_file *box = neapL_file_check(L);
  int n = lua_gettop(L) - 1;
  luaL_checkstack(L, n + LUA_MINSTACK, "too many arguments");
  neapL_checkformats(L, 2, n);
  neapL_waitrt(L);
  if (neapL_file_get(L, box) == NULL)
    return neapL_file_failclosed(L);
  return read_formats(L, box, 2, n);
}

static int lines_next(lua_State *L) {
  struct neapL_file *box = lua_touserdata(L, lua_upvalueindex(2));
  bool closes = lua_toboolean(L, lua_upvalueindex(3));
  int n = (int)lua_tointeger(L, lua_upvalueindex(4));
  neapL_waitrt(L);
  if (neapL_file_get(L, box) == NULL)
    return luaL_error(L, "file is already closed");
  lua_settop(L, 1);
  luaL_checkstack(L, n + LUA_MINSTACK, "too many arguments");
  for (int i = 1; i <= n; i++)
    lua_pushvalue(L, lua_upvalueindex(BEFORE_FORMATS + i));
  if (box->stock)
    neapL_checkformats(L, 2, n); /* when io's look at them */
  int results = read_formats(L, box, 2, n);
  if (lua_toboolean(L, -results))
    return results;
  if (results > 1) /* a failure, and not the end */
    return luaL_error(L, "%s", lua_tostring(L, -results + 1));
  if (closes) /* nothing was written: nothing can fail that matters */
    neap_file_close(box->file);
  return 0;
}

void neapL_file_checklines(lua_State *L, int first, int n) {
  luaL_argcheck(L, n <= MAX_FORMATS, first + MAX_FORMATS, "too many arguments");
  neapL_checkformats(L, first, n);
}

int neapL_file_pushlines(lua_State *L, int file, int n, bool closes) {
  luaL_checkstack(L, n + BEFORE_FORMATS, "too many arguments");
  lua_pushlightuserdata(L, neapL_self(L));
  lua_pushvalue(L, file);
  lua_pushboolean(L, closes);
  lua_pushinteger(L, n);
  for (int i = 1; i <= n; i++)
    lua_pushvalue(L, file + i);
  lua_pushcclosure(L, lines_next, BEFORE_FORMATS + n);
  return 1;
}

/* file:lines(...) -> iterator, as io's. The iterator waits. */
int neapL_file_lines(lua_State *L) {
  struct neapL_file *box = neapL_file_check(L);
  int n = lua_gettop(L) - 1;
  if (box->stock)
    luaL_argcheck(L, n <= MAX_FORMATS, 2 + MAX_FORMATS, "too many arguments");
  else
    neapL_file_checklines(L, 2, n);
  if (neapL_file_get(L, box) == NULL)
    return neapL_file_failclosed(L);
  return neapL_file_pushlines(L, 1, n, false);
}

/* --- the end -------------------------------------------------------- */

/* In a finalizer and on the driver's stack nobody can wait, and lua_gc tells:
   it returns -1 in the former. */
static bool can_wait(lua_State *L, const neap_rt *rt) {
  return rt->sched.current != NULL && lua_gc(L, LUA_GCISRUNNING) != -1;
}

int neapL_file_shut(lua_State *L, struct neapL_file *box) {
  neap_file *file = neapL_file_get(L, box);
  if (file == NULL)
    return 0;
  if (can_wait(L, neapL_peekrt(L)))
    return neap_file_close(file);
  box->file = NULL;
  return neap_file_free(file);
}

/* The tail of a file that is being closed now, or NULL. Where nobody may wait
   it goes at once. */
static const struct neapL_file_tail *take_tail(lua_State *L,
                                               struct neapL_file *box) {
  const struct neapL_file_tail *tail = box->tail;
  neap_rt *rt = neapL_peekrt(L);
  box->tail = NULL;
  if (tail == NULL || rt == NULL)
    return NULL;
  if (can_wait(L, rt))
    return tail;
  tail->dropped(box);
  return NULL;
}

/* file:close() -> true | nil, message, code. Waits; not cancellable. */
int neapL_file_close(lua_State *L) {
  struct neapL_file *box = neapL_file_check(L);
  const struct neapL_file_tail *tail = take_tail(L, box);
  int err = neapL_file_shut(L, box);
  if (tail != NULL)
    return tail->closed(L, box, err);
  if (err < 0)
    return neapL_file_fail(L, box, err);
  lua_pushboolean(L, true);
  return 1;
}

static void warn_failed(lua_State *L, int err) {
  lua_warning(L, "neap: closing a file failed: ", 1);
  lua_warning(L, neapL_strerror(err), 0);
}

/* A failure is raised, unless an error is on its way already; io's say nothing.
 */
int neapL_file_tbc(lua_State *L) {
  struct neapL_file *box = neapL_file_self(L);
  const struct neapL_file_tail *tail = take_tail(L, box);
  int err = neapL_file_shut(L, box);
  if (tail != NULL)
    tail->closed(L, box, 0); /* what it says is for who asks */
  if (err < 0 && !box->stock && lua_isnoneornil(L, 2))
    return luaL_error(L, "closing a file failed: %s", neapL_strerror(err));
  if (err < 0)
    warn_failed(L, err);
  return 0;
}

int neapL_file_gc(lua_State *L) {
  struct neapL_file *box = neapL_file_self(L);
  neap_rt *rt = neapL_peekrt(L);
  neap_fs_free_blob(&box->blob);
  if (box->file == NULL || rt == NULL || rt->closed) {
    box->file = NULL;
    return 0;
  }
  neapL_gc_enter(L, neap_file_has_waiters(box->file));
  bool was_open = neapL_file_get(L, box) != NULL && !box->stock &&
                  (box->tail == NULL || !box->tail->quiet);
  take_tail(L, box);
  int err = 0;
  if (!rt->closed)
    err = neap_file_free(box->file);
  box->file = NULL;
  if (was_open)
    neapL_warn(L, "a file was not closed");
  if (err < 0)
    warn_failed(L, err);
  return 0;
}

int neapL_file_tostring(lua_State *L) {
  struct neapL_file *box = neapL_file_self(L);
  if (neapL_file_get(L, box) == NULL)
    lua_pushliteral(L, "file (closed)");
  else
    lua_pushfstring(L, "file (%p)", (void *)box->file);
  return 1;
}

static const luaL_Reg file_methods[] = {
    {"read", neapL_file_read},
    {"lines", neapL_file_lines},
    {"write", neapL_file_write},
    {"seek", neapL_file_seek},
    {"flush", neapL_file_flush},
    {"setvbuf", neapL_file_setvbuf},
    {"close", neapL_file_close},
    {"pread", neapL_file_pread},
    {"pwrite", neapL_file_pwrite},
    {"stat", neapL_file_stat},
    {"sync", neapL_file_sync},
    {"datasync", neapL_file_datasync},
    {"truncate", neapL_file_truncate},
    {"chmod", neapL_file_chmod},
    {"utime", neapL_file_utime},
    {"lock", neapL_file_lock},
    {"fd", neapL_file_fd},
    {NULL, NULL},
};

static const luaL_Reg file_meta[] = {
    {"__close", neapL_file_tbc},
    {"__gc", neapL_file_gc},
    {"__tostring", neapL_file_tostring},
    {NULL, NULL},
};

void neapL_file_open(lua_State *L, struct neapL *N) {
  neapL_newtype(L, N, TYPE, file_methods, file_meta);
  neapL_file_openlock(L, N);
}

struct neapL_file *neapL_file_new(lua_State *L) {
  struct neapL_file *box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = (struct neapL_file){0};
  luaL_setmetatable(L, TYPE);
  return box;
}
