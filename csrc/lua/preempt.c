/*
 * preempt.c: neap.preempt and neap.nopreempt: Lua code that does not wait gives
 * way when its slice of CPU time is over; how: preempt.h.
 */
#include "lua/preempt.h"

#include "lua/budget.h"
#include "lua/entry.h"
#include "lua/runner.h"
#include "lua/running.h"
#include "lua/standin.h"
#include "lua/task_handle.h"
#include "lua/traceback.h"
#include "lua/watchdog.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Without signals the hook fires after so many instructions: some 50 us. */
#define EVERY 1000

/* So many coroutines one inside another are in a traceback. */
#define MAX_DEPTH 20

struct neapL_preempt *neapL_preempt_need(lua_State *L, struct neapL *N) {
  if (N->preempt != NULL)
    return N->preempt;
  struct neapL_preempt *P = lua_newuserdatauv(L, sizeof *P, 0);
  memset(P, 0, sizeof *P);
  P->hooks.n = 1; /* the first foreign hook is none */
  P->standins_ref = P->watchdog_ref = LUA_NOREF;
  lua_rawsetp(L, LUA_REGISTRYINDEX, P);
  N->preempt = P;
  return P;
}

void neapL_preempt_settle(lua_State *L, struct neapL *N) {
  struct neapL_preempt *P = N->preempt;
  P->hooks.keeps = P->slices || P->watches;
  neap__slice_watch(N->rt, NEAP_WATCH_PREEMPT, P->slices);
  neap__slice_watch(N->rt, NEAP_WATCH_WATCHDOG, P->watches);
  if (P->hooks.keeps)
    neapL_standin_install(L, N);
  else
    neapL_standin_remove(L, N);
}

void neapL_preempt_close(struct neapL *N) {
  if (N->preempt == NULL)
    return;
  neapL_running_deinit(N);
  neapL_budget_end(N);
}

/* -- what is due */

void neapL_preempt_due(struct neapL *N, const struct neap_task *task,
                       int what) {
  struct neapL_preempt *P = N->preempt;
  const struct neapL_running *running = neapL_running_of(N, task);
  lua_State *L = running != NULL ? running->co : neapL_task_thread(N, task);
  if (neapL_is_stubborn(L))
    return; /* it is ended already */
  if (P->due_on != L || P->due_switches != task->switches)
    P->due = 0;
  P->due_on = L;
  P->due_switches = task->switches;
  P->due |= what;
  neapL_hook_signal(&P->hooks, L);
}

static bool is_exempt(const struct neapL *N, const struct neap_task *task) {
  return task->is_main ? N->main_exempt : neapL_task_data(task)->exempt;
}

bool neapL_preempt_can(const struct neap_task *task) {
  return task != NULL && neapL_task_is_lua(task) &&
         (task->is_main || !neapL_task_data(task)->released);
}

/* Whether the end of a slice matters to the task. */
static bool is_meant(const struct neapL *N, const struct neap_task *task) {
  return neapL_preempt_can(task) &&
         (N->preempt->budgets != NULL || !is_exempt(N, task));
}

/* In the signal handler. */
static void on_tick(struct neap_rt *rt) {
  struct neapL *N = rt->binding;
  const struct neap_task *task = rt->sched.current;
  if (N->preempt->slices && is_meant(N, task))
    neapL_preempt_due(N, task, NEAPL_DUE_SLICE);
}

static uint64_t cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Without a signal: the clock is looked at when the hook fires. */
static void look_at_clock(struct neapL *N, const struct neap_task *task) {
  struct neapL_preempt *P = N->preempt;
  uint64_t now = P->slice_ns > 0 ? cpu_ns() : 0;
  if (!P->slices || now < P->over_ns)
    return;
  P->over_ns = P->slice_ns > 0 ? now + P->slice_ns : 0;
  if (is_meant(N, task))
    neapL_preempt_due(N, task, NEAPL_DUE_SLICE);
}

/* -- the end of a slice */

void neapL_preempt_traceback(lua_State *L, struct neapL *N) {
  const struct neap_task *task = N->rt->sched.current;
  const struct neapL_running *running = neapL_running_of(N, task);
  int parts = 0;
  luaL_checkstack(L, 2 * MAX_DEPTH + LUA_MINSTACK, NULL);
  for (; running != NULL && parts < 2 * MAX_DEPTH; running = running->outer) {
    luaL_traceback(L, running->co, NULL, 0);
    lua_pushliteral(L, "\nresumed in\n");
    parts += 2;
  }
  luaL_traceback(L, neapL_task_thread(N, task), NULL, 0);
  lua_concat(L, parts + 1);
}

void neapL_preempt_describe(const struct neap_task *task, char *out,
                            size_t size) {
  if (!neapL_preempt_can(task)) {
    snprintf(out, size, task != NULL ? "a C task" : "no task: the loop itself");
    return;
  }
  const char *name = neapL_task_name(task), *origin = neapL_task_origin(task);
  snprintf(out, size, "task %llu%s%.80s%s%s%.80s%s",
           (unsigned long long)task->id, name != NULL ? " '" : "",
           name != NULL ? name : "", name != NULL ? "'" : "",
           origin != NULL ? " (spawned at " : "", origin != NULL ? origin : "",
           origin != NULL ? ")" : "");
}

/* For lua_pcall on N->work: (neapL). */
static int write_report(lua_State *L) {
  struct neapL *N = lua_touserdata(L, 1);
  char who[200];
  neapL_preempt_describe(N->rt->sched.current, who, sizeof who);
  neapL_preempt_traceback(L, N);
  fprintf(stderr, "neap: %s has run for %.14g s without waiting\n%s\n", who,
          N->preempt->slice, lua_tostring(L, -1));
  fflush(stderr);
  return 0;
}

static void report(struct neapL *N) {
  lua_State *work = N->work;
  lua_pushcfunction(work, write_report);
  lua_pushlightuserdata(work, N);
  if (lua_pcall(work, 1, 0, 0) != LUA_OK) {
    fputs("neap: no memory to report a task that does not wait\n", stderr);
    lua_pop(work, 1);
  }
}

/* Whether the task has been running since the end of the slice before. */
static bool is_seen(struct neapL_preempt *P, const struct neap_task *task) {
  if (P->seen_id == task->id && P->seen_switches == task->switches)
    return true;
  P->seen_id = task->id;
  P->seen_switches = task->switches;
  P->seen_told = false;
  return false;
}

static void report_once(struct neapL *N, const struct neap_task *task) {
  struct neapL_preempt *P = N->preempt;
  if (!is_seen(P, task) || P->seen_told)
    return;
  P->seen_told = true;
  report(N);
}

/*
 * The running task gives way. A cancelled one is raised at instead, as a wait
 * would; but only after a whole slice in which it did not wait: what it has
 * just got from a wait is in a variable by then, a lock in its <close>.
 */
static void give_way(lua_State *L, struct neapL *N, struct neap_task *task) {
  neap_rt *rt = N->rt;
  if (N->coblocks > 0)
    neapL_entry_stand(L, N);
  if (task->interrupt == 0) {
    if (rt->closing || (task->is_main && !N->drive))
      return; /* it ends the runtime, or is the host itself */
    neap__sched_preempt(rt);
    if (task->interrupt == NEAP_CLOSING)
      neapL_raise_interrupt(L, N, neap__op_check(rt));
  } else if (task->interrupt == NEAP_CLOSING || is_seen(N->preempt, task)) {
    N->preempt->seen_id = 0; /* a slice or more for who cleans up */
    neapL_raise_interrupt(L, N, neap__op_check(rt));
  }
}

void neapL_preempt_fired(lua_State *L, struct neapL *N) {
  struct neapL_preempt *P = N->preempt;
  if (N->rt == NULL || N->rt->closed)
    return;
  struct neap_task *task = N->rt->sched.current;
  if (!neapL_preempt_can(task))
    return; /* a C task on somebody's Lua thread is not to leave it */
  if (P->counts_time)
    look_at_clock(N, task);
  if (P->due == 0 || P->due_on != L || P->due_switches != task->switches)
    return; /* a copy of the hook, or its task has waited since */
  /* A state that closes does so from a finalizer. */
  if (!N->rt->closing &&
      (N->no_wait != NULL || lua_gc(L, LUA_GCISRUNNING) == -1))
    return; /* nobody may wait here: the next tick tries again */
  int due = P->due;
  P->due = 0;
  if ((due & NEAPL_DUE_PLACE) != 0)
    neapL_watchdog_tell(N);
  if (N->runner != NULL && N->runner->what != 0 &&
      !(N->runner->prompt && task->is_main)) /* it waits soon */
    neapL_runner_fired(L, N);
  if ((due & NEAPL_DUE_SLICE) == 0 || !P->slices)
    return;
  if (P->budgets != NULL)
    neapL_budget_spend(L, N, task);
  if (is_exempt(N, task))
    return;
  if (P->reports)
    report_once(N, task);
  else
    give_way(L, N, task);
}

/* -- the functions */

/* Where no signal does it, every Lua thread that is to give way has a hook. New
   ones copy that of their creator. */
static void arm_all(lua_State *L, struct neapL *N) {
  struct neapL_hooks *hooks = &N->preempt->hooks;
  struct neap_list *head = &N->rt->sched.tasks, *node;
  for (node = head->next; node != head; node = node->next) {
    struct neap_task *task = NEAP_LIST_ENTRY(node, struct neap_task, all);
    if (neapL_preempt_can(task))
      neapL_hook_arm(hooks, neapL_task_thread(N, task));
  }
  neapL_hook_arm(hooks, L);
}

static void count_instructions(lua_State *L, struct neapL *N, uint64_t ns,
                               int every) {
  struct neapL_preempt *P = N->preempt;
  P->slice_ns = ns;
  P->over_ns = ns > 0 ? cpu_ns() + ns : 0;
  P->counts_time = true;
  P->hooks.every = every;
  arm_all(L, N);
}

/* Slices of so many ns from now on; 0: none. */
static void set_slices(lua_State *L, struct neapL *N, uint64_t ns) {
  struct neapL_preempt *P = N->preempt;
  neap_rt *rt = N->rt;
  P->counts_time = false;
  P->hooks.every = 0;
  if (ns == 0) {
    neap__preempt_stop(rt);
    return;
  }
  rt->preempt.on_tick = on_tick;
  if (neap__preempt_start(rt, ns) < 0)
    count_instructions(L, N, ns, EVERY);
}

void neapL_preempt_impose(lua_State *L, struct neapL *N, uint64_t ns) {
  struct neapL_preempt *P = neapL_preempt_need(L, N);
  P->slices = P->hosts = true;
  P->slice = (double)ns / 1e9;
  neapL_preempt_settle(L, N);
  set_slices(L, N, ns);
}

static bool check_reports(lua_State *L, int arg) {
  static const char *const modes[] = {"yield", "report"};
  neapL_checkoptions(L, arg);
  const char *mode = neapL_optfieldstring(L, arg, "mode", modes[0]);
  bool reports = strcmp(mode, modes[1]) == 0;
  if (!reports && strcmp(mode, modes[0]) != 0)
    neapL_fielderror(
        L, arg, "mode",
        lua_pushfstring(L, "'%s' is neither 'yield' nor 'report'", mode));
  lua_pop(L, 1);
  return reports;
}

/* neap.preempt(slice | nil [, {mode=}]). Does not wait. */
static int neap_preempt(lua_State *L) {
  struct neapL *N = neapL_self(L);
  neapL_rt(L);
  lua_settop(L, 2);
  uint64_t ns = neapL_optseconds(L, 1, NEAP_FOREVER);
  luaL_argcheck(L, ns > 0, 1, "slice must be more than 0 seconds");
  bool reports = check_reports(L, 2);
  bool on = ns != NEAP_FOREVER;
  if (N->preempt != NULL && N->preempt->hosts)
    return luaL_error(L, "neap.preempt: the slices are the host's");
  if (!on && N->preempt == NULL)
    return 0;
  struct neapL_preempt *P = neapL_preempt_need(L, N);
  P->slices = on;
  neapL_preempt_settle(L, N);
  P->reports = reports;
  P->slice = on ? lua_tonumber(L, 1) : 0;
  set_slices(L, N, on ? ns : 0);
  return 0;
}

static void set_exempt(struct neapL *N, struct neap_task *task, bool exempt) {
  if (task->is_main)
    N->main_exempt = exempt;
  else
    neapL_task_data(task)->exempt = exempt;
}

/* neap.nopreempt(fn, ...) -> fn's results. Does not wait itself. */
static int neap_nopreempt(lua_State *L) {
  struct neapL *N = neapL_self(L);
  struct neap_task *task = neapL_rt(L)->sched.current;
  neapL_checkcallable(L, 1);
  luaL_checkstack(L, 4, NULL);
  if (task == NULL || !neapL_task_is_lua(task))
    return luaL_error(L, "no task is running");
  bool before = is_exempt(N, task);
  set_exempt(N, task, true);
  int status = neapL_traceback_call(L, lua_gettop(L) - 1);
  set_exempt(N, task, before);
  return status == LUA_OK ? lua_gettop(L) - 1 : lua_error(L);
}

#ifdef NEAP_TEST
/* neap._preempt(kind, n): slices that end at each n-th instruction ("count"),
   or by signals each n ns of real time, in system calls as well ("signal"). Off
   with neap.preempt(nil). Test builds only. */
static int neap_preempt_test(lua_State *L) {
  struct neapL *N = neapL_self(L);
  const char *kind = luaL_checkstring(L, 1);
  lua_Integer n = luaL_checkinteger(L, 2);
  struct neapL_preempt *P = neapL_preempt_need(L, N);
  P->slices = true;
  P->reports = false;
  neapL_preempt_settle(L, N);
  if (strcmp(kind, "count") == 0) {
    set_slices(L, N, 0);
    count_instructions(L, N, 0, (int)n);
    return 0;
  }
  N->rt->preempt.by_wall = true;
  set_slices(L, N, (uint64_t)n);
  N->rt->preempt.by_wall = false;
  return 0;
}
#endif

void neapL_preempt_open(lua_State *L, struct neapL *N) {
  static const luaL_Reg functions[] = {{"preempt", neap_preempt},
                                       {"nopreempt", neap_nopreempt},
#ifdef NEAP_TEST
                                       {"_preempt", neap_preempt_test},
#endif
                                       {NULL, NULL}};
  neapL_setfuncs(L, N, functions);
  neapL_watchdog_open(L, N);
}
