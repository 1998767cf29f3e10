-- A program that gets stuck, and what neap says about it.
-- usage: lua5.4 examples/stuck.lua
--
-- A deadlock: two workers each take two locks, in different orders, and wait for
-- each other for ever. The error names the circle ("task 2 left waits for task 3
-- right, which waits for task 2 left") and shows every task with what it waits
-- for, since when and where.
-- A runaway loop: the watchdog names the task that holds all others up, and the
-- line; preemption, switched on then, lets it be cancelled.
local neap = require("neap")

local fork, knife = neap.mutex(), neap.mutex()

local function eat(name, first, second)
  local _ <close> = first:lock()
  neap.sleep(0.01) -- thinks, with one of them in hand
  local _ <close> = second:lock()
  print(name .. " has eaten")
end

local function dinner()
  neap.scope(function(table_)
    table_:spawn({ name = "left" }, eat, "left", fork, knife)
    table_:spawn({ name = "right" }, eat, "right", knife, fork)
  end)
end

-- The main script waits for the scope's end, which nothing can bring any more:
-- that wait raises.
local ok, message = pcall(dinner)
assert(not ok)
io.stderr:write(message, "\n")

-- The same with both taking the fork first ends well.
neap.scope(function(table_)
  local tools = { neap.mutex(), neap.mutex() }
  table_:spawn({ name = "left" }, eat, "left", tools[1], tools[2])
  table_:spawn({ name = "right" }, eat, "right", tools[1], tools[2])
end)

-- Once this one runs, nobody else does: it never waits.
local runaway = neap.spawn({ name = "runaway" }, function()
  local n = 0
  while true do
    n = n + 1
  end
end)
neap.watchdog(0.05, function(task, traceback)
  io.stderr:write(("task %d %s holds the loop\n%s\n"):format(task.id, task.name, traceback))
  neap.preempt(0.01)
  task:cancel("it never waits")
end)
local _, reason = runaway:wait()
print(reason) -- "task 6 was cancelled: it never waits"
