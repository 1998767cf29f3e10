-- Two tasks in neap.exit with time to spare waited for each other for ever.
local support = require("spec.support")

describe("neap.exit", function()
  it("ends the process when all that is left waits in neap.exit too", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local function exit(code)
        neap.shield(function()
          neap.yield() -- each has begun before the other cancels it
          neap.yield()
          neap.exit(code, math.huge)
        end)
      end
      neap.spawn(exit, 3)
      neap.spawn(exit, 4)
      neap.run()
    ]])
    assert.equal("", output)
    -- The last one's code; the hostile build shuffles who that is.
    assert.is_true(status == 4 or support.variant == "hostile" and status == 3)
  end)
end)
