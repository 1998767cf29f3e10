-- The figures of starting: the neap command to its first line, require "neap",
-- and how big neap.so is.
-- usage: lua5.4 bench/start.lua [name...]    see README.md

package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local harness = require("harness")
local uv = require("luv")

local STARTS = 60

local build = (os.getenv("NEAP_BUILD_DIR") or harness.folder .. "../build") .. "/"
local lua = os.getenv("LUA") or "lua5.4"

-- Milliseconds from before a program's start to the first bytes of its output.
local function first_line(program, code)
  local output = uv.new_pipe(false)
  local at, process
  local begun = uv.hrtime()
  process = assert(uv.spawn(program, { args = { "-e", code }, stdio = { nil, output, 2 } },
    function(status)
      assert(status == 0, program .. " failed")
      process:close()
    end))
  output:read_start(function(err, data)
    assert(not err, err)
    at = at or uv.hrtime()
    if not data then
      output:close()
    end
  end)
  uv.run()
  return (at - begun) / 1e6
end

-- The quickest tenth of many starts: the rest is what else the machine does.
local function quick(times)
  table.sort(times)
  return times[#times // 10]
end

local function start_of(program, code)
  local times = {}
  for i = 1, STARTS do
    times[i] = first_line(program, code)
  end
  return quick(times)
end

local plain, requires = "print(1)", 'require("neap") print(1)'

-- What `require` adds. In turns, so that the machine's mood falls on both.
local function require_cost()
  local without, with = {}, {}
  for i = 1, STARTS do
    without[i] = first_line(lua, plain)
    with[i] = first_line(lua, requires)
  end
  return quick(with) - quick(without)
end

-- Kilobytes of neap.so as packages have it.
local function stripped_size()
  local path = os.tmpname()
  assert(os.execute(harness.command("strip", "-o", path, build .. "neap.so")))
  local file <close> = assert(io.open(path, "rb"))
  local size = file:seek("end")
  os.remove(path)
  return size / 1000
end

harness.main({
  {
    name = "runner",
    title = "start of a script, to its first line",
    unit = "ms",
    neap = function() return start_of(build .. "neap", plain) end,
    peer = function() return start_of(lua, plain) end,
    peer_name = lua,
    most = 1.3,
  },
  {
    name = "require",
    title = 'require "neap", above an empty start',
    unit = "ms",
    neap = require_cost,
    limit = 1.5,
  },
  {
    name = "size",
    title = "neap.so, stripped, its TLS included",
    unit = "KB",
    neap = stripped_size,
    limit = 700,
  },
}, arg)
