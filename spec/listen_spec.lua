-- neap.net: what listening and connections within the process can be told.
local neap = require("neap")
local net = require("neap.net")

describe("net.pair", function()
  it("makes two connections to each other", function()
    local a, b = assert(net.pair())
    assert(a:write("to b\n"))
    assert(b:write("to a\n"))
    assert.equal("to b", b:read())
    assert.equal("to a", a:read())
    assert.same({ "", nil, "unix" }, { a:peer() })
    a:shutdown()
    assert.is_nil(b:read())
    b:write("half open\n")
    assert.equal("half open", a:read())
    assert.equal("ENOTSUP", (select(3, a:nodelay(true))))
    a:close()
    b:close()
  end)

  it("leaves nothing behind when memory runs out", function()
    local faults = require("spec.support.faults")
    local runs = faults.alloc(function()
      local a, b, code = net.pair()
      if not a then
        return a, b, code
      end
      a:close()
      b:close()
      return true
    end)
    assert.is_true(runs > 1)
    assert.is_function(neap.run)
  end)
end)
