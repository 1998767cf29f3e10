-- What is installed is used by projects outside of this one: through CMake's
-- find_package and pkg-config, from shared and static libraries, with and
-- without Lua; from a Debian package; and as a part of somebody's own build.
local support = require("spec.support")

local dir = os.getenv("NEAP_VARIANT_DIR") or "build"
local lua = os.getenv("LUA") or "lua5.4"

local main_c = [[
#include <neap.h>
#include <stdio.h>

static int nap(neap_rt *rt, void *arg) {
  *(int *)arg = neap_sleep(rt, 1000) == 0;
  return 0;
}

int main(void) {
  neap_rt *rt;
  int napped = 0;
  if (neap_new(NULL, &rt) < 0)
    return 1;
  if (neap_spawn(rt, nap, &napped, NULL, NULL) == 0)
    neap_run(rt);
  neap_free(rt);
  printf("neap %s %s: %d\n", NEAP_VERSION, neap_version(), napped);
  return 0;
}
]]

local host_c = [[
#include <lauxlib.h>
#include <lualib.h>
#include <neap_lua.h>

int main(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  luaL_requiref(L, "neap", luaopen_neap, 0);
  lua_setglobal(L, "neap");
  int err = luaL_dostring(L, "print(neap.spawn(function() neap.sleep(0) "
                             "return 'from a task' end):join())");
  lua_close(L);
  return err;
}
]]

local cmakelists = [[
cmake_minimum_required(VERSION 3.18)
project(outside C)
find_package(neap @VERSION@ REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(LUA REQUIRED IMPORTED_TARGET @LUA@)
foreach(kind "" _static)
  add_executable(main${kind} main.c)
  target_link_libraries(main${kind} PRIVATE neap::neap${kind})
  add_executable(host${kind} host.c)
  target_link_libraries(host${kind} PRIVATE neap::lua${kind} PkgConfig::LUA)
endforeach()
]]

local function run(command, ...)
  local output, status = support.sh(command:format(...))
  assert(status == 0, output)
  return output
end

-- Writes the two programs, and a build for them.
local function outside(where, build, words)
  support.spit(where .. "/main.c", main_c)
  support.spit(where .. "/host.c", host_c)
  support.spit(where .. "/CMakeLists.txt", (build:gsub("@(%u+)@", words)))
end

local version = run("sed -n 's/^#define NEAP_VERSION \"\\(.*\\)\"/\\1/p' csrc/include/neap.h")
  :match("%S+")
local said = ("neap %s %s: 1\n"):format(version, version)

describe("installed,", function()
  local here, prefix

  setup(function()
    here = support.tempdir()
    prefix = here .. "/prefix"
    run("cmake --install %s --prefix %s", support.quote(dir), support.quote(prefix))
  end)

  teardown(function()
    here:remove()
  end)

  it("neap is found by CMake, shared and static", function()
    outside(here.path, cmakelists, { VERSION = version, LUA = lua })
    run("cmake -S %s -B %s/build -DCMAKE_PREFIX_PATH=%s && cmake --build %s/build", here.path,
      here.path, prefix, here.path)
    for _, kind in ipairs({ "", "_static" }) do
      assert.equal(said, run("%s/build/main%s", here.path, kind))
      assert.equal("from a task\n", run("%s/build/host%s", here.path, kind))
    end
    assert(run("ldd %s/build/main", here.path):find("libneap.so.0 =>", 1, true))
  end)

  it("neap is not found where another version is asked for", function()
    local other <close> = support.tempdir()
    outside(other.path, cmakelists, { VERSION = "0.99", LUA = lua })
    local output, status = support.sh(
      ("cmake -S %s -B %s/build -DCMAKE_PREFIX_PATH=%s 2>&1"):format(other.path, other.path,
        prefix))
    assert.not_equal(0, status)
    assert(output:find("requested version", 1, true), output)
  end)

  it("neap is found by pkg-config, and may have been moved", function()
    outside(here.path, cmakelists, { VERSION = version, LUA = lua })
    local moved = here .. "/moved"
    run("cp -r %s %s", prefix, moved)
    local flags = ("PKG_CONFIG_PATH=$(dirname $(find %s -name neap.pc)) pkg-config"):format(moved)
    run("cc -o %s/main %s/main.c $(%s --cflags --libs neap)", here.path, here.path, flags)
    run("cc -o %s/host %s/host.c $(%s --cflags --libs neap_lua %s)", here.path, here.path, flags,
      lua)
    local where = ("LD_LIBRARY_PATH=$(dirname $(find %s -name libneap.so))"):format(moved)
    assert.equal(said, run("%s %s/main", where, here.path))
    assert.equal("from a task\n", run("%s %s/host", where, here.path))
    -- What neap itself needs; --static would name what OpenSSL needs when it is static.
    run("cc -o %s/main %s/main.c $(%s --cflags neap) $(find %s -name libneap.a) "
      .. "$(pkg-config --libs $(%s --print-requires-private neap | sed 's/ .*//')) -lpthread -ldl",
      here.path, here.path, flags, moved, flags)
    assert.equal(said, run("%s/main", here.path))
  end)

  it("the module is there for the stock Lua", function()
    local paths = ("LUA_PATH='%s/share/lua/%s/?.lua' LUA_CPATH=$(find %s -name neap.so)"):format(
      prefix, _VERSION:match("[%d.]+"), prefix)
    assert.equal(version .. "\n", run("%s env -u LUA_PATH_5_4 -u LUA_CPATH_5_4 -u LUA_PATH_5_5 "
      .. "-u LUA_CPATH_5_5 %s -e \"print(require('neap').version)\"", paths, lua))
  end)
end)

describe("the Debian package", function()
  it("installs and is removed without a trace", function()
    local here <close> = support.tempdir()
    run("cd %s && cpack -G DEB --config %s/CPackConfig.cmake -B packs", here.path, dir)
    local root = here .. "/root"
    -- Its scripts run ldconfig, which is not to see this system.
    run("mkdir %s/bin && ln -s /bin/true %s/bin/ldconfig", here.path, here.path)
    local dpkg = ("PATH=%s/bin:$PATH dpkg --force-not-root --force-depends "
      .. "--force-script-chrootless --root=%s --log=/dev/null"):format(here.path, root)
    run("mkdir -p %s/var/lib/dpkg/info %s/var/lib/dpkg/updates && touch %s/var/lib/dpkg/status",
      root, root, root)
    run("cd %s && %s -i packs/*.deb 2>&1", here.path, dpkg)
    assert(run("%s -s neap", dpkg):find("\nVersion: " .. version .. "\n", 1, true))
    assert(run("%s -s neap", dpkg):find("\nDepends: [^\n]*libuv1"))
    assert.not_equal("", run("find %s/usr -name neap.so", root))
    run("cd %s && %s -r neap 2>&1", here.path, dpkg)
    assert.equal("", run("find %s/usr -type f 2>/dev/null || true", root))
  end)
end)

describe("as a part of another project's build", function()
  it("neap is two targets, and installs nothing", function()
    local here <close> = support.tempdir()
    outside(here.path, [[
      cmake_minimum_required(VERSION 3.18)
      project(outside C)
      add_subdirectory(@ROOT@ neap EXCLUDE_FROM_ALL)
      add_executable(main main.c)
      target_link_libraries(main PRIVATE neap::neap_static)
      install(TARGETS main)
    ]], { ROOT = support.root() })
    run("cmake -S %s -B %s/build -DCMAKE_BUILD_TYPE=Debug -DNEAP_TLS=OFF -DNEAP_LUA=%s && "
      .. "cmake --build %s/build -j 2 && cmake --install %s/build --prefix %s/prefix",
      here.path, here.path, lua, here.path, here.path, here.path)
    assert.equal(said, run("%s/build/main", here.path))
    assert.equal(here .. "/prefix/bin/main\n", run("find %s/prefix -type f", here.path))
  end)
end)
