-- neap.repl: the interactive mode of the `neap` command. Each line runs in a
-- task of its own, so it may wait, what it has spawned goes on behind the
-- prompt, and Ctrl-C ends that line alone.
local neap = require("neap")

local repl = {}

-- Parts of the module that are there from their first use on only: for
-- completion.
local lazy_parts = {
  "fs", "net", "tls", "process", "signal", "tty", "stdin", "stdout", "stderr", "all",
  "all_settled", "any", "map", "race", "testing",
}

local keywords = {
  "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
  "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
}

-- --- completion ---------------------------------------------------------------

-- All names that an object answers to: its own, then those of its metatables'
-- __index tables.
local function names_of(object)
  local names, depth = {}, 0
  while object ~= nil and depth < 10 do
    if type(object) == "table" then
      for name, value in next, object do
        if type(name) == "string" and names[name] == nil then
          names[name] = value
        end
      end
    end
    local meta = debug.getmetatable(object)
    object = type(meta) == "table" and rawget(meta, "__index") or nil
    if type(object) == "function" then
      object = nil
    end
    depth = depth + 1
  end
  return names
end

-- What `path`, names with dots and colons, stands for; nil when it is nothing.
local function find(path)
  local object = _G
  for name in path:gmatch("[^.:]+") do
    local ok, value = pcall(function()
      return object[name]
    end)
    if not ok or value == nil then
      return nil
    end
    object = value
  end
  return object
end

--- What a word before the cursor may become: "neap.sl" -> {"neap.sleep", ...}.
---@param word string
---@return string[]
function repl.complete(word)
  local path, separator, start = word:match("^(.*)([.:])([%w_]*)$")
  if not path then
    path, separator, start = "", "", word
  end
  local object = find(path)
  local found = {}
  local function add(name, value)
    local fits = name:sub(1, #start) == start and name:match("^[%a_][%w_]*$")
    if fits and (separator ~= ":" or type(value) == "function") then
      found[#found + 1] = path .. separator .. name
    end
  end
  local names = names_of(object)
  if object == neap then
    for _, name in ipairs(lazy_parts) do
      names[name] = names[name] or true
    end
  end
  for name, value in pairs(names) do
    add(name, value)
  end
  if separator == "" then
    for _, name in ipairs(keywords) do
      add(name)
    end
  end
  table.sort(found)
  return found
end

-- --- reading ------------------------------------------------------------------

local function prompt_of(first)
  local prompt = first and _G._PROMPT or not first and _G._PROMPT2 or nil
  if prompt == nil then
    return first and "> " or ">> "
  end
  return tostring(prompt)
end

-- A line by the editor of the command; nil at the end. Waits.
local function edit(line, prompt)
  line.begin(prompt)
  local done, text
  repeat
    neap.wait_fd(0, "r")
    done, text = line.feed()
  until done
  return text
end

-- A plain line. Waits.
local function read(prompt)
  io.stdout:write(prompt)
  io.stdout:flush()
  return neap.stdin:read("l")
end

-- Ctrl-C ends main's waits by this error (csrc/lua/neapl.c).
local function is_interruption(err)
  return type(err) == "string" and err:find("interrupted!", 1, true) ~= nil
end

-- A line; nil at the end; false: Ctrl-C. Waits.
local function next_line(line, first)
  local ok, text
  if line then
    ok, text = pcall(edit, line, prompt_of(first))
  else
    ok, text = pcall(read, prompt_of(first))
  end
  if ok then
    return text
  elseif not is_interruption(text) then
    error(text, 0)
  end
  if line then
    line.abort()
  else
    io.stdout:write("\n")
  end
  return false
end

-- --- loading ------------------------------------------------------------------

local function is_incomplete(message)
  return message:sub(-5) == "<eof>"
end

-- An expression, or statements.
local function compile(source)
  local chunk = load("return " .. source .. "\n", "=stdin", "t")
  if chunk then
    return chunk
  end
  return load(source .. "\n", "=stdin", "t")
end

-- A chunk of as many lines as it takes: a function, or nil and a message, and
-- the source. Nothing at the end of the input. Waits.
local function next_chunk(line)
  local source = next_line(line, true)
  if not source then
    return source
  end
  source = source:gsub("^=", "return ")
  local chunk, message = compile(source)
  while not chunk and is_incomplete(message) do
    local more = next_line(line, false)
    if not more then
      return more, message, source
    end
    source = source .. "\n" .. more
    chunk, message = compile(source)
  end
  return chunk, message, source
end

-- --- running ------------------------------------------------------------------

local function complain(message)
  io.stdout:flush()
  io.stderr:write(message, "\n")
  io.stderr:flush()
end

-- The message handler: a text with the line's own part of the traceback.
local function explain(err)
  if neap.is_cancelled(err) then
    return "cancelled: interrupted"
  end
  if type(err) ~= "string" and type(err) ~= "number" then
    local described = (debug.getmetatable(err) or {}).__tostring and tostring(err)
    if described then
      return described
    end
    err = ("(error object is a %s value)"):format(type(err))
  end
  local traceback = debug.traceback(tostring(err), 2)
  return (traceback:gsub("\n%s*%[C%]: in %a+ 'xpcall'.*$", "\n\t[C]: in ?"))
end

-- Waits for the end of a line's task. The first Ctrl-C cancels it, the next one
-- leaves it behind. Waits.
local function await(task)
  local interrupts = 0
  while true do
    local heard, ok, err = pcall(task.wait, task)
    if heard then
      if not ok then -- cancelled before it began
        complain(tostring(err))
      end
      return
    elseif not is_interruption(ok) then
      task:cancel() -- a deadlock: nothing else would end it
      complain(tostring(ok))
      return
    end
    interrupts = interrupts + 1
    if interrupts > 1 then
      complain(("%s goes on in the background"):format(tostring(task)))
      return
    end
    task:cancel("interrupted")
  end
end

local function show(ok, ...)
  if not ok then
    complain((...))
  elseif select("#", ...) > 0 then
    local printed, err = pcall(print, ...)
    if not printed then
      complain(("error calling 'print' (%s)"):format(tostring(err)))
    end
  end
end

-- Runs a chunk and prints what it returns, in its task as well: a __tostring may
-- wait, or never end. Waits.
local function run_chunk(chunk)
  await(neap.spawn({ name = "line", quiet = true, detached = true }, function()
    show(xpcall(chunk, explain))
  end))
end

--- Reads and runs chunks until the end of the input. Waits.
---@param line table?  reads lines at a terminal (csrc/runner/line.h); nil: plain ones
function repl.run(line)
  if rawget(_G, "neap") == nil then
    _G.neap = neap
  end
  if line then
    line.complete(repl.complete)
  end
  while true do
    local chunk, message, source = next_chunk(line)
    if chunk == nil and not source then
      break
    end
    if line and source then
      line.remember(source)
    end
    if chunk then
      run_chunk(chunk)
    elseif chunk == nil then
      complain(message)
    end
  end
  io.stdout:write("\n")
  io.stdout:flush()
end

return repl
