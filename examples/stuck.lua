-- A program that gets stuck, and what neap says about it: two workers each take
-- two locks, in different orders, and wait for each other for ever.
-- usage: lua5.4 examples/stuck.lua
--
-- The error names the circle ("task 2 left waits for task 3 right, which waits
-- for task 2 left") and shows every task with what it waits for, since when and
-- where.
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
