/* fs_copy.c: fs.copy: steps in C, and between two of them the script's function
   that is told how far it is. */
#include "lua/fs.h"

#define TYPE "neap.copy"

/* On the stack while the copy is under way, to be closed: an error of the
   script's function leaves no half file and nothing open. */
struct copy_box {
  neap_copy *copy; /* NULL: done with */
};

static void free_copy(struct copy_box *box) {
  neap_copy_free(box->copy);
  box->copy = NULL;
}

/* __close. Waits, but is not cancelled. */
static int copy_close(lua_State *L) {
  struct copy_box *box = lua_touserdata(L, 1);
  neap_rt *rt = neapL_peekrt(L);
  if (box->copy != NULL && rt != NULL && neapL_fs_canwait(L, rt))
    neap_copy_undo(rt, box->copy); /* if there is no memory, free does it */
  free_copy(box);
  return 0;
}

static int copy_gc(lua_State *L) {
  free_copy(lua_touserdata(L, 1));
  return 0;
}

/* Pushes the option, or nil; returns whether it is a function. */
static bool push_progress(lua_State *L, int arg) {
  if (!neapL_pushfield(L, arg, "progress"))
    return false;
  if (lua_type(L, -1) != LUA_TFUNCTION)
    neapL_fielderror(L, arg, "progress", "function expected");
  return true;
}

static void tell(lua_State *L, int progress, const neap_copy *copy) {
  lua_pushvalue(L, progress);
  lua_pushinteger(L, (lua_Integer)neap_copy_bytes(copy));
  lua_pushstring(L, neap_copy_path(copy));
  lua_call(L, 2, 0);
}

/* nil, message, code, with the path of what failed. */
static int fail(lua_State *L, int err, const struct copy_box *box,
                const char *from) {
  const char *path = neap_copy_failed(box->copy);
  neapL_raise(L, err);
  return neapL_fail(L, err, lua_pushstring(L, path != NULL ? path : from));
}

/* fs.copy(from, to [, {recursive=, progress=}]) -> true | nil, message, code.
 * Waits. */
static int fs_copy(lua_State *L) {
  const char *from = neapL_checkpath(L, 1);
  const char *to = neapL_checkpath(L, 2);
  neapL_checkoptions(L, 3);
  bool recursive = neapL_optfieldbool(L, 3, "recursive", false);
  neap_rt *rt = neapL_waitrt(L);
  lua_settop(L, 3);
  bool telling = push_progress(L, 3);
  struct copy_box *box = lua_newuserdatauv(L, sizeof *box, 0);
  box->copy = NULL;
  luaL_setmetatable(L, TYPE);
  lua_toclose(L, -1);
  int result = neap_copy_new(from, to, recursive, &box->copy);
  if (result < 0)
    return neapL_fail(L, result, from);
  do {
    result = neap_copy_step(rt, box->copy);
    if (result >= 0 && telling)
      tell(L, 4, box->copy);
  } while (result == 1);
  if (result < 0)
    return fail(L, result, box, from);
  lua_pushboolean(L, true);
  return 1;
}

static const luaL_Reg no_methods[] = {{NULL, NULL}};

static const luaL_Reg copy_meta[] = {
    {"__close", copy_close},
    {"__gc", copy_gc},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"copy", fs_copy},
    {NULL, NULL},
};

void neapL_fs_copy_open(lua_State *L, struct neapL *N) {
  neapL_newtype(L, N, TYPE, no_methods, copy_meta);
  neapL_setfuncs(L, N, functions);
}
