-- net.pool: connections that are used again, and those that must not be.
local neap = require("neap")
local net = require("neap.net")
local support = require("spec.support")

-- A server that answers each line with its connection's number and the line;
-- "bye" it answers and closes, "twice" it answers twice.
local function serve()
  local server = assert(net.listen("127.0.0.1", 0))
  local state = { accepted = 0, open = {} }
  state.server = server
  state.port = select(2, server:address())
  state.task = neap.spawn(function()
    server:serve(function(conn)
      state.accepted = state.accepted + 1
      local number = state.accepted
      state.open[number] = conn
      while true do
        local line = conn:read("l") -- nil also when the client has closed in the middle
        if not line then
          break
        end
        local answer = number .. " " .. line .. "\n"
        conn:write(line == "twice" and answer:rep(2) or answer)
        if line == "bye" then
          break
        end
      end
      state.open[number] = nil
    end)
  end)
  return setmetatable(state, { __close = function()
    server:shutdown(0)
    state.task:wait()
  end })
end

local function ask(pool, port, line)
  local lease <close> = assert(pool:acquire("127.0.0.1", port))
  assert(lease.conn:write(line, "\n"))
  local answer = assert(lease.conn:read("l"))
  lease:release()
  return answer
end

local function in_run(fn)
  return function()
    neap.run(fn)
  end
end

describe("net.pool", function()
  it("uses the last connection again", in_run(function()
    local s <close> = serve()
    local pool <close> = net.pool()
    assert.equal("1 a", ask(pool, s.port, "a"))
    assert.equal("1 b", ask(pool, s.port, "b"))
    assert.equal(1, pool:idle())
    local one <close> = pool:acquire("127.0.0.1", s.port)
    local two <close> = pool:acquire("127.0.0.1", s.port)
    assert.equal(0, pool:idle())
    one:release()
    two:release()
    assert.equal(2, pool:idle())
    assert.equal("2 c", ask(pool, s.port, "c")) -- the newest
  end))

  it("never gives a connection on which an answer may be under way", in_run(function()
    local s <close> = serve()
    local pool <close> = net.pool()
    -- An error in the middle.
    assert.has_error(function()
      local lease <close> = pool:acquire("127.0.0.1", s.port)
      lease.conn:write("a\n")
      error("oops")
    end, "oops")
    assert.equal(0, pool:idle())
    -- More than was read, received before and after the release.
    assert.equal("2 twice", ask(pool, s.port, "twice"))
    support.settle()
    assert.equal("3 a", ask(pool, s.port, "a"))
    -- The peer is gone.
    assert.equal("3 bye", ask(pool, s.port, "bye"))
    while s.open[3] do
      neap.yield()
    end
    support.settle() -- it is closed as well
    assert.equal("4 a", ask(pool, s.port, "a"))
    -- A cancellation in the middle.
    local task = neap.spawn(function()
      local lease <close> = pool:acquire("127.0.0.1", s.port)
      lease.conn:read("l")
    end)
    support.settle()
    task:cancel()
    task:wait()
    assert.equal(0, pool:idle())
  end))

  it("lets so many in at a time, in the order in which they came", in_run(function()
    local s <close> = serve()
    local pool <close> = net.pool({ max_per_host = 2 })
    local first = assert(pool:acquire("127.0.0.1", s.port))
    local second = assert(pool:acquire("127.0.0.1", s.port))
    local order = {}
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = neap.spawn(function()
        local lease <close> = assert(pool:acquire("127.0.0.1", s.port))
        order[#order + 1] = i
        lease:release()
      end)
      support.settle()
    end
    local lease, message, code = pool:acquire("127.0.0.1", s.port, { timeout = 0 })
    assert.same({ nil, "timed out after 0 s", "ETIMEDOUT" }, { lease, message, code })
    assert.same({}, order)
    second:close() -- one unit for the three, one after the other
    for _, task in ipairs(tasks) do
      task:join()
    end
    assert.same({ 1, 2, 3 }, order)
    first:release()
    -- Another host is not counted in.
    local other <close> = serve()
    local a <close> = pool:acquire("127.0.0.1", s.port)
    local b <close> = pool:acquire("127.0.0.1", s.port)
    local c <close> = pool:acquire("127.0.0.1", other.port)
    assert(a and b and c)
  end))

  it("gives the place of a failed connect to the next", in_run(function()
    local made, there = net.pair()
    local answers = { { nil, "no", "ECONNREFUSED" }, "raise", { made } }
    local pool <close> = net.pool({
      max_per_host = 1,
      connect = function(host, port, options)
        assert.same({ "name", 7, 30 }, { host, port, options.timeout and options.nodelay })
        local answer = table.remove(answers, 1)
        if answer == "raise" then
          error({ "raised" })
        end
        return table.unpack(answer, 1, 3)
      end,
    })
    local options = { timeout = 60, nodelay = 30 }
    assert.same({ nil, "no", "ECONNREFUSED" }, { pool:acquire("name", 7, options) })
    local ok, err = pcall(pool.acquire, pool, "name", 7, options)
    assert.is_false(ok)
    assert.same({ "raised" }, err)
    local lease <close> = pool:acquire("name", 7, options)
    assert.equal(made, lease.conn)
    there:close()
  end))

  it("keeps so many idle ones, the newest, and none for too long", in_run(function()
    local s <close> = serve()
    local pool <close> = net.pool({ max_idle = 2 })
    local leases = {}
    for i = 1, 3 do
      leases[i] = assert(pool:acquire("127.0.0.1", s.port))
    end
    local oldest = leases[1].conn
    for i = 1, 3 do
      leases[i]:release()
    end
    assert.equal(2, pool:idle())
    assert.equal("EBADF", select(3, oldest:read("l")))
    local brief <close> = net.pool({ idle_timeout = 0 })
    assert.equal("a", ask(brief, s.port, "a"):sub(-1))
    assert.equal(1, brief:idle())
    local before = s.accepted
    ask(brief, s.port, "b")
    assert.equal(before + 1, s.accepted)
  end))

  it("closes", in_run(function()
    local s <close> = serve()
    local pool = net.pool()
    ask(pool, s.port, "a")
    local lease = assert(pool:acquire("127.0.0.1", s.port))
    local other = assert(pool:acquire("127.0.0.1", s.port))
    other:release()
    assert.equal("pool (1 idle)", tostring(pool))
    assert.is_true(pool:close())
    assert.is_true(pool:close())
    assert.equal("pool (0 idle, closed)", tostring(pool))
    assert.same({ nil, "pool is closed", "EBADF" }, { pool:acquire("127.0.0.1", s.port) })
    local conn = lease.conn
    assert.is_true(lease:release())
    assert.is_true(lease:release())
    assert.equal("lease (ended)", tostring(lease))
    assert.equal("EBADF", select(3, conn:read("l")))
    assert.equal(0, pool:idle())
  end))

  it("refuses what makes no sense", function()
    for name, bad in pairs({
      max_idle = { 0, -1, 1.5, "1", true }, max_per_host = { 0, 2.5, "x" },
      idle_timeout = { -1, 0 / 0, "x" }, connect = { 1, "x", {} },
    }) do
      for _, value in ipairs(bad) do
        local ok, err = pcall(net.pool, { [name] = value })
        assert.is_false(ok, name .. " = " .. tostring(value))
        assert(err:find(name, 1, true), err)
      end
    end
    assert.has_error(function() net.pool(1) end)
    local pool <close> = net.pool()
    assert.has_error(function() pool:acquire() end)
    assert.has_error(function() pool:acquire("x", 1, 2) end)
  end)
end)
