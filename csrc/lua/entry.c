/* entry.c: where a Lua thread stands; the idea is in entry.h. */
#include "lua/entry.h"

#include "lua/task_handle.h"

/* The innermost entry of the task's own Lua thread. */
static struct neap_entry **own_slot(struct neapL *N,
                                    const struct neap_task *task) {
  return task->is_main ? &N->main_entry : &neapL_task_data(task)->entry;
}

/* Pushes what the table of coroutines has of the thread on the top instead of
   that: an entry or nothing. */
static struct neap_entry *find(lua_State *L, const struct neapL *N) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->coentries_ref);
  lua_insert(L, -2);
  lua_rawget(L, -2);
  struct neap_entry *entry = lua_touserdata(L, -1);
  lua_pop(L, 2);
  return entry;
}

static struct neap_entry *of_coroutine(lua_State *L, const struct neapL *N) {
  lua_pushthread(L);
  return find(L, N);
}

static bool is_own(lua_State *L, struct neapL *N,
                   const struct neap_task *task) {
  return L == neapL_task_thread(N, task);
}

struct neap_entry *neapL_entry_here(lua_State *L, struct neapL *N) {
  const struct neap_task *task = N->rt->sched.current;
  if (task == NULL)
    return NULL;
  if (!neapL_task_is_lua(task))
    return task->entry; /* a host's C task stands where its C code does */
  struct neap_entry *entry = NULL;
  if (N->coblocks > 0 && !is_own(L, N, task))
    entry = of_coroutine(L, N);
  return entry != NULL ? entry : *own_slot(N, task);
}

/* The coroutine that entered entry runs in task now: all its entries stand in
   task's own. */
static void take_over(struct neap_entry *entry, struct neap_entry *own) {
  struct neap_entry *base = entry;
  while (base->outer != NULL && base->outer->stack == entry->stack)
    base = base->outer;
  if (entry->task != NULL && base->outer != own)
    neap__cancel_stand(entry->task, base->outer); /* who ran it before */
  neap__cancel_move(base, own);
}

void neapL_entry_stand(lua_State *L, struct neapL *N) {
  struct neap_task *task = N->rt->sched.current;
  struct neap_entry *own = *own_slot(N, task), *entry = NULL;
  if (!is_own(L, N, task))
    entry = of_coroutine(L, N);
  if (entry != NULL)
    take_over(entry, own);
  else
    entry = own;
  if (task->entry != entry)
    neap__cancel_stand(task, entry);
}

void neapL_entry_prepare(lua_State *L, struct neapL *N) {
  struct neap_task *task = N->rt->sched.current;
  if (task->entry == NULL) {
    if (neap__cancel_root(task) < 0)
      neapL_nomem(L);
    *own_slot(N, task) = task->entry;
  }
  if (is_own(L, N, task) || of_coroutine(L, N) != NULL)
    return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->coentries_ref);
  lua_pushthread(L);
  lua_pushboolean(L, false);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* The coroutine at index thread of L (0: L itself) stands in entry, or has none
   left. Its key is in the table. */
static void set_coroutine(lua_State *L, const struct neapL *N, int thread,
                          struct neap_entry *entry) {
  if (thread == 0)
    lua_pushthread(L);
  else
    lua_pushvalue(L, thread);
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->coentries_ref);
  lua_insert(L, -2);
  if (entry != NULL)
    lua_pushlightuserdata(L, entry);
  else
    lua_pushnil(L);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

void neapL_entry_enter(lua_State *L, struct neapL *N,
                       struct neap_entry *entry) {
  struct neap_task *task = N->rt->sched.current;
  entry->stack = L;
  if (is_own(L, N, task)) {
    *own_slot(N, task) = entry;
  } else {
    N->coblocks++;
    set_coroutine(L, N, 0, entry);
  }
  neap__cancel_stand(task, entry);
}

void neapL_entry_leave(lua_State *L, struct neapL *N, struct neap_entry *entry,
                       struct neap_task *owner, int thread) {
  struct neap_entry *outer = entry->outer;
  if (owner->state != NEAP_TASK_ENDED &&
      entry->stack == neapL_task_thread(N, owner)) {
    if (*own_slot(N, owner) == entry)
      *own_slot(N, owner) = outer;
    return;
  }
  N->coblocks--;
  if (outer != NULL && outer->stack != entry->stack)
    outer = NULL;
  if (thread == 0)
    lua_pushthread(L);
  else
    lua_pushvalue(L, thread);
  if (find(L, N) == entry)
    set_coroutine(L, N, thread, outer);
}
