-- Counts lines, words and bytes of files, all of them at once:
--   lua5.4 examples/wordcount.lua FILE...
local neap = require("neap")

if #arg == 0 then
  io.stderr:write("usage: wordcount.lua FILE...\n")
  os.exit(2)
end

-- Reads one file line by line: memory stays small whatever the file's size.
local function count(path)
  local file <close> = assert(neap.fs.open(path))
  local lines, words, bytes = 0, 0, 0
  for line in file:lines("L") do
    if line:sub(-1) == "\n" then
      lines = lines + 1
    end
    words = words + select(2, line:gsub("%S+", ""))
    bytes = bytes + #line
  end
  return lines, words, bytes
end

local tasks = {}
for i, path in ipairs(arg) do
  tasks[i] = neap.spawn({ name = path }, count, path)
end

local total, failed = { 0, 0, 0 }, false
local function row(lines, words, bytes, name)
  print(("%8d %8d %10d  %s"):format(lines, words, bytes, name))
end
for i, task in ipairs(tasks) do
  local ok, lines, words, bytes = task:wait()
  if ok then
    row(lines, words, bytes, arg[i])
    total = { total[1] + lines, total[2] + words, total[3] + bytes }
  else
    io.stderr:write(tostring(lines), "\n")
    failed = true
  end
end
row(total[1], total[2], total[3], "total")
os.exit(not failed)
