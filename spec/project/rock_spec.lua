-- The rock: `luarocks make` in a clean copy of the sources, with no server to
-- ask, into a tree of its own; then `require "neap"` from another folder.
local support = require("spec.support")

describe("the rock", function()
  it("is made offline and works from any folder", function()
    local dir <close> = support.tempdir()
    local version = _VERSION:match("%d+%.%d+")
    local words = {
      DIR = dir.path,
      ROOT = support.quote(support.root()),
      VERSION = version,
      PROGRAM = os.getenv("LUA") or "lua5.4",
    }

    local output, status = support.sh(([[
      set -e
      cd DIR
      mkdir sources home nothing elsewhere
      tar -C ROOT --exclude='./build*' --exclude=./.git -cf - . | tar -C sources -xf -
      cd sources
      # For speed: the optimised build is what all else is tested with.
      sed -i -e 's|RelWithDebInfo|Debug|' rockspec/neap-scm-1.rockspec
      HOME=DIR/home luarocks --lua-version=VERSION make rockspec/neap-scm-1.rockspec \
        --only-server=DIR/nothing --tree DIR/tree]]):gsub("%u+", words))
    assert(status == 0, output)

    words.SCRIPT = support.spit(dir .. "/elsewhere/uses.lua", [[
      local neap = require("neap")
      local task = neap.spawn(function(a, b)
        neap.sleep(0)
        return a + b
      end, 40, 2)
      print(task:join(), package.searchpath("neap", package.cpath))
    ]])
    output, status = support.sh(([[
      cd DIR/elsewhere
      unset LUA_PATH_5_4 LUA_CPATH_5_4 LUA_PATH_5_5 LUA_CPATH_5_5
      LUA_PATH='DIR/tree/share/lua/VERSION/?.lua;;' \
        LUA_CPATH='DIR/tree/lib/lua/VERSION/?.so;;' PROGRAM SCRIPT]]):gsub("%u+", words))
    assert(status == 0, output)
    assert.equal(("42\t%s/tree/lib/lua/%s/neap.so\n"):format(dir.path, version), output)

    local types = support.sh(("ls %s/tree/share/lua/%s/neap/types"):format(dir.path, version))
    assert(types:find("neap.lua", 1, true), types)
  end)

  it("of the tagged version is packed with its sources, and installs offline from that", function()
    local dir <close> = support.tempdir()
    local version = _VERSION:match("%d+%.%d+")
    local header = support.slurp(support.root() .. "/csrc/include/neap.h")
    local words = {
      DIR = dir.path,
      ROOT = support.quote(support.root()),
      LUA = version,
      PROGRAM = os.getenv("LUA") or "lua5.4",
      NEAP = header:match('NEAP_VERSION "([%d.]+)"'),
    }
    -- The sources come from an archive here, as there is no server.
    local output, status = support.sh(([[
      set -e
      cd @DIR@
      mkdir home nothing neap-@NEAP@
      tar -C @ROOT@ --exclude='./build*' --exclude=./.git -cf - . | tar -C neap-@NEAP@ -xf -
      tar -czf neap-@NEAP@.tar.gz neap-@NEAP@
      sed -e 's|url = .*|url = "file://@DIR@/neap-@NEAP@.tar.gz",|' -e '/tag =/d' \
        -e 's|RelWithDebInfo|Debug|' \
        neap-@NEAP@/rockspec/neap-@NEAP@-1.rockspec > neap-@NEAP@-1.rockspec
      export HOME=@DIR@/home
      luarocks --lua-version=@LUA@ pack neap-@NEAP@-1.rockspec
      rm -r neap-@NEAP@ neap-@NEAP@.tar.gz
      luarocks --lua-version=@LUA@ install neap-@NEAP@-1.src.rock \
        --only-server=@DIR@/nothing --tree @DIR@/tree
      unset LUA_PATH_5_4 LUA_CPATH_5_4 LUA_PATH_5_5 LUA_CPATH_5_5
      LUA_PATH='@DIR@/tree/share/lua/@LUA@/?.lua;;' \
        LUA_CPATH='@DIR@/tree/lib/lua/@LUA@/?.so;;' @PROGRAM@ -e 'print(require("neap").version)']])
      :gsub("@(%u+)@", words))
    assert(status == 0, output)
    assert.equal(words.NEAP, output:match("([^\n]*)\n$"))
  end)
end)
