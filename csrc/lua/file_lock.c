/*
 * file_lock.c: file:lock and the to-be-closed value that it gives. A value that
 * is collected does not end the lock: whoever forgot it would lose the lock at
 * some time, and not know. The file's end does.
 */
#include "lua/file.h"

#include <uv.h>

#define TYPE "neap.lock"

/* The file object is the user value. */
struct lock_box {
  uint64_t id; /* 0: not locked, or closed */
};

/* The field wait: true or nil, seconds, or false, which is *once. */
static uint64_t optwait(lua_State *L, int arg, bool *once) {
  *once = false;
  if (lua_isnoneornil(L, arg))
    return NEAP_FOREVER;
  int type = lua_getfield(L, arg, "wait");
  bool is_false = type == LUA_TBOOLEAN && !lua_toboolean(L, -1);
  lua_pop(L, 1);
  if (type == LUA_TNUMBER)
    return neapL_optfieldseconds(L, arg, "wait", 0);
  if (type != LUA_TNIL && type != LUA_TBOOLEAN)
    neapL_fielderror(L, arg, "wait", "boolean or number expected");
  *once = is_false;
  return is_false ? 0 : NEAP_FOREVER;
}

/* file:lock([{shared=, wait=}]) -> lock | nil, message, code. Waits. */
int neapL_file_lock(lua_State *L) {
  struct neapL_file *box = neapL_file_check(L);
  neapL_checkoptions(L, 2);
  bool shared = neapL_optfieldbool(L, 2, "shared", false);
  bool once;
  uint64_t wait_ns = optwait(L, 2, &once);
  const neap_rt *rt = neapL_waitrt(L);
  struct lock_box *lock = lua_newuserdatauv(L, sizeof *lock, 1);
  lock->id = 0;
  luaL_setmetatable(L, TYPE);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  if (neapL_file_get(L, box) == NULL)
    return neapL_file_failclosed(L);
  uint64_t due_ns = wait_ns > 0 ? neap__timer_after(rt, wait_ns) : 0;
  uint64_t id;
  int err = neap_file_lock(box->file, shared, due_ns, &id);
  if (err == UV_ETIMEDOUT || (err == UV_EAGAIN && !once))
    return neapL_timedout(L, (double)wait_ns / 1e9);
  if (err < 0)
    return neapL_file_fail(L, box, err);
  lock->id = id;
  return 1;
}

static struct lock_box *checklock(lua_State *L) {
  return neapL_checkself(L, TYPE);
}

/* Ends the lock; returns 0 or the code with which that failed. */
static int unlock(lua_State *L, struct lock_box *lock) {
  if (lock->id == 0)
    return 0;
  lua_getiuservalue(L, 1, 1);
  const struct neapL_file *box = lua_touserdata(L, -1);
  neap_file *file = neapL_file_get(L, box);
  int err = 0;
  if (file != NULL) {
    neapL_waitrt(L);
    err = neap_file_unlock(file, lock->id);
  }
  if (err != UV_ENOMEM) /* else it is still there, and may be closed again */
    lock->id = 0;
  lua_pop(L, 1);
  return err;
}

/* lock:close() -> true | nil, message, code. Waits; not cancellable. */
static int lock_close(lua_State *L) {
  int err = unlock(L, checklock(L));
  if (err < 0)
    return neapL_fail(L, err, NULL);
  lua_pushboolean(L, true);
  return 1;
}

/* A failure is raised, unless an error is on its way already. */
static int lock_tbc(lua_State *L) {
  int err = unlock(L, checklock(L));
  if (err < 0 && lua_isnoneornil(L, 2))
    return luaL_error(L, "ending a lock failed: %s", neapL_strerror(err));
  if (err < 0)
    neapL_warn(L, "ending a lock failed");
  return 0;
}

static int lock_tostring(lua_State *L) {
  const struct lock_box *lock = checklock(L);
  if (lock->id == 0)
    lua_pushliteral(L, "lock (closed)");
  else
    lua_pushfstring(L, "lock (%p)", (const void *)lock);
  return 1;
}

static const luaL_Reg lock_methods[] = {
    {"close", lock_close},
    {NULL, NULL},
};

static const luaL_Reg lock_meta[] = {
    {"__close", lock_tbc},
    {"__tostring", lock_tostring},
    {NULL, NULL},
};

void neapL_file_openlock(lua_State *L, struct neapL *N) {
  neapL_newtype(L, N, TYPE, lock_methods, lock_meta);
}
