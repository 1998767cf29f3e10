-- A TLS echo server, and a client that talks to it: lines come back in capitals.
-- Both are here; each also talks to others, as openssl s_client.
--
--   lua5.4 examples/tls_echo.lua serve CERT KEY [PORT]   (0, the default: any)
--   lua5.4 examples/tls_echo.lua talk HOST PORT [CA]     lines from stdin
--
-- A certificate to try it with:
--   openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem \
--     -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost

local neap = require("neap")
local tls = require("neap.tls")

local commands = {}

function commands.serve(cert, key, port)
  local server <close> = assert(tls.listen("127.0.0.1", tonumber(port or 0),
    { cert = cert, key = key }))
  print(("serving on %s:%d"):format(server:address()))
  io.stdout:flush()
  server:serve(function(conn)
    local info, message = conn:info() -- waits for the handshake
    if not info then
      return print("no handshake: " .. message)
    end
    print(("%s by %s, %s"):format(conn:peer(), info.version, info.cipher))
    while true do
      local line
      line, message = conn:read("l")
      if not line then
        -- An end without close_notify is a failure: the text may have been cut.
        return message and print("cut off: " .. message)
      end
      conn:write(line:upper(), "\n")
    end
  end)
end

function commands.talk(host, port, ca)
  local conn <close> = assert(tls.connect(host, tonumber(port), { ca = ca, timeout = 10 }))
  for line in io.lines() do
    assert(conn:write(line, "\n"))
    print(conn:read("l"))
  end
  conn:shutdown() -- close_notify: no more will come
  assert(conn:read("a") == "")
end

local command = commands[arg[1]]
if not command then
  io.stderr:write("usage: tls_echo.lua serve CERT KEY [PORT] | talk HOST PORT [CA]\n")
  os.exit(2)
end
command(table.unpack(arg, 2))
neap.run()
