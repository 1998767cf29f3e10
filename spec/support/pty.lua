-- Runs a command on a pseudo-terminal: see pty.c.
local support = require("spec.support")

local pty = {}

-- Built once per Lua state, into a folder that goes with it.
local dir, program

local function build()
  if not program then
    dir = support.tempdir()
    program = dir .. "/pty"
    local output, status = support.sh(
      ("%s -O1 -D_GNU_SOURCE -o %s spec/support/pty.c"):format(os.getenv("CC") or "cc",
        support.quote(program)))
    assert(status == 0, output)
    setmetatable(pty, { __gc = function()
      dir:remove()
    end })
  end
  return program
end

--- The program's path.
---@return string
function pty.program()
  return build()
end

--- Runs a Lua script on a terminal of 80 columns and 24 rows.
---@param source string
---@param keys? string
---@return string shown  with its newlines as a terminal has them
---@return string ending  "[exit 0, cooked]"
function pty.lua(source, keys)
  local here <close> = support.tempdir()
  local script = support.spit(here .. "/script.lua", source)
  local input = support.spit(here .. "/keys", keys or "")
  local output = support.sh(("timeout 60 %s 80 24 %s %s <%s"):format(support.quote(build()),
    os.getenv("LUA") or "lua5.4", support.quote(script), support.quote(input)))
  local shown, ending = output:match("^(.*)(%[%a+ %d+, %a+%])\n$")
  assert(shown, output)
  return shown, ending
end

return pty
