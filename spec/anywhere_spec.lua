-- A wait works anywhere: in a task and in the main script, in every place that
-- spec/support/places.lua lists, while another task runs.
local neap = require("neap")
local places = require("spec.support.places")

-- A task that wakes whoever waits, so that a wait can only end because that
-- task has run meanwhile; it counts how often it did.
local function open_waker()
  local waker = { runs = 0, waits = 0 }
  local asleep, stopped = {}, false
  local task = neap.spawn(function()
    while not stopped or #asleep > 0 do
      local done = table.remove(asleep, 1)
      if done then
        waker.runs = waker.runs + 1
        done(waker.runs, nil)
      end
      neap.yield()
    end
  end)
  function waker.wait()
    waker.waits = waker.waits + 1
    local run, none = neap.await(function(done)
      asleep[#asleep + 1] = done
    end)
    assert(run > 0 and none == nil)
  end
  function waker.close()
    stopped = true
    task:join()
  end
  return setmetatable(waker, { __close = waker.close })
end

-- Runs a place with the three kinds of wait.
local function visit(place)
  local waker <close> = open_waker()
  assert.equal(place.expected, place.run(waker.wait))
  assert(waker.waits > 0, "the place did not wait")
  assert.equal(waker.waits, waker.runs)
  assert.equal(place.expected, place.run(neap.yield))
  assert.equal(place.expected, place.run(function()
    neap.sleep(1e-6)
  end))
end

describe("a wait", function()
  it("has all its places: the C libraries are installed", function()
    local names = {}
    for _, place in ipairs(places) do
      names[place.name] = true
    end
    assert(names["an lpeg capture"], "lua-lpeg is missing")
    assert(names["an expat callback"], "lua-expat is missing")
  end)

  for _, place in ipairs(places) do
    it("works in " .. place.name .. ", in the main script", function()
      assert.equal("main", neap.current().name)
      visit(place)
    end)

    it("works in " .. place.name .. ", in a task", function()
      neap.spawn(function()
        assert.are_not.equal("main", neap.current().name)
        visit(place)
      end):join()
    end)

    it("works in " .. place.name .. ", in a task with a stack of its own", function()
      neap.spawn({ stack = "private" }, visit, place):join()
    end)

    it("works in " .. place.name .. ", in a coroutine of a task", function()
      neap.spawn(function()
        coroutine.wrap(visit)(place)
      end):join()
    end)
  end

  it("works in all places at once, a task in each", function()
    local waker <close> = open_waker()
    local tasks = {}
    for i, place in ipairs(places) do
      tasks[i] = neap.spawn(place.run, waker.wait)
    end
    for i, place in ipairs(places) do
      assert.equal(place.expected, tasks[i]:join(), place.name)
    end
  end)
end)

describe("a stock script", function()
  local support = require("spec.support")

  it("waits at its top level, in modules and in its coroutines", function()
    local dir <close> = support.tempdir()
    support.spit(dir .. "/waits.lua", [[
      local neap = require("neap")
      neap.sleep(0.001)
      local order = {}
      neap.spawn(function() order[#order + 1] = "task" end):join()
      order[#order + 1] = "chunk"
      return order
    ]])
    local output, status = support.lua([[
      package.path = ... .. "/?.lua;" .. package.path
      local neap = require("neap")
      local order = require("waits")
      print(table.concat(order, " "))
      local ticks = 0
      local task = neap.spawn(function()
        for _ = 1, 3 do neap.yield() ticks = ticks + 1 end
        return "result"
      end)
      for value in coroutine.wrap(function()
        neap.sleep(0.001)
        coroutine.yield(1)
        neap.yield()
        coroutine.yield(2)
      end) do io.write(value, " ") end
      print(task:join(), ticks)
    ]], { args = { dir.path } })
    assert.equal("task chunk\n1 2 result\t3\n", output)
    assert.equal(0, status)
  end)
end)
