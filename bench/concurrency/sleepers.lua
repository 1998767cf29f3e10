-- Prints the CPU time per wake of n tasks that sleep 1 ms again and again, in ns.
-- usage: sleepers.lua n rounds

local neap = require("neap")
local n, rounds = math.tointeger(arg[1]), math.tointeger(arg[2])
local sleep = neap.sleep

for _ = 1, n do
  neap.spawn(function()
    for _ = 1, rounds do
      sleep(0.001)
    end
  end)
end
local begun = os.clock()
neap.run()
print((os.clock() - begun) / (n * rounds) * 1e9)
