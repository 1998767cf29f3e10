-- os.exit in a close handler that runs because the state is being closed: the
-- second lua_close freed the runtime that the first was ending, and with it
-- the stack that it stood on.
local support = require("spec.support")

describe("os.exit(code, true) while the state closes", function()
  for _, wait in ipairs({
    "neap.sleep(9)",
    "neap.await(function() end)", -- its __gc is what ends the runtime
  }) do
    it("ends the process from a handler of a task in " .. wait, function()
      local output, status = support.lua(([[
        local neap = require("neap")
        local handlers = 0
        for _ = 1, 6 do
          neap.spawn(function()
            local _ <close> = setmetatable({}, {
              __close = function()
                handlers = handlers + 1
                pcall(neap.yield)
                if handlers == 3 then
                  os.exit(7, true)
                end
              end,
            })
            table.sort({ 3, 2, 1 }, function(a, b)
              %s
              return a < b
            end)
          end)
        end
        for _ = 1, 100 do -- all have begun
          neap.yield()
        end
      ]]):format(wait))
      assert.equal("", output)
      assert.equal(7, status)
    end)
  end
end)
