-- The figures of files: cached ones without a thread, the pool, streams of bytes.
-- usage: lua5.4 bench/fs.lua [name...]    see README.md

package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local harness = require("harness")

local FILES, FILE_SIZE = 64, 4096
local BIG, CHUNK = 256 << 20, 64 << 10
local LINES = 100 << 20

local function side(file, ...)
  return harness.program(harness.lua("fs/" .. file, ...))
end

-- The same with everything left to the thread pool.
local function in_pool(file, ...)
  return harness.program("NEAP_FS=pool " .. harness.lua("fs/" .. file, ...))
end

local folder = os.tmpname()
assert(os.remove(folder))
assert(os.execute(harness.command("mkdir", folder)))
local _ <close> = setmetatable({}, {
  __close = function()
    assert(os.execute(harness.command("rm", "-r", folder)))
  end,
})

-- `count` files of `size` bytes: their paths.
local function make_files(name, count, size)
  local paths = {}
  local block = ("x"):rep(size)
  for i = 1, count do
    paths[i] = ("%s/%s%d"):format(folder, name, i)
    local file <close> = assert(io.open(paths[i], "wb"))
    assert(file:write(block))
  end
  return table.unpack(paths)
end

-- A file of about `size` bytes in lines of 10 to 70.
local function make_lines(size)
  local path = folder .. "/lines"
  local file <close> = assert(io.open(path, "wb"))
  local written, i = 0, 0
  while written < size do
    i = i + 1
    local line = ("%08d %s\n"):format(i, ("word "):rep(i % 13))
    assert(file:write(line))
    written = written + #line
  end
  return path
end

-- Made when the first figure that needs them is measured.
local made = {}
local function once(name, make, ...)
  made[name] = made[name] or table.pack(make(...))
  return table.unpack(made[name], 1, made[name].n)
end

local function small(maker, file, ...)
  local args = table.pack(...)
  return function()
    local paths = table.pack(once("small", make_files, "small", FILES, FILE_SIZE))
    local all = table.move(paths, 1, paths.n, args.n + 1, table.move(args, 1, args.n, 1, {}))
    return maker(file, table.unpack(all))()
  end
end

local function c_read()
  return harness.program(harness.command(harness.peers .. "readfile",
    once("small", make_files, "small", FILES, FILE_SIZE)))()
end

local function big(what, who)
  return function()
    local path = what == "write" and folder .. "/written" or
      once("big", make_files, "big", 1, BIG)
    return side("stream.lua", what, who, path, BIG, CHUNK)()
  end
end

local function lines(who)
  return function()
    return side("lines.lua", who, (once("lines", make_lines, LINES)))()
  end
end

local function cold(who)
  return function()
    local paths = table.pack(once("cold", make_files, "cold", 128, CHUNK))
    local run = who == "pool" and in_pool or side
    return run("cold.lua", table.unpack(paths))()
  end
end

harness.main({
  {
    name = "cached1",
    title = "open, read, close a cached file of 4 KiB",
    unit = "us",
    neap = small(side, "readfile.lua", "neap", 1),
    peer = small(side, "readfile.lua", "io", 1),
    peer_name = "io",
    most = 0.9,
  },
  {
    name = "cached64",
    title = "the same, 64 tasks at a time",
    unit = "us",
    neap = small(side, "readfile.lua", "neap", 64),
    peer = small(side, "readfile.lua", "io", 1),
    peer_name = "io",
    most = 0.9,
  },
  {
    name = "cachedc",
    title = "the same against blocking C",
    unit = "us",
    neap = small(side, "readfile.lua", "neap", 64),
    peer = c_read,
    peer_name = "C",
    most = 1.4,
  },
  {
    name = "stall",
    title = "longest turn while 64 tasks read so",
    unit = "ms",
    neap = small(side, "stall.lua"),
    limit = 2,
  },
  {
    name = "pool64",
    title = "the same by the pool, 64 at a time",
    unit = "us",
    neap = small(in_pool, "readfile.lua", "neap", 64),
    peer = small(side, "readfile.lua", "luv", 64),
    peer_name = "luv",
    most = 0.6,
  },
  {
    name = "cold",
    title = "read a file of 64 KiB that is not cached",
    unit = "us",
    neap = cold("neap"),
    peer = cold("pool"),
    peer_name = "pool",
    most = 1.05,
  },
  {
    name = "stat",
    title = "stat of a cached name",
    unit = "us",
    neap = small(side, "stat.lua", "neap"),
    peer = small(side, "stat.lua", "lfs"),
    peer_name = "lfs",
    most = 1,
  },
  {
    name = "read",
    title = "read 256 MiB in chunks of 64 KiB",
    unit = "s",
    neap = big("read", "neap"),
    peer = big("read", "io"),
    peer_name = "io",
    most = 1 / 1.2,
  },
  {
    name = "write",
    title = "write 256 MiB in chunks of 64 KiB",
    unit = "s",
    neap = big("write", "neap"),
    peer = big("write", "io"),
    peer_name = "io",
    most = 1 / 0.8,
  },
  {
    name = "lines",
    title = "lines of 100 MiB",
    unit = "s",
    neap = lines("neap"),
    peer = lines("io"),
    peer_name = "io.lines",
    most = 1 / 0.8,
  },
  {
    name = "small",
    title = "write 12 bytes to a file, CPU",
    unit = "ns",
    neap = side("small.lua", "neap"),
    peer = side("small.lua", "io"),
    peer_name = "io",
    most = 1.2,
  },
}, arg)
