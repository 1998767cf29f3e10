-- The figures of channels, for bench/concurrency.lua: beside Go's and beside
-- luv with Lua coroutines.

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

-- Go's channels on one processor, by a program that is built here.
local function add_go()
  if not os.execute("command -v go >/dev/null") then
    print("pingpong-go, stream-go: left out, no Go here (Debian: apt install golang)")
    return
  end
  local program = harness.peers .. "chan_go"
  assert(os.execute(("mkdir -p '%s' && go build -o '%s' '%speers/chan.go'")
    :format(harness.peers, program, harness.folder)), "peers/chan.go can't be built")
  local function go(...)
    return harness.program("GOMAXPROCS=1 " .. harness.command(program, ...))
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

---@type bench.Figure[]
return figures
