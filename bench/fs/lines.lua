-- Prints the seconds that it takes to iterate over the lines of a cached file.
-- usage: lines.lua neap|io file

local hrtime = require("luv").hrtime

local lines = arg[1] == "neap" and require("neap.fs").lines or io.lines

local function run()
  local count = 0
  for line in lines(arg[2]) do
    count = count + #line
  end
  return count
end

local count = run()
local begun = hrtime()
assert(run() == count)
print((hrtime() - begun) / 1e9)
