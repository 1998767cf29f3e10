-- What many specs need: folders of their own, settling, bad arguments, counts.
local support = {}

-- The build under test: "test", "hostile", "asan" or "plain" (./dev sets it).
support.variant = os.getenv("NEAP_VARIANT") or "plain"
support.soak = os.getenv("NEAP_SOAK") ~= nil

--- How often to do something: small in ./dev test, big in ./dev soak.
---@param small integer
---@param big integer
---@return integer
function support.count(small, big)
  return support.soak and big or small
end

--- The project's top folder (specs run there).
---@return string
function support.root()
  local here = debug.getinfo(1, "S").source:sub(2)
  local root = here:match("^(.*)/spec/support/init%.lua$") or "."
  if root:sub(1, 1) ~= "/" then
    root = assert(os.getenv("PWD")) .. "/" .. root
  end
  return (root:gsub("/%.$", ""):gsub("/%./", "/"))
end

--- A word for the shell that stands for exactly this string.
---@param word string
---@return string
function support.quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- A whole file as a string. Blocking, by Lua's own io.
---@param path string
---@return string
function support.slurp(path)
  local file <close> = assert(io.open(path, "rb"))
  return assert(file:read("a"))
end

--- Writes a whole file. Blocking, by Lua's own io.
---@param path string
---@param data string
---@return string path
function support.spit(path, data)
  local file = assert(io.open(path, "wb"))
  assert(file:write(data))
  assert(file:close())
  return path
end

--- Runs a shell command to its end: what it printed (both outputs) and how it
--- ended. Blocking.
---@param command string
---@return string output
---@return integer status  the exit code, or 128 + the signal
function support.sh(command)
  local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1", "r"))
  local output = pipe:read("a")
  local _, kind, status = pipe:close()
  return output, kind == "signal" and 128 + status or status
end

--- Runs a Lua script in a process of its own with the interpreter under test.
---@param source string
---@param options? {args?: string[], env?: string, dir?: string, stdin?: string}
---@return string output
---@return integer status
function support.lua(source, options)
  options = options or {}
  local dir <close> = support.tempdir()
  local script = support.spit(dir .. "/script.lua", source)
  local words = { options.env or "", os.getenv("LUA") or "lua5.4", support.quote(script) }
  for _, word in ipairs(options.args or {}) do
    words[#words + 1] = support.quote(word)
  end
  words[#words + 1] = "<" .. support.quote(options.stdin or "/dev/null")
  local command = table.concat(words, " ")
  if options.dir then
    command = "cd " .. support.quote(options.dir) .. " && " .. command
  end
  return support.sh(command)
end

-- A folder object: its path where a string is wanted, gone when closed.
local tempdir_meta = {
  __name = "tempdir",
  __tostring = function(dir)
    return dir.path
  end,
  __concat = function(a, b)
    return tostring(a) .. tostring(b)
  end,
  __close = function(dir)
    dir:remove()
  end,
  __index = {
    remove = function(dir)
      assert(os.execute("rm -rf " .. support.quote(dir.path)))
    end,
  },
}

local function new_dir(command)
  local pipe = assert(io.popen(command, "r"))
  local path = pipe:read("l")
  assert(pipe:close())
  return setmetatable({ path = path }, tempdir_meta)
end

--- A new empty folder: `local dir <close> = tempdir()`; dir.path, or dir .. "/name". dir:remove()
--- where it is not to go at a block's end.
---@return {path: string, remove: fun(self)}
function support.tempdir()
  return new_dir("mktemp -d")
end

--- The command that sets TMPDIR to where files are in memory, if there is such a
--- place: for specs that make or sync so many that they would wait for the disk alone.
support.in_memory = "[ ! -w /dev/shm ] || export TMPDIR=/dev/shm; "

--- The same as tempdir there.
---@return {path: string}
function support.memdir()
  return new_dir(support.in_memory .. "mktemp -d")
end

--- The beginning of a command line that gives a command mounts of its own, or nil
--- where that can't be had. In a chroot "/" is no mount that could be made private;
--- it is there already in those that we know (./dev matrix).
---@return string?
function support.own_mounts()
  for _, options in ipairs({ "-m", "-m --propagation unchanged" }) do
    if select(2, support.sh("unshare " .. options .. " true")) == 0 then
      return "unshare " .. options
    end
  end
end

--- Yields until every task but the calling one waits or is done. A task that
--- yields for ever never settles: that is an error after many turns.
function support.settle()
  if not require("neap.testing.core").settle(0) then
    error("the other tasks do not settle", 2)
  end
end

--- The methods of a handle: its metatable's __index, or the table that an
--- __index function keeps as an upvalue.
---@param metatable table
---@return table
function support.methods(metatable)
  local index = metatable.__index
  if type(index) == "function" then
    for i = 1, 255 do
      local name, value = debug.getupvalue(index, i)
      if not name or type(value) == "table" then
        index = value
        break
      end
    end
  end
  return type(index) == "table" and index or {}
end

local bad = {
  { "nil", nil },
  { "true", true },
  { "false", false },
  { "an empty string", "" },
  { "a string", "no such thing" },
  { "a string with NUL", "a\0b" },
  { "a long string", ("x"):rep(5000) },
  { "zero", 0 },
  { "minus one", -1 },
  { "a fraction", 0.5 },
  { "NaN", 0 / 0 },
  { "infinity", math.huge },
  { "minus infinity", -math.huge },
  { "the largest integer", math.maxinteger },
  { "the smallest integer", math.mininteger },
  { "a huge float", 1e300 },
  { "an empty table", {} },
  { "a table", { 1, 2, 3, name = {} } },
  { "a function", function() end },
  { "a thread", coroutine.create(function() end) },
  { "a foreign userdata", io.stderr },
}

--- Iterates over values that are wrong nearly everywhere: name, value.
---@return fun(): string?, any
function support.badvalues()
  local i = 0
  return function()
    i = i + 1
    if bad[i] then
      return bad[i][1], bad[i][2]
    end
  end
end

--- Calls fn with each bad value in each place of good (n of them), and with
--- each place left out. Every call must end in a Lua error with a message, in
--- nil, message, code, or in success; `skip(place, value)` true leaves one out
--- (what would rightly wait for ever). What succeeds is given to `undo`.
---@param fn function
---@param good any[]
---@param n integer
---@param skip? fun(place: integer, value: any): boolean
---@param undo? fun(...)
---@return integer calls
function support.call_badly(fn, good, n, skip, undo)
  local calls = 0
  local function try(place, what, ...)
    calls = calls + 1
    local result = table.pack(pcall(fn, ...))
    local where = ("argument %d is %s: "):format(place, what)
    if not result[1] then
      assert(type(result[2]) == "string", where .. "error value " .. tostring(result[2]))
    elseif result.n == 4 and result[2] == nil then
      assert(type(result[3]) == "string", where .. "no message")
      assert(type(result[4]) == "string", where .. "no code")
    elseif undo then
      undo(table.unpack(result, 2, result.n))
    end
  end
  for place = 1, n do
    try(place, "missing", table.unpack(good, 1, place - 1))
    for name, value in support.badvalues() do
      if not (skip and skip(place, value)) then
        local args = table.move(good, 1, n, 1, {})
        args[place] = value
        try(place, name, table.unpack(args, 1, n))
      end
    end
  end
  return calls
end

--- How many descriptors this process has open. Looks at fdinfo, as opening
--- fd/N itself would open what stands behind it.
---@return integer
function support.fds()
  local slots = tonumber(support.slurp("/proc/self/status"):match("FDSize:%s*(%d+)"))
  local count = 0
  for n = 0, slots - 1 do
    local info = io.open(("/proc/self/fdinfo/%d"):format(n))
    if info then
      info:close()
      count = count + 1
    end
  end
  return count
end

--- What the open descriptors are, for a message.
---@return string
function support.list_fds()
  local stat <close> = assert(io.open("/proc/self/stat"))
  local listing = support.sh(("ls -l /proc/%d/fd"):format(stat:read("n")))
  return listing
end

return support
