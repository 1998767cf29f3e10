-- Prints the resident memory of one sleeping task, or of one parked coroutine,
-- in KB: what the process grew by, over n. Nothing is collected first: this is
-- what a script sees that has just made them.
-- usage: asleep.lua neap|stock n

local function resident()
  for line in io.lines("/proc/self/status") do
    local kb = line:match("^VmRSS:%s*(%d+) kB")
    if kb then
      return tonumber(kb)
    end
  end
  error("no VmRSS in /proc/self/status")
end

local sides = {}

function sides.neap(n)
  local neap = require("neap")
  local asleep = 0
  local function body()
    asleep = asleep + 1
    neap.sleep(1e6)
  end

  local before = resident()
  for _ = 1, n do
    neap.spawn(body)
  end
  repeat
    neap.yield()
  until asleep == n
  return resident() - before
end

function sides.stock(n)
  local function body()
    coroutine.yield()
  end

  local before = resident()
  local threads = {}
  for i = 1, n do
    threads[i] = coroutine.create(body)
    coroutine.resume(threads[i])
  end
  return resident() - before, threads
end

local n = math.tointeger(arg[2])
print((sides[arg[1]](n)) / n)
os.exit(true, false) -- nobody waits for a million tasks to be unwound
