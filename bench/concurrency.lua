-- The figures of concurrency: channels, timers, scopes, preemption, tracing.
-- usage: lua5.4 bench/concurrency.lua [name...]    see README.md

package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local harness = require("harness")

-- Each of them is a list of figures.
local parts = { "channels", "timers", "scopes", "preempt", "trace" }

local figures = {}
for _, part in ipairs(parts) do
  table.move(require("concurrency." .. part), 1, 100, #figures + 1, figures)
end

harness.main(figures, arg)
