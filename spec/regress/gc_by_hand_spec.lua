-- A script called the __gc that it had found in a handle's metatable, while a
-- task waited for the handle, or in neap.scope's function: what only the state's
-- end does was done while tasks ran, and what neap.scope still used was freed.
local support = require("spec.support")

describe("__gc called by a script", function()
  it("is refused while tasks wait for the object", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local mutex, event, channel = neap.mutex(), neap.event(), neap.channel()
      local timer = neap.after(9, print)
      mutex:lock()
      local tasks = {
        neap.spawn(mutex.lock, mutex), neap.spawn(event.wait, event),
        neap.spawn(channel.recv, channel),
      }
      neap.yield()
      neap.spawn(function()
        for _, object in ipairs({ mutex, event, channel }) do
          local ok, err = pcall(getmetatable(object).__gc, object)
          assert(not ok and err:find("cannot finalize", 1, true), err)
        end
      end):join()
      for _, task in ipairs(tasks) do
        assert(task:status() == "waiting", task:status())
        task:cancel()
      end
      timer:close()
      neap.yield()
      print("well")
    ]])
    assert.equal("well\n", output)
    assert.equal(0, status)
  end)

  it("does nothing to a scope that ends with its function", function()
    local output, status = support.lua([[
      local neap = require("neap")
      print(neap.scope(function(scope)
        scope:spawn(neap.yield)
        getmetatable(scope).__gc(scope)
        neap.yield()
        return neap.timeout(1, tostring, 7)
      end))
    ]])
    assert.equal("7\n", output)
    assert.equal(0, status)
  end)
end)
