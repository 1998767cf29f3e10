-- The figure of timers, for bench/concurrency.lua.

local harness = require("harness")

local SLEEPERS, ROUNDS = 1000, 500

---@type bench.Figure[]
return {
  {
    name = "timers",
    title = ("%d tasks sleep 1 ms again and again, a wake"):format(SLEEPERS),
    unit = "ns",
    neap = harness.program(harness.lua("concurrency/sleepers.lua", SLEEPERS, ROUNDS)),
    peer = harness.program(harness.command(harness.peers .. "timers_uv", SLEEPERS, ROUNDS)),
    peer_name = "libuv in C",
    most = 1.9,
  },
}
