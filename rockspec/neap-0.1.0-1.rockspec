rockspec_format = "3.0"
package = "neap"
version = "0.1.0-1"
source = {
  -- The tag in the clone that `luarocks pack` or `make` is run in.
  url = "git+file://.",
  tag = "v0.1.0",
}
description = {
  summary = "Coroutine-based async I/O: waits work anywhere, under a stock Lua",
  detailed = [[
neap runs many tasks in one thread, each in straight-line code: a call that
waits suspends its task and lets the others go on. Tasks have C stacks of
their own, so a wait works in a sort comparator, a gsub callback, a
metamethod or a require just as well. Files, TCP and timers run on libuv.]],
  license = "MIT",
}
supported_platforms = { "unix" }
dependencies = {
  "lua >= 5.4, < 5.6",
}
external_dependencies = {
  UV = { header = "uv.h" },
}
build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "RelWithDebInfo",
    CMAKE_INSTALL_PREFIX = "$(PREFIX)",
    LIBDIR = "$(LIBDIR)",
    LUADIR = "$(LUADIR)",
    LUA_INCDIR = "$(LUA_INCDIR)",
  },
}
