-- The string of an option was used after it had been taken off the Lua stack:
-- one that the table's __index made up was freed before it was copied.
local neap = require("neap")
local net = require("neap.net")
local support = require("spec.support")

-- Options that exist only while they are asked for.
local function made_up(fields)
  return setmetatable({}, {
    __index = function(_, key)
      collectgarbage() -- takes what was given before
      return fields[key] and fields[key]()
    end,
  })
end

-- libuv keeps descriptors in reserve from the first connection on.
do
  local server <close> = assert(net.listen("127.0.0.1", 0))
  local _, port = server:address()
  assert(net.connect("127.0.0.1", port)):close()
end

describe("a string option", function()
  it("made up by __index names the task", function()
    for i = 1, support.count(50, 2000) do
      local name = ("n" .. i):rep(40)
      local task = neap.spawn(
        made_up({
          name = function()
            return ("n" .. i):rep(40)
          end,
        }),
        neap.yield
      )
      assert.equal(name, task.name)
    end
    neap.run()
  end)

  it("made up by __index is the address to connect from", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = server:address()
    local conn <close> = assert(net.connect(
      "127.0.0.1",
      port,
      made_up({
        bind = function()
          return table.concat({ "127", "0", "0", "3" }, ".")
        end,
      })
    ))
    assert.equal("127.0.0.3", (conn:address()))
  end)
end)
