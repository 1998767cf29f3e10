-- What callgrind counts: a CPU-bound script, with or without preemption at 10 ms.
-- Prints nothing.
-- usage: preempt_cost.lua on|off

local neap = require("neap")

-- Under valgrind the main stack is mapped as it is used, and for a signal it can't
-- be: uses some of it.
local function deep(n)
  return n == 0 and "" or ("x"):gsub("x", function()
    return deep(n - 1)
  end)
end
deep(100)

if arg[1] == "on" then
  neap.preempt(0.01)
end

local function fib(n)
  return n < 2 and n or fib(n - 1) + fib(n - 2)
end

local words = {}
for i = 1, 20000 do
  words[i] = tostring(i * 7919 % 10007)
end
table.sort(words)
assert(fib(24) == 46368)
local generator = coroutine.wrap(function()
  for i = 1, 20000 do
    coroutine.yield(i)
  end
end)
for _ = 1, 20000 do
  generator()
end
assert(#table.concat(words) > 0)
