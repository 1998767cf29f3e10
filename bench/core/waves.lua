-- Prints the CPU time from the creation to the end of an empty task or
-- coroutine, in ns: waves of n are created, then run.
-- usage: waves.lua neap|stock n

local TOTAL = 500000

local function empty() end

local sides = {}

function sides.neap(n)
  local neap = require("neap")
  for _ = 1, n do
    neap.spawn(empty)
  end
  neap.run()
end

function sides.stock(n)
  local threads = {}
  for i = 1, n do
    threads[i] = coroutine.create(empty)
  end
  for i = 1, n do
    coroutine.resume(threads[i])
  end
end

local wave, n = sides[arg[1]], math.tointeger(arg[2])
wave(n) -- what is loaded or mapped once is not counted
local begun = os.clock()
for _ = 1, TOTAL // n do
  wave(n)
end
print((os.clock() - begun) / (TOTAL // n * n) * 1e9)
