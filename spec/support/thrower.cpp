// A Lua module that has C++ exceptions in flight while a Lua function that it
// calls waits. Compiled by spec/cxx_spec.lua.
#include <exception>
#include <stdexcept>
#include <string>

extern "C" {
#include <lauxlib.h>
#include <lua.h>
}

namespace {

// Calls the Lua function at index 1 with what, and forgets its results. Lua is
// C and errors in it would jump over our frames: none may come out.
void call(lua_State *L, const char *what) {
  lua_pushvalue(L, 1);
  lua_pushstring(L, what);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    lua_pop(L, 1);
    throw std::runtime_error("the callback failed");
  }
}

// Waits while it is destroyed by the unwinding of an exception.
struct waits_when_unwound {
  lua_State *L;
  int *uncaught;
  ~waits_when_unwound() {
    const int before = std::uncaught_exceptions();
    call(L, "unwinding");
    *uncaught = before == std::uncaught_exceptions() ? before : -1;
  }
};

// Throws; waits in a destructor meanwhile, then in the handler, in a handler
// of a second exception within the first, and rethrows both.
std::string juggle(lua_State *L, const std::string &name, int *uncaught) {
  std::string seen;
  try {
    try {
      waits_when_unwound guard{L, uncaught};
      throw std::runtime_error(name);
    } catch (const std::runtime_error &outer) {
      call(L, "caught");
      seen += outer.what();
      try {
        throw std::logic_error(name + " inner");
      } catch (const std::logic_error &) {
        call(L, "caught within");
        try {
          throw; // the innermost that is being handled: the inner one
        } catch (const std::exception &again) {
          seen += std::string(", ") + again.what();
        }
      }
      call(L, "caught again");
      throw; // the outer one
    }
  } catch (const std::exception &last) {
    seen += std::string(", ") + last.what();
  }
  if (std::current_exception())
    seen += ", and one is left";
  return seen;
}

// juggle(wait, name) -> what was caught, in order, and how many exceptions were
// in flight in the destructor (-1: not the same before and after the wait) and
// afterwards.
int thrower_juggle(lua_State *L) {
  const char *name = luaL_checkstring(L, 2);
  int uncaught = -2;
  {
    const std::string seen = juggle(L, name, &uncaught);
    lua_pushstring(L, seen.c_str());
  }
  lua_pushinteger(L, uncaught);
  lua_pushinteger(L, std::uncaught_exceptions());
  return 3;
}

} // namespace

extern "C" int luaopen_thrower(lua_State *L) {
  lua_newtable(L);
  lua_pushcfunction(L, thrower_juggle);
  lua_setfield(L, -2, "juggle");
  return 1;
}
