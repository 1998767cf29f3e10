/* watchdog.c: neap.watchdog; the idea is in watchdog.h. */
#include "lua/watchdog.h"

#include "lua/preempt.h"
#include "lua/task.h"

#include <stdio.h>

/* rt->watchdog.describe: in the signal handler. */
static void describe(struct neap_rt *rt, const struct neap_task *task,
                     char *out, size_t size) {
  neapL_preempt_describe(task, out, size);
  if (neapL_preempt_can(task))
    neapL_preempt_due(rt->binding, task, NEAPL_DUE_PLACE);
}

/* Calls the script's function with the task and the traceback on L's top. */
static void call_function(lua_State *L, const struct neapL *N) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->preempt->watchdog_ref);
  lua_insert(L, -3);
  lua_call(L, 2, 0);
}

/* Runs fn(neapL, arg) protected on the work thread, where nobody may wait. */
static void run(struct neapL *N, lua_CFunction fn, void *arg) {
  lua_State *work = N->work;
  lua_pushcfunction(work, fn);
  lua_pushlightuserdata(work, N);
  lua_pushlightuserdata(work, arg);
  N->no_wait = "in a watchdog's function";
  if (lua_pcall(work, 2, 0, 0) != LUA_OK) {
    fprintf(stderr, "neap: the watchdog's function failed: %s\n",
            lua_type(work, -1) == LUA_TSTRING ? lua_tostring(work, -1) : "?");
    fflush(stderr);
    lua_pop(work, 1);
  }
  N->no_wait = NULL;
}

/* (neapL, for how many ns): the running task has held the loop. */
static int tell(lua_State *L) {
  struct neapL *N = lua_touserdata(L, 1);
  const uint64_t *held_ns = lua_touserdata(L, 2);
  struct neap_task *task = N->rt->sched.current;
  char who[200];
  neapL_task_push(L, N, task);
  neapL_preempt_traceback(L, N);
  if (N->preempt->watchdog_ref != LUA_NOREF) {
    call_function(L, N);
    return 0;
  }
  neapL_preempt_describe(task, who, sizeof who);
  fprintf(stderr, "neap: the loop has been held for %.3f s by %s\n%s\n",
          (double)*held_ns / 1e9, who, lua_tostring(L, -1));
  fflush(stderr);
  return 0;
}

void neapL_watchdog_tell(struct neapL *N) {
  uint64_t held_ns = neap__watchdog_take(N->rt);
  if (held_ns > 0)
    run(N, tell, &held_ns);
}

static struct neap_task *find_task(struct neap_rt *rt, uint64_t id) {
  struct neap_list *head = &rt->sched.tasks, *node;
  for (node = head->next; node != head; node = node->next) {
    struct neap_task *task = NEAP_LIST_ENTRY(node, struct neap_task, all);
    if (task->id == id)
      return task;
  }
  return NULL;
}

/* (neapL, struct neap_held): somebody held the loop and is not there now. */
static int tell_late(lua_State *L) {
  struct neapL *N = lua_touserdata(L, 1);
  const struct neap_held *held = lua_touserdata(L, 2);
  struct neap_task *task = find_task(N->rt, held->task);
  if (!neapL_preempt_can(task))
    task = NULL;
  if (N->preempt->watchdog_ref != LUA_NOREF) {
    if (task != NULL)
      neapL_task_push(L, N, task);
    else
      lua_pushnil(L);
    lua_pushnil(L);
    call_function(L, N);
    return 0;
  }
  if (held->said)
    return 0;
  char who[200];
  if (task != NULL)
    neapL_preempt_describe(task, who, sizeof who);
  else if (held->task != 0)
    snprintf(who, sizeof who, "task %llu, which has ended",
             (unsigned long long)held->task);
  else
    snprintf(who, sizeof who, "no task that could be asked");
  fprintf(stderr,
          "neap: the loop was held for %.3f s by %s, which came to no Lua "
          "code that we could stop at\n",
          (double)held->held_ns / 1e9, who);
  fflush(stderr);
  return 0;
}

/* rt->watchdog.on_missed: on the driver's stack. */
static void on_missed(struct neap_rt *rt, const struct neap_held *held) {
  struct neapL *N = rt->binding;
  if (N->preempt->watches)
    run(N, tell_late, (void *)(uintptr_t)held);
}

static void set_function(lua_State *L, struct neapL_preempt *P, int arg) {
  int ref = LUA_NOREF;
  if (!lua_isnil(L, arg)) {
    lua_pushvalue(L, arg);
    ref = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  luaL_unref(L, LUA_REGISTRYINDEX, P->watchdog_ref);
  P->watchdog_ref = ref;
}

/* neap.watchdog(seconds | nil [, fn(task, traceback)]) -> true | nil, message,
   code. Does not wait. */
static int neap_watchdog(lua_State *L) {
  struct neapL *N = neapL_self(L);
  neap_rt *rt = neapL_rt(L);
  lua_settop(L, 2);
  uint64_t ns = neapL_optseconds(L, 1, NEAP_FOREVER);
  luaL_argcheck(L, ns > 0, 1, "must be more than 0 seconds");
  if (!lua_isnil(L, 2))
    neapL_checkcallable(L, 2);
  bool on = ns != NEAP_FOREVER;
  if (on || N->preempt != NULL) {
    struct neapL_preempt *P = neapL_preempt_need(L, N);
    neap__watchdog_stop(rt);
    P->watches = on;
    neapL_preempt_settle(L, N);
    set_function(L, P, 2);
    rt->preempt.on_poke = neap__watchdog_on_poke;
    rt->watchdog.describe = describe;
    rt->watchdog.on_missed = on_missed;
    int err = on ? neap__watchdog_start(rt, ns) : 0;
    if (err < 0) {
      P->watches = false;
      neapL_preempt_settle(L, N);
      return neapL_fail(L, err, "watchdog");
    }
  }
  lua_pushboolean(L, true);
  return 1;
}

void neapL_watchdog_open(lua_State *L, struct neapL *N) {
  static const luaL_Reg functions[] = {{"watchdog", neap_watchdog},
                                       {NULL, NULL}};
  neapL_setfuncs(L, N, functions);
}
