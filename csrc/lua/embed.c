/*
 * embed.c: neap_lua.h's functions for hosts. None of them raises: the work is
 * done in a protected call each.
 */
#include "lua/budget.h"
#include "lua/open.h"

#include "core/options.h"
#include "lua/preempt.h"
#include "lua/quota.h"
#include "lua/task_handle.h"

struct opening {
  neap_lua_options options;
  int err;
};

/* A second opening: 0 if it asks for what there is. */
static int check_again(const struct neapL *N, const neap_lua_options *options) {
  if (N->rt == NULL || N->rt->closed)
    return UV_ECANCELED;
  return options->rt != NULL && options->rt != N->rt ? UV_EEXIST : 0;
}

static int set_limits(lua_State *L, struct neapL *N,
                      const neap_limits *limits) {
  if (limits == NULL)
    return 0;
  int err = neapL_quota_begin(L, N);
  return err < 0 ? err : neap_set_limits(N->rt, limits);
}

/* Without slices the budget is looked at twice. */
static void set_slices(lua_State *L, struct neapL *N,
                       const neap_lua_options *options) {
  uint64_t slice_ns =
      options->slice_ns > 0 ? options->slice_ns : (options->step_ns + 1) / 2;
  if (options->step_ns > 0)
    neapL_budget_begin(L, N, slice_ns, options->step_ns);
  if (slice_ns > 0)
    neapL_preempt_impose(L, N, slice_ns);
}

/* For lua_pcall: (struct opening). */
static int open_protected(lua_State *L) {
  struct opening *opening = lua_touserdata(L, 1);
  const neap_lua_options *options = &opening->options;
  bool anew = neapL_of(L) == NULL;
  struct neapL *N = neapL_open(L, options, &opening->err);
  if (N == NULL)
    return 0;
  if (anew)
    N->hosted = true;
  opening->err = check_again(N, options);
  if (opening->err < 0)
    return 0;
  if (!N->hosted || N->module_ref != LUA_NOREF)
    return 0;
  neapL_module_offer(L, N, options->leave_out);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  neapL_module_push(L, N);
  lua_setfield(L, -2, "neap");
  set_slices(L, N, options);
  opening->err = set_limits(L, N, options->limits);
  return 0;
}

int neap_lua_open(lua_State *L, const neap_lua_options *options) {
  struct opening opening = {{0}, 0};
  int err =
      neap__options_read(&opening.options, sizeof opening.options, options);
  if (err < 0)
    return err;
  if (!lua_checkstack(L, 3))
    return UV_ENOMEM;
  lua_pushcfunction(L, open_protected);
  lua_pushlightuserdata(L, &opening);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK)
    return opening.err;
  lua_pop(L, 1); /* "not enough memory": nothing else is raised there */
  return UV_ENOMEM;
}

neap_rt *neap_lua_runtime(lua_State *L) {
  if (!lua_checkstack(L, 1))
    return NULL;
  const struct neapL *N = neapL_of(L);
  return N != NULL && N->rt != NULL && !N->rt->closed ? N->rt : NULL;
}

struct spawning {
  struct neapL_spawn how;
  struct neap_task *task;
  int err;
};

/* For lua_pcall: (struct spawning, function, arguments) -> handle. */
static int spawn_protected(lua_State *L) {
  struct spawning *spawning = lua_touserdata(L, 1);
  struct neapL *N = neapL_of(L);
  if (spawning->err < 0)
    return luaL_error(L, "cannot spawn: the options are not understood");
  spawning->err = N == NULL ? UV_ENOENT : UV_ECANCELED;
  if (N == NULL)
    return luaL_error(L, "neap is not open in this state");
  if (N->rt == NULL || N->rt->closing)
    return luaL_error(L, "neap: the runtime has ended");
  spawning->err = UV_EINVAL;
  if (!neapL_iscallable(L, 2))
    return luaL_error(L, "cannot spawn a %s value", luaL_typename(L, 2));
  spawning->err = UV_ENOMEM;
  neapL_task_spawn(L, N, &spawning->how, lua_gettop(L) - 2);
  const struct neapL_handle *h = lua_touserdata(L, -1);
  spawning->task = h->task;
  spawning->err = 0;
  return 1;
}

int neap_lua_spawn(lua_State *L, int nargs,
                   const neap_lua_spawn_options *options, neap_task **out) {
  neap_lua_spawn_options given = {0};
  int err = neap__options_read(&given, sizeof given, options);
  struct spawning spawning = {.err = err,
                              .how = {.name = given.name,
                                      .quiet = given.quiet,
                                      .detached = given.detached,
                                      .is_private = given.private_stack}};
  if (!lua_checkstack(L, 2)) {
    lua_pop(L, nargs + 1);
    lua_pushnil(L); /* there was room for the function */
    return UV_ENOMEM;
  }
  lua_pushcfunction(L, spawn_protected);
  lua_pushlightuserdata(L, &spawning);
  lua_rotate(L, -(nargs + 3), 2);
  lua_pcall(L, nargs + 2, 1, 0);
  if (spawning.err == 0 && out != NULL) {
    neap__task_ref(spawning.task);
    *out = spawning.task;
  }
  return spawning.err;
}

/* For lua_pcall. */
static int close_protected(lua_State *L) {
  neapL_end(L, neapL_of(L));
  return 0;
}

int neap_lua_close(lua_State *L) {
  neap_rt *rt = neap_lua_runtime(L);
  if (rt == NULL)
    return 0;
  if (rt->closing || rt->sched.current != rt->sched.main)
    return UV_EBUSY;
  if (!lua_checkstack(L, 1))
    return UV_ENOMEM;
  lua_pushcfunction(L, close_protected);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK)
    lua_pop(L, 1); /* a warn function of the host's has raised */
  return 0;
}

neap_rt *neap_lua_enter(lua_State *L) {
  luaL_checkstack(L, 4, NULL);
  struct neapL *N = neapL_of(L);
  if (N == NULL)
    luaL_error(L, "neap is not open in this state");
  return neapL_waitrt_of(L, N);
}

int neap_lua_fail(lua_State *L, int err, const char *what) {
  luaL_checkstack(L, 4, NULL);
  return neapL_fail(L, err, what);
}
