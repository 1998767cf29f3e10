/*
 * runner.c: signals of the `neap` command. Its handler notes what is due; it is
 * done by the driver, or by a hook in the task that is running, or before main
 * waits: whoever is first. See runner.h.
 */
#include "lua/runner.h"

#include "lua/dump.h"
#include "lua/preempt.h"
#include "lua/task.h"

#include <stdio.h>

/* In a signal handler. */
static void due(struct neapL_runner *runner, int what) {
  struct neapL *N = runner->N;
  const struct neap_task *task = N->rt->sched.current;
  __atomic_fetch_or(&runner->what, what, __ATOMIC_SEQ_CST);
  if (neapL_preempt_can(task))
    neapL_preempt_due(N, task, NEAPL_DUE_RUNNER);
  neap__sigint_poke(N->rt);
}

static int take(struct neapL_runner *runner) {
  return (int)__atomic_exchange_n(&runner->what, 0, __ATOMIC_SEQ_CST);
}

static void dump(lua_State *L, struct neapL *N) {
  lua_pushlightuserdata(L, N);
  lua_pushcclosure(L, neapL_dump_function, 1);
  lua_call(L, 0, 0);
}

/* Cancels the task as its handle's method does, so that it knows the reason. */
static void cancel(lua_State *L, struct neapL *N, struct neap_task *task) {
  neapL_task_push(L, N, task);
  lua_getfield(L, -1, "cancel");
  lua_insert(L, -2);
  lua_pushliteral(L, "interrupted");
  lua_call(L, 2, 0);
}

/* Those there are. No task ends meanwhile. */
static void cancel_all(lua_State *L, struct neapL *N) {
  struct neap_list *head = &N->rt->sched.tasks, *node = head->next;
  for (uint32_t n = N->rt->sched.ntasks + 1; n > 0; n--) {
    struct neap_task *task = NEAP_LIST_ENTRY(node, struct neap_task, all);
    node = node->next;
    if (neapL_preempt_can(task))
      cancel(L, N, task);
  }
}

/* For lua_pcall on N->work, on the driver's stack: (neapL). */
static int act(lua_State *L) {
  struct neapL *N = lua_touserdata(L, 1);
  const int what = take(N->runner);
  if ((what & NEAPL_RUNNER_DUMP) != 0)
    dump(L, N);
  if ((what & NEAPL_RUNNER_INTERRUPT) == 0)
    return 0;
  if (!N->runner->prompt)
    cancel_all(L, N);
  else if (N->rt->sched.main->op != NULL)
    neap__op_interrupt(N->rt->sched.main->op, NEAP_INTERRUPTED);
  return 0;
}

/* rt->on_sigint */
static void on_driver(neap_rt *rt, void *binding) {
  struct neapL *N = binding;
  lua_State *work = N->work;
  (void)rt;
  lua_pushcfunction(work, act);
  lua_pushlightuserdata(work, N);
  if (lua_pcall(work, 1, 0, 0) == LUA_OK)
    return;
  fprintf(stderr, "neap: a signal was lost: %s\n",
          lua_type(work, -1) == LUA_TSTRING ? lua_tostring(work, -1) : "?");
  lua_pop(work, 1);
}

void neapL_runner_fired(lua_State *L, struct neapL *N) {
  const int what = take(N->runner);
  luaL_checkstack(L, 8, NULL);
  if ((what & NEAPL_RUNNER_DUMP) != 0)
    dump(L, N);
  if ((what & NEAPL_RUNNER_INTERRUPT) == 0)
    return;
  if (N->runner->prompt)
    luaL_error(L, "interrupted!");
  cancel_all(L, N);
  const struct neap_task *task = N->rt->sched.current;
  if (task->interrupt != 0) /* 0: in a shield */
    neapL_raise_interrupt(L, N, neap__op_check(N->rt));
}

bool neapL_runner_heed(lua_State *L, struct neapL *N) {
  if (N->runner == NULL)
    return false;
  neapL_runner_fired(L, N);
  return true;
}

void neapL_runner_open(lua_State *L, struct neapL *N) {
  lua_getfield(L, LUA_REGISTRYINDEX, NEAPL_RUNNER);
  struct neapL_runner *runner = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (runner == NULL)
    return;
  neapL_preempt_need(L, N);
  N->runner = runner;
}

void neapL_runner_attach(struct neapL *N) {
  struct neapL_runner *runner = N->runner;
  if (runner == NULL)
    return;
  N->rt->on_sigint = on_driver;
  runner->N = N;
  runner->due = due; /* last: a signal may come at any time */
}

void neapL_runner_detach(struct neapL *N) {
  if (N->runner == NULL)
    return;
  N->runner->due = NULL;
  N->rt->on_sigint = NULL;
}
