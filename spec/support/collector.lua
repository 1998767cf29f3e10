-- Drives the garbage collector harder than any program does. Up to Lua 5.4
-- collectgarbage takes a mode's numbers with the mode, from 5.5 on by name.
local collector = {}

local by_name = _VERSION ~= "Lua 5.4"

-- Lua 5.4's own numbers, for which it cannot be asked.
local defaults = { incremental = { 200, 100, 13 }, generational = { 20, 100 } }

local ways = {
  -- A whole cycle at each allocation.
  cycles = {
    mode = "incremental",
    numbers = { 1, 1000, 30 },
    names = { pause = 0, stepmul = 0, stepsize = 1 }, -- stepmul 0: all of it
  },
  -- Small steps, and no pause between cycles.
  steps = {
    mode = "incremental",
    numbers = { 1, 400, 4 },
    names = { pause = 0, stepmul = 400, stepsize = 16 },
  },
  -- A collection whenever there is a hundredth more.
  generations = {
    mode = "generational",
    numbers = { 1, 1 },
    names = { minormul = 1, minormajor = 1 },
  },
}

--- Lets the collector work in one of the ways until the result is closed.
---@param name "cycles"|"steps"|"generations"
---@return table to_be_closed
function collector.drive(name)
  local way = ways[name]
  local before = {}
  local mode
  if by_name then
    mode = collectgarbage(way.mode)
    for parameter, value in pairs(way.names) do
      before[parameter] = collectgarbage("param", parameter, value)
    end
  else
    mode = collectgarbage(way.mode, table.unpack(way.numbers))
  end
  return setmetatable({}, {
    __close = function()
      for parameter, value in pairs(before) do
        collectgarbage("param", parameter, value)
      end
      if not by_name then
        collectgarbage(way.mode, table.unpack(defaults[way.mode]))
      end
      collectgarbage(mode)
    end,
  })
end

return collector
