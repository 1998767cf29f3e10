-- A random sequence of operations on a file, done through stock io and through
-- neap: results, positions and contents must be the same.
local support = require("spec.support")
local fs = require("neap.fs")

local filediff = {}

local pieces = {
  "", "\n", "\n\n", " ", "\0", "word", "a line\n", "\r\n", "12", "-7", "0x1F", "0x", "1e5", "1e",
  "3.25 ", ".5\n", "..", "+", "nan", "0x.8p1 ", ("x"):rep(50), ("long "):rep(30) .. "\n",
  ("9"):rep(199) .. " ", ("1"):rep(201), "\t\v\f ",
}

local function text(random, n)
  local list = {}
  for i = 1, random(0, n) do
    list[i] = pieces[random(#pieces)]
  end
  return table.concat(list)
end

local modes = { "r", "rb", "w", "a", "r+", "w+", "a+", "r+b" }
local formats = { "l", "L", "a", "n", "*l", "*n", "number", "line" }

local function some_formats(random)
  local list = {}
  for i = 1, random(0, 4) do
    list[i] = random(3) == 1 and random(0, 40) or formats[random(#formats)]
  end
  return list
end

-- Each gives a name for the report, and what is done with the file.
local actions = {
  function(random)
    local list = some_formats(random)
    return "read", function(file)
      return file:read(table.unpack(list))
    end, "read"
  end,
  function(random)
    local list = {}
    for i = 1, random(0, 3) do
      list[i] = random(4) == 1 and random(-1000, 1000) / random(4) or text(random, 4)
    end
    return "write", function(file)
      local result, message, code = file:write(table.unpack(list))
      return result == file or result, message, code
    end, "write"
  end,
  function(random)
    local whence = ({ "set", "cur", "end" })[random(3)]
    local offset = random(-40, 120)
    return "seek " .. whence .. " " .. offset, function(file)
      return file:seek(whence, offset)
    end, "seek"
  end,
  function()
    return "seek", function(file)
      return file:seek()
    end, "seek"
  end,
  function()
    return "flush", function(file)
      return file:flush()
    end, "flush"
  end,
  function(random)
    local list = some_formats(random)
    local n = random(3)
    return "lines", function(file)
      local found = {}
      for a, b, c in file:lines(table.unpack(list)) do
        found[#found + 1] = tostring(a) .. "|" .. tostring(b) .. "|" .. tostring(c)
        if #found == n then
          break
        end
      end
      return table.concat(found, ";")
    end, "read"
  end,
}

-- Failures have io's number in one and libuv's name in the other.
local function describe(ok, ...)
  local result = table.pack(ok, ...)
  local list = {}
  for i = 1, math.min(result.n, result[2] == nil and result.n == 4 and 3 or result.n) do
    list[i] = ("%s %q"):format(math.type(result[i]) or type(result[i]), tostring(result[i]))
  end
  return table.concat(list, ", ")
end

--- Runs the sequence of that seed in dir; raises where the two differ. `open`
--- is fs.open, or what stands in for io.open.
function filediff.run(seed, dir, open)
  math.randomseed(seed)
  local random = math.random
  local content = text(random, 30)
  local mode = modes[random(#modes)]
  local ours_path, stock_path = dir .. "/ours", dir .. "/stock"
  support.spit(ours_path, content)
  support.spit(stock_path, content)
  local log = { ("seed %d, mode %s, %d bytes"):format(seed, mode, #content) }
  local function check(what, stock, ours)
    log[#log + 1] = what .. " -> " .. stock
    if stock ~= ours then
      error(table.concat(log, "\n") .. "\nbut neap: " .. ours, 0)
    end
  end
  local stock = assert(io.open(stock_path, mode))
  local ours <close> = assert((open or fs.open)(ours_path, mode))
  if random(2) == 1 and mode ~= "r" then
    local how = ({ "no", "full", "line" })[random(3)]
    check("setvbuf", describe(stock:setvbuf(how, 64)), describe(ours:setvbuf(how, 64)))
  end
  local last
  for _ = 1, random(30) do
    local what, action, kind = actions[random(#actions)](random)
    -- C leaves open what a read right after a write does, and the reverse.
    if last and last ~= kind and (kind == "read" or kind == "write") then
      check("seek", describe(stock:seek()), describe(ours:seek()))
    end
    if kind ~= "flush" then
      last = kind ~= "seek" and kind or nil
    end
    check(what, describe(pcall(action, stock)), describe(pcall(action, ours)))
  end
  check("close", describe(stock:close()), describe(ours:close()))
  check("contents", support.slurp(stock_path), support.slurp(ours_path))
end

return filediff
