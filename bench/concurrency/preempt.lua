-- The figures of preemption, for bench/concurrency.lua.

local harness = require("harness")

local function gap(slice)
  return harness.program(harness.lua("concurrency/preempt_gap.lua", slice))
end

local function instructions(way)
  return harness.instructions(harness.lua("concurrency/preempt_cost.lua", way))
end

---@type bench.Figure[]
return {
  {
    name = "preempt-gap",
    title = "10 ms ticker beside 3 busy loops, worst gap",
    unit = "ms",
    neap = gap(0.01),
    peer = gap(0),
    peer_name = "without",
    limit = 35,
  },
  {
    name = "preempt-cost",
    title = "CPU-bound script, preemption at 10 ms",
    unit = "M instr.",
    rounds = 1,
    neap = instructions("on"),
    peer = instructions("off"),
    peer_name = "without",
    most = 1.02,
  },
}
