-- Prints the longest time, in ms of CPU, for which 64 tasks that read cached
-- files keep another one from its turn.
-- usage: stall.lua file...

local neap = require("neap")

local TASKS, READS = 64, 2000

local tasks = {}
for t = 1, TASKS do
  tasks[t] = neap.spawn(function()
    for i = t, READS do
      assert(neap.fs.readfile(arg[1 + i % #arg]))
    end
  end)
end

local longest, last = 0, os.clock()
while tasks[1]:status() ~= "done" do
  neap.yield()
  local now = os.clock()
  longest = math.max(longest, now - last)
  last = now
end
for _, task in ipairs(tasks) do
  task:join()
end
print(longest * 1e3)
