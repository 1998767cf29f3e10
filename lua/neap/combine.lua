--- Several functions at once: what is built on scopes. Each function runs in a
--- task of its own inside one scope, so that nothing is left running when the
--- call returns or raises.
local neap = require "neap"

local combine = {}

local function check_functions(name, fns)
  if type(fns) ~= "table" then
    error(("bad argument #1 to '%s' (table of functions expected, got %s)"):format(
      name, type(fns)), 3)
  end
  for i = 1, #fns do
    local meta = getmetatable(fns[i])
    if type(fns[i]) ~= "function" and not (type(meta) == "table" and meta.__call) then
      error(("bad argument #1 to '%s' (function expected at index %d, got %s)"):format(
        name, i, type(fns[i])), 3)
    end
  end
end

--- Calls fn and puts its first result, or its error, into outcomes[i].
local function settle_one(outcomes, i, fn)
  local ok, value = pcall(fn)
  if ok then
    outcomes[i] = { ok = true, value = value }
  elseif neap.is_cancelled(value) then
    error(value, 0) -- ours to end by, not an outcome
  else
    outcomes[i] = { ok = false, err = value }
  end
end

---Waits for all functions; the first error cancels the others and is raised.
---@param fns function[]
---@return ... # the first result of each
function combine.all(fns)
  check_functions("all", fns)
  local n, results = #fns, {}
  neap.scope(function(scope)
    local tasks = {}
    for i = 1, n do
      tasks[i] = scope:spawn(fns[i])
    end
    for i = 1, n do
      results[i] = (tasks[i]:join())
    end
  end)
  return table.unpack(results, 1, n)
end

---Waits for all functions, whatever becomes of them.
---@param fns function[]
---@return {ok: boolean, value: any, err: any}[]
function combine.all_settled(fns)
  check_functions("all_settled", fns)
  local outcomes = {}
  neap.scope(function(scope)
    for i = 1, #fns do
      scope:spawn(settle_one, outcomes, i, fns[i])
    end
  end)
  return outcomes
end

--- Runs the functions until take(outcome) is true for one that has ended, then
--- cancels the rest. Returns that outcome.
local function until_taken(fns, take)
  local taken
  neap.scope(function(scope)
    for i = 1, #fns do
      scope:spawn(function()
        local result = table.pack(pcall(fns[i]))
        if not result[1] and neap.is_cancelled(result[2]) then
          error(result[2], 0)
        end
        if not taken and take(result) then
          taken = result
          scope:cancel("another one came first")
        end
      end)
    end
  end)
  return taken
end

local function give(outcome)
  if not outcome[1] then
    error(outcome[2], 0)
  end
  return table.unpack(outcome, 2, outcome.n)
end

---The results of the function that ends first, or its error; the others are
---cancelled.
---@param fns function[] # at least one
---@return ...
function combine.race(fns)
  check_functions("race", fns)
  if #fns == 0 then
    error("bad argument #1 to 'race' (no functions: nothing would ever come first)", 2)
  end
  return give(until_taken(fns, function()
    return true
  end))
end

---The results of the first function that succeeds; the others are cancelled. If
---all fail, the first error is raised.
---@param fns function[] # at least one
---@return ...
function combine.any(fns)
  check_functions("any", fns)
  if #fns == 0 then
    error("bad argument #1 to 'any' (no functions: none could succeed)", 2)
  end
  local first_failure
  local winner = until_taken(fns, function(outcome)
    if not outcome[1] then
      first_failure = first_failure or outcome
    end
    return outcome[1]
  end)
  return give(winner or first_failure)
end

---Calls fn(item, index) for each item, at most limit at a time. The first error
---cancels the rest and is raised.
---@generic T, R
---@param list T[]
---@param fn fun(item: T, index: integer): R
---@param opts? {limit: integer} # default: all at once
---@return R[] # in the order of list
function combine.map(list, fn, opts)
  if type(list) ~= "table" then
    error(("bad argument #1 to 'map' (table expected, got %s)"):format(type(list)), 2)
  end
  check_functions("map", { fn })
  local limit = opts and opts.limit or math.max(#list, 1)
  if math.type(limit) ~= "integer" or limit < 1 then
    error(("bad argument #3 to 'map' (field 'limit': positive integer expected, got %s)"):format(
      tostring(limit)), 2)
  end
  local n, at, results = #list, 0, {}
  neap.scope(function(scope)
    -- Each worker takes the next item: no more tasks than may run at once.
    local workers = {}
    for w = 1, math.min(limit, n) do
      workers[w] = scope:spawn(function()
        while at < n do
          at = at + 1
          local i = at
          results[i] = (fn(list[i], i))
        end
      end)
    end
    for _, worker in ipairs(workers) do
      worker:join()
    end
  end)
  return results
end

return combine
