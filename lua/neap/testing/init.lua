-- neap.testing: tests of concurrent code that take no time, meet many orders of
-- events and leave nothing behind. It knows no test framework: what goes wrong
-- is a Lua error.
local neap = require("neap")
local core = require("neap.testing.core")

local testing = {}

local running = false

-- Whether the clock is virtual, the seed, the time limit. Raises for the caller's
-- caller.
local function check_options(options)
  if options == nil then
    return false, nil, nil
  elseif type(options) ~= "table" then
    error("bad argument #2 to 'run' (table expected, got " .. type(options) .. ")", 3)
  end
  local clock, seed = options.clock or "real", options.seed
  if clock ~= "real" and clock ~= "virtual" then
    error("bad argument #2 to 'run' (field 'clock': neither 'real' nor 'virtual')", 3)
  end
  if seed ~= nil and (math.type(seed) ~= "integer" or seed < 0 or seed > 0xffffffff) then
    error("bad argument #2 to 'run' (field 'seed': an integer from 0 to 2^32-1 expected)", 3)
  end
  local timeout = options.timeout
  if timeout ~= nil and (type(timeout) ~= "number" or timeout ~= timeout) then
    error("bad argument #2 to 'run' (field 'timeout': number of seconds expected)", 3)
  end
  return clock == "virtual", seed, timeout
end

local function is_callable(value)
  return type(value) == "function" or (getmetatable(value) or {}).__call ~= nil
end

-- Seeds that are close together give rows that are not: the state of the shuffle
-- is the seed with all its bits spread (the finalizer of MurmurHash3, 32 bits).
local function state_of(seed)
  if seed == 0 then
    return 0
  end
  local x = (seed ~ seed >> 16) * 0x85ebca6b & 0xffffffff
  x = (x ~ x >> 13) * 0xc2b2ae35 & 0xffffffff
  x = x ~ x >> 16
  return x == 0 and 1 or x
end

-- The live tasks that are younger than the one with this id.
local function younger(id)
  local list = {}
  for _, task in ipairs(neap.tasks()) do
    if task.id > id then
      list[#list + 1] = task
    end
  end
  return list
end

local function dump()
  local pieces = {}
  neap.dump({
    write = function(_, text)
      pieces[#pieces + 1] = text
    end,
  })
  return table.concat(pieces)
end

local function plural(n, noun)
  return ("%d %s%s"):format(n, noun, n == 1 and "" or "s")
end

-- What is alive since `before`, when all that can end by itself has: a message
-- with the dump, or nil; and the tasks.
local function left_over(before)
  core.settle()
  collectgarbage()
  collectgarbage() -- finalizers may have made garbage of more
  core.settle()
  local tasks, handles = younger(before.id), core.handles() - before.handles
  if #tasks == 0 and handles <= 0 then
    return nil, tasks
  end
  return ("left over: %s, %s\n%s"):format(plural(#tasks, "task"),
    plural(math.max(handles, 0), "handle"), dump()), tasks
end

-- Ends what a test has left, so that the next one does not meet it.
local function clear(tasks)
  for _, task in ipairs(tasks) do
    task:cancel("left over by a test")
  end
  core.settle()
  for _, task in ipairs(tasks) do
    task:wait(0) -- its failure, if that came of it, is heard
  end
end

-- A failure's value with what is needed to see it again. Other values than
-- strings are the test framework's own, and stay as they are.
local function explain(err, seed)
  if type(err) == "string" and seed and seed ~= 0 then
    return ("%s\n(neap.testing.run with seed = %d)"):format(err, seed)
  end
  return err
end

-- Waits for the test's task: true and its results, or false and its error. An
-- error of the wait itself (a deadlock, a cancellation of the caller) is one, and
-- so is the end of its time.
local function outcome_of(task, timeout)
  local outcome = table.pack(pcall(task.wait, task, timeout))
  if not outcome[1] then
    return false, outcome[2]
  elseif outcome[2] == nil then
    return false, ("%s\n%s"):format(outcome[3], dump())
  end
  return table.unpack(outcome, 2, outcome.n)
end

local function finish(saved, before, ...)
  local left, tasks
  neap.shield(function()
    left, tasks = left_over(before)
    clear(tasks)
  end)
  core.clock(saved.virtual)
  core.seed(saved.seed)
  running = false
  local unheard = core.unheard()
  if not ... then
    return false, (select(2, ...))
  elseif unheard or left then
    return false, unheard or left
  end
  return ...
end

local function results(seed, ok, ...)
  if ok then
    return ...
  end
  error(explain((...), seed), 0)
end

function testing.run(fn, options)
  if not is_callable(fn) then
    error("bad argument #1 to 'run' (function expected, got " .. type(fn) .. ")", 2)
  end
  local virtual, seed, timeout = check_options(options)
  if running then
    error("neap.testing.run is running already", 2)
  end
  local before = { id = 0, handles = core.handles() }
  for _, task in ipairs(neap.tasks()) do
    before.id = math.max(before.id, task.id)
  end
  local saved = { virtual = core.clock(virtual), seed = core.seed(seed and state_of(seed) or 0) }
  running = true
  local task = neap.spawn({ name = "test", detached = true, quiet = true }, fn)
  return results(seed, finish(saved, before, outcome_of(task, timeout)))
end

function testing.settle()
  if not core.settle() then
    error("the other tasks do not settle:\n" .. dump(), 2)
  end
end

return testing
