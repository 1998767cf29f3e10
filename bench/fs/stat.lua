-- Prints the time to stat a name that is cached, in us of wall time.
-- usage: stat.lua neap|lfs file...

local hrtime = require("luv").hrtime

local STATS = 200000

local stat = arg[1] == "neap" and require("neap.fs").stat or require("lfs").attributes

local function run(count)
  for i = 1, count do
    assert(stat(arg[2 + i % (#arg - 1)]))
  end
end

run(#arg)
local begun = hrtime()
run(STATS)
print((hrtime() - begun) / STATS / 1e3)
