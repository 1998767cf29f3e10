-- The figures of scopes and limits, for bench/concurrency.lua.

local harness = require("harness")

local function calls(kind)
  return harness.program(harness.lua("concurrency/calls.lua", kind))
end

---@type bench.Figure[]
return {
  {
    name = "timeout",
    title = "neap.timeout around a call that does not wait",
    unit = "ns",
    neap = calls("timeout"),
    peer = calls("pcall"),
    peer_name = "pcall",
    most = 6,
  },
  {
    name = "scope",
    title = "scope, spawn and join of one task",
    unit = "ns",
    neap = calls("scope"),
    peer = calls("spawn"),
    peer_name = "spawn alone",
    most = 2.5,
  },
}
