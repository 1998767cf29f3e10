-- neap.testing.busted: busted's `it` whose tests run in neap.testing.run, each
-- under several seeds:
--
--   local it = require("neap.testing.busted")(it, { clock = "virtual", seeds = 5 })
--
-- NEAP_SEED in the environment runs the one seed that a failure has named.
local testing = require("neap.testing")

---@param it fun(name: string, test: fun())  busted's own
---@param options? {clock?: "real"|"virtual", seeds?: integer}
---@return fun(name: string, test: fun()) it
return function(it, options)
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
        testing.run(test, { clock = options.clock, seed = seed })
      end)
    end
  end
end
