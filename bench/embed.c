/*
 * embed.c: what a frame costs a host that owns the time. Prints one number,
 * CPU time in ns.
 *
 *   embed idle neap N    a step of a runtime with N sleeping tasks, nothing due
 *   embed idle uv        uv_run(NOWAIT) of an empty loop: it does not even poll
 *   embed idle poll      the same of a loop with a handle, so that it polls
 *   embed wake neap N    waking a Lua task that waits for the next frame, N of
 *                        them per frame
 *   embed wake lua N     lua_resume of a coroutine that yields, N per frame
 */
#include "include/neap_lua.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#define IDLE_FRAMES 200000
#define WAKE_FRAMES 2000
#define WARM_FRAMES 100

static double cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void die(const char *what) {
  fprintf(stderr, "embed: %s\n", what);
  exit(1);
}

/* --- nothing to do */

static int sleep_long(neap_rt *rt, void *arg) {
  (void)arg;
  return neap_sleep(rt, (uint64_t)3600 * 1000 * 1000 * 1000);
}

static double idle_neap(int n) {
  neap_rt *rt;
  neap_spawn_options options = {.size = sizeof options, .shared_stack = true};
  if (neap_new(NULL, &rt) < 0)
    die("no runtime");
  for (int i = 0; i < n; i++)
    if (neap_spawn(rt, sleep_long, NULL, &options, NULL) < 0)
      die("no task");
  if (neap_step(rt, UINT64_MAX) != 0)
    die("they do not sleep");
  double begun = cpu_ns();
  for (int i = 0; i < IDLE_FRAMES; i++)
    neap_step(rt, 1000000);
  double taken = cpu_ns() - begun;
  neap_free(rt);
  return taken / IDLE_FRAMES;
}

static void on_async(uv_async_t *async) {
  (void)async;
}

static double idle_uv(bool polls) {
  uv_loop_t loop;
  uv_async_t async;
  uv_loop_init(&loop);
  if (polls)
    uv_async_init(&loop, &async, on_async);
  double begun = cpu_ns();
  for (int i = 0; i < IDLE_FRAMES; i++)
    uv_run(&loop, UV_RUN_NOWAIT);
  return (cpu_ns() - begun) / IDLE_FRAMES;
}

/* --- waking */

static int wait_for_frame(lua_State *L) {
  int err = neap_frame(lua_touserdata(L, lua_upvalueindex(1)));
  return err < 0 ? luaL_error(L, "%s", uv_strerror(err)) : 0;
}

static lua_State *open_lua(void) {
  lua_State *L = luaL_newstate();
  if (L == NULL)
    die("no state");
  luaL_openlibs(L);
  return L;
}

static void load(lua_State *L, const char *chunk) {
  if (luaL_loadstring(L, chunk) != LUA_OK)
    die(lua_tostring(L, -1));
}

static double wake_neap(int n) {
  lua_State *L = open_lua();
  neap_lua_options options = {.size = sizeof options};
  neap_lua_spawn_options quiet = {.size = sizeof quiet, .quiet = true};
  if (neap_lua_open(L, &options) < 0)
    die("neap does not open");
  neap_rt *rt = neap_lua_runtime(L);
  lua_pushlightuserdata(L, rt);
  lua_pushcclosure(L, wait_for_frame, 1);
  lua_setglobal(L, "wait_for_frame");
  for (int i = 0; i < n; i++) {
    load(L, "local wait = wait_for_frame while true do wait() end");
    if (neap_lua_spawn(L, 0, &quiet, NULL) < 0)
      die("no task");
  }
  for (int i = 0; i < WARM_FRAMES; i++)
    neap_step(rt, UINT64_MAX);
  double begun = cpu_ns();
  for (int i = 0; i < WAKE_FRAMES; i++)
    neap_step(rt, UINT64_MAX);
  double taken = cpu_ns() - begun;
  neap_figures figures;
  neap_info(rt, &figures);
  if (figures.tasks != (uint64_t)n + 1)
    die("a task has ended");
  neap_lua_close(L);
  lua_close(L);
  return taken / WAKE_FRAMES / n;
}

static double wake_lua(int n) {
  lua_State *L = open_lua();
  lua_State **threads = calloc((size_t)n, sizeof *threads);
  if (threads == NULL || !lua_checkstack(L, n + 1))
    die("no memory");
  for (int i = 0; i < n; i++) {
    threads[i] = lua_newthread(L);
    load(threads[i], "local wait = coroutine.yield while true do wait() end");
  }
  double begun = 0;
  for (int i = 0; i < WARM_FRAMES + WAKE_FRAMES; i++) {
    if (i == WARM_FRAMES)
      begun = cpu_ns();
    for (int k = 0; k < n; k++) {
      int nresults;
      if (lua_resume(threads[k], L, 0, &nresults) != LUA_YIELD)
        die("a coroutine has ended");
    }
  }
  double taken = cpu_ns() - begun;
  free(threads);
  lua_close(L);
  return taken / WAKE_FRAMES / n;
}

int main(int argc, char **argv) {
  if (argc < 3)
    die("usage: idle|wake neap|uv|poll|lua [n]");
  int n = argc > 3 ? atoi(argv[3]) : 0;
  bool idle = strcmp(argv[1], "idle") == 0;
  double ns;
  if (strcmp(argv[2], "neap") == 0)
    ns = idle ? idle_neap(n) : wake_neap(n);
  else if (idle)
    ns = idle_uv(strcmp(argv[2], "poll") == 0);
  else
    ns = wake_lua(n);
  printf("%.1f\n", ns);
  return 0;
}
