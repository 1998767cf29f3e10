-- Prints how long it takes to copy a file, in ms. Wall time; what is written is
-- in the page cache then, with both.
-- usage: copy.lua neap|cp FROM TO

local hrtime = require("luv").hrtime

local how, from, to = arg[1], arg[2], arg[3]

local sides = {}

function sides.neap()
  local fs = require("neap.fs")
  return function()
    return assert(fs.copy(from, to))
  end
end

function sides.cp()
  local command = ("exec cp '%s' '%s'"):format(from, to)
  return function()
    return assert(os.execute(command))
  end
end

local run = sides[how]()
os.remove(to)
local begun = hrtime()
run()
local took = hrtime() - begun
os.remove(to)
print(took / 1e6)
