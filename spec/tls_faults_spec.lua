-- neap.tls with peers that break the rules, vanish, stall or say nothing; what
-- is closed, cancelled or left behind at each point; want of memory.
local neap = require("neap")
local net = require("neap.net")
local tls = require("neap.tls")
local certs = require("spec.support.certs")
local faults = require("spec.support.faults")
local support = require("spec.support")

local settle = support.settle
local path = certs.path

assert(net.listen("127.0.0.1", 0)):close()

local client_options = { ca = path("ca.pem") }

-- Closed after each test.
local opened = {}

after_each(function()
  for _, handle in ipairs(opened) do
    handle:close()
  end
  opened = {}
end)

local function keep(handle)
  opened[#opened + 1] = handle
  return handle
end

local function listen(options)
  local server = keep(assert(tls.listen("127.0.0.1", 0, options or certs.server("server"))))
  return server, select(2, server:address())
end

-- A plain server's port and a task with its first connection.
local function plain_server()
  local server = keep(assert(net.listen("127.0.0.1", 0)))
  local _, port = server:address()
  return port, neap.spawn(function()
    return keep(assert(server:accept()))
  end)
end

local function accept(server)
  return neap.spawn(function()
    return keep(assert(server:accept()))
  end)
end

-- A pair of plain connections.
local function plain_pair()
  local port, accepting = plain_server()
  local client = keep(assert(net.connect("127.0.0.1", port)))
  return client, accepting:join()
end

-- What stands between a client and a server and is under the spec's control:
-- it passes bytes on until told otherwise.
--   limit: so many bytes of the server's are passed on; if there are more,
--   `at_limit(client, server)` is called and no more pass
local function between(server_port, limit, at_limit)
  local proxy = keep(assert(net.listen("127.0.0.1", 0)))
  local _, port = proxy:address()
  local state = { passed = 0 }
  neap.spawn(function()
    for near in proxy do
      keep(near)
      local far = keep(assert(net.connect("127.0.0.1", server_port)))
      state.near, state.far = near, far
      neap.spawn(function()
        while true do
          local bytes = near:read_some()
          if not bytes or not far:write(bytes) then
            return
          end
        end
      end)
      neap.spawn(function()
        while true do
          local bytes = far:read_some()
          if not bytes then
            near:close()
            return
          end
          local room = (limit or math.huge) - state.passed
          if #bytes > room then
            near:write(bytes:sub(1, room))
            state.cut = true
            return at_limit(near, far)
          end
          state.passed = state.passed + #bytes
          near:write(bytes)
        end
      end)
    end
  end)
  return port, state
end

local function failed(pattern, code, value, message, told)
  assert.is_nil(value)
  assert.matches(pattern, message)
  assert.equal(code, told)
end

describe("what is not TLS", function() -- fault 65
  it("fails a client's handshake", function()
    for _, garbage in ipairs({ "HTTP/1.1 400 Bad Request\r\n\r\n", "\0\0\0\0\0\0\0\0",
      "\x16\x03\x01\xff\xff" .. ("x"):rep(100), "\x15\x03\x03\0\2\2\40", "220 ready\r\n" }) do
      local port, accepting = plain_server()
      local talking = neap.spawn(function()
        local conn = accepting:join()
        conn:write(garbage)
        conn:read("a")
      end)
      failed("^127.0.0.1:%d+: TLS: %l", "EPROTO", tls.connect("127.0.0.1", port, client_options))
      talking:join()
    end
  end)

  it("fails a server's, which others do not notice", function()
    local server, port = listen()
    for _, garbage in ipairs({ "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\0\0\0\0\0\0\0\0",
      "\x16\x03\x01\x00\x05hello", ("x"):rep(100000) }) do
      local accepting = accept(server)
      local peer <close> = assert(net.connect("127.0.0.1", port))
      peer:write(garbage)
      local conn <close> = accepting:join()
      failed("^127.0.0.1:%d+: TLS: %l", "EPROTO", conn:read())
      failed("TLS: %l", "EPROTO", conn:write("never sent\n"))
      failed("TLS: %l", "EPROTO", conn:handshake())
      failed("TLS: %l", "EPROTO", conn:info())
      failed("TLS: %l", "EPROTO", conn:shutdown())
    end
    local accepting = accept(server)
    local good <close> = assert(tls.connect("127.0.0.1", port, client_options))
    good:write("x\n")
    local conn <close> = accepting:join()
    assert.equal("x", conn:read())
  end)

  it("is never taken for data after the handshake", function()
    local server, port = listen()
    local proxy_port, state = between(port)
    local accepting = accept(server)
    local client <close> = assert(tls.connect("127.0.0.1", proxy_port, client_options))
    local conn = accepting:join()
    client:write("good\n")
    assert.equal("good", conn:read())
    state.far:write("plain text in between\n")
    failed("TLS: %l", "EPROTO", conn:read())
    failed("TLS: %l", "EPROTO", conn:write("x"))
    -- The alert of the server makes the client fail, too.
    failed("TLS: .*alert", "EPROTO", client:read())
  end)

  it("is noticed when a record has been changed", function()
    local server, port = listen()
    local proxy_port, state = between(port)
    local accepting = accept(server)
    local client <close> = assert(tls.connect("127.0.0.1", proxy_port, client_options))
    local conn = accepting:join()
    assert(conn:handshake())
    -- A record of application data, 32 bytes that nobody has encrypted.
    state.near:write("\x17\x03\x03\0\32" .. ("x"):rep(32))
    failed("TLS: %l", "EPROTO", client:read())
  end)
end)

describe("a connection that breaks off", function() -- fault 65
  it("is a failure, not an end, and what came before can be read", function()
    local server, port = listen()
    local proxy_port, state = between(port)
    local accepting = accept(server)
    local client <close> = assert(tls.connect("127.0.0.1", proxy_port, client_options))
    local conn = accepting:join()
    conn:write("whole line\nhalf a li")
    assert.equal("whole line", client:read())
    assert.equal("half", client:read(4))
    state.near:close()
    failed("TLS: connection was cut off$", "ECONNABORTED", client:read())
    failed("TLS: connection was cut off$", "ECONNABORTED", client:read("a"))
    assert.equal(" a li", client:read_some())
    failed("TLS: connection was cut off$", "ECONNABORTED", client:read_some())
    assert.equal("TLSv1.3", client:info().version)
  end)

  it("is a reset when it was reset", function()
    local server, port = listen()
    local proxy_port, state = between(port)
    local accepting = accept(server)
    local client <close> = assert(tls.connect("127.0.0.1", proxy_port, client_options))
    assert(accepting:join():handshake())
    state.near:reset()
    failed("Connection reset by peer$", "ECONNRESET", client:read())
  end)

  -- Whatever byte of the server's is the last one: an end only after its
  -- close_notify, else a failure of the connect or of the read.
  it("at any byte is never taken for an end", function()
    local text = "the answer\n"
    local function run(limit, how)
      local server, port = listen()
      local proxy_port, state = between(port, limit, function(near)
        near[how](near)
      end)
      local serving = neap.spawn(function()
        local conn <close> = assert(server:accept())
        if conn:read() then
          conn:write(text)
          conn:shutdown()
          conn:read("a")
        end
      end)
      local conn, message, code = tls.connect("127.0.0.1", proxy_port, client_options)
      local result
      if conn then
        keep(conn)
        conn:write("question\n")
        result, message, code = conn:read("a")
        conn:close()
      end
      for _, handle in ipairs(opened) do
        handle:close()
      end
      opened = {}
      serving:join()
      if state.cut then
        assert.is_nil(result, how .. " after " .. limit)
        assert.is_string(message)
        assert.is_true(code == "ECONNABORTED" or code == "ECONNRESET" or code == "EPIPE", code)
      else
        assert.equal(text, result)
      end
      return state.passed, state.cut
    end
    local total = run()
    assert.is_true(total > 1000)
    -- The lengths of signatures and tickets differ by some bytes each time.
    local step = support.count(support.variant == "hostile" and 211 or 53, 1)
    local cuts = 0
    for limit = 0, total, step do
      local _, cut = run(limit, limit // step % 2 == 0 and "close" or "reset")
      cuts = cuts + (cut and 1 or 0)
    end
    assert.is_true(cuts >= 1000 // step)
    -- The close_notify's last bytes.
    for limit = total - 30, total do
      run(limit, "close")
    end
  end)
end)

describe("a peer that stalls", function()
  it("in a client's handshake runs into its timeout", function()
    local port, accepting = plain_server()
    local conn, message, code = tls.connect("127.0.0.1", port,
      { ca = path("ca.pem"), timeout = 0.02 })
    assert.is_nil(conn)
    assert.equal("timed out after 0.02 s", message)
    assert.equal("ETIMEDOUT", code)
    accepting:join()
  end)

  it("runs into the handshake's own limit, on either side", function()
    local port, accepting = plain_server()
    failed("^127.0.0.1:%d+: TLS: handshake timed out$", "ETIMEDOUT",
      tls.connect("127.0.0.1", port, { ca = path("ca.pem"), handshake_timeout = 0.02 }))
    accepting:join()
    local server
    server, port = listen(certs.server("server", { handshake_timeout = 0.02 }))
    for _, call in ipairs({ "read", "write", "handshake", "info", "shutdown" }) do
      local peer <close> = assert(net.connect("127.0.0.1", port))
      local conn <close> = assert(server:accept())
      failed("^127.0.0.1:%d+: TLS: handshake timed out$", "ETIMEDOUT",
        conn[call](conn, call == "write" and "x" or call == "handshake" and 60 or "l"))
      assert.truthy(peer)
    end
  end)

  it("holds nobody else up", function()
    local server, port = listen()
    local peer <close> = assert(net.connect("127.0.0.1", port))
    local conn <close> = assert(server:accept())
    local reading = neap.spawn(conn.read, conn)
    local accepting = accept(server)
    local client <close> = assert(tls.connect("127.0.0.1", port, client_options))
    client:write("x\n")
    assert.equal("x", accepting:join():read())
    assert.equal("waiting", reading:status())
    conn:close()
    assert.equal("ECANCELED", select(3, reading:join()))
    assert.truthy(peer)
  end)

  it("may be waited for again after a read's timeout", function()
    local server, port = listen()
    local peer = keep(assert(net.connect("127.0.0.1", port)))
    local conn <close> = assert(server:accept())
    conn:settimeout(0.01)
    failed("^timed out after 0.01 s$", "ETIMEDOUT", conn:read())
    failed("^timed out after 0.01 s$", "ETIMEDOUT", conn:handshake(0.01))
    conn:settimeout(nil)
    local reading = neap.spawn(conn.read, conn)
    settle()
    failed("another task is reading", "EBUSY", conn:read())
    assert(peer:starttls({ ca = path("ca.pem"), servername = "localhost" }))
    peer:write("at last\n")
    assert.equal("at last", reading:join())
  end)
end)

describe("starttls", function()
  it("makes a connection a TLS one, on both sides", function()
    local client, conn = plain_pair()
    local serving = neap.spawn(function()
      assert.equal("STARTTLS", conn:read())
      conn:write("220 go\n")
      assert(conn:starttls(certs.server("server", { server = true })))
      conn:write(conn:read(), "\n")
    end)
    client:write("STARTTLS\n")
    assert.equal("220 go", client:read())
    assert.is_true(client:starttls({ ca = path("ca.pem"), servername = "localhost" }))
    assert.is_true(client:info().verified)
    client:write("secret\n")
    assert.equal("secret", client:read())
    serving:join()
    failed("Operation already in progress$", "EALREADY",
      client:starttls({ ca = path("ca.pem"), servername = "localhost" }))
  end)

  it("is refused when plain bytes were received before", function() -- fault 66
    for _, way in ipairs({ "in one piece", "later" }) do
      local client, conn = plain_pair()
      if way == "in one piece" then
        client:write("STARTTLS\nMAIL FROM:<evil@example>\n")
      else
        client:write("STARTTLS\n")
      end
      assert.equal("STARTTLS", conn:read())
      if way == "later" then
        client:write("MAIL FROM:<evil@example>\n")
      end
      conn:peek(25)
      failed("^25 bytes were received before TLS began$", "EPROTO",
        conn:starttls(certs.server("server", { server = true })))
      -- They are plain text still.
      assert.equal("MAIL FROM:<evil@example>", conn:read())
    end
    -- A client gets nothing before it has spoken.
    local client, conn = plain_pair()
    conn:write("220 go\n\x16\x03\x03")
    assert.equal("220 go", client:read())
    client:peek(3)
    failed("^3 bytes were received before TLS began$", "EPROTO",
      client:starttls({ ca = path("ca.pem"), servername = "localhost" }))
  end)

  it("fails when they come in a packet of their own", function() -- fault 66
    local client, conn = plain_pair()
    client:write("STARTTLS\n")
    assert.equal("STARTTLS", conn:read())
    local context = assert(tls.context(certs.server("server", { server = true })))
    local starting = neap.spawn(conn.starttls, conn, { context = context, server = true })
    settle()
    client:write("MAIL FROM:<evil@example>\n")
    failed("TLS: wrong version number", "EPROTO", starting:join())
    failed("TLS: wrong version number", "EPROTO", conn:read())
    -- Or look like a handshake, and are none.
    client, conn = plain_pair()
    client:write("STARTTLS\n\x16\x03\x01\0\5hello")
    assert.equal("STARTTLS", conn:read())
    conn:peek(10)
    failed("TLS: %l", "EPROTO", conn:starttls(certs.server("server", { server = true })))
  end)

  it("takes a client's first flight that came early", function()
    local client, conn = plain_pair()
    local starting = neap.spawn(client.starttls, client,
      { ca = path("ca.pem"), servername = "localhost" })
    conn:peek(100)
    assert(conn:starttls(certs.server("server", { server = true })))
    assert.is_true(starting:join())
    conn:write("x\n")
    assert.equal("x", client:read())
  end)

  it("needs a name to verify, an idle connection, and one that is open", function()
    local client, conn = plain_pair()
    assert.has_error(function()
      client:starttls({ ca = path("ca.pem") })
    end, "bad argument #1 to 'starttls' (field 'servername': needed, to verify the peer)")
    assert.has_error(function()
      client:starttls({ ca = path("ca.pem"), servername = ("x"):rep(300) })
    end, "bad argument #1 to 'starttls' (field 'servername': is no host name)")
    assert.has_error(function()
      client:starttls({ server = true })
    end, "bad argument #1 to 'starttls' (field 'cert': string expected, got nil)")
    local reading = neap.spawn(client.read, client)
    settle()
    failed("another task is reading$", "EBUSY", client:starttls({ verify = false }))
    conn:write("x\n")
    assert.equal("x", reading:join())
    conn:close()
    assert.is_nil((client:read()))
    failed("ended in the handshake$", "ECONNABORTED", client:starttls({ verify = false }))
  end)

  it("has a timeout", function()
    local client = plain_pair()
    failed("^timed out after 0.01 s$", "ETIMEDOUT",
      client:starttls({ verify = false, timeout = 0.01 }))
  end)

  it("fails when the peer goes away", function()
    local client, conn = plain_pair()
    local starting = neap.spawn(client.starttls, client, { verify = false })
    conn:read_some()
    conn:shutdown()
    failed("TLS: connection ended in the handshake$", "ECONNABORTED", starting:join())
  end)
end)

-- Each function here that waits, called in a task that waits in it.
local waits = {
  ["tls.connect"] = function()
    local port, accepting = plain_server()
    local task = neap.spawn(tls.connect, "127.0.0.1", port, { verify = false })
    accepting:join():read_some()
    return task
  end,
  ["conn:starttls"] = function()
    local client = plain_pair()
    return neap.spawn(client.starttls, client, { verify = false }), client
  end,
}

local methods = { read = "l", write = "x", handshake = 60, info = 1, shutdown = 1, peek = 1,
  read_some = 1, read_until = "x" }

for method, argument in pairs(methods) do
  waits["conn:" .. method] = function()
    local server, port = listen()
    keep(assert(net.connect("127.0.0.1", port)))
    local conn = keep(assert(server:accept()))
    return neap.spawn(conn[method], conn, argument), conn
  end
end

describe("in the handshake", function()
  for name, begin in pairs(waits) do
    it("a task is cancelled in " .. name, function() -- fault 28
      local task = begin()
      settle()
      assert.equal("waiting", task:status())
      task:cancel()
      local ok, err = task:wait()
      assert.is_false(ok)
      assert.equal("ECANCELED", err.code)
    end)

    it("a close ends " .. name, function() -- fault 59
      local task, conn = begin()
      settle()
      if conn then
        conn:close()
        local value, message, code = task:join()
        assert.is_nil(value)
        assert.is_string(message)
        assert.equal("ECANCELED", code)
      else
        task:cancel()
        task:wait()
      end
    end)
  end

  it("certificates that are being loaded are let go", function()
    -- The pool may be quicker: then the task has what it asked for. Nothing may
    -- be left in either case.
    for i = 1, 10 do
      local task = neap.spawn(tls.listen, "127.0.0.1", 0, certs.server("server"))
      for _ = 1, i % 3 do
        neap.yield()
      end
      local cancelled = task:cancel()
      local ok, value = task:wait()
      assert.is_true(ok or cancelled)
      if ok then
        value:close()
      end
    end
  end)

  it("a limit of time ends it", function()
    local port, accepting = plain_server()
    local value, message, code, ours = neap.timeout(0.02, tls.connect, "127.0.0.1", port,
      { verify = false })
    assert.is_nil(value)
    assert.equal("timed out after 0.02 s", message)
    assert.equal("ETIMEDOUT", code)
    assert.is_true(ours)
    accepting:join()
  end)
end)

describe("a TLS connection", function()
  it("that is collected is closed, with a warning", function() -- fault 60
    local output, status = support.lua(([[
      warn("@on")
      local neap = require("neap")
      local server = assert(neap.tls.listen("127.0.0.1", 0, { cert = %q, key = %q }))
      local _, port = server:address()
      do
        local accepting = neap.spawn(function() return assert(server:accept()) end)
        local client <close> = assert(neap.tls.connect("127.0.0.1", port, { ca = %q }))
        local conn = accepting:join()
        conn:handshake()
        conn, accepting = nil, nil
        collectgarbage() collectgarbage()
        print(client:read())
      end
      server:close()
    ]]):format(path("server.pem"), path("server.key"), path("ca.pem")))
    assert.equal("Lua warning: neap: a connection was not closed\nnil\n", output)
    assert.equal(0, status)
  end)

  it("does not keep a state from closing, at any point", function()
    for _, point in ipairs({ "listen", "connect", "handshake", "read", "context" }) do
      local output, status = support.lua(([[
        local point = %q
        local neap = require("neap")
        local server = assert(neap.tls.listen("127.0.0.1", 0, { cert = %q, key = %q }))
        local _, port = server:address()
        kept = { server }
        local function hold(...) kept[#kept + 1] = { ... } end
        if point == "listen" then
          neap.spawn(function() hold(server:accept()) end)
        elseif point == "connect" then
          neap.spawn(function() hold(neap.tls.connect("127.0.0.1", port, { ca = %q })) end)
        elseif point == "handshake" then
          local peer = assert(neap.net.connect("127.0.0.1", port))
          local conn = assert(server:accept())
          hold(peer, conn)
          neap.spawn(function() conn:read() end)
        elseif point == "read" then
          neap.spawn(function() hold(assert(server:accept())) end)
          local conn = assert(neap.tls.connect("127.0.0.1", port, { ca = %q }))
          hold(conn)
          neap.spawn(function() conn:read() end)
        else
          neap.spawn(function() hold(neap.tls.context()) end)
        end
        neap.yield()
        os.exit(0, true)
      ]]):format(point, path("server.pem"), path("server.key"), path("ca.pem"), path("ca.pem")))
      assert.equal("", output)
      assert.equal(0, status)
    end
  end)

  -- OpenSSL's own allocations are the C library's, and not reached from here.
  it("fails, or works, when any allocation fails", function()
    if not neap._fail_alloc then
      return pending("not a test build")
    end
    local context = assert(tls.context({ ca = path("ca.pem") }))
    local server, port = listen()
    -- The server's want of memory is the client's cut.
    local cut = { ECONNABORTED = true, ECONNRESET = true, EPIPE = true }
    local function talk()
      local conn, message, code = tls.connect("127.0.0.1", port, { context = context })
      if conn then
        local mine <close> = conn
        conn, message, code = mine:write("hello\n")
        if conn then
          conn, message, code = mine:read()
        end
      end
      return conn, message, not conn and cut[code] and "ENOMEM" or code
    end
    local function body()
      local talking
      local serving = neap.spawn({ quiet = true }, function()
        repeat -- connections that an earlier run has left, then this one's
          local conn <close> = server:accept()
          if not conn then
            return talking:cancel() -- nobody will accept it
          end
          local line = conn:read()
        until line and conn:write(line, "\n")
      end)
      local ending <close> = setmetatable({}, { __close = function()
        serving:cancel()
        serving:wait()
      end })
      talking = neap.spawn({ quiet = true }, talk)
      local ok, result, message, code = talking:wait()
      if not ok and type(result) == "table" and result.code == "ECANCELED" then
        return nil, "not accepted", "ENOMEM"
      elseif not ok then
        error(result, 0)
      end
      assert.truthy(ending)
      return result, message, code
    end
    local runs = faults.alloc(body, { step = support.count(7, 1) })
    assert.is_true(runs > 3)
  end)
end)
