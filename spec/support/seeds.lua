-- Runs tests in several orders: each test of a spec that begins with
--
--   local it = require("spec.support.seeds").wrap(it)
--
-- runs as the build has it, and then with the ready tasks shuffled by 5 seeds
-- (200 in soak). What fails then leans on who comes first. NEAP_SEED=n runs the
-- seed alone that a failure has named.
local core = require("neap.testing.core")
local support = require("spec.support")
local testing = require("neap.testing")

local seeds = {}

local given = math.tointeger(tonumber(os.getenv("NEAP_SEED") or ""))

-- A state of the shuffle. Those of seeds that are close together are far apart:
-- it is multiplied with 2^32 over the golden ratio (Knuth).
local function state_of(seed)
  return seed * 0x9e3779b1 & 0xffffffff
end

local function shuffled(seed, body)
  local before = core.seed(state_of(seed))
  local outcome = table.pack(pcall(body))
  core.seed(before)
  if not outcome[1] then
    error(outcome[2], 0)
  end
end

-- A body as a test of its own, in time that jumps.
local function in_virtual_time(seed, body)
  testing.run(body, { clock = "virtual", seed = seed })
end

-- The error stays what it is, a failure of busted's with its place.
local function named(seed, run, body)
  local ok, err = pcall(run, seed, body)
  if not ok then
    io.stderr:write(("with NEAP_SEED=%d:\n"):format(seed))
    error(err, 0)
  end
end

local function each_seed(run, body)
  if given then
    return named(given, run, body)
  end
  for seed = 1, support.count(5, 200) do
    named(seed, run, body)
  end
end

--- busted's `it` with tests that run in several orders.
---@param it fun(name: string, body: fun())
---@return fun(name: string, body: fun()) it
function seeds.wrap(it)
  return function(name, body)
    it(name, function()
      body()
      each_seed(shuffled, body)
    end)
  end
end

--- The same in virtual time, each run in neap.testing.run: so none of them may
--- leave anything. First in the order of coming, in the hostile build too.
---@param it fun(name: string, body: fun())
---@return fun(name: string, body: fun()) it
function seeds.virtual(it)
  return function(name, body)
    it(name, function()
      in_virtual_time(0, body)
      each_seed(in_virtual_time, body)
    end)
  end
end

--- Whether ready tasks run in the order in which they became ready.
---@return boolean
function seeds.ordered()
  local state = core.seed(0)
  core.seed(state)
  return state == 0
end

return seeds
