-- The bench harness: figures, measured in interleaved rounds.
--
-- A figure compares neap with a peer that is measured in the same run, so that
-- the machine's mood falls on both: a round runs each side once, the figure is
-- the median over the rounds. Every run is a process of its own that prints one
-- number; so no side inherits the heap, the caches or the collector of another.

local hrtime = require("luv").hrtime

local harness = { rounds = 5 }

---The folder of the bench files, with a trailing slash.
harness.folder = arg[0]:match("^(.*/)") or "./"

---Where CMake put the C peers.
harness.peers = (os.getenv("NEAP_BUILD_DIR") or harness.folder .. "../build") .. "/bench/"

-- The interpreter that runs us stands at arg's lowest index.
local function interpreter()
  local i = 0
  while arg[i - 1] do
    i = i - 1
  end
  return arg[i]
end

local function quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

-- `exec`, so that the shell is gone while the program is measured; `timeout`, so
-- that one that hangs ends the bench.
local RUN = "exec timeout --foreground 120 "

---A shell command line of the words.
---@return string
function harness.command(...)
  local words = {}
  for i = 1, select("#", ...) do
    words[i] = quote((select(i, ...)))
  end
  return RUN .. table.concat(words, " ")
end

---The command line that runs a Lua file of the bench folder under our own
---interpreter.
---@return string
function harness.lua(file, ...)
  return harness.command(interpreter(), harness.folder .. file, ...)
end

---Starts a program whose output is read by `harness.number`.
---@param command string
---@return file*
function harness.start(command)
  return assert(io.popen(command, "r"))
end

---The next line of a program's output, which is a number.
---@param out file*
---@param command string names the program when it prints something else
---@return number
function harness.number(out, command)
  local line = out:read("l")
  return tonumber(line) or error(("not a number: %s: %s"):format(line, command), 0)
end

---Waits for a program to end and raises unless it ended well.
function harness.finish(out, command)
  local ok, how, status = out:close()
  if not ok then
    error(("%s %d: %s"):format(how, status, command), 0)
  end
end

---A side that runs a program and is the number it prints.
---@param command string
---@return fun(): number
function harness.program(command)
  return function()
    local out = harness.start(command)
    local value = harness.number(out, command)
    harness.finish(out, command)
    return value
  end
end

---A side that runs a program and is the seconds it takes, start and end
---included, less the seconds it prints: those it only waited.
---@param command string
---@return fun(): number
function harness.seconds(command)
  local idle = harness.program(command)
  return function()
    local begun = hrtime()
    local waited = idle()
    return (hrtime() - begun) / 1e9 - waited
  end
end

---A side that runs a program and is the instructions it takes, in millions, by
---callgrind. Its CPU time is some fifty times that of a plain run.
---@param command string of harness.command: callgrind counts the program itself alone
---@param environment? string assignments before it
---@return fun(): number
function harness.instructions(command, environment)
  local out = os.tmpname()
  local valgrind = ("valgrind --tool=callgrind --callgrind-out-file=%s --log-file=%s.log ")
    :format(out, out)
  local program = command:sub(#RUN + 1)
  local run = harness.program(("%s timeout --foreground 600 %s%s >/dev/null && "
    .. "sed -n 's/^.*Collected : *//p' %s.log"):format(environment or "", valgrind, program, out))
  return function()
    local value = run()
    os.remove(out)
    os.remove(out .. ".log")
    return value / 1e6
  end
end

local function median(values)
  table.sort(values)
  local middle = #values // 2
  if #values % 2 == 1 then
    return values[middle + 1]
  end
  return (values[middle] + values[middle + 1]) / 2
end

local function measure(figure)
  local ours, peer = {}, {}
  for round = 1, figure.rounds or harness.rounds do
    ours[round] = figure.neap()
    peer[round] = figure.peer and figure.peer()
  end
  return median(ours), figure.peer and median(peer)
end

---@class bench.Figure
---@field name string picks the figure on the command line
---@field title string
---@field unit string
---@field neap fun(): number one run of our side
---@field peer? fun(): number one run of the side we are compared with
---@field peer_name? string
---@field most? number target: our number over the peer's is at most this
---@field rounds? integer what counts instructions needs no more than one
---@field limit? number target: our number is at most this

---Measures a figure and prints it with its target.
---@param figure bench.Figure
---@return boolean met
function harness.report(figure)
  local ours, peer = measure(figure)
  local line = { ("%-44s neap %8.4g %s"):format(figure.title, ours, figure.unit) }
  if peer then
    line[2] = ("%s %8.4g %s  %5.2fx"):format(figure.peer_name, peer, figure.unit, ours / peer)
  end
  local met
  if figure.most then
    met = ours <= figure.most * peer
    line[#line + 1] = ("(at most %.2fx)"):format(figure.most)
  else
    met = ours <= figure.limit
    line[#line + 1] = ("(at most %g %s)"):format(figure.limit, figure.unit)
  end
  line[#line + 1] = met and "ok" or "MISS"
  print(table.concat(line, "  "))
  return met
end

local function wanted(figure, names)
  for _, name in ipairs(names) do
    if figure.name:find(name, 1, true) then
      return true
    end
  end
  return #names == 0
end

---Reports the figures whose name contains one of the names, or all of them.
---A missed target is printed, not a failure: a busy machine misses some.
---@param figures bench.Figure[]
---@param names string[]
function harness.main(figures, names)
  io.stdout:setvbuf("line")
  local met, count = 0, 0
  for _, figure in ipairs(figures) do
    if wanted(figure, names) then
      count = count + 1
      met = met + (harness.report(figure) and 1 or 0)
    end
  end
  if count == 0 then
    error("no figure of that name", 0)
  end
  print(("%d of %d targets met"):format(met, count))
end

return harness
