/*
 * open.c: neap in a Lua state: the one userdata that ties a runtime to it, and
 * the end of both. lua_close finalizes the newest object first, so this
 * userdata, the oldest of ours, comes last.
 */
#include "lua/open.h"

#include "lua/dump.h"
#include "lua/neapl.h"
#include "lua/preempt.h"
#include "lua/quota.h"
#include "lua/runner.h"
#include "lua/task.h"
#include "lua/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Its address is the key of the neapL's userdata in the registry. */
#define SENTINEL "neap.sentinel"

static const char box_key = 'n';

static void on_turn_end(neap_rt *rt, void *ud) {
  struct neapL *N = ud;
  (void)rt;
  if (N->nfailed > 0)
    neapL_task_report(N);
}

/* Says how many tasks the script left, which now end. */
static void warn_of_rest(lua_State *L, const struct neap_rt *rt) {
  const struct neap_task *current = rt->sched.current;
  uint32_t n = rt->sched.ntasks;
  if (current != NULL && !current->is_main)
    n--; /* it is the one that ends the state */
  if (n == 0)
    return;
  char text[80];
  snprintf(text, sizeof text, "%u task%s had not ended when the state closed",
           (unsigned)n, n == 1 ? "" : "s");
  neapL_warn(L, text);
}

void neapL_close(lua_State *L, struct neapL *N) {
  neap_rt *rt = N->rt;
  if (rt == NULL || rt->closing)
    return;
  neapL_runner_detach(N);
  warn_of_rest(L, rt);
  neapL_trace_close(N);
  neap__rt_close(rt);
  neapL_task_report(N); /* what failed in the last turn, or in this one */
}

/* The runtime knows nothing of the state any more. */
static void detach(neap_rt *rt) {
  rt->binding = NULL;
  rt->on_dropped = NULL;
  rt->on_exit = NULL;
  rt->on_main = NULL;
  rt->on_deadlock = NULL;
  rt->on_free = NULL;
  rt->overflow.name_of = NULL;
  rt->sched.on_turn_end = NULL;
  rt->info = (struct neap_info){0};
}

void neapL_end(lua_State *L, struct neapL *N) {
  neap_rt *rt = N->rt;
  if (rt->binding == N) { /* else the state was never opened as a whole */
    neapL_close(L, N);
    neapL_task_abandon(rt->closer);
    neapL_preempt_close(N);
    detach(rt);
  }
  neapL_task_close(N);
  neapL_quota_end(N);
  N->rt = NULL;
  if (N->owns_rt)
    neap_free(rt);
}

/* rt->on_free: the host frees its runtime before it closes the state. */
static void on_free(neap_rt *rt, void *binding) {
  struct neapL *N = binding;
  (void)rt;
  N->owns_rt = false; /* it is being freed */
  neapL_end(N->work, N);
}

/* __gc of the neapL's userdata. */
static int box_gc(lua_State *L) {
  struct neapL *N = lua_touserdata(L, 1);
  const neap_rt *rt = N->rt;
  if (rt != NULL && rt->closing && !rt->closed) {
    /* A handle's __gc is ending the runtime, and a task that is unwound for it
       has called os.exit: the process ends on its stack, and takes the rest. */
    N->rt = NULL;
    return 0;
  }
  if (rt != NULL)
    neapL_end(L, N);
  neapL_neap_close(L, N);
  return 0;
}

/*
 * lua_close finalizes the newest object first, foreign ones too, and a waiting
 * task may stand in a call of such an object: an expat parser would be freed
 * under its own callback. So there is always an object of ours that is newer
 * than what the tasks have made before main's last wait was over: a sentinel.
 * When it is finalized although the registry still has it, the state is
 * closing, and the tasks are unwound before anything they may stand in goes.
 */
static int sentinel_gc(lua_State *L) {
  struct neapL *N = neapL_self(L);
  if (lua_touserdata(L, 1) == N->sentinel && N->rt != NULL)
    neapL_close(L, N);
  return 0;
}

/* For lua_pcall on N->work: (neapL). */
static int new_sentinel(lua_State *L) {
  struct neapL *N = lua_touserdata(L, 1);
  const void *sentinel = lua_newuserdatauv(L, 1, 0);
  luaL_setmetatable(L, SENTINEL);
  N->sentinel = sentinel;
  lua_rawseti(L, LUA_REGISTRYINDEX, N->sentinel_ref);
  return 0;
}

/* Main goes on after a wait, and tasks are alive. Without memory the sentinel
   stays the one before. */
static void on_main(neap_rt *rt, void *binding) {
  struct neapL *N = binding;
  (void)rt;
  lua_pushcfunction(N->work, new_sentinel);
  lua_pushlightuserdata(N->work, N);
  if (lua_pcall(N->work, 1, 0, 0) != LUA_OK)
    lua_pop(N->work, 1);
}

/* The driver has come to the end that neap.exit asked for. On its stack. */
static void on_exit_due(neap_rt *rt, void *binding) {
  struct neapL *N = binding;
  lua_State *L = N->main;
  int code = N->exit_code;
  (void)rt;
  /* First the tasks: foreign objects that they stand in are still whole. */
  neapL_close(L, N);
  lua_close(L); /* flushes io's files, frees the runtime by box_gc */
  exit(code);
}

static int new_table_ref(lua_State *L, const char *mode) {
  lua_newtable(L);
  if (mode != NULL) {
    lua_newtable(L);
    lua_pushstring(L, mode);
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
  }
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* The work thread never grows its stack where it must not raise: it has room
   enough from the start. */
#define WORK_STACK 60

static void open_refs(lua_State *L, struct neapL *N) {
  N->on_error_ref = N->first_ref = LUA_NOREF;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  N->main = lua_tothread(L, -1);
  lua_pop(L, 1);
  N->work = lua_newthread(L);
  if (!lua_checkstack(N->work, WORK_STACK)) /* luaL_'s would raise in work */
    neapL_nomem(L);
  N->work_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushboolean(L, false); /* no sentinel yet */
  N->sentinel_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  N->handles_ref = new_table_ref(L, "v");
  N->threads_ref = new_table_ref(L, NULL);
  N->failed_ref = new_table_ref(L, NULL);
  N->coentries_ref = new_table_ref(L, "k");
  N->reasons_ref = new_table_ref(L, NULL);
  N->traces_ref = new_table_ref(L, NULL);
  N->contexts_ref = new_table_ref(L, NULL);
  N->starts_ref = new_table_ref(L, NULL);
}

/* A runtime of the host's serves one state, and on its own thread. */
static int check_rt(const neap_rt *rt) {
  uv_thread_t self = uv_thread_self();
  if (!uv_thread_equal(&self, &rt->thread))
    return UV_EPERM;
  if (rt->closing)
    return UV_ECANCELED;
  return rt->binding != NULL ? UV_EBUSY : 0;
}

/* Makes the runtime or takes the host's. */
static int find_rt(struct neapL *N, const neap_lua_options *options) {
  if (options->rt == NULL) {
    int err = neap_new(options->runtime, &N->rt);
    N->owns_rt = err == 0;
    return err;
  }
  int err = check_rt(options->rt);
  if (err == 0)
    N->rt = options->rt;
  return err;
}

/* Cannot fail. */
static void attach(struct neapL *N) {
  neap_rt *rt = N->rt;
  rt->binding = N;
  rt->on_dropped = neapL_task_dropped;
  rt->on_exit = on_exit_due;
  rt->on_main = on_main;
  rt->on_free = on_free;
  rt->overflow.name_of = neapL_task_name;
  rt->sched.on_turn_end = on_turn_end;
  rt->sched.on_turn_end_ud = N;
  neapL_dump_attach(rt);
}

/* Makes the neapL and its runtime. Returns NULL and a code in *err when there
   is no runtime; may raise, for want of memory. */
static struct neapL *new_box(lua_State *L, const neap_lua_options *options,
                             int *err) {
  static const luaL_Reg no_methods[] = {{NULL, NULL}};
  static const luaL_Reg sentinel_meta[] = {{"__gc", sentinel_gc}, {NULL, NULL}};
  struct neapL *N = lua_newuserdatauv(L, sizeof *N, 0);
  memset(N, 0, sizeof *N);
  N->drive = options->drive;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, box_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  N->module_ref = N->left_out_ref = LUA_NOREF;
  open_refs(L, N);
  *err = find_rt(N, options);
  if (*err < 0)
    return NULL;
  neapL_newtype(L, N, SENTINEL, no_methods, sentinel_meta);
  neapL_task_open(L, N);
  neapL_runner_open(L, N);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &box_key); /* only a whole one is found */
  attach(N);
  neapL_runner_attach(N);
  return N;
}

struct neapL *neapL_of(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &box_key);
  struct neapL *N = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return N;
}

struct neapL *neapL_open(lua_State *L, const neap_lua_options *options,
                         int *err) {
  struct neapL *N = neapL_of(L);
  *err = 0;
  return N != NULL ? N : new_box(L, options, err);
}

/* For scripts that require us: the program is theirs, and so is the time. */
struct neapL *neapL_require(lua_State *L) {
  static const neap_lua_options alone = {.size = sizeof alone, .drive = true};
  int err;
  struct neapL *N = neapL_open(L, &alone, &err);
  if (N == NULL)
    luaL_error(L, "neap: no runtime: %s", neapL_strerror(err));
  return N;
}

int luaopen_neap(lua_State *L) {
  neapL_module_push(L, neapL_require(L));
  return 1;
}
