-- Runs a command, and again whenever a file changes: rerun.lua [-C folder] command...
--
--     lua5.4 examples/rerun.lua 'make && ./test'
--     lua5.4 examples/rerun.lua -C src ls -l
--
-- One argument is a command line for the shell; several are a command and its
-- arguments. What happens in hidden folders (.git) does not count.

local neap = require("neap")
local fs = require("neap.fs")

local SETTLE = 0.1 -- an editor's save is several events: wait until they are over

local folder = "."
if arg[1] == "-C" then
  folder = assert(arg[2], "no folder after -C")
  table.move(arg, 3, #arg + 2, 1)
end

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

local command = arg[1]
if #arg == 0 then
  io.stderr:write("usage: rerun.lua [-C folder] command...\n")
  os.exit(2)
elseif #arg > 1 then
  local words = {}
  for i, word in ipairs(arg) do
    words[i] = quote(word)
  end
  command = table.concat(words, " ")
end

local function say(...)
  io.stderr:write("rerun: ", string.format(...), "\n")
end

local function run(why)
  say("%s: %s", why, command)
  local begun = neap.now()
  local _, how, status = os.execute(command)
  say("%s %d after %.1f s", how, status, neap.now() - begun)
end

local function counts(event)
  return not ("/" .. event.name):find("/.", 1, true)
end

local watcher <close> = assert(fs.watch(folder, { recursive = true }))

-- Takes what else comes until nothing has come for a while.
local function settle()
  repeat until not watcher:wait(SETTLE)
end

-- What the command itself has changed is no reason to run it again.
local function wait()
  settle()
  say("waiting for changes in %s", folder)
end

run("first")
wait()
for event in watcher do
  if event.kind == "error" then
    say("%s can't be watched: %s", event.path, event.message)
  elseif event.overflow or counts(event) then
    settle()
    run(event.overflow and "much has changed" or event.kind .. " " .. event.name)
    wait()
  end
end
say("%s is gone", folder)
