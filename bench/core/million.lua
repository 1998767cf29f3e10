-- Creates n tasks that all sleep at the same time, wakes them and lets them
-- end. Its run as a whole is what is measured.
-- usage: million.lua n

local neap = require("neap")

local n = math.tointeger(arg[1])
local asleep, ended = 0, 0
local deadline

local function body()
  asleep = asleep + 1
  neap.sleep_until(deadline)
  assert(asleep == n, "the deadline came before all were asleep")
  ended = ended + 1
end

local begun = neap.now()
for _ = 1, n do
  neap.spawn(body)
end
-- To create a task costs more than its way into the sleep.
deadline = neap.now() + 2 * (neap.now() - begun)
neap.run()
assert(ended == n)
