-- Prints the CPU time of one call of a kind, in ns.
-- usage: calls.lua pcall|timeout|spawn|scope

local ROUNDS = 1000000 -- about half a second

local neap = require("neap")

local function nothing(value)
  return value
end

local kinds = {}

-- A call that does not wait, alone and with a limit.
function kinds.pcall(rounds)
  for i = 1, rounds do
    pcall(nothing, i)
  end
end

function kinds.timeout(rounds)
  local timeout = neap.timeout
  for i = 1, rounds do
    timeout(60, nothing, i)
  end
end

-- A task that is spawned and runs to its end, alone and in a scope in which
-- somebody joins it.
function kinds.spawn(rounds)
  local spawn, yield = neap.spawn, neap.yield
  for i = 1, rounds do
    spawn(nothing, i)
    yield()
  end
end

function kinds.scope(rounds)
  local scope, spawn = neap.scope, neap.spawn
  local function body(_, i)
    return spawn(nothing, i):join()
  end
  for i = 1, rounds do
    scope(body, i)
  end
end

local took
neap.spawn(function()
  local kind = kinds[arg[1]]
  kind(1000) -- what is made once is not counted
  local begun = os.clock()
  kind(ROUNDS)
  took = os.clock() - begun
end)
neap.run()
print(took / ROUNDS * 1e9)
