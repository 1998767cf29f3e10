-- Two tasks in neap.exit with time to spare waited for each other for ever.
local support = require("spec.support")

describe("neap.exit", function()
  it("ends the process when all that is left waits in neap.exit too", function()
    local output, status = support.lua([[
      local neap = require("neap")
      neap.spawn(neap.exit, 3, math.huge)
      neap.spawn(neap.exit, 4, math.huge)
      neap.run()
    ]])
    assert.equal("", output)
    -- The last one's code; the hostile build shuffles who that is.
    assert.is_true(status == 4 or support.variant == "hostile" and status == 3)
  end)
end)
