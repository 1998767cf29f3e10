-- ./dev does what its help says.
local support = require("spec.support")

local dev = support.quote(support.root() .. "/dev")

describe("./dev", function()
  it("lists each of its commands in its help", function()
    local help, status = support.sh(dev .. " help")
    assert.equal(0, status)
    local count = 0
    for command in support.slurp("dev"):gmatch("\ncmd_(%l+)%(%) {") do
      count = count + 1
      assert(help:find("./dev " .. command, 1, true), command .. " is not in the help")
    end
    assert(count >= 9, "the commands were not found")
  end)

  it("refuses what it does not know", function()
    local output, status = support.sh(dev .. " nonsense")
    assert.equal(1, status)
    assert(output:find("nonsense", 1, true), output)
  end)

  it("prints an environment in which scripts find neap", function()
    local dir <close> = support.tempdir()
    local output, status = support.sh(([[
      cd %s
      unset LUA_PATH LUA_CPATH LUA_PATH_5_4 LUA_CPATH_5_4 LUA_PATH_5_5 LUA_CPATH_5_5
      eval "$(%s env)"
      %s -e 'print(require("neap").version)'
      neap -e 'print(require("neap").version)']]):format(dir.path, dev,
      os.getenv("LUA") or "lua5.4"))
    assert(status == 0, output)
    assert(output:match("^(%d+%.%d+[^\n]*)\n%1\n$"), output)
  end)
end)
