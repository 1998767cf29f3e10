/*
 * task.c: Lua tasks. A task's function runs on a Lua thread of its own, which
 * lua_resume enters on the task's own C stack: whatever waits in it suspends
 * that C stack, and Lua never notices.
 *
 * Who keeps what: `struct lua_task` lives as long as the task runs; the handle
 * (a userdata, which scripts see) is found through a weak table and gets the
 * outcome at the end, if anybody still has it.
 */
#include "lua/task.h"

#include "core/scope.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define HANDLE "neap.task"

/* How long a task whose Lua thread somebody else has resumed waits before it
   looks again. */
#define STRANGER_NS ((uint64_t)1000 * 1000)

/* Kept out of the frames of a waiting task: every byte of those counts. */
#define NOT_IN_FRAME __attribute__((noinline))

struct lua_task {
  struct neapL *N;
  lua_State *co;
  uint32_t place; /* of co in the table of live threads */
  int nargs;
  int traceback_ref; /* of a failed one, while it is unwound */
  bool quiet;
  bool reports;
  bool hooked;     /* a count hook raises in it: to be taken off */
  uint8_t namelen; /* of name, its zero included; 0: none */
  char name[];
};

/* Texts that are needed where nothing may be allocated, the first one Lua's own
   words. Each is in the registry from the start, under its address. */
static const char no_memory[] = "not enough memory";
static const char resumed_outside[] = "failed in a resume from outside";

/* LOST: the task ended while its handle was in no table (see live). */
enum outcome { ALIVE, DONE, FAILED, CANCELLED, LOST };

/* Its one user value: the result, a table of several, or of a failure
   {error, traceback}. */
struct handle {
  struct neap_task *task; /* NULL when it has ended; dangling if the weak table
                             lost us before: see live */
  uint64_t id;
  uint32_t place; /* the task's, 0: main's */
  int nresults;   /* more than one are packed in a table */
  uint8_t outcome;
  bool bare;  /* there was no memory for a failure's table: the error alone */
  bool heard; /* somebody has asked for the failure */
  bool reported; /* nobody had by the end of its turn */
  bool quiet;
  bool reports;
  uint32_t switches;
  char name[]; /* empty: none */
};

#define UV 1

static struct lua_task *of(const struct neap_task *task) {
  return task->is_main ? NULL : neap__task_data(task);
}

const char *neapL_task_name(const struct neap_task *task) {
  if (task->is_main)
    return "main";
  return of(task)->namelen > 0 ? of(task)->name : NULL;
}

lua_State *neapL_task_thread(struct neapL *N, const struct neap_task *task) {
  return task->is_main ? N->main : of(task)->co;
}

void neapL_task_sethook(struct neap_task *task, lua_Hook hook) {
  struct lua_task *lt = of(task);
  if (lt == NULL)
    return;
  lua_sethook(lt->co, hook, LUA_MASKCOUNT, 1);
  lt->hooked = true;
}

/* -- handles */

/* The task's key in the table of handles: places are few and used again, so
   that a spawn finds its slot there and the table is not made anew. */
static uint32_t place_of(const struct neap_task *task) {
  return task->is_main ? 0 : of(task)->place;
}

/* Pushes the handle of the live task at place, or nil. Does not raise: it
   allocates nothing. One stack slot is kept free for it on N->work. */
static struct handle *find_handle(lua_State *L, struct neapL *N,
                                  uint32_t place) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->handles_ref);
  lua_rawgeti(L, -1, place);
  lua_remove(L, -2);
  return lua_touserdata(L, -1);
}

/* Pushes a new handle, not yet in the table. */
static struct handle *new_handle(lua_State *L, const struct neapL *N,
                                 const char *name) {
  size_t size = sizeof(struct handle) + 1 + (name != NULL ? strlen(name) : 0);
  struct handle *h = lua_newuserdatauv(L, size, 1);
  memset(h, 0, size);
  if (name != NULL)
    memcpy(h->name, name, size - sizeof *h);
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->handle_meta_ref);
  lua_setmetatable(L, -2);
  return h;
}

/* Puts the handle on L's top into the table, at place. May raise. */
static void file_handle(lua_State *L, struct neapL *N, uint32_t place) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->handles_ref);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, place);
  lua_pop(L, 1);
}

void neapL_task_push(lua_State *L, struct neapL *N, struct neap_task *task) {
  luaL_checkstack(L, 5, NULL);
  if (find_handle(L, N, place_of(task)) != NULL)
    return;
  struct handle *h = new_handle(L, N, neapL_task_name(task));
  lua_replace(L, -2);
  if (find_handle(L, N, place_of(task)) !=
      NULL) { /* a finalizer made one just now */
    lua_replace(L, -2);
    return;
  }
  lua_pop(L, 1);
  h->id = task->id;
  file_handle(L, N, place_of(task)); /* may raise: task is set when it can't */
  h->task = task;
  struct lua_task *lt = of(task);
  if (lt != NULL) {
    h->place = lt->place;
    h->quiet = lt->quiet;
    h->reports = lt->reports;
  }
}

/* Whether the runtime is there and the handle's task alive. */
static bool is_alive(const struct neapL *N, const struct handle *h) {
  if (h->task == NULL || N->rt == NULL || N->rt->closed)
    return false;
  if (h->place == 0)
    return true; /* main's */
  const struct neap_task *task = N->tasks[h->place - 1];
  return task != NULL && task == h->task && task->id == h->id;
}

/*
 * The task of the handle at index 1 while it is alive. A handle that only a
 * finalizer could still reach has been taken out of the weak table: the first
 * use puts it back, so that it gets the outcome. May raise.
 */
static struct neap_task *live(lua_State *L, struct handle *h) {
  struct neapL *N = neapL_self(L);
  if (!is_alive(N, h)) {
    if (h->task != NULL && h->outcome == ALIVE && neapL_peekrt(L) != NULL)
      h->outcome = LOST;
    h->task = NULL;
    return NULL;
  }
  if (find_handle(L, N, h->place) == NULL) {
    lua_pushvalue(L, 1);
    file_handle(L, N, h->place);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return h->task;
}

static struct handle *check_handle(lua_State *L, int arg) {
  return luaL_checkudata(L, arg, HANDLE);
}

/* -- the life of a task */

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

/* Packs the values at 2.. of the handle at 1. For lua_pcall on N->work. */
static int pack_results(lua_State *L) {
  int n = lua_gettop(L) - 1;
  lua_createtable(L, n, 0);
  lua_insert(L, 2);
  for (int i = n; i >= 1; i--)
    lua_rawseti(L, 2, i);
  lua_setiuservalue(L, 1, UV);
  return 0;
}

/* Moves the n results on co's top into the handle on work's top. Returns a
   lua status: packing several takes memory. */
static int keep_results(lua_State *co, lua_State *work, int n) {
  struct handle *h = lua_touserdata(work, -1);
  int status = LUA_OK;
  if (n == 1) {
    lua_xmove(co, work, 1);
    lua_setiuservalue(work, -2, UV);
  } else if (n > 1) {
    if (!lua_checkstack(work, n + 2))
      return LUA_ERRMEM;
    lua_pushcfunction(work, pack_results);
    lua_pushvalue(work, -2);
    lua_xmove(co, work, n);
    status = lua_pcall(work, n + 1, 0, 0);
    if (status != LUA_OK)
      lua_pop(work, 1);
  }
  h->nresults = n;
  return status;
}

/* For lua_pcall on N->work: (lua_task). Keeps the traceback of a thread that
   has ended with an error and is not unwound yet. */
static int keep_traceback(lua_State *L) {
  struct lua_task *lt = lua_touserdata(L, 1);
  luaL_traceback(L, lt->co, NULL, 0);
  lt->traceback_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

static void take_traceback(struct lua_task *lt, lua_State *work) {
  lt->traceback_ref = LUA_NOREF;
  lua_pushcfunction(work, keep_traceback);
  lua_pushlightuserdata(work, lt);
  if (lua_pcall(work, 1, 0, 0) != LUA_OK)
    lua_pop(work, 1); /* no memory for one: the error itself is worth more */
}

/*
 * Notes a failure. For lua_pcall on N->work: (task, error). Makes
 * the handle if nobody has it, and files it for the report at the turn's end
 * unless somebody waits for the task.
 */
static int note_failure(lua_State *L) {
  struct neap_task *task = lua_touserdata(L, 1);
  struct lua_task *lt = of(task);
  struct neapL *N = lt->N;
  neapL_task_push(L, N, task);
  struct handle *h = lua_touserdata(L, -1);
  lua_createtable(L, 2, 0);
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, lt->traceback_ref);
  lua_rawseti(L, -2, 2);
  lua_setiuservalue(L, -2, UV);
  h->outcome = FAILED;
  if (h->quiet || !neap__list_empty(&task->joiners))
    return 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->failed_ref);
  lua_insert(L, -2);
  lua_rawseti(L, -2, (lua_Integer)N->nfailed + 1);
  N->nfailed++;
  return 0;
}

/* The last word when there is no memory for a better one. */
static void report_plainly(struct neap_task *task, const char *text) {
  const char *name = neapL_task_name(task);
  fprintf(stderr, "neap: task %llu%s%s failed: %s\n",
          (unsigned long long)task->id, name != NULL ? " " : "",
          name != NULL ? name : "", text);
}

/* A failure that could not be filed for the report: told at once, unless it is
   its joiners' alone. h: its handle or NULL. */
static void report_unfiled(struct neap_task *task, struct handle *h) {
  struct lua_task *lt = of(task);
  if (lt->quiet || !neap__list_empty(&task->joiners))
    return;
  report_plainly(task, "not enough memory to keep its error");
  if (h != NULL)
    h->reported = true;
  if (!lt->reports)
    lt->N->unheard++;
}

/* The error is on co's top. */
static void fail(struct neap_task *task, lua_State *co, lua_State *work) {
  lua_pushcfunction(work, note_failure);
  lua_pushlightuserdata(work, task);
  lua_xmove(co, work, 1);
  if (lua_pcall(work, 2, 0, 0) == LUA_OK)
    return;
  lua_pop(work, 1);
  struct handle *h = find_handle(work, of(task)->N, place_of(task));
  if (h != NULL) { /* the error could not be kept: that is the error */
    lua_rawgetp(work, LUA_REGISTRYINDEX, no_memory);
    lua_setiuservalue(work, -2, UV);
    h->outcome = FAILED;
    h->bare = true;
  }
  report_unfiled(task, h);
  lua_pop(work, 1);
}

/* Gives back what the task held, after its outcome was moved to h, its handle
   (NULL: nobody has one). */
static void let_go(struct neap_task *task, struct handle *h) {
  struct lua_task *lt = of(task);
  struct neapL *N = lt->N;
  if (h != NULL) {
    h->task = NULL;
    h->switches = task->switches;
    if (h->outcome == ALIVE)
      h->outcome = CANCELLED;
  }
  lua_rawgeti(N->work, LUA_REGISTRYINDEX, N->threads_ref);
  lua_pushnil(N->work);
  lua_rawseti(N->work, -2, lt->place);
  lua_pop(N->work, 1);
  N->tasks[lt->place - 1] = NULL;
  N->places[N->nplaces++] = lt->place;
}

static void release(struct neap_task *task) {
  struct neapL *N = of(task)->N;
  struct handle *h = find_handle(N->work, N, place_of(task));
  let_go(task, h);
  lua_pop(N->work, 1);
}

void neapL_task_abandon(struct neap_task *task) {
  if (task != NULL && !task->is_main)
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

/* Runs the function to its end; the results or the error are on co's top.
 *nresults is their number. */
static int run_thread(neap_rt *rt, lua_State *co, int nargs, int *nresults) {
  int status = lua_resume(co, NULL, nargs, nresults);
  while (status == LUA_YIELD) {
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
  }
  return status;
}

/* The thread has ended with an error. Unwinds it, on its own C stack, so its
   close handlers may wait; nothing stays on `work` meanwhile. */
NOT_IN_FRAME static void end_badly(struct neap_task *task) {
  struct lua_task *lt = of(task);
  lua_State *work = lt->N->work;
  take_traceback(lt, work);
  if (lt->hooked)
    lua_sethook(lt->co, NULL, 0, 0);
  int status = neapL_unwind(lt->co);
  /* LUA_OK: it was closed in a yield, by the runtime's end. */
  if (status != LUA_OK && !(task->rt->closing && is_closing_text(lt->co)))
    fail(task, lt->co, work);
  luaL_unref(work, LUA_REGISTRYINDEX, lt->traceback_ref);
  release(task);
}

NOT_IN_FRAME static void end_well(struct neap_task *task, int nresults) {
  struct lua_task *lt = of(task);
  lua_State *work = lt->N->work;
  struct handle *h = find_handle(work, lt->N, lt->place);
  int status = LUA_OK;
  if (h != NULL) {
    h->outcome = DONE;
    status = keep_results(lt->co, work, nresults);
  }
  if (status == LUA_OK)
    let_go(task, h);
  lua_pop(work, 1);
  if (status != LUA_OK) { /* lost on the way to who asks for them */
    lua_settop(lt->co, 0);
    lua_rawgetp(lt->co, LUA_REGISTRYINDEX, no_memory);
    fail(task, lt->co, work);
    release(task);
  }
}

/* The core's entry function of every Lua task. On the task's own stack. */
static int task_entry(neap_rt *rt, void *arg) {
  struct neap_task *task = rt->sched.current;
  struct lua_task *lt = of(task);
  lua_State *co = arg;
  int nresults = 0;
  if (task->interrupt != 0) { /* cancelled before its first run: never runs */
    release(task);
    return task->interrupt;
  }
  int status = run_thread(rt, co, lt->nargs, &nresults);
  if (status == LUA_OK)
    end_well(task, nresults);
  else
    end_badly(task);
  return status == LUA_OK ? 0 : UV_ECANCELED;
}

/* -- spawning */

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

void neapL_task_spawn(lua_State *L, struct neapL *N,
                      const struct neapL_spawn *how, int n) {
  neap_rt *rt = N->rt;
  struct neap_task *task;
  luaL_checkstack(L, 6, NULL);
  lua_State *co = new_thread(L, n);
  int thread = lua_gettop(L);
  struct handle *h = new_handle(L, N, how->name);
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
  file_handle(L, N, place);
  size_t namelen = how->name != NULL ? strlen(how->name) + 1 : 0;
  if (namelen > UINT8_MAX)
    namelen = UINT8_MAX; /* cut */
  if (neap__sched_spawn(rt, task_entry, co, how->is_private,
                        sizeof(struct lua_task) + namelen, &task) < 0)
    neapL_nomem(L);
  struct lua_task *lt = of(task);
  lt->N = N;
  lt->co = co;
  lt->place = place;
  lt->nargs = n;
  lt->quiet = how->quiet;
  lt->reports = how->reports;
  lt->namelen = (uint8_t)namelen;
  if (namelen > 0)
    memcpy(lt->name, how->name, namelen - 1);
  N->nplaces--;
  N->tasks[lt->place - 1] = task;
  h->task = task;
  h->place = lt->place;
  lua_replace(L, thread);
}

/* Whether the value at arg can be called. */
static bool is_callable(lua_State *L, int arg) {
  if (lua_isfunction(L, arg))
    return true;
  if (luaL_getmetafield(L, arg, "__call") == LUA_TNIL)
    return false;
  lua_pop(L, 1);
  return true;
}

/* Reads the table at 1, and puts the name in its place: that holds it. */
static void check_spawn_options(lua_State *L, struct neapL_spawn *how) {
  static const char *const kinds[] = {"shared", "private", NULL};
  how->quiet = neapL_optfieldbool(L, 1, "quiet", false);
  neapL_optfieldbool(L, 1, "detached", false); /* every task is, for now */
  const char *kind = neapL_optfieldstring(L, 1, "stack", "shared");
  if (strcmp(kind, kinds[0]) != 0 && strcmp(kind, kinds[1]) != 0)
    neapL_fielderror(L, 1, "stack",
                     lua_pushfstring(L,
                                     "'%s' is neither 'shared' nor "
                                     "'private'",
                                     kind));
  how->is_private = strcmp(kind, kinds[1]) == 0;
  how->name = neapL_optfieldstring(L, 1, "name", NULL);
  lua_replace(L, 1);
  lua_pop(L, 1); /* kind */
}

/* neap.spawn([opts,] fn, ...) -> task. Does not wait. */
int neapL_spawn_function(lua_State *L) {
  struct neapL *N = neapL_self(L);
  struct neapL_spawn how = {0};
  int fn = 1;
  neapL_rt(L);
  if (lua_istable(L, 1) && !is_callable(L, 1)) {
    check_spawn_options(L, &how);
    fn = 2;
  }
  if (!is_callable(L, fn))
    return luaL_typeerror(L, fn, "function");
  neapL_task_spawn(L, N, &how, lua_gettop(L) - fn);
  return 1;
}

/* neap.current() -> task. Does not wait. */
int neapL_current_function(lua_State *L) {
  neap_rt *rt = neapL_rt(L);
  struct neap_task *current = rt->sched.current;
  neapL_task_push(L, neapL_self(L), current != NULL ? current : rt->sched.main);
  return 1;
}

/* -- reports of failures that nobody asks for */

/* (error) -> its text, whatever its __tostring does. */
static int error_text(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

/* Pushes the text of the error on the top, which stays. */
static void push_error_text(lua_State *L) {
  lua_pushcfunction(L, error_text);
  lua_pushvalue(L, -2);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK)
    return;
  lua_pop(L, 1);
  lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, -1));
}

/* Pushes what a failed handle at index has kept: 1 its error, 2 the traceback
   or nil. */
static void push_kept(lua_State *L, int index, const struct handle *h,
                      int which) {
  lua_getiuservalue(L, index, UV);
  if (h->bare && which == 2) {
    lua_pop(L, 1);
    lua_pushnil(L);
  } else if (!h->bare) {
    lua_rawgeti(L, -1, which);
    lua_remove(L, -2);
  }
}

/* The handle is on the top. Writes the failure to stderr. May raise. */
static void write_report(lua_State *L, const struct handle *h) {
  push_kept(L, -1, h, 2);
  push_kept(L, -2, h, 1);
  push_error_text(L);
  const char *traceback = lua_tostring(L, -3);
  lua_pushfstring(L, "neap: task %I%s%s failed: %s%s%s\n", (LUAI_UACINT)h->id,
                  h->name[0] != 0 ? " " : "", h->name, lua_tostring(L, -1),
                  traceback != NULL ? "\n" : "",
                  traceback != NULL ? traceback : "");
  fputs(lua_tostring(L, -1), stderr);
  fflush(stderr);
  lua_pop(L, 4);
}

/* The handle is on the top. Has on_error run in a task of its own. */
static void spawn_on_error(lua_State *L, struct neapL *N,
                           const struct handle *h) {
  static const struct neapL_spawn how = {
      .name = "on_error", .quiet = false, .reports = true};
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->on_error_ref);
  lua_pushvalue(L, -2);
  push_kept(L, -3, h, 1);
  push_kept(L, -4, h, 2);
  neapL_task_spawn(L, N, &how, 3);
  lua_pop(L, 1);
}

/* Remembers the first failure's text, for neap.run. The handle is on top. */
static void note_first(lua_State *L, struct neapL *N, const struct handle *h) {
  if (N->unheard++ > 0)
    return;
  push_kept(L, -1, h, 1);
  push_error_text(L);
  luaL_unref(L, LUA_REGISTRYINDEX, N->first_ref);
  N->first_ref = LUA_NOREF;
  N->first_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pop(L, 1);
}

/* For lua_pcall on N->work: (neapL, index). */
static int report_one(lua_State *L) {
  struct neapL *N = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->failed_ref);
  lua_rawgeti(L, -1, lua_tointeger(L, 2));
  struct handle *h = lua_touserdata(L, -1);
  if (h->heard)
    return 0;
  h->reported = true;
  bool to_script =
      N->on_error_ref != LUA_NOREF && !h->reports && !N->rt->closing;
  if (to_script)
    spawn_on_error(L, N, h);
  else
    write_report(L, h);
  if (!h->reports)
    note_first(L, N, h);
  return 0;
}

void neapL_task_report(struct neapL *N) {
  lua_State *work = N->work;
  N->reporting = true;
  for (uint32_t i = 1; i <= N->nfailed; i++) {
    lua_pushcfunction(work, report_one);
    lua_pushlightuserdata(work, N);
    lua_pushinteger(work, i);
    if (lua_pcall(work, 2, 0, 0) != LUA_OK) {
      fprintf(stderr, "neap: a task failed, and so did its report: %s\n",
              lua_type(work, -1) == LUA_TSTRING ? lua_tostring(work, -1) : "?");
      lua_pop(work, 1);
    }
    lua_rawgeti(work, LUA_REGISTRYINDEX, N->failed_ref);
    lua_pushnil(work);
    lua_rawseti(work, -2, i);
    lua_pop(work, 1);
  }
  N->nfailed = 0;
  N->reporting = false;
}

bool neapL_task_unheard(lua_State *L, struct neapL *N) {
  neapL_task_report(N);
  if (N->unheard == 0 || N->on_error_ref != LUA_NOREF)
    return false;
  uint32_t n = N->unheard;
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->first_ref);
  const char *first = lua_tostring(L, -1);
  lua_pushfstring(L, "%d task%s failed; first: %s", (int)n, n == 1 ? "" : "s",
                  first != NULL ? first : "?");
  lua_remove(L, -2);
  N->unheard = 0;
  return true;
}

/* -- methods */

/* Somebody asks for a failure: it is nobody's no longer. */
static void hear(struct neapL *N, struct handle *h) {
  if (h->heard)
    return;
  h->heard = true;
  if (h->reported && N->unheard > 0)
    N->unheard--;
}

/* An error that says a task was cancelled: a table {code=, task=} whose text
   explains it. */
static void push_cancelled(lua_State *L, const struct handle *h) {
  lua_createtable(L, 0, 3);
  lua_pushliteral(L, "ECANCELED");
  lua_setfield(L, -2, "code");
  lua_pushfstring(L, "task %I was cancelled", (LUAI_UACINT)h->id);
  lua_setfield(L, -2, "message");
  luaL_setmetatable(L, "neap.error");
}

/* Waits for the end of the task at 1. Returns the number of values pushed for
   a timeout, or 0 when it has ended. */
static int wait_for_end(lua_State *L, struct handle *h) {
  neapL_waitrt(L);
  uint64_t due = neapL_opttimeout(L, 2);
  struct neap_task *task = live(L, h);
  int err = task != NULL ? neap__scope_join(task, due)
                         : neap__op_check(neapL_self(L)->rt);
  if (err == UV_ELOOP)
    return luaL_error(L, "cannot join task %I: it %s", (LUAI_UACINT)h->id,
                      task == task->rt->sched.current
                          ? "is the one that asks"
                          : "waits for the one that asks");
  if (err == UV_ETIMEDOUT)
    return neapL_timedout(L, lua_tonumber(L, 2));
  if (err == UV_ENOMEM)
    neapL_nomem(L);
  neapL_raise(L, err);
  return 0;
}

/* Pushes the results of a task that is done. */
static int push_results(lua_State *L, const struct handle *h) {
  if (h->nresults == 0)
    return 0;
  luaL_checkstack(L, h->nresults + 1, "too many results");
  lua_getiuservalue(L, 1, UV);
  if (h->nresults == 1)
    return 1;
  int packed = lua_gettop(L);
  for (int i = 1; i <= h->nresults; i++)
    lua_rawgeti(L, packed, i);
  lua_remove(L, packed);
  return h->nresults;
}

/* Pushes the error of a task that is not done. */
static void push_failure(lua_State *L, struct handle *h) {
  if (h->outcome == FAILED) {
    push_kept(L, 1, h, 1);
    hear(neapL_self(L), h);
  } else if (h->outcome == LOST) {
    lua_pushfstring(L,
                    "the outcome of task %I is lost: it ended while its handle "
                    "was being collected",
                    (LUAI_UACINT)h->id);
  } else {
    push_cancelled(L, h);
  }
}

/* task:join([timeout]) -> results. Waits. Raises the task's error. */
static int task_join(lua_State *L) {
  struct handle *h = check_handle(L, 1);
  int n = wait_for_end(L, h);
  if (n > 0)
    return n;
  if (h->outcome == DONE)
    return push_results(L, h);
  push_failure(L, h);
  return lua_error(L);
}

/* task:wait([timeout]) -> true, results | false, error. Waits. */
static int task_wait(lua_State *L) {
  struct handle *h = check_handle(L, 1);
  int n = wait_for_end(L, h);
  if (n > 0)
    return n;
  lua_pushboolean(L, h->outcome == DONE);
  if (h->outcome == DONE)
    return 1 + push_results(L, h);
  push_failure(L, h);
  return 2;
}

static const char *status_name(lua_State *L, struct handle *h) {
  static const char *const outcomes[] = {"", "done", "failed", "cancelled",
                                         "done"};
  const struct neap_task *task = live(L, h);
  if (task != NULL)
    return neap__task_state_name(task);
  return outcomes[h->outcome != ALIVE ? h->outcome : CANCELLED];
}

/* task:status() -> string. Does not wait. */
static int task_status(lua_State *L) {
  lua_pushstring(L, status_name(L, check_handle(L, 1)));
  return 1;
}

/* task:traceback() -> string | nil. Does not wait. A live task's Lua stack; of
   a failed one, where it failed. */
static int task_traceback(lua_State *L) {
  struct handle *h = check_handle(L, 1);
  struct neapL *N = neapL_self(L);
  const struct neap_task *task = live(L, h);
  if (task == NULL && h->outcome == FAILED)
    push_kept(L, 1, h, 2);
  else if (task == NULL)
    lua_pushnil(L);
  else
    luaL_traceback(L, neapL_task_thread(N, task), NULL, 0);
  return 1;
}

static void set_number(lua_State *L, const char *name, lua_Number n) {
  lua_pushnumber(L, n);
  lua_setfield(L, -2, name);
}

/* task:stats() -> table. Does not wait. switches, age, since (seconds in this
   state), frames (bytes of C stack), waiting_for. */
static int task_stats(lua_State *L) {
  struct handle *h = check_handle(L, 1);
  const struct neap_task *task = live(L, h);
  lua_createtable(L, 0, 5);
  lua_pushinteger(L, task != NULL ? task->switches : h->switches);
  lua_setfield(L, -2, "switches");
  if (task == NULL)
    return 1;
  uint64_t now = uv_hrtime();
  set_number(L, "age", (lua_Number)(now - task->born_ns) / 1e9);
  set_number(L, "since", (lua_Number)(now - task->since_ns) / 1e9);
  lua_pushinteger(L, (lua_Integer)neap__stack_used(&task->frames));
  lua_setfield(L, -2, "frames");
  if (task->state == NEAP_TASK_WAITING && task->op != NULL) {
    lua_pushstring(L, task->op->what);
    lua_setfield(L, -2, "waiting_for");
  }
  return 1;
}

/* task.name, task.id; else the methods. */
static int task_index(lua_State *L) {
  const struct handle *h = check_handle(L, 1);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(key, "id") == 0) {
    lua_pushinteger(L, (lua_Integer)h->id);
  } else if (strcmp(key, "name") == 0) {
    if (h->name[0] != 0)
      lua_pushstring(L, h->name);
    else
      lua_pushnil(L);
  } else {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(2));
  }
  return 1;
}

static int task_tostring(lua_State *L) {
  struct handle *h = check_handle(L, 1);
  lua_pushfstring(L, "task %I%s%s (%s)", (LUAI_UACINT)h->id,
                  h->name[0] != 0 ? " " : "", h->name, status_name(L, h));
  return 1;
}

/* tostring of a neap.error: its message. */
static int error_tostring(lua_State *L) {
  lua_getfield(L, 1, "message");
  return 1;
}

static const luaL_Reg task_methods[] = {
    {"join", task_join},     {"wait", task_wait},
    {"status", task_status}, {"traceback", task_traceback},
    {"stats", task_stats},   {NULL, NULL}};

static void keep_text(lua_State *L, const char *text) {
  lua_pushstring(L, text);
  lua_rawsetp(L, LUA_REGISTRYINDEX, text);
}

void neapL_task_open(lua_State *L, struct neapL *N) {
  luaL_newmetatable(L, HANDLE);
  lua_pushvalue(L, -1);
  N->handle_meta_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushlightuserdata(L, N);
  lua_newtable(L);
  neapL_setfuncs(L, N, task_methods);
  lua_pushcclosure(L, task_index, 2);
  lua_setfield(L, -2, "__index");
  lua_pushlightuserdata(L, N);
  lua_pushcclosure(L, task_tostring, 1);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
  luaL_newmetatable(L, "neap.error");
  lua_pushcfunction(L, error_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
  keep_text(L, no_memory);
  keep_text(L, resumed_outside);
  keep_text(L, neapL_strerror(NEAP_CLOSING));
  neapL_task_push(L, N, N->rt->sched.main);
  luaL_ref(L, LUA_REGISTRYINDEX); /* main's handle is always there */
}
