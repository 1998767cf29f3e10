/*
 * task_spawn.c: spawning Lua tasks: a Lua thread, a handle, a place in the
 * tables of both, and the core's task.
 */
#include "lua/context.h"
#include "lua/preempt.h"
#include "lua/scope.h"
#include "lua/task_handle.h"

#include <stdio.h>
#include <string.h>

/* Moves the n + 1 values on L's top to a new thread's stack, and leaves the
   thread there instead. May raise. */
static lua_State *new_thread(lua_State *L, int n) {
  lua_State *co = lua_newthread(L);
  if (!lua_checkstack(co, n + 1))
    neapL_nomem(L);
  lua_insert(L, -(n + 2));
  lua_xmove(L, co, n + 1);
  return co;
}

/* Bytes of the block that holds tasks and places, for so many of each. */
static size_t places_size(size_t capacity) {
  return capacity * (sizeof(struct neap_task *) + sizeof(uint32_t));
}

/* Doubles the room for places. False when there is no memory. */
static bool add_places(struct neapL *N) {
  size_t old = N->capacity, new = old == 0 ? 64 : 2 * old;
  struct neap_mem *mem = &N->rt->mem;
  struct neap_task **tasks = neap__mem_alloc(mem, places_size(new));
  if (tasks == NULL)
    return false;
  uint32_t *places = (uint32_t *)(void *)(tasks + new);
  if (old > 0) {
    memcpy(tasks, N->tasks, old * sizeof *tasks);
    memcpy(places, N->places, N->nplaces * sizeof *places);
  }
  neap__mem_free(mem, N->tasks, places_size(old));
  N->tasks = tasks;
  N->places = places;
  N->capacity = (uint32_t) new;
  return true;
}

void neapL_task_close(struct neapL *N) {
  neap__mem_free(&N->rt->mem, N->tasks, places_size(N->capacity));
}

/* Makes sure that a place in the table of live threads is free, and that it
   can be given back without memory. False when there is none. */
static bool find_place(struct neapL *N) {
  if (N->nplaces > 0)
    return true;
  if (N->nthreads == N->capacity && !add_places(N))
    return false;
  N->tasks[N->nthreads++] = NULL;
  N->places[N->nplaces++] = N->nthreads;
  return true;
}

/* Puts the thread at index of L into its free place. May raise; the place is
   taken when nothing can fail any more. */
static void hold_thread(lua_State *L, struct neapL *N, int index) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->threads_ref);
  lua_pushvalue(L, index);
  lua_rawseti(L, -2, N->places[N->nplaces - 1]);
  lua_pop(L, 1);
}

/* Where a task is spawned to; NULL: to no scope. May raise. */
static struct neap_scope *find_scope(lua_State *L, struct neapL *N,
                                     const struct neapL_spawn *how) {
  if (how->detached)
    return NULL;
  if (how->box == NULL)
    return neapL_scope_here(L, N);
  struct neap_scope *scope = neapL_scope_in(how->box);
  if (scope == NULL)
    luaL_error(L, "cannot spawn: the scope has ended");
  return scope;
}

/*
 * Where the Lua code stands that spawns: "x.lua:3", at most size bytes with the
 * zero. Returns the length with it; 0: there is none, or nobody will ask, as
 * nobody watches.
 */
static uint8_t find_origin(lua_State *L, const struct neapL *N, char *out,
                           size_t size) {
  lua_Debug ar;
  if (N->rt->slices.watching == 0)
    return 0;
  for (int level = 0; lua_getstack(L, level, &ar) != 0; level++) {
    lua_getinfo(L, "Sl", &ar);
    if (ar.currentline > 0) {
      int len = snprintf(out, size, "%s:%d", ar.short_src, ar.currentline);
      return (uint8_t)((size_t)len < size ? (size_t)len + 1 : size);
    }
  }
  return 0;
}

void neapL_task_spawn(lua_State *L, struct neapL *N,
                      const struct neapL_spawn *how, int n) {
  neap_rt *rt = N->rt;
  struct neap_task *task;
  luaL_checkstack(L, 8, NULL);
  lua_State *co = new_thread(L, n);
  int thread = lua_gettop(L);
  bool has_context = neapL_context_push(L, N);
  struct neapL_handle *h = neapL_handle_new(L, N, how->name);
  h->quiet = how->quiet;
  h->reports = how->reports;
  /* From here on no finalizer can run and spawn, so the id and the place are
     ours. What may still raise leaves nothing behind that is not overwritten.
   */
  h->id = rt->sched.next_id + 1;
  if (!find_place(N))
    neapL_nomem(L);
  uint32_t place = N->places[N->nplaces - 1];
  hold_thread(L, N, thread);
  neapL_handle_file(L, N, place);
  size_t namelen = how->name != NULL ? strlen(how->name) + 1 : 0;
  if (namelen > UINT8_MAX)
    namelen = UINT8_MAX; /* cut */
  char origin[LUA_IDSIZE + 12];
  uint8_t originlen = find_origin(L, N, origin, sizeof origin);
  if (has_context)
    neapL_context_file(L, N, thread + 1, place);
  int err = neap__scope_spawn(
      rt, find_scope(L, N, how), neapL_task_entry, co, how->is_private,
      sizeof(struct neapL_task) + namelen + originlen, &task);
  if (err == NEAP_ELIMIT)
    luaL_error(L, "too many tasks: the limit is %I",
               (LUAI_UACINT)rt->sched.max_tasks);
  if (err < 0)
    neapL_nomem(L);
  struct neapL_task *lt = neapL_task_data(task);
  lt->place = place;
  lt->nargs = n;
  lt->quiet = how->quiet;
  lt->reports = how->reports;
  lt->starting = how->starting;
  lt->has_context = has_context;
  lt->entry = task->entry;
  lt->namelen = (uint8_t)namelen;
  if (namelen > 0)
    memcpy(lt->name, how->name, namelen - 1);
  lt->originlen = originlen;
  memcpy(lt->name + namelen, origin, originlen);
  N->nplaces--;
  N->tasks[lt->place - 1] = task;
  h->task = task;
  h->place = lt->place;
  lua_replace(L, thread);
  lua_settop(L, thread);
}

/* Reads the table at index, and puts the name in its place: that holds it. */
static void check_spawn_options(lua_State *L, int index,
                                struct neapL_spawn *how) {
  static const char *const kinds[] = {"shared", "private", NULL};
  how->quiet = neapL_optfieldbool(L, index, "quiet", false);
  how->detached = neapL_optfieldbool(L, index, "detached", false);
  if (how->detached && how->box != NULL)
    neapL_fielderror(L, index, "detached",
                     "a task of a scope is not detached from it");
  const char *kind = neapL_optfieldstring(L, index, "stack", "shared");
  if (strcmp(kind, kinds[0]) != 0 && strcmp(kind, kinds[1]) != 0)
    neapL_fielderror(L, index, "stack",
                     lua_pushfstring(L,
                                     "'%s' is neither 'shared' nor "
                                     "'private'",
                                     kind));
  how->is_private = strcmp(kind, kinds[1]) == 0;
  how->name = neapL_optfieldstring(L, index, "name", NULL);
  lua_replace(L, index);
  lua_pop(L, 1); /* kind */
}

int neapL_spawn_at(lua_State *L, struct neapL *N, struct neapL_spawn *how,
                   int at) {
  neapL_rt(L);
  if (lua_istable(L, at) && !neapL_iscallable(L, at)) {
    check_spawn_options(L, at, how);
    at++;
  }
  neapL_checkcallable(L, at);
  neapL_task_spawn(L, N, how, lua_gettop(L) - at);
  return 1;
}

/* neap.spawn([opts,] fn, ...) -> task. Does not wait. */
int neapL_spawn_function(lua_State *L) {
  struct neapL_spawn how = {0};
  return neapL_spawn_at(L, neapL_self(L), &how, 1);
}
