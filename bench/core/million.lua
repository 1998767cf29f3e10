-- Creates n tasks that all sleep at the same time, wakes them and lets them
-- end. What is measured is its run as a whole; prints the seconds in it in
-- which all slept.
-- usage: million.lua n

local neap = require("neap")

local n = math.tointeger(arg[1])
local asleep, ended = 0, 0
local deadline, idle

local function body()
  asleep = asleep + 1
  if asleep == n then
    idle = deadline - neap.now()
  end
  neap.sleep_until(deadline)
  assert(asleep == n, "the deadline came before all were asleep")
  ended = ended + 1
end

local begun = neap.now()
for _ = 1, n do
  neap.spawn(body)
end
-- To create a task costs more than its way into the sleep: this is ample.
deadline = neap.now() + 2 * (neap.now() - begun)
neap.run()
assert(ended == n)
print(idle)
