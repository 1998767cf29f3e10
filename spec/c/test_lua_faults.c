/* test_lua_faults.c: what goes wrong in a host: memory that runs out at each
 * allocation in turn, errors that leave C frames, forks, signal handlers. */
#include "test_lua.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- the n-th allocation fails: Lua's and neap's, which are counted as one */

static void *neap_alloc(void *ud, void *ptr, size_t old_size, size_t new_size) {
  return counted_alloc(ud, ptr, ptr == NULL ? 0 : old_size, new_size);
}

/* A task that fails for want of memory ends the scope of all the others. */
static const char script[] =
    "local neap = require 'neap'"
    "neap.scope(function(scope)"
    "  local server <close> = assert(neap.net.listen('127.0.0.1', 0))"
    "  local _, port = server:address()"
    "  local child = scope:spawn(function()"
    "    local conn <close> = assert(server:accept())"
    "    assert(conn:write('hello\\n')) end)"
    "  local conn <close> = assert(neap.net.connect('127.0.0.1', port))"
    "  local line = assert(conn:read('l'))"
    "  child:join()"
    "  local text = assert(neap.fs.readfile('/etc/hostname'))"
    "  local ch = neap.channel(1) ch:send(line) "
    "  scope:spawn(function() got = ch:recv() end) end)";

/* What a host does in one go. False: some step said that there is no memory. */
static bool whole_life(lua_State *L, struct counted *counted) {
  neap_options runtime = {
      .size = sizeof runtime, .alloc = neap_alloc, .alloc_ud = counted};
  neap_lua_options options = {.size = sizeof options, .runtime = &runtime};
  int err = neap_lua_open(L, &options);
  if (err < 0)
    return CHECK(err == UV_ENOMEM) && false;
  if (luaL_loadstring(L, script) != LUA_OK) {
    lua_settop(L, 0);
    return false;
  }
  err = neap_lua_spawn(L, 0, NULL, NULL);
  lua_settop(L, 0);
  if (err < 0)
    return CHECK(err == UV_ENOMEM) && false;
  neap_rt *rt = neap_lua_runtime(L);
  neap_figures figures;
  do {
    CHECK(neap_step(rt, UINT64_MAX) >= 0);
    neap_info(rt, &figures);
  } while (figures.tasks > 1 && sleep_till_next(rt));
  return true;
}

/* Opens the libraries while nothing fails: that is Lua's own business. */
static void life_without(uint64_t n, bool on, bool close_first,
                         uint64_t *failed) {
  struct counted counted = {0};
  lua_State *L = new_state(&counted);
  counted.count = 0;
  counted.fail_at = n;
  counted.fail_on = on;
  bool done = whole_life(L, &counted);
  *failed = counted.failed;
  counted.fail_at = 0;
  if (*failed == 0) {
    CHECK(done);
    CHECK(global_has(L, "got", "hello"));
  }
  /* It can be used, also for another try. */
  CHECK(luaL_dostring(L, "local t = {} for i = 1, 100 do t[i] = {} end") ==
        LUA_OK);
  CHECK(neap_lua_open(L, NULL) == 0);
  if (close_first)
    CHECK(neap_lua_close(L) == 0);
  lua_close(L);
  if (!CHECK(counted.used == 0))
    printf("allocation %llu fails%s: %zu bytes are left\n",
           (unsigned long long)n, on ? " and all later" : "", counted.used);
}

static void every_allocation_may_fail(void) {
  const uint64_t step = (uint64_t)test_count(20, 1);
  int err = dup(STDERR_FILENO);
  freopen("/dev/null", "w", stderr); /* tasks that fail are reported */
  for (int on = 0; on <= 1; on++) {
    uint64_t failed = 1, n;
    for (n = 1; n <= 2000 && failed > 0; n += step)
      life_without(n, on, n % 2 == 0, &failed);
    CHECK(n > 300); /* it was a life worth the name */
  }
  fflush(stderr);
  dup2(err, STDERR_FILENO);
  close(err);
}

TESTS(TEST(every_allocation_may_fail))
