-- A TCP proxy with a live throughput line on stderr:
--   lua5.4 examples/proxy.lua host:port [listen port]     then   nc localhost PORT
-- Port 0 takes any free one; the first line says which. Ctrl-C ends it.
local neap = require("neap")
local net = require("neap.net")

local host, port = (arg[1] or ""):match("^%[?(.-)%]?:(%d+)$")
if not host then
  io.stderr:write("usage: proxy.lua host:port [listen port]\n")
  os.exit(1)
end

local server = assert(net.listen("127.0.0.1", tonumber(arg[2] or 7008)))
local _, listening = server:address()
print(("proxy to %s on 127.0.0.1:%d"):format(arg[1], listening))
io.stdout:flush()

local open, up, down = 0, 0, 0 -- connections; bytes to the target, and back

-- One connection: to the target and back, until both sides have ended. The
-- connection itself is closed by serve.
local function pass(client)
  local target <close> = assert(net.connect(host, tonumber(port), { timeout = 10 }))
  local sent, got = 0, 0
  open = open + 1
  local function count(to_target, to_client)
    up, down = up + to_target - sent, down + to_client - got
    sent, got = to_target, to_client
  end
  local ok, message = net.relay(client, target, { progress = count })
  open = open - 1
  if not ok then
    io.stderr:write(("\n%s\n"):format(message))
  end
end

-- What went through in each second, on one line that is written over.
neap.spawn({ detached = true }, function()
  local last_up, last_down, last = 0, 0, neap.now()
  for _ in neap.every(1) do
    local now = neap.now()
    local per_second = 1 / (now - last) / 1e6
    io.stderr:write(("\r%d open, %.1f MB/s up, %.1f MB/s down "):format(open,
      (up - last_up) * per_second, (down - last_down) * per_second))
    last_up, last_down, last = up, down, now
  end
end)

assert(server:serve(pass, {
  on_error = function(err)
    io.stderr:write(("\n%s\n"):format(err))
  end,
}))
