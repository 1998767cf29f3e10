-- The figures of networking, each in a file of its own in net/.
-- usage: lua5.4 bench/net.lua [name...]    see README.md

package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local harness = require("harness")

local figures = {}
for _, part in ipairs({ "net.copy", "net.tls", "net.names" }) do
  for _, figure in ipairs(require(part)) do
    figures[#figures + 1] = figure
  end
end

harness.main(figures, arg)
