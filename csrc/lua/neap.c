/* neap.c: the functions of the module table that are about the whole runtime.
 */
#include "lua/neapl.h"

#include "lua/task.h"

#include <stdio.h>
#include <string.h>

/* neap.sleep(seconds). Waits. */
static int neap_sleep_(lua_State *L) {
  uint64_t ns = neapL_checkseconds(L, 1);
  neap_rt *rt = neapL_waitrt(L);
  int err = ns > 0 ? neap_sleep(rt, ns) : neap_yield(rt);
  neapL_checkwait(L, err);
  return 0;
}

/* neap.sleep_until(t). Waits until neap.now() is t or more. */
static int neap_sleep_until_(lua_State *L) {
  uint64_t due = neapL_checkseconds(L, 1);
  int err = neap_sleep_until(neapL_waitrt(L), due);
  neapL_checkwait(L, err);
  return 0;
}

/* neap.yield(). Waits for the other ready tasks. */
static int neap_yield_(lua_State *L) {
  neapL_raise(L, neap_yield(neapL_waitrt(L)));
  return 0;
}

/* neap.frame(). Waits for the host's next step. */
static int neap_frame_(lua_State *L) {
  int err = neap_frame(neapL_waitrt(L));
  neapL_checkwait(L, err);
  return 0;
}

/* The time on the tasks' clock; when the runtime has ended, the real one. */
static uint64_t now(lua_State *L) {
  const neap_rt *rt = neapL_peekrt(L);
  return rt != NULL ? neap_now(rt) : uv_hrtime();
}

/* neap.now() -> seconds. Does not wait. */
static int neap_now_(lua_State *L) {
  lua_pushnumber(L, (lua_Number)now(L) / 1e9);
  return 1;
}

/* neap.hrtime() -> ns. Does not wait. */
static int neap_hrtime(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)now(L));
  return 1;
}

/* neap.run([fn, ...]) -> results. Waits until all tasks have ended. */
static int neap_run_(lua_State *L) {
  static const struct neapL_spawn how = {.name = "run"};
  struct neapL *N = neapL_self(L);
  neap_rt *rt = neapL_waitrt(L);
  bool with_task = !lua_isnoneornil(L, 1);
  if (rt->sched.current != rt->sched.main)
    return luaL_error(L, "neap.run is for the main script (call task:join)");
  if (with_task) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    neapL_task_spawn(L, N, &how, lua_gettop(L) - 1);
    lua_getfield(L, 1, "join"); /* heard now, so that it is not reported */
    lua_insert(L, 1);
    lua_call(L, 1, LUA_MULTRET);
  } else {
    lua_settop(L, 0);
  }
  int results = lua_gettop(L);
  int err = neap_run(rt);
  neapL_checkwait(L, err);
  luaL_checkstack(L, 3, NULL);
  if (neapL_task_unheard(L, N))
    return lua_error(L);
  return results;
}

/* neap.on_error([fn(task, err, traceback)]) -> the one before. */
static int neap_on_error(lua_State *L) {
  struct neapL *N = neapL_self(L);
  neapL_rt(L);
  if (!lua_isnoneornil(L, 1))
    luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, N->on_error_ref);
  lua_insert(L, 1);
  int ref = lua_isnil(L, 2) ? LUA_NOREF : luaL_ref(L, LUA_REGISTRYINDEX);
  luaL_unref(L, LUA_REGISTRYINDEX, N->on_error_ref);
  N->on_error_ref = ref;
  lua_settop(L, 1);
  return 1;
}

/* neap.info() -> table of figures. Does not wait. */
static int neap_info_(lua_State *L) {
  neap_figures f;
  neap_info(neapL_rt(L), &f);
  lua_createtable(L, 0, 16);
  neapL_setinteger(L, "tasks", f.tasks);
  neapL_setinteger(L, "spawned", f.spawned);
  neapL_setinteger(L, "switches", f.switches);
  neapL_setinteger(L, "turns", f.turns);
  neapL_setinteger(L, "polls", f.polls);
  neapL_setinteger(L, "slots", f.slots);
  neapL_setinteger(L, "private_slots", f.private_slots);
  neapL_setinteger(L, "copies", f.copies);
  neapL_setinteger(L, "bytes_saved", f.bytes_saved);
  neapL_setinteger(L, "memory", f.memory);
  neapL_setinteger(L, "handles", f.handles);
  neapL_setinteger(L, "jobs", f.jobs);
  lua_pushnumber(L, f.busy);
  lua_setfield(L, -2, "busy");
  return 1;
}

/* All tasks but the running one are to clean up. */
static void cancel_others(neap_rt *rt) {
  struct neap_list *head = &rt->sched.tasks, *node;
  for (node = head->next; node != head; node = node->next) {
    struct neap_task *task = NEAP_LIST_ENTRY(node, struct neap_task, all);
    if (task != rt->sched.current && !task->is_main)
      neap__cancel_task(task);
  }
}

/* neap.exit([code [, grace]]). Ends the process; see open.c. */
static int neap_exit(lua_State *L) {
  struct neapL *N = neapL_self(L);
  int code = lua_isboolean(L, 1) ? !lua_toboolean(L, 1)
                                 : (int)luaL_optinteger(L, 1, 0);
  uint64_t grace = neapL_optseconds(L, 2, 0);
  neap_rt *rt = neapL_waitrt(L);
  if (N->hosted)
    return luaL_error(L, "neap.exit: this process is not the script's to end");
  N->exit_code = code;
  if (grace > 0)
    cancel_others(rt);
  int err = neap__driver_exit(rt, grace);
  neapL_checkwait(L, err);
  return 0;
}

#ifdef NEAP_TEST
/* neap._fail_alloc(n [, on]) -> how many failed since the call before:
   allocation n of the runtime's from now on fails, and all later ones with on.
   n = 0 ends that. Test builds only. */
static int neap_fail_alloc(lua_State *L) {
  struct neap_mem *mem = &neapL_rt(L)->mem;
  lua_pushinteger(L, (lua_Integer)mem->failed);
  mem->failed = 0;
  mem->fail_at = (uint64_t)luaL_optinteger(L, 1, 0);
  mem->fail_on = lua_toboolean(L, 2);
  return 1;
}

/* The failing allocator that stands in front of the state's own. Once it does,
   it stays to the state's last block: strings of Lua 5.5 are freed by the
   allocator that was there when they were made. */
struct failing {
  lua_Alloc alloc;
  void *ud;
  const lua_State *main; /* lies in the last block */
  lua_Integer left, failed;
  bool on;
};

static bool is_last_block(const struct failing *f, const void *ptr,
                          size_t size) {
  uintptr_t from = (uintptr_t)ptr, main = (uintptr_t)f->main;
  return ptr != NULL && main >= from && main - from < size;
}

static void *failing_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
  struct failing *f = ud;
  if (nsize > (ptr != NULL ? osize : 0) && f->left > 0 && --f->left == 0) {
    f->left = f->on;
    f->failed++;
    return NULL;
  }
  if (nsize == 0 && is_last_block(f, ptr, osize)) {
    lua_Alloc alloc = f->alloc;
    void *own = f->ud;
    neap__mem_shared_free(f);
    return alloc(own, ptr, osize, 0);
  }
  return f->alloc(f->ud, ptr, osize, nsize);
}

/* neap._fail_lua_alloc(n [, on]): the same of Lua's own allocations. Lua
   collects and tries again, so `on` is what makes a call fail. */
static int neap_fail_lua_alloc(lua_State *L) {
  struct failing *f = lua_touserdata(L, lua_upvalueindex(2));
  if (f->alloc == NULL) {
    f->main = neapL_self(L)->main;
    f->alloc = lua_getallocf(L, &f->ud);
    lua_setallocf(L, failing_alloc, f);
  }
  lua_pushinteger(L, f->failed);
  f->failed = 0;
  f->on = lua_toboolean(L, 2);
  f->left = luaL_optinteger(L, 1, 0);
  return 1;
}

static void open_test(lua_State *L, struct neapL *N) {
  /* The C library's: it must outlive the userdata of this state. */
  if (N->failing == NULL) { /* else it is another try to make the module */
    N->failing = neap__mem_shared_alloc(sizeof(struct failing));
    if (N->failing == NULL)
      neapL_nomem(L);
    memset(N->failing, 0, sizeof(struct failing));
  }
  lua_pushlightuserdata(L, N);
  lua_pushcclosure(L, neap_fail_alloc, 1);
  lua_setfield(L, -2, "_fail_alloc");
  lua_pushlightuserdata(L, N);
  lua_pushlightuserdata(L, N->failing);
  lua_pushcclosure(L, neap_fail_lua_alloc, 2);
  lua_setfield(L, -2, "_fail_lua_alloc");
}

void neapL_neap_close(lua_State *L, struct neapL *N) {
  struct failing *f = N->failing;
  (void)L;
  N->failing = NULL;
  if (f != NULL && f->alloc != NULL)
    f->left = 0; /* freed with the state's last block */
  else
    neap__mem_shared_free(f);
}
#else
void neapL_neap_close(lua_State *L, struct neapL *N) {
  (void)L, (void)N;
}
#endif

static const luaL_Reg functions[] = {{"spawn", neapL_spawn_function},
                                     {"sleep", neap_sleep_},
                                     {"sleep_until", neap_sleep_until_},
                                     {"yield", neap_yield_},
                                     {"frame", neap_frame_},
                                     {"now", neap_now_},
                                     {"hrtime", neap_hrtime},
                                     {"run", neap_run_},
                                     {"current", neapL_current_function},
                                     {"on_error", neap_on_error},
                                     {"info", neap_info_},
                                     {"exit", neap_exit},
                                     {NULL, NULL}};

void neapL_neap_open(lua_State *L, struct neapL *N) {
  neapL_setfuncs(L, N, functions);
  lua_pushstring(L, neap_version());
  lua_setfield(L, -2, "version");
#ifdef NEAP_TEST
  open_test(L, N);
#endif
}
