/* std.c: neap.stdin, neap.stdout, neap.stderr. */
#include "include/neap_lua.h"

#include "lua/file.h"

#include <uv.h>

static int closed(lua_State *L, struct neapL_file *box, int err) {
  int end_err = neap_file_end_std(box->fd);
  if (err == 0)
    err = end_err;
  if (err < 0)
    return neapL_fail(L, err, NULL);
  lua_pushboolean(L, true);
  return 1;
}

static void dropped(struct neapL_file *box) {
  (void)box; /* the descriptor is not ours to close */
}

static const struct neapL_file_tail std_tail = {
    .quiet = true, .closed = closed, .dropped = dropped};

/* Sets a field of the table on the top: closed, if the descriptor is. */
static void set_file(lua_State *L, neap_rt *rt, const char *name, int which) {
  struct neapL_file *box = neapL_file_new(L);
  int err = neap_file_std(rt, which, &box->file);
  neapL_checkwait(L, err);
  if (err < 0 && err != UV_EBADF)
    luaL_error(L, "neap.%s: %s", name, neapL_strerror(err));
  if (err == 0) {
    box->tail = &std_tail;
    box->fd = which;
  }
  lua_setfield(L, -2, name);
}

int luaopen_neap_std(lua_State *L) {
  struct neapL *N = neapL_require(L);
  if (N->rt == NULL || N->rt->closing)
    luaL_error(L, "neap: the runtime has ended");
  luaL_requiref(L, "neap.fs", luaopen_neap_fs, false); /* the type */
  lua_pop(L, 1);
  lua_createtable(L, 0, 3);
  set_file(L, N->rt, "stdin", 0);
  set_file(L, N->rt, "stdout", 1);
  set_file(L, N->rt, "stderr", 2);
  return 1;
}
