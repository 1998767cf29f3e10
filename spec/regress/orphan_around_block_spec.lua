-- A scope was collected while a block that was opened in it went on. When that
-- ended, its task stood in the collected scope again, which was freed with the
-- end of the last task in it.
local support = require("spec.support")

describe("a scope that is collected before a block in it ends", function()
  it("is not stood in afterwards", function()
    local output, status = support.lua([[
      local neap = require("neap")
      warn("@off")
      local task
      local function open()
        local scope = neap.scope()
        task = scope:spawn(function()
          neap.shield(neap.sleep, 0.001)
        end)
      end
      open()
      neap.timeout(9, function()
        neap.yield()
        collectgarbage()
        collectgarbage()
        neap.yield() -- a task of the scope is cancelled, not its opener
      end)
      task:wait()
      task = nil
      collectgarbage()
      local blocks = {}
      for i = 1, 100 do
        blocks[i] = neap.spawn(neap.timeout, 9, neap.yield)
      end
      print(neap.timeout(9, function()
        neap.spawn(neap.yield):join()
        return "well"
      end))
    ]])
    assert.equal("well\n", output)
    assert.equal(0, status)
  end)
end)
