-- A failure for whose filing there was no memory was told to nobody when the
-- script still had the task's handle.
local neap = require("neap")
local support = require("spec.support")

describe("a failure that there is no memory to file", function()
  -- Main goes on right behind the task, and ends the shortage: in that order.
  if not neap._fail_lua_alloc or support.variant == "hostile" then
    pending("needs a test build, and the ready queue in order")
    return
  end

  it("is reported, and neap.run raises", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local task = neap.spawn(function()
        neap._fail_lua_alloc(1, true)
        error()
      end)
      pcall(neap.yield)
      neap.yield()
      neap._fail_lua_alloc(0)
      local ok, err = pcall(neap.run)
      io.stderr:write(tostring(ok), " ", tostring(err), "\n", task:status(), "\n")
    ]])
    assert.matches("neap: task 2 failed: not enough memory", output)
    assert.matches("\nfalse 1 task failed", output)
    assert.matches("\nfailed\n$", output)
    assert.equal(0, status)
  end)
end)
