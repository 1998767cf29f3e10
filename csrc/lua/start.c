/*
 * start.c: scope:start and neap.ready. The starter waits on a record, which the
 * table of starts has at the new task's place until that is ready or has ended.
 */
#include "lua/start.h"

#include "core/cancel.h"
#include "core/waitq.h"
#include "lua/task_handle.h"

#define TYPE "neap.start"

/* Lies in a userdata that the starter's stack holds. Its user value: what the
   task is ready with, in a table. */
struct start {
  struct neap_list waiters; /* the starter, if it waits */
  int n;                    /* values given to neap.ready */
  bool ready;
};

/* Pushes the record at place, or nil. */
static struct start *find(lua_State *L, const struct neapL *N, uint32_t place) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->starts_ref);
  lua_rawgeti(L, -1, place);
  lua_remove(L, -2);
  return lua_touserdata(L, -1);
}

/* Takes the record at place, which is there, out of the table. */
static void unfile(lua_State *L, const struct neapL *N, uint32_t place) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->starts_ref);
  lua_pushnil(L);
  lua_rawseti(L, -2, place);
  lua_pop(L, 1);
}

void neapL_start_ended(struct neapL *N, uint32_t place) {
  lua_State *L = N->work;
  struct start *start = find(L, N, place);
  if (start != NULL) {
    unfile(L, N, place);
    neap__waitq_wake_all(&start->waiters, 0);
  }
  lua_pop(L, 1);
}

/* neap.ready(...). Does not wait. */
static int neap_ready(lua_State *L) {
  struct neapL *N = neapL_self(L);
  const struct neap_task *task = neapL_rt(L)->sched.current;
  luaL_checkstack(L, 4, NULL);
  struct start *start = NULL;
  const struct neapL_task *lt = task != NULL ? neapL_task_data(task) : NULL;
  if (lt != NULL && lt->starting)
    start = find(L, N, lt->place);
  if (start == NULL)
    return luaL_error(L, "neap.ready: nobody waits for this task to be ready "
                         "(it is for tasks of scope:start, once)");
  /* The record is below its values: find has put it on the top. */
  lua_insert(L, 1);
  start->n = neapL_pack(L, 2);
  lua_setiuservalue(L, 1, 1);
  start->ready = true;
  unfile(L, N, lt->place);
  neap__waitq_wake_all(&start->waiters, 0);
  return 0;
}

int neapL_start(lua_State *L, struct neapL *N,
                const struct neapL_scope_box *box) {
  struct neapL_spawn how = {.box = box, .starting = true};
  neap_rt *rt = neapL_waitrt(L);
  neapL_raise(L, neap__op_check(rt));
  neapL_checkcallable(L, 2);
  struct start *start = lua_newuserdatauv(L, sizeof *start, 1);
  neap__list_init(&start->waiters);
  start->n = 0;
  start->ready = false;
  lua_insert(L, 2); /* the scope, the record, the function and its arguments */
  neapL_spawn_at(L, N, &how, 3);
  lua_insert(L, 3);
  lua_settop(L, 3); /* the scope, the record, the task's handle */
  lua_remove(L, 1);
  struct neapL_handle *h = lua_touserdata(L, 2);
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->starts_ref);
  lua_pushvalue(L, 1);
  lua_rawseti(L, -2, h->place);
  lua_pop(L, 1);
  int err = neap__waitq_wait(rt, &start->waiters, "start", NEAP_FOREVER, true);
  if (start->ready && err == 0) {
    lua_getiuservalue(L, 1, 1);
    return neapL_unpack(L, start->n);
  }
  if (err < 0) {
    if (h->task != NULL)
      neap__cancel_task(h->task);
    neapL_checkwait(L, err);
    return neapL_fail(L, err, "start");
  }
  /* It has ended. If that was a failure, the scope is cancelled by now. */
  neapL_raise(L, neap__op_check(rt));
  return luaL_error(L, "task %I has ended before it was ready",
                    (LUAI_UACINT)h->id);
}

void neapL_start_open(lua_State *L, struct neapL *N) {
  static const luaL_Reg functions[] = {{"ready", neap_ready}, {NULL, NULL}};
  neapL_setfuncs(L, N, functions);
}
