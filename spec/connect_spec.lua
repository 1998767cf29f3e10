-- net.connect to names with several addresses: who is tried when, who wins, what is
-- left. The names are those of a preload library (spec/support/names.c).
local neap = require("neap")
local net = require("neap.net")
local support = require("spec.support")
local names = require("spec.support.names")
local sysfault = require("spec.support.sysfault")

local known = {
  ["two.test"] = "127.0.0.2,127.0.0.3",
  ["three.test"] = "127.0.0.2,127.0.0.3,127.0.0.4",
  ["mixed.test"] = "127.0.0.2,127.0.0.3,::1,::ffff:127.0.0.6",
}

-- What the scripts begin with: listeners at one port of several addresses, which is
-- not anybody else's.
local prelude = [[
  local neap = require("neap")
  local net = require("neap.net")
  local support = require("spec.support")
  local hole = require("spec.support.hole")
  local function free_port()
    local server <close> = assert(net.listen("127.0.0.9", 0))
    return (select(2, server:address()))
  end
  -- A connection that is over leaves no descriptor some turns later.
  local function level(fds)
    for _ = 1, 1000 do
      if support.fds() <= fds then
        return true
      end
      neap.yield()
    end
    error(("%d descriptors before, %d after"):format(fds, support.fds()))
  end
  -- libuv keeps a descriptor of its own from its first stream on.
  assert(not net.connect("127.0.0.9", 1))
]]

local function run(script)
  local output, status = names.lua(known, prelude .. script .. "\nprint('fine')")
  assert.equal("fine\n", output)
  assert.equal(0, status)
end

describe("net.connect", function()
  -- fault 55
  it("tries the next address after 250 ms of silence, and closes the silent one", function()
    run([[
      local dark <close> = hole.open("127.0.0.2")
      local server <close> = assert(net.listen("127.0.0.3", dark.port))
      local fds = support.fds()
      local begun = neap.now()
      local conn = assert(net.connect("two.test", dark.port))
      assert(neap.now() - begun >= 0.25)
      assert(conn:peer() == "127.0.0.3")
      conn:close()
      assert(server:accept()):close()
      level(fds)
    ]])
  end)

  it("ends all attempts at its timeout", function()
    run([[
      local dark <close> = hole.open("127.0.0.2")
      local other <close> = hole.open("127.0.0.3", dark.port)
      local fds = support.fds()
      local begun = neap.now()
      local conn, message, code = net.connect("two.test", dark.port, { timeout = 0.3 })
      assert(not conn and message == "timed out after 0.3 s" and code == "ETIMEDOUT", message)
      assert(neap.now() - begun >= 0.3)
      level(fds)
      conn, message = net.connect("127.0.0.2", dark.port, { timeout = 0.01 })
      assert(not conn and message == "timed out after 0.01 s", message)
      level(fds)
    ]])
  end)

  -- fault 28, 56
  it("tries the next address at once when one refuses", function()
    run([[
      local server <close> = assert(net.listen("127.0.0.3", 0))
      local port = select(2, server:address())
      neap.testing.run(function()
        -- Time that would have to pass would pass in a jump; but this waits for nothing
        -- but the network.
        local conn <close> = assert(net.connect("two.test", port))
        assert(conn:peer() == "127.0.0.3")
      end, { clock = "virtual" })
    ]])
  end)

  it("takes the first that answers and leaves the others alone", function()
    run([[
      local first <close> = assert(net.listen("127.0.0.2", 0))
      local port = select(2, first:address())
      local second <close> = assert(net.listen("127.0.0.3", port))
      local conn <close> = assert(net.connect("two.test", port))
      assert(conn:peer() == "127.0.0.2")
      local none, _, code = second:accept(0)
      assert(not none and code == "ETIMEDOUT")
    ]])
  end)

  -- fault 57
  it("lists each address with its reason when all fail", function()
    run([[
      local port = free_port()
      local conn, message, code = net.connect("three.test", port)
      local expected = ("three.test:%d: 127.0.0.2:%d: Connection refused; 127.0.0.3:%d: "
        .. "Connection refused; 127.0.0.4:%d: Connection refused"):format(port, port, port, port)
      assert(not conn and message == expected and code == "ECONNREFUSED", message)
    ]])
  end)

  it("has the families take turns, the first address first", function()
    run([[
      local port = free_port()
      local _, message = net.connect("mixed.test", port)
      local tried = {}
      for address in message:gmatch("%[?([%x.:]+)%]?:" .. port .. ": ") do
        tried[#tried + 1] = address
      end
      assert(table.concat(tried, " ") == "127.0.0.2 ::1 127.0.0.3 ::ffff:127.0.0.6", message)
    ]])
  end)

  it("tries only addresses of the family that it connects from", function()
    run([[
      local port = free_port()
      local _, message = net.connect("mixed.test", port, { bind = "127.0.0.5" })
      assert(message == ("mixed.test:%d: 127.0.0.2:%d: Connection refused; 127.0.0.3:%d: "
        .. "Connection refused"):format(port, port, port), message)
      local conn, _, code = net.connect("::1", port, { bind = "127.0.0.5" })
      assert(not conn and code == "EAI_ADDRFAMILY", code)
    ]])
  end)

  -- fault 28
  it("closes every attempt when it is cancelled, whenever that is", function()
    run([[
      local dark <close> = hole.open("127.0.0.2")
      local other <close> = hole.open("127.0.0.3", dark.port)
      local fds = support.fds()
      local function connect()
        return net.connect("two.test", dark.port)
      end
      for turns = 0, 20 do -- in the look-up, before and behind it
        local task = neap.spawn(connect)
        for _ = 1, turns do
          neap.yield()
        end
        task:cancel()
        local ok, err = task:wait()
        assert(not ok and err.code == "ECANCELED")
      end
      -- Two attempts under way.
      local task = neap.spawn(connect)
      local function races()
        local dump
        neap.dump({ write = function(_, text)
          dump = text
        end })
        return dump:find("net.connect 127.0.0.3:" .. dark.port .. " and 1 more", 1, true)
      end
      while not races() do
        neap.sleep(0.01)
      end
      task:cancel()
      assert(not task:wait())
      level(fds)
    ]])
  end)

  it("wins or is cancelled, and leaves nothing either way", function()
    run([[
      local server <close> = assert(net.listen("127.0.0.3", 0))
      local port = select(2, server:address())
      local fds = support.fds()
      local won = 0
      for turns = 0, 60 do
        local task = neap.spawn(net.connect, "two.test", port)
        for _ = 1, turns do
          neap.yield()
        end
        task:cancel()
        local ok, conn = task:wait()
        if ok then
          won = won + 1
          conn:close()
        end
      end
      repeat
        local conn = server:accept(0)
        if conn then
          conn:close()
        end
      until not conn
      level(fds)
    ]])
  end)

  if neap._fail_alloc then
    it("leaves nothing behind when memory runs out in a race", function()
      run([[
        local faults = require("spec.support.faults")
        local server <close> = assert(net.listen("127.0.0.4", 0))
        local port = select(2, server:address())
        local fds = support.fds()
        local runs = faults.alloc(function()
          local conn, message, code = net.connect("three.test", port)
          if not conn then
            return nil, message, code
          end
          conn:close()
          return true
        end, { after = function()
          repeat
            local conn = server:accept(0)
            if conn then
              conn:close()
            end
          until not conn
          level(fds)
        end })
        assert(runs > 0)
      ]])
    end)
  end

  it("says that the process has no descriptor left", function()
    local output, status = support.lua([[
      local net = require("neap.net")
      local server = assert(net.listen("127.0.0.1", 0))
      local port = select(2, server:address())
      net.connect("127.0.0.1", port):close() -- libuv keeps a descriptor from now on
      server:accept():close()
      local files = {}
      repeat
        local file = io.open("/dev/null")
        files[#files + 1] = file
      until not file
      local conn, message, code = net.connect("127.0.0.1", port)
      assert(not conn and code == "EMFILE", code)
      assert(message == ("127.0.0.1:%d: Too many open files"):format(port), message)
      conn, message, code = net.connect("localhost", port)
      assert(not conn and code == "EMFILE", code)
      table.remove(files):close()
      net.connect("127.0.0.1", port):close()
      server:close()
    ]], { env = "ulimit -n 40 &&" })
    assert.equal("", output)
    assert.equal(0, status)
  end)

  -- fault 61
  it("fails where an option is asked for and can't be set, and leaves no socket", function()
    local script = [[
      local net = require("neap.net")
      local support = require("spec.support")
      local neap = require("neap")
      local server = assert(net.listen("unix:" .. os.tmpname() .. ".sock"))
      local path = "unix:" .. server:address()
      assert(net.connect(path)):close() -- libuv keeps a descriptor from now on
      server:accept():close()
      local fds = support.fds()
      local function level()
        for _ = 1, 1000 do
          if support.fds() <= fds then
            return
          end
          neap.yield()
        end
        error("a descriptor is left")
      end
      local none, message, code = net.listen("127.0.0.1", 0)
      assert(not none and message == "127.0.0.1:0: Invalid argument" and code == "EINVAL", message)
      level()
      local port = tonumber(arg[1])
      -- Without Nagle's delay it is only faster: not worth a failure.
      local conn = assert(net.connect("127.0.0.1", port))
      conn:close()
      level()
      conn, message, code = net.connect("127.0.0.1", port, { keepalive = 60 })
      assert(not conn and message == ("127.0.0.1:%d: Invalid argument"):format(port)
        and code == "EINVAL", message)
      level()
      server:close()
    ]]
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local port = select(2, server:address())
    local output, status =
      sysfault.lua("setsockopt:EINVAL", ("arg = { %d }\n"):format(port) .. script)
    assert.equal("", output)
    assert.equal(0, status)
  end)

  -- fault 61
  it("gives connections whose addresses can't be asked for", function()
    local output, status = sysfault.lua("getsockname:EIO,getpeername:EIO", [[
      local net = require("neap.net")
      local server = assert(net.listen("127.0.0.1", 0))
      local address, message, code = server:address()
      assert(not address and code == "EIO", message)
      assert(tostring(server):find("server"))
      server:close()
      local path = "unix:" .. os.tmpname() .. ".sock"
      server = assert(net.listen(path))
      local conn = assert(net.connect(path))
      for _, what in ipairs({ "address", "peer" }) do
        address, message, code = conn[what](conn)
        assert(not address and code == "EIO", message)
      end
      conn:close()
      server:close()
    ]])
    assert.equal("", output)
    assert.equal(0, status)
  end)

  it("needs no thread for addresses and localhost", function()
    local output, _, counts = sysfault.lua("getaddrinfo:EIO", [[
      local neap = require("neap")
      local net = require("neap.net")
      local server = assert(net.listen("127.0.0.1", 0))
      local port = select(2, server:address())
      for _, host in ipairs({ "127.0.0.1", "localhost", "LocalHost.", "a.b.localhost" }) do
        assert(net.connect(host, port)):close()
      end
      assert(#neap.dns.resolve("::ffff:127.0.0.1") == 1)
      assert(#neap.dns.resolve("fe80::1%lo") == 1)
      server:close()
    ]])
    assert.equal("", output)
    assert.equal(0, counts.getaddrinfo)
    assert.equal(0, counts.pthread_create)
  end)
end)

describe("localhost", function()
  it("is the loopback interface, whatever else there is", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local port = select(2, server:address())
    local conn <close> = assert(net.connect("some.name.localhost", port))
    assert.equal("127.0.0.1", (conn:peer()))
  end)

  it("is no part of another name", function()
    for _, name in ipairs({ "localhost.invalid", "notlocalhost.invalid", ".localhost",
      "a..localhost" }) do
      local conn, _, code = net.connect(name, 1)
      assert.is_nil(conn)
      assert.truthy(code:find("^EAI_"), name)
    end
  end)
end)
