-- The collector against waits: 50 tasks wait in all places at once while it
-- runs in its two modes, as often as it can.
local neap = require("neap")
local collector = require("spec.support.collector")
local places = require("spec.support.places")
local support = require("spec.support")

local task_count = 50
-- 10,000 take 6 minutes in the hostile build, and some 20 under ASan on a busy
-- machine. Nearly all of it is the mode that never rests: 30 ms a round.
local all_rounds = support.count(40, 10000)

-- Makes garbage of several kinds, so that a collection is under way at most
-- waits: closures, threads, strings, tables with finalizers.
local function litter(n)
  local thread = coroutine.wrap(function()
    coroutine.yield(("x"):rep(n % 100))
  end)
  thread()
  return setmetatable({ n, { n }, thread }, {
    __gc = function(object)
      assert(object[1] == object[2][1])
    end,
  })
end

-- A way to wait of its own for each visit; keeps garbage alive over the wait.
local function make_wait(seed)
  local n = seed
  return function()
    n = (n * 1103515245 + 12345) % 0x7fffffff
    local kept = litter(n)
    local choice = n // 65536 % 8
    if choice == 0 then
      neap.sleep(1e-6)
    elseif choice == 1 then
      assert(neap.await(function(done)
        neap.spawn(done, n)
      end) == n)
    elseif choice == 2 then
      assert(neap.spawn(function(...)
        neap.yield()
        return ...
      end, n):join() == n)
    else
      neap.yield()
    end
    assert(kept[1] == kept[2][1])
  end
end

local function torture(rounds)
  local tasks = {}
  for i = 1, task_count do
    tasks[i] = neap.spawn(function()
      for round = 1, rounds do
        local place = places[(i * 7 + round) % #places + 1]
        local result = place.run(make_wait(i * 1000 + round))
        if result ~= place.expected then
          error(("%s gave %s"):format(place.name, tostring(result)))
        end
      end
    end)
  end
  for _, task in ipairs(tasks) do
    task:join()
  end
end

describe("the collector", function()
  it("leaves waiting tasks alone in generational mode", function()
    local driven <close> = collector.drive("generations")
    assert.truthy(driven)
    torture(all_rounds)
  end)

  it("leaves waiting tasks alone in incremental mode that never rests", function()
    local driven <close> = collector.drive("steps")
    assert.truthy(driven)
    torture(all_rounds)
  end)

  it("leaves waiting tasks alone in full collections from another task", function()
    local ended = false
    local other = neap.spawn(function()
      while not ended do
        collectgarbage()
        neap.yield()
      end
    end)
    torture(support.count(1, 20))
    ended = true
    other:join()
  end)
end)
