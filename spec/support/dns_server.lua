-- A name server in tasks of its own, on the loopback interface: UDP (LuaSocket's
-- socket, waited for by neap.wait_fd) and TCP (neap.net) on one port. What it
-- answers is the caller's to say, right or wrong.
local neap = require("neap")
local net = require("neap.net")
local socket = require("socket")

local dns_server = {}

dns_server.types = {
  A = 1, NS = 2, CNAME = 5, PTR = 12, MX = 15, TXT = 16, AAAA = 28, SRV = 33, OPT = 41, CAA = 257,
}

local names = {}
for name, number in pairs(dns_server.types) do
  names[number] = name
end

dns_server.rcodes = {
  NOERROR = 0, FORMERR = 1, SERVFAIL = 2, NXDOMAIN = 3, NOTIMP = 4, REFUSED = 5,
}

--- A name as it is sent.
---@param name string
---@return string
local function encode_name(name)
  local parts = {}
  for label in name:gmatch("[^.]+") do
    parts[#parts + 1] = string.pack("s1", label)
  end
  return table.concat(parts) .. "\0"
end
dns_server.encode_name = encode_name

-- The data of a record, by type: what stands behind its type in an answer.
local data = {}

function data.A(address)
  return string.char(address:match("(%d+)%.(%d+)%.(%d+)%.(%d+)"))
end

-- All eight groups written out.
function data.AAAA(address)
  return (address:gsub("(%x+):?", function(group)
    return string.pack(">I2", tonumber(group, 16))
  end))
end

data.NS, data.CNAME, data.PTR = encode_name, encode_name, encode_name

function data.MX(priority, target)
  return string.pack(">I2", priority) .. encode_name(target)
end

function data.SRV(priority, weight, port, target)
  return string.pack(">I2I2I2", priority, weight, port) .. encode_name(target)
end

function data.TXT(...)
  local parts = {}
  for i, text in ipairs({ ... }) do
    parts[i] = string.pack("s1", text)
  end
  return table.concat(parts)
end

function data.CAA(flags, tag, value)
  return string.char(flags) .. string.pack("s1", tag) .. value
end

function data.raw(bytes)
  return bytes
end

--- A record: { name, ttl, type, ... as data.<type> takes }.
local function encode_record(record)
  local name, ttl, kind = table.unpack(record, 1, 3)
  local number = dns_server.types[record.as or kind]
  return encode_name(name)
    .. string.pack(">I2I2I4s2", number, 1, ttl, data[kind](table.unpack(record, 4)))
end

-- The question of a message.
local function decode(message)
  local id, at, labels = string.unpack(">I2", message), 13, {}
  while message:byte(at) ~= 0 do
    labels[#labels + 1], at = string.unpack("s1", message, at)
  end
  local number = string.unpack(">I2", message, at + 1)
  return { id = id, name = table.concat(labels, "."), type = names[number] or number,
    question = message:sub(13, at + 4) }
end

--- What answer(query) returns: nil, no answer; a string, those bytes; else a list of
--- records { name, ttl, type, data... } with fields rcode ("NXDOMAIN"), truncated,
--- id, question: all right unless they are given.
local function encode(query, answer)
  if type(answer) ~= "table" then
    return answer
  end
  local parts = {}
  for i, record in ipairs(answer) do
    parts[i] = encode_record(record)
  end
  local flags = 0x8180 | dns_server.rcodes[answer.rcode or "NOERROR"]
    | (answer.truncated and 0x200 or 0)
  return string.pack(">I2I2I2I2I2I2", answer.id or query.id, flags, 1, #parts, 0, 0)
    .. (answer.question or query.question) .. table.concat(parts)
end

-- Answers a message that came by "udp" or "tcp".
function dns_server.respond(server, message, transport)
  local query = decode(message)
  query.transport = transport
  server.queries[#server.queries + 1] = query
  return encode(query, server.answer(query))
end

local function serve_udp(server)
  while true do
    neap.wait_fd(server.udp:getfd(), "r")
    local message, host, port = server.udp:receivefrom()
    if message then
      local answer = dns_server.respond(server, message, "udp")
      if answer then
        server.udp:sendto(answer, host, port)
      end
    end
  end
end

local function serve_tcp(server, conn)
  while true do
    local head = conn:read(2)
    local message = head and #head == 2 and conn:read((string.unpack(">I2", head)))
    if not message then
      return
    end
    local answer = dns_server.respond(server, message, "tcp")
    if answer then
      conn:write(string.pack(">s2", answer))
    end
  end
end

-- One port for both. A free one for TCP may be in use for UDP.
local function open(server)
  for _ = 1, 100 do
    server.tcp = assert(net.listen("127.0.0.1", 0))
    server.port = select(2, server.tcp:address())
    server.udp = assert(socket.udp())
    server.udp:settimeout(0)
    if server.udp:setsockname("127.0.0.1", server.port) then
      return
    end
    server.udp:close()
    server.tcp:close()
  end
  error("no port that is free for UDP and TCP")
end

local meta = {}

function meta.__close(server)
  server.main:cancel()
  server.main:wait()
  server.tcp:close()
  server.udp:close()
end

--- Starts one: `local server <close> = dns_server.start(answer)`; server.address is
--- what dns.query takes, server.queries what it was asked.
---@param answer fun(query: table): table|string|nil
---@return table
function dns_server.start(answer)
  local server = setmetatable({ answer = answer, queries = {} }, meta)
  open(server)
  server.address = ("127.0.0.1:%d"):format(server.port)
  local up = neap.event()
  server.main = neap.spawn({ detached = true, name = "dns server" }, function()
    local scope <close> = neap.scope()
    scope:spawn(serve_udp, server)
    scope:spawn(function()
      server.tcp:serve(function(conn)
        serve_tcp(server, conn)
      end)
    end)
    up:set()
    neap.sleep(math.huge)
  end)
  up:wait()
  return server
end

return dns_server
