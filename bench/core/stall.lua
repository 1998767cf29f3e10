-- Prints the longest stall by the collector, in ms of CPU time, with n parked
-- tasks or coroutines. Incremental: the longest step of a cycle, which is the
-- atomic one that looks at every thread. Generational (what stock lua5.4 starts
-- in): a major collection, which is one step. The median of some cycles, since
-- a page fault may hit any of them.
-- usage: stall.lua neap|stock n incremental|generational

local CYCLES = 7

local sides = {}

function sides.neap(n)
  local neap = require("neap")
  local parked = 0
  local function body()
    parked = parked + 1
    neap.sleep(1e6)
  end
  for _ = 1, n do
    neap.spawn(body)
  end
  repeat
    neap.yield()
  until parked == n
end

function sides.stock(n)
  local function body()
    coroutine.yield()
  end
  local threads = {}
  for i = 1, n do
    threads[i] = coroutine.create(body)
    coroutine.resume(threads[i])
  end
  return threads
end

local stalls = {}

function stalls.incremental()
  local longest = 0
  repeat
    local begun = os.clock()
    local ended = collectgarbage("step", 0)
    longest = math.max(longest, os.clock() - begun)
  until ended
  return longest
end

function stalls.generational()
  local begun = os.clock()
  collectgarbage()
  return os.clock() - begun
end

local side, n, mode = arg[1], math.tointeger(arg[2]), arg[3]
local parked <const> = sides[side](n) -- keeps them alive
collectgarbage(mode)
collectgarbage("stop") -- no steps but ours
collectgarbage()
local longest = {}
for i = 1, CYCLES do
  longest[i] = stalls[mode]()
end
table.sort(longest)
print(longest[CYCLES // 2 + 1] * 1e3)
os.exit(true, parked and false)
