-- Prints the time to send a number of MB through cat and to collect them, in
-- ms.
-- usage: pipe.lua MB

local process = require("neap.process")
local hrtime = require("luv").hrtime

local n = tonumber(arg[1]) * 1024 * 1024
local input = ("x"):rep(n)
local begun = hrtime()
local result = assert(process.run({ "cat", input = input }))
assert(#result.stdout == n)
print((hrtime() - begun) / 1e6)
