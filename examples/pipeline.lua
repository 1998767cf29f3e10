-- Runs commands as a shell's pipeline and says what became of each.
-- usage: lua5.4 examples/pipeline.lua "printf b\na\nb\n" "sort" "uniq -c"
--
-- Each argument is a command of words between spaces. The first one reads our
-- stdin, the last one's output is ours. Ctrl-C, or the end of a limit of 60
-- seconds, ends them all.

local neap = require("neap")
local process = require("neap.process")

local function words(command)
  local list = {}
  for word in command:gmatch("%S+") do
    list[#list + 1] = word
  end
  return list
end

-- Starts all of them, each reading what the one before it writes.
local function start(commands)
  local children = {}
  for i, command in ipairs(commands) do
    local spec = words(command)
    spec.stdin = i > 1 and children[i - 1].stdout or "inherit"
    spec.stdout = i < #commands and "pipe" or "inherit"
    local child, message = process.spawn(spec)
    if not child then
      error(message, 0)
    end
    children[i] = child
  end
  return children
end

local function ended(child)
  local code, signal = child:wait()
  return code and "exit code " .. code or "killed by " .. signal
end

if #arg == 0 then
  io.stderr:write("usage: pipeline.lua COMMAND...\n")
  os.exit(2)
end

local children <const> = start(arg)
local _ <close> = setmetatable({}, {
  __close = function()
    for _, child in ipairs(children) do
      child:close() -- ends what still runs
    end
  end,
})
local ok, message = neap.timeout(60, function()
  for i, child in ipairs(children) do
    neap.stderr:write(("%s: %s\n"):format(arg[i], ended(child)))
  end
  return true
end)
if not ok then
  neap.stderr:write(message, "\n")
end
