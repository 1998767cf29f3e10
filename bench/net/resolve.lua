-- Looks a name up n times, one after the other. Prints the time of one, in us.
-- usage: resolve.lua name n

local neap = require("neap")
local dns = require("neap.dns")

local name, n = arg[1], math.tointeger(arg[2])

assert(dns.resolve(name)) -- the first one starts the pool's threads
local begun = neap.hrtime()
for _ = 1, n do
  if not dns.resolve(name) then
    error("not resolved")
  end
end
print((neap.hrtime() - begun) / n / 1e3)
