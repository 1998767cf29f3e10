-- The figures of preemption, for bench/concurrency.lua.

local harness = require("harness")

local function gap(slice)
  return harness.program(harness.lua("concurrency/preempt_gap.lua", slice))
end

-- Instructions of a run, counted by callgrind, in millions. Its CPU time is some
-- fifty times that of a plain run, so there are as many more slices in it.
local function instructions(way)
  local out = os.tmpname()
  local command = ("valgrind --tool=callgrind --callgrind-out-file=%s --log-file=%s.log %s && "
    .. "sed -n 's/^.*Collected : *//p' %s.log"):format(out, out,
    harness.lua("concurrency/preempt_cost.lua", way):gsub("^exec ", ""), out)
  return function()
    local pipe = harness.start(command)
    local value = harness.number(pipe, command)
    harness.finish(pipe, command)
    os.remove(out)
    os.remove(out .. ".log")
    return value / 1e6
  end
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
    neap = instructions("on"),
    peer = instructions("off"),
    peer_name = "without",
    most = 1.02,
  },
}
