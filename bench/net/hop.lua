-- A one-way TCP proxy in neap: connects to a port on the loopback, prints its own,
-- passes one connection's bytes on to their end, and prints the CPU time that
-- took, in s.
-- usage: hop.lua copy|loop port

local neap = require("neap")
local net = require("neap.net")

local how, port = arg[1], math.tointeger(arg[2])

local to = assert(net.connect("127.0.0.1", port))
local server = assert(net.listen("127.0.0.1", 0))
print((select(2, server:address())))
io.stdout:flush()

local begun = os.clock()
local from = assert(server:accept())
server:close()
if how == "copy" then
  assert(net.copy(from, to))
else
  for bytes in function() return from:read_some() end do
    assert(to:write(bytes))
  end
end
assert(to:shutdown())
from:close()
to:close()
neap.run()
print(os.clock() - begun)
