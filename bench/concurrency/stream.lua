-- Prints the CPU time per message of a stream from one task to another through a
-- channel, in ns.
-- usage: stream.lua capacity

local MESSAGES = 4000000 -- about a third of a second

local neap = require("neap")
local channel = neap.channel(math.tointeger(arg[1]))
local send = channel.send
local sum = 0

local begun = os.clock()
neap.spawn(function()
  for i = 1, MESSAGES do
    send(channel, i)
  end
  channel:close()
end)
neap.spawn(function()
  for value in channel do
    sum = sum + value
  end
end)
neap.run()
local took = os.clock() - begun
assert(sum == MESSAGES * (MESSAGES + 1) // 2)
print(took / MESSAGES * 1e9)
