/* test_lua_limits.c: limits on what scripts may have: an error in who passes
 * one, and nowhere else. */
#include "test_lua.h"

struct host {
  struct counted counted;
  lua_State *L;
  neap_rt *rt;
};

static void open_host(struct host *host, uint32_t tasks, uint32_t handles,
                      size_t memory) {
  memset(host, 0, sizeof *host);
  host->L = new_state(&host->counted);
  neap_limits limits = {.size = sizeof limits,
                        .tasks = tasks,
                        .handles = handles,
                        .memory = memory};
  neap_lua_options options = {.size = sizeof options, .limits = &limits};
  CHECK(neap_lua_open(host->L, &options) == 0);
  host->rt = neap_lua_runtime(host->L);
  CHECK(run(host->L, "neap = require 'neap'"));
}

static void close_host(struct host *host) {
  lua_close(host->L);
  CHECK(host->counted.used == 0);
}

static void a_task_too_many_is_an_error_in_who_spawns(void) {
  struct host host;
  open_host(&host, 10, 0, 0);
  spawn(host.L, "other = 0 for i = 1, 100 do neap.yield() other = i end");
  spawn(host.L,
        "n = 0 ok, message = pcall(function()"
        " while true do neap.spawn(neap.sleep, 0.001) n = n + 1 end end)"
        "neap.sleep(0.01)"
        "neap.spawn(function() again = 1 end)");
  step_to_end(host.rt);
  CHECK(global_int(host.L, "n") == 8);
  CHECK(global_has(host.L, "message", "too many tasks: the limit is 10"));
  CHECK(global_int(host.L, "other") == 100);
  CHECK(global_int(host.L, "again") == 1);
  CHECK(run(host.L, "for i = 1, 10 do neap.spawn(math.abs, 1) end"));
  CHECK(!run(host.L, "neap.spawn(math.abs, 1)"));
  close_host(&host);
}

static int end_at_once(neap_rt *rt, void *arg) {
  (void)rt, (void)arg;
  return 0;
}

static void c_tasks_count(void) {
  struct host host;
  open_host(&host, 1, 0, 0);
  CHECK(neap_spawn(host.rt, end_at_once, NULL, NULL, NULL) == 0);
  CHECK(neap_spawn(host.rt, end_at_once, NULL, NULL, NULL) == NEAP_ELIMIT);
  CHECK(!run(host.L, "neap.spawn(math.abs, 1)"));
  step_to_end(host.rt);
  CHECK(run(host.L, "neap.spawn(math.abs, 1)"));
  close_host(&host);
}

/* A server goes on: connections wait for one of its handlers to end. */
static void serve_waits_where_tasks_are_too_many(void) {
  struct host host;
  open_host(&host, 6, 0, 0);
  spawn(host.L,
        "local server = neap.net.listen('127.0.0.1', 0)"
        "local _, port = server:address()"
        "served, got = 0, 0 most = 0 now = 0 "
        "neap.spawn(function() server:serve(function(conn)"
        "  now = now + 1 most = math.max(most, now)"
        "  neap.sleep(0.001) conn:write('x') now = now - 1"
        "  served = served + 1 end) end)"
        "neap.spawn(function()"
        "  local conns = {}"
        "  for i = 1, 20 do"
        "    conns[i] = assert(neap.net.connect('127.0.0.1', port)) end"
        "  for i = 1, 20 do if conns[i]:read('a') == 'x' then got = got + 1 end"
        "    conns[i]:close() end"
        "  server:close() end)");
  step_to_end(host.rt);
  CHECK(global_int(host.L, "served") == 20);
  CHECK(global_int(host.L, "got") == 20);
  CHECK(global_int(host.L, "most") == 4);
  close_host(&host);
}

/* Where none of its handlers could end it closes the connection. */
static void serve_lives_without_any_task_left(void) {
  struct host host;
  open_host(&host, 2, 0, 0);
  spawn(host.L, "local server = neap.net.listen('127.0.0.1', 0)"
                "local _, port = server:address()"
                "neap.spawn(function()"
                "  local c = neap.net.connect('127.0.0.1', port)"
                "  text = tostring(c:read('a')) c:close()"
                "  server:close() end)"
                "ok = server:serve(function(conn) conn:write('x') end)");
  step_to_end(host.rt);
  CHECK(run(host.L, "assert(ok == true) assert(text == '')"));
  close_host(&host);
}

static void a_handle_too_many_is_an_error_in_who_opens(void) {
  struct host host;
  open_host(&host, 0, 3, 0);
  spawn(host.L, "files = {} ok, message = pcall(function()"
                " while true do"
                "  files[#files + 1] = assert(neap.fs.open('/dev/null')) end"
                " end) n = #files "
                "_, connect = pcall(neap.net.connect, '127.0.0.1', 1)"
                "_, listen = pcall(neap.net.listen, '127.0.0.1', 0)"
                "files[1]:close() files[1] = neap.fs.open('/dev/null')"
                "for _, f in ipairs(files) do f:close() end done = 1");
  step_to_end(host.rt);
  CHECK(global_int(host.L, "n") == 3);
  CHECK(global_has(host.L, "message", "too many open handles"));
  CHECK(global_has(host.L, "connect", "too many open handles"));
  CHECK(global_has(host.L, "listen", "too many open handles"));
  CHECK(global_int(host.L, "done") == 1);
  close_host(&host);
}

/* What can't be accepted waits in the kernel. */
static void a_server_waits_for_handles(void) {
  struct host host;
  open_host(&host, 0, 3, 0);
  spawn(host.L, "local server = neap.net.listen('127.0.0.1', 0)"
                "local _, port = server:address()"
                "neap.spawn(function()"
                "  local a = neap.net.connect('127.0.0.1', port)"
                "  local one = server:accept() one:close() a:close()"
                "  neap.sleep(0.001)"
                "  local b = neap.net.connect('127.0.0.1', port)"
                "  local file = neap.fs.open('/dev/null')"
                "  neap.spawn(function() neap.sleep(0.001) file:close() end)"
                "  local two = server:accept() two:write('yes') two:close()"
                "  text = b:read('a') b:close() server:close() end)");
  step_to_end(host.rt);
  CHECK(global_has(host.L, "text", "yes"));
  close_host(&host);
}

static void memory_beyond_the_limit_is_an_error_in_who_wants_it(void) {
  struct host host;
  open_host(&host, 0, 0, (size_t)4 * 1024 * 1024);
  spawn(host.L, "ticks = 0 for i = 1, 100 do neap.yield() ticks = i end");
  spawn(host.L, "ok, message = pcall(function() local t = {}"
                " while true do t[#t + 1] = ('x'):rep(1000) .. #t end end)"
                "collectgarbage()"
                "ok2, message2 = pcall(string.rep, 'x', 5000000)"
                "local s = ('x'):rep(1000000) done = #s");
  step_to_end(host.rt);
  CHECK(global_has(host.L, "message", "not enough memory"));
  CHECK(global_has(host.L, "message2", "not enough memory"));
  CHECK(global_int(host.L, "done") == 1000000);
  CHECK(global_int(host.L, "ticks") == 100);
  CHECK(host.counted.used < (size_t)4 * 1024 * 1024 + 65536);
  close_host(&host);
}

/* Neap's own part counts: here it is the larger one. */
static void tasks_use_up_the_memory_too(void) {
  struct host host;
  open_host(&host, 0, 0, (size_t)2 * 1024 * 1024);
  spawn(host.L,
        "local list = {} ok, message = pcall(function() while true do"
        "  list[#list + 1] = neap.spawn({quiet = true}, neap.sleep, 1e6)"
        "  neap.yield() end end)"
        "n = #list for i = 1, n do list[i]:cancel() end");
  step_to_end(host.rt);
  CHECK(global_has(host.L, "message", "not enough memory"));
  CHECK(global_int(host.L, "n") > 100 && global_int(host.L, "n") < 4000);
  CHECK(run(host.L, "collectgarbage() neap.spawn(math.abs, 1)"));
  step_to_end(host.rt);
  close_host(&host);
}

static void limits_go_with_the_runtime(void) {
  struct host host;
  open_host(&host, 1, 1, (size_t)2 * 1024 * 1024);
  CHECK(!run(host.L, "local s = ('x'):rep(4000000)"));
  CHECK(neap_lua_close(host.L) == 0);
  CHECK(run(host.L, "local s = ('x'):rep(4000000)"));
  close_host(&host);
}

static void limits_change_while_scripts_run(void) {
  struct host host;
  open_host(&host, 1, 0, 0);
  neap_limits none = {.size = sizeof none};
  CHECK(run(host.L, "neap.spawn(math.abs, 1)"));
  CHECK(!run(host.L, "neap.spawn(math.abs, 1)"));
  CHECK(neap_set_limits(host.rt, &none) == 0);
  CHECK(run(host.L, "neap.spawn(math.abs, 1)"));
  none.size = 0;
  CHECK(neap_set_limits(host.rt, &none) == UV_EINVAL);
  close_host(&host);
}

/* -- CPU time */

static void open_sliced(struct host *host, uint64_t slice_ns,
                        uint64_t step_ns) {
  memset(host, 0, sizeof *host);
  host->L = new_state(&host->counted);
  neap_lua_options options = {
      .size = sizeof options, .slice_ns = slice_ns, .step_ns = step_ns};
  CHECK(neap_lua_open(host->L, &options) == 0);
  host->rt = neap_lua_runtime(host->L);
  CHECK(run(host->L, "neap = require 'neap'"));
}

static void who_does_not_wait_gives_way(void) {
  struct host host;
  open_sliced(&host, MS, 0);
  spawn(host.L, "while not done do end");
  spawn(host.L, "for i = 1, 3 do neap.yield() end done = true");
  step_to_end(host.rt);
  CHECK(run(host.L, "assert(done)"));
  CHECK(!run(host.L, "neap.preempt(nil)"));
  CHECK(global_has(host.L, "message", "the host's"));
  close_host(&host);
}

static void slices_need_none_of_luas_libraries(void) {
  struct counted counted = {0};
  lua_State *L = bare_state(&counted);
  neap_lua_options options = {.size = sizeof options, .slice_ns = MS};
  CHECK(neap_lua_open(L, &options) == 0);
  luaL_requiref(L, "neap", luaopen_neap, 1);
  lua_pop(L, 1);
  spawn(L, "while not done do end");
  spawn(L, "for i = 1, 3 do neap.yield() end done = true");
  step_to_end(neap_lua_runtime(L));
  lua_close(L);
  CHECK(counted.used == 0);
}

static void who_uses_up_the_steps_budget_gets_an_error(void) {
  struct host host;
  open_sliced(&host, MS, 4 * MS);
  spawn(host.L, "ok, message = pcall(function() while true do end end)"
                "again, second = pcall(neap.nopreempt, function()"
                "  neap.frame() while true do end end)");
  spawn(host.L, "for i = 1, 5 do neap.frame() n = i end");
  for (int i = 0; i < 8; i++)
    CHECK(neap_step(host.rt, UINT64_MAX) >= 0);
  CHECK(global_has(host.L, "message", "CPU budget"));
  CHECK(global_has(host.L, "second", "CPU budget"));
  CHECK(global_int(host.L, "n") == 5);
  close_host(&host);
}

/* Without slices, and where errors are caught: the step goes on. */
static void who_catches_the_error_gives_way(void) {
  struct host host;
  open_sliced(&host, 0, 2 * MS);
  spawn(host.L, "caught = 0 while not done do"
                "  local ok = pcall(function() while not done do end end)"
                "  if not ok then caught = caught + 1 end end");
  spawn(host.L, "for i = 1, 3 do neap.yield() end done = true");
  step_to_end(host.rt);
  CHECK(global_int(host.L, "caught") >= 1);
  close_host(&host);
}

/* Code that the host calls on its own stack does not give way to tasks. */
static void the_hosts_own_calls_have_the_budget_too(void) {
  struct host host;
  open_sliced(&host, MS, 3 * MS);
  spawn(host.L, "ran = 1");
  CHECK(!run(host.L, "while true do end"));
  CHECK(global_has(host.L, "message", "CPU budget"));
  CHECK(!run(host.L,
             "while true do pcall(function() while true do end end)"
             " n = (n or 0) + 1 if n == 3 then error('three') end end"));
  CHECK(global_int(host.L, "ran") == 0);
  step_to_end(host.rt);
  CHECK(global_int(host.L, "ran") == 1);
  close_host(&host);
}

TESTS(TEST(a_task_too_many_is_an_error_in_who_spawns), TEST(c_tasks_count),
      TEST(serve_waits_where_tasks_are_too_many),
      TEST(serve_lives_without_any_task_left),
      TEST(a_handle_too_many_is_an_error_in_who_opens),
      TEST(a_server_waits_for_handles),
      TEST(memory_beyond_the_limit_is_an_error_in_who_wants_it),
      TEST(tasks_use_up_the_memory_too), TEST(limits_go_with_the_runtime),
      TEST(limits_change_while_scripts_run), TEST(who_does_not_wait_gives_way),
      TEST(slices_need_none_of_luas_libraries),
      TEST(who_uses_up_the_steps_budget_gets_an_error),
      TEST(who_catches_the_error_gives_way),
      TEST(the_hosts_own_calls_have_the_budget_too))
