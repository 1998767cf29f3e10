-- Prints the time to open, read and close a file that is in the page cache, in us
-- of wall time, with so many reads under way at a time.
-- usage: readfile.lua neap|io|luv in-flight file...

local uv = require("luv")

local READS = 60000

local side, in_flight = arg[1], tonumber(arg[2])
local paths = table.move(arg, 3, #arg, 1, {})
local size = 0

local function path_of(i)
  return paths[1 + i % #paths]
end

local sides = {}

function sides.io(reads)
  for i = 1, reads do
    local file <close> = assert(io.open(path_of(i), "rb"))
    size = size + #file:read("a")
  end
end

function sides.neap(reads)
  local neap = require("neap")
  local readfile = neap.fs.readfile
  local tasks = {}
  for t = 1, in_flight do
    tasks[t] = neap.spawn(function()
      for i = t, reads, in_flight do
        local data = assert(readfile(path_of(i))) -- others count meanwhile
        size = size + #data
      end
    end)
  end
  for _, task in ipairs(tasks) do
    task:join()
  end
end

-- As libuv's own example does it: open, fstat, read, close, by callbacks.
function sides.luv(reads)
  local function read(i)
    if i > reads then
      return
    end
    uv.fs_open(path_of(i), "r", 0, function(err, fd)
      assert(not err, err)
      uv.fs_fstat(fd, function(stat_err, stat)
        assert(not stat_err, stat_err)
        uv.fs_read(fd, stat.size, 0, function(read_err, data)
          assert(not read_err, read_err)
          size = size + #data
          uv.fs_close(fd, function()
            read(i + in_flight)
          end)
        end)
      end)
    end)
  end
  for t = 1, in_flight do
    read(t)
  end
  uv.run()
end

local reads = READS // #paths * #paths
sides[side](#paths) -- now they are in the cache
local once = size
local begun = uv.hrtime()
sides[side](reads)
local took = uv.hrtime() - begun
assert(size - once == once * (reads // #paths), "a read was short")
print(took / reads / 1e3)
