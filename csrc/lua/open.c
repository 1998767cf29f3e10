/*
 * open.c: neap in a Lua state: the one userdata that ties a runtime to it, and
 * the end of both. lua_close finalizes the newest object first, so this
 * userdata, the oldest of ours, comes last.
 */
#include "include/neap_lua.h"

#include "lua/await.h"
#include "lua/cancelled.h"
#include "lua/chan.h"
#include "lua/context.h"
#include "lua/dump.h"
#include "lua/neapl.h"
#include "lua/offload.h"
#include "lua/preempt.h"
#include "lua/scope.h"
#include "lua/select.h"
#include "lua/shield.h"
#include "lua/start.h"
#include "lua/sync.h"
#include "lua/task.h"
#include "lua/trace.h"
#include "lua/wait_fd.h"

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
  warn_of_rest(L, rt);
  neapL_trace_close(N);
  neap__rt_close(rt);
  neapL_task_report(N); /* what failed in the last turn, or in this one */
}

/* __gc of the neapL's userdata. */
static int box_gc(lua_State *L) {
  struct neapL *N = lua_touserdata(L, 1);
  neap_rt *rt = N->rt;
  if (rt == NULL)
    return 0; /* it could not even be made */
  if (rt->closing && !rt->closed) {
    /* A handle's __gc is ending the runtime, and a task that is unwound for it
       has called os.exit: the process ends on its stack, and takes the rest. */
    N->rt = NULL;
    return 0;
  }
  neapL_close(L, N);
  neapL_task_abandon(rt->closer);
  neapL_preempt_close(N);
  neapL_task_close(N);
  N->rt = NULL;
  neap_free(rt);
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

/* Makes the neapL and its runtime, or finds them. */
static struct neapL *open_box(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &box_key) == LUA_TUSERDATA) {
    struct neapL *known = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return known;
  }
  lua_pop(L, 1);
  struct neapL *N = lua_newuserdatauv(L, sizeof *N, 0);
  memset(N, 0, sizeof *N);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, box_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  N->module_ref = LUA_NOREF;
  open_refs(L, N);
  int err = neap_new(NULL, &N->rt);
  if (err < 0)
    luaL_error(L, "neap: no runtime: %s", neapL_strerror(err));
  N->rt->binding = N;
  N->rt->on_dropped = neapL_task_dropped;
  N->rt->on_exit = on_exit_due;
  N->rt->on_main = on_main;
  N->rt->overflow.name_of = neapL_task_name;
  N->rt->sched.on_turn_end = on_turn_end;
  N->rt->sched.on_turn_end_ud = N;
  static const luaL_Reg no_methods[] = {{NULL, NULL}};
  static const luaL_Reg sentinel_meta[] = {{"__gc", sentinel_gc}, {NULL, NULL}};
  neapL_newtype(L, N, SENTINEL, no_methods, sentinel_meta);
  neapL_task_open(L, N);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &box_key); /* only a whole one is found */
  return N;
}

struct neapL *neapL_of(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &box_key);
  struct neapL *N = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return N;
}

struct neapL *neapL_require(lua_State *L) {
  return open_box(L);
}

/* What the module loads at first use: parts that are modules of their own, and
   functions that a Lua part has. */
static const struct part {
  const char *key, *module;
  bool is_function; /* a field of the module, not the module */
} parts[] = {
    {"fs", "neap.fs", false},
    {"net", "neap.net", false},
    {"tls", "neap.tls", false},
    {"process", "neap.process", false},
    {"signal", "neap.signal", false},
    {"tty", "neap.tty", false},
    {"stdin", "neap.std", true},
    {"stdout", "neap.std", true},
    {"stderr", "neap.std", true},
    {"all", "neap.combine", true},
    {"all_settled", "neap.combine", true},
    {"any", "neap.combine", true},
    {"map", "neap.combine", true},
    {"race", "neap.combine", true},
    {"testing", "neap.testing", false},
    {"compat", "neap.compat", false},
};

static const struct part *find_part(const char *key) {
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
    if (strcmp(parts[i].key, key) == 0)
      return &parts[i];
  return NULL;
}

/* The module's __index. */
static int load_part(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING)
    return 0;
  const struct part *part = find_part(lua_tostring(L, 2));
  if (part == NULL)
    return 0;
  lua_getglobal(L, "require");
  lua_pushstring(L, part->module);
  lua_call(L, 1, 1);
  if (part->is_function)
    lua_getfield(L, -1, part->key);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -2);
  lua_rawset(L, 1);
  return 1;
}

int luaopen_neap(lua_State *L) {
  struct neapL *N = open_box(L);
  if (N->module_ref != LUA_NOREF) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, N->module_ref);
    return 1;
  }
  lua_newtable(L);
  neapL_neap_open(L, N);
  neapL_dump_open(L, N);
  neapL_trace_open(L, N);
  neapL_await_open(L, N);
  neapL_cancelled_open(L, N);
  neapL_scope_open(L, N);
  neapL_shield_open(L, N);
  neapL_start_open(L, N);
  neapL_context_open(L, N);
  neapL_chan_open(L, N);
  neapL_select_open(L, N);
  neapL_sync_open(L, N);
  neapL_preempt_open(L, N);
  neapL_wait_fd_open(L, N);
  neapL_offload_open(L, N);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, load_part);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  N->module_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 1;
}
