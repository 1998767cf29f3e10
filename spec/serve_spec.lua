-- server:serve and server:shutdown: a task per connection, in a scope.
local neap = require("neap")
local net = require("neap.net")
local process = require("neap.process")
local support = require("spec.support")

-- A server on loopback whose serve runs in a task: server, ask(line), task.
local function serving(handler, options)
  local server = assert(net.listen("127.0.0.1", 0))
  local _, port = server:address()
  local task = neap.spawn({ quiet = true }, server.serve, server, handler, options)
  local function ask(line)
    local conn <close> = assert(net.connect("127.0.0.1", port))
    conn:write(line, "\n") -- may fail: a handler that does not read is quick
    return (conn:read("l"))
  end
  return server, ask, task
end

local function upper(conn)
  conn:write(conn:read("l"):upper(), "\n")
end

describe("server:serve", function()
  it("runs a handler for each connection, at once", function()
    local server, ask, task = serving(upper)
    assert.same({ "A", "B", "C" }, neap.map({ "a", "b", "c" }, ask))
    server:close()
    assert.same({ true }, { task:join() })
  end)

  it("closes a connection when what its handler spawned has ended", function()
    local server, ask, task = serving(function(conn)
      local line = conn:read("l")
      neap.spawn(function()
        neap.sleep(0.001)
        conn:write(line:upper(), "\n")
      end)
    end)
    assert.equal("LATE", ask("late"))
    server:close()
    task:join()
  end)

  it("keeps a handler's error from the others, and reports it", function()
    local seen = {}
    neap.on_error(function(_, err)
      seen[#seen + 1] = err
    end)
    local server, ask, task = serving(function(conn)
      local line = conn:read("l")
      if line == "fail" then
        error("handler", 0)
      end
      neap.yield()
      conn:write(line, "\n")
    end)
    local answers = neap.all_settled({ function()
      return ask("a")
    end, function()
      return ask("fail")
    end, function()
      return ask("b")
    end })
    server:close()
    task:join()
    support.settle()
    neap.on_error(nil)
    assert.same({ "a", nil, "b" }, { answers[1].value, answers[2].value, answers[3].value })
    assert.same({ "handler" }, seen)
  end)

  it("gives an error to on_error, with the connection", function()
    local seen
    local server, ask, task = serving(function()
      error({ 7 })
    end, { on_error = function(err, conn)
      seen = { err, tostring(conn) }
    end })
    assert.is_nil((ask("x")))
    server:close()
    task:join()
    assert.same({ { 7 }, "connection (closed)" }, seen)
  end)

  it("has at most limit handlers alive", function()
    local alive, most = 0, 0
    local server, ask, task = serving(function(conn)
      alive = alive + 1
      most = math.max(most, alive)
      for _ = 1, 5 do
        neap.yield()
      end
      upper(conn)
      alive = alive - 1
    end, { limit = 2 })
    local answers = neap.map({ "a", "b", "c", "d", "e", "f" }, ask)
    assert.same({ "A", "B", "C", "D", "E", "F" }, answers)
    assert.equal(2, most)
    server:close()
    task:join()
  end)

  it("cancels its handlers when it is cancelled, also those not begun", function()
    local ended = 0
    local server, ask, task = serving(function(conn)
      local _ <close> = setmetatable({}, { __close = function()
        ended = ended + 1
      end })
      conn:read("a")
      neap.sleep(math.huge)
    end)
    local client = neap.spawn({ quiet = true }, ask, "x")
    support.settle()
    task:cancel()
    assert.is_false((task:wait()))
    server:close() -- the connection may not have been accepted: it is reset
    local ok, answer = client:wait()
    assert(not ok or answer == nil)
    assert(ended <= 1)
  end)

  it("is refused twice at once, and with bad arguments", function()
    local server, _, task = serving(upper)
    support.settle()
    assert.has_error(function()
      server:serve(upper)
    end, "the server is being served already")
    server:close()
    task:join()
    local other <close> = assert(net.listen("127.0.0.1", 0))
    for _, bad in ipairs({ 1, "x", {} }) do
      assert.is_false((pcall(other.serve, other, bad)))
    end
    for _, options in ipairs({ { limit = 0 }, { limit = 1.5 }, { on_error = 1 } }) do
      local ok, message = pcall(other.serve, other, upper, options)
      assert.is_false(ok)
      assert.matches("field '", message)
    end
  end)

  it("gives a handler the limit of the scope that serve is in", function()
    local server, ask = serving(upper)
    server:close()
    local second = assert(net.listen("127.0.0.1", 0))
    local _, port = second:address()
    local result
    neap.scope(function(s)
      s:spawn(function()
        result = table.pack(neap.timeout(0.002, second.serve, second, function()
          neap.sleep(math.huge)
        end))
      end)
      local conn <close> = assert(net.connect("127.0.0.1", port))
      assert.is_nil((conn:read("l")))
    end)
    second:close()
    assert.equal("ETIMEDOUT", result[3])
    assert.is_function(ask)
  end)
end)

-- fault 64
describe("a peer that is killed with all its connections", function()
  it("ends every handler, and leaves nothing behind", function()
    local count = support.soak and 5000 or 200
    local open, ended = 0, 0
    local full = neap.event()
    local server, _, task = serving(function(conn)
      open = open + 1
      if open == count then
        full:set()
      end
      -- Reset or just closed: the kernel says which.
      local line = conn:read("l")
      assert(line == nil, line)
      ended = ended + 1
    end)
    local _, port = server:address()
    local dir <close> = support.tempdir()
    local peer <close> = assert(process.spawn({
      os.getenv("LUA") or "lua5.4", support.spit(dir .. "/peer.lua", [[
        local neap, net = require("neap"), require("neap.net")
        local conns = {}
        for i = 1, tonumber(arg[2]) do
          conns[i] = assert(net.connect("127.0.0.1", tonumber(arg[1])))
        end
        neap.sleep(math.huge)
      ]]), tostring(port), tostring(count),
    }))
    full:wait()
    assert.equal(0, ended)
    assert(peer:kill("SIGKILL"))
    peer:wait()
    assert.is_true(server:shutdown()) -- when every handler has ended
    assert.same({ true }, { task:join() })
    assert.equal(count, ended)
  end)
end)

describe("server:shutdown", function()
  it("lets handlers finish", function()
    local begun
    local server, ask, task = serving(function(conn)
      local line = conn:read("l")
      begun = true
      neap.sleep(0.002)
      conn:write(line, "\n")
    end)
    local client = neap.spawn(ask, "finish")
    while not begun do
      neap.yield()
    end
    assert.is_true(server:shutdown())
    assert.equal("finish", client:join())
    assert.same({ true }, { task:join() })
  end)

  it("cancels those that take longer than its grace", function()
    local begun
    local server, ask, task = serving(function(conn)
      conn:read("l")
      begun = true
      neap.sleep(math.huge)
    end)
    local client = neap.spawn(ask, "x")
    while not begun do
      neap.yield()
    end
    assert.is_false(server:shutdown(0.001))
    assert.is_nil((client:join()))
    assert.same({ true }, { task:join() })
  end)

  it("closes a server that is not served", function()
    local server = assert(net.listen("127.0.0.1", 0))
    assert.is_true(server:shutdown(0))
    assert.is_true(server:shutdown(0))
    assert.equal("EBADF", select(3, server:accept()))
  end)
end)
