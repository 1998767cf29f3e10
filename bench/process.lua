-- The figures of child processes.
-- usage: lua5.4 bench/process.lua [name...]    see README.md

package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local harness = require("harness")

local RUNS, PROGRAM = 1000, "/bin/true"
local MB = 100

local function ours(in_flight)
  return harness.program(harness.lua("process/run.lua", "neap", RUNS, in_flight, PROGRAM))
end

local figures = {}

for _, in_flight in ipairs({ 1, 16 }) do
  figures[#figures + 1] = {
    name = "run" .. in_flight,
    title = ("run %s to its end, %d in flight"):format(PROGRAM, in_flight),
    unit = "us",
    neap = ours(in_flight),
    peer = harness.program(harness.command(harness.peers .. "spawn_uv", RUNS, in_flight, PROGRAM)),
    peer_name = "libuv in C",
    most = 1.2,
  }
  figures[#figures + 1] = {
    name = "run" .. in_flight .. "-luv",
    title = ("the same beside luv, %d in flight"):format(in_flight),
    unit = "us",
    neap = ours(in_flight),
    peer = harness.program(harness.lua("process/run.lua", "luv", RUNS, in_flight, PROGRAM)),
    peer_name = "luv",
    most = 1,
  }
end

figures[#figures + 1] = {
  name = "pipe",
  title = ("%d MB through cat, collected"):format(MB),
  unit = "ms",
  neap = harness.program(harness.lua("process/pipe.lua", MB)),
  peer = harness.program(harness.lua("process/pipe.lua", MB, "file")),
  peer_name = "cat <file, io.popen",
  most = 2,
}

harness.main(figures, arg)
