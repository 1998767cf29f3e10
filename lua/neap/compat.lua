-- neap.compat: io and os as tasks need them, put in the place of Lua's own. The
-- functions themselves are C's (csrc/lua/compat_io.c): what they raise names the
-- caller's line, as it does with Lua's.
local core = require("neap.compat.core")

local compat = {}

-- What is swapped: option -> library -> name -> what stands in. os.exit ends the
-- process asking nobody but C, which writes out its own files: ours go with io.
local parts = {
  io = { io = core.io, os = { exit = core.exit_for(os.exit) } },
  os = { os = core.os },
}

-- option -> how many patches are on, and what was there before the first:
-- library -> name -> value.
local counts, before = { io = 0, os = 0 }, {}

-- The script's default files go on, if they are not the standard ones.
local function take_over_defaults()
  for name, standard in pairs({ input = io.stdin, output = io.stdout }) do
    local file = io[name]()
    if file ~= standard and io.type(file) == "file" then
      core.io[name](file)
    end
  end
end

local function put_in(option)
  counts[option] = counts[option] + 1
  if counts[option] > 1 then
    return
  end
  if option == "io" then
    take_over_defaults()
  end
  local saved = {}
  for library, functions in pairs(parts[option]) do
    saved[library] = {}
    for name, ours in pairs(functions) do
      saved[library][name] = _G[library][name]
      _G[library][name] = ours
    end
  end
  before[option] = saved
end

-- What somebody else has replaced meanwhile is left alone.
local function take_out(option)
  counts[option] = counts[option] - 1
  if counts[option] > 0 then
    return
  end
  for library, functions in pairs(parts[option]) do
    for name, ours in pairs(functions) do
      if _G[library][name] == ours then
        _G[library][name] = before[option][library][name]
      end
    end
  end
  before[option] = nil
end

local function check_options(options)
  if type(options) ~= "table" then
    error("bad argument #1 to 'patch' (table expected, got " .. type(options) .. ")", 3)
  end
  for option, on in pairs(options) do
    if not parts[option] then
      error("bad argument #1 to 'patch' (no field '" .. tostring(option) .. "')", 3)
    elseif type(on) ~= "boolean" then
      error("bad argument #1 to 'patch' (field '" .. option .. "': boolean expected, got "
        .. type(on) .. ")", 3)
    end
  end
end

--- Swaps functions of io and os; what it returns undoes it.
function compat.patch(options)
  check_options(options)
  local list = {}
  for option in pairs(parts) do
    if options[option] then
      list[#list + 1] = option
      put_in(option)
    end
  end
  return function()
    for _, option in ipairs(list) do
      take_out(option)
    end
    list = {}
  end
end

return compat
