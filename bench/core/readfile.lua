-- Prints the time to read a file that is in the page cache, in us. Wall time:
-- a thread that does the work must not hide it.
-- usage: readfile.lua neap|io file...

local hrtime = require("luv").hrtime

local READS = 100000

local sides = {}

function sides.neap()
  return require("neap.fs").readfile
end

function sides.io()
  return function(path)
    local file <close> = assert(io.open(path, "rb"))
    return file:read("a")
  end
end

local function read_all(readfile, reads)
  local size = 0
  for i = 1, reads do
    size = size + #assert(readfile(arg[2 + i % (#arg - 1)]))
  end
  return size
end

local readfile = sides[arg[1]]()
local files = #arg - 1
local size = read_all(readfile, files) -- now they are in the cache
local begun = hrtime()
local read = read_all(readfile, READS // files * files)
local took = hrtime() - begun
assert(read == size * (READS // files), "a read was short")
print(took / (READS // files * files) / 1e3)
