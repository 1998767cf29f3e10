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
  neap__sched_seed(rt, (uint32_t)seed);
  return 1;
}

/* core.settle() -> whether every other task waits now; false: they never do.
   Waits. */
static int core_settle(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  int quiet = 0; /* turns, with a look at the loop before, with nobody ready */
  for (int i = 0; i < SETTLE_TURNS && quiet < 2; i++) {
    neap__sched_want_poll(rt);
    neapL_raise(L, neap_yield(rt));
    quiet = rt->sched.nready == 0 ? quiet + 1 : 0;
  }
  lua_pushboolean(L, quiet == 2);
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
  static const luaL_Reg functions[] = {{"clock", core_clock},
                                       {"seed", core_seed},
                                       {"settle", core_settle},
                                       {"unheard", core_unheard},
                                       {NULL, NULL}};
  struct neapL *N = neapL_require(L);
  lua_newtable(L);
  neapL_setfuncs(L, N, functions);
  return 1;
}
