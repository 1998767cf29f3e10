/* fs_tree.c: neap.fs: functions of a tree of folders: remove, walk, glob. */
#include "lua/fs.h"

#include <uv.h>

#define WALK "neap.walk"

/* --- removing --------------------------------------------------------- */

/* fs.remove(path [, {recursive=}]) -> true | nil, message, code. Waits. */
static int fs_remove(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  neapL_checkoptions(L, 2);
  bool recursive = neapL_optfieldbool(L, 2, "recursive", false);
  neap_blob failed = {0};
  int err = neap_fs_remove(neapL_waitrt(L), path, recursive, &failed);
  if (err < 0)
    return neapL_fs_failblob(L, err, failed, path);
  lua_pushboolean(L, true);
  return 1;
}

/* --- walking ---------------------------------------------------------- */

struct walk_box {
  neap_walk *walk; /* NULL: not open yet, or at its end */
};

static void close_walk(struct walk_box *box) {
  neap_walk_close(box->walk);
  box->walk = NULL;
}

/* path, nil, message, code: what is there could not be read. */
static int push_failed(lua_State *L, const neap_walk_entry *entry) {
  lua_pushlstring(L, entry->path, entry->len);
  neapL_fail(L, entry->err, lua_tostring(L, -1));
  return 4;
}

/* Upvalues: neapL, the walk. Waits when the next entries are not there yet. */
static int walk_next(lua_State *L) {
  struct walk_box *box = lua_touserdata(L, lua_upvalueindex(2));
  neap_walk_entry entry;
  neapL_waitrt(L);
  if (box->walk == NULL)
    return 0;
  int more = neap_walk_next(box->walk, &entry);
  if (more <= 0) {
    neapL_checkwait(L, more);
    if (more == 0 || more == UV_EBADF || more == UV_ECANCELED) {
      close_walk(box);
      return 0;
    }
    return luaL_error(L, "walk: %s", neapL_strerror(more));
  }
  if (entry.err < 0)
    return push_failed(L, &entry);
  lua_pushlstring(L, entry.path, entry.len);
  lua_pushstring(L, entry.type);
  if (entry.info == NULL)
    return 2;
  neapL_fs_pushinfo(L, entry.info);
  return 3;
}

/* fs.walk(root [, {follow=, depth=, stat=}]) -> iterator of path, type, stat |
 * nil, message, code. Waits, and so does the iterator. */
static int fs_walk(lua_State *L) {
  const char *root = neapL_checkpath(L, 1);
  neapL_checkoptions(L, 2);
  neap_walk_options options = {
      .size = sizeof options,
      .follow = neapL_optfieldbool(L, 2, "follow", false),
      .stat = neapL_optfieldbool(L, 2, "stat", false),
      .depth =
          (uint32_t)neapL_optfieldint(L, 2, "depth", 1, UINT32_MAX, UINT32_MAX),
  };
  neap_rt *rt = neapL_waitrt(L);
  lua_settop(L, 1);
  struct walk_box *box = lua_newuserdatauv(L, sizeof *box, 0);
  box->walk = NULL;
  luaL_setmetatable(L, WALK);
  lua_pushlightuserdata(L, neapL_self(L));
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, walk_next, 2);
  neap_walk *walk;
  int err = neap_walk_open(rt, root, &options, &walk);
  if (err < 0)
    return neapL_fail(L, err, root);
  box->walk = walk;
  lua_pushnil(L);
  lua_pushnil(L);
  lua_rotate(L, 2, -1); /* iterator, nil, nil, what a for loop closes */
  return 4;
}

static int walk_close(lua_State *L) {
  struct walk_box *box = neapL_checkself(L, WALK);
  if (neapL_peekrt(L) != NULL)
    close_walk(box);
  lua_pushboolean(L, true);
  return 1;
}

static int walk_gc(lua_State *L) {
  struct walk_box *box = luaL_checkudata(L, 1, WALK);
  if (box->walk == NULL || neapL_peekrt(L) == NULL)
    return 0;
  neapL_gc_enter(L, neap_walk_waited(box->walk));
  if (box->walk == NULL || neapL_peekrt(L) == NULL)
    return 0;
  close_walk(box);
  neapL_warn(L, "a walk was not closed");
  return 0;
}

static int walk_tostring(lua_State *L) {
  struct walk_box *box = neapL_checkself(L, WALK);
  if (neapL_peekrt(L) == NULL || box->walk == NULL)
    lua_pushliteral(L, "walk (closed)");
  else
    lua_pushfstring(L, "walk (%p)", (void *)box->walk);
  return 1;
}

static const luaL_Reg walk_methods[] = {
    {"close", walk_close},
    {NULL, NULL},
};

static const luaL_Reg walk_meta[] = {
    {"__close", walk_close},
    {"__gc", walk_gc},
    {"__tostring", walk_tostring},
    {NULL, NULL},
};

/* --- names that match ------------------------------------------------- */

/* fs.glob(pattern) -> list of paths | nil, message, code. Waits. Written in
 * Lua: lua/neap/fs/glob.lua. */
static int fs_glob(lua_State *L) {
  neapL_checkpath(L, 1);
  neapL_waitrt(L);
  lua_settop(L, 1);
  return neapL_calllua(L, "neap.fs.glob");
}

/* --- the functions ---------------------------------------------------- */

static const luaL_Reg functions[] = {
    {"walk", fs_walk},
    {"glob", fs_glob},
    {NULL, NULL},
};

static const luaL_Reg blob_functions[] = {
    {"remove", fs_remove},
    {NULL, NULL},
};

void neapL_fs_tree_open(lua_State *L, struct neapL *N) {
  neapL_newtype(L, N, WALK, walk_methods, walk_meta);
  neapL_setfuncs(L, N, functions);
  neapL_fs_setfuncs(L, N, blob_functions);
}
