/*
 * What the tests of hosts with Lua share: a state whose allocator counts what
 * it has given out, and helpers to run Lua in it.
 */
#ifndef NEAP_SPEC_TEST_LUA_H
#define NEAP_SPEC_TEST_LUA_H

#include "include/neap_lua.h"

#include "test.h"

#include <lauxlib.h>
#include <lualib.h>
#include <poll.h>
#include <uv.h>

#define MS ((uint64_t)1000 * 1000)

/* Bytes given out and not freed; allocation number fail_at fails, and with
   fail_on all later ones. */
struct counted {
  size_t used;
  uint64_t count, fail_at, failed;
  bool fail_on;
};

static inline bool fails_now(struct counted *counted) {
  counted->count++;
  if (counted->fail_at == 0 || counted->count < counted->fail_at ||
      (counted->count > counted->fail_at && !counted->fail_on))
    return false;
  counted->failed++;
  return true;
}

/* For Lua: of a new block the old size is a type. */
static inline void *counted_alloc(void *ud, void *ptr, size_t old_size,
                                  size_t new_size) {
  struct counted *counted = (struct counted *)ud;
  if (ptr == NULL)
    old_size = 0;
  if (new_size > old_size && fails_now(counted))
    return NULL;
  counted->used += new_size - old_size;
  if (new_size == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, new_size);
}

/* Without libraries. Lua 5.5 takes a seed as well. */
static inline lua_State *bare_state(struct counted *counted) {
#if LUA_VERSION_NUM >= 505
  return lua_newstate(counted_alloc, counted, 1);
#else
  return lua_newstate(counted_alloc, counted);
#endif
}

static inline lua_State *new_state(struct counted *counted) {
  lua_State *L = bare_state(counted);
  if (CHECK(L != NULL))
    luaL_openlibs(L);
  return L;
}

/* Spawns the Lua code as a task. */
static inline bool spawn(lua_State *L, const char *code) {
  if (luaL_loadstring(L, code) != LUA_OK) {
    printf("%s\n", lua_tostring(L, -1));
    lua_pop(L, 1);
    return CHECK(!"it does not compile");
  }
  int err = neap_lua_spawn(L, 0, NULL, NULL);
  if (err < 0)
    printf("%s\n", lua_tostring(L, -1));
  lua_pop(L, 1);
  return CHECK(err == 0);
}

/* Runs the Lua code on the host's stack; false when it raises: the message is
   in the global `message`. */
static inline bool run(lua_State *L, const char *code) {
  if (luaL_dostring(L, code) == LUA_OK)
    return true;
  lua_setglobal(L, "message");
  return false;
}

/* Whether the global is a string that contains text. */
static inline bool global_has(lua_State *L, const char *name,
                              const char *text) {
  lua_getglobal(L, name);
  const char *value = lua_tostring(L, -1);
  bool has = value != NULL && strstr(value, text) != NULL;
  if (!has)
    printf("%s is %s\n", name, value != NULL ? value : luaL_typename(L, -1));
  lua_pop(L, 1);
  return has;
}

static inline lua_Integer global_int(lua_State *L, const char *name) {
  lua_getglobal(L, name);
  lua_Integer value = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return value;
}

/* Sleeps as long as the runtime allows, or until a signal comes. False: nothing
   came for so long that nothing will. */
static inline bool sleep_till_next(neap_rt *rt) {
  struct pollfd pollfd = {neap_backend_fd(rt), POLLIN, 0};
  const int forever = 60 * 1000;
  int ms = neap_next_timeout(rt);
  int n = poll(&pollfd, 1, ms >= 0 && ms < forever ? ms : forever);
  return n != 0 || ms >= 0;
}

/* Steps until no task is left. */
static inline void step_to_end(neap_rt *rt) {
  neap_figures figures;
  do {
    if (!CHECK(neap_step(rt, UINT64_MAX) >= 0))
      return;
    neap_info(rt, &figures);
  } while (figures.tasks > 1 && CHECK(sleep_till_next(rt)));
}

#endif
