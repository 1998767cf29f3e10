-- Prints the time to send a number of MB through cat and to collect them, in
-- ms. With "file" blocking, and one way through a file, as io can't do both.
-- usage: pipe.lua MB [file]

local hrtime = require("luv").hrtime

local n = tonumber(arg[1]) * 1024 * 1024
local input = ("x"):rep(n)

local function through_file()
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  assert(file:write(input))
  assert(file:close())
  local pipe = assert(io.popen("cat <" .. path))
  local output = pipe:read("a")
  assert(pipe:close())
  assert(os.remove(path))
  return output
end

local function through_pipes()
  return assert(require("neap.process").run({ "cat", input = input })).stdout
end

local begun = hrtime()
local output = (arg[2] == "file" and through_file or through_pipes)()
assert(#output == n)
print((hrtime() - begun) / 1e6)
