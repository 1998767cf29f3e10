-- neap.net: UDP sockets.
local neap = require("neap")
local net = require("neap.net")
local faults = require("spec.support.faults")
local support = require("spec.support")

local settle = support.settle

local function open(...)
  local socket = assert(net.udp(...))
  local _, port = socket:address()
  return socket, port
end

-- A port of 127.0.0.1 that answers with an ICMP error as long as the socket
-- which holds it is open: the kernel gives that one its peer's datagrams alone.
local function refusing()
  local holder, port = open("127.0.0.1", 0)
  assert(holder:connect("127.0.0.2", 9))
  return holder, port
end

-- The loop has been polled, so what the kernel had for a socket is in its queue:
-- a datagram of a pair's own has gone through.
local function poll()
  local a <close>, port = open("127.0.0.1", 0)
  assert(a:send("through", "127.0.0.1", port))
  assert.equal("through", (a:recv()))
end

describe("net.udp", function()
  it("sends and receives by IPv4, IPv6 and name", function()
    for _, host in ipairs({ "127.0.0.1", "::1", "localhost" }) do
      local a <close>, port = open(host, 0)
      local b <close> = open()
      local ip, _, family = a:address()
      assert.equal(host == "::1" and "inet6" or family, family)
      assert.is_true(b:send("hello", ip, port))
      local data, from, from_port, truncated = a:recv()
      assert.same({ "hello", ip, false }, { data, from, truncated })
      assert.is_true(a:send("back", from, from_port))
      assert.same({ "back", ip, port, false }, { b:recv() })
    end
  end)

  it("is at every address of both families, or of IPv6 alone", function()
    local any <close>, port = open("*", 0)
    for _, host in ipairs({ "127.0.0.1", "::1" }) do
      local a <close>, own = open(host, 0)
      assert(a:send("to any", host, port))
      -- An IPv4 address is told as one, and can be answered.
      assert.same({ "to any", host, own, false }, { any:recv() })
      assert(any:send("from any", host, own))
      assert.same({ "from any", host, port, false }, { a:recv() })
    end
    local six <close>, port6 = open("*", 0, { ipv6only = true })
    local four <close> = open("127.0.0.1", 0)
    assert.equal("EAFNOSUPPORT", (select(3, six:send("x", "127.0.0.1", port))))
    assert.equal("EAFNOSUPPORT", (select(3, four:send("x", "::1", port6))))
  end)

  it("takes an address with its scope", function()
    local a <close>, port = open("::1%lo", 0)
    local b <close> = open("::1", 0)
    assert(b:send("scoped", "::1%lo", port))
    assert.same({ "scoped", "::1", (select(2, b:address())), false }, { a:recv() })
  end)

  it("fails with address and reason", function()
    local a <close>, port = open("127.0.0.1", 0)
    assert.truthy(a)
    assert.same({ nil, ("127.0.0.1:%d: Address already in use"):format(port), "EADDRINUSE" },
      { net.udp("127.0.0.1", port) })
    assert.same({ nil, "[2001:db8::1]:5: Cannot assign requested address", "EADDRNOTAVAIL" },
      { net.udp("2001:db8::1", 5) })
    assert.truthy((select(3, net.udp("no.such.name.invalid", 0))):find("^EAI_"))
    assert.truthy((select(3, a:send("x", "no.such.name.invalid", 1))):find("^EAI_"))
    assert.truthy((select(3, a:connect("no.such.name.invalid", 1))):find("^EAI_"))
    assert.same({ nil, "127.0.0.1:0: Invalid argument", "EINVAL" }, { a:send("x", "127.0.0.1", 0) })
  end)

  it("shares a port where that is asked for", function()
    for _, option in ipairs({ "reuseaddr", "reuseport" }) do
      local one <close>, port = open("127.0.0.1", 0, { [option] = true })
      local two <close> = open("127.0.0.1", port, { [option] = true })
      assert.same({ one:address() }, { two:address() })
    end
  end)
end)

describe("a datagram", function()
  -- fault 63
  it("comes whole up to the longest that there is, and empty", function()
    local a <close>, port = open("127.0.0.1", 0)
    local b <close> = open("127.0.0.1", 0)
    for _, n in ipairs({ 65507, 0, 1, 9000 }) do
      local text = ("x"):rep(n)
      assert(b:send(text, "127.0.0.1", port))
      local data, _, _, truncated = a:recv()
      assert.is_true(data == text)
      assert.is_false(truncated)
    end
    local message, code = select(2, b:send(("x"):rep(65508), "127.0.0.1", port))
    assert.same({ ("127.0.0.1:%d: Message too long"):format(port), "EMSGSIZE" }, { message, code })
    assert.equal("EMSGSIZE", (select(3, b:send(("x"):rep(1 << 20), "127.0.0.1", port))))
    assert(b:send("goes on", "127.0.0.1", port))
    assert.equal("goes on", (a:recv()))
  end)

  -- fault 63
  it("that is longer than max is cut, and says so", function()
    local a <close>, port = open("127.0.0.1", 0, { max = 4 })
    local b <close> = open("127.0.0.1", 0)
    for _, text in ipairs({ "123", "1234", "12345", ("x"):rep(60000), "" }) do
      assert(b:send(text, "127.0.0.1", port))
      local data, _, _, truncated = a:recv()
      assert.same({ text:sub(1, 4), #text > 4 }, { data, truncated })
    end
  end)

  -- fault 63
  it("that is refused fails at the next call of a connected socket, which lives", function()
    local holder <close>, port = refusing()
    assert.truthy(holder)
    local a <close> = open("127.0.0.1", 0)
    assert(a:connect("127.0.0.1", port))
    local refused = { nil, ("127.0.0.1:%d: Connection refused"):format(port), "ECONNREFUSED" }
    assert(a:send("x"))
    assert.same(refused, { a:recv() })
    -- Told to who comes next, if nobody waits.
    assert(a:send("x"))
    poll()
    assert.same(refused, { a:recv() })
    -- Told to a task that waits already.
    local waiting = neap.spawn(a.recv, a)
    settle()
    assert(a:send("x"))
    assert.same(refused, { waiting:join() })
    assert.same({ nil, "timed out after 0 s", "ETIMEDOUT" }, { a:recv(0) })
    holder:connect() -- takes everybody's again
    assert(a:send("taken"))
    assert.equal("taken", (holder:recv()))
  end)

  it("that is refused fails at the next send, if nobody receives", function()
    local holder <close>, port = refusing()
    assert.truthy(holder)
    local a <close> = open("127.0.0.1", 0)
    assert(a:connect("127.0.0.1", port))
    local sent, _, code
    repeat
      sent, _, code = a:send("x")
    until not sent
    assert.equal("ECONNREFUSED", code)
  end)

  it("goes to a broadcast address where that is allowed", function()
    local a <close>, port = open("0.0.0.0", 0)
    local b <close> = open("127.0.0.1", 0)
    assert.equal("EACCES", (select(3, b:send("x", "127.255.255.255", port))))
    assert.is_true(b:broadcast(true))
    assert(b:send("to all", "127.255.255.255", port))
    assert.equal("to all", (a:recv()))
    assert.is_true(b:broadcast(false))
    assert.equal("EACCES", (select(3, b:send("x", "127.255.255.255", port))))
  end)
end)

describe("udp:recv", function()
  it("ends at its timeout, and takes what is there with 0", function()
    local a <close>, port = open("127.0.0.1", 0)
    assert.same({ nil, "timed out after 0 s", "ETIMEDOUT" }, { a:recv(0) })
    assert.same({ nil, "timed out after 0.001 s", "ETIMEDOUT" }, { a:recv(0.001) })
    for i = 1, 3 do
      assert(a:send(i, "127.0.0.1", port))
    end
    local got = {}
    repeat
      got[#got + 1] = a:recv(0)
    until #got == 3
    assert.same({ "1", "2", "3" }, got)
  end)

  it("takes with 0 what the loop has not looked at yet", function()
    local a <close>, port = open("127.0.0.1", 0)
    local b <close> = open("127.0.0.1", 0)
    assert(b:send("there", "127.0.0.1", port))
    assert.equal("there", (a:recv(0)))
  end)

  -- fault 58
  it("is for one task at a time", function()
    local a <close>, port = open("127.0.0.1", 0)
    local first = neap.spawn(a.recv, a)
    settle()
    assert.same({ nil, ("127.0.0.1:%d: another task is receiving"):format(port), "EBUSY" },
      { a:recv() })
    assert(a:send("for the first", "127.0.0.1", port))
    assert.equal("for the first", (first:join()))
  end)

  -- fault 59
  it("ends when the socket is closed", function()
    local a, port = open("127.0.0.1", 0)
    local waiting = neap.spawn(a.recv, a)
    settle()
    assert.is_true(a:close())
    settle()
    assert.equal("done", waiting:status())
    local data, message, code = waiting:join()
    assert.is_nil(data)
    assert.truthy(message)
    assert.equal("ECANCELED", code)
    for _, call in ipairs({ "recv", "queued", "dropped", "address", "peer", "rcvbuf", "sndbuf" }) do
      assert.same({ nil, "socket is closed", "EBADF" }, { a[call](a) })
    end
    assert.same({ nil, "socket is closed", "EBADF" }, { a:send("x", "127.0.0.1", port) })
    assert.same({ nil, "socket is closed", "EBADF" }, { a:connect("127.0.0.1", port) })
    assert.same({ nil, "socket is closed", "EBADF" }, { a:join("239.1.1.1") })
    assert.same({ nil, "socket is closed", "EBADF" }, { a:multicast({ ttl = 1 }) })
    assert.same({ nil, "socket is closed", "EBADF" }, { a:broadcast(true) })
    assert.same({ nil, "socket is closed", "EBADF" }, { a:ttl(1) })
    assert.equal("udp (closed)", tostring(a))
    assert.is_true(a:close())
  end)

  it("loses nothing to a cancellation in the turn in which a datagram came", function()
    local a <close>, port = open("127.0.0.1", 0)
    local b <close> = open("127.0.0.1", 0)
    for i = 1, support.count(50, 1000) do
      local waiting = neap.spawn(a.recv, a)
      settle()
      assert(b:send(i, "127.0.0.1", port))
      for _ = 1, i % 4 do
        neap.yield()
      end
      waiting:cancel()
      local ok, data = waiting:wait()
      assert.equal(tostring(i), ok and data or (a:recv()))
    end
  end)
end)

describe("udp:connect", function()
  it("sends to the peer and receives from it alone", function()
    local a <close>, port = open("127.0.0.1", 0)
    local b <close>, other = open("127.0.0.1", 0)
    local stranger <close> = open("127.0.0.1", 0)
    assert.same({ nil, ("127.0.0.1:%d: Destination address required"):format(port),
      "EDESTADDRREQ" }, { a:send("x") })
    assert.equal("ENOTCONN", (select(3, a:peer())))
    -- Two that came before: one in the queue, one that is still with the kernel.
    assert.is_nil((a:recv(0)))
    assert(stranger:send("queued", "127.0.0.1", port))
    while a:queued() < 1 do
      poll()
    end
    assert(stranger:send("with the kernel", "127.0.0.1", port))
    assert.is_true(a:connect("127.0.0.1", other))
    assert.same({ "127.0.0.1", other, "inet" }, { a:peer() })
    assert.equal(("udp (127.0.0.1:%d)"):format(other), tostring(a))
    assert(stranger:send("too late", "127.0.0.1", port))
    assert(b:send("from the peer", "127.0.0.1", port))
    assert.same({ "from the peer", "127.0.0.1", other, false }, { a:recv() })
    assert.is_true(a:dropped() >= 1)
    assert.is_true(a:send("to the peer"))
    assert.same({ "to the peer", "127.0.0.1", port, false }, { b:recv() })
    assert.equal("EISCONN", (select(3, a:send("x", "127.0.0.1", other))))
  end)

  it("changes the peer, or lets it go, and the port stays", function()
    for _, host in ipairs({ "127.0.0.1", "*", "::1" }) do
      local a <close>, port = open(host, 0)
      local ip = host == "*" and "127.0.0.1" or host
      local b <close>, port_b = open(ip, 0)
      local c <close>, port_c = open(ip, 0)
      for _ = 1, 2 do
        assert(a:connect(ip, port_b))
        assert(a:send("to b"))
        assert.same({ "to b", ip, port, false }, { b:recv() })
        assert(a:connect(ip, port_c))
        assert(a:send("to c"))
        assert.same({ "to c", ip, port, false }, { c:recv() })
        assert(a:connect())
        assert.equal(port, (select(2, a:address())))
        assert(b:send("to all", ip, port))
        assert.same({ "to all", ip, port_b, false }, { a:recv() })
      end
      assert.is_true(a:connect())
    end
  end)

  it("forgets with the peer what its datagrams have met", function()
    local holder <close>, port = refusing()
    assert.truthy(holder)
    local b <close>, port_b = open("127.0.0.1", 0)
    local a <close> = open("127.0.0.1", 0)
    for _, polled in ipairs({ false, true }) do
      assert(a:connect("127.0.0.1", port))
      assert(a:send("x"))
      if polled then
        assert.equal("ECONNREFUSED", (select(3, a:recv())))
        assert(a:send("x"))
        poll()
      end
      assert(a:connect("127.0.0.1", port_b))
      assert(a:send("to b"))
      assert.equal("to b", (b:recv()))
      assert.equal("ETIMEDOUT", (select(3, a:recv(0))))
    end
  end)
end)

describe("the queue of a UDP socket", function()
  it("has a limit, at which the rest stays with the kernel, in order", function()
    local a <close>, port = open("127.0.0.1", 0, { queue = 4 })
    local b <close> = open("127.0.0.1", 0)
    assert.is_nil((a:recv(0))) -- from now on it is read
    for i = 1, 20 do
      assert(b:send(i, "127.0.0.1", port))
    end
    while a:queued() < 4 do
      poll()
    end
    poll()
    poll()
    assert.equal(4, a:queued())
    for i = 1, 20 do
      assert.equal(tostring(i), (a:recv()))
    end
    assert.equal(0, a:queued())
    assert.equal(0, a:dropped())
  end)

  it("has a limit of bytes, too", function()
    local a <close>, port = open("127.0.0.1", 0)
    local b <close> = open("127.0.0.1", 0)
    a:rcvbuf(4 << 20)
    assert.is_nil((a:recv(0)))
    local sent = 0
    repeat
      assert(b:send(("x"):rep(30000), "127.0.0.1", port))
      sent = sent + 1
      poll()
    until sent == 60 or a:queued() < sent
    -- 256 KiB are 9 of these; a system call may bring 16.
    assert.is_true(a:queued() <= 9 + 16, a:queued() .. " of " .. sent)
    for _ = 1, sent do
      assert.equal(30000, #(a:recv()))
    end
    assert.equal(0, a:dropped())
  end)

  it("counts what is dropped, to the last one", function()
    local a <close>, port = open("127.0.0.1", 0, { queue = 2 })
    local b <close> = open("127.0.0.1", 0)
    assert.is_true(a:rcvbuf(1) > 0)
    local sent, received = 200, 0
    for _ = 1, sent do
      assert(b:send(("x"):rep(1000), "127.0.0.1", port))
    end
    while received + a:dropped() < sent do
      if a:recv(0.01) then
        received = received + 1
      end
    end
    assert.equal(sent, received + a:dropped())
    assert.is_true(received > 0 and a:dropped() > 0)
  end)

  it("is no memory of an idle socket's", function()
    local warm <close> = open("127.0.0.1", 0)
    assert.is_nil((warm:recv(0))) -- what all sockets share is there
    local n, sockets = 50, {}
    local before = neap.info().memory
    for i = 1, n do
      sockets[i] = open("127.0.0.1", 0)
      assert.is_nil((sockets[i]:recv(0)))
    end
    assert.is_true((neap.info().memory - before) / n < 1024)
    for _, socket in ipairs(sockets) do
      socket:close()
    end
  end)
end)

describe("a multicast group", function()
  -- Some kernels don't send to groups on the loopback interface.
  local refusals = { ENODEV = true, ENETUNREACH = true, EADDRNOTAVAIL = true, EOPNOTSUPP = true }

  -- Interfaces that have an IPv6 address.
  local function interfaces6()
    local names = {}
    local file = io.open("/proc/net/if_inet6")
    for line in file and file:lines() or function() end do
      names[#names + 1] = line:match("(%S+)%s*$")
    end
    if file then
      file:close()
    end
    return names
  end

  it("is joined and left, by IPv4", function()
    local a <close>, port = open("0.0.0.0", 0, { reuseaddr = true })
    local b <close> = open("0.0.0.0", port, { reuseaddr = true })
    local sender <close> = open("127.0.0.1", 0)
    local done, message, code = a:join("239.1.2.3", "lo")
    if done then
      assert(sender:multicast({ interface = "127.0.0.1", loop = true, ttl = 0 }))
      done, message, code = sender:send("to the group", "239.1.2.3", port)
    end
    if not done and refusals[code] then
      return pending("no groups here: " .. message)
    end
    assert(done, message)
    assert.equal("to the group", (a:recv(5)))
    assert.is_nil((b:recv(0)))
    assert.is_true(b:join("239.1.2.3", "127.0.0.1"))
    assert(sender:send("to both", "239.1.2.3", port))
    assert.equal("to both", (a:recv(5)))
    assert.equal("to both", (b:recv(5)))
    assert.is_true(b:leave("239.1.2.3", "lo"))
    assert(sender:send("to one", "239.1.2.3", port))
    assert.equal("to one", (a:recv(5)))
    assert.is_nil((b:recv(0)))
    assert.equal("EADDRNOTAVAIL", (select(3, b:leave("239.1.2.3", "lo"))))
  end)

  it("is joined for one source", function()
    local a <close>, port = open("0.0.0.0", 0)
    local one <close> = open("127.0.0.1", 0)
    local two <close> = open("127.0.0.2", 0)
    local done, message, code = a:join("232.1.2.3", "lo", "127.0.0.1")
    for _, sender in ipairs({ two, one }) do
      if done then
        assert(sender:multicast({ interface = "lo" }))
        done, message, code = sender:send(sender == one and "one" or "two", "232.1.2.3", port)
      end
    end
    if not done and refusals[code] then
      return pending("no groups here: " .. message)
    end
    assert(done, message)
    assert.equal("one", (a:recv(5)))
    assert.is_nil((a:recv(0)))
    assert.is_true(a:leave("232.1.2.3", "lo", "127.0.0.1"))
  end)

  -- Whether a group works on the interface; where it does, all of it is tried.
  local function group_works(a, port, name)
    local group = "ff02::7ea9%" .. name
    if not a:join(group) then
      return false
    end
    local works = a:multicast({ interface = name, loop = true }) and a:send("to six", group, port)
      and a:recv(1)
    if works then
      assert.equal("to six", works)
      if name ~= "lo" then -- which loops whatever is sent
        assert(a:multicast({ loop = false }))
        assert(a:send("not for us", group, port))
        assert(a:multicast({ loop = true }))
        assert(a:send("for us", group, port))
        assert.equal("for us", (a:recv(5)))
      end
    end
    assert.is_true(a:leave("ff02::7ea9", name))
    return works
  end

  it("is joined and left, by IPv6", function()
    local a <close>, port = open("::", 0)
    for _, name in ipairs(interfaces6()) do
      if group_works(a, port, name) then
        return
      end
    end
    pending("no interface here that IPv6 groups can be sent to")
  end)

  it("of IPv4 is joined by a socket of both families", function()
    local a <close>, port = open("*", 0)
    local sender <close> = open("127.0.0.1", 0)
    local done, message, code = a:join("239.1.2.4", "lo")
    if done then
      assert(sender:multicast({ interface = "lo" }))
      done, message, code = sender:send("to both", "239.1.2.4", port)
    end
    if not done and refusals[code] then
      return pending("no groups here: " .. message)
    end
    assert(done, message)
    assert.equal("to both", (a:recv(5)))
    assert.is_true(a:multicast({ ttl = 2, loop = false, interface = "lo" }))
    assert.is_true(a:ttl(5))
  end)

  it("that is none, or on no interface, fails with what is wrong", function()
    local a <close> = open("127.0.0.1", 0)
    assert.same({ nil, "10.0.0.1: Invalid argument", "EINVAL" }, { a:join("10.0.0.1", "lo") })
    assert.same({ nil, "group: Invalid argument", "EINVAL" }, { a:join("group", "lo") })
    assert.same({ nil, "nosuch0: No such device", "ENODEV" }, { a:join("239.1.1.1", "nosuch0") })
    assert.same({ nil, "192.0.2.77: No such device", "ENODEV" },
      { a:multicast({ interface = "192.0.2.77" }) })
    assert.equal("EAFNOSUPPORT", (select(3, a:join("ff02::1", "lo"))))
  end)
end)

describe("a UDP socket", function()
  it("has buffers of the size that was asked for", function()
    local a <close> = open("127.0.0.1", 0)
    local before = a:rcvbuf()
    assert.is_true(before > 8192)
    assert.is_true(a:rcvbuf(8192) < before)
    assert.is_true(a:sndbuf(8192) < before)
    assert.equal(a:rcvbuf(), a:rcvbuf())
  end)

  it("is in dumps, and what waits on it", function()
    local a <close>, port = open("127.0.0.1", 0)
    local waiting = neap.spawn({ name = "receiver" }, a.recv, a)
    settle()
    local text = ""
    neap.dump({ write = function(_, part)
      text = text .. part
    end })
    assert.matches(("receiver: waiting in udp:recv 127.0.0.1:%d for"):format(port), text)
    assert.matches(("open: udp 127.0.0.1:%d"):format(port), text)
    waiting:cancel()
    waiting:wait()
  end)

  it("that is collected with a queue is closed, with a warning", function()
    local output, status = support.lua([[
      warn("@on")
      local neap = require("neap")
      local net = neap.net
      local port, sender = nil, assert(net.udp("127.0.0.1", 0))
      local function use()
        local a = assert(net.udp("127.0.0.1", 0))
        port = select(2, a:address())
        assert(a:recv(0) == nil)
        for i = 1, 10 do sender:send(i, "127.0.0.1", port) end
        assert(a:recv() == "1")
        while a:queued() < 9 do neap.sleep(0.001) end
      end
      use()
      collectgarbage()
      collectgarbage()
      local again <close> = assert(net.udp("127.0.0.1", port))
      sender:close()
      print(neap.info().handles >= 1)
    ]])
    assert.equal("Lua warning: neap: a UDP socket was not closed\ntrue\n", output)
    assert.equal(0, status)
  end)

  it("ends with its state, whatever is under way", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local net = neap.net
      local a = assert(net.udp("127.0.0.1", 0))
      local _, port = a:address()
      neap.spawn(function()
        local own <close> = setmetatable({}, { __close = function()
          print(select(3, a:send("x", "127.0.0.1", port)))
        end })
        a:recv()
      end)
      neap.spawn(function() a:send("x", "localhost", port) end)
      neap.spawn(function() a:connect("localhost", port) end)
      neap.spawn(function() net.udp("localhost", 0) end)
      neap.yield()
    ]], { env = "NEAP_STATS=0" })
    assert.equal(0, status, output)
    assert.is_nil(output:find("attempt"), output)
  end)

  it("talks to one of another state in another thread", function()
    local a <close>, port = open("127.0.0.1", 0)
    local other = neap.spawn(neap.offload, [[
      local port, n = ...
      local net = require("neap.net")
      local socket <close> = assert(net.udp("127.0.0.1", 0))
      assert(socket:connect("127.0.0.1", port))
      local sum = 0
      for i = 1, n do
        assert(socket:send(i))
        sum = sum + tonumber((socket:recv()))
      end
      return sum
    ]], port, 100)
    for _ = 1, 100 do
      local data, host, from = a:recv()
      assert(a:send(2 * tonumber(data), host, from))
    end
    assert.equal(10100, other:join())
  end)

  it("serves many at once", function()
    local server <close>, port = open("127.0.0.1", 0)
    local serving = neap.spawn(function()
      while true do
        local data, host, from = server:recv()
        if not data then
          return host, from
        end
        assert(server:send(data:upper(), host, from))
      end
    end)
    local clients = {}
    for i = 1, support.count(50, 500) do
      clients[i] = neap.spawn(function()
        local socket <close> = open("127.0.0.1", 0)
        assert(socket:connect("127.0.0.1", port))
        for j = 1, 5 do
          local text = ("client %d %d"):format(i, j)
          repeat -- UDP may lose some
            assert(socket:send(text))
            local answer = socket:recv(5)
          until answer == text:upper()
        end
        return true
      end)
    end
    for _, client in ipairs(clients) do
      assert.is_true(client:join())
    end
    server:close()
    assert.equal("ECANCELED", (select(2, serving:join())))
  end)

  it("outlives whatever several tasks do to it at random", function()
    local function step(sockets, ports)
      local i, what = math.random(#ports), math.random(12)
      local socket = sockets[i]
      local port = ports[math.random(#ports)]
      if not socket then
        return
      elseif what <= 4 then
        socket:recv(math.random(0, 3) / 1000)
      elseif what <= 7 then
        socket:send(("x"):rep(math.random(0, 50)), "127.0.0.1", port)
      elseif what == 8 then
        socket:send("by name", "localhost", port, math.random(0, 1) / 1000)
      elseif what == 9 then
        socket:connect("127.0.0.1", port)
      elseif what == 10 then
        socket:connect()
      elseif what == 11 and math.random(4) == 1 then
        socket:close()
      elseif math.random(4) == 1 then
        sockets[i] = nil -- unclosed
        collectgarbage("step")
      end
    end
    for _ = 1, support.count(10, 500) do
      local sockets, ports, tasks = {}, {}, {}
      for i = 1, 4 do
        sockets[i], ports[i] = open(math.random(2) == 1 and "127.0.0.1" or "*", 0,
          { queue = math.random(8), max = math.random(100) })
      end
      for i = 1, 8 do
        tasks[i] = neap.spawn(function()
          for _ = 1, 20 do
            step(sockets, ports)
          end
        end)
      end
      for _ = 1, 4 do
        neap.yield()
        tasks[math.random(#tasks)]:cancel()
      end
      for _, task in ipairs(tasks) do
        local ok, err = task:wait()
        assert(ok or type(err) == "table" and err.code == "ECANCELED", tostring(err))
      end
      for _, socket in pairs(sockets) do
        socket:close()
      end
    end
  end)

  it("loses no datagram that it has when memory runs out", function()
    if not neap._fail_alloc then
      return pending("needs a test build")
    end
    local a <close>, port = open("127.0.0.1", 0)
    local b <close> = open("127.0.0.1", 0)
    -- One that comes when there is none is lost, and counted: whoever waits then
    -- is told so, others are not.
    local runs = faults.alloc(function()
      local before = a:dropped()
      local done, message, code = b:send(("x"):rep(3000), "127.0.0.1", port)
      if not done then
        return nil, message, code
      end
      repeat
        done, message, code = a:recv(0.01)
      until code ~= "ETIMEDOUT" or a:dropped() > before
      return code ~= "ETIMEDOUT" and done, message, code
    end, { after = function()
      while a:recv(0) do -- luacheck: ignore 542
      end
    end })
    assert.is_true(runs > 0)
    -- Nothing of Lua's own loses one.
    local got, want = "0", 0
    local function send()
      want = want + 1
      assert(b:send(want .. (" "):rep(3000), "127.0.0.1", port))
    end
    send()
    runs = faults.lua_alloc(function()
      local data, why, what = a:recv()
      if not data then
        return nil, why, what
      end
      got = data -- a call may fail as well
    end, { after = function()
      if tonumber(got) == want then
        send()
      end
    end })
    assert.is_true(runs > 0)
    assert.equal(want, tonumber(got) + 1)
    assert.equal(want, tonumber((a:recv())))
  end)

  it("leaves nothing behind when memory runs out while it is opened", function()
    if not neap._fail_alloc then
      return pending("needs a test build")
    end
    local other <close>, port = open("127.0.0.1", 0)
    assert.truthy(other)
    for _, host in ipairs({ "*", "localhost" }) do
      local runs = faults.alloc(function()
        local socket <close>, message, code = net.udp(host, 0)
        if not socket then
          return nil, message, code
        end
        local done
        done, message, code = socket:send("x", "localhost", port)
        if not done then
          return nil, message, code
        end
        return socket:connect("127.0.0.1", port)
      end)
      assert.is_true(runs > 0)
    end
  end)

  it("refuses wrong arguments, naming them", function()
    local function close(handle)
      if type(handle) == "userdata" then
        handle:close()
      end
    end
    -- A name would be looked up, and what is no address is one.
    local function is_name(place, value)
      return place == 1 and (type(value) == "string" or type(value) == "number")
    end
    support.call_badly(net.udp, { "127.0.0.1", 0, {} }, 3, is_name, close)
    local a <close>, port = open("127.0.0.1", 0)
    local function skip(place, value)
      return place == 1 or value == nil
        or (type(value) == "string" or type(value) == "number") and place == 3
    end
    support.call_badly(a.send, { a, "x", "127.0.0.1", port, 1 }, 5, skip)
    support.call_badly(a.recv, { a, 0 }, 2, function(place, value)
      return place == 2 and (value == nil or type(value) == "number" and value > 0.5)
    end)
    support.call_badly(a.connect, { a, "127.0.0.1", port, 1 }, 4, function(place, value)
      return place == 1 or place == 2 and (type(value) == "string" or type(value) == "number")
    end)
    for name, good in pairs({
      broadcast = { true }, join = { "239.1.1.1", "lo", "127.0.0.1" }, multicast = { {} },
      leave = { "239.1.1.1", "lo", "127.0.0.1" }, ttl = { 1 }, rcvbuf = { 1 }, sndbuf = { 1 },
    }) do
      support.call_badly(a[name], { a, table.unpack(good) }, 1 + #good, function(place)
        return place == 1
      end)
      assert.is_false((pcall(a[name], io.stderr, table.unpack(good))))
    end
    local function raises(pattern, fn, ...)
      local ok, message = pcall(fn, ...)
      assert.is_false(ok)
      assert.truthy(message:find(pattern), message)
    end
    raises("#2 to '[%w.]*udp' %(port out of range%)", net.udp, "127.0.0.1", 65536)
    raises("#1 to '[%w.]*udp' %(contains zeros%)", net.udp, "a\0b")
    raises("field 'queue'", net.udp, nil, nil, { queue = 0 })
    raises("field 'max'", net.udp, nil, nil, { max = 65537 })
    raises("port out of range", a.send, a, "x", "127.0.0.1", -1)
    raises("number has no integer representation", a.send, a, "x", "127.0.0.1", 1.5)
    raises("a port without a host", a.send, a, "x", nil, 1)
    raises("a port without a host", a.connect, a, nil, 1)
    raises("out of range", a.ttl, a, 256)
    raises("out of range", a.rcvbuf, a, 0)
    raises("field 'ttl'", a.multicast, a, { ttl = 256 })
    raises("field 'loop'", a.multicast, a, { loop = 1 })
    raises("field 'interface'", a.multicast, a, { interface = {} })
  end)
end)

describe("a UDP socket that can't be had", function()
  -- fault 61
  it("is a failure, and leaves no descriptor", function()
    for call, code in pairs({ setsockopt = "EPERM", bind = "EACCES", getsockname = "ENOBUFS" }) do
      local output, status = support.lua([[
        local neap = require("neap")
        print(select(3, neap.net.udp("127.0.0.1", 0)))
        neap.sleep(0)
        print(neap.info().handles)
      ]], {
        env = ("strace -o /dev/null -e trace=%s -e inject=%s:error=%s"):format(call, call, code),
      })
      assert.equal(code .. "\n0\n", output)
      assert.equal(0, status)
    end
  end)

  it("for want of descriptors is a failure", function()
    local output = support.lua([[
      local neap = require("neap")
      neap.net.udp():close()
      local sockets = {}
      repeat
        local socket, message, code = neap.net.udp("127.0.0.1", 0)
        sockets[#sockets + 1] = socket
        if not socket then
          print(message, code)
        end
      until not socket
      for _, socket in ipairs(sockets) do
        socket:close()
      end
      print(#sockets > 10)
    ]], { env = "ulimit -n 60; " })
    assert.equal("127.0.0.1:0: Too many open files\tEMFILE\ntrue\n", output)
  end)
end)

describe("a UDP socket whose system has no room to send", function()
  local script = [[
    local neap = require("neap")
    local net = neap.net
    local a <close> = assert(net.udp("127.0.0.1", 0))
    local _, port = a:address()
    local b <close> = assert(net.udp("127.0.0.1", 0))
  ]]

  local function run(what, source)
    return support.lua(script .. source, {
      env = ("strace -f -o /dev/null -e trace=sendmsg,sendmmsg %s"):format(what),
    })
  end

  it("waits, and sends it then", function()
    local output, status = run("-e inject=sendmsg:error=EAGAIN:when=1", [[
      print(b:send("later", "127.0.0.1", port))
      print((a:recv()))
    ]])
    assert.equal("true\nlater\n", output)
    assert.equal(0, status)
  end)

  it("fails as the system does then", function()
    if support.sh("pkg-config --atleast-version=1.47 libuv && echo newer") ~= "" then
      return pending("libuv tries again with the call that strace has fail once")
    end
    local output, status = run(
      "-e inject=sendmsg:error=EAGAIN:when=1 -e inject=sendmmsg:error=EPERM", [[
      print(b:send("later", "127.0.0.1", port))
      print((a:recv(0)))
    ]])
    assert.matches("^nil\t127.0.0.1:%d+: Operation not permitted\tEPERM\nnil\n$", output)
    assert.equal(0, status)
  end)

  it("can be waited for in vain, and closed meanwhile", function()
    local output, status = run(
      "-e inject=sendmsg:error=EAGAIN -e inject=sendmmsg:error=EAGAIN", [[
      print(b:send("never", "127.0.0.1", port, 0.01))
      local waiting = neap.spawn({ quiet = true }, b.send, b, "never", "127.0.0.1", port)
      neap.testing.settle()
      print(waiting:status())
      waiting:cancel()
      print(waiting:wait())
      waiting = neap.spawn(b.send, b, "never", "127.0.0.1", port)
      neap.testing.settle()
      b:close()
      print(select(3, waiting:join()))
    ]])
    assert.truthy(output:find("^nil\ttimed out after 0.01 s\tETIMEDOUT\nwaiting\n"
      .. "false\t[^\n]+\nECANCELED\n$"), output)
    assert.equal(0, status)
  end)
end)

describe("a UDP socket and socat", function()
  local process = require("neap.process")

  it("understand each other, whoever begins", function()
    local server <close>, port = open("127.0.0.1", 0)
    local client <close> = assert(process.spawn({ "socat", "-", "UDP4:127.0.0.1:" .. port,
      stdin = "pipe", stdout = "pipe" }))
    assert(client.stdin:write("from socat\n"))
    local data, host, from = server:recv()
    assert.equal("from socat\n", data)
    assert(server:send("to socat\n", host, from))
    assert.equal("to socat", client.stdout:read("l"))

    -- The port is held at 127.0.0.1, so at 127.0.0.2 nobody else takes it.
    local echo <close> = assert(process.spawn({ "socat",
      ("UDP4-RECVFROM:%d,bind=127.0.0.2,fork"):format(port), "EXEC:cat", stdin = "null" }))
    assert.truthy(echo.pid)
    local socket <close> = open("127.0.0.1", 0)
    assert(socket:connect("127.0.0.2", port))
    repeat -- refused until it is there
      socket:send("an echo")
      local answer = socket:recv(0.05)
    until answer == "an echo"
  end)
end)
