-- The figures of concurrency: channels, preemption.
-- usage: lua5.4 bench/concurrency.lua [name...]    see README.md

package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local harness = require("harness")

-- Each of them is a list of figures.
local parts = { "channels", "preempt" }

local figures = {}
for _, part in ipairs(parts) do
  table.move(require("concurrency." .. part), 1, 100, #figures + 1, figures)
end

harness.main(figures, arg)
