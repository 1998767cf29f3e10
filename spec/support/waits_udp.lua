-- The rows of UDP sockets: see waits.lua.
local net = require("neap.net")

local rows = {}

rows["udp:recv"] = function()
  local socket = assert(net.udp("127.0.0.1", 0))
  local sender = assert(net.udp("127.0.0.1", 0))
  local host, port = socket:address()
  local function recv(seconds)
    return socket:recv(seconds)
  end
  return {
    wait = recv,
    value = "text",
    complete = function()
      assert(sender:send("text", host, port))
    end,
    timeout = recv,
    close = function()
      socket:close()
      sender:close()
    end,
  }
end

-- A look-up is a job in the pool: it may be over before anybody can cancel it.
local function with_socket(call)
  return function()
    local socket = assert(net.udp("*", 0))
    local _, port = socket:address()
    return {
      wait = function()
        return call(socket, port)
      end,
      value = true,
      finishes = true,
      close = function()
        socket:close()
      end,
    }
  end
end

rows["udp:send"] = with_socket(function(socket, port)
  return socket:send("text", "localhost", port)
end)

rows["udp:connect"] = with_socket(function(socket, port)
  return socket:connect("localhost", port)
end)

rows["net.udp"] = with_socket(function()
  local socket <close> = assert(net.udp("localhost", 0))
  return socket:address() ~= nil
end)

return rows
