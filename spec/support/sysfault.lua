-- Runs a script in a process whose system calls fail as told: see sysfault.c.
local support = require("spec.support")

local sysfault = {}

sysfault.codes = {
  EPERM = 1, EIO = 5, EAGAIN = 11, EINVAL = 22, EMFILE = 24, ENOSPC = 28, ENOSYS = 38, EDQUOT = 122,
  KILL = 9999, HOLD = 9998,
}

-- Built once per Lua state, into a folder that goes with it.
local dir, library

local function build()
  if not library then
    dir = support.tempdir()
    library = dir .. "/sysfault.so"
    local output, status = support.sh(
      ("%s -shared -fPIC -O1 -D_GNU_SOURCE -o %s spec/support/sysfault.c -ldl"):format(
        os.getenv("CC") or "cc", support.quote(library)))
    assert(status == 0, output)
    setmetatable(sysfault, { __gc = function()
      dir:remove()
    end })
  end
  return library
end

--- Runs source with the faults in force; options as for support.lua.
---@param faults string  "eintr", "short", "read:EIO:3", ... separated by commas
---@param source string
---@param env? string  more of the environment ("NEAP_FS=": the fast path is on)
---@return string output
---@return integer status
---@return table<string, integer> counts  calls made
function sysfault.lua(faults, source, env)
  local here <close> = support.tempdir()
  local counts_path = here .. "/counts"
  faults = faults:gsub("%u+", sysfault.codes)
  local preload = build()
  if os.getenv("LD_PRELOAD") then -- a sanitizer's, which must come first
    preload = os.getenv("LD_PRELOAD") .. ":" .. preload
  end
  local output, status = support.lua(source, {
    env = ("LD_PRELOAD=%s SYSFAULT=%s SYSFAULT_COUNTS=%s SYSFAULT_HOLD=%s %s"):format(
      support.quote(preload), support.quote(faults), support.quote(counts_path),
      support.quote(here .. "/hold"), env or "NEAP_FS="),
  })
  local counts = {}
  local file = io.open(counts_path)
  if file then
    for name, count in file:read("a"):gmatch("(%S+) (%d+)") do
      counts[name] = tonumber(count)
    end
    file:close()
  end
  return output, status, counts
end

return sysfault
