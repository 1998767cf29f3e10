// test_lua_cxx.cpp: a C++ host with a Lua that is compiled as C++: Lua's errors
// are exceptions, and tasks wait while some are in flight.
#include "test_lua.h"

#include <stdexcept>
#include <string>

namespace {

struct Host {
  struct counted counted = {};
  lua_State *L;
  neap_rt *rt;

  Host() : L(new_state(&counted)) {
    CHECK(neap_lua_open(L, nullptr) == 0);
    rt = neap_lua_runtime(L);
    CHECK(::run(L, "neap = require 'neap'"));
  }
  ~Host() {
    lua_close(L);
    CHECK(counted.used == 0);
  }
  Host(const Host &) = delete;
  Host &operator=(const Host &) = delete;
};

void call_first(lua_State *L) {
  lua_pushvalue(L, 1);
  lua_call(L, 0, 0);
}

// Calls its argument, which waits, in a catch block; what is caught is still
// the same afterwards, and is thrown on.
int catch_and_wait(lua_State *L) {
  std::string text = std::to_string(lua_tointeger(L, 2));
  bool same = false;
  try {
    try {
      throw std::runtime_error(text);
    } catch (const std::runtime_error &) {
      call_first(L);
      throw;
    }
  } catch (const std::exception &caught) {
    same = text == caught.what() && std::uncaught_exceptions() == 0;
  }
  lua_pushboolean(L, same);
  return 1;
}

// Waits while it is unwound by an exception, and notes that it was.
struct Waiter {
  lua_State *L;
  int *unwound;
  ~Waiter() {
    lua_pushvalue(L, 1);
    bool waited = lua_pcall(L, 0, 0, 0) == LUA_OK;
    *unwound += waited && std::uncaught_exceptions() == 1;
  }
};

int unwind_and_wait(lua_State *L) {
  int unwound = 0;
  try {
    Waiter waiter = {L, &unwound};
    throw 42;
  } catch (int value) {
    unwound += value == 42;
  }
  lua_pushboolean(L, unwound == 2);
  return 1;
}

struct Guard {
  int *count;
  ~Guard() {
    ++*count;
  }
};

// A Lua error passes through: destructors run.
int guard(lua_State *L) {
  auto *count = static_cast<int *>(lua_touserdata(L, lua_upvalueindex(1)));
  Guard object = {count};
  call_first(L);
  return 0;
}

void errors_are_exceptions_that_stay_in_their_task() {
  Host host;
  spawn(host.L, "n = 0 for i = 1, 50 do neap.spawn(function()"
                "  local ok, e = pcall(function() neap.yield()"
                "    local x <close> = setmetatable({}, {__close = function()"
                "      neap.yield() end})"
                "    error({i}) end)"
                "  neap.yield() if not ok and e[1] == i then n = n + 1 end"
                "  end) end");
  step_to_end(host.rt);
  CHECK(global_int(host.L, "n") == 50);
}

void tasks_wait_while_exceptions_are_caught() {
  Host host;
  lua_register(host.L, "catch_and_wait", catch_and_wait);
  spawn(host.L, "n = 0 for i = 1, 50 do neap.spawn(function()"
                "  local same = catch_and_wait(function()"
                "    for k = 1, i % 7 do neap.yield() end end, i)"
                "  if same then n = n + 1 end end) end");
  step_to_end(host.rt);
  CHECK(global_int(host.L, "n") == 50);
}

void tasks_wait_while_exceptions_are_in_flight() {
  Host host;
  lua_register(host.L, "unwind_and_wait", unwind_and_wait);
  spawn(host.L, "n = 0 for i = 1, 50 do neap.spawn(function()"
                "  local well = unwind_and_wait(function()"
                "    for k = 1, i % 5 do neap.yield() end end)"
                "  if well then n = n + 1 end end) end");
  step_to_end(host.rt);
  CHECK(global_int(host.L, "n") == 50);
}

void lua_errors_unwind_cxx_frames() {
  int count = 0;
  Host host;
  lua_pushlightuserdata(host.L, &count);
  lua_pushcclosure(host.L, guard, 1);
  lua_setglobal(host.L, "guard");
  spawn(host.L, "for i = 1, 20 do neap.spawn(function()"
                "  pcall(guard, function() neap.yield() error('x') end)"
                "  guard(neap.yield) end) end");
  spawn(host.L, "guard(function() neap.sleep(math.huge) end)");
  for (int i = 0; i < 20; i++)
    CHECK(neap_step(host.rt, UINT64_MAX) >= 0);
  CHECK(count == 40);
  CHECK(neap_lua_close(host.L) == 0); // unwinds the one that waits
  CHECK(count == 41);
}

// Lua ends the process after a panic function that returns.
int throw_on_panic(lua_State *) {
  throw std::runtime_error("panic");
}

void a_host_catches_what_its_panic_function_throws() {
  Host host;
  lua_atpanic(host.L, throw_on_panic);
  spawn(host.L, "for i = 1, 3 do neap.frame() n = i end");
  for (int i = 0; i < 4; i++) {
    bool caught = false;
    try {
      luaL_loadstring(host.L, "neap.sleep(1)"); // refused: an error
      lua_call(host.L, 0, 0);
    } catch (const std::runtime_error &) {
      caught = true;
    }
    CHECK(caught);
    lua_settop(host.L, 0);
    CHECK(neap_step(host.rt, UINT64_MAX) >= 0);
  }
  CHECK(global_int(host.L, "n") == 3);
}

} // namespace

TESTS(TEST(errors_are_exceptions_that_stay_in_their_task),
      TEST(tasks_wait_while_exceptions_are_caught),
      TEST(tasks_wait_while_exceptions_are_in_flight),
      TEST(lua_errors_unwind_cxx_frames),
      TEST(a_host_catches_what_its_panic_function_throws))
