-- Lines that have a Lua pattern, in all files below folders: grep.lua pattern [path...]
--
--     lua5.4 examples/grep.lua 'neap_fs_%w+%(' csrc
--
-- As grep -rnI: each with its file and number, no binary files. Many files are read
-- at a time; what one file has comes together.

local neap = require("neap")
local fs = require("neap.fs")

local WORKERS = 32
local HEAD = 32 * 1024 -- a zero byte in it: no text

local pattern = arg[1]
if not pattern or not pcall(string.find, "", pattern) then
  io.stderr:write("usage: grep.lua pattern [path...]\n")
  os.exit(2)
end

local matches, failures = 0, 0

local function say(message)
  failures = failures + 1
  io.stderr:write("grep: ", message, "\n")
end

local function search(path)
  local file <close>, message = fs.open(path)
  if not file then
    return say(message)
  end
  local head
  head, message = file:read(HEAD)
  if not head then
    return message and say(path .. ": " .. message) -- else it is empty
  elseif head:find("\0", 1, true) then
    return
  end
  file:seek("set")
  local found, number = {}, 0
  for line in file:lines() do
    number = number + 1
    if line:find(pattern) then
      found[#found + 1] = ("%s:%d:%s\n"):format(path, number, line)
    end
  end
  matches = matches + #found
  io.write(table.concat(found))
end

-- The workers share one walk: each file goes to one of them.
local function search_tree(root)
  local walk, _, _, closing = assert(fs.walk(root))
  local _ <close> = closing
  neap.scope(function(scope)
    for _ = 1, WORKERS do
      scope:spawn(function()
        for path, kind, message, code in walk do
          if code then
            say(message)
          elseif kind == "file" then
            search(path)
          end
        end
      end)
    end
  end)
end

local paths = #arg > 1 and table.move(arg, 2, #arg, 1, {}) or { "." }
for _, path in ipairs(paths) do
  if fs.isdir(path) then
    search_tree(path)
  else
    search(path)
  end
end
neap.exit(failures > 0 and 2 or matches == 0 and 1 or 0)
