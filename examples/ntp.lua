-- What time is it? A client and a server of the simple network time protocol
-- (SNTP: RFC 4330, RFC 5905 section 14).
--   lua5.4 examples/ntp.lua                  a server of its own on loopback,
--                                            whose clock is 2.5 s ahead
--   lua5.4 examples/ntp.lua pool.ntp.org     another one
local neap = require("neap")
local net = require("neap.net")

-- Fields of a packet: leap, version and mode; stratum; poll; precision; root
-- delay and dispersion; reference; four times: when the server's clock was set,
-- when the client sent, when the server received, when it answered.
local packet = ">BBbbI4I4c4I8I8I8I8"

-- Times are seconds since 1900 with 32 bits behind the point. The 32 bits before
-- it start anew in 2036; RFC 4330 section 3: without the first bit it is after.
local since_1900 = 2208988800

local function pack_time(t)
  local seconds = math.floor(t)
  return (seconds + since_1900) << 32 | math.floor((t - seconds) * 2 ^ 32)
end

local function unpack_time(n)
  local seconds = n >> 32
  if seconds < 2 ^ 31 then
    seconds = seconds + 2 ^ 32
  end
  return seconds - since_1900 + (n & 0xffffffff) / 2 ^ 32
end

-- A clock with fractions: the system's seconds, and neap's time since.
local started, base = neap.now(), os.time()

local function clock()
  return base + neap.now() - started
end

-- Answers every request until the socket is closed.
local function serve(socket, now)
  while true do
    local request, host, port = socket:recv()
    if not request then
      return host, port -- closed
    end
    local received = now()
    if #request >= 48 then
      local first = request:byte()
      local version, mode = first >> 3 & 7, first & 7
      if mode == 3 and version >= 1 and version <= 4 then
        local sent = string.unpack(">I8", request, 41) -- comes back as it is
        socket:send(packet:pack(version << 3 | 4, 1, 6, -20, 0, 0, "LOCL",
          pack_time(base), sent, pack_time(received), pack_time(now())), host, port)
      end
    end
  end
end

-- What is wrong with an answer, or nil (RFC 4330 section 5).
local function problem(answer, sent)
  if #answer < 48 then
    return "a short packet"
  end
  local first, stratum, _, _, _, _, reference, _, originate, _, transmit = packet:unpack(answer)
  if first & 7 ~= 4 then
    return "not a server's packet"
  elseif originate ~= sent then
    return "an answer to something else"
  elseif stratum == 0 then
    return "go away: " .. reference
  elseif first >> 6 == 3 or stratum > 15 then
    return "a server that does not know the time"
  elseif transmit == 0 then
    return "no time"
  end
end

-- By how much the server's clock is ahead of ours, and how long the way there and
-- back took, in seconds. Datagrams may be lost: it is asked up to three times.
local function query(host, port)
  local socket <close> = assert(net.udp())
  local ok, message = socket:connect(host, port, 5) -- receives from it alone
  if not ok then
    return nil, message
  end
  for _ = 1, 3 do
    local t1 = clock()
    local sent = pack_time(t1)
    ok, message = socket:send(packet:pack(4 << 3 | 3, 0, 0, 0, 0, 0, "\0\0\0\0", 0, 0, 0, sent))
    local answer
    if ok then
      answer, message = socket:recv(1)
    end
    if answer then
      local t4 = clock()
      message = problem(answer, sent)
      if not message then
        local t2, t3 = string.unpack(">I8I8", answer, 33)
        t2, t3 = unpack_time(t2), unpack_time(t3)
        return ((t2 - t1) + (t3 - t4)) / 2, (t4 - t1) - (t3 - t2)
      end
    end
  end
  return nil, message
end

local host, port = arg[1], tonumber(arg[2] or 123)
local own
if not host then
  own = assert(net.udp("127.0.0.1", 0))
  host, port = own:address()
  neap.spawn(serve, own, function()
    return clock() + 2.5
  end)
end

local offset, delay = query(host, port)
if own then
  own:close()
end
if not offset then
  print(host .. ": " .. delay)
  os.exit(1, true)
end
print(("%s is ahead by %.3f s; there and back in %.3f ms"):format(host, offset, delay * 1000))
