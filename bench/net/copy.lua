-- Bytes through two proxies on the loopback: CPU time of both, a GiB.
local harness = require("harness")

local BYTES = 1 << 30

-- Source, first hop, second hop, sink: built from the sink on.
local function through(make)
  return function()
    local sink = harness.command(harness.peers .. "stream_ends", "sink")
    local out = harness.start(sink)
    local port = math.tointeger(harness.number(out, sink))
    local hops = {}
    for i = 1, 2 do
      local command = make(port)
      local hop = harness.start(command)
      port = math.tointeger(harness.number(hop, command))
      hops[i] = { out = hop, command = command }
    end
    local source = harness.command(harness.peers .. "stream_ends", "source", port, BYTES)
    harness.finish(harness.start(source), source)
    assert(harness.number(out, sink) == BYTES, "bytes were lost")
    harness.finish(out, sink)
    local sum = 0
    for _, hop in ipairs(hops) do
      sum = sum + harness.number(hop.out, hop.command)
      harness.finish(hop.out, hop.command)
    end
    return sum
  end
end

local function peer()
  return through(function(port)
    return harness.command(harness.peers .. "hop_uv", port)
  end)
end

local function ours(how)
  return through(function(port)
    return harness.lua("net/hop.lua", how, port)
  end)
end

return {
  {
    name = "copy",
    title = "net.copy through two hops, CPU a GiB",
    unit = "s",
    neap = ours("copy"),
    peer = peer(),
    peer_name = "libuv in C",
    most = 1.05,
  },
  {
    name = "loop",
    title = "read_some and write through two hops",
    unit = "s",
    neap = ours("loop"),
    peer = peer(),
    peer_name = "libuv in C",
    most = 1.15,
  },
}
