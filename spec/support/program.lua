-- A program beside the loop: it runs while tasks do. Its output, both streams
-- and then "status N", comes through a FIFO, which tasks read without holding
-- the others up; its input is a string or stays open until the handle is closed.
local fs = require("neap.fs")
local support = require("spec.support")

local program = {}

local methods = {}

--- The next line of the output that has pattern in it; what it captures. Waits.
function methods:expect(pattern)
  local seen = {}
  for line in self.output:lines() do
    seen[#seen + 1] = line
    if line:find(pattern) then
      return line:match(pattern)
    end
  end
  error(("no %q in:\n%s"):format(pattern, table.concat(seen, "\n")), 2)
end

--- Ends its input, waits for its end: the rest of the output, the exit status.
function methods:finish()
  if self.input then
    self.input:close()
    self.input = nil
  end
  local output = assert(self.output:read("a"))
  local status = output:match("status (%d+)\n$")
  return output:gsub("status %d+\n$", ""), math.tointeger(status)
end

--- Writes to its input, which stays open. Does not wait.
function methods:send(text)
  assert(self.input:write(text))
  assert(self.input:flush())
end

local meta = {
  __index = methods,
  __close = function(self)
    if self.input then
      self.input:close()
    end
    self.output:close()
    getmetatable(self.dir).__close(self.dir)
  end,
}

--- Starts a shell command; a sanitizer that is preloaded here is not its own. With `input` that is its whole input; else it comes
--- by :send until :finish.
---@param command string
---@param input? string
---@return table
function program.start(command, input)
  local dir = support.tempdir()
  local quote = support.quote
  local stdin = quote(dir .. "/in")
  if input then
    support.spit(dir .. "/in", input)
  else
    assert(os.execute("mkfifo " .. stdin))
  end
  assert(os.execute("mkfifo " .. quote(dir .. "/out")))
  assert(os.execute(("{ ( unset LD_PRELOAD\n%s\n) <%s 2>&1; echo status $?; } >%s &"):format(command, stdin,
    quote(dir .. "/out"))))
  local self = setmetatable({ dir = dir }, meta)
  self.output = assert(fs.open(dir .. "/out", "r"))
  if not input then
    self.input = assert(io.open(dir .. "/in", "w")) -- until the shell has it open
  end
  return self
end

return program
