/*
 * await.c: the ways in which time and callbacks reach tasks: neap.await,
 * neap.after, neap.every.
 */
#include "lua/await.h"

#include "core/op.h"
#include "core/waitq.h"
#include "lua/select.h"
#include "lua/task.h"

#include <string.h>

#define AWAIT "neap.await"
#define TIMER "neap.timer"

/* One neap.await. The values given to done are in its user value. */
struct await {
  struct neap_op *op; /* while somebody may wait or wake, else NULL */
  int n;              /* values given to done */
  bool called;
  bool parked; /* the waiter's stack holds this: only the state's end gets it */
};

/* Upvalues of done: the neapL, the await. */
static int await_done(lua_State *L) {
  struct await *a = lua_touserdata(L, lua_upvalueindex(2));
  if (a->called || a->op == NULL || neap__op_abandoned(a->op)) {
    lua_pushboolean(L, false);
    return 1;
  }
  a->n = neapL_pack(L, 1); /* may raise: nothing has happened yet */
  lua_setiuservalue(L, lua_upvalueindex(2), 1);
  a->called = true;
  neap__op_wake(a->op, 0);
  lua_pushboolean(L, true);
  return 1;
}

/* Gives up what nobody has parked on: the shares that are left. */
static void await_drop(struct await *a) {
  struct neap_op *op = a->op;
  a->op = NULL;
  if (a->called)
    neap__op_unref(op);
  else
    neap__op_free(op);
}

/* Collected because start raised; or the state ends, whoever waits. */
static int await_gc(lua_State *L) {
  struct await *a = lua_touserdata(L, 1);
  neapL_gc_enter(L, a->parked);
  /* The op's memory is there until the runtime is freed. Parked still: its task
     was dropped, and both shares with it. */
  if (a->op != NULL && !a->parked && neapL_self(L)->rt != NULL)
    await_drop(a);
  a->op = NULL;
  return 0;
}

/* Calls the way to cancel that start returned, at index 3 of L, and raises or
   fails for err. */
static int await_fail(lua_State *L, int err) {
  if (lua_isfunction(L, 3)) {
    lua_pushvalue(L, 3);
    lua_call(L, 0, 0);
  }
  return neapL_fail(L, err, "await");
}

/* neap.await(start) -> what done was called with. Waits. */
static int neap_await(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  neapL_raise(L, neap__op_check(rt));
  struct await *a = lua_newuserdatauv(L, sizeof *a, 1);
  memset(a, 0, sizeof *a);
  luaL_setmetatable(L, AWAIT);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, await_done, 2);
  if (neap__op_new(rt, "await", 0, &a->op) < 0)
    neapL_nomem(L);
  a->op->internal = true;
  lua_call(L, 1, 1); /* may wait, and may raise: await_gc frees */
  int err = neap__op_check(rt);
  if (a->op == NULL) /* the state has ended meanwhile, and collected it */
    return await_fail(L, NEAP_CLOSING);
  if (err < 0) {
    await_drop(a);
    return await_fail(L, err);
  }
  a->parked = true;
  err = neap__op_park(a->op);
  a->parked = false;
  neap__op_unref(a->op);
  a->op = NULL;
  if (err < 0)
    return await_fail(L, err);
  lua_getiuservalue(L, 2, 1);
  return neapL_unpack(L, a->n);
}

/* A task that sleeps, then calls a function. */
struct timer {
  uint64_t due_ns;
  struct neap_task *task;   /* while it sleeps */
  bool closed;              /* or on its way: the function runs or has run */
  bool fired;               /* its time has come */
  struct neap_list waiters; /* selects */
};

/* The timer is over, one way or the other. */
static void timer_end(struct timer *t) {
  t->closed = true;
  neap__waitq_wake_all(&t->waiters, 0);
}

/* The task of a timer. Upvalues: the neapL, the timer. Arguments: the function
   and its arguments. */
static int timer_run(lua_State *L) {
  struct timer *t = lua_touserdata(L, lua_upvalueindex(2));
  neap_rt *rt = neapL_rt(L);
  int err = 0;
  if (!t->closed) {
    t->task = rt->sched.current;
    err = neap_sleep_until(rt, t->due_ns);
    t->task = NULL;
  }
  if (t->closed)
    return 0;
  t->fired = err == 0;
  timer_end(t);
  neapL_raise(L, err);
  if (err < 0)
    neapL_nomem(L);
  lua_call(L, lua_gettop(L) - 1, 0);
  return 0;
}

/* neap.after(seconds, fn, ...) -> timer. Does not wait. */
static int neap_after(lua_State *L) {
  static const struct neapL_spawn how = {.name = "timer"};
  struct neapL *N = neapL_self(L);
  neapL_rt(L);
  uint64_t ns = neapL_checkseconds(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  struct timer *t = lua_newuserdatauv(L, sizeof *t, 0);
  memset(t, 0, sizeof *t);
  t->due_ns = neap__timer_after(N->rt, ns);
  neap__list_init(&t->waiters);
  luaL_setmetatable(L, TIMER);
  lua_replace(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, timer_run, 2);
  lua_insert(L, 2);
  neapL_task_spawn(L, N, &how, lua_gettop(L) - 2);
  lua_settop(L, 1);
  return 1;
}

/* timer:close() -> true. Does not wait. The function is not called if it has
   not been. */
static int timer_close(lua_State *L) {
  struct timer *t = luaL_checkudata(L, 1, TIMER);
  neap_rt *rt = neapL_peekrt(L);
  if (rt != NULL)
    timer_end(t);
  t->closed = true;
  if (t->task != NULL && rt != NULL && t->task->op != NULL)
    neap__op_interrupt(t->task->op, UV_ECANCELED);
  lua_pushboolean(L, true);
  return 1;
}

/* What select asks. */
static int timer_select(lua_State *L) {
  struct timer *t = luaL_checkudata(L, 1, TIMER);
  neapL_rt(L);
  if (!t->closed)
    return neapL_select_later(L, &t->waiters, true, "timer");
  lua_pushboolean(L, true);
  if (t->fired) {
    lua_pushboolean(L, true);
    return 2;
  }
  lua_pushnil(L);
  lua_pushliteral(L, "timer is closed");
  lua_pushliteral(L, "ECANCELED");
  return 4;
}

/* Waiters, if there are any: the state is closing. */
static int timer_gc(lua_State *L) {
  struct timer *t = luaL_checkudata(L, 1, TIMER);
  neapL_gc_enter(L, !neap__list_empty(&t->waiters));
  return 0;
}

static int timer_tostring(lua_State *L) {
  const struct timer *t = luaL_checkudata(L, 1, TIMER);
  lua_pushfstring(L, "timer (%s)", t->closed ? "closed" : "set");
  return 1;
}

/* The iterator of neap.every. Upvalues: the neapL, the due time of the next
   tick, the period, in ns. */
static int every_next(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  uint64_t due = (uint64_t)lua_tointeger(L, lua_upvalueindex(2));
  uint64_t period = (uint64_t)lua_tointeger(L, lua_upvalueindex(3));
  int err = neap_sleep_until(rt, due);
  neapL_checkwait(L, err);
  uint64_t n = 1 + (neap_now(rt) - due) / period;
  lua_pushinteger(L, (lua_Integer)(due + n * period));
  lua_replace(L, lua_upvalueindex(2));
  lua_pushinteger(L, (lua_Integer)n);
  return 1;
}

/* neap.every(seconds) -> iterator. The iterator waits. */
static int neap_every(lua_State *L) {
  const neap_rt *rt = neapL_rt(L);
  uint64_t period = neapL_checkseconds(L, 1);
  luaL_argcheck(L, period > 0, 1, "the interval must be positive");
  if (period > INT64_MAX / 4)
    period = INT64_MAX / 4;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushinteger(L, (lua_Integer)neap__timer_after(rt, period));
  lua_pushinteger(L, (lua_Integer)period);
  lua_pushcclosure(L, every_next, 3);
  return 1;
}

static const luaL_Reg functions[] = {{"await", neap_await},
                                     {"after", neap_after},
                                     {"every", neap_every},
                                     {NULL, NULL}};

static const luaL_Reg await_meta[] = {{"__gc", await_gc}, {NULL, NULL}};

static const luaL_Reg timer_methods[] = {{"close", timer_close}, {NULL, NULL}};

static const luaL_Reg timer_meta[] = {{"__tostring", timer_tostring},
                                      {"__select", timer_select},
                                      {"__close", timer_close},
                                      {"__gc", timer_gc},
                                      {NULL, NULL}};

void neapL_await_open(lua_State *L, struct neapL *N) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  neapL_newtype(L, N, AWAIT, none, await_meta);
  neapL_newtype(L, N, TIMER, timer_methods, timer_meta);
  neapL_setfuncs(L, N, functions);
}
