/* shield.c: neap.shield, neap.time_left: what keeps the cancellation and the
   deadlines of a task's entries out, and what these leave. */
#include "lua/shield.h"

#include "lua/entry.h"
#include "lua/traceback.h"

/* neap.time_left() -> seconds | nil. Does not wait. */
static int neap_time_left(lua_State *L) {
  neapL_rt(L);
  uint64_t due = neap__cancel_due(neapL_entry_here(L, neapL_self(L)));
  if (due == NEAP_FOREVER)
    return 0;
  uint64_t now = neap_now(neapL_rt(L));
  lua_pushnumber(L, due > now ? (lua_Number)(due - now) / 1e9 : 0.0);
  return 1;
}

/* neap.shield(fn, ...) -> fn's results. Waits. */
static int neap_shield_(lua_State *L) {
  struct neapL *N = neapL_self(L);
  neap_rt *rt = neapL_waitrt(L);
  neapL_checkcallable(L, 1);
  luaL_checkstack(L, 4, NULL);
  neapL_entry_prepare(L, N);
  struct neap_entry *entry = neap__mem_zalloc(&rt->mem, sizeof *entry);
  if (entry == NULL)
    neapL_nomem(L);
  neap__cancel_open(rt, entry, NEAP_ENTRY_SHIELD, neapL_entry_here(L, N));
  neapL_entry_enter(L, N, entry);
  int status = neapL_traceback_call(L, lua_gettop(L) - 1);
  neapL_entry_leave(L, N, entry, rt->sched.current, 0);
  neap__cancel_leave(rt, entry);
  neap__mem_free(&rt->mem, entry, sizeof *entry);
  return status == LUA_OK ? lua_gettop(L) - 1 : lua_error(L);
}

void neapL_shield_open(lua_State *L, struct neapL *N) {
  static const luaL_Reg functions[] = {
      {"time_left", neap_time_left}, {"shield", neap_shield_}, {NULL, NULL}};
  neapL_setfuncs(L, N, functions);
}
