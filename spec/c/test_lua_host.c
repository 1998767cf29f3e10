/* test_lua_host.c: what hosts are like: they jump out of Lua, fork, have signal
 * handlers, threads, several states, and loops that they close. */
#include "test_lua.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

struct host {
  struct counted counted;
  lua_State *L;
  neap_rt *rt;
};

static void open_host(struct host *host) {
  memset(host, 0, sizeof *host);
  host->L = new_state(&host->counted);
  CHECK(neap_lua_open(host->L, NULL) == 0);
  host->rt = neap_lua_runtime(host->L);
  CHECK(run(host->L, "neap = require 'neap'"));
}

static void close_host(struct host *host) {
  lua_close(host->L);
  CHECK(host->counted.used == 0);
}

/* -- jumps */

static jmp_buf panicked;

static int on_panic(lua_State *L) {
  (void)L;
  longjmp(panicked, 1);
}

static void a_host_jumps_out_of_a_panic(void) {
  struct host host;
  open_host(&host);
  spawn(host.L, "n = 0 for i = 1, 10 do neap.frame() n = i end");
  lua_atpanic(host.L, on_panic);
  for (int i = 0; i < 5; i++) {
    if (setjmp(panicked) == 0) {
      luaL_loadstring(host.L, "neap.sleep(1)"); /* refused: an error */
      lua_call(host.L, 0, 0);
      CHECK(!"it did not raise");
    }
    lua_settop(host.L, 0);
    CHECK(neap_step(host.rt, UINT64_MAX) >= 0);
  }
  for (int i = 0; i < 6; i++)
    CHECK(neap_step(host.rt, UINT64_MAX) >= 0);
  CHECK(global_int(host.L, "n") == 10);
  close_host(&host);
}

/* Jumps back to its own frame, over a call that has waited. */
static int wait_and_jump(lua_State *L) {
  jmp_buf here;
  int before = lua_gettop(L);
  if (setjmp(here) == 0) {
    lua_pushvalue(L, 1);
    lua_call(L, 0, 0);
    longjmp(here, 1);
  }
  lua_pushinteger(L, before);
  return 1;
}

static void c_functions_jump_within_a_task(void) {
  struct host host;
  open_host(&host);
  lua_register(host.L, "wait_and_jump", wait_and_jump);
  spawn(host.L, "sum = 0 for i = 1, 100 do neap.spawn(function()"
                "  local n = wait_and_jump(function() neap.yield()"
                "    neap.yield() end)"
                "  sum = sum + n end) end");
  step_to_end(host.rt);
  CHECK(global_int(host.L, "sum") == 100);
  close_host(&host);
}

/* -- forks */

/* Ends the child at once, without what else it has a copy of. */
static _Noreturn void end_child(bool well) {
  _exit(well ? 0 : 1);
}

static bool child_is_well(pid_t child) {
  int status = -1;
  while (waitpid(child, &status, 0) < 0)
    continue;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void a_forks_child_is_told_that_it_can_not_wait(void) {
  struct host host;
  open_host(&host);
  spawn(host.L, "server = neap.net.listen('127.0.0.1', 0)"
                "neap.sleep(0.002) done = 1 server:close()");
  CHECK(neap_step(host.rt, UINT64_MAX) >= 0);
  pid_t child = fork();
  if (child == 0) {
    bool well = neap_step(host.rt, 0) == UV_EPERM;
    well = well && neap_run(host.rt) == UV_EPERM;
    well = well && neap_after_fork(host.rt) == UV_EBUSY; /* the server */
    lua_close(host.L);
    end_child(well);
  }
  CHECK(child_is_well(child));
  step_to_end(host.rt);
  CHECK(global_int(host.L, "done") == 1);
  close_host(&host);
}

static void a_runtime_goes_on_in_a_forks_child(void) {
  struct host host;
  open_host(&host);
  spawn(host.L, "neap.sleep(0.002) done = 1");
  CHECK(neap_step(host.rt, UINT64_MAX) >= 0);
  CHECK(neap_after_fork(host.rt) == 0); /* nobody has forked */
  pid_t child = fork();
  if (child == 0) {
    bool well = neap_after_fork(host.rt) == 0;
    step_to_end(host.rt);
    well = well && global_int(host.L, "done") == 1;
    spawn(host.L, "local f = neap.fs.readfile('/etc/hostname') read = #f");
    step_to_end(host.rt);
    well = well && global_int(host.L, "read") > 0;
    lua_close(host.L);
    end_child(well && host.counted.used == 0);
  }
  CHECK(child_is_well(child));
  step_to_end(host.rt);
  CHECK(global_int(host.L, "done") == 1);
  close_host(&host);
}

/* -- signals: fault 83, fault 84 */

static volatile sig_atomic_t profiled, reaped;

static void on_profile(int signum) {
  char room[4096]; /* on whatever stack runs */
  memset(room, signum, sizeof room);
  profiled += room[sizeof room - 1] == SIGPROF;
}

static void on_child(int signum) {
  reaped += signum == SIGCHLD;
}

static void on_fault(int signum) {
  (void)signum;
  _exit(3);
}

static void install(int signum, void (*handler)(int), struct sigaction *old) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  CHECK(sigaction(signum, &action, old) == 0);
}

static bool is_installed(int signum, void (*handler)(int)) {
  struct sigaction now;
  return sigaction(signum, NULL, &now) == 0 && now.sa_handler == handler;
}

static void a_hosts_signal_handlers_stay_its_own(void) {
  struct sigaction profile, child, fault;
  struct host host;
  install(SIGPROF, on_profile, &profile);
  install(SIGCHLD, on_child, &child);
  install(SIGSEGV, on_fault, &fault);
  open_host(&host);
  struct itimerval every = {{0, 500}, {0, 500}}, none = {{0, 0}, {0, 0}};
  CHECK(setitimer(ITIMER_PROF, &every, NULL) == 0);
  spawn(host.L, "neap.preempt(0.001) run = neap.process.run{'true'}.code"
                " for i = 1, 20000 do neap.yield() local t = {i} end"
                " local s = 0 for i = 1, 3000000 do s = s + i end"
                " neap.preempt(nil)");
  spawn(host.L, "for i = 1, 20000 do neap.yield() local t = {i} end");
  step_to_end(host.rt);
  setitimer(ITIMER_PROF, &none, NULL);
  CHECK(profiled > 0);
  CHECK(is_installed(SIGPROF, on_profile));
  CHECK(is_installed(SIGSEGV, on_fault));
  close_host(&host);
  CHECK(is_installed(SIGCHLD, on_child));
  reaped = 0;
  pid_t pid = fork();
  if (pid == 0)
    end_child(true);
  CHECK(child_is_well(pid));
  CHECK(reaped > 0);
  sigaction(SIGPROF, &profile, NULL);
  sigaction(SIGCHLD, &child, NULL);
  sigaction(SIGSEGV, &fault, NULL);
}

/* -- several states, several threads */

static void states_beside_each_other(void) {
  struct host hosts[3];
  for (int i = 0; i < 3; i++)
    open_host(&hosts[i]);
  for (int i = 0; i < 3; i++)
    spawn(hosts[i].L, "for i = 1, 100 do neap.yield() n = i end");
  for (int i = 0; i < 3; i++)
    step_to_end(hosts[i].rt);
  close_host(&hosts[1]);
  for (int i = 0; i < 3; i += 2) {
    CHECK(global_int(hosts[i].L, "n") == 100);
    close_host(&hosts[i]);
  }
}

/* A task of one runtime steps another one. */
static int step_other(lua_State *L) {
  neap_rt *rt = lua_touserdata(L, lua_upvalueindex(1));
  lua_pushinteger(L, neap_step(rt, UINT64_MAX));
  return 1;
}

static void a_task_steps_another_runtime(void) {
  struct host outer, inner;
  open_host(&outer);
  open_host(&inner);
  lua_pushlightuserdata(outer.L, inner.rt);
  lua_pushcclosure(outer.L, step_other, 1);
  lua_setglobal(outer.L, "step");
  spawn(inner.L, "for i = 1, 10 do neap.frame() n = i end");
  spawn(outer.L, "for i = 1, 11 do assert(step() == 0) neap.yield() end");
  step_to_end(outer.rt);
  CHECK(global_int(inner.L, "n") == 10);
  close_host(&outer);
  close_host(&inner);
}

static void *live_in_thread(void *arg) {
  struct host host;
  (void)arg;
  open_host(&host);
  spawn(host.L, "n = 0 local ch = neap.channel()"
                "for i = 1, 20 do neap.spawn(function()"
                "  for k = 1, 10 do ch:send(k) neap.sleep(0.0001) end end) end "
                "for i = 1, 200 do n = n + ch:recv() end "
                "text = neap.fs.readfile('/etc/hostname')");
  step_to_end(host.rt);
  bool well = global_int(host.L, "n") == 20 * 55;
  lua_close(host.L);
  return well && host.counted.used == 0 ? arg : NULL;
}

static void runtimes_in_threads(void) {
  pthread_t threads[4];
  int rounds = (int)test_count(1, 50);
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < 4; i++)
      CHECK(pthread_create(&threads[i], NULL, live_in_thread, threads) == 0);
    for (int i = 0; i < 4; i++) {
      void *result = NULL;
      pthread_join(threads[i], &result);
      CHECK(result == threads);
    }
  }
}

static void *open_elsewhere(void *arg) {
  struct host *host = arg;
  struct counted counted = {0};
  lua_State *L = new_state(&counted);
  neap_lua_options options = {.size = sizeof options, .rt = host->rt};
  int err = neap_lua_open(L, &options);
  lua_close(L);
  return err == UV_EPERM ? arg : NULL;
}

static void a_runtime_is_opened_on_its_own_thread(void) {
  struct host host = {0};
  pthread_t thread;
  void *result = NULL;
  CHECK(neap_new(NULL, &host.rt) == 0);
  CHECK(pthread_create(&thread, NULL, open_elsewhere, &host) == 0);
  pthread_join(thread, &result);
  CHECK(result == &host);
  neap_free(host.rt);
}

/* -- a loop that its host would close */

static void a_loop_in_use_is_not_closed(void) {
  struct host host = {0};
  uv_loop_t loop;
  CHECK(uv_loop_init(&loop) == 0);
  host.L = new_state(&host.counted);
  neap_options runtime = {.size = sizeof runtime, .loop = &loop};
  neap_lua_options options = {.size = sizeof options, .runtime = &runtime};
  CHECK(neap_lua_open(host.L, &options) == 0);
  CHECK(run(host.L, "neap = require 'neap'"));
  spawn(host.L, "neap.sleep(0.001) done = 1");
  CHECK(uv_loop_close(&loop) == UV_EBUSY);
  uv_run(&loop, UV_RUN_DEFAULT);
  CHECK(global_int(host.L, "done") == 1);
  CHECK(uv_loop_close(&loop) == UV_EBUSY);
  close_host(&host);
  CHECK(uv_loop_close(&loop) == 0);
}

/* fault 89: a runtime is freed with tasks that wait on everything. */
static void frees_what_waits_on_everything(void) {
  struct host host;
  open_host(&host);
  spawn(host.L,
        "closed = 0 local function guard() return setmetatable({},"
        "  {__close = function() closed = closed + 1 end}) end "
        "local server = neap.net.listen('127.0.0.1', 0)"
        "local _, port = server:address()"
        "local conn = neap.net.connect('127.0.0.1', port)"
        "local mutex = neap.mutex() neap.spawn(function()"
        "  local lock <close> = mutex:lock()"
        "  neap.sleep(1e6) end)"
        "local waits = {function() neap.sleep(1e6) end,"
        "  function() server:accept() server:accept() end,"
        "  function() conn:read('l') end,"
        "  function() neap.channel():recv() end,"
        "  function() neap.frame() end,"
        "  function() neap.event():wait() end,"
        "  function() mutex:lock() end,"
        "  function() neap.process.run{'sleep', '1000'} end,"
        "  function() neap.signal.wait('SIGUSR2') end,"
        "  function() neap.await(function() end) end,"
        "  function() neap.scope(function(s) s:spawn(neap.sleep, 1e6) end) end,"
        "  function() neap.spawn(neap.sleep, 1e6):join() end,"
        "  function() neap.select{{neap.channel()}, {neap.event()}} end,"
        "  function() neap.dns.resolve('a.invalid') neap.sleep(1e6) end}"
        "count = #waits "
        "for i, wait in ipairs(waits) do neap.spawn(function()"
        "  local g <close> = guard() wait() end) end");
  for (int i = 0; i < 5; i++)
    CHECK(neap_step(host.rt, UINT64_MAX) >= 0);
  CHECK(neap_lua_close(host.L) == 0);
  CHECK(global_int(host.L, "count") == 14);
  CHECK(global_int(host.L, "closed") == 14);
  close_host(&host);
}

TESTS(TEST(a_host_jumps_out_of_a_panic), TEST(c_functions_jump_within_a_task),
      TEST(a_forks_child_is_told_that_it_can_not_wait),
      TEST(a_runtime_goes_on_in_a_forks_child),
      TEST(a_hosts_signal_handlers_stay_its_own),
      TEST(states_beside_each_other), TEST(a_task_steps_another_runtime),
      TEST(runtimes_in_threads), TEST(a_runtime_is_opened_on_its_own_thread),
      TEST(a_loop_in_use_is_not_closed), TEST(frees_what_waits_on_everything))
