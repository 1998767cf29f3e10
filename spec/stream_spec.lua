-- Connections: reading, writing, closing.
local faults = require("spec.support.faults")
local neap = require("neap")
local net = require("neap.net")
local support = require("spec.support")

local settle = support.settle

-- Two ends of a connection over the loopback interface.
local function pair()
  local server <close> = assert(net.listen("127.0.0.1", 0))
  local _, port = server:address()
  local client = assert(net.connect("127.0.0.1", port))
  return client, assert(server:accept())
end

-- libuv opens a descriptor of its own at the first stream: before the counting.
do
  local client, other = pair()
  client:close()
  other:close()
end

-- Waits until n bytes lie unread: without time, as the loopback is quick.
local function arrived(conn, n)
  return assert(conn:peek(n))
end

-- Bytes that differ at every place.
local function pattern(n)
  local words = {}
  for i = 1, n // 8 + 1 do
    words[i] = ("%08d"):format(i)
  end
  return table.concat(words):sub(1, n)
end

describe("a connection", function()
  local a, b

  before_each(function()
    a, b = pair()
  end)

  after_each(function()
    a:close()
    b:close()
  end)

  describe("reads", function()
    it("lines, with and without their newline, and the rest at the end", function()
      a:write("one\ntwo\r\n\nthree")
      a:shutdown()
      assert.equal("one", b:read())
      assert.equal("two\r\n", b:read("L"))
      assert.equal("", b:read("*l"))
      assert.equal("three", b:read("*L"))
      assert.is_nil(b:read())
      assert.is_nil(b:read("L"))
    end)

    it("counts, fewer bytes at the end", function()
      a:write("abcdefg")
      a:shutdown()
      assert.equal("abc", b:read(3))
      assert.equal("", b:read(0))
      assert.equal("defg", b:read(100))
      assert.is_nil(b:read(0))
      assert.is_nil(b:read(1))
    end)

    it("everything, which is nothing at the end", function()
      a:write("all ", "of it")
      a:shutdown()
      assert.equal("all of it", b:read("a"))
      assert.equal("", b:read("*a"))
    end)

    -- What io reads from the same bytes is the measure.
    it("numbers as io does", function()
      local text = " 12 -7.5e2\n0x1Fp1 0x .5 1e+ +-3 nan 7" .. ("1"):rep(250) .. " 8"
      local dir <close> = support.tempdir()
      local file <close> = assert(io.open(support.spit(dir .. "/numbers", text)))
      a:write(text)
      a:shutdown()
      for _ = 1, 20 do
        local expected = file:read("n")
        assert.equal(expected, b:read("n"))
        if expected == nil then
          local rest = file:read(1)
          assert.equal(rest, b:read(1))
        end
      end
    end)

    it("several values in one call, up to the end", function()
      a:write("12 rest\nabcde")
      a:shutdown()
      assert.same({ 12, " rest", "ab" }, { b:read("n", "l", 2) })
      local results = table.pack(b:read(3, "l", "a"))
      assert.same({ n = 2, "cde" }, results)
    end)

    it("what is there, at least a byte", function()
      a:write("hello")
      arrived(b, 5)
      assert.equal("he", b:read_some(2))
      assert.equal("llo", b:read_some())
      a:shutdown()
      assert.is_nil(b:read_some())
    end)

    it("records that end with a delimiter", function()
      a:write("one--two-", "-three-x--", "last-")
      a:shutdown()
      assert.equal("one", b:read_until("--"))
      assert.equal("two--", b:read_until("--", { keep = true }))
      assert.equal("three-x", b:read_until("--"))
      assert.equal("last-", b:read_until("--"))
      assert.is_nil(b:read_until("--"))
    end)

    it("no record that is longer than allowed, and loses nothing of it", function()
      a:write("0123456789;")
      local record, message, code = b:read_until(";", { max = 9 })
      assert.is_nil(record)
      assert.equal("EMSGSIZE", code)
      assert.truthy(message)
      assert.equal("0123456789", b:read_until(";", { max = 10 }))
    end)

    it("without taking away when it peeks", function()
      a:write("magic")
      assert.equal("mag", b:peek(3))
      assert.equal("magic", b:peek(5))
      assert.equal(5, b:buffered())
      assert.equal("magic", b:read(5))
      assert.equal(0, b:buffered())
      a:shutdown()
      assert.is_nil(b:peek(1))
    end)

    it("by iterating over lines or formats", function()
      a:write("one\ntwo\n1 2 3")
      a:shutdown()
      local lines = {}
      for line in b:lines() do
        lines[#lines + 1] = line
        if #lines == 2 then
          break
        end
      end
      for n in b:lines("n") do
        lines[#lines + 1] = n
      end
      assert.same({ "one", "two", 1, 2, 3 }, lines)
    end)

    -- fault 44
    it("the same whether bytes come one at a time or not", function()
      local reader = neap.spawn(function()
        return b:read("l", "n", 4, "L", "a")
      end)
      for char in ("line\n 12.5abcdtail\nall the rest"):gmatch(".") do
        a:write(char)
        neap.yield()
      end
      a:shutdown()
      assert.same({ "line", 12.5, "abcd", "tail\n", "all the rest" }, { reader:join() })
    end)

    it("much, in order", function()
      local size = support.variant == "hostile" and 20000 or 3000000
      local data = pattern(size)
      local writer = neap.spawn(function()
        assert(a:write(data))
        a:shutdown()
      end)
      local first = b:read(size // 2)
      assert.is_true(first .. b:read("a") == data)
      writer:join()
    end)
  end)

  describe("with a time limit", function()
    it("fails, and keeps what has come for the next read", function()
      b:settimeout(0.005)
      a:write("half a li")
      local line, message, code = b:read()
      assert.is_nil(line)
      assert.equal("timed out after 0.005 s", message)
      assert.equal("ETIMEDOUT", code)
      a:write("ne\nx")
      b:settimeout()
      assert.equal("half a line", b:read())
    end)

    it("keeps what an earlier format of the same call has read", function()
      b:settimeout(0.005)
      a:write("one\ntw")
      assert.equal("ETIMEDOUT", (select(3, b:read("l", "l"))))
      a:write("o\n")
      b:settimeout(nil)
      assert.same({ "one", "two" }, { b:read("l", "l") })
    end)

    it("ends a write to a peer that does not read, and tells how much was taken", function()
      a:settimeout(nil, 0.005)
      local data = ("x"):rep(1 << 20)
      local sent = 0
      repeat
        local result, message, code, taken = a:write(data)
        sent = sent + (result and #data or taken)
        if not result then
          assert.equal("timed out after 0.005 s", message)
          assert.equal("ETIMEDOUT", code)
          -- All of it, if the last piece is on its way.
          assert.is_true(taken >= 0 and taken <= #data)
        end
      until not result
      -- All that was taken arrives, and nothing else.
      local reader = neap.spawn(function()
        local received = 0
        for piece in b:lines(4096) do
          received = received + #piece
        end
        return received
      end)
      a:settimeout()
      a:shutdown()
      assert.equal(sent, reader:join())
    end)
  end)

  describe("writes", function()
    it("strings, numbers and arrays of them, and returns itself", function()
      assert.equal(a, a:write("a", 1, 2.5, { "b", 3, { 1 } and "c" }, "", {}))
      assert.equal(a, a:write())
      a:shutdown()
      assert.equal("a12.5b3c", b:read("a"))
    end)

    it("many pieces in order", function()
      local pieces, sum = {}, {}
      for i = 1, 100 do
        pieces[i] = ("%d,"):format(i)
        sum[i] = pieces[i]
      end
      a:write(table.unpack(pieces))
      a:write(pieces)
      a:shutdown()
      assert.equal(table.concat(sum):rep(2), b:read("a"))
    end)

    it("records of several tasks whole, in the order of the calls", function()
      local size = support.variant == "hostile" and 3000 or 400000
      local writers = {}
      for i = 1, 5 do
        writers[i] = neap.spawn(function()
          assert(a:write(tostring(i):rep(size), "\n"))
        end)
      end
      settle() -- all wait, as nobody reads
      local seen = {}
      for i = 1, 5 do
        local line = b:read()
        assert.equal(size, #line)
        seen[i] = line:sub(1, 1)
        assert.is_true(line == seen[i]:rep(size))
      end
      for i = 1, 5 do
        writers[i]:join()
      end
      if support.variant ~= "hostile" then -- there tasks run in any order
        assert.same({ "1", "2", "3", "4", "5" }, seen)
      end
    end)

    it("with bounded memory while the peer does not read", function()
      local data = ("x"):rep(8 << 20)
      collectgarbage()
      local before = neap.info().memory
      local writer = neap.spawn(function()
        return a:write(data)
      end)
      settle()
      assert.is_true(neap.info().memory - before < 1 << 20)
      b:close()
      local result, _, code = writer:join()
      assert.is_nil(result)
      assert.is_true(code == "ECONNRESET" or code == "EPIPE", code)
    end)

    it("nothing after its shutdown", function()
      assert.is_true(a:shutdown())
      assert.is_true(a:shutdown())
      local result, message, code, sent = a:write("late")
      assert.is_nil(result)
      assert.truthy(message:find("127.0.0.1:", 1, true))
      assert.equal("EPIPE", code)
      assert.equal(0, sent)
      b:write("still")
      assert.equal("still", a:read(5))
    end)
  end)

  it("pauses reading while much lies unread", function()
    local data = ("x"):rep(1 << 20)
    local writer = neap.spawn(function()
      while a:write(data) do
      end
    end)
    b:peek(1)
    settle()
    assert.is_true(b:buffered() <= 1 << 20)
    assert.equal("waiting", writer:status())
    b:close()
    writer:join()
  end)

  -- fault 58
  it("refuses a second reader and leaves the first alone", function()
    local reader = neap.spawn(b.read, b)
    settle()
    for _, call in ipairs({ b.read, b.read_some, b.lines(b), b.peek, b.read_until }) do
      if call == b.peek then
        assert.equal("EBUSY", (select(3, b:peek(1))))
      elseif call == b.read_until then
        assert.equal("EBUSY", (select(3, b:read_until(";"))))
      elseif call == b.read or call == b.read_some then
        local result, message, code = call(b)
        assert.is_nil(result)
        assert.truthy(message:find("another task is reading", 1, true))
        assert.equal("EBUSY", code)
      else
        assert.error_matches(call, "another task is reading")
      end
    end
    assert.truthy(b:write("to the peer\n"))
    a:write("for the first\n")
    assert.equal("for the first", reader:join())
    assert.equal("to the peer", a:read())
  end)

  -- fault 58
  it("refuses a second reader between two formats of the first", function()
    local reader = neap.spawn(b.read, b, "l", "l")
    a:write("one\n")
    settle()
    assert.equal("EBUSY", (select(3, b:read())))
    a:write("two\n")
    assert.same({ "one", "two" }, { reader:join() })
  end)

  -- fault 59
  it("wakes a reader when it is closed", function()
    local reader = neap.spawn(b.read, b)
    settle()
    assert.is_true(b:close())
    settle()
    assert.equal("done", reader:status())
    local result, message, code = reader:join()
    assert.is_nil(result)
    assert.truthy(message)
    assert.equal("ECANCELED", code)
  end)

  -- fault 59
  it("wakes every writer when it is closed", function()
    local data = ("x"):rep(16 << 20)
    local writers = {}
    for i = 1, 3 do
      writers[i] = neap.spawn(a.write, a, data)
    end
    settle()
    a:close()
    settle()
    for i = 1, 3 do
      assert.equal("done", writers[i]:status())
      local result, _, code = writers[i]:join()
      assert.is_nil(result)
      assert.equal("ECANCELED", code)
    end
  end)

  it("answers every call with EBADF once it is closed", function()
    assert.is_true(a:close())
    assert.is_true(a:close())
    local calls = {
      { a.read }, { a.read, "n" }, { a.read_some }, { a.read_until, ";" }, { a.peek, 1 },
      { a.buffered }, { a.write, "x" }, { a.shutdown }, { a.settimeout, 1 }, { a.address },
      { a.peer }, { a.nodelay, true }, { a.keepalive, 10 },
    }
    for i, call in ipairs(calls) do
      local result, message, code = call[1](a, table.unpack(call, 2))
      assert.is_nil(result)
      assert.equal("connection is closed", message, "call " .. i)
      assert.equal("EBADF", code)
    end
    assert.error_matches(a:lines(), "connection is closed")
    assert.equal("connection (closed)", tostring(a))
  end)

  it("is closed at the end of its block", function()
    do
      local closing <close> = a
      assert.truthy(closing)
    end
    assert.is_nil(b:read())
    assert.equal("EBADF", (select(3, a:read())))
  end)

  it("says who it is", function()
    local ip, port, family = a:peer()
    assert.equal("127.0.0.1", ip)
    assert.equal("inet", family)
    assert.same({ ip, port, family }, { b:address() })
    assert.same({ a:address() }, { b:peer() })
    assert.equal(("connection (127.0.0.1:%d)"):format(port), tostring(a))
  end)

  it("takes TCP's options", function()
    assert.is_true(a:nodelay(false))
    assert.is_true(a:nodelay(true))
    assert.is_true(a:keepalive(30))
    assert.is_true(a:keepalive(false))
  end)

  it("sets and tells how much the kernel holds", function()
    for _, method in ipairs({ "sndbuf", "rcvbuf" }) do
      local now = a[method](a, 20000)
      assert.is_true(now >= 20000 and now <= 80000, tostring(now))
      assert.equal(now, a[method](a))
      assert.is_true(a[method](a, 100000) > now)
    end
  end)

  it("tells its descriptor, which stays its own", function()
    local fd = a:fd()
    assert.equal("socket:", support.sh(("readlink /proc/%d/fd/%d"):format(
      tonumber(support.slurp("/proc/self/stat"):match("^%d+")), fd)):match("^socket:"))
    a:write("still open\n")
    assert.equal("still open", b:read())
  end)

  -- fault 61
  it("whose socket refuses options and names says so, and lives", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local net = require("neap.net")
      local server <close> = assert(net.listen("127.0.0.1", 0))
      local a <close> = assert(net.connect("127.0.0.1", (select(2, server:address()))))
      print(select(3, a:sndbuf(5000)), select(3, a:nodelay(true)), select(3, a:keepalive(5)))
      print(select(3, a:address()), select(3, a:peer()))
      local b <close> = assert(server:accept())
      b:write("hello\n")
      print(a:read())
    ]], { env = "strace -f -o /dev/null -e trace=setsockopt,getsockname,getpeername"
      .. " -e inject=setsockopt:error=ENOBUFS:when=3+"
      .. " -e inject=getsockname:error=ENOBUFS:when=2+ -e inject=getpeername:error=ENOBUFS" })
    assert.equal("ENOBUFS\tENOBUFS\tENOBUFS\nENOBUFS\tENOBUFS\nhello\n", output)
    assert.equal(0, status)
  end)

  -- fault 50
  it("gives ECONNRESET to a reader whose peer resets", function()
    local reader = neap.spawn(b.read, b, "a")
    a:write("some")
    settle()
    a:reset()
    local result, message, code = reader:join()
    assert.is_nil(result)
    assert.truthy(message:find("^127%.0%.0%.1:%d+: "))
    assert.equal("ECONNRESET", code)
  end)

  -- fault 50
  it("gives ECONNRESET or EPIPE to a writer whose peer resets", function()
    local writer = neap.spawn(b.write, b, ("x"):rep(16 << 20))
    settle()
    a:reset()
    local result, _, code, sent = writer:join()
    assert.is_nil(result)
    assert.is_true(code == "ECONNRESET" or code == "EPIPE", code)
    assert.is_true(sent < 16 << 20)
  end)

  -- fault 50
  it("fails in shutdown when the peer has reset, and others don't notice", function()
    local c, d = pair()
    a:reset()
    assert.is_nil((b:read()))
    local done, message, code = b:shutdown()
    assert.is_nil(done)
    assert.truthy(message)
    assert.is_true(code == "ENOTCONN" or code == "EPIPE" or code == "ECONNRESET", code)
    c:write("unharmed\n")
    assert.equal("unharmed", d:read())
    c:close()
    d:close()
  end)

  -- fault 51
  it("fails with EPIPE, not with a signal, when it writes to a closed peer", function()
    a:close()
    local result, message, code
    repeat
      result, message, code = b:write("x")
    until not result
    assert.truthy(message)
    assert.is_true(code == "EPIPE" or code == "ECONNRESET", code)
    assert.equal("EPIPE", (select(3, b:write("x"))))
  end)

  -- fault 60
  it("is closed once, with a warning, when it is collected with its read armed", function()
    -- c is what reads; its only reference goes with the function
    local peer
    local function use()
      local c
      peer, c = pair()
      peer:write("x")
      assert.equal("x", c:read(1))
    end
    use()
    local before = neap.info().handles
    peer:write("more, for a reader that is gone")
    collectgarbage()
    collectgarbage()
    neap.sleep(0)
    settle()
    assert.is_nil((peer:read()))
    assert.is_true(neap.info().handles < before)
    peer:close()
  end)

  it("refuses wrong arguments, naming them", function()
    a:write(("7 x\n"):rep(1000))
    b:settimeout(0) -- what is a right argument after all must not wait
    a:settimeout(0)
    local calls = 0
    for _, method in ipairs({ "read", "read_some", "read_until", "peek", "settimeout", "nodelay",
      "keepalive", "sndbuf", "rcvbuf", "lines", "write" }) do
      calls = calls + support.call_badly(b[method], { b, method == "nodelay" or 1, {} }, 3)
    end
    assert.is_true(calls > 200)
    assert.error_matches(function() b:read("x") end, "bad argument #1 to 'read' %(invalid format%)")
    assert.error_matches(function() b:read(-1) end, "bad argument #1 to 'read' %(negative count%)")
    assert.error_matches(function() b:write(true) end, "bad argument #1 to 'write'")
    assert.error_matches(function() b:write({ "x", {} }) end, "element 2 is a table")
    assert.error_matches(function() b:settimeout(0 / 0) end, "bad argument #1 to 'settimeout'")
    assert.error_matches(function() b:read_until("") end, "empty delimiter")
  end)

  it("loses no byte when memory runs out in a read", function()
    local written, read = 0, 0
    local function write()
      written = written + 1
      a:write(written, " some line\n")
    end
    write()
    local runs = faults.alloc(function()
      local n, line, code = b:read("n", "L")
      if n == nil then
        return nil, line, code
      end
      read = read + 1
      assert(n == read and line == " some line\n")
    end, { after = function()
      if written == read then
        write()
      end
    end })
    assert.is_true(runs > 0)
    assert.equal(written, b:read("n"))
  end)

  it("loses no byte when Lua has no memory for what was read", function()
    local long = ("x"):rep(100)
    local read = 0
    a:write((long .. "\n1 2 "):rep(3))
    local runs = faults.lua_alloc(function()
      if read < 3 then
        local line, one, two = b:read("l", "n", "n")
        read = read + 1
        assert(line:sub(-100) == long and one == 1 and two == 2)
      end
    end)
    assert.is_true(runs > 0)
    assert.is_true(read > 0)
    for _ = read + 1, 3 do
      assert.same({ " " .. long, 1, 2 }, { b:read("l", "n", "n") })
    end
    a:shutdown()
    assert.equal(" ", b:read("a"))
  end)

  it("fails in a write when memory runs out, and tells how much was taken", function()
    local data, sent = ("x"):rep(1 << 20), 0
    local function write()
      local result, message, code, taken = a:write(data)
      sent = sent + (result and #data or taken)
      if code ~= "ETIMEDOUT" then
        return result, message, code
      end
    end
    a:settimeout(0.001)
    repeat -- the kernel takes some of it without any memory of ours
    until not write()
    local runs = faults.alloc(write)
    assert.is_true(runs > 0)
    a:settimeout()
    local finish = neap.spawn(function()
      a:shutdown()
    end)
    assert.equal(sent, #b:read("a"))
    finish:join()
  end)
end)

describe("SIGPIPE", function()
  -- fault 51
  it("is not passed on to child processes as ignored", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local net = require("neap.net")
      local server = assert(net.listen("127.0.0.1", 0))
      local client = assert(net.connect("127.0.0.1", (select(2, server:address()))))
      local conn = assert(server:accept())
      client:close()
      while conn:write("x") do neap.sleep(0) end
      local _, how, signal = os.execute("kill -s PIPE $$; true")
      print(how, signal)
      conn:close()
      server:close()
    ]])
    assert.equal("signal\t13\n", output)
    assert.equal(0, status)
  end)
end)

-- fault 45
describe("interrupted system calls", function()
  it("are retried, and nobody notices", function()
    local script = [[
      local neap = require("neap")
      local net = require("neap.net")
      local server <close> = assert(net.listen("127.0.0.1", 0))
      local _, port = server:address()
      neap.spawn(function()
        for conn in server do
          for line in conn:lines() do assert(conn:write(line, "\n")) end
          conn:close()
        end
      end)
      for i = 1, 5 do
        local conn <close> = assert(net.connect("127.0.0.1", port))
        for j = 1, 20 do
          assert(conn:write(i, " ", j, "\n"))
          assert(conn:read() == i .. " " .. j)
        end
      end
      server:close()
      os.exit(42, true) -- print would fail: stdio does not retry
    ]]
    local output, status = support.lua(script, {
      env = "strace -f -o /dev/null"
        .. " -e inject=accept4:error=EINTR:when=1+2"
        .. " -e inject=connect:error=EINTR:when=1+2"
        .. " -e inject=read:error=EINTR:when=60+3"
        .. " -e inject=write,writev:error=EINTR:when=2+3"
        .. " -e inject=epoll_wait,epoll_pwait:error=EINTR:when=2+3",
    })
    assert.equal("", output)
    assert.equal(42, status)
  end)
end)
