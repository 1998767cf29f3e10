-- The figures of concurrency: channels beside Go's and beside luv with Lua
-- coroutines.
-- usage: lua5.4 bench/concurrency.lua [name...]    see README.md

package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local harness = require("harness")

local CAPACITY = 64

local function side(file, ...)
  return harness.program(harness.lua("concurrency/" .. file, ...))
end

local figures = {
  {
    name = "pingpong-luv",
    title = "channel ping-pong, a round trip",
    unit = "ns",
    neap = side("pingpong.lua", "neap"),
    peer = side("pingpong.lua", "luv"),
    peer_name = "luv+coroutines",
    most = 0.65,
  },
}

-- Go's channels on one processor, built here.
local function add_go()
  local program = harness.peers .. "chan_go"
  local build = ("mkdir -p '%s' && go build -o '%s' '%speers/chan.go'")
    :format(harness.peers, program, harness.folder)
  if not os.execute("command -v go >/dev/null") then
    print("pingpong-go, stream-go: left out, no Go here (Debian: apt install golang)")
    return
  end
  assert(os.execute(build), "chan.go can't be built")
  local function go(what, ...)
    return harness.program("GOMAXPROCS=1 " .. harness.command(program, what, ...))
  end
  figures[#figures + 1] = {
    name = "pingpong-go",
    title = "channel ping-pong, a round trip",
    unit = "ns",
    neap = side("pingpong.lua", "neap"),
    peer = go("pingpong"),
    peer_name = "Go",
    most = 1.2,
  }
  figures[#figures + 1] = {
    name = "stream-go",
    title = ("stream through a channel of %d, a message"):format(CAPACITY),
    unit = "ns",
    neap = side("stream.lua", CAPACITY),
    peer = go("stream", CAPACITY),
    peer_name = "Go",
    most = 4,
  }
end

add_go()
harness.main(figures, arg)
