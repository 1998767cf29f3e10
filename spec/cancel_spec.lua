-- Cancellation is level-triggered, deadlines hold, shields keep them out.
local neap = require("neap")
local seeds = require("spec.support.seeds")
local support = require("spec.support")

local once <const> = it -- what is long, or in a process of its own
local it = seeds.wrap(it)

local function forever()
  neap.sleep(math.huge)
end

describe("task:cancel", function()
  it("makes every wait raise until the task ends", function()
    local raised = 0
    local task = neap.spawn(function()
      for _ = 1, 10 do
        local ok, err = pcall(forever)
        assert(not ok and neap.is_cancelled(err))
        raised = raised + 1
      end
      forever()
    end)
    support.settle()
    assert.is_true(task:cancel())
    assert.is_false(task:cancel())
    local ok, err = task:wait()
    assert.is_false(ok)
    assert.equal(10, raised)
    assert.equal("ECANCELED", err.code)
    assert.matches("^task %d+ was cancelled$", tostring(err))
    assert.equal("cancelled", task:status())
    assert.is_false(task:cancel())
  end)

  it("gives its reason to the task and its joiners", function()
    local told
    local reason = { 1 }
    local task = neap.spawn(function()
      local ok, err = pcall(forever)
      told = { ok, neap.is_cancelled(err) }
      error(err, 0)
    end)
    support.settle()
    task:cancel(reason)
    local _, err = task:wait()
    assert.same({ false, true, reason }, told)
    assert.equal(reason, told[3])
    assert.equal(reason, err.reason)
  end)

  it("keeps a task from ever running", function()
    local ran = false
    local task = neap.spawn(function()
      ran = true
    end)
    task:cancel("no need")
    local ok, err = task:wait()
    assert.is_false(ok)
    assert.is_false(ran)
    assert.equal("no need", err.reason)
    assert.matches("was cancelled: no need", tostring(err))
  end)

  it("leaves a task that returns all the same done", function()
    local task = neap.spawn(function()
      pcall(forever)
      return "fine"
    end)
    support.settle()
    task:cancel()
    assert.same({ true, "fine" }, { task:wait() })
    assert.equal("done", task:status())
  end)

  it("shows at the next wait of the task that cancels itself", function()
    local before
    local task = neap.spawn(function()
      neap.current():cancel()
      before = true
      neap.yield()
      before = false
    end)
    assert.is_false((task:wait()))
    assert.is_true(before)
  end)

  it("is not reported", function()
    local task = neap.spawn(forever)
    neap.on_error(function()
      error("reported")
    end)
    support.settle()
    task:cancel()
    support.settle()
    neap.on_error(nil)
    assert.equal("cancelled", task:status())
  end)

  once("makes no traceback: nobody could read it", function()
    -- What is allocated would depend on the names in it.
    local function memory_of(name)
      local fn = assert(load([[
        local function forever() require("neap").sleep(math.huge) return 1 end
        local function deeper() return forever() + 1 end
        return deeper() + 1
      ]], "=" .. name))
      local tasks = {}
      for i = 1, 100 do
        tasks[i] = neap.spawn(fn)
      end
      support.settle()
      collectgarbage()
      collectgarbage("stop")
      local before = collectgarbage("count")
      for i = 1, 100 do
        tasks[i]:cancel()
        tasks[i]:wait()
      end
      local grown = collectgarbage("count") - before
      collectgarbage("restart")
      assert.is_nil(tasks[1]:traceback())
      return grown
    end
    memory_of("x") -- what is made once is not counted
    local short, long = memory_of("x"), memory_of(("x"):rep(50))
    assert(long < short + 5, ("%.1f KiB, %.1f KiB"):format(short, long))
  end)

  it("is an ordinary error to the joiner, not its own cancellation", function()
    local task = neap.spawn(forever)
    task:cancel()
    local ok, err = pcall(task.join, task)
    assert.is_false(ok)
    assert.is_false(neap.is_cancelled(err))
    neap.yield()
  end)

  it("reaches the tasks in its scopes", function()
    local child
    local task = neap.spawn(function()
      neap.scope(function(s)
        child = s:spawn(function()
          neap.scope(function()
            forever()
          end)
        end)
        forever()
      end)
    end)
    support.settle()
    task:cancel("all of you")
    assert.is_false((task:wait()))
    assert.equal("cancelled", child:status())
    assert.equal("cancelled", task:status())
  end)

  it("does not reach detached tasks", function()
    local child
    local task = neap.spawn(function()
      child = neap.spawn({ detached = true }, forever)
      forever()
    end)
    support.settle()
    task:cancel()
    task:wait()
    assert.equal("waiting", child:status())
    child:cancel()
    child:wait()
  end)

  -- fault 24
  it("leaves a completed wait its result", function()
    local got
    local done_fn
    local task = neap.spawn(function()
      got = neap.await(function(done)
        done_fn = done
      end)
      neap.yield()
      got = "went on"
    end)
    support.settle()
    assert.is_true(done_fn("value"))
    task:cancel()
    task:wait()
    assert.equal("value", got)
  end)

  -- fault 11
  once("ends very many tasks in one turn, and memory is used again", function()
    local n = support.count(20000, 1000000)
    local function wave()
      local tasks = {}
      for i = 1, n do
        tasks[i] = neap.spawn(forever)
      end
      support.settle()
      for i = 1, n do
        assert(tasks[i]:cancel())
      end
      for i = 1, n do
        assert(not tasks[i]:wait())
      end
    end
    wave()
    collectgarbage()
    local before = neap.info().memory
    wave()
    collectgarbage()
    assert(neap.info().memory <= before * 1.1 + 65536)
    assert.equal(1, neap.info().tasks)
  end)

  it("ends a task that swallows it for ever", function()
    local closed = 0
    local task = neap.spawn(function()
      local _ <close> = setmetatable({}, { __close = function()
        closed = closed + 1
      end })
      while true do
        pcall(neap.sleep, 1)
      end
    end)
    support.settle()
    task:cancel()
    assert.is_false((task:wait()))
    assert.equal(1, closed)
    assert.equal("cancelled", task:status())
  end)

  it("ends a block that swallows it for ever, and no more", function()
    local r = table.pack(neap.timeout(0.001, function()
      while true do
        pcall(neap.sleep, 1)
      end
    end))
    assert.same({ nil, "timed out after 0.001 s", "ETIMEDOUT", true, n = 4 }, r)
    local sum = 0
    for i = 1, 1000 do
      sum = sum + i
    end
    assert.equal(500500, sum)
    neap.yield()
  end)

  it("is not a cancellation of the task that finds the error later", function()
    local stolen
    local task = neap.spawn(function()
      local _, err = pcall(forever)
      stolen = err
      error(err, 0)
    end)
    support.settle()
    task:cancel()
    task:wait()
    assert.is_false((neap.is_cancelled(stolen)))
    local thief = neap.spawn({ quiet = true }, function()
      error(stolen, 0)
    end)
    local ok, err = thief:wait()
    assert.is_false(ok)
    assert.equal(stolen, err)
    assert.equal("failed", thief:status())
  end)
end)

describe("close handlers", function()
  -- fault 19
  it("that raise during a cancellation give the task their error", function()
    local log = {}
    local function closer(name, err)
      return setmetatable({}, { __close = function()
        log[#log + 1] = name
        if err then
          error(err, 0)
        end
      end })
    end
    local task = neap.spawn({ quiet = true }, function()
      local _ <close> = closer("outer")
      local _ <close> = closer("middle", "raised")
      local _ <close> = closer("inner")
      forever()
    end)
    support.settle()
    task:cancel()
    local ok, err = task:wait()
    assert.is_false(ok)
    assert.equal("raised", err)
    assert.same({ "inner", "middle", "outer" }, log)
    assert.equal("failed", task:status())
  end)

  it("that raise are told with what they came after", function()
    local function failing(err)
      return setmetatable({}, { __close = function()
        error(err, 0)
      end })
    end
    local task = neap.spawn({ quiet = true }, function()
      local _ <close> = failing("second")
      forever()
    end)
    support.settle()
    task:cancel("enough")
    task:wait()
    assert.equal(("after another error: task %d was cancelled: enough"):format(task.id),
      task:traceback())

    task = neap.spawn({ quiet = true }, function()
      local _ <close> = failing("third")
      local _ <close> = failing("second")
      error("first", 0)
    end)
    assert.same({ false, "third" }, { task:wait() })
    assert.matches("^after another error: first\nstack traceback:\n.*'error'", task:traceback())

    task = neap.spawn({ quiet = true }, function()
      local _ <close> = failing("second")
      error(setmetatable({}, { __tostring = function()
        neap.sleep(1)
      end }))
    end)
    assert.same({ false, "second" }, { task:wait() })
    assert.matches("^after another error: %(error object is a table value%)\n", task:traceback())
  end)

  -- fault 20
  it("that wait without a shield are cancelled, the others run", function()
    local log = {}
    local task = neap.spawn(function()
      local _ <close> = setmetatable({}, { __close = function()
        log[#log + 1] = "outer"
      end })
      local _ <close> = setmetatable({}, { __close = function()
        log[#log + 1] = "waits"
        neap.sleep(1)
        log[#log + 1] = "never"
      end })
      forever()
    end)
    support.settle()
    task:cancel()
    task:wait()
    assert.same({ "waits", "outer" }, log)
    assert.equal("cancelled", task:status())
  end)

  it("may spawn: the task never runs in what is cancelled", function()
    local ran = false
    local task = neap.spawn(function()
      neap.scope(function()
        local _ <close> = setmetatable({}, { __close = function()
          neap.spawn(function()
            ran = true
          end)
        end })
        forever()
      end)
    end)
    support.settle()
    task:cancel()
    task:wait()
    assert.is_false(ran)
  end)
end)

describe("neap.timeout", function()
  it("gives its function's results when it is in time", function()
    assert.same({ 1, nil, 3, n = 3 }, table.pack(neap.timeout(60, function(...)
      return ...
    end, 1, nil, 3)))
  end)

  it("ends a wait, and tells its expiry from its function's own", function()
    assert.same({ nil, "timed out after 0.001 s", "ETIMEDOUT", true, n = 4 },
      table.pack(neap.timeout(0.001, forever)))
    local task <const> = neap.spawn(forever)
    assert.same({ nil, "timed out after 0 s", "ETIMEDOUT", n = 3 },
      table.pack(neap.timeout(60, task.join, task, 0)))
    task:cancel()
    task:wait()
  end)

  -- fault 31
  it("takes 0, negative, huge and nan seconds", function()
    for _, seconds in ipairs({ 0, -1, -math.huge }) do
      local begun, went_on
      local r = table.pack(neap.timeout(seconds, function()
        begun = true
        neap.yield()
        went_on = true
      end))
      assert.same({ nil, "timed out after 0 s", "ETIMEDOUT", true, n = 4 }, r)
      assert.is_true(begun)
      assert.is_nil(went_on)
    end
    for _, seconds in ipairs({ 1e300, math.huge }) do
      assert.equal("ok", neap.timeout(seconds, function()
        neap.yield()
        return "ok"
      end))
    end
    assert.has_error(function()
      neap.timeout(0 / 0, print)
    end)
    assert.has_error(function()
      neap.time_limit(0 / 0)
    end)
  end)

  it("tells nested ones apart", function()
    local outer = table.pack(neap.timeout(0.002, function()
      neap.timeout(60, forever)
      return "not the inner one's"
    end))
    assert.same({ nil, "timed out after 0.002 s", "ETIMEDOUT", true, n = 4 }, outer)
    local inner = table.pack(neap.timeout(60, function()
      return "caught", neap.timeout(0.001, forever)
    end))
    assert.same({ "caught", nil, "timed out after 0.001 s", "ETIMEDOUT", true, n = 5 }, inner)
  end)

  it("reaches into the tasks spawned in it, and waits for their end", function()
    local log = {}
    neap.timeout(0.001, function()
      neap.spawn(function()
        neap.spawn(function()
          local _ <close> = setmetatable({}, { __close = function()
            log[#log + 1] = "grandchild"
          end })
          forever()
        end)
        forever()
      end)
    end)
    assert.same({ "grandchild" }, log)
  end)

  it("raises a function's own error", function()
    local ok, err = pcall(neap.timeout, 60, error, "own", 0)
    assert.same({ false, "own" }, { ok, err })
  end)

  it("works a thousand deep, in coroutines' C levels aside", function()
    local deep
    local function nest(n)
      local _ <close> = neap.time_limit(60 + n)
      if n == 0 then
        deep = neap.time_left()
        neap.yield()
        return "bottom"
      end
      return (nest(n - 1))
    end
    assert.equal("bottom", nest(1000))
    assert(deep <= 60)
  end)

  it("lets one of a thousand around go off", function()
    local function nest(n)
      local _ <close> = neap.time_limit(n == 500 and 0.001 or 60)
      if n == 0 then
        forever()
      end
      return (nest(n - 1))
    end
    local ok, err = pcall(nest, 1000)
    assert.is_false(ok)
    assert.equal("timed out after 0.001 s", tostring(err))
  end)
end)

describe("neap.time_limit", function()
  it("comes out of its block as an error", function()
    local ok, err = pcall(function()
      local _ <close> = neap.time_limit(0.001)
      forever()
    end)
    assert.is_false(ok)
    assert.equal("ETIMEDOUT", err.code)
    assert.equal("timed out after 0.001 s", tostring(err))
    neap.yield()
  end)

  it("tells how much is left", function()
    assert.is_nil(neap.time_left())
    neap.timeout(100, function()
      local left = neap.time_left()
      assert(left <= 100 and left > 0)
      neap.timeout(1000, function()
        assert(neap.time_left() <= left)
      end)
      neap.shield(function()
        assert.is_nil(neap.time_left())
      end)
    end)
    neap.timeout(0, function()
      assert.equal(0, neap.time_left())
    end)
  end)

  once("is not needed any more when many are left in time", function()
    for _ = 1, support.count(1000, 100000) do
      neap.timeout(60, neap.yield)
    end
    assert.equal(1, neap.info().tasks)
  end)
end)

describe("neap.shield", function()
  it("keeps cancellations out, and lets them in afterwards", function()
    local log = {}
    local task = neap.spawn(function()
      neap.shield(function(...)
        neap.sleep(0.002)
        log[#log + 1] = select("#", ...)
      end, nil, nil)
      log[#log + 1] = "out"
      neap.yield()
      log[#log + 1] = "never"
    end)
    support.settle()
    task:cancel()
    task:wait()
    assert.same({ 2, "out" }, log)
  end)

  it("holds a time limit inside it", function()
    local r
    local task = neap.spawn(function()
      neap.shield(function()
        r = table.pack(neap.timeout(0.001, forever))
      end)
    end)
    support.settle()
    task:cancel()
    task:wait()
    assert.equal("ETIMEDOUT", r[3])
  end)

  it("passes results and errors on", function()
    assert.same({ 1, nil, n = 2 }, table.pack(neap.shield(function()
      return 1, nil
    end)))
    local ok, err = pcall(neap.shield, error, { 7 })
    assert.is_false(ok)
    assert.same({ 7 }, err)
  end)

  it("does not cover the tasks spawned in it", function()
    local child
    local task = neap.spawn(function()
      neap.scope(function()
        neap.shield(function()
          child = neap.spawn(forever)
          neap.sleep(0.002)
        end)
      end)
    end)
    support.settle()
    task:cancel()
    support.settle()
    assert.equal("cancelled", child:status())
    task:wait()
  end)
end)

describe("neap.is_cancelled", function()
  it("is false for anything else", function()
    for _, value in ipairs({ 1, "cancelled", {}, print, neap.current() }) do
      assert.is_false(neap.is_cancelled(value))
    end
    assert.is_false(neap.is_cancelled(nil))
  end)

  it("explains why", function()
    local function why(fn)
      local text
      pcall(neap.scope, function(s)
        local _ <close> = setmetatable({}, { __close = function(_, err)
          assert(neap.is_cancelled(err))
          text = tostring(err)
        end })
        fn(s)
        forever()
      end)
      return text
    end
    assert.equal("scope cancelled: because", why(function(s)
      s:cancel("because")
    end))
    assert.matches("^cancelled: task %d+ failed$", why(function(s)
      s:spawn(error, "x")
    end))
    local text
    neap.timeout(0.001, function()
      local _, err = pcall(forever)
      text = tostring(err)
    end)
    assert.equal("cancelled: timed out after 0.001 s", text)
  end)
end)

describe("without memory", function()
  local faults = require("spec.support.faults")

  local function body()
    neap.scope(function(s)
      s:spawn(neap.yield)
      neap.timeout(60, neap.yield)
      neap.shield(neap.yield)
      local task = s:spawn(forever)
      support.settle()
      task:cancel("x")
      task:wait()
      s:start(function()
        neap.context().a = 1
        neap.ready()
      end)
    end)
  end

  local function nothing_left()
    support.settle()
    assert(#neap.tasks() == 1, "tasks are left")
    assert(neap.time_left() == nil, "a limit is left")
    neap.yield()
  end

  once("scopes end whole when the runtime's runs out", function()
    assert(faults.alloc(body, { after = nothing_left }) > 10)
  end)

  once("scopes end whole when Lua's runs out", function()
    assert(faults.lua_alloc(body, { after = nothing_left }) > 10)
  end)
end)
