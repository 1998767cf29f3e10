-- Prints how long it takes to come to all names of a tree, in ms. Wall time.
-- usage: walk.lua neap|neap-stat|find FOLDER EXPECTED

local hrtime = require("luv").hrtime

local how, root, expected = arg[1], arg[2], tonumber(arg[3])

local sides = {}

function sides.neap()
  local walk = require("neap.fs").walk
  return function()
    local count = 0
    for _, kind in assert(walk(root)) do
      count = count + (kind and 1 or 0)
    end
    return count
  end
end

sides["neap-stat"] = function()
  local walk = require("neap.fs").walk
  return function()
    local count, size = 0, 0
    for _, _, info in assert(walk(root, { stat = true })) do
      count = count + 1
      size = size + info.size
    end
    return count
  end
end

-- find itself prints; a line each to /dev/null costs it little.
function sides.find()
  local command = ("find '%s' -mindepth 1 -printf '%%s\\n' | wc -l"):format(root)
  return function()
    local pipe = assert(io.popen(command))
    local count = pipe:read("n")
    assert(pipe:close())
    return count
  end
end

local run = sides[how]()
local begun = hrtime()
local count = run()
local took = hrtime() - begun
assert(count == expected, count)
print(took / 1e6)
