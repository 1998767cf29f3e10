-- Lua takes a value out of a weak table before it runs the finalizers that can
-- still reach it. A task's handle kept by such a finalizer pointed into the
-- freed task later on; and a handle made by a finalizer while another one was
-- being made for the same task was never told of its end.
local neap = require("neap")
local collector = require("spec.support.collector")

-- Spawns fn as a task whose handle only a finalizer can reach, and returns it
-- as that finalizer has saved it.
local function resurrected(fn)
  local saved
  do
    local holder = { task = neap.spawn(fn) }
    setmetatable(holder, {
      __gc = function(self)
        saved = self.task
      end,
    })
  end
  collectgarbage()
  collectgarbage()
  return assert(saved)
end

describe("a handle that a finalizer has saved", function()
  it("gets the result when it is used before the task has ended", function()
    local task = resurrected(function()
      neap.sleep(0)
      neap.sleep(0)
      return 42
    end)
    assert.equal("ready", task:status())
    assert.equal(42, task:join())
    assert.equal(task, task)
    assert.equal("done", task:status())
  end)

  it("says that the outcome is lost when it is used too late", function()
    local task = resurrected(function()
      return 42
    end)
    neap.run()
    for _ = 1, 50 do -- take the memory and the place of the task that was
      neap.spawn(neap.sleep, 0)
    end
    assert.equal("done", task:status())
    assert.matches("^task %d+ %(done%)$", tostring(task))
    local ok, err = task:wait()
    assert.is_false(ok)
    assert.matches("outcome of task %d+ is lost", err)
    neap.run()
  end)
end)

describe("a handle made while a finalizer makes one for the same task", function()
  it("is the same handle", function()
    local skip, inner -- the finalizer asks when it has been called skip times
    local meta = {}
    function meta.__gc()
      setmetatable({}, meta) -- the next one
      skip = skip and skip - 1
      if skip == 0 then
        inner = neap.tasks()
      end
    end
    setmetatable({}, meta)
    local met, differing = 0, 0
    for calls = 1, 12 do
      neap.spawn(neap.sleep, 0.001)
      local outer
      do
        local driven <close> = collector.drive("cycles")
        assert(driven)
        collectgarbage() -- nobody has its handle any more
        skip, inner = calls, nil
        outer = neap.tasks()
        skip = nil
      end
      if inner then
        met = met + 1
        differing = differing + (inner[#inner] == outer[#inner] and 0 or 1)
      end
      neap.run()
      for _, task in ipairs(inner or {}) do
        task:status() -- looks at no freed memory
      end
    end
    setmetatable(meta, nil)
    meta.__gc = function() end
    assert.is_true(met > 0)
    assert.equal(0, differing)
  end)
end)
