-- The hosts of examples/embed are built and run; what they print is looked at.
local fs = require("neap.fs")
local neap = require("neap")
local net = require("neap.net")
local process = require("neap.process")
local support = require("spec.support")

local folder = (os.getenv("NEAP_VARIANT_DIR") or "build/test") .. "/examples/"

-- Starts the server on any free port; ended when closed.
local function start_server()
  local server = assert(process.spawn({ folder .. "server", stdout = "pipe", stderr = "pipe" }))
  local port = assert(server.stdout:read("l")):match("^listening on 127%.0%.0%.1:(%d+)$")
  return server, tonumber(port)
end

describe("examples/embed/server.c", function()
  it("answers many at once and ends when it is told to", function()
    local server <close>, port = start_server()
    local asked = {}
    for i = 1, 20 do
      asked[i] = function()
        local conn <close> = assert(net.connect("127.0.0.1", port))
        for n = 1, 5 do
          assert(conn:write(("line %d of %d\n"):format(n, i)))
          assert.equal(("you said: line %d of %d"):format(n, i), conn:read("l"))
        end
        assert(conn:write("quit\n"))
        assert.equal("bye", conn:read("l"))
        assert.is_nil(conn:read("l"))
      end
    end
    neap.all(asked)
    local idle <close> = assert(net.connect("127.0.0.1", port))
    assert(idle:write("hello\n"))
    assert.equal("you said: hello", idle:read("l"))
    local conn <close> = assert(net.connect("127.0.0.1", port))
    assert(conn:write("stop\n"))
    assert.is_nil(conn:read("l"))
    assert.is_nil(idle:read("l")) -- it was in the server's scope
    assert.equal("22 connections, 122 lines\n", server.stdout:read("a"))
    assert.equal("", server.stderr:read("a"))
    assert.equal(0, server:wait())
  end)

  it("limits the time of what asks for it, and the length of a line", function()
    local server <close>, port = start_server()
    local conn <close> = assert(net.connect("127.0.0.1", port))
    assert(conn:write("within 1\n"))
    assert.equal("too slow", conn:read("l"))
    assert.is_nil(conn:read("l"))
    local long <close> = assert(net.connect("127.0.0.1", port))
    assert(long:write(("x"):rep(600)))
    assert.equal("too long", long:read("l"))
    assert(server:kill("SIGTERM"))
    assert.equal("2 connections, 1 lines\n", server.stdout:read("a"))
    assert.equal(0, server:wait())
  end)

  it("says why it cannot start", function()
    local other <close> = assert(net.listen("127.0.0.1", 0))
    local _, taken = other:address()
    local result = assert(process.run({ folder .. "server", tostring(taken) }))
    assert.equal(1, result.code)
    assert.equal("server: address already in use\n", result.stderr)
  end)
end)

describe("examples/embed/tool.c", function()
  it("counts lines in tasks on the host's loop", function()
    local dir <close> = support.tempdir()
    local command = { folder .. "tool" }
    local want = {}
    for i = 1, 40 do
      local path = support.spit(("%s/%d"):format(dir, i), ("x\n"):rep(i * 100))
      want[path] = i * 100
      command[#command + 1] = path
    end
    local result = assert(process.run(command))
    assert.equal(0, result.code)
    local numbers = {}
    for number, path, lines in result.stdout:gmatch("(%d+)%. (%S+): (%d+)\n") do
      assert.equal(want[path], tonumber(lines))
      want[path] = nil
      numbers[#numbers + 1] = tonumber(number)
    end
    assert.is_nil(next(want))
    for i, number in ipairs(numbers) do
      assert.equal(i, number) -- the host's answers, in its order
    end
    assert.equal("40 of 40 files", result.stdout:match("[^\n]*\n$"):sub(1, -2))
    assert.equal("", result.stderr)
  end)

  it("goes on when a file is not there", function()
    local dir <close> = support.tempdir()
    local path = support.spit(dir .. "/one", "x\n")
    local result = assert(process.run({ folder .. "tool", dir .. "/none", path }))
    assert.equal(1, result.code)
    assert.equal(("1. %s: 1\n1 of 2 files\n"):format(path), result.stdout)
    assert.equal(("tool: %s/none: no such file or directory\n"):format(dir), result.stderr)
  end)
end)

describe("examples/embed/epoll_host.c", function()
  it("runs tasks from an epoll loop that never blocks in neap", function()
    local result = assert(process.run({ folder .. "epoll_host", input = "20\n1\n10\n1\n" }))
    assert.equal(0, result.code)
    local lines = {}
    for line in result.stdout:gmatch("[^\n]+") do
      lines[#lines + 1] = line
    end
    assert.equal("4", table.remove(lines):match("^(%d+) naps, "))
    table.sort(lines)
    assert.same({ "slept 1 ms", "slept 1 ms", "slept 10 ms", "slept 20 ms" }, lines)
    assert.equal("", result.stderr)
  end)

  it("sleeps while there is nothing to do", function()
    local host <close> = assert(process.spawn({
      folder .. "epoll_host", stdin = "pipe", stdout = "pipe",
    }))
    assert(host.stdin:write("50\n"))
    host.stdin:close()
    local rounds = host.stdout:read("a"):match("^slept 50 ms\n1 naps, (%d+) rounds\n$")
    assert(tonumber(rounds) < 100, rounds) -- a busy loop has some 100,000
    assert.equal(0, host:wait())
  end)
end)

describe("examples/embed/game.c", function()
  local script = "examples/embed/game.lua"

  local function command(...)
    return {
      stdout = "pipe", stderr = "pipe",
      "env", "SDL_VIDEODRIVER=dummy", folder .. "game", ...,
    }
  end

  -- What the game says in the end: frames, entities and two rows of figures.
  local function check_report(text)
    local frames, entities, rest = text:match("^(%d+) frames, (%d+) entities\n(.*)$")
    local lines = {}
    for line in assert(rest, text):gmatch("([^\n]+)\n") do
      lines[#lines + 1] = line
    end
    assert.equal(3, #lines)
    assert.equal("ms a frame        p50      p95      p99      max", lines[1])
    local rows = {}
    for i, name in ipairs({ "without neap", "with neap" }) do
      rows[i] = {}
      assert.equal(name, lines[i + 1]:sub(1, #name))
      for number in lines[i + 1]:sub(#name + 1):gmatch("%d+%.%d%d%d") do
        table.insert(rows[i], tonumber(number))
      end
      assert.equal(4, #rows[i])
      for n = 2, 4 do
        assert(rows[i][n] >= rows[i][n - 1], text)
      end
    end
    for n = 1, 4 do
      assert(rows[2][n] >= rows[1][n], text) -- the same frames, and neap's step
    end
    return tonumber(frames), tonumber(entities)
  end

  it("runs entities in its frames, reads assets and serves a console", function()
    local dir <close> = support.tempdir()
    local game <close> = assert(process.spawn(command("-e", "50", script,
      support.spit(dir .. "/a", "xx"), support.spit(dir .. "/b", ("x"):rep(100000)))))
    local port = assert(game.stdout:read("l")):match("^console on 127%.0%.0%.1:(%d+)$")
    local console <close> = assert(net.connect("127.0.0.1", tonumber(port)))
    assert(console:write("print(assets())\n")) -- waits until they are there
    assert.equal("2", console:read("l"))
    assert(console:write("neap.dump(console) print('that was all')\n"))
    local dump = {}
    for line in console:lines() do
      if line == "that was all" then
        break
      end
      dump[#dump + 1] = line
    end
    dump = table.concat(dump, "\n")
    assert(dump:find("entity", 1, true), dump)
    assert(dump:find("console", 1, true), dump)
    assert(console:write("neap.frame() error('by hand', 0)\n"))
    assert.equal("by hand", console:read("l"))
    assert(console:write("print(lives() >= 50)\n"))
    assert.equal("true", console:read("l"))
    assert(console:write("engine.quit()\n"))
    assert.is_nil(console:read("l")) -- closed with the game's state
    local frames, entities = check_report(assert(game.stdout:read("a")))
    assert(frames >= 2)
    assert.equal(50, entities)
    assert.equal("", game.stderr:read("a"))
    assert.equal(0, game:wait())
  end)

  it("ends after so many frames", function()
    local game <close> = assert(process.spawn(command("-f", "12", "-e", "300", script)))
    local text = assert(game.stdout:read("a"))
    local frames, entities = check_report((text:gsub("^console on [^\n]*\n", "")))
    assert.equal(12, frames)
    assert.equal(300, entities)
    assert.equal("", game.stderr:read("a"))
    assert.equal(0, game:wait())
  end)

  it("says what is wrong with its script", function()
    local dir <close> = support.tempdir()
    local path = support.spit(dir .. "/bad.lua", "require('neap').sleep(0)")
    local game <close> = assert(process.spawn(command(path)))
    assert.equal("", game.stdout:read("a"))
    local message = game.stderr:read("a")
    assert(message:find("cannot wait on the host's stack", 1, true), message)
    assert.equal(1, game:wait())
  end)
end)

local has_luv = package.searchpath("luv", package.cpath) ~= nil

describe("examples/embed/luv_beside.lua", function()
  it("has luv's callbacks beside neap's tasks", function()
    if not has_luv then
      pending("there is no luv for this Lua (Debian: lua-luv)")
      return
    end
    local result = assert(process.run({
      os.getenv("LUA") or "lua5.4", "examples/embed/luv_beside.lua", "README.md",
    }))
    assert.equal("", result.stderr)
    assert.equal(table.concat({
      "file README.md", "a timer of luv's has fired", "luv got line 1", "luv got line 2",
      "luv got line 3", "luv got line 4", "luv got line 5", "",
    }, "\n"), result.stdout)
    assert.equal(0, result.code)
  end)
end)

describe("examples/embed/luv_host.c", function()
  it("has both on one loop", function()
    if not fs.exists(folder .. "luv_host") then
      pending("there is no luv to build against (Debian: lua-luv-dev)")
      return
    end
    local result = assert(process.run({ folder .. "luv_host" }))
    assert.equal("", result.stderr)
    assert.equal(table.concat({
      "luv's callback", "may not wait itself", "a task that waited for it",
      "a task that the callback has started", "",
    }, "\n"), result.stdout)
    assert.equal(0, result.code)
  end)
end)

describe("the examples of hosts", function()
  it("are all looked at here", function()
    local here = support.slurp("spec/project/hosts_spec.lua")
    local elsewhere = support.sh("cat spec/*_spec.lua spec/project/*_spec.lua")
    for name in assert(fs.scandir("examples/embed")) do
      local path = "examples/embed/" .. name
      assert(here:find(path, 1, true) or elsewhere:find(path, 1, true), path)
    end
  end)
end)
