-- Prints the worst gap, in ms, between two ticks of a 10 ms ticker beside three
-- loops that are busy for 500 ms each.
-- usage: preempt_gap.lua SLICE     seconds; 0: no preemption

local neap = require("neap")

local slice = tonumber(arg[1])
local busy = 3

if slice > 0 then
  neap.preempt(slice)
end

local worst = 0
neap.spawn(function()
  local last = neap.now()
  for _ in neap.every(0.01) do
    local now = neap.now()
    worst = math.max(worst, now - last)
    last = now
    if busy == 0 then
      break
    end
  end
end)

-- 500 ms of its own CPU time cannot be told from others', so each does what
-- takes that long alone.
local function work(rounds)
  local x = 0
  for i = 1, rounds do
    x = x + i % 7
  end
  return x
end

local begun
local rounds = 1000
repeat
  rounds = rounds * 2
  begun = os.clock()
  neap.nopreempt(work, rounds)
until os.clock() - begun > 0.05
rounds = math.floor(rounds * 0.5 / (os.clock() - begun))

for _ = 1, busy do
  neap.spawn(function()
    work(rounds)
    busy = busy - 1
  end)
end
neap.run()
print(worst * 1e3)
