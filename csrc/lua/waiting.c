/* waiting.c: who has a runtime, and where one may wait; what these functions
   promise is in neapl.h. */
#include "lua/entry.h"
#include "lua/preempt.h"
#include "lua/runner.h"
#include "lua/task_handle.h"

#include <string.h>

neap_rt *neapL_peekrt(lua_State *L) {
  neap_rt *rt = neapL_self(L)->rt;
  return rt != NULL && !rt->closed ? rt : NULL;
}

static neap_rt *rt_of(lua_State *L, const struct neapL *N) {
  if (N->rt == NULL || N->rt->closed)
    luaL_error(L, "neap: the runtime has ended");
  return N->rt;
}

neap_rt *neapL_rt(lua_State *L) {
  return rt_of(L, neapL_self(L));
}

/* lua.c's handler of SIGINT sets this hook and leaves the rest to it: it
   clears itself and raises "interrupted!" (lua.c, laction and lstop). */
static bool interrupt_is_pending(struct neapL *N) {
  const int all = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT;
  if (N->preempt != NULL) /* it may stand in front of a debugger's */
    neapL_hook_disarm(&N->preempt->hooks, N->main);
  return lua_gethookmask(N->main) == all && lua_gethookcount(N->main) == 1;
}

int neapL_raise_sigint(lua_State *L, struct neapL *N) {
  if (interrupt_is_pending(N))
    lua_sethook(N->main, NULL, 0, 0);
  return luaL_error(L, "interrupted!");
}

/*
 * Whether a finalizer is running. It runs in a call that can't yield, so a
 * task's own thread that can yield is in none: that is quicker to see than what
 * the collector says. Of a coroutine it proves nothing: the finalizer may have
 * resumed it.
 */
static bool in_finalizer(lua_State *L, const struct neap_task *current) {
  if (L == current->arg && lua_isyieldable(L))
    return false;
  return lua_gc(L, LUA_GCISRUNNING) == -1;
}

/* Whether nothing at all is in the way: a Lua task waits, on its own thread. */
static bool is_plain_wait(lua_State *L, const struct neapL *N) {
  const neap_rt *rt = N->rt;
  return rt != NULL && !rt->closing && N->no_wait == NULL && N->coblocks == 0 &&
         L != N->main && rt->sched.current != NULL &&
         rt->sched.current->fn == neapL_task_entry &&
         !in_finalizer(L, rt->sched.current);
}

/* Apart from the usual case, which so needs no frame. */
__attribute__((noinline)) static neap_rt *waitrt(lua_State *L,
                                                 struct neapL *N) {
  neap_rt *rt = rt_of(L, N);
  struct neap_task *current = rt->sched.current;
  if (N->no_wait != NULL)
    luaL_error(L, "cannot wait %s", N->no_wait);
  if (current == NULL)
    luaL_error(L, "cannot wait here: no task is running (call from a task)");
  if (!neapL_task_is_lua(current))
    luaL_error(L,
               "cannot wait: task %I is a C task, without a Lua thread of its "
               "own (spawn the function, and join that)",
               (LUAI_UACINT)current->id);
  if (rt->closing)
    return rt; /* the wait itself says so */
  if (in_finalizer(L, current))
    luaL_error(L, "cannot wait in a finalizer");
  if (current->is_main) {
    if (!N->drive)
      luaL_error(L, "cannot wait on the host's stack (call from a task)");
    if (neap__fork_is_child(&rt->fork))
      luaL_error(L, "cannot wait: this is a child made by fork");
    if (neap__sigint_take(rt) && !neapL_runner_heed(L, N) &&
        interrupt_is_pending(N))
      neapL_raise_sigint(L, N);
  } else if (L == N->main) {
    luaL_error(L, "cannot wait: main state called from task %I",
               (LUAI_UACINT)current->id);
  }
  if (N->coblocks > 0)
    neapL_entry_stand(L, N);
  return rt;
}

neap_rt *neapL_waitrt_of(lua_State *L, struct neapL *N) {
  return is_plain_wait(L, N) ? N->rt : waitrt(L, N);
}

neap_rt *neapL_waitrt(lua_State *L) {
  return neapL_waitrt_of(L, neapL_self(L));
}

/* Whether Lua has called the __gc that runs, and not a script that has found it
   in the metatable. Lua's own name for a finalizer's call: ldebug.c. */
static bool is_finalizing(lua_State *L) {
  lua_Debug ar;
  return lua_getstack(L, 0, &ar) && lua_getinfo(L, "n", &ar) &&
         ar.name != NULL && strcmp(ar.name, "__gc") == 0 &&
         strcmp(ar.namewhat, "metamethod") == 0;
}

void neapL_gc_enter(lua_State *L, bool has_waiters) {
  struct neapL *N = neapL_self(L);
  if (!has_waiters || N->rt == NULL)
    return;
  if (!is_finalizing(L))
    luaL_error(L, "cannot finalize what tasks wait for");
  /* A waiter's stack keeps the object alive: only the state's end finalizes it
     all the same. */
  neapL_close(L, N);
}
