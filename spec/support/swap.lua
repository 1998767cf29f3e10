-- Swaps a folder for a link, and back, again and again, in a process of its own:
-- what an attacker does to whoever looks at a path first and uses it then.
local support = require("spec.support")

local swap = {}

-- The folder and the link change their names; in between there is nothing.
local script = [[
  local folder, link, aside = ...
  print("ready")
  io.stdout:flush()
  while true do
    os.rename(folder, aside)
    os.rename(link, folder)
    os.rename(folder, link)
    os.rename(aside, folder)
  end
]]

--- Begins to swap folder for link (both need not be there yet); ends when the
--- result is closed.
---@param folder string
---@param link string
---@return table to_be_closed
function swap.start(folder, link)
  local dir = support.tempdir()
  local words = { support.spit(dir .. "/swap.lua", script), folder, link, folder .. ".aside" }
  for i, word in ipairs(words) do
    words[i] = support.quote(word)
  end
  local pipe = assert(io.popen(("echo $$; exec env -u LD_PRELOAD %s %s"):format(
    os.getenv("LUA") or "lua5.4", table.concat(words, " ")), "r"))
  local pid = pipe:read("n", "l")
  assert(pipe:read("l") == "ready")
  return setmetatable({}, {
    __close = function()
      os.execute("kill -9 " .. pid)
      pipe:close()
      getmetatable(dir).__close(dir)
    end,
  })
end

return swap
