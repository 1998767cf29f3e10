-- neap.testing.busted: busted's tests in neap.testing.run. Either one `it`, each
-- of whose tests runs under several seeds:
--
--   local it = require("neap.testing.busted")(it, { clock = "virtual", seeds = 5 })
--
-- where NEAP_SEED in the environment runs the one seed that a failure has named;
-- or all tests of a run: neap.testing.helper, `neap test`.
local testing = require("neap.testing")

local ours = {}

local function check_number(word, value)
  value = tonumber(value)
  if not value or value ~= value or value <= 0 then
    error(("neap.testing: not a number of seconds: '%s'"):format(word), 0)
  end
  return value
end

--- Reads options that are words, "timeout=5", "clock=virtual", "seed=1".
---@param words string[]
---@return neap.testing.options
function ours.read(words)
  local options = {}
  for _, word in ipairs(words) do
    local name, value = word:match("^(%l+)=(.*)$")
    if name == "timeout" then
      options.timeout = check_number(word, value)
    elseif name == "seed" and math.tointeger(tonumber(value)) then
      options.seed = math.tointeger(tonumber(value))
    elseif name == "clock" and (value == "virtual" or value == "real") then
      options.clock = value
    else
      error(("neap.testing: not an option: '%s' (timeout=5, clock=virtual, seed=1)"):format(word),
        0)
    end
  end
  return options
end

--- From now on all tests of a run of busted are in neap.testing.run.
---@param busted table  what require("busted") gives in that run
---@param options neap.testing.options
function ours.attach(busted, options)
  local wrapped = setmetatable({}, { __mode = "k" }) -- busted may repeat tests
  busted.subscribe({ "test", "start" }, function(element)
    local test = element.run
    if type(test) == "function" and not wrapped[element] then
      wrapped[element] = true
      element.run = function()
        testing.run(test, options)
      end
    end
    return nil, true -- others hear of it, too
  end)
end

---@param it fun(name: string, test: fun())  busted's own
---@param options? {clock?: "real"|"virtual", seeds?: integer, timeout?: number}
---@return fun(name: string, test: fun()) it
local function with_seeds(_, it, options)
  options = options or {}
  local first, last = 1, options.seeds or 1
  local given = os.getenv("NEAP_SEED")
  if given then
    first = assert(math.tointeger(tonumber(given)), "NEAP_SEED is not an integer")
    last = first
  end
  return function(name, test)
    for seed = first, last do
      local title = first == last and name or ("%s (seed %d)"):format(name, seed)
      it(title, function()
        testing.run(test, { clock = options.clock, seed = seed, timeout = options.timeout })
      end)
    end
  end
end

return setmetatable(ours, { __call = with_seeds })
