-- neap.dns: the system's resolver both ways, and name servers asked by c-ares. The
-- name server is the spec's own (spec/support/dns_server.lua).
local neap = require("neap")
local dns = require("neap.dns")
local net = require("neap.net")
local process = require("neap.process")
local support = require("spec.support")
local dns_server = require("spec.support.dns_server")
local faults = require("spec.support.faults")
local sysfault = require("spec.support.sysfault")

local settle = support.settle

local function raises(pattern, fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok)
  assert.truthy(tostring(message):find(pattern), message)
end

local long = ("x"):rep(60) .. "."

-- What can't be a host's name.
local no_names = {
  "", " ", "a b", "a\tb", "a..b", ".", ".a", "*", ("x"):rep(64), ("x"):rep(300), long:rep(5), "a\n",
}

describe("dns.resolve", function()
  it("gives the addresses of a name", function()
    assert.same({ "127.0.0.1" }, dns.resolve("127.1")) -- to the system an address
    assert.same({ "127.0.0.1" }, dns.resolve("127.1", { family = "inet", timeout = 60 }))
  end)

  it("gives back IP addresses", function()
    for _, address in ipairs({ "127.0.0.1", "::1", "2001:db8::1", "255.255.255.255" }) do
      assert.same({ address }, dns.resolve(address))
    end
    assert.same({ "2001:db8::1" }, dns.resolve("2001:DB8:0::0001"))
  end)

  it("knows localhost by itself", function()
    for _, name in ipairs({ "localhost", "LOCALHOST", "localhost.", "a.localhost",
      "a.b.localhost." }) do
      assert.same({ "127.0.0.1", "::1" }, dns.resolve(name))
      assert.same({ "127.0.0.1" }, dns.resolve(name, { family = "inet" }))
      assert.same({ "::1" }, dns.resolve(name, { family = "inet6" }))
    end
  end)

  it("says when an address is of the other family", function()
    assert.same({ nil, "::1: address family not supported", "EAI_ADDRFAMILY" },
      { dns.resolve("::1", { family = "inet" }) })
  end)

  it("fails for what can't be a name", function()
    for _, name in ipairs(no_names) do
      local addresses, message, code = dns.resolve(name)
      assert.is_nil(addresses)
      assert.equal(name .. ": unknown node or service", message)
      assert.equal("EAI_NONAME", code)
      assert.equal("EAI_NONAME", (select(3, net.connect(name, 1))))
    end
  end)

  it("refuses what is no name at all", function()
    raises("#1 to '[%w.]*resolve' %(host contains zeros%)", dns.resolve, "a\0b")
    raises("#1 to '[%w.]*resolve' %(string expected", dns.resolve)
    raises("field 'family': 'inet' or 'inet6' expected", dns.resolve, "a", { family = "ipv4" })
    raises("field 'timeout'", dns.resolve, "a", { timeout = "soon" })
    local function skip(place, value)
      return place == 1 and type(value) == "string" and value:find("^[%w ]+$")
    end
    assert.is_true(support.call_badly(dns.resolve, { "127.0.0.1", {} }, 2, skip) > 20)
    assert.is_true(support.call_badly(dns.reverse, { "127.0.0.1", {} }, 2, skip) > 20)
  end)

  it("ends at its timeout, and with the task", function()
    local others = {}
    for i = 1, 50 do -- in front of it, in the pool's share of look-ups
      others[i] = neap.spawn(dns.resolve, "127.1")
    end
    settle()
    assert.same({ nil, "timed out after 0 s", "ETIMEDOUT" },
      { dns.resolve("127.1", { timeout = 0 }) })
    assert.same({ nil, "timed out after 0 s", "ETIMEDOUT" },
      { dns.reverse("127.0.0.1", { timeout = 0 }) })
    for _, task in ipairs(others) do
      assert.same({ "127.0.0.1" }, task:join())
    end
  end)

  -- fault 29
  it("ends while the resolver hangs, and frees what comes late", function()
    local output, status = sysfault.lua("getaddrinfo:HOLD", [[
      local neap = require("neap")
      local dns = require("neap.dns")
      local tasks = {}
      for i = 1, 4 do
        tasks[i] = neap.spawn(dns.resolve, "127.1")
      end
      while neap.info().jobs == 0 do
        neap.yield()
      end
      for _, task in ipairs(tasks) do -- some in the pool, some in front of it
        task:cancel()
        local ok, err = task:wait()
        assert(not ok and err.code == "ECANCELED")
      end
      local addresses, message, code = dns.resolve("127.1", { timeout = 0.01 })
      assert(not addresses and message == "timed out after 0.01 s" and code == "ETIMEDOUT")
      assert(neap.info().jobs > 0)
      io.open(os.getenv("SYSFAULT_HOLD"), "w"):close()
      assert(dns.resolve("127.1")[1] == "127.0.0.1")
      while neap.info().jobs > 0 do
        neap.yield()
      end
    ]])
    assert.equal("", output)
    assert.equal(0, status)
  end)

  if neap._fail_alloc then
    it("leaves nothing when memory runs out", function()
      local function look_up()
        return dns.resolve("127.1")
      end
      assert.is_true(faults.alloc(look_up) > 0)
      assert.is_true(faults.lua_alloc(look_up) > 0)
      -- What needs no look-up needs Lua's memory alone.
      assert.is_true(faults.lua_alloc(function()
        return dns.resolve("localhost")
      end) > 0)
    end)
  end
end)

describe("dns.reverse", function()
  it("gives a name, or says that there is none", function()
    -- What names there are is the machine's business.
    for _, address in ipairs({ "127.0.0.1", "127.0.0.77", "::1" }) do
      local name, message, code = dns.reverse(address)
      if name then
        assert.is_true(#name > 0)
        assert.are_not.equal(address, name)
      else
        assert.equal("string", type(message))
        assert.truthy(code:find("^EAI_"), code)
      end
    end
  end)

  it("takes IP addresses alone", function()
    for _, text in ipairs({ "", "localhost", "127.1", "1.2.3.4.5", "[::1]" }) do
      raises("#1 to '[%w.]*reverse' %(not an IP address%)", dns.reverse, text)
    end
  end)
end)

-- Without c-ares there is no more.
if select(3, dns.query("a.test", "A", { servers = { "127.0.0.1:1" } })) == "ENOTSUP" then
  return
end

-- What the servers below know.
local zone = {
  ["host.test"] = {
    { "host.test", 300, "A", "192.0.2.1" },
    { "host.test", 301, "A", "192.0.2.2" },
    { "host.test", 302, "AAAA", "2001:db8:0:0:0:0:0:1" },
    { "host.test", 303, "MX", 10, "mail.host.test" },
    { "host.test", 303, "MX", 20, "other.test" },
    { "host.test", 304, "TXT", "one ", "string\0" },
    { "host.test", 305, "NS", "ns.test" },
    { "host.test", 306, "CAA", 128, "issue", "ca.test" },
    { "_http._tcp.host.test", 307, "SRV", 1, 2, 8080, "stray.test" },
  },
  ["_http._tcp.host.test"] = { { "_http._tcp.host.test", 307, "SRV", 1, 2, 8080, "host.test" } },
  ["alias.test"] = {
    { "alias.test", 60, "CNAME", "Second.test" },
    { "third.test", 62, "A", "192.0.2.3" }, -- in no order
    { "second.TEST", 61, "CNAME", "third.test" },
  },
  ["loop.test"] = {
    { "loop.test", 1, "CNAME", "pool.test" },
    { "pool.test", 1, "CNAME", "loop.test" },
  },
  ["4.3.2.1.in-addr.arpa"] = { { "4.3.2.1.in-addr.arpa", 9, "PTR", "four.test" } },
  [("0."):rep(31):gsub("^0", "1") .. "0.ip6.arpa"] = {
    { ("0."):rep(31):gsub("^0", "1") .. "0.ip6.arpa", 9, "PTR", "six.test" },
  },
  [""] = { { "", 518400, "NS", "a.root-servers.test" } },
}

local function by_zone(query)
  local records = zone[query.name:lower()]
  return records or { rcode = "NXDOMAIN" }
end

-- Runs fn with a server: fn(ask, server); ask(name, type [, options]).
local function with_server(answer, fn)
  local server <close> = dns_server.start(answer)
  return fn(function(name, kind, options)
    options = options or {}
    options.servers = options.servers or { server.address }
    return dns.query(name, kind, options)
  end, server)
end

describe("dns.query", function()
  it("gives records of every type, with their time to live", function()
    with_server(by_zone, function(ask)
      for _, tcp in ipairs({ false, true }) do
        local function get(name, kind)
          return assert(ask(name, kind, { tcp = tcp }))
        end
        assert.same({
          { name = "host.test", type = "A", ttl = 300, address = "192.0.2.1" },
          { name = "host.test", type = "A", ttl = 301, address = "192.0.2.2" },
        }, get("host.test", "A"))
        assert.same({ { name = "host.test", type = "AAAA", ttl = 302, address = "2001:db8::1" } },
          get("host.test", "AAAA"))
        assert.same({
          { name = "host.test", type = "MX", ttl = 303, priority = 10, target = "mail.host.test" },
          { name = "host.test", type = "MX", ttl = 303, priority = 20, target = "other.test" },
        }, get("host.test", "MX"))
        assert.same({ { name = "host.test", type = "TXT", ttl = 304, text = "one string\0" } },
          get("host.test", "TXT"))
        assert.same({ { name = "host.test", type = "NS", ttl = 305, target = "ns.test" } },
          get("host.test.", "NS"))
        assert.same({ { name = "host.test", type = "CAA", ttl = 306, flags = 128, tag = "issue",
          value = "ca.test" } }, get("HOST.test", "CAA"))
        assert.same({ { name = "_http._tcp.host.test", type = "SRV", ttl = 307, priority = 1,
          weight = 2, port = 8080, target = "host.test" } }, get("_http._tcp.host.test", "SRV"))
        assert.same({ { name = "alias.test", type = "CNAME", ttl = 60, target = "Second.test" } },
          get("alias.test", "CNAME"))
        assert.equal("a.root-servers.test", get(".", "NS")[1].target)
      end
    end)
  end)

  it("follows aliases, in whatever order they come", function()
    with_server(by_zone, function(ask)
      assert.same({ { name = "third.test", type = "A", ttl = 62, address = "192.0.2.3" } },
        ask("alias.test", "A"))
      assert.same({ nil, "loop.test A: no such record", "EAI_NODATA" }, { ask("loop.test", "A") })
    end)
  end)

  it("asks for the name of an address", function()
    with_server(by_zone, function(ask)
      assert.equal("four.test", ask("1.2.3.4", "PTR")[1].target)
      assert.equal("six.test", ask("::1", "PTR")[1].target)
      assert.equal("four.test", ask("4.3.2.1.in-addr.arpa", "PTR")[1].target)
    end)
  end)

  it("tells one reason from the other", function()
    local function answer(query)
      local rcode = query.name:match("^(%w+)%.rcode$")
      return rcode and { rcode = rcode:upper() } or by_zone(query)
    end
    with_server(answer, function(ask)
      local function fails(name, kind, what, code)
        assert.same({ nil, ("%s %s: %s"):format(name, kind, what), code }, { ask(name, kind) })
      end
      fails("none.test", "A", "no such name", "EAI_NONAME")
      fails("host.test", "PTR", "no such record", "EAI_NODATA")
      for _, rcode in ipairs({ "servfail", "refused", "notimp" }) do
        fails(rcode .. ".rcode", "A", "no name server could answer", "EAI_AGAIN")
      end
    end)
  end)

  it("asks again by TCP when an answer was cut", function()
    local function answer(query)
      return query.transport == "udp" and { truncated = true } or by_zone(query)
    end
    with_server(answer, function(ask, server)
      assert.equal("192.0.2.1", ask("host.test", "A")[1].address)
      assert.equal("udp", server.queries[1].transport)
      assert.equal("tcp", server.queries[2].transport)
    end)
  end)

  it("reads answers of 60 KB", function()
    local records = {}
    for i = 1, 200 do
      records[i] = { "big.test", i, "TXT", ("x"):rep(250) }
    end
    with_server(function()
      return records
    end, function(ask)
      local found = ask("big.test", "TXT", { tcp = true })
      assert.equal(200, #found)
      assert.equal(200, found[200].ttl)
    end)
  end)

  it("takes no answer to another question", function()
    for _, wrong in ipairs({
      function(query) return { id = query.id ~ 1, { query.name, 1, "A", "192.0.2.66" } } end,
      function(query)
        return { question = dns_server.encode_name("evil.test") .. "\0\1\0\1",
          { query.name, 1, "A", "192.0.2.66" } }
      end,
      function() return "" end,
      function() return "garbage" end,
      function() return ("\255"):rep(500) end,
    }) do
      with_server(wrong, function(ask)
        local records, _, code = ask("host.test", "A", { retry = 0.001 })
        assert.is_nil(records)
        assert.truthy(code == "ETIMEDOUT" or code == "EPROTO" or code == "EAI_AGAIN", code)
      end)
    end
  end)

  it("takes no record of another name", function()
    with_server(function()
      return { { "evil.test", 1, "A", "192.0.2.66" } }
    end, function(ask)
      assert.equal("EAI_NODATA", (select(3, ask("host.test", "A"))))
    end)
  end)

  -- What is too long c-ares 1.34 cuts by itself: test_dns.c has that.
  it("refuses records that are not what their type says", function()
    local broken = {
      A = { "\1\2\3", "" }, AAAA = { "\1\2\3\4" }, MX = { "\0", "\0\1", "\0\1\3ab" },
      TXT = { "", "\5abc" }, SRV = { "\0\1\0\2\0", "\0\1\0\2\0\3\70" },
      CAA = { "\0", "\0\9issue", "\0\0x" },
      NS = { "", "\64", "\192" },
    }
    for kind, list in pairs(broken) do
      for _, bytes in ipairs(list) do
        with_server(function(query)
          return { { query.name, 1, "raw", bytes, as = kind } }
        end, function(ask)
          assert.same({ nil, "bad.test " .. kind .. ": the answer makes no sense", "EPROTO" },
            { ask("bad.test", kind) })
        end)
      end
    end
  end)

  it("asks the next server when one does not answer, refuses or is not there", function()
    local gone = dns_server.start(by_zone)
    getmetatable(gone).__close(gone)
    for _, answer in ipairs({
      function() end,
      function() return { rcode = "SERVFAIL" } end,
    }) do
      local first <close> = dns_server.start(answer)
      local second <close> = dns_server.start(by_zone)
      local records = assert(dns.query("host.test", "A",
        { servers = { gone.address, first.address, second.address }, retry = 0.01 }))
      assert.equal("192.0.2.1", records[1].address)
      assert.is_true(#first.queries > 0)
    end
  end)

  it("ends at its timeout, or when all were asked often enough", function()
    with_server(function() end, function(ask)
      for _, seconds in ipairs({ 0, 0.01 }) do
        for _, tcp in ipairs({ false, true }) do
          assert.same({ nil, ("timed out after %g s"):format(seconds), "ETIMEDOUT" },
            { ask("host.test", "A", { timeout = seconds, tcp = tcp }) })
        end
      end
      assert.same({ nil, "host.test A: no name server answered", "ETIMEDOUT" },
        { ask("host.test", "A", { retry = 0.001 }) })
    end)
  end)

  it("ends with its task, at every moment", function()
    with_server(by_zone, function(ask)
      for _, tcp in ipairs({ false, true }) do
        local answered = 0
        for turns = 0, 30 do
          local task = neap.spawn(ask, "host.test", "A", { tcp = tcp })
          for _ = 1, turns do
            neap.yield()
          end
          task:cancel()
          local ok, records = task:wait()
          answered = answered + (ok and 1 or 0)
          assert.is_true(not ok or records[1].ttl == 300)
        end
        assert.is_true(answered < 31)
      end
    end)
  end)

  it("serves many tasks at once, and goes on when some are cancelled", function()
    local held = neap.event()
    with_server(function(query)
      if query.name:find("^held") then
        held:wait()
      end
      return { { query.name, 1, "A", "192.0.2." .. query.name:match("%d+") } }
    end, function(ask)
      local tasks = {}
      for i = 1, 100 do
        tasks[i] = neap.spawn(ask, ("name%d.test"):format(i), "A")
      end
      local doomed = neap.spawn(ask, "name200.test", "A")
      neap.yield()
      doomed:cancel()
      doomed:wait()
      for i, task in ipairs(tasks) do
        assert.equal("192.0.2." .. i, task:join()[1].address)
      end
      held:set()
    end)
  end)

  it("passes over names that can't be asked for", function()
    with_server(by_zone, function(ask, server)
      for _, name in ipairs({ "", " ", "a b", "a..b", ("x"):rep(64), ("x"):rep(300), long:rep(5),
        "n\u{e4}me.test" }) do
        assert.same({ nil, name .. " A: no such name", "EAI_NONAME" }, { ask(name, "A") })
      end
      raises("host contains zeros", ask, "a\0b", "A")
      assert.equal(0, #server.queries)
    end)
  end)

  it("refuses bad arguments", function()
    raises("#2 to '[%w.]*query' %(unknown type 'BOGUS'%)", dns.query, "a", "BOGUS")
    raises("#2 to '[%w.]*query' %(string expected", dns.query, "a")
    for _, servers in ipairs({ "127.0.0.1", {}, { 1 }, { {} } }) do
      raises("field 'servers'", dns.query, "a", "A", { servers = servers })
    end
    for _, server in ipairs({ "", "localhost", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",
      "127.0.0.1:x", "[::1", "[::1]x", "[::1]:", "127.0.0.1,127.0.0.2", ("1"):rep(300) }) do
      raises("field 'servers': IP address%[:port%] expected", dns.query, "a", "A",
        { servers = { server } })
    end
    raises("field 'retry'", dns.query, "a", "A", { retry = {} })
    raises("field 'tcp'", dns.query, "a", "A", { tcp = 1 })
  end)

  it("can be read off a dump", function()
    with_server(function() end, function(ask)
      local task = neap.spawn({ quiet = true }, ask, "silent.test", "A")
      settle()
      assert.equal("dns.query", task:stats().waiting_for)
      local text
      neap.dump({ write = function(_, dump)
        text = dump
      end })
      assert.truthy(text:find("dns.query silent.test", 1, true), text)
      task:cancel()
      task:wait()
    end)
  end)

  it("works in virtual time, whose limits are met at once where nothing is asked", function()
    neap.testing.run(function()
      with_server(by_zone, function(ask)
        assert.equal("192.0.2.1", ask("host.test", "A", { timeout = 3600 })[1].address)
      end)
    end, { clock = "virtual" })
  end)

  if neap._fail_alloc then
    it("leaves nothing when memory runs out", function()
      -- A server here would lack it, too (spec/c/test_dns.c has one elsewhere): what
      -- is asked for is refused.
      local gone = dns_server.start(by_zone)
      getmetatable(gone).__close(gone)
      local runs = faults.alloc(function()
        local records, message, code = dns.query("host.test", "A", { servers = { gone.address } })
        if code == "EAI_AGAIN" then
          return true
        end
        return records, message, code
      end)
      assert.is_true(runs > 0)
    end)
  end

  it("answers dig's questions as dig reads them", function()
    local function answer(query)
      local records = {}
      for _, record in ipairs(zone[query.name:lower()]) do
        records[#records + 1] = record[3] == query.type and record or nil
      end
      return records
    end
    with_server(answer, function(_, server)
      local function dig(...)
        local result = assert(process.run({ "dig", "@127.0.0.1", "-p", tostring(server.port),
          "+short", "+tries=1", "+timeout=20", ... }))
        assert.equal(0, result.code)
        return result.stdout
      end
      assert.equal("192.0.2.1\n192.0.2.2\n", dig("host.test", "A"))
      assert.equal("10 mail.host.test.\n20 other.test.\n", dig("+tcp", "host.test", "MX"))
      assert.equal("1 2 8080 host.test.\n", dig("_http._tcp.host.test", "SRV"))
    end)
  end)
end)
