-- Prints the seconds that a file of so many bytes takes to be read or written in
-- chunks. What is written is replaced, so the blocks are there but for the first.
-- usage: stream.lua read|write neap|io file bytes chunk

local hrtime = require("luv").hrtime

local what, side, path, bytes, chunk = table.unpack(arg)
bytes, chunk = math.tointeger(bytes), math.tointeger(chunk)
local open = side == "neap" and require("neap.fs").open or io.open

local runs = {}

function runs.read()
  local file <close> = assert(open(path, "rb"))
  local total = 0
  while true do
    local data = file:read(chunk)
    if not data then
      break
    end
    total = total + #data
  end
  assert(total == bytes, "short")
end

function runs.write()
  local data = ("x"):rep(chunk)
  local file = assert(open(path, "wb"))
  for _ = 1, bytes // chunk do
    assert(file:write(data))
  end
  assert(file:close())
end

runs[what]()
local begun = hrtime()
runs[what]()
print((hrtime() - begun) / 1e9)
