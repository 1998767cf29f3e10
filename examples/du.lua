-- How much of the disk folders take, as du -k: du.lua [folder...]
--
--     lua5.4 examples/du.lua /usr /var
--
-- Folders are read by many tasks at a time. On a terminal a line tells how far
-- they are. Files of several names count once.

local neap = require("neap")
local fs = require("neap.fs")
local tty = require("neap.tty")

local AT_A_TIME = 32 -- folders that are read; what waits for its subfolders is none
local TICK = 0.1

local slots = neap.semaphore(AT_A_TIME)
local files, blocks, failures = 0, 0, 0
local counted = {} -- "device:number" of files that have other names

local function say(message)
  failures = failures + 1
  io.stderr:write("du: ", message, "\n")
end

-- Blocks of 512 bytes that are this name's alone, or that nobody has counted yet.
local function blocks_of(info)
  if info.nlink > 1 and info.type ~= "directory" then
    local id = info.dev .. ":" .. info.ino
    if counted[id] then
      return 0
    end
    counted[id] = true
  end
  files, blocks = files + 1, blocks + info.blocks
  return info.blocks
end

-- A folder's own blocks and those of what is no folder in it; the folders in it.
local function read_folder(path, info)
  local slot <close> = slots:acquire()
  assert(slot)
  local sum, folders = blocks_of(info), {}
  local names, message = fs.scandir(path)
  if not names then
    say(message)
    return sum, folders
  end
  for name in names do
    local below = path:gsub("/$", "") .. "/" .. name
    local found, why = fs.lstat(below)
    if not found then
      say(why)
    elseif found.type == "directory" then
      folders[#folders + 1] = { path = below, info = found }
    else
      sum = sum + blocks_of(found)
    end
  end
  return sum, folders
end

-- The tree below: {path=, blocks=, the folders in it...}
local function measure(path, info)
  local sum, folders = read_folder(path, info)
  local tree = neap.map(folders, function(folder)
    return measure(folder.path, folder.info)
  end)
  for _, below in ipairs(tree) do
    sum = sum + below.blocks
  end
  tree.path, tree.blocks = path, sum
  return tree
end

-- Folders below come first.
local function print_tree(tree)
  for _, below in ipairs(tree) do
    print_tree(below)
  end
  io.write(tree.blocks // 2, "\t", tree.path, "\n")
end

local function show_progress()
  for _ in neap.every(TICK) do
    io.stderr:write(("\r%d files, %d MiB \27[K"):format(files, blocks // 2048))
  end
end

local function run(paths)
  for _, path in ipairs(paths) do
    local info, message = fs.lstat(path)
    if info then
      print_tree(measure(path, info))
    else
      say(message)
    end
  end
end

local progress = tty.isatty(neap.stderr) and neap.spawn(show_progress)
run(#arg > 0 and arg or { "." })
if progress then
  progress:cancel()
  io.stderr:write("\r\27[K")
end
neap.exit(failures > 0 and 1 or 0)
