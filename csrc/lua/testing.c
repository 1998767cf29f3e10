/*
 * testing.c: neap.testing.core, what lua/neap/testing needs of the runtime: a
 * clock that stands still and jumps, an order of the ready tasks that a seed
 * decides, and to know when all others wait.
 */
#include "include/neap_lua.h"
#include "lua/neapl.h"
#include "lua/task.h"

/* Turns after which tasks that go on making each other ready are taken for
   ones that never stop. */
#define SETTLE_TURNS 100000

/* core.clock(virtual) -> whether it was. Does not wait. */
static int core_clock(lua_State *L) {
  neap_rt *rt = neapL_rt(L);
  bool was = rt->clock.is_virtual;
  luaL_checktype(L, 1, LUA_TBOOLEAN);
  neap__clock_set_virtual(&rt->clock, lua_toboolean(L, 1));
  rt->sched.now_ns = neap_now(rt);
  neap__timer_rearm(rt);
  lua_pushboolean(L, was);
  return 1;
}

/* core.seed(n) -> the one before: a state of the shuffle, 0: none. Does not
   wait. */
static int core_seed(lua_State *L) {
  neap_rt *rt = neapL_rt(L);
  lua_Integer seed = luaL_checkinteger(L, 1);
  luaL_argcheck(L, seed >= 0 && seed <= UINT32_MAX, 1, "seed out of range");
  lua_pushinteger(L, rt->sched.seed);
  neap__sched_seed(&rt->sched, (uint32_t)seed);
  return 1;
}

/* core.settle([looks]) -> whether every other task waits now; false: they never
   do. Others that settle count as waiting. So many looks at the loop (2) bring
   nobody back; 0: all wait for a moment, whatever the loop has. Waits. */
static int core_settle(lua_State *L) {
  struct neapL *N = neapL_self(L);
  neap_rt *rt = neapL_waitrt(L);
  const lua_Integer looks = luaL_optinteger(L, 1, 2);
  int err = 0, quiet = -1; /* turns in a row with nobody ready, less one */
  N->settling++;
  for (int i = 0; i < SETTLE_TURNS && quiet < looks && err == 0; i++) {
    if (looks > 0)
      neap__sched_want_poll(rt);
    err = neap_yield(rt);
    quiet = rt->sched.nready < N->settling ? quiet + 1 : -1;
  }
  N->settling--;
  neapL_raise(L, err);
  lua_pushboolean(L, quiet == looks);
  return 1;
}

static bool count_handle(void *ud, const char *text) {
  lua_Integer *n = ud;
  (void)text;
  ++*n;
  return true;
}

/* core.handles() -> how many are open. Does not wait. One that was closed does
   not count, although libuv may still have it. */
static int core_handles(lua_State *L) {
  neap_rt *rt = neapL_rt(L);
  lua_Integer n = 0;
  if (rt->io != NULL)
    rt->io_list(rt, count_handle, &n);
  lua_pushinteger(L, n);
  return 1;
}

/* core.unheard() -> "2 tasks failed; first: ..." of failures that were reported
   and that nobody has asked for since, or nil. Does not wait. */
static int core_unheard(lua_State *L) {
  neapL_rt(L);
  if (!neapL_task_unheard(L, neapL_self(L)))
    lua_pushnil(L);
  return 1;
}

int luaopen_neap_testing_core(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"clock", core_clock},     {"seed", core_seed},
      {"settle", core_settle},   {"handles", core_handles},
      {"unheard", core_unheard}, {NULL, NULL}};
  struct neapL *N = neapL_require(L);
  lua_newtable(L);
  neapL_setfuncs(L, N, functions);
  return 1;
}
