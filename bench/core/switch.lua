-- Prints the CPU time of one switch among n tasks or coroutines, in ns.
-- usage: switch.lua neap|stock n [switches]

local SWITCHES = math.tointeger(arg[3]) or 4000000 -- about half a second

local sides = {}

-- All tasks are alike, so that each round is n switches; the first one reads
-- the clock. The first round, which starts the others, is not counted.
function sides.neap(n)
  local neap = require("neap")
  local yield = neap.yield
  local rounds = SWITCHES // n
  local took

  neap.spawn(function()
    yield()
    local begun = os.clock()
    for _ = 1, rounds do
      yield()
    end
    took = os.clock() - begun
  end)
  for _ = 2, n do
    neap.spawn(function()
      for _ = 0, rounds do
        yield()
      end
    end)
  end
  neap.run()
  return took / (rounds * n)
end

-- A resume and the yield that ends it are a pair: there and back.
function sides.stock(n)
  local yield, resume = coroutine.yield, coroutine.resume
  local rounds = SWITCHES // n
  local threads = {}
  for i = 1, n do
    threads[i] = coroutine.create(function()
      while true do
        yield()
      end
    end)
    resume(threads[i])
  end

  local begun = os.clock()
  for _ = 1, rounds do
    for i = 1, n do
      resume(threads[i])
    end
  end
  return (os.clock() - begun) / (rounds * n)
end

print(sides[arg[1]](math.tointeger(arg[2])) * 1e9)
