/* test_lua_tasks.c: C tasks of a host in a runtime that has Lua as well. */
#include "test_lua.h"

#include <pthread.h>

struct host {
  struct counted counted;
  lua_State *L;
  neap_rt *rt;
  neap_wait *wait;
  int status;
};

static void open_host(struct host *host, bool drive) {
  memset(host, 0, sizeof *host);
  host->L = new_state(&host->counted);
  neap_lua_options options = {.size = sizeof options, .drive = drive};
  CHECK(neap_lua_open(host->L, &options) == 0);
  host->rt = neap_lua_runtime(host->L);
  CHECK(run(host->L, "neap = require 'neap'"));
}

static void close_host(struct host *host) {
  lua_close(host->L);
  CHECK(host->counted.used == 0);
}

static int wait_in_c(neap_rt *rt, void *arg) {
  struct host *host = arg;
  host->status = neap_wait_new(rt, 0, &host->wait);
  if (host->status == 0)
    host->status = neap_park(host->wait);
  neap_wait_free(host->wait);
  return host->status;
}

static void end_wait(struct host *host) {
  neap_wake(host->wait, 5);
  step_to_end(host->rt);
  CHECK(host->status == 5);
}

static void dumps_and_figures_show_c_tasks(void) {
  struct host host;
  open_host(&host, false);
  neap_spawn_options named = {.size = sizeof named, .name = "physics"};
  CHECK(neap_spawn(host.rt, wait_in_c, &host, &named, NULL) == 0);
  spawn(host.L, "neap.yield()"
                "neap.dump{write = function(_, s) text = s end}"
                "n = #neap.tasks() alive = neap.info().tasks");
  CHECK(neap_step(host.rt, UINT64_MAX) == 0);
  CHECK(neap_step(host.rt, UINT64_MAX) == 0);
  CHECK(global_has(host.L, "text", "physics: waiting in host"));
  CHECK(global_int(host.L, "n") == 2);     /* main and the one that asks */
  CHECK(global_int(host.L, "alive") == 3); /* the C task, too */
  end_wait(&host);
  close_host(&host);
}

static void traces_pass_over_c_tasks(void) {
  struct host host;
  open_host(&host, false);
  CHECK(run(host.L, "seen = 0 neap.trace{on_spawn = function()"
                    " seen = seen + 1 end, on_wait = function() end,"
                    " on_end = function() end, on_wake = function() end}"));
  CHECK(neap_spawn(host.rt, wait_in_c, &host, NULL, NULL) == 0);
  spawn(host.L, "neap.yield()");
  CHECK(neap_step(host.rt, UINT64_MAX) == 0);
  end_wait(&host);
  CHECK(run(host.L, "neap.trace(nil)"));
  CHECK(global_int(host.L, "seen") == 1);
  close_host(&host);
}

/* -- Lua code that a C task runs */

static int call_lua(neap_rt *rt, void *arg) {
  struct host *host = arg;
  (void)rt;
  lua_getglobal(host->L, "fn");
  if (lua_pcall(host->L, 0, 0, 0) == LUA_OK)
    return 0;
  lua_setglobal(host->L, "message");
  return -1;
}

/* Runs the code from a C task, on the main Lua thread. */
static void run_in_c_task(struct host *host, const char *code) {
  CHECK(luaL_loadstring(host->L, code) == LUA_OK);
  lua_setglobal(host->L, "fn");
  CHECK(neap_spawn(host->rt, call_lua, host, NULL, NULL) == 0);
  CHECK(neap_step(host->rt, UINT64_MAX) >= 0);
}

static void lua_code_in_a_c_task_does_not_wait(void) {
  static const char *const waits[] = {
      "neap.sleep(0)",
      "neap.yield()",
      "neap.scope(function() end)",
      "neap.channel():recv()",
      "coroutine.wrap(function() neap.sleep(0) end)()",
      "neap.timeout(1, function() end)",
      "neap.shield(function() end)",
      "neap.spawn(function() end):join()"};
  struct host host;
  open_host(&host, true);
  for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
    CHECK(run(host.L, "message = nil"));
    run_in_c_task(&host, waits[i]);
    CHECK(global_has(host.L, "message", "is a C task"));
  }
  step_to_end(host.rt);
  close_host(&host);
}

static void lua_code_in_a_c_task_does_all_else(void) {
  struct host host;
  open_host(&host, false);
  run_in_c_task(&host,
                "current = tostring(neap.current())"
                "child = neap.spawn(function() neap.yield() spawned = 1 end)"
                "left = tostring((neap.time_left()))"
                "ok, text = pcall(neap.context)"
                "cancelled = neap.is_cancelled('x')"
                "ch = neap.channel(1) ch:try_send(7) got = ch:try_recv()"
                "_, ready = pcall(neap.ready)"
                "collectgarbage() done = 1");
  CHECK(global_int(host.L, "done") == 1);
  CHECK(global_has(host.L, "current", "nil"));
  CHECK(global_has(host.L, "left", "nil"));
  CHECK(global_has(host.L, "text", "no Lua task is running"));
  CHECK(global_has(host.L, "ready", "nobody waits"));
  CHECK(global_int(host.L, "got") == 7);
  step_to_end(host.rt);
  CHECK(global_int(host.L, "spawned") == 1);
  close_host(&host);
}

static int spawn_and_join(neap_rt *rt, void *arg) {
  struct host *host = arg;
  neap_task *task;
  (void)rt;
  luaL_loadstring(host->L, "neap.sleep(0.001) slept = 1");
  if (neap_lua_spawn(host->L, 0, NULL, &task) < 0)
    return -1;
  lua_pop(host->L, 1);
  int err = neap_join(task, &host->status);
  neap_task_unref(task);
  return err;
}

/* What the message says that is to be done instead. */
static void a_c_task_spawns_lua_and_joins(void) {
  struct host host;
  open_host(&host, false);
  host.status = -1;
  CHECK(neap_spawn(host.rt, spawn_and_join, &host, NULL, NULL) == 0);
  step_to_end(host.rt);
  CHECK(host.status == 0 && global_int(host.L, "slept") == 1);
  close_host(&host);
}

/* Slices must not take a C task off the main Lua thread in the middle. */
static void a_c_task_is_not_preempted_in_lua(void) {
  struct host host;
  open_host(&host, false);
  CHECK(run(host.L, "neap.preempt(0.001)"));
  spawn(host.L, "while not done do for i = 1, 100 do end end");
  run_in_c_task(&host, "local n = 0 for i = 1, 3000000 do n = n + i end"
                       " done = true");
  step_to_end(host.rt);
  CHECK(run(host.L, "assert(done) neap.preempt(nil)"));
  close_host(&host);
}

/* -- a function of the host's that waits */

/* engine.load(n) -> n + 1 | nil, message, code. A thread answers. */
struct request {
  int n;
};

static void *answer(void *arg) {
  neap_wait *wait = arg;
  const struct request *request = neap_wait_data(wait);
  neap_wake_post(wait, request->n >= 0 ? request->n + 1 : UV_EINVAL);
  return NULL;
}

static int engine_load(lua_State *L) {
  int n = (int)luaL_checkinteger(L, 1);
  neap_wait *wait;
  pthread_t thread;
  int err = neap_wait_new(neap_lua_enter(L), sizeof(struct request), &wait);
  if (err < 0)
    return neap_lua_fail(L, err, "load");
  ((struct request *)neap_wait_data(wait))->n = n;
  CHECK(pthread_create(&thread, NULL, answer, wait) == 0);
  pthread_detach(thread);
  err = neap_park(wait);
  neap_wait_free(wait);
  if (err < 0)
    return neap_lua_fail(L, err, "load");
  lua_pushinteger(L, err);
  return 1;
}

static void a_function_of_the_hosts_waits(void) {
  struct host host;
  open_host(&host, false);
  lua_register(host.L, "load", engine_load);
  spawn(host.L, "sum = 0 for i = 1, 20 do neap.spawn(function()"
                "  local n = coroutine.wrap(load)(i) sum = sum + n end) end");
  spawn(host.L, "bad, text, code = load(-1)");
  spawn(host.L, "local task = neap.spawn(load, 1) neap.yield() task:cancel()"
                "ok, err = task:wait() late = neap.is_cancelled(err)"
                "err = tostring(err)");
  step_to_end(host.rt);
  CHECK(global_int(host.L, "sum") == 20 * 21 / 2 + 20);
  CHECK(global_has(host.L, "text", "load: "));
  CHECK(global_has(host.L, "code", "EINVAL"));
  CHECK(global_has(host.L, "err", "cancelled"));
  CHECK(!run(host.L, "load(1)"));
  CHECK(global_has(host.L, "message", "call from a task"));
  close_host(&host);
}

/* -- the end */

static int sleep_for_ever(neap_rt *rt, void *arg) {
  struct host *host = arg;
  host->status = neap_sleep(rt, NEAP_NEVER);
  return host->status;
}

static void c_tasks_end_with_the_state(void) {
  struct host host;
  open_host(&host, false);
  CHECK(neap_spawn(host.rt, sleep_for_ever, &host, NULL, NULL) == 0);
  spawn(host.L, "neap.sleep(math.huge)");
  CHECK(neap_step(host.rt, UINT64_MAX) == 0);
  close_host(&host);
  CHECK(host.status == NEAP_CLOSING);
}

static int never_ends(neap_rt *rt, void *arg) {
  (void)arg;
  while (neap_sleep(rt, MS) != 1)
    continue;
  return 0;
}

static void a_stubborn_c_task_is_dropped(void) {
  struct host host;
  open_host(&host, false);
  CHECK(neap_spawn(host.rt, never_ends, NULL, NULL, NULL) == 0);
  CHECK(neap_step(host.rt, UINT64_MAX) == 0);
  close_host(&host);
}

TESTS(TEST(dumps_and_figures_show_c_tasks), TEST(traces_pass_over_c_tasks),
      TEST(lua_code_in_a_c_task_does_not_wait),
      TEST(lua_code_in_a_c_task_does_all_else),
      TEST(a_c_task_spawns_lua_and_joins),
      TEST(a_c_task_is_not_preempted_in_lua),
      TEST(a_function_of_the_hosts_waits), TEST(c_tasks_end_with_the_state),
      TEST(a_stubborn_c_task_is_dropped))
