/* test_lua_open.c: a host opens neap in a state of its own, and closes it. */
#include "test_lua.h"

static void opens_and_closes_with_the_state(void) {
  struct counted counted = {0};
  lua_State *L = new_state(&counted);
  int top = lua_gettop(L);
  CHECK(neap_lua_runtime(L) == NULL);
  CHECK(neap_lua_open(L, NULL) == 0);
  CHECK(lua_gettop(L) == top);
  neap_rt *rt = neap_lua_runtime(L);
  CHECK(rt != NULL);
  spawn(L, "local neap = require 'neap'; neap.sleep(0.001); done = 1");
  CHECK(global_int(L, "done") == 0);
  step_to_end(rt);
  CHECK(global_int(L, "done") == 1);
  spawn(L, "local x <close> = setmetatable({}, {__close = function() end})"
           "require 'neap'.sleep(math.huge)");
  CHECK(neap_step(rt, UINT64_MAX) == 0);
  lua_close(L);
  CHECK(counted.used == 0);
}

static void opening_twice_changes_nothing(void) {
  struct counted counted = {0};
  lua_State *L = new_state(&counted);
  neap_rt *other;
  CHECK(neap_new(NULL, &other) == 0);
  CHECK(neap_lua_open(L, NULL) == 0);
  neap_rt *rt = neap_lua_runtime(L);
  neap_lua_options same = {.size = sizeof same, .rt = rt};
  neap_lua_options wrong = {.size = sizeof wrong, .rt = other};
  CHECK(neap_lua_open(L, NULL) == 0);
  CHECK(neap_lua_open(L, &same) == 0);
  CHECK(neap_lua_open(L, &wrong) == UV_EEXIST);
  CHECK(neap_lua_runtime(L) == rt);
  lua_close(L);
  neap_free(other);
  CHECK(counted.used == 0);
}

static void takes_a_runtime_of_the_hosts(void) {
  struct counted counted = {0};
  neap_rt *rt;
  CHECK(neap_new(NULL, &rt) == 0);
  lua_State *L = new_state(&counted), *second = new_state(&counted);
  neap_lua_options options = {.size = sizeof options, .rt = rt};
  CHECK(neap_lua_open(L, &options) == 0);
  CHECK(neap_lua_runtime(L) == rt);
  CHECK(neap_lua_open(second, &options) == UV_EBUSY);
  CHECK(neap_lua_runtime(second) == NULL);
  lua_close(second);
  lua_close(L);
  CHECK(neap_step(rt, 0) == UV_ECANCELED);
  neap_free(rt);
  CHECK(counted.used == 0);
}

/* Its tasks are cleaned up, and what is left of neap says so. */
static void survives_that_the_runtime_is_freed_first(void) {
  struct counted counted = {0};
  neap_rt *rt;
  CHECK(neap_new(NULL, &rt) == 0);
  lua_State *L = new_state(&counted);
  neap_lua_options options = {.size = sizeof options, .rt = rt};
  CHECK(neap_lua_open(L, &options) == 0);
  spawn(L, "neap = require 'neap'; server = neap.net.listen('127.0.0.1', 0)"
           "task = neap.current()"
           "local x <close> = setmetatable({},"
           " {__close = function() closed = 1 end})"
           "neap.sleep(math.huge)");
  CHECK(neap_step(rt, UINT64_MAX) == 0);
  neap_free(rt);
  CHECK(global_int(L, "closed") == 1);
  CHECK(neap_lua_runtime(L) == NULL);
  CHECK(!run(L, "neap.spawn(print)"));
  CHECK(global_has(L, "message", "the runtime has ended"));
  CHECK(!run(L, "server:accept()"));
  CHECK(run(L, "assert(task:status() == 'cancelled', task:status())"));
  CHECK(neap_lua_open(L, NULL) == UV_ECANCELED);
  lua_close(L);
  CHECK(counted.used == 0);
}

static void closes_and_leaves_the_state(void) {
  struct counted counted = {0};
  lua_State *L = new_state(&counted);
  CHECK(neap_lua_close(L) == 0);
  CHECK(neap_lua_open(L, NULL) == 0);
  spawn(L, "neap = require 'neap'; neap.sleep(math.huge)");
  CHECK(neap_step(neap_lua_runtime(L), UINT64_MAX) == 0);
  CHECK(neap_lua_close(L) == 0);
  CHECK(neap_lua_runtime(L) == NULL);
  CHECK(neap_lua_close(L) == 0);
  CHECK(!run(L, "neap.sleep(0)"));
  CHECK(global_has(L, "message", "the runtime has ended"));
  CHECK(neap_lua_open(L, NULL) == UV_ECANCELED);
  CHECK(run(L, "collectgarbage() assert(1 + 1 == 2)"));
  lua_close(L);
  CHECK(counted.used == 0);
}

static int close_from_task(lua_State *L) {
  lua_pushinteger(L, neap_lua_close(L));
  return 1;
}

static void does_not_close_from_a_task(void) {
  struct counted counted = {0};
  lua_State *L = new_state(&counted);
  CHECK(neap_lua_open(L, NULL) == 0);
  lua_register(L, "close_here", close_from_task);
  spawn(L, "result = close_here()");
  CHECK(neap_step(neap_lua_runtime(L), UINT64_MAX) == 0);
  CHECK(global_int(L, "result") == UV_EBUSY);
  lua_close(L);
  CHECK(counted.used == 0);
}

/* -- with fewer libraries, and from inside a coroutine */

static void needs_none_of_luas_libraries(void) {
  struct counted counted = {0};
  lua_State *L = bare_state(&counted);
  CHECK(neap_lua_open(L, NULL) == 0);
  luaL_requiref(L, "neap", luaopen_neap, 1);
  lua_pop(L, 1);
  spawn(L, "neap.yield() local s = neap.net.listen('127.0.0.1', 0)"
           "local _, port = s:address()"
           "neap.spawn(function() local c = s:accept() c:write('hello')"
           " c:close() s:close() end)"
           "local c = neap.net.connect('127.0.0.1', port)"
           "text = c:read('a') c:close()");
  step_to_end(neap_lua_runtime(L));
  CHECK(global_has(L, "text", "hello"));
  spawn(L, "neap.all{}"); /* that part is written in Lua */
  CHECK(neap_step(neap_lua_runtime(L), UINT64_MAX) == 0);
  lua_close(L);
  CHECK(counted.used == 0);
}

static int open_here(lua_State *L) {
  lua_pushinteger(L, neap_lua_open(L, NULL));
  return 1;
}

static void opens_in_a_coroutine(void) {
  struct counted counted = {0};
  lua_State *L = new_state(&counted);
  lua_register(L, "open_here", open_here);
  CHECK(run(L, "result = coroutine.wrap(function() return open_here() end)()"
               "collectgarbage()"));
  CHECK(global_int(L, "result") == 0);
  spawn(L, "require 'neap'.yield(); done = 1");
  step_to_end(neap_lua_runtime(L));
  CHECK(global_int(L, "done") == 1);
  lua_close(L);
  CHECK(counted.used == 0);
}

/* -- who may wait */

static void refuses_waits_on_the_hosts_stack(void) {
  struct counted counted = {0};
  lua_State *L = new_state(&counted);
  CHECK(neap_lua_open(L, NULL) == 0);
  CHECK(run(L, "neap = require 'neap'; neap.spawn(function() end)"));
  CHECK(!run(L, "neap.sleep(0)"));
  CHECK(global_has(L, "message", "call from a task"));
  CHECK(!run(L, "neap.run()"));
  CHECK(!run(L, "neap.scope(function() end)"));
  CHECK(!run(L, "coroutine.wrap(function() neap.yield() end)()"));
  CHECK(global_has(L, "message", "call from a task"));
  spawn(L, "ok, text = pcall(neap.exit)");
  step_to_end(neap_lua_runtime(L));
  CHECK(global_has(L, "text", "not the script's to end"));
  lua_close(L);
  CHECK(counted.used == 0);
}

static void drives_where_the_host_wants_it(void) {
  struct counted counted = {0};
  lua_State *L = new_state(&counted);
  neap_lua_options options = {.size = sizeof options, .drive = true};
  CHECK(neap_lua_open(L, &options) == 0);
  CHECK(run(L, "local neap = require 'neap'; local n = 0;"
               "neap.spawn(function() neap.sleep(0.001) n = 1 end)"
               "neap.run() result = n"));
  CHECK(global_int(L, "result") == 1);
  lua_close(L);
  CHECK(counted.used == 0);
}

static void scripts_wait_for_frames(void) {
  struct counted counted = {0};
  lua_State *L = new_state(&counted);
  CHECK(neap_lua_open(L, NULL) == 0);
  neap_rt *rt = neap_lua_runtime(L);
  spawn(L, "local neap = require 'neap'; frames = 0;"
           "while frames < 5 do neap.frame() frames = frames + 1 end");
  for (int i = 0; i <= 5; i++) {
    CHECK(global_int(L, "frames") == (i == 0 ? 0 : i - 1));
    CHECK(neap_step(rt, UINT64_MAX) == 0);
  }
  CHECK(global_int(L, "frames") == 5);
  lua_close(L);
  CHECK(counted.used == 0);
}

/* -- on a loop of the host's */

static void on_tick(uv_timer_t *timer) {
  lua_State *L = timer->data;
  CHECK(!run(L, "neap.sleep(0)"));
  CHECK(global_has(L, "message", "call from a task"));
  spawn(L, "neap.sleep(0.001) ticks = (ticks or 0) + 1");
}

static void turns_inside_the_hosts_run(void) {
  struct counted counted = {0};
  uv_loop_t loop;
  uv_timer_t timer;
  CHECK(uv_loop_init(&loop) == 0);
  lua_State *L = new_state(&counted);
  neap_options runtime = {.size = sizeof runtime, .loop = &loop};
  neap_lua_options options = {.size = sizeof options, .runtime = &runtime};
  CHECK(neap_lua_open(L, &options) == 0);
  luaL_requiref(L, "neap", luaopen_neap, 1);
  lua_pop(L, 1);
  uv_timer_init(&loop, &timer);
  timer.data = L;
  uv_timer_start(&timer, on_tick, 0, 0);
  spawn(L, "a = neap.channel() neap.spawn(function() a:send(1) end)"
           "got = a:recv()");
  uv_run(&loop, UV_RUN_DEFAULT);
  CHECK(global_int(L, "ticks") == 1);
  CHECK(global_int(L, "got") == 1);
  lua_close(L);
  uv_close((uv_handle_t *)&timer, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&loop) == 0);
  CHECK(counted.used == 0);
}

/* -- spawning */

static void spawns_with_arguments_and_joins(void) {
  struct counted counted = {0};
  lua_State *L = new_state(&counted);
  CHECK(neap_lua_open(L, NULL) == 0);
  neap_rt *rt = neap_lua_runtime(L);
  neap_lua_spawn_options options = {.size = sizeof options, .name = "adder"};
  neap_task *task = NULL;
  lua_pushliteral(L, "below");
  luaL_loadstring(L, "local a, b = ... ; sum = a + b; return sum");
  lua_pushinteger(L, 3);
  lua_pushinteger(L, 4);
  CHECK(neap_lua_spawn(L, 2, &options, &task) == 0);
  CHECK(lua_gettop(L) == 2 && lua_type(L, 1) == LUA_TSTRING);
  CHECK(lua_getfield(L, -1, "name") == LUA_TSTRING);
  CHECK(strcmp(lua_tostring(L, -1), "adder") == 0);
  lua_settop(L, 0);
  CHECK(neap_run(rt) == 0); /* C's own call: the host knows what it does */
  int result = -1;
  CHECK(neap_join(task, &result) == 0 && result == 0);
  CHECK(global_int(L, "sum") == 7);
  neap_task_unref(task);
  lua_close(L);
  CHECK(counted.used == 0);
}

static void says_what_it_cannot_spawn(void) {
  struct counted counted = {0};
  lua_State *L = new_state(&counted);
  lua_pushcfunction(L, open_here);
  CHECK(neap_lua_spawn(L, 0, NULL, NULL) == UV_ENOENT);
  CHECK(lua_gettop(L) == 1 && strstr(lua_tostring(L, 1), "not open") != NULL);
  lua_settop(L, 0);
  CHECK(neap_lua_open(L, NULL) == 0);
  lua_pushinteger(L, 1);
  lua_pushinteger(L, 2);
  CHECK(neap_lua_spawn(L, 1, NULL, NULL) == UV_EINVAL);
  CHECK(lua_gettop(L) == 1 && lua_type(L, 1) == LUA_TSTRING);
  CHECK(neap_lua_close(L) == 0);
  lua_settop(L, 0);
  lua_pushcfunction(L, open_here);
  CHECK(neap_lua_spawn(L, 0, NULL, NULL) == UV_ECANCELED);
  lua_close(L);
  CHECK(counted.used == 0);
}

/* -- modules that are left out */

static void leaves_modules_out(void) {
  struct counted counted = {0};
  lua_State *L = new_state(&counted);
  const char *const names[] = {"fs", "offload", NULL};
  neap_lua_options options = {.size = sizeof options, .leave_out = names};
  CHECK(neap_lua_open(L, &options) == 0);
  CHECK(run(L, "neap = require 'neap'; assert(neap.fs == nil)"
               "assert(neap.offload == nil) assert(neap.net.connect)"
               "assert(neap.process.run)"));
  CHECK(!run(L, "require 'neap.fs'.readfile('/etc/passwd')"));
  CHECK(global_has(L, "message", "neap.fs is left out"));
  spawn(L, "out = neap.process.run{'echo', 'hi'}.stdout");
  step_to_end(neap_lua_runtime(L));
  CHECK(global_has(L, "out", "hi"));
  CHECK(!run(L, "require 'neap.fs'.open('/etc/passwd')"));
  lua_close(L);
  CHECK(counted.used == 0);
}

TESTS(TEST(opens_and_closes_with_the_state),
      TEST(opening_twice_changes_nothing), TEST(takes_a_runtime_of_the_hosts),
      TEST(survives_that_the_runtime_is_freed_first),
      TEST(closes_and_leaves_the_state), TEST(does_not_close_from_a_task),
      TEST(needs_none_of_luas_libraries), TEST(opens_in_a_coroutine),
      TEST(refuses_waits_on_the_hosts_stack), TEST(scripts_wait_for_frames),
      TEST(drives_where_the_host_wants_it), TEST(turns_inside_the_hosts_run),
      TEST(spawns_with_arguments_and_joins), TEST(says_what_it_cannot_spawn),
      TEST(leaves_modules_out))
