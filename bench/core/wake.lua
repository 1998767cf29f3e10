-- Prints the CPU time from the moment when n tasks sleep until one deadline to
-- the moment when all of them have ended, per task, in ns. The peer is what a
-- Lua script does with luv: a coroutine and a uv timer each.
-- usage: wake.lua neap|luv n

local SECONDS = 2 -- until the deadline; to fall asleep takes far less

local asleep, clock_when_all_sleep = 0, nil

local function fall_asleep(n)
  asleep = asleep + 1
  if asleep == n then
    clock_when_all_sleep = os.clock()
  end
end

local function woken(n)
  assert(asleep == n, "the deadline came before all were asleep")
end

local sides = {}

function sides.neap(n)
  local neap = require("neap")
  local deadline = neap.now() + SECONDS
  for _ = 1, n do
    neap.spawn(function()
      fall_asleep(n)
      neap.sleep_until(deadline)
      woken(n)
    end)
  end
  neap.run()
end

function sides.luv(n)
  local uv = require("luv")

  local function sleep_until(deadline)
    local thread = coroutine.running()
    local timer = uv.new_timer()
    timer:start(deadline - uv.now(), 0, function()
      timer:close()
      assert(coroutine.resume(thread))
    end)
    coroutine.yield()
  end

  local deadline = uv.now() + SECONDS * 1000
  for _ = 1, n do
    local thread = coroutine.create(function()
      fall_asleep(n)
      sleep_until(deadline)
      woken(n)
    end)
    assert(coroutine.resume(thread))
  end
  uv.run()
end

local n = math.tointeger(arg[2])
sides[arg[1]](n)
print((os.clock() - clock_when_all_sleep) / n * 1e9)
