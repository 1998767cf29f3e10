-- neap.tls: handshakes, certificates, reading and writing, against itself.
-- Other programs are in tls_interop_spec.lua, broken peers in
-- tls_faults_spec.lua.
local neap = require("neap")
local net = require("neap.net")
local tls = require("neap.tls")
local certs = require("spec.support.certs")
local support = require("spec.support")

local settle = support.settle
local path = certs.path

-- libuv opens a descriptor of its own at the first stream: before the counting.
assert(net.listen("127.0.0.1", 0)):close()

local function ca(more)
  local options = { ca = path("ca.pem") }
  for k, v in pairs(more or {}) do
    options[k] = v
  end
  return options
end

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

-- A server and its port; connections are given to fn, in a task each.
local function serve(options, fn)
  local server = keep(assert(tls.listen("127.0.0.1", 0, options)))
  local _, port = server:address()
  neap.spawn(function()
    for conn in server do
      neap.spawn(function()
        local mine <close> = conn
        fn(mine)
      end)
    end
  end)
  return server, port
end

local function echo(conn)
  while true do
    local bytes = conn:read_some()
    if not bytes or not conn:write(bytes) then
      return
    end
  end
end

-- Both ends of one connection, handshake done: client, server.
local function pair(server_options, client_options)
  local server <close> = assert(tls.listen("127.0.0.1", 0, server_options))
  local _, port = server:address()
  local accepting = neap.spawn(function()
    return assert(server:accept())
  end)
  local client = keep(assert(tls.connect("127.0.0.1", port, client_options)))
  local conn = keep(accepting:join())
  assert(conn:handshake())
  return client, conn
end

-- The failure of a connection with these options: message, code.
local function failure(server_options, client_options, host)
  local _, port = serve(server_options, function(conn)
    conn:read()
  end)
  local conn, message, code = tls.connect(host or "127.0.0.1", port, client_options)
  assert.is_nil(conn)
  return message:gsub("^%S+:%d+: ", ""), code
end

describe("tls.connect", function()
  it("reaches tls.listen, and both know what was agreed on", function()
    for _, version in ipairs({ "1.3", "1.2" }) do
      -- A server's least version is also its client's most, with this peer.
      local told
      local _, port = serve(certs.server("server", { min_version = version }),
        function(conn)
          told = conn:info()
          echo(conn)
        end)
      local conn <close> = assert(tls.connect("localhost", port, ca({ min_version = version })))
      assert.equal(conn, conn:write("hello\n"))
      assert.equal("hello", conn:read())
      local info = conn:info()
      assert.equal("TLSv1.3", info.version)
      assert.equal(info.version, told.version)
      assert.equal(info.cipher, told.cipher)
      assert.is_true(info.verified)
      assert.equal("ok", info.verify)
      assert.equal("localhost", told.servername)
      assert.is_false(info.resumed)
      assert.is_nil(info.alpn)
      assert.equal("CN=server", info.peer.subject)
      assert.equal("CN=ca", info.peer.issuer)
      assert.same({ "localhost", "127.0.0.1", "::1" }, info.peer.names)
      assert.equal(20 * 86400, info.peer.not_after - info.peer.not_before)
      assert.equal(64, #info.peer.fingerprint)
      assert.matches("^%x+$", info.peer.serial)
      assert.equal(support.slurp(path("server.pem")), info.peer.pem)
      assert.is_nil(told.peer)
      assert.is_false(told.verified)
      end
  end)

  it("verifies an address as it does a name, and takes servername for either", function()
    local _, port = serve(certs.server("server"), echo)
    for _, options in ipairs({ {}, { servername = "localhost" }, { servername = "LOCALHOST." } }) do
      local conn <close> = assert(tls.connect("127.0.0.1", port, ca(options)))
      conn:write("x")
      assert.equal("x", conn:read(1))
    end
  end)

  it("works over unix sockets, with a servername", function()
    local dir <close> = support.tempdir()
    local where = "unix:" .. dir .. "/socket"
    local server <close> = assert(tls.listen(where, certs.server("server")))
    local serving = neap.spawn(function()
      local conn <close> = assert(server:accept())
      conn:write(conn:read())
    end)
    local conn <close> = assert(tls.connect(where, ca({ servername = "localhost" })))
    conn:write("through\n")
    assert.equal("through", conn:read("a"))
    serving:join()
    local other = neap.spawn(function()
      assert(server:accept()):close()
    end)
    assert.has_error(function()
      tls.connect(where, ca())
    end, "bad argument #2 to 'connect' (field 'servername': needed, to verify the peer)")
    other:join()
  end)

  it("fails as net.connect does when there is nobody", function()
    local server = assert(net.listen("127.0.0.1", 0))
    local _, port = server:address()
    server:close()
    local conn, message, code = tls.connect("127.0.0.1", port, ca())
    assert.is_nil(conn)
    assert.equal(("127.0.0.1:%d: Connection refused"):format(port), message)
    assert.equal("ECONNREFUSED", code)
  end)

  it("trusts the system's authorities and no others", function()
    -- Many at once: they are read once.
    local _, port = serve(certs.server("server"), echo)
    local tasks = {}
    for i = 1, 5 do
      tasks[i] = neap.spawn(tls.connect, "127.0.0.1", port)
    end
    for _, task in ipairs(tasks) do
      local conn, message, code = task:join()
      assert.is_nil(conn)
      assert.equal(("127.0.0.1:%d: TLS: unable to get local issuer certificate"):format(port),
        message)
      assert.equal("ECERT", code)
    end
  end)
end)

describe("the system's authorities", function()
  -- As OpenSSL's own programs are told where they are.
  local function connect(file)
    local output = support.lua(([[
      local neap = require("neap")
      local server <close> = assert(neap.tls.listen("127.0.0.1", 0, { cert = %q, key = %q }))
      local _, port = server:address()
      neap.spawn(function()
        local conn <close> = assert(server:accept())
        conn:read()
      end)
      local conn, message, code = neap.tls.connect("localhost", port)
      print(conn and conn:info().verified, message, code)
      if conn then
        conn:close()
      end
      server:close()
    ]]):format(path("server.pem"), path("server.key")), { env = "SSL_CERT_FILE=" .. file })
    return output
  end

  it("are those that SSL_CERT_FILE names", function()
    assert.equal("true\tnil\tnil\n", connect(path("ca.pem")))
  end)

  it("may be missing", function()
    local output = connect("/no/such/file")
    assert.matches("^nil\tthe system's certificates: No such file or directory\tENOENT\n", output)
  end)
end)

describe("a certificate that is not trusted", function() -- fault 65
  local cases = {
    ["is expired"] = { "expired", "certificate has expired" },
    ["is signed by itself"] = { "selfsigned", "self%-signed certificate$" },
    ["is signed by a stranger"] = { "foreign", "unable to get local issuer certificate" },
    ["is for another name"] = { "server", "[Hh]ostname mismatch", "other.example" },
    ["is for another address"] = { "server", "IP address mismatch", "10.9.8.7" },
    ["has only its subject for a name"] = { "client", "[Hh]ostname mismatch", "client" },
    ["lacks the one between"] = { "leaf", "unable to get local issuer certificate" },
  }
  for what, case in pairs(cases) do
    it("fails the connection when it " .. what, function()
      local name, pattern, servername = table.unpack(case)
      local message, code = failure(certs.server(name), ca({ servername = servername }))
      assert.matches("^TLS: " .. pattern, message)
      assert.equal("ECERT", code)
    end)
  end

  it("is trusted with the one between beside it", function()
    local client, conn = pair(certs.server("leaf", { cert = path("chain.pem") }),
      ca())
    assert.is_true(client:info().verified)
    assert.truthy(conn)
  end)

  it("does not matter without verification, and info says so", function()
    for _, name in ipairs({ "expired", "selfsigned", "foreign" }) do
      local client, conn = pair(certs.server(name), { verify = false })
      local info = client:info()
      assert.is_false(info.verified)
      assert.equal("not verified", info.verify)
      assert.equal("CN=" .. name, info.peer.subject)
      client:write("x\n")
      assert.equal("x", conn:read())
    end
  end)

  it("makes the server's calls fail with what the client said", function()
    local reason
    local _, port = serve(certs.server("foreign"), function(conn)
      reason = { conn:read() }
    end)
    assert.is_nil((tls.connect("127.0.0.1", port, ca())))
    settle()
    while not reason do
      neap.yield()
    end
    assert.is_nil(reason[1])
    assert.matches("TLS: .*unknown ca", reason[2])
    assert.equal("EPROTO", reason[3])
  end)
end)

describe("certificates and keys", function()
  it("are read from files and from texts", function()
    local slurp = support.slurp
    for _, options in ipairs({
      { cert = path("server.pem"), key = path("server.key") },
      { cert = slurp(path("server.pem")), key = slurp(path("server.key")) },
      { cert = path("both.pem") },
      { cert = slurp(path("both.pem")) },
      { cert = path("server.pem"), key = path("locked.key"), password = "open-sesame" },
    }) do
      local client, conn = pair(options, { ca = slurp(path("ca.pem")) })
      assert.is_true(client:info().verified)
      assert.truthy(conn)
    end
  end)

  local function refused(options)
    local server, message, code = tls.listen("127.0.0.1", 0, options)
    assert.is_nil(server)
    return message, code
  end

  it("say what is wrong with them", function()
    local dir <close> = support.tempdir()
    local garbage = support.spit(dir .. "/garbage.pem", "nothing of use\n")
    local cut = support.spit(dir .. "/cut.pem", support.slurp(path("server.pem")):sub(1, 200))
    local cert, key = path("server.pem"), path("server.key")
    local cases = {
      { { cert = dir .. "/none.pem" }, dir .. "/none.pem: No such file or directory", "ENOENT" },
      { { cert = cert, key = dir .. "/no.key" }, dir .. "/no.key: No such file or directory",
        "ENOENT" },
      { { cert = garbage }, garbage .. ": no valid certificate in it", "EINVAL" },
      { { cert = cut, key = key }, cut .. ": no valid certificate in it", "EINVAL" },
      { { cert = cert }, cert .. ": no valid private key in it", "EINVAL" },
      { { cert = cert, key = path("a.key") },
        path("a.key") .. ": the key does not fit the certificate", "EINVAL" },
      { { cert = cert, key = path("locked.key") },
        path("locked.key") .. ": the key is encrypted, a password is needed", "EINVAL" },
      { { cert = cert, key = path("locked.key"), password = "guess" },
        path("locked.key") .. ": wrong password for the key", "EINVAL" },
      { { cert = cert, key = key, ca = garbage }, garbage .. ": no valid certificate in it",
        "EINVAL" },
      { { cert = cert, key = key, keylog = dir .. "/no/log" },
        dir .. "/no/log: No such file or directory", "ENOENT" },
      { { cert = cert, key = key, names = { ["a.example"] = { cert = garbage } } },
        garbage .. ": no valid certificate in it", "EINVAL" },
      { { cert = dir.path, key = key }, dir.path .. ": no valid certificate in it", "EINVAL" },
    }
    for _, case in ipairs(cases) do
      local message, code = refused(case[1])
      assert.equal(case[2], message)
      assert.equal(case[3], code)
    end
  end)

  it("never show up in a message", function()
    local message, code = refused({
      cert = support.slurp(path("server.pem")), key = support.slurp(path("a.key")) })
    assert.equal("key: the key does not fit the certificate", message)
    assert.equal("EINVAL", code)
  end)

  it("are chosen by the name that the client asks for", function()
    local _, port = serve(certs.server("server", {
      names = { ["a.example"] = certs.server("a"), ["*.b.example"] = certs.server("wild") },
    }), function(conn)
      local info = conn:info()
      if info then
        conn:write(info.servername or "none", "\n")
      end
    end)
    for name, subject in pairs({
      ["a.example"] = "CN=a", ["A.EXAMPLE"] = "CN=a", ["x.b.example"] = "CN=wild",
      ["localhost"] = "CN=server",
    }) do
      local conn <close> = assert(tls.connect("127.0.0.1", port, ca({ servername = name })))
      assert.equal(subject, conn:info().peer.subject)
      assert.equal(name, conn:read())
    end
    for _, name in ipairs({ "x.a.example", "b.example", "x.y.b.example" }) do
      local conn, _, code = tls.connect("127.0.0.1", port, ca({ servername = name }))
      assert.is_nil(conn)
      assert.equal("ECERT", code)
    end
  end)

  it("are reloaded without dropping a connection", function()
    local server, port = serve(certs.server("server"), echo)
    local old <close> = assert(tls.connect("127.0.0.1", port, ca()))
    local ok, message = server:reload({ cert = "/no/such.pem" })
    assert.is_nil(ok)
    assert.equal("/no/such.pem: No such file or directory", message)
    local same <close> = assert(tls.connect("127.0.0.1", port, ca()))
    assert.equal("CN=server", same:info().peer.subject)
    assert.is_true(server:reload(certs.server("renewed")))
    local new <close> = assert(tls.connect("127.0.0.1", port, ca()))
    assert.equal("CN=renewed", new:info().peer.subject)
    old:write("still here\n")
    assert.equal("still here", old:read())
    server:close()
    local _, what, code = server:reload(certs.server("server"))
    assert.equal("server: Bad file descriptor", what)
    assert.equal("EBADF", code)
    local plain <close> = assert(net.listen("127.0.0.1", 0))
    _, what, code = plain:reload(certs.server("server"))
    assert.equal("server without TLS: Operation not supported", what)
    assert.equal("ENOTSUP", code)
  end)
end)

describe("a client's certificate", function()
  local function shown(server_more, client_more)
    local client, conn = pair(certs.server("server", server_more), ca(client_more))
    client:write("x\n")
    local line, message, code = conn:read()
    return line and conn:info(), message, code
  end

  it("is asked for and verified where authorities are given", function()
    local info = assert(shown({ ca = path("ca.pem") }, certs.server("client")))
    assert.is_true(info.verified)
    assert.equal("CN=client", info.peer.subject)
  end)

  it("may be left out where it is optional", function()
    local info = assert(shown({ ca = path("ca.pem"), verify = "optional" }))
    assert.is_false(info.verified)
    assert.equal("no certificate", info.verify)
    assert.is_nil(info.peer)
    info = assert(shown({ ca = path("ca.pem"), verify = "optional" }, certs.server("client")))
    assert.is_true(info.verified)
  end)

  -- In TLS 1.3 a client's handshake is done before the server has looked.
  local function fails(server_more, client_more, pattern)
    local listener <close> = assert(tls.listen("127.0.0.1", 0, certs.server("server", server_more)))
    local _, port = listener:address()
    local accepting = neap.spawn(function()
      local conn <close> = assert(listener:accept())
      return select(2, conn:read())
    end)
    local conn <close> = assert(tls.connect("127.0.0.1", port, ca(client_more)))
    assert.matches(pattern, accepting:join())
    local line, message, code = conn:read()
    assert.is_nil(line)
    assert.matches("TLS: ", message)
    assert.equal("EPROTO", code)
  end

  it("is a failure on both sides when it is missing or not trusted", function()
    fails({ ca = path("ca.pem") }, {}, "TLS: peer did not return a certificate")
    fails({ ca = path("ca.pem") }, certs.server("foreign"), "TLS: unable to get local issuer")
    fails({ ca = path("ca.pem"), verify = "optional" }, certs.server("foreign"),
      "TLS: unable to get local issuer")
    fails({ ca = path("ca.pem") }, certs.server("expired"), "TLS: certificate has expired")
  end)
end)

describe("ALPN", function()
  local function chosen(server, client)
    local a, b = pair(certs.server("server", { alpn = server }),
      ca({ alpn = client }))
    assert.equal(a:info().alpn, b:info().alpn)
    return a:info().alpn
  end

  it("is the server's first that the client knows", function()
    assert.equal("h2", chosen({ "h2", "http/1.1" }, { "http/1.1", "h2" }))
    assert.equal("http/1.1", chosen("http/1.1", { "h2", "http/1.1" }))
    assert.is_nil(chosen(nil, "h2"))
    assert.is_nil(chosen("h2", nil))
  end)

  it("fails the handshake when they know none in common", function()
    local message, code = failure(certs.server("server", { alpn = "h2" }), ca({ alpn = "smtp" }))
    assert.matches("^TLS: .*no application protocol", message)
    assert.equal("EPROTO", code)
  end)
end)

describe("a session", function()
  local function connect(port, more)
    local conn = assert(tls.connect("127.0.0.1", port, ca(more)))
    conn:write("x\n")
    assert.equal("x", conn:read())
    return conn
  end

  it("makes the next connection a resumed one", function()
    local _, port = serve(certs.server("server"), echo)
    local first <close> = connect(port)
    local session = assert(first:session())
    assert.is_false(first:info().resumed)
    local second <close> = connect(port, { session = session })
    assert.is_true(second:info().resumed)
    assert.is_true(second:info().verified)
    assert.equal("CN=server", second:info().peer.subject)
  end)

  it("is not used for another name, nor where it proves less than is asked", function()
    local _, port = serve(certs.server("server"), echo)
    local first <close> = connect(port)
    local other <close> = connect(port, {
      session = assert(first:session()), servername = "localhost" })
    assert.is_false(other:info().resumed)
    local careless <close> = connect(port, { verify = false })
    local session = assert(careless:session())
    local careful <close> = connect(port, { session = session })
    assert.is_false(careful:info().resumed)
    local careless_again <close> = connect(port, { verify = false, session = session })
    assert.is_true(careless_again:info().resumed)
  end)

  it("that is garbage is as none", function()
    local _, port = serve(certs.server("server"), echo)
    local first <close> = connect(port)
    local good = assert(first:session())
    for _, session in ipairs({ "", "garbage", good:sub(1, 30), good:sub(1, -2), ("x"):rep(3000),
      (good:gsub(".", "\0", 40)) }) do
      local conn <close> = connect(port, { session = session })
      assert.is_false(conn:info().resumed)
    end
  end)

  it("is not there before the server has sent it, nor on a server's side", function()
    local client, conn = pair(certs.server("server"), ca())
    local session, message, code = conn:session()
    assert.is_nil(session)
    assert.equal("no session yet", message)
    assert.equal("ENOENT", code)
    assert.truthy(client)
  end)

  it("is refused by a server with other certificates", function()
    local server, port = serve(certs.server("server"), echo)
    local first <close> = connect(port)
    local session = assert(first:session())
    assert(server:reload(certs.server("renewed")))
    local second <close> = connect(port, { session = session })
    assert.is_false(second:info().resumed)
    assert.equal("CN=renewed", second:info().peer.subject)
  end)
end)

describe("a context", function()
  it("serves any number of connections, servers and reloads", function()
    local serving = assert(tls.context(certs.server("server", { server = true })))
    local asking = assert(tls.context(ca()))
    assert.equal("TLS context (server)", tostring(serving))
    assert.equal("TLS context (client)", tostring(asking))
    local server, port = serve({ context = serving }, echo)
    for _ = 1, 3 do
      local conn <close> = assert(tls.connect("127.0.0.1", port, { context = asking }))
      conn:write("x")
      assert.equal("x", conn:read(1))
      assert(server:reload({ context = serving }))
    end
  end)

  it("is for one side", function()
    local serving = assert(tls.context(certs.server("server", { server = true })))
    assert.has_error(function()
      tls.connect("127.0.0.1", 1, { context = serving })
    end, "bad argument #3 to 'connect' (field 'context': it is a server's)")
    local asking = assert(tls.context())
    assert.has_error(function()
      tls.listen("127.0.0.1", 0, { context = asking })
    end, "bad argument #3 to 'listen' (field 'context': it is a client's)")
  end)
end)

describe("options of TLS", function()
  local function misuse(fn, message)
    local ok, err = pcall(fn)
    assert.is_false(ok)
    assert.equal(message, (err:gsub("^[^:]+:%d+: ", "")))
  end

  it("are checked before anything is done", function()
    local function connect(options, problem)
      misuse(function()
        tls.connect("127.0.0.1", 1, options)
      end, "bad argument #3 to 'connect' (" .. problem .. ")")
    end
    connect({ ca = 1 }, "field 'ca': string expected, got number")
    connect({ ca = "a\0b" }, "field 'ca': contains zeros")
    connect({ verify = "maybe" }, "field 'verify': boolean expected")
    connect({ verify = "optional" }, "field 'verify': boolean expected")
    connect({ min_version = "1.1" }, "field 'min_version': \"1.2\" or \"1.3\" expected")
    connect({ alpn = "" }, "field 'alpn': a name of 1 to 255 bytes expected")
    connect({ alpn = { ("x"):rep(256) } }, "field 'alpn': a name of 1 to 255 bytes expected")
    connect({ alpn = { 1 } }, "field 'alpn': string expected, got number")
    connect({ alpn = true }, "field 'alpn': string expected, got boolean")
    connect({ session = 1 }, "field 'session': string expected, got number")
    connect({ servername = "" }, "field 'servername': is empty")
    connect({ context = 1 }, "field 'context': neap.tls.context expected, got number")
    connect({ timeout = "soon" }, "field 'timeout': number expected, got string")
    local function listen(options, problem)
      misuse(function()
        tls.listen("127.0.0.1", 0, options)
      end, "bad argument #3 to 'listen' (" .. problem .. ")")
    end
    listen({}, "field 'cert': string expected, got nil")
    listen({ cert = "x", names = 1 }, "field 'names': table expected")
    listen({ cert = "x", names = { "a" } }, "field 'names': string expected, got number")
    listen({ cert = "x", names = { a = 1 } }, "field 'names': tables expected in it")
    listen({ cert = "x", names = { a = {} } }, "field 'names': a name has no cert")
    misuse(function()
      tls.connect()
    end, "bad argument #1 to 'connect' (string expected, got no value)")
  end)

  it("survive every bad value in every place", function()
    local function close(conn)
      if type(conn) == "userdata" and conn.close then
        conn:close()
      end
    end
    -- A good address would rightly be connected to: 1 is refused.
    support.call_badly(tls.connect, { "127.0.0.1", 1, ca() }, 3, nil, close)
    support.call_badly(tls.listen, { "127.0.0.1", 0, certs.server("server") }, 3, nil, close)
    support.call_badly(tls.context, { ca() }, 1)
    local client, conn = pair(certs.server("server"), ca())
    support.call_badly(client.starttls, { conn, {} }, 2)
    support.call_badly(client.handshake, { conn, 1 }, 2)
    support.call_badly(client.info, { conn }, 1)
    support.call_badly(client.session, { conn }, 1)
  end)
end)

describe("a TLS connection", function()
  it("carries much in both directions, in order", function()
    local size = support.variant == "hostile" and 3000 or 3000000
    local function noise(seed)
      local parts = {}
      for i = 1, size // 8 do
        seed = seed * 6364136223846793005 + 1442695040888963407
        parts[i] = string.pack("j", seed)
      end
      return table.concat(parts)
    end
    local there, back = noise(1), noise(2)
    local client, conn = pair(certs.server("server"), ca())
    local writers = {
      neap.spawn(function()
        -- In pieces of all sizes, and several at a time.
        local at, n = 1, 1
        while at <= #there do
          assert(client:write(there:sub(at, at + n - 1), "", there:sub(at + n, at + 2 * n - 1)))
          at, n = at + 2 * n, n * 3 % 40009
        end
        assert(client:shutdown())
      end),
      neap.spawn(function()
        assert(conn:write(back))
        assert(conn:shutdown())
      end),
    }
    local reading = neap.spawn(conn.read, conn, "a")
    assert.is_true(back == client:read("a"))
    assert.is_true(there == reading:join())
    for _, task in ipairs(writers) do
      task:join()
    end
    assert.is_nil((client:read()))
    assert.is_nil((conn:read()))
  end)

  it("reads by every format", function()
    local client, conn = pair(certs.server("server"), ca())
    client:write("line\n", 42, " ", { "rec", "ord;", 5 }, "peeked", "rest")
    assert.equal("line", conn:read())
    assert.equal(42, conn:read("n"))
    assert.equal(" record", conn:read_until(";"))
    assert.equal("5", conn:read(1))
    assert.equal("peeked", conn:peek(6))
    assert.equal("peeked", conn:read(6))
    client:shutdown()
    assert.equal("rest", conn:read("a"))
    assert.is_nil((conn:read("l")))
    assert.equal("", conn:read("a"))
  end)

  it("goes on in one direction when the other has ended", function()
    local client, conn = pair(certs.server("server"), ca())
    assert.is_true(client:shutdown())
    assert.equal("", conn:read("a"))
    conn:write("after\n")
    assert.equal("after", client:read())
    local done, message, code = client:write("more")
    assert.is_nil(done)
    assert.matches("Broken pipe$", message)
    assert.equal("EPIPE", code)
    assert.is_true(client:shutdown())
    conn:close()
    assert.is_nil((client:read()))
  end)

  it("tells the other side when it is closed", function()
    for _, way in ipairs({ "close", "shutdown" }) do
      local client, conn = pair(certs.server("server"), ca())
      client:write("last\n")
      client[way](client)
      assert.equal("last", conn:read())
      local line, message = conn:read()
      assert.is_nil(line)
      assert.is_nil(message)
    end
  end)

  it("has its writes waited for, in order, and its readers one at a time", function()
    local client, conn = pair(certs.server("server"), ca())
    local big = ("x"):rep(support.variant == "hostile" and 5000 or 3000000)
    local writers = {}
    for i = 1, 3 do
      writers[i] = neap.spawn(function()
        assert(client:write(tostring(i), big, "\n"))
      end)
    end
    local reader = neap.spawn(conn.read_until, conn, "\n")
    settle()
    local line, _, code = conn:read()
    assert.is_nil(line)
    assert.equal("EBUSY", code)
    local seen = { reader:join():sub(1, 1), conn:read():sub(1, 1), conn:read():sub(1, 1) }
    table.sort(seen)
    assert.same({ "1", "2", "3" }, seen)
    for _, writer in ipairs(writers) do
      writer:join()
    end
  end)

  it("holds little of what a peer does not read", function()
    local client, conn = pair(certs.server("server"), ca())
    local chunk = ("x"):rep(support.variant == "hostile" and 1000 or 1000000)
    local count = support.variant == "hostile" and 30 or 100
    local before = neap.info().memory
    local sent = 0
    local writer = neap.spawn(function()
      for _ = 1, count do
        assert(client:write(chunk))
        sent = sent + #chunk
      end
    end)
    settle()
    if support.variant ~= "hostile" then -- there the kernel takes all of it
      assert.equal("waiting", writer:status())
    end
    assert.is_true(neap.info().memory - before < 1000000)
    local got = 0
    while got < count * #chunk do
      got = got + #assert(conn:read_some())
    end
    writer:join()
    assert.equal(sent, got)
  end)

  it("stays whole when a write is called off", function()
    local client, conn = pair(certs.server("server"), ca())
    local big = ("x"):rep(8000000)
    if support.variant ~= "hostile" then
      client:settimeout(nil, 0.01)
      local done, message, code, sent = client:write(big)
      assert.is_nil(done)
      assert.equal("timed out after 0.01 s", message)
      assert.equal("ETIMEDOUT", code)
      assert.is_true(sent > 0 and sent < #big)
      client:settimeout(nil)
      local writer = neap.spawn(function()
        client:write(";")
        client:shutdown()
      end)
      local text = conn:read("a")
      writer:join()
      assert.equal(sent, #text - 1)
      assert.equal(";", text:sub(-1))
    end
  end)

  it("is served as plain ones are", function()
    local server = keep(assert(tls.listen("127.0.0.1", 0, certs.server("server"))))
    local _, port = server:address()
    local failures = 0
    local serving = neap.spawn(server.serve, server, function(conn)
      conn:write(assert(conn:read()):upper(), "\n")
    end, { on_error = function()
      failures = failures + 1
    end })
    local garbage <close> = assert(net.connect("127.0.0.1", port))
    garbage:write("GET / HTTP/1.1\r\n\r\n")
    for _ = 1, 3 do
      local conn <close> = assert(tls.connect("127.0.0.1", port, ca()))
      conn:write("x\n")
      assert.equal("X", conn:read("a"):sub(1, 1))
    end
    garbage:read("a")
    server:shutdown(10)
    serving:join()
    assert.equal(1, failures)
  end)

  it("says in a dump that it is in the handshake", function()
    local server = keep(assert(tls.listen("127.0.0.1", 0, certs.server("server"))))
    local peer = keep(assert(net.connect("127.0.0.1", (select(2, server:address())))))
    local conn = keep(assert(server:accept()))
    local task = neap.spawn(conn.read, conn)
    settle()
    local dump = {}
    neap.dump({
      write = function(_, text)
        dump[#dump + 1] = text
      end,
    })
    assert.matches("waiting in conn:handshake 127%.0%.0%.1:%d+", table.concat(dump))
    peer:close()
    task:join()
  end)

  it("keeps what came before a timeout", function()
    local client, conn = pair(certs.server("server"), ca())
    conn:settimeout(0.01)
    client:write("half a li")
    local line, message, code = conn:read()
    assert.is_nil(line)
    assert.equal("timed out after 0.01 s", message)
    assert.equal("ETIMEDOUT", code)
    client:write("ne\n")
    assert.equal("half a line", conn:read())
  end)

  it("logs its keys where it is told to", function()
    local dir <close> = support.tempdir()
    local log = dir .. "/keys"
    do
      local client, conn = pair(certs.server("server", { keylog = log }),
        ca({ keylog = log }))
      client:write("x\n")
      assert.equal("x", conn:read())
    end
    -- They are written by jobs that nobody waits for.
    local function count()
      local _, n = support.slurp(log):gsub("CLIENT_TRAFFIC_SECRET_0 %x+ %x+\n", "")
      return n
    end
    while count() < 2 do
      neap.yield()
    end
    assert.matches("^%u[%u%d_]+ %x+ %x+\n", support.slurp(log))
    assert.equal("-rw-------", support.sh("stat -c %A " .. support.quote(log)):match("%S+"))
    settle()
  end)

  it("does not have TLS when it has none", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = server:address()
    local conn <close> = assert(net.connect("127.0.0.1", port))
    for _, method in ipairs({ "info", "session", "handshake" }) do
      local value, message, code = conn[method](conn)
      assert.is_nil(value)
      assert.equal(("127.0.0.1:%d: Operation not supported"):format(port), message)
      assert.equal("ENOTSUP", code)
    end
    conn:close()
    for _, method in ipairs({ "info", "session", "handshake", "starttls" }) do
      local value, message, code = conn[method](conn)
      assert.is_nil(value)
      assert.equal("connection is closed", message)
      assert.equal("EBADF", code)
    end
  end)
end)
