/* running.c: coroutine.resume, wrap and close that note who runs; what for:
   running.h. They do what the stock library does, to the message. */
#include "lua/running.h"

#include "lua/preempt.h"
#include "lua/task_handle.h"

#include <string.h>

/* -- noting */

static size_t runs_size(uint32_t n) {
  return sizeof(struct neapL_runs) + n * sizeof(struct neapL_running *);
}

/* Makes room for a task's place. False when there is no memory. */
static bool make_room(struct neapL *N, uint32_t place) {
  struct neapL_runs *old = N->preempt->runs;
  struct neap_mem *mem = &N->rt->mem;
  if (old != NULL && place < old->n)
    return true;
  uint32_t n = N->capacity + 1;
  struct neapL_runs *new = neap__mem_zalloc(mem, runs_size(n));
  if (new == NULL)
    return false;
  new->n = n;
  if (old != NULL)
    memcpy(new->innermost, old->innermost, old->n * sizeof *old->innermost);
  N->preempt->runs = new; /* before the old one goes: signals come any time */
  if (old != NULL)
    neap__mem_free(mem, old, runs_size(old->n));
  return true;
}

static struct neapL_running **find(const struct neapL *N,
                                   const struct neap_task *task) {
  struct neapL_runs *runs = N->preempt->runs;
  uint32_t place = neapL_handle_place(task);
  return runs != NULL && place < runs->n ? &runs->innermost[place] : NULL;
}

struct neapL_running *neapL_running_of(const struct neapL *N,
                                       const struct neap_task *task) {
  struct neapL_running **at = find(N, task);
  return at != NULL ? *at : NULL;
}

/* The running task that is to be noted, or NULL. */
static struct neap_task *noted_task(const struct neapL *N) {
  if (N->rt == NULL || N->rt->closed)
    return NULL;
  struct neap_task *task = N->rt->sched.current;
  return task != NULL && neapL_task_is_lua(task) ? task : NULL;
}

/* co is about to run in the running task. False: it can't be noted. */
static bool enter(struct neapL *N, struct neapL_running *running,
                  lua_State *co) {
  const struct neap_task *task = noted_task(N);
  if (task == NULL || !make_room(N, neapL_handle_place(task)))
    return false;
  struct neapL_running **at = find(N, task);
  running->co = co;
  running->outer = *at;
  *at = running;
  if (N->preempt->hooks.every > 0)
    neapL_hook_arm(&N->preempt->hooks, co);
  return true;
}

/* It runs no longer. */
static void leave(const struct neapL *N, const struct neapL_running *running) {
  const struct neap_task *task = noted_task(N);
  if (task != NULL)
    *find(N, task) = running->outer;
}

void neapL_running_forget(const struct neapL *N, uint32_t place) {
  struct neapL_runs *runs = N->preempt->runs;
  if (runs != NULL && place < runs->n)
    runs->innermost[place] = NULL;
}

void neapL_running_deinit(struct neapL *N) {
  struct neapL_runs *runs = N->preempt->runs;
  N->preempt->runs = NULL;
  if (runs != NULL)
    neap__mem_free(&N->rt->mem, runs, runs_size(runs->n));
}

/* -- the functions */

static lua_State *check_co(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co != NULL, 1, "thread");
  return co;
}

/*
 * Resumes co with the nargs values on L's top. The results, or the error, take
 * their place. Returns their number, or -1: it is an error.
 */
static int resume(lua_State *L, struct neapL *N, lua_State *co, int nargs) {
  struct neapL_running running;
  int nresults;
  if (!lua_checkstack(co, nargs)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, co, nargs);
  bool noted = enter(N, &running, co);
  int status = lua_resume(co, L, nargs, &nresults);
  if (noted)
    leave(N, &running);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return -1;
  }
  if (!lua_checkstack(L, nresults + 1)) {
    lua_pop(co, nresults);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, nresults);
  return nresults;
}

/* coroutine.resume(co, ...) -> true, ... | false, error */
int neapL_running_resume(lua_State *L) {
  lua_State *co = check_co(L);
  int n = resume(L, neapL_self(L), co, lua_gettop(L) - 1);
  lua_pushboolean(L, n >= 0);
  if (n < 0)
    n = 1;
  lua_insert(L, -(n + 1));
  return n + 1;
}

static int close_noted(lua_State *L, struct neapL *N, lua_State *co) {
  struct neapL_running running;
  bool noted = enter(N, &running, co);
  int status = neapL_closethread(co, L);
  if (noted)
    leave(N, &running);
  return status;
}

/* The function that coroutine.wrap gives. Upvalues: the neapL, the coroutine.
 */
static int wrapped(lua_State *L) {
  struct neapL *N = neapL_self(L);
  lua_State *co = lua_tothread(L, lua_upvalueindex(2));
  int n = resume(L, N, co, lua_gettop(L));
  if (n >= 0)
    return n;
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) {
    status = close_noted(L, N, co);
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

/* coroutine.wrap(f) -> function */
int neapL_running_wrap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_pushlightuserdata(L, neapL_self(L));
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, wrapped, 2);
  return 1;
}

/* Whether co runs nowhere: it has yielded, has not begun or has ended. */
static bool is_at_rest(const lua_State *L, lua_State *co) {
  lua_Debug ar;
  return co != L && (lua_status(co) != LUA_OK || lua_getstack(co, 0, &ar) == 0);
}

/* A coroutine that runs is not closed, but for itself where Lua has that. */
static int close_running(lua_State *L, const struct neapL *N, lua_State *co) {
  if (!NEAPL_CLOSES_ITSELF || co != L)
    return luaL_error(L, "cannot close a %s coroutine",
                      co == L ? "running" : "normal");
  if (co == N->main)
    return luaL_error(L, "cannot close main thread");
  return neapL_closethread(co, L); /* does not come back */
}

/* coroutine.close(co) -> true | false, error */
int neapL_running_close(lua_State *L) {
  struct neapL *N = neapL_self(L);
  bool itself = NEAPL_CLOSES_ITSELF && lua_isnone(L, 1);
  lua_State *co = itself ? L : check_co(L);
  if (!is_at_rest(L, co))
    return close_running(L, N, co);
  int status = close_noted(L, N, co);
  lua_pushboolean(L, status == LUA_OK);
  if (status == LUA_OK)
    return 1;
  lua_xmove(co, L, 1);
  return 2;
}
