-- neap.net: connecting, listening, accepting.
local neap = require("neap")
local net = require("neap.net")
local support = require("spec.support")

local settle = support.settle

-- libuv opens a descriptor of its own at the first stream: before the counting.
assert(net.listen("127.0.0.1", 0)):close()
assert(not net.connect("unix:/no/such/socket"))

local function listen(...)
  local server = assert(net.listen(...))
  local _, port = server:address()
  return server, port
end

-- Each connection's lines come back; until the server is closed.
local function echo(server)
  return neap.spawn(function()
    for conn in server do
      neap.spawn(function()
        local mine <close> = conn
        for line in mine:lines("L") do
          mine:write(line)
        end
      end)
    end
    return "server closed"
  end)
end

describe("net.connect", function()
  it("reaches a server by IPv4, IPv6 and name", function()
    for _, host in ipairs({ "127.0.0.1", "::1", "localhost" }) do
      local server <close>, port = listen(host, 0)
      local serving = echo(server)
      local conn <close> = assert(net.connect(host, port))
      conn:write("hello\n")
      assert.equal("hello", conn:read())
      local ip, _, family = conn:peer()
      assert.equal(host == "::1" and "inet6" or family, family)
      assert.truthy(ip)
      server:close()
      assert.equal("server closed", serving:join())
    end
  end)

  it("fails with address and reason, and leaves nothing open", function()
    local server, port = listen("127.0.0.1", 0)
    server:close()
    local conn, message, code = net.connect("127.0.0.1", port)
    assert.is_nil(conn)
    assert.equal(("127.0.0.1:%d: Connection refused"):format(port), message)
    assert.equal("ECONNREFUSED", code)
  end)

  it("fails for a name that there is not", function()
    local conn, message, code = net.connect("no.such.name.invalid", 80)
    assert.is_nil(conn)
    assert.truthy(message:find("^no%.such%.name%.invalid:80: "))
    assert.truthy(code:find("^EAI_"))
  end)

  it("lists every address that was tried when all fail", function()
    local server, port = listen("127.0.0.1", 0)
    server:close()
    local conn, message, code = net.connect("localhost", port)
    assert.is_nil(conn)
    assert.equal("ECONNREFUSED", code)
    assert.equal(("localhost:%d: 127.0.0.1:%d: Connection refused; [::1]:%d: Connection refused")
      :format(port, port, port), message)
  end)

  it("ends at its timeout, in a look-up too", function()
    local server <close>, port = listen("127.0.0.1", 0)
    assert.truthy(server)
    -- Look-ups in front of it: more than can end before the loop sees a timer. (The
    -- name is one that the system's resolver alone takes for an address.)
    local others = {}
    for i = 1, 50 do
      others[i] = neap.spawn(net.connect, "127.1", port)
    end
    support.settle()
    local conn, message, code = net.connect("127.1", port, { timeout = 0 })
    assert.is_nil(conn)
    assert.equal("timed out after 0 s", message)
    assert.equal("ETIMEDOUT", code)
    for _, task in ipairs(others) do
      assert(task:join()):close()
    end
  end)

  it("ends at its timeout when a full backlog lets nobody in", function()
    local server <close>, port = listen("127.0.0.1", 0, { backlog = 1 })
    assert.truthy(server)
    local conns = {}
    repeat
      local conn, _, code = net.connect("127.0.0.1", port, { timeout = 0.02 })
      conns[#conns + 1] = conn
      assert.is_true(conn ~= nil or code == "ETIMEDOUT", code)
    until not conn
    for _, conn in ipairs(conns) do
      conn:close()
    end
  end)

  it("is called off with its task, and leaves no socket", function() -- fault 28
    -- A socket that nobody accepts from: Linux lets in one more than its backlog.
    local server = assert(require("socket").bind("127.0.0.1", 0, 1))
    local port = math.tointeger(select(2, server:getsockname()))
    local first = assert(net.connect("127.0.0.1", port))
    local second = assert(net.connect("127.0.0.1", port))
    local before = support.fds()
    local task = neap.spawn(net.connect, "127.0.0.1", port)
    require("neap.testing").settle()
    assert.equal("waiting", task:status())
    assert.equal(before + 1, support.fds())
    assert.is_true(task:cancel())
    local ok, err = task:wait()
    assert.is_false(ok)
    assert.equal("ECANCELED", err.code)
    require("neap.testing").settle()
    assert.equal(before, support.fds())
    first:close()
    second:close()
    server:close()
  end)

  it("connects from the address it is told to", function()
    local server <close>, port = listen("127.0.0.1", 0)
    local conn <close> = assert(net.connect("127.0.0.1", port, { bind = "127.0.0.2" }))
    assert.equal("127.0.0.2", (conn:address()))
    local other <close> = assert(server:accept())
    assert.equal("127.0.0.2", (other:peer()))
    local _, _, code = net.connect("127.0.0.1", port, { bind = "192.0.2.1" })
    assert.equal("EADDRNOTAVAIL", code)
    _, _, code = net.connect("127.0.0.1", port, { bind = "no address" })
    assert.equal("EADDRNOTAVAIL", code)
  end)

  it("takes its other options", function()
    local server <close>, port = listen("127.0.0.1", 0)
    assert.truthy(server)
    local conn <close> =
      assert(net.connect("127.0.0.1", port, { nodelay = false, keepalive = 60, timeout = 10 }))
    assert.truthy(conn)
  end)
end)

describe("unix sockets", function()
  it("connect and listen by path, which goes with the server", function()
    local dir <close> = support.tempdir()
    local path = dir .. "/socket"
    local server <close> = assert(net.listen("unix:" .. path))
    echo(server)
    local conn <close> = assert(net.connect("unix:" .. path, { timeout = 5 }))
    conn:write("hello\n")
    assert.equal("hello", conn:read())
    assert.same({ path, nil, "unix" }, { conn:peer() })
    assert.same({ path, nil, "unix" }, { server:address() })
    assert.equal("ENOTSUP", (select(3, conn:nodelay(true))))
    server:close()
    assert.is_nil(io.open(path))
  end)

  it("fail with path and reason", function()
    local dir <close> = support.tempdir()
    local path = "unix:" .. dir .. "/socket"
    local conn, message, code = net.connect(path)
    assert.is_nil(conn)
    assert.equal(path .. ": No such file or directory", message)
    assert.equal("ENOENT", code)
    local long = "unix:" .. dir .. "/" .. ("x"):rep(200)
    assert.equal("ENAMETOOLONG", (select(3, net.connect(long))))
    assert.equal("ENAMETOOLONG", (select(3, net.listen(long))))
    local server <close> = assert(net.listen(path))
    assert.truthy(server)
    assert.equal("EADDRINUSE", (select(3, net.listen(path))))
  end)
end)

describe("net.listen", function()
  it("fails with address and reason", function()
    local server <close>, port = listen("127.0.0.1", 0)
    assert.truthy(server)
    local other, message, code = net.listen("127.0.0.1", port)
    assert.is_nil(other)
    assert.equal(("127.0.0.1:%d: Address already in use"):format(port), message)
    assert.equal("EADDRINUSE", code)
    assert.equal("EADDRNOTAVAIL", (select(3, net.listen("192.0.2.1", 0))))
    assert.truthy((select(3, net.listen("no.such.name.invalid", 0))):find("^EAI_"))
  end)

  it("shares a port where that is asked for", function()
    local one <close>, port = listen("127.0.0.1", 0, { reuseport = true })
    local two <close> = assert(net.listen("127.0.0.1", port, { reuseport = true }))
    assert.same({ one:address() }, { two:address() })
  end)

  it("stands for all addresses of both families, or of IPv6 alone", function()
    local server <close>, port = listen("*", 0)
    for _, host in ipairs({ "127.0.0.1", "::1" }) do
      local conn <close> = assert(net.connect(host, port))
      local other <close> = assert(server:accept())
      assert.same({ conn:address() }, { conn:address() })
      assert.truthy(other)
    end
    local six <close>, port6 = listen("::", 0, { ipv6only = true })
    assert.truthy(six)
    assert.equal("ECONNREFUSED", (select(3, net.connect("127.0.0.1", port6))))
  end)
end)

describe("a server", function()
  it("says where it listens", function()
    local server <close>, port = listen("127.0.0.1", 0)
    assert.same({ "127.0.0.1", port, "inet" }, { server:address() })
    assert.equal(("server (127.0.0.1:%d)"):format(port), tostring(server))
    server:close()
    assert.equal("server (closed)", tostring(server))
  end)

  it("accepts in time or not", function()
    local server <close>, port = listen("127.0.0.1", 0)
    local conn, message, code = server:accept(0)
    assert.is_nil(conn)
    assert.equal("timed out after 0 s", message)
    assert.equal("ETIMEDOUT", code)
    local client <close> = assert(net.connect("127.0.0.1", port))
    assert.truthy(client)
    local other <close> = assert(server:accept(10))
    assert.truthy(other)
  end)

  it("gives connections to those who wait, in their order", function()
    local server <close>, port = listen("127.0.0.1", 0)
    local order, waiting = {}, {}
    for i = 1, 3 do
      waiting[i] = neap.spawn(function()
        assert(server:accept()):close()
        order[#order + 1] = i
      end)
      settle()
    end
    for _ = 1, 3 do
      local client <close> = assert(net.connect("127.0.0.1", port))
      assert.is_nil((client:read()))
    end
    for i = 1, 3 do
      waiting[i]:join()
    end
    assert.same({ 1, 2, 3 }, order)
  end)

  it("serves many at once", function()
    local server <close>, port = listen("127.0.0.1", 0)
    echo(server)
    local clients = {}
    for i = 1, support.count(50, 500) do
      clients[i] = neap.spawn(function()
        local conn <close> = assert(net.connect("127.0.0.1", port))
        for j = 1, 10 do
          conn:write(i, ":", j, "\n")
          assert(conn:read() == i .. ":" .. j)
        end
        return true
      end)
    end
    for _, client in ipairs(clients) do
      assert.is_true(client:join())
    end
  end)

  -- fault 59
  it("wakes everybody who accepts when it is closed", function()
    local server = listen("127.0.0.1", 0)
    local waiting = {}
    for i = 1, 3 do
      waiting[i] = neap.spawn(server.accept, server)
    end
    local looping = neap.spawn(function()
      for conn in server do
        conn:close()
      end
      return "ended"
    end)
    settle()
    assert.is_true(server:close())
    settle()
    for i = 1, 3 do
      assert.equal("done", waiting[i]:status())
      local conn, message, code = waiting[i]:join()
      assert.is_nil(conn)
      assert.truthy(message)
      assert.equal("ECANCELED", code)
    end
    assert.equal("ended", looping:join())
    assert.same({ nil, "server is closed", "EBADF" }, { server:accept() })
    assert.same({ nil, "server is closed", "EBADF" }, { server:address() })
    assert.is_true(server:close())
  end)

  -- fault 50
  it("goes on when a connection is reset before it is accepted", function()
    local server <close>, port = listen("127.0.0.1", 0)
    local gone = assert(net.connect("127.0.0.1", port))
    gone:reset()
    local client <close> = assert(net.connect("127.0.0.1", port))
    client:write("here\n")
    local dead <close> = assert(server:accept())
    local line, _, code = dead:read()
    if line == nil then -- the system did not drop it by itself
      assert.equal("ECONNRESET", code)
      local conn <close> = assert(server:accept())
      assert.equal("here", conn:read())
    else
      assert.equal("here", line)
    end
  end)

  it("that is collected closes its port, with a warning", function()
    local port
    local function use()
      local _
      _, port = listen("127.0.0.1", 0)
    end
    use()
    collectgarbage()
    collectgarbage()
    local again <close> = assert(net.listen("127.0.0.1", port))
    assert.truthy(again)
  end)
end)

-- Serves ten clients, one after the other, and prints how much processor time
-- that took of the time that passed.
local serve_ten = [[
  local neap = require("neap")
  local net = require("neap.net")
  warn("@on")
  local server <close> = assert(net.listen("127.0.0.1", 0))
  local _, port = server:address()
  neap.spawn(function()
    for conn in server do
      conn:write("served\n")
      conn:close()
    end
  end)
  local cpu, before = os.clock(), neap.now()
  for i = 1, 10 do
    local conn <close> = assert(net.connect("127.0.0.1", port))
    assert(conn:read() == "served")
  end
  print("all served")
]]

describe("a server whose system runs short", function()
  -- fault 49
  local inject = "strace -f -e trace=accept4 -o %s/trace -e inject=accept4:error=%s:when=2..8"
  for _, case in ipairs({
    { "EMFILE", true }, { "ENFILE", true }, { "ENOBUFS", true }, { "ENOMEM", true },
    { "ECONNABORTED", false }, { "EPROTO", false },
  }) do
    it("of " .. case[1] .. " lives and serves again", function()
      local trace <close> = support.tempdir()
      local output, status = support.lua(serve_ten, {
        env = inject:format(support.quote(trace.path), case[1]),
      })
      assert.equal(0, status, output)
      assert.truthy(output:find("all served\n", 1, true), output)
      local _, warnings = output:gsub("Lua warning: neap: accept: ", "")
      assert.equal(case[2] and 1 or 0, warnings, output)
      -- Seven failures, ten connections and no more than a look between them.
      local _, calls = support.slurp(trace .. "/trace"):gsub("accept4%(", "")
      assert.is_true(calls <= 7 + 2 * 10 + 1, calls .. " calls")
    end)
  end

  -- fault 49
  it("does not spin", function()
    local trace <close> = support.tempdir()
    local output, status = support.lua([[
      local neap = require("neap")
      local net = require("neap.net")
      local server <close> = assert(net.listen("127.0.0.1", 0))
      local client <close> = assert(net.connect("127.0.0.1", (select(2, server:address()))))
      print(select(3, server:accept(0.3)))
    ]], {
      env = ("strace -f -e trace=accept4,epoll_wait,epoll_pwait -o %s/trace"
        .. " -e inject=accept4:error=EMFILE"):format(support.quote(trace.path)),
    })
    assert.equal("ETIMEDOUT\n", output)
    assert.equal(0, status)
    -- Pauses of 5, 10, 20, 40, 80 and 160 ms.
    local _, calls = support.slurp(trace .. "/trace"):gsub("accept4%(", "")
    assert.is_true(calls <= 7, calls .. " calls")
    local _, polls = support.slurp(trace .. "/trace"):gsub("epoll_p?wait%(", "")
    assert.is_true(polls <= 40, polls .. " polls")
  end)

  -- fault 49
  it("of real descriptors serves those who waited when there are some again", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local net = require("neap.net")
      local server <close> = assert(net.listen("127.0.0.1", 0))
      local _, port = server:address()
      local files, clients = {}, {}
      for i = 1, 5 do clients[i] = assert(net.connect("127.0.0.1", port)) end
      repeat -- every one of them is kept: a collection must not make room
        local file = io.open("/dev/null")
        files[#files + 1] = file
      until not file or #files > 100
      local taker = neap.spawn(function()
        local taken = {}
        for i = 1, 5 do taken[i] = assert(server:accept()) end
        for i = 1, 5 do taken[i]:close() end
        return #taken
      end)
      neap.sleep(0.03)
      print(taker:status() ~= "done") -- waiting, or about to look again
      for _, file in ipairs(files) do file:close() end
      files = nil
      collectgarbage()
      print(taker:join())
      for i = 1, 5 do assert(clients[i]:read() == nil) clients[i]:close() end
    ]], { env = "ulimit -n 60; " })
    assert.equal("true\n5\n", output)
    assert.equal(0, status)
  end)
end)

describe("neap.net", function()
  it("refuses wrong arguments, naming them", function()
    local function close(handle)
      handle:close()
    end
    -- A name would be looked up, and what is no address is one.
    local function is_name(place, value)
      return place == 1 and (type(value) == "string" or type(value) == "number")
    end
    local calls = support.call_badly(net.connect, { "127.0.0.1", 1, {} }, 3, is_name, close)
      + support.call_badly(net.listen, { "127.0.0.1", 0, {} }, 3, is_name, close)
    assert.is_true(calls > 50)
    local server <close> = listen("127.0.0.1", 0)
    support.call_badly(server.accept, { server, 0 }, 1)
    support.call_badly(server.address, { server }, 1)
    local function raises(pattern, fn, ...)
      local ok, message = pcall(fn, ...)
      assert.is_false(ok)
      assert.truthy(message:find(pattern), message)
    end
    raises("#2 to '[%w.]*connect' %(port out of range%)", net.connect, "127.0.0.1", 65536)
    raises("bad argument #1 to '[%w.]*connect' %(host contains zeros%)", net.connect, "a\0b", 1)
    raises("#2 to '[%w.]*connect' %(a unix socket has no port%)", net.connect, "unix:/x", 1)
    raises("field 'timeout'", net.connect, "127.0.0.1", 1, { timeout = "soon" })
    raises("field 'keepalive'", net.connect, "127.0.0.1", 1, { keepalive = -1 })
    raises("field 'nodelay'", net.connect, "127.0.0.1", 1, { nodelay = 1 })
    raises("field 'bind'", net.connect, "127.0.0.1", 1, { bind = {} })
    raises("field 'backlog'", net.listen, "127.0.0.1", 0, { backlog = 0 })
    raises("field 'reuseport'", net.listen, "127.0.0.1", 0, { reuseport = "yes" })
    for _, bad in ipairs({ 0 / 0, "soon", {}, true }) do
      raises("bad argument #1 to 'accept'", function()
        server:accept(bad)
      end)
    end
  end)

  it("leaves nothing behind when memory runs out while connecting", function()
    local faults = require("spec.support.faults")
    local server <close>, port = listen("127.0.0.1", 0)
    local runs = faults.alloc(function()
      local conn, message, code = net.connect("127.0.0.1", port)
      if not conn then
        return nil, message, code
      end
      conn:close()
      local other, why, what = server:accept()
      if not other then
        return nil, why, what
      end
      other:close()
      return true
    end, { after = function()
      repeat
        local conn = server:accept(0)
        if conn then
          conn:close()
        end
      until not conn
    end })
    assert.is_true(runs > 0)
  end)
end)
