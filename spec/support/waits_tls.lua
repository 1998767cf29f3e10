-- The rows of neap.tls: see waits.lua.
local neap = require("neap")
local net = require("neap.net")
local tls = require("neap.tls")
local certs = require("spec.support.certs")

local rows = {}

-- A server that says nothing until row.complete is called; then it does its part
-- with the first connection whose client is still there.
local function stalled(row)
  local server = assert(net.listen("127.0.0.1", 0))
  local _, port = server:address()
  local context = assert(tls.context(certs.server("server", { server = true })))
  local tasks = {}
  function row.complete()
    tasks[#tasks + 1] = neap.spawn(function()
      local done
      repeat
        local conn <close> = server:accept()
        done = not conn or conn:starttls({ server = true, context = context })
        if conn and done then
          conn:read("a")
        end
      until done
    end)
  end
  local close = row.close
  function row.close()
    if close then
      close()
    end
    server:close()
    for _, task in ipairs(tasks) do
      task:wait()
    end
  end
  return port
end

rows["tls.connect"] = function()
  local row = {}
  local port = stalled(row)
  local function connect(timeout)
    local conn, message, code = tls.connect("127.0.0.1", port,
      { ca = certs.path("ca.pem"), timeout = timeout })
    if conn then
      conn:close()
      return true
    end
    return conn, message, code
  end
  row.wait, row.value, row.timeout = connect, true, connect
  return row
end

rows["conn:starttls"] = function()
  local row, conn = { half_done = true, value = true }, nil
  function row.close()
    conn:close()
  end
  local port = stalled(row)
  conn = assert(net.connect("127.0.0.1", port))
  local options = { ca = certs.path("ca.pem"), servername = "localhost" }
  function row.wait()
    return conn:starttls(options)
  end
  -- A try is a connection's last.
  function row.timeout(seconds)
    conn:close()
    conn = assert(net.connect("127.0.0.1", port))
    return conn:starttls({ verify = false, timeout = seconds })
  end
  return row
end

-- A server's connection whose client says nothing until it is told to.
local function accepted(row)
  local server = assert(tls.listen("127.0.0.1", 0, certs.server("server")))
  local _, port = server:address()
  local peer = assert(net.connect("127.0.0.1", port))
  local conn = assert(server:accept())
  local shaking
  function row.complete()
    shaking = shaking or neap.spawn(peer.starttls, peer, { verify = false })
  end
  function row.close()
    for _, handle in ipairs({ peer, conn, server }) do
      handle:close()
    end
    if shaking then
      shaking:wait()
    end
  end
  return conn
end

rows["conn:handshake"] = function()
  local row = { value = true }
  local conn = accepted(row)
  function row.wait(seconds)
    return conn:handshake(seconds)
  end
  row.timeout = row.wait
  return row
end

rows["conn:info"] = function()
  local row = {}
  local conn = accepted(row)
  function row.wait()
    return conn:info()
  end
  function row.value(info)
    return info.version == "TLSv1.3"
  end
  return row
end

-- Loading is a job in the pool: it may be over before anybody can cancel it.
rows["tls.context"] = function()
  return {
    wait = function()
      return tls.context({ ca = certs.path("ca.pem") }) ~= nil
    end,
    value = true,
    finishes = true,
  }
end

rows["tls.listen"] = function()
  return {
    wait = function()
      local server <close> = assert(tls.listen("127.0.0.1", 0, certs.server("server")))
      return server ~= nil
    end,
    value = true,
    finishes = true,
  }
end

rows["server:reload"] = function()
  local server = assert(tls.listen("127.0.0.1", 0, certs.server("server")))
  return {
    wait = function()
      return server:reload(certs.server("renewed"))
    end,
    value = true,
    finishes = true,
    close = function()
      server:close()
    end,
  }
end

return rows
