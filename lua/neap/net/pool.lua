-- net.pool: connections that are used again. Loaded by neap.net at first use.
--
-- A connection that is in use belongs to a lease. Only `release` gives it back
-- to the pool; all other ways out, an error or a cancellation in the middle of
-- an exchange included, close it: nobody gets a connection on which a stranger's
-- answer is still to come. For each host a semaphore counts the leases, so that
-- those who wait are served first come, first served.

local neap = require("neap")
local net = require("neap.net")

---@class neap.net.pool.Host
---@field units neap.semaphore? one for each lease; nil: no limit

---@class neap.net.pool.Idle
---@field conn neap.conn
---@field since number neap.now() when it was released
---@field host neap.net.pool.Host

local Pool = { __name = "neap.net.pool" }
Pool.__index = Pool

local Lease = { __name = "neap.net.lease" }
Lease.__index = Lease

-- A positive number, or an integer, or nil for none.
local function check_option(options, name, kind)
  local value = options[name]
  local good = value == nil or (kind == "integer" and math.type(value) == "integer" and value >= 1)
    or (kind == "seconds" and type(value) == "number" and value >= 0)
    or (kind == "function" and type(value) == "function")
  if not good then
    error(("bad field '%s' in the options of net.pool (%s expected, got %s)"):format(name,
      kind == "integer" and "positive integer" or kind, tostring(value)), 4)
  end
  return value
end

-- Nothing may be on its way: neither bytes that nobody has asked for, nor the end.
local function is_quiet(conn)
  if conn:buffered() ~= 0 then
    return false
  end
  conn:settimeout(0)
  local _, _, code = conn:peek(1)
  conn:settimeout(math.huge, math.huge)
  return code == "ETIMEDOUT"
end

-- Connections that were idle for too long, from the oldest on.
local function drop_stale(pool)
  local idle = pool.idle_list
  while idle[1] and neap.now() - idle[1].since >= pool.idle_timeout do
    table.remove(idle, 1).conn:close()
  end
end

-- The one that was released last to that host, or nil.
local function newest(pool, host)
  for at = #pool.idle_list, 1, -1 do
    if pool.idle_list[at].host == host then
      return table.remove(pool.idle_list, at).conn
    end
  end
end

-- The host's newest idle connection that still lives, or nil.
local function take_idle(pool, host)
  local conn = newest(pool, host)
  while conn do
    -- Nobody else has it while this looks, which may wait.
    local ok, quiet = pcall(is_quiet, conn)
    if ok and quiet then
      return conn
    end
    conn:close()
    if not ok then
      error(quiet, 0)
    end
    conn = newest(pool, host)
  end
end

local function host_of(pool, name, port)
  local key = name .. "\0" .. tostring(port)
  local host = pool.hosts[key]
  if not host then
    host = { units = pool.max_per_host and neap.semaphore(pool.max_per_host) }
    pool.hosts[key] = host
  end
  return host
end

-- The options for connecting, with what is left of the time.
local function left(options, due)
  local copy = {}
  for name, value in pairs(options or {}) do
    copy[name] = value
  end
  copy.timeout = due and math.max(due - neap.now(), 0)
  return copy
end

local function open(pool, host, name, port, options, due)
  local conn = take_idle(pool, host)
  if conn then
    return conn
  end
  return pool.connect(name, port, left(options, due))
end

local function closed()
  return nil, "pool is closed", "EBADF"
end

function Pool:acquire(name, port, options)
  if type(name) ~= "string" then
    error(("bad argument #1 to 'acquire' (string expected, got %s)"):format(type(name)), 2)
  elseif options ~= nil and type(options) ~= "table" then
    error(("bad argument #3 to 'acquire' (table expected, got %s)"):format(type(options)), 2)
  end
  if self.is_closed then
    return closed()
  end
  local timeout = options and options.timeout
  local due = timeout and neap.now() + timeout
  drop_stale(self)
  local host = host_of(self, name, port)
  local lease = setmetatable({ pool = self, host = host }, Lease)
  if host.units then
    local permit, message, code = host.units:acquire(timeout or math.huge)
    if not permit then
      return nil, message, code
    end
    lease.permit = permit
  end
  local ok, conn, message, code = pcall(open, self, host, name, port, options, due)
  if ok and conn and not self.is_closed then
    lease.conn = conn
    return lease
  end
  lease:close()
  if not ok then
    error(conn, 0)
  elseif conn then
    conn:close()
    return closed()
  end
  return nil, message, code
end

function Pool:idle()
  return #self.idle_list
end

function Pool:close()
  self.is_closed = true
  while self.idle_list[1] do
    table.remove(self.idle_list).conn:close()
  end
  return true
end

Pool.__close = Pool.close

function Pool:__tostring()
  return ("pool (%d idle%s)"):format(#self.idle_list, self.is_closed and ", closed" or "")
end

-- Lets the host's next one in.
local function leave(lease)
  local permit = lease.permit
  lease.conn, lease.permit = nil, nil
  if permit then
    permit:release()
  end
end

function Lease:release()
  local conn, pool, host = self.conn, self.pool, self.host
  if not conn then
    return true
  end
  -- What is unread would be the answer of the next one's question.
  local usable = not pool.is_closed and conn:buffered() == 0
  if usable then
    table.insert(pool.idle_list, { conn = conn, since = neap.now(), host = host })
  else
    conn:close()
  end
  leave(self)
  if #pool.idle_list > pool.max_idle then
    table.remove(pool.idle_list, 1).conn:close()
  end
  return true
end

function Lease:close()
  if self.conn then
    self.conn:close()
  end
  leave(self)
  return true
end

Lease.__close = Lease.close

function Lease:__tostring()
  return self.conn and ("lease (%s)"):format(tostring(self.conn)) or "lease (ended)"
end

return function(options)
  options = options or {}
  return setmetatable({
    max_idle = check_option(options, "max_idle", "integer") or 16,
    max_per_host = check_option(options, "max_per_host", "integer"),
    idle_timeout = check_option(options, "idle_timeout", "seconds") or 60,
    connect = check_option(options, "connect", "function") or net.connect,
    hosts = {},
    idle_list = {}, -- in the order in which they were released
    is_closed = false,
  }, Pool)
end
