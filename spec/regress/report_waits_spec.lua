-- The text of an unheard error is made by its __tostring; one that waited, in
-- neap.run of main, let the turn end meanwhile: the failure was reported twice.
local support = require("spec.support")

describe("an error whose __tostring waits", function()
  it("is reported once, and the wait refused", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local oops = setmetatable({}, {
        __tostring = function()
          local ok, err = pcall(neap.sleep, 0.001)
          return ok and "waited" or err
        end,
      })
      neap.spawn(function()
        neap.yield()
        error(oops)
      end)
      neap.yield()
      neap.yield() -- main is next in the turn in which the task fails
      local ok, err = pcall(neap.run)
      io.stderr:write(tostring(ok), " ", err, "\n")
    ]])
    local _, count = output:gsub("neap: task %d+ failed", "")
    assert.equal(1, count, output)
    assert.matches("cannot wait", output)
    assert.matches("\nfalse 1 task failed; first: cannot wait", output)
    assert.equal(0, status)
  end)
end)
