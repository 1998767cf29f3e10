/*
 * task.c: Lua tasks. A task's function runs on a Lua thread of its own, which
 * lua_resume enters on the task's own C stack: whatever waits in it suspends
 * that C stack, and Lua never notices.
 *
 * Who keeps what: `struct neapL_task` lives as long as the task runs; the
 * handle (a userdata, which scripts see) gets the outcome at the end, if
 * anybody still has it.
 */
#include "lua/task.h"

#include "lua/cancelled.h"
#include "lua/report.h"
#include "lua/running.h"
#include "lua/scope.h"
#include "lua/start.h"
#include "lua/task_handle.h"
#include "lua/traceback.h"

#include <stdio.h>
#include <string.h>

/* How long a task whose Lua thread somebody else has resumed waits before it
   looks again. */
#define STRANGER_NS ((uint64_t)1000 * 1000)

/* Kept out of the frames of a waiting task: every byte of those counts. */
#define NOT_IN_FRAME __attribute__((noinline))

/* Texts that are needed where nothing may be allocated, the first one Lua's own
   words. Each is in the registry from the start, under its address. */
const char neapL_no_memory[] = "not enough memory";
static const char resumed_outside[] = "failed in a resume from outside";

const char *neapL_task_name(const struct neap_task *task) {
  if (task->is_main)
    return "main";
  const struct neapL_task *lt = neapL_task_data(task);
  if (lt == NULL)
    return neap__task_c_name(task);
  return lt->namelen > 0 ? lt->name : NULL;
}

const char *neapL_task_origin(const struct neap_task *task) {
  const struct neapL_task *lt = neapL_task_data(task);
  return lt != NULL && lt->originlen > 0 ? lt->name + lt->namelen : NULL;
}

lua_State *neapL_task_thread(struct neapL *N, const struct neap_task *task) {
  return task->is_main ? N->main : neapL_task_co(task);
}

void neapL_task_sethook(struct neap_task *task, lua_Hook hook) {
  struct neapL_task *lt = neapL_task_data(task);
  if (lt == NULL)
    return;
  lua_sethook(neapL_task_co(task), hook, LUA_MASKCOUNT, 1);
  lt->hooked = true;
}

static bool ends_with(const char *text, const char *end) {
  size_t len = strlen(text), endlen = strlen(end);
  return len >= endlen && strcmp(text + len - endlen, end) == 0;
}

/* Whether the value on L's top is the text with which waits end when the
   runtime closes: then that is what ended the task. coroutine.wrap puts its
   place in front. */
static bool is_closing_text(lua_State *L) {
  return lua_type(L, -1) == LUA_TSTRING &&
         ends_with(lua_tostring(L, -1), neapL_strerror(NEAP_CLOSING));
}

/* Whether the error on co's top ends the task without a report: its own
   cancellation, or the runtime's end. */
static bool ends_quietly(struct neap_task *task) {
  lua_State *co = neapL_task_co(task);
  return neapL_cancelled_ends(co, neapL_task_binding(task), task) ||
         (task->rt->closing && is_closing_text(co));
}

/* For lua_pcall on N->work: (task). Keeps the error of a thread that is not
   unwound yet, with its traceback if anybody will read that: it takes longer
   than all else that becomes of a cancelled task. */
static int keep_cause(lua_State *L) {
  struct neap_task *task = lua_touserdata(L, 1);
  lua_State *co = neapL_task_co(task);
  lua_createtable(L, 2, 0);
  if (lua_checkstack(co, 1)) {
    lua_pushvalue(co, -1);
    lua_xmove(co, L, 1);
    lua_rawseti(L, 2, 1);
  }
  if (!ends_quietly(task)) {
    if (!neapL_traceback_known(L, task))
      luaL_traceback(L, co, NULL, 0);
    lua_rawseti(L, 2, 2);
  }
  neapL_task_data(task)->cause_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

static void take_cause(struct neap_task *task, lua_State *work) {
  neapL_task_data(task)->cause_ref = LUA_NOREF;
  lua_pushcfunction(work, keep_cause);
  lua_pushlightuserdata(work, task);
  if (lua_pcall(work, 1, 0, 0) != LUA_OK)
    lua_pop(work, 1); /* no memory for it: the error itself is worth more */
}

/* Sets what a table has at place to nil: that allocates nothing. */
static void let_go_of(lua_State *L, int table_ref, uint32_t place) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, table_ref);
  lua_pushnil(L);
  lua_rawseti(L, -2, place);
  lua_pop(L, 1);
}

/* What somebody said when he cancelled the task. */
static void clear_reasons(struct neapL *N, const struct neap_task *task) {
  const struct neap_entry *root = neap__cancel_root_of(task);
  neapL_reason_clear(N->work, N, task);
  if (root != NULL)
    neapL_reason_clear(N->work, N, root);
}

/* Gives back what the task held, after its outcome was moved to h, its handle
   (NULL: nobody has one). */
static void let_go(struct neap_task *task, struct neapL_handle *h) {
  struct neapL_task *lt = neapL_task_data(task);
  struct neapL *N = neapL_task_binding(task);
  lt->released = true; /* before its Lua thread goes */
  if (N->preempt != NULL)
    neapL_running_forget(N, lt->place);
  if (h != NULL) {
    h->task = NULL;
    h->switches = task->switches;
    if (h->outcome == NEAPL_ALIVE)
      h->outcome = NEAPL_CANCELLED;
  }
  let_go_of(N->work, N->threads_ref, lt->place);
  if (lt->has_context)
    let_go_of(N->work, N->contexts_ref, lt->place);
  if (lt->starting)
    neapL_start_ended(N, lt->place);
  if (N->traced)
    neapL_traceback_forget(N, lt->place);
  if (task->cancelled)
    clear_reasons(N, task);
  N->tasks[lt->place - 1] = NULL;
  N->places[N->nplaces++] = lt->place;
}

static void release(struct neap_task *task) {
  struct neapL *N = neapL_task_binding(task);
  struct neapL_handle *h =
      neapL_handle_find(N->work, N, neapL_handle_place(task));
  let_go(task, h);
  lua_pop(N->work, 1);
}

void neapL_task_abandon(struct neap_task *task) {
  if (task != NULL && neapL_task_data(task) != NULL)
    release(task);
}

void neapL_task_dropped(struct neap_task *task, void *binding) {
  struct neapL *N = binding;
  const char *name = neapL_task_name(task);
  char text[160];
  snprintf(text, sizeof text,
           "task %llu%s%.80s goes on waiting and was dropped",
           (unsigned long long)task->id, name != NULL ? " " : "",
           name != NULL ? name : "");
  neapL_warn(N->work, text);
  if (neapL_task_data(task) != NULL)
    release(task);
}

/*
 * A coroutine.yield of the task itself: it lets the others run. Meanwhile a
 * stranger who holds the thread may have resumed it; that is legal Lua, so the
 * thread is looked at again. Returns the thread's lua status: LUA_YIELD to go
 * on, anything else when it is over.
 */
NOT_IN_FRAME static int yield_to_others(neap_rt *rt, lua_State *co) {
  lua_Debug ar;
  for (;;) {
    if (rt->sched.current->interrupt != 0)
      return LUA_ERRRUN;
    neap__sched_yield(rt);
    int status = lua_status(co);
    if (status != LUA_OK || lua_getstack(co, 0, &ar) == 0)
      return status;
    neap_sleep(rt, STRANGER_NS); /* it runs or waits on another stack */
  }
}

/* The function has yielded, *nresults values. Runs it to its end; the results
   or the error are on co's top then, *nresults is their number. */
NOT_IN_FRAME static int run_on(neap_rt *rt, int *nresults) {
  lua_State *co = neapL_task_co(rt->sched.current);
  int status;
  do {
    lua_pop(co, *nresults);
    *nresults = 0;
    status = yield_to_others(rt, co);
    if (status == LUA_YIELD)
      status = lua_resume(co, NULL, 0, nresults);
    else if (status != LUA_OK)
      /* The error went to the stranger, or closing. Nothing that may raise: co
         is not running. */
      lua_rawgetp(co, LUA_REGISTRYINDEX,
                  rt->closing ? neapL_strerror(NEAP_CLOSING) : resumed_outside);
    else
      *nresults = 0;
  } while (status == LUA_YIELD);
  return status;
}

/* The task's own cancellation is what came out of it, on co's top: its handle
   gets the reason. */
static void end_cancelled(struct neap_task *task) {
  struct neapL *N = neapL_task_binding(task);
  lua_State *co = neapL_task_co(task), *work = N->work;
  struct neapL_handle *h = neapL_handle_find(work, N, neapL_handle_place(task));
  if (h != NULL) {
    neapL_cancelled_reason(co);
    lua_xmove(co, work, 1);
    lua_setiuservalue(work, -2, NEAPL_HANDLE_VALUE);
    h->outcome = NEAPL_CANCELLED;
  }
  lua_pop(work, 1);
}

/* The thread has ended with an error. Unwinds it, on its own C stack, so its
   close handlers may wait; nothing stays on `work` meanwhile. */
NOT_IN_FRAME static void end_badly(struct neap_task *task) {
  struct neapL_task *lt = neapL_task_data(task);
  lua_State *co = neapL_task_co(task);
  struct neapL *N = neapL_task_binding(task);
  lua_State *work = N->work;
  take_cause(task, work);
  if (lt->hooked)
    lua_sethook(co, NULL, 0, 0);
  int status = neapL_unwind(co);
  /* LUA_OK: it was closed in a yield, by the runtime's end. */
  if (status != LUA_OK && neapL_cancelled_ends(co, N, task)) {
    end_cancelled(task);
    neapL_scope_cancelled(task);
  } else if (status != LUA_OK && !(task->rt->closing && is_closing_text(co)))
    neapL_report_note(task, co, work);
  luaL_unref(work, LUA_REGISTRYINDEX, lt->cause_ref);
  release(task);
}

NOT_IN_FRAME static void end_well(struct neap_task *task, int nresults) {
  struct neapL *N = neapL_task_binding(task);
  lua_State *co = neapL_task_co(task), *work = N->work;
  struct neapL_handle *h = neapL_handle_find(work, N, neapL_handle_place(task));
  int status = LUA_OK;
  if (h != NULL) {
    h->outcome = NEAPL_DONE;
    status = neapL_handle_keep(co, work, nresults);
  }
  if (status == LUA_OK)
    let_go(task, h);
  lua_pop(work, 1);
  if (status != LUA_OK) { /* lost on the way to who asks for them */
    neapL_task_data(task)->cause_ref = LUA_NOREF;
    lua_settop(co, 0);
    lua_rawgetp(co, LUA_REGISTRYINDEX, neapL_no_memory);
    neapL_report_note(task, co, work);
    release(task);
  }
}

/* The task is over, one way or the other. Returns the core's result. */
NOT_IN_FRAME static int end(struct neap_task *task, int status, int nresults) {
  if (status == LUA_OK)
    end_well(task, nresults);
  else
    end_badly(task);
  return status == LUA_OK ? 0 : UV_ECANCELED;
}

/* The task was cancelled before its first run: it never runs. */
NOT_IN_FRAME static int end_unrun(struct neap_task *task) {
  neapL_scope_cancelled(task);
  if (task->cancelled) {
    struct neapL *N = neapL_task_binding(task);
    struct neapL_handle *h =
        neapL_handle_find(N->work, N, neapL_handle_place(task));
    if (h != NULL) {
      neapL_reason_push(N->work, N, task);
      lua_setiuservalue(N->work, -2, NEAPL_HANDLE_VALUE);
    }
    lua_pop(N->work, 1);
  }
  release(task);
  return task->interrupt;
}

/* Its frame is part of every waiting task, so little is kept in it. */
int neapL_task_entry(neap_rt *rt, void *arg) {
  struct neap_task *task = rt->sched.current;
  int nresults = 0;
  if (task->interrupt != 0)
    return end_unrun(task);
  int status = lua_resume(arg, NULL, neapL_task_data(task)->nargs, &nresults);
  if (status == LUA_YIELD)
    status = run_on(rt, &nresults);
  return end(rt->sched.current, status, nresults);
}

/* neap.current() -> task | nil. Does not wait. A host's C task has no handle.
 */
int neapL_current_function(lua_State *L) {
  neap_rt *rt = neapL_rt(L);
  struct neap_task *current = rt->sched.current;
  if (current == NULL)
    current = rt->sched.main;
  if (neapL_task_is_lua(current))
    neapL_task_push(L, neapL_self(L), current);
  else
    lua_pushnil(L);
  return 1;
}

static void keep_text(lua_State *L, const char *text) {
  lua_pushstring(L, text);
  lua_rawsetp(L, LUA_REGISTRYINDEX, text);
}

void neapL_task_open(lua_State *L, struct neapL *N) {
  neapL_handle_newtype(L, N);
  keep_text(L, neapL_no_memory);
  keep_text(L, resumed_outside);
  keep_text(L, neapL_strerror(NEAP_CLOSING));
  neapL_task_push(L, N, N->rt->sched.main);
  luaL_ref(L, LUA_REGISTRYINDEX); /* main's handle is always there */
}
