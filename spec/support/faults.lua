-- "Fail the n-th": runs a body with allocation n failing, for n = 1, 2, … until
-- a run meets no failure; once-mode (that one alone) and persistent-mode (all
-- later ones too). In test builds neap._fail_alloc(n, persistent) does it to
-- the runtime's allocations, neap._fail_lua_alloc to Lua's own; both return how
-- many failed since the call before, n = 0 ends it.
local faults = {}

-- Whether a run's results are a success or want of memory; else a message.
local function is_well(ok, first, second, third)
  if ok then
    return not (first == nil and second ~= nil and third ~= "ENOMEM"), second
  end
  return tostring(first):find("not enough memory", 1, true) ~= nil, first
end

---@class faults.options
---@field after? fun()  run after each try, with nothing failing: is all well?
---@field max? integer  more failing runs than this are an error (10000)
---@field step? integer  each n-th allocation only, for long bodies (1)

local function sweep(fail, body, options, persistent)
  local function disarm(...)
    return fail(0, false), ...
  end
  local n, runs, step = 1, 0, options.step or 1
  while true do
    assert(runs <= (options.max or 10000), "the body does not get through")
    collectgarbage() -- each run starts alike
    fail(n, persistent)
    -- Nothing of ours may allocate between here and disarm.
    local result = table.pack(disarm(pcall(body)))
    local failed, ok = result[1], result[2]
    local where = ("allocation %d fails%s: "):format(n, persistent and " and all later" or "")
    if failed > 0 then
      runs = runs + 1
      -- Success is fine: fewer stack slots, a block that stays big.
      local well, message = is_well(table.unpack(result, 2, result.n))
      if not well then
        error(where .. tostring(message), 3)
      end
    elseif not ok then
      error(("failed although no allocation did (n = %d): %s"):format(n, tostring(result[3])), 3)
    end
    if options.after then
      local well, message = pcall(options.after)
      if not well then
        error(where .. "afterwards: " .. tostring(message), 3)
      end
    end
    if failed == 0 then
      return runs
    end
    n = n + step
  end
end

--- Runs body until it gets through, in both modes, with the runtime's
--- allocations failing. A run that meets a failure must succeed all the same,
--- or end in "not enough memory", raised, or returned as nil, message, "ENOMEM".
---@param body fun(): ...
---@param options? faults.options
---@return integer runs  how many met a failure: 0 means nothing was tested
function faults.alloc(body, options)
  local fail = assert(require("neap")._fail_alloc, "not a test build: no neap._fail_alloc")
  options = options or {}
  return sweep(fail, body, options, false) + sweep(fail, body, options, true)
end

--- The same with Lua's own allocations. A single failure is Lua's to mend (it
--- collects and tries again), so only the persistent mode must fail.
---@param body fun(): ...
---@param options? faults.options
---@return integer runs
function faults.lua_alloc(body, options)
  local fail = assert(require("neap")._fail_lua_alloc, "not a test build: no neap._fail_lua_alloc")
  return sweep(fail, body, options or {}, true)
end

return faults
