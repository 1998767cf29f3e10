-- Runs a script in a process in which names stand for what a spec says: names.c.
local support = require("spec.support")

local names = {}

-- Built once per Lua state, into a folder that goes with it.
local dir, library

local function build()
  if not library then
    dir = support.tempdir()
    library = dir .. "/names.so"
    local output, status = support.sh(
      ("%s -shared -fPIC -O1 -D_GNU_SOURCE -o %s spec/support/names.c"):format(
        os.getenv("CC") or "cc", support.quote(library)))
    assert(status == 0, output)
    setmetatable(names, { __gc = function()
      dir:__close()
    end })
  end
  return library
end

--- Runs source with the names known: { ["two.test"] = "127.0.0.2,127.0.0.3" }.
---@param known table<string, string>
---@param source string
---@return string output
---@return integer status
function names.lua(known, source)
  local words = {}
  for name, addresses in pairs(known) do
    words[#words + 1] = name .. "=" .. addresses
  end
  local preload = build()
  if os.getenv("LD_PRELOAD") then -- a sanitizer's, which must come first
    preload = os.getenv("LD_PRELOAD") .. ":" .. preload
  end
  return support.lua(source, { env = ("LD_PRELOAD=%s NAMES=%s"):format(support.quote(preload),
    support.quote(table.concat(words, ";"))) })
end

return names
