-- A TLS echo server in neap for n connections. Prints its port, and when all have
-- ended the CPU time it took to serve them, in s.
-- usage: echo_tls.lua n cert key

local neap = require("neap")
local tls = require("neap.tls")

local n, cert, key = math.tointeger(arg[1]), arg[2], arg[3]

local function echo(conn)
  while true do
    local bytes = conn:read_some()
    if not bytes then
      break
    end
    assert(conn:write(bytes))
  end
  conn:close()
end

local server = assert(tls.listen("127.0.0.1", 0, { cert = cert, key = key }))
local _, port = server:address()
print(port)
io.stdout:flush()

local begun = os.clock()
for _ = 1, n do
  neap.spawn(echo, assert(server:accept()))
end
server:close()
neap.run()
print(os.clock() - begun)
