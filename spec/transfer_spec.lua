-- net.copy and net.relay: from end to end.
local faults = require("spec.support.faults")
local fs = require("neap.fs")
local neap = require("neap")
local net = require("neap.net")
local support = require("spec.support")

local settle = support.settle

-- Different everywhere, so that what is lost, doubled or moved shows.
local function numbers(bytes)
  local lines = {}
  for i = 1, bytes // 8 + 1 do
    lines[i] = ("%07d\n"):format(i)
  end
  return table.concat(lines):sub(1, bytes)
end

local function tcp()
  local server <close> = assert(net.listen("127.0.0.1", 0))
  local a = assert(net.connect("127.0.0.1", (select(2, server:address()))))
  return a, assert(server:accept())
end

-- A connection that gives data and then ends.
local function giving(pair, data)
  local a, b = pair()
  neap.spawn(function()
    local mine <close> = a
    mine:write(data)
    mine:shutdown()
    mine:read("a") -- until the other side has done with it
  end)
  return b
end

-- A task that reads all of a connection: its result is what came.
local function taking(conn)
  return neap.spawn(function()
    local mine <close> = conn
    return mine:read("a")
  end)
end

local much = numbers(support.variant == "hostile" and 20000 or 3000000)

describe("net.copy", function()
  local dir

  before_each(function()
    dir = support.tempdir()
  end)

  after_each(function()
    getmetatable(dir).__close(dir)
  end)

  -- Ways to have a source with data, and a target: it and a function that waits
  -- for what came.
  local sources = {
    tcp = function(data)
      return giving(tcp, data)
    end,
    unix = function(data)
      return giving(net.pair, data)
    end,
    file = function(data)
      return assert(fs.open(support.spit(dir .. "/source", data), "r"))
    end,
    fifo = function(data)
      assert(os.execute("mkfifo " .. support.quote(dir .. "/fifo")))
      neap.spawn(function()
        local file <close> = assert(fs.open(dir .. "/fifo", "w"))
        file:write(data)
      end)
      return assert(fs.open(dir .. "/fifo", "r"))
    end,
  }
  local targets = {
    tcp = function()
      local a, b = tcp()
      local task = taking(b)
      return a, function()
        a:close()
        return task:join()
      end
    end,
    unix = function()
      local a, b = net.pair()
      local task = taking(b)
      return a, function()
        a:close()
        return task:join()
      end
    end,
    file = function()
      local file = assert(fs.open(dir .. "/target", "w"))
      return file, function()
        assert(file:close())
        return support.slurp(dir .. "/target")
      end
    end,
  }

  for from, source in pairs(sources) do
    for to, target in pairs(targets) do
      it(("copies all of a %s to a %s"):format(from, to), function()
        local src <close> = source(much)
        local dst, came = target()
        assert.equal(#much, net.copy(src, dst))
        assert.is_true(came() == much)
      end)
    end
  end

  it("copies through TLS at either end", function()
    local tls = require("neap.tls")
    local certs = require("spec.support.certs")
    local server <close> = assert(tls.listen("127.0.0.1", 0, certs.server("server")))
    local _, port = server:address()
    local function encrypted()
      local accepting = neap.spawn(server.accept, server)
      local a = assert(tls.connect("localhost", port, { ca = certs.path("ca.pem") }))
      return a, assert(accepting:join())
    end
    for _, pairs_of in ipairs({ { encrypted, net.pair }, { net.pair, encrypted } }) do
      local src <close> = giving(pairs_of[1], much)
      local dst, far = pairs_of[2]()
      local came = taking(far)
      assert.equal(#much, net.copy(src, dst))
      assert(dst:shutdown())
      dst:close()
      assert.is_true(came:join() == much)
    end
  end)

  it("begins with what was received and stops at its limit", function()
    local a, b = tcp()
    local c, d = net.pair()
    a:write("line\n0123456789")
    assert.equal("line", b:read())
    assert.equal(0, net.copy(b, c, { limit = 0 }))
    assert.equal(4, net.copy(b, c, { limit = 4 }))
    a:write("abcdef")
    settle()
    assert.equal(8, net.copy(b, c, { limit = 8 }))
    c:shutdown()
    assert.equal("0123456789ab", d:read("a"))
    assert.equal("cdef", b:read(4))
    for _, conn in ipairs({ a, b, c, d }) do
      conn:close()
    end
  end)

  it("goes on where a file stands, in both", function()
    local src <close> = assert(fs.open(support.spit(dir .. "/source", "one\ntwo\nthree\n"), "r"))
    local dst <close> = assert(fs.open(dir .. "/target", "w+"))
    assert.equal("one", src:read())
    dst:write("zero\n")
    assert.equal(4, net.copy(src, dst, { limit = 4 }))
    assert.equal("three", src:read())
    dst:write("four\n")
    dst:seek("set", 0)
    assert.equal("zero\ntwo\nfour\n", dst:read("a"))
  end)

  it("tells how far it is, and an error of the function comes out", function()
    local src <close> = giving(tcp, much)
    local dst, far = net.pair()
    local came = taking(far)
    local seen = {}
    assert.error_matches(function()
      net.copy(src, dst, { progress = function(n)
        seen[#seen + 1] = n
        neap.yield() -- it may wait
        assert(n < #much // 2, "enough")
      end })
    end, "enough")
    local before = 0
    for _, n in ipairs(seen) do
      assert.is_true(n > before and n - before <= 65536)
      before = n
    end
    assert.equal(#much - before, net.copy(src, dst))
    dst:close()
    assert.is_true(came:join() == much)
  end)

  it("says which side has failed, and how many bytes went", function()
    local a, b = tcp()
    local c, d = net.pair()
    a:write("0123456789")
    d:close()
    local n, message, code, copied, side, _ = net.copy(b, c)
    assert.is_nil(n)
    assert.equal("unix socket: Broken pipe", message)
    assert.same({ "EPIPE", 0, "write" }, { code, copied, side })
    assert.equal("0123456789", b:read(10)) -- not lost

    local e, f = net.pair()
    a:write("0123456789")
    local copying = neap.spawn(net.copy, b, e)
    assert.equal("0123456789", f:read(10))
    a:reset()
    n, message, code, copied, side = copying:join()
    assert.is_nil(n)
    assert.truthy(message:find("^127%.0%.0%.1:%d+: Connection reset by peer$"), message)
    assert.same({ "ECONNRESET", 10, "read" }, { code, copied, side })

    for _, ends in ipairs({ { c, e }, { e, c } }) do
      c:close()
      n, message, code, copied, side = net.copy(ends[1], ends[2])
      assert.is_nil(n)
      assert.same({ "connection is closed", "EBADF", 0 }, { message, code, copied })
      assert.equal(ends[1] == c and "read" or "write", side)
    end
    local full <close> = assert(fs.open("/dev/full", "w"))
    full:setvbuf("no")
    f:write("text")
    n, _, code, copied, side = net.copy(e, full)
    assert.is_nil(n)
    assert.same({ "ENOSPC", 0, "write" }, { code, copied, side })
    assert.equal("text", e:read(4))
    for _, conn in ipairs({ b, e, f }) do
      conn:close()
    end
  end)

  -- fault 59
  it("ends with ECANCELED when either end is closed while it waits", function()
    for _, closed in ipairs({ "source", "target" }) do
      for _, waits in ipairs({ "source", "target" }) do
        local a, b = net.pair()
        local c, d = net.pair()
        local writing
        if waits == "target" then
          writing = neap.spawn(a.write, a, ("x"):rep(8000000))
        end
        local copying = neap.spawn(net.copy, b, c)
        settle()
        local conn = closed == "source" and b or c
        conn:close()
        if closed == "target" and waits == "source" then
          a:write("wake up") -- it waits for the source alone
        end
        local n, _, code, _, side = copying:join()
        if waits == "target" and closed == "source" then
          -- What the target has got by then is on its way; it is still full.
          assert.is_nil(n)
        end
        assert.is_nil(n)
        assert.is_true(code == "ECANCELED" or code == "EBADF", code)
        assert.equal(closed == "source" and "read" or "write", side)
        for _, other in ipairs({ a, b, c, d }) do
          other:close()
        end
        if writing then
          writing:wait()
        end
      end
    end
  end)

  it("ends at the time limits of both ends", function()
    local a, b = net.pair()
    local c, d = net.pair()
    b:settimeout(0.01)
    local _, message, code, copied, side = net.copy(b, c)
    assert.same({ "timed out after 0.01 s", "ETIMEDOUT", 0, "read" },
      { message, code, copied, side })
    b:settimeout(nil)
    c:settimeout(nil, 0.01)
    neap.spawn(function()
      a:write(much)
      a:close()
    end)
    local reading, sum = nil, 0
    local n
    repeat
      n, message, code, copied, side = net.copy(b, c)
      if not n then
        assert.same({ "timed out after 0.01 s", "ETIMEDOUT", "write" }, { message, code, side })
        reading = reading or taking(d)
      end
      sum = sum + (n or copied)
    until n
    reading = reading or taking(d) -- where it all went into the kernel
    c:close()
    assert.is_true(reading:join() == much)
    assert.equal(#much, sum)
    b:close()
  end)

  -- fault 24
  it("loses and doubles nothing however often it is cancelled", function()
    for _, pairs_of in ipairs({ { tcp, tcp }, { net.pair, tcp }, { tcp, net.pair } }) do
      local src <close> = giving(pairs_of[1], much)
      local dst, far = pairs_of[2]()
      local reading = taking(far)
      local cancelled, done = 0, false
      while not done do
        local copying = neap.spawn({ quiet = true }, net.copy, src, dst)
        for _ = 1, math.random(1, 20) do
          neap.yield()
        end
        if math.random(2) == 1 then
          neap.sleep(0)
        end
        copying:cancel()
        local ok, n = copying:wait()
        cancelled = cancelled + (ok and 0 or 1)
        done = ok and n ~= nil
      end
      assert(dst:shutdown()) -- behind what a cancelled copy has left to libuv
      dst:close()
      assert.is_true(reading:join() == much)
    end
  end)

  it("is the one reader of its source", function()
    local a, b = net.pair()
    local c, d = net.pair()
    local copying = neap.spawn(net.copy, b, c)
    settle()
    assert.equal("EBUSY", (select(3, b:read())))
    local _, _, code, _, side = net.copy(b, d)
    assert.same({ "EBUSY", "read" }, { code, side })
    a:write("text")
    a:shutdown()
    assert.equal(4, copying:join())
    assert.equal("text", d:read(4))
    for _, conn in ipairs({ a, b, c, d }) do
      conn:close()
    end
  end)

  it("leaves room for other writers of its target, whole", function()
    local src, b = net.pair()
    local c, d = net.pair()
    local copying = neap.spawn(net.copy, b, c)
    settle()
    c:write("<mine>")
    src:write("copied")
    src:close()
    assert.equal(6, copying:join())
    c:close()
    assert.equal("<mine>copied", d:read("a"))
    b:close()
    d:close()
  end)

  it("echoes on one connection", function()
    local a, b = tcp()
    local echoing = neap.spawn(net.copy, b, b)
    local reading = neap.spawn(function()
      return a:read(#much)
    end)
    a:write(much)
    assert.is_true(reading:join() == much)
    a:shutdown()
    assert.equal(#much, echoing:join())
    a:close()
    b:close()
  end)

  -- fault 52
  it("has bounded memory while its target does not read", function()
    local a, b = net.pair()
    local c, d = net.pair()
    local copying = neap.spawn(net.copy, b, c)
    settle()
    local before = neap.info().memory
    local writing = neap.spawn(a.write, a, ("x"):rep(20000000))
    settle()
    assert.equal("waiting", copying:status())
    assert.is_true(neap.info().memory - before < 1000000)
    copying:cancel()
    writing:cancel()
    copying:wait()
    writing:wait()
    for _, conn in ipairs({ a, b, c, d }) do
      conn:close()
    end
  end)

  it("works where bytes can't stay in the kernel", function()
    for _, fault in ipairs({ "splice:error=EINVAL", "splice:error=EINVAL:when=2+2",
      "pipe2:error=EMFILE:when=3+" }) do
      local output = support.lua(([[
        local neap = require("neap")
        local a, b = assert(neap.net.pair())
        local c, d = assert(neap.net.pair())
        local text = ("0123456789"):rep(%d)
        neap.spawn(function() a:write(text) a:close() end)
        local reading = neap.spawn(d.read, d, "a")
        print(neap.net.copy(b, c))
        c:close()
        print(reading:join() == text)
        b:close() d:close()
      ]]):format(#much // 100), {
        env = "strace -f -o /dev/null -e trace=splice,pipe2 -e inject=" .. fault,
      })
      assert.equal(#much // 100 * 10 .. "\ntrue\n", output, fault)
    end
  end)

  it("loses no byte when memory runs out", function()
    local a, b = net.pair()
    local c, d = net.pair()
    local text = numbers(support.variant == "hostile" and 300 or 40000)
    local expected, copied
    -- The target is full: what it does not take needs memory. Nobody reads yet.
    local function prepare()
      local filler = ("f"):rep(400000)
      c:settimeout(nil, 0)
      local _, _, code, sent = c:write(filler)
      assert(code == "ETIMEDOUT", code)
      assert(a:write(text))
      expected, copied = filler:sub(1, sent) .. text, 0
    end
    local function copy()
      local n, message, code, some = net.copy(b, c, { limit = #text - copied })
      copied = copied + (n or some)
      return n or code == "ETIMEDOUT" or nil, message, code
    end
    prepare()
    local runs = faults.alloc(copy, { after = function()
      c:settimeout(nil)
      local reading = neap.spawn(d.read, d, #expected)
      while copied < #text do
        assert(copy())
      end
      assert(reading:join() == expected)
      prepare()
    end })
    -- There small pieces go out, out of blocks that are there.
    assert.is_true(runs > 0 or support.variant == "hostile")
    for _, conn in ipairs({ a, b, c, d }) do
      conn:close()
    end
  end)

  it("refuses wrong arguments, naming them", function()
    local a, b = net.pair()
    local file <close> = assert(fs.open(dir .. "/file", "w+"))
    local function raises(pattern, ...)
      local ok, message = pcall(...)
      assert.is_false(ok)
      assert.truthy(message:find(pattern), message)
    end
    raises("#1 to '[%w.]*copy' %(connection or file expected, got nil%)", net.copy)
    raises("#2 to '[%w.]*copy' %(connection or file expected, got number%)", net.copy, a, 1)
    raises("#2 to '[%w.]*copy' %(the same file", net.copy, file, file)
    raises("field 'limit'", net.copy, a, b, { limit = -1 })
    raises("field 'progress'", net.copy, a, b, { progress = 1 })
    raises("#2 to '[%w.]*relay'", net.relay, a, file)
    raises("#2 to '[%w.]*relay' %(the same connection", net.relay, a, a)
    raises("field 'progress'", net.relay, a, b, { progress = 1 })
    a:close()
    b:close()
  end)
end)

describe("net.relay", function()
  -- Two clients joined by a relay: both, the relay's task and a function that
  -- closes all.
  local function joined(pair)
    local a, one = pair()
    local b, two = pair()
    local relaying = neap.spawn({ quiet = true }, net.relay, one, two)
    return a, b, relaying, function()
      for _, conn in ipairs({ a, b, one, two }) do
        conn:close()
      end
    end
  end

  it("joins two connections, and passes ends on as half-closes", function()
    for _, pair in ipairs({ tcp, net.pair }) do
      local a, b, relaying, close = joined(pair)
      a:write("question")
      a:shutdown()
      assert.equal("question", b:read("a"))
      settle()
      assert.equal("waiting", relaying:status())
      local reading = neap.spawn(a.read, a, "a")
      b:write(much)
      b:shutdown()
      assert.is_true(reading:join() == much)
      assert.same({ 8, #much }, { relaying:join() })
      close()
    end
  end)

  it("tells both counts as it goes", function()
    local a, one = net.pair()
    local b, two = net.pair()
    local seen
    local relaying = neap.spawn(net.relay, one, two, { progress = function(...)
      seen = { ... }
    end })
    a:write("12345")
    assert.equal("12345", b:read(5))
    settle()
    assert.same({ 5, 0 }, seen)
    b:write("123")
    assert.equal("123", a:read(3))
    settle()
    assert.same({ 5, 3 }, seen)
    a:close()
    b:close()
    relaying:join()
    one:close()
    two:close()
  end)

  it("delivers what a peer said that takes no more", function()
    local a, b, relaying, close = joined(net.pair)
    b:write("too long, go away")
    b:close()
    settle()
    a:write("x")
    assert.equal("too long, go away", a:read("a"))
    a:shutdown()
    relaying:wait()
    close()
  end)

  -- fault 50
  it("ends both directions when one is reset, and says which", function()
    local a, b, relaying, close = joined(tcp)
    a:write("12345")
    assert.equal("12345", b:read(5))
    settle()
    a:reset()
    local first, message, code, from_a, from_b = relaying:join()
    assert.is_nil(first)
    assert.truthy(message:find("^read from first: 127%.0%.0%.1:%d+: Connection reset by peer$"),
      message)
    assert.same({ "ECONNRESET", 5, 0 }, { code, from_a, from_b })
    close()
  end)

  it("ends both directions when it is cancelled, and the connections live", function()
    local a, one = net.pair()
    local b, two = net.pair()
    local relaying = neap.spawn({ quiet = true }, net.relay, one, two)
    settle()
    relaying:cancel()
    assert.is_false((relaying:wait()))
    assert.equal("cancelled", relaying:status())
    assert(one:write("direct"))
    assert.equal("direct", a:read(6))
    for _, conn in ipairs({ a, b, one, two }) do
      conn:close()
    end
  end)
end)
