-- "Fail the n-th": runs a body with allocation n of the runtime failing, for
-- n = 1, 2, … until a run meets no failure. In test builds (NEAP_TEST)
-- neap._fail_alloc(n, persistent) lets the n-th allocation from now on fail,
-- once or from then on; n = 0 ends that. It returns how many allocations
-- failed since the call before.
local faults = {}

local function is_out_of_memory(ok, first, second, third)
  if ok then
    return first == nil and third == "ENOMEM", second
  end
  return tostring(first):find("not enough memory", 1, true) ~= nil, first
end

---@class faults.options
---@field after? fun()  run after each try, with nothing failing: is all well?
---@field max? integer  more failing runs than this are an error (10000)
---@field tolerate? boolean  the body may succeed although an allocation failed

--- Runs body until it gets through, in both modes. Each failing run must end
--- in "not enough memory", raised, or returned as nil, message, "ENOMEM".
---@param body fun(): ...
---@param options? faults.options
---@return integer runs  how many runs failed: 0 means nothing was tested
function faults.alloc(body, options)
  local neap = require("neap")
  local fail_alloc = assert(neap._fail_alloc, "not a test build: no neap._fail_alloc")
  options = options or {}
  local runs = 0
  for _, persistent in ipairs({ false, true }) do
    local n = 0
    repeat
      n = n + 1
      assert(n <= (options.max or 10000), "the body does not get through")
      collectgarbage() -- each run starts alike
      fail_alloc(n, persistent)
      local result = table.pack(pcall(body))
      local failed = fail_alloc(0, false)
      local where = ("allocation %d fails%s: "):format(n, persistent and " and all later" or "")
      if failed > 0 then
        runs = runs + 1
        local expected, message = is_out_of_memory(table.unpack(result, 1, result.n))
        if not expected and not (result[1] and options.tolerate) then
          error(where .. tostring(message or result[1]), 2)
        end
      elseif not result[1] then
        error(("failed although no allocation did (n = %d): %s"):format(n, tostring(result[2])), 2)
      end
      if options.after then
        local ok, message = pcall(options.after)
        if not ok then
          error(where .. "afterwards: " .. tostring(message), 2)
        end
      end
    until failed == 0
  end
  return runs
end

return faults
