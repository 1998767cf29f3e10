-- neap.testing.command: `neap test [options] [dir]`: busted under neap, each test
-- in neap.testing.run. Options that are not ours are busted's.
local ours = require("neap.testing.busted")

local names = { ["--timeout"] = "timeout", ["--clock"] = "clock", ["--seed-tasks"] = "seed" }

local options

-- Takes our options out: the words that stay.
local function split(arguments)
  local rest, words, at = {}, {}, 1
  while arguments[at] do
    local word = arguments[at]
    local name, value = word:match("^(%-%-[%l-]+)=(.*)$")
    if names[name or word] then
      if not value then
        at = at + 1
        value = arguments[at] or ""
      end
      words[#words + 1] = names[name or word] .. "=" .. value
    else
      rest[#rest + 1] = word
    end
    at = at + 1
  end
  return rest, words
end

-- busted has begun, and runs no test yet: it executes its -e then.
local function attach()
  ours.attach(require("busted"), options)
end

--- Runs busted; true when all has passed, else busted ends the process. Waits.
---@param arguments string[]  arg of `neap test`
---@return boolean
return setmetatable({ attach = attach }, {
  __call = function(_, arguments)
    local rest, words = split(arguments)
    options = ours.read(words)
    if not package.searchpath("busted.runner", package.path) then
      error("neap test needs busted (Debian: lua-busted; luarocks install busted)", 0)
    end
    table.insert(rest, 1, "-e")
    table.insert(rest, 2, 'require("neap.testing.command").attach()')
    rest[0] = "neap test"
    arg = rest -- luacheck: ignore
    -- busted asks from which file it is run, for its messages.
    load('require("busted.runner")({ standalone = false })\n', "@neap test")()
    return true
  end,
})
