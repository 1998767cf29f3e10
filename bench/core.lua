-- The figures of the core: task switches, tasks by the wave, by the 100,000 and
-- by the million, and one figure each for sockets and files.
-- usage: lua5.4 bench/core.lua [name...]    see README.md

package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local harness = require("harness")

local CONNECTIONS, MESSAGES = 64, 192000
local FILES, FILE_SIZE = 64, 4096

local function side(file, ...)
  return harness.program(harness.lua("core/" .. file, ...))
end

local function stall(n, mode)
  return {
    name = ("stall%d-%s"):format(n, mode),
    title = ("longest %s stall, %d parked"):format(mode, n),
    unit = "ms",
    neap = side("stall.lua", "neap", n, mode),
    peer = side("stall.lua", "stock", n, mode),
    peer_name = "coroutines",
    most = 1.2,
  }
end

-- CPU time of an echo server per message, in us. The load goes to the port in
-- the server's first line; the second is the server's CPU time.
local function echo(server)
  return function()
    local out = harness.start(server)
    local port = math.tointeger(harness.number(out, server))
    local client = harness.command(harness.peers .. "load", port, CONNECTIONS, MESSAGES)
    harness.finish(harness.start(client), client)
    local seconds = harness.number(out, server)
    harness.finish(out, server)
    return seconds / MESSAGES * 1e6
  end
end

-- The files for `readfile`. Gives their paths and the function that removes
-- them.
local function make_files()
  local folder = os.tmpname()
  assert(os.remove(folder))
  assert(os.execute(harness.command("mkdir", folder)))
  local paths = {}
  for i = 1, FILES do
    paths[i] = ("%s/%d"):format(folder, i)
    local file <close> = assert(io.open(paths[i], "wb"))
    assert(file:write(("x"):rep(FILE_SIZE)))
  end
  return paths, function()
    assert(os.execute(harness.command("rm", "-r", folder)))
  end
end

local paths, remove_files = make_files()
local _ <close> = setmetatable({}, { __close = remove_files })

harness.main({
  {
    name = "switch2",
    title = "yield between 2 tasks",
    unit = "ns",
    neap = side("switch.lua", "neap", 2),
    peer = side("switch.lua", "stock", 1),
    peer_name = "resume+yield",
    most = 0.75,
  },
  {
    name = "switch10000",
    title = "yield among 10,000 tasks",
    unit = "ns",
    neap = side("switch.lua", "neap", 10000),
    peer = side("switch.lua", "stock", 10000),
    peer_name = "resume+yield",
    most = 1.3,
  },
  {
    name = "waves",
    title = "spawn, run and end, in waves of 1,000",
    unit = "ns",
    neap = side("waves.lua", "neap", 1000),
    peer = side("waves.lua", "stock", 1000),
    peer_name = "create+resume",
    most = 1.6,
  },
  {
    name = "asleep100000",
    title = "memory of a sleeping task, 100,000 of them",
    unit = "KB",
    neap = side("asleep.lua", "neap", 100000),
    peer = side("asleep.lua", "stock", 100000),
    peer_name = "coroutine",
    limit = 2.3,
  },
  {
    name = "asleep1000000",
    title = "memory of a sleeping task, 1,000,000 of them",
    unit = "KB",
    neap = side("asleep.lua", "neap", 1000000),
    peer = side("asleep.lua", "stock", 1000000),
    peer_name = "coroutine",
    limit = 2.3,
  },
  {
    name = "wake",
    title = "wake and end 100,000 at one deadline, each",
    unit = "ns",
    neap = side("wake.lua", "neap", 100000),
    peer = side("wake.lua", "luv", 100000),
    peer_name = "luv",
    most = 0.8,
  },
  {
    name = "million",
    title = "1,000,000 sleeping tasks, whole process",
    unit = "s",
    neap = harness.seconds(harness.lua("core/million.lua", 1000000)),
    limit = 10,
  },
  stall(10000, "incremental"),
  stall(10000, "generational"),
  stall(100000, "incremental"),
  stall(100000, "generational"),
  {
    name = "echo",
    title = "echo on 64 connections, server CPU a message",
    unit = "us",
    neap = echo(harness.lua("core/echo.lua", CONNECTIONS)),
    peer = echo(harness.command(harness.peers .. "echo_uv", CONNECTIONS)),
    peer_name = "libuv in C",
    most = 1.15,
  },
  {
    name = "readfile",
    title = "read a cached file of 4 KiB",
    unit = "us",
    neap = side("readfile.lua", "neap", table.unpack(paths)),
    peer = side("readfile.lua", "io", table.unpack(paths)),
    peer_name = "io.open",
    most = 1,
  },
}, arg)
