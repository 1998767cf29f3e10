-- The figures of trees: walking and copying.
-- usage: lua5.4 bench/trees.lua [name...]    see README.md

package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local harness = require("harness")

local FOLDERS, FILES = 1000, 99 -- in each: with the folders, 100,000 names
local COPY_SIZE = 256 * 1024 * 1024

local function side(file, ...)
  return harness.program(harness.lua("fs/" .. file, ...))
end

-- A folder that goes with the bench.
local function new_folder()
  local path = os.tmpname()
  assert(os.remove(path))
  assert(os.execute(harness.command("mkdir", path)))
  return path, setmetatable({}, {
    __close = function()
      assert(os.execute(harness.command("rm", "-r", path)))
    end,
  })
end

local folder, gone = new_folder()
local _ <close> = gone

assert(os.execute(harness.command("sh", "-c", ([[
  mkdir %s/tree && cd %s/tree && for i in $(seq %d); do
    mkdir folder-$i && (cd folder-$i && seq -f 'file-%%.0f' %d | xargs touch)
  done && head -c %d /dev/urandom > %s/big]]):format(folder, folder, FOLDERS, FILES, COPY_SIZE,
  folder))))

local tree, names = folder .. "/tree", FOLDERS * (FILES + 1)

harness.main({
  {
    name = "walk",
    title = "names and kinds of 100,000 files",
    unit = "ms",
    neap = side("walk.lua", "neap", tree, names),
    peer = harness.program(harness.command(harness.peers .. "walk_uv", tree, names)),
    peer_name = "libuv in C",
    most = 2,
  },
  {
    name = "walk-stat",
    title = "the same with stat",
    unit = "ms",
    neap = side("walk.lua", "neap-stat", tree, names),
    peer = side("walk.lua", "find", tree, names),
    peer_name = "find",
    most = 2,
  },
  {
    name = "copy",
    title = "copy of 256 MiB",
    unit = "ms",
    neap = side("copy.lua", "neap", folder .. "/big", folder .. "/copy"),
    peer = side("copy.lua", "cp", folder .. "/big", folder .. "/copy"),
    peer_name = "cp",
    most = 1.1,
  },
}, arg)
