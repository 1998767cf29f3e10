-- TLS: an echo server's CPU time per message of 16 KiB, one record.
local harness = require("harness")

local CONNECTIONS, MESSAGES = 16, 32000

-- A certificate that both servers show, made at the first run.
local folder

local function certificate()
  if not folder then
    folder = os.tmpname()
    assert(os.remove(folder))
    assert(os.execute(harness.command("mkdir", folder)))
    assert(os.execute(([[openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
      -keyout %s/key -out %s/cert -days 2 -subj /CN=localhost 2>%s/log]]):format(folder, folder,
      folder)))
    setmetatable(harness, { __gc = function()
      os.execute(harness.command("rm", "-r", folder))
    end })
  end
  return folder .. "/cert", folder .. "/key"
end

-- The load goes to the port in the server's first line; the second is the CPU
-- time it took.
local function echo(make)
  return function()
    local server = make(CONNECTIONS, certificate())
    local out = harness.start(server)
    local port = math.tointeger(harness.number(out, server))
    local client = harness.command(harness.peers .. "load_tls", port, CONNECTIONS, MESSAGES)
    harness.finish(harness.start(client), client)
    local seconds = harness.number(out, server)
    harness.finish(out, server)
    return seconds / MESSAGES * 1e6
  end
end

return {
  {
    name = "tls",
    title = "TLS echo of 16 KiB, server CPU a message",
    unit = "us",
    neap = echo(function(...)
      return harness.lua("net/echo_tls.lua", ...)
    end),
    peer = echo(function(...)
      return harness.command(harness.peers .. "echo_tls", ...)
    end),
    peer_name = "libuv and OpenSSL in C",
    most = 1 / 0.9,
  },
}
