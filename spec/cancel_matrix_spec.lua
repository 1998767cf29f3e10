-- Every function that waits, cancelled before, during and at its completion, and
-- timed out: the right error, nothing left, nothing lost, the object usable.
-- spec/support/waits.lua has a row for each; that none is missing is found by
-- walking the annotations, which are held against the module by types_spec.
local neap = require("neap")
local support = require("spec.support")
local waits = require("spec.support.waits")

-- Rows that can't be had, with the reason.
local without_row = {
  ["neap.run"] = "main's alone: what it waits for is tested as join",
  ["neap.exit"] = "ends the process: close_spec",
}

-- The names of all functions whose annotation says that they wait.
local function waiting_functions()
  local names = {}
  for path in support.sh("ls lua/neap/types/*.lua"):gmatch("[^\n]+") do
    local comment = ""
    for line in io.lines(path) do
      local owner, mark, name = line:match("^function%s+([%w_]+)([.:])([%w_]+)%(")
      if line:sub(1, 3) == "---" then
        comment = comment .. line:sub(4) .. " "
      elseif owner then
        if comment:find("Waits[.,]") or comment:find("Waits for", 1, true) then
          names[owner .. mark .. name] = true
        end
      end
      if line:sub(1, 3) ~= "---" then
        comment = ""
      end
    end
  end
  return names
end

local function is_value(row, ...)
  if type(row.value) == "function" then
    return row.value(...)
  end
  return (...) == row.value
end

-- Runs the row's wait in a task: the task, and a table that gets its outcome.
local function start(row)
  local outcome = {}
  local task = neap.spawn({ quiet = true }, function()
    local result = table.pack(pcall(row.wait))
    outcome.ok, outcome.result = result[1], result
    outcome.cancelled = not result[1] and neap.is_cancelled(result[2])
    if not result[1] then
      error(result[2], 0)
    end
  end)
  return task, outcome
end

local function describe_outcome(outcome)
  return ("ok %s, cancelled %s, result %s"):format(
    tostring(outcome.ok), tostring(outcome.cancelled),
    outcome.result and tostring(outcome.result[2]))
end

-- The wait can be done again and gets what it is for.
local function usable(row)
  if row.half_done or not (row.complete or row.finishes or row.closing) then
    return
  end
  local task, outcome = start(row)
  if row.complete then
    support.settle()
    row.complete()
  end
  task:wait()
  assert(outcome.ok, describe_outcome(outcome))
  assert(is_value(row, table.unpack(outcome.result, 2, outcome.result.n)),
    describe_outcome(outcome))
end

local names = {}
for name in pairs(waits) do
  names[#names + 1] = name
end
table.sort(names)

local function each(fn)
  for _, name in ipairs(names) do
    local new = waits[name]
    it(name, function()
      local row = new()
      fn(row)
      usable(row)
      if row.close then
        row.close()
      end
      support.settle()
    end)
  end
end

describe("the cancellation matrix", function()
  it("has a row for every function that waits", function()
    local missing = {}
    for name in pairs(waiting_functions()) do
      if not waits[name] and not without_row[name] then
        missing[#missing + 1] = name
      end
    end
    table.sort(missing)
    assert.same({}, missing)
  end)
end)

describe("cancelled before, raises at once:", function()
  each(function(row)
    local outcome
    local task = neap.spawn(function()
      neap.current():cancel()
      outcome = table.pack(pcall(row.wait))
      outcome.cancelled = not outcome[1] and neap.is_cancelled(outcome[2])
    end)
    task:wait()
    if row.closing then
      assert(outcome[1], tostring(outcome[2]))
    elseif not (row.finishes and outcome[1]) then
      assert(outcome.cancelled, tostring(outcome[2]))
    end
  end)
end)

describe("cancelled while it waits, raises:", function()
  each(function(row)
    local task, outcome = start(row)
    if row.finishes or row.closing then
      neap.yield() -- it may be under way, or over
    else
      support.settle()
      assert.equal("waiting", task:status())
    end
    task:cancel("matrix")
    local ok, err = task:wait()
    if row.closing then
      assert(outcome.ok or outcome.result == nil, describe_outcome(outcome))
    elseif row.finishes then
      assert(outcome.result == nil or outcome.ok or outcome.cancelled, describe_outcome(outcome))
    else
      assert.is_false(ok)
      assert.equal("ECANCELED", err.code)
      assert.equal("matrix", err.reason)
      assert(outcome.cancelled, describe_outcome(outcome))
    end
  end)
end)

describe("cancelled as it completes, has one of both outcomes:", function()
  each(function(row)
    local task, outcome = start(row)
    if row.complete then
      support.settle()
      row.complete()
      for _ = 1, math.random(0, 3) do
        neap.yield()
      end
    end
    task:cancel()
    task:wait()
    if outcome.ok then
      assert(is_value(row, table.unpack(outcome.result, 2, outcome.result.n)),
        describe_outcome(outcome))
    else
      assert(outcome.cancelled or outcome.result == nil, describe_outcome(outcome))
    end
  end)
end)

describe("in neap.timeout, ends:", function()
  each(function(row)
    local r = table.pack(neap.timeout(0.001, row.wait))
    if not (row.finishes or row.closing) then
      assert.same({ nil, "timed out after 0.001 s", "ETIMEDOUT", true, n = 4 }, r)
    end
  end)
end)

describe("with its own timeout, gives up:", function()
  for _, name in ipairs(names) do
    local new = waits[name]
    local probe = new()
    local has = probe.timeout ~= nil
    if probe.close then
      probe.close()
    end
    if has then
      it(name, function()
        local row = new()
        for _, seconds in ipairs({ 0, 0.001 }) do
          local value, message, code = row.timeout(seconds)
          assert.is_nil(value)
          assert.equal(("timed out after %g s"):format(seconds), message)
          assert.equal("ETIMEDOUT", code)
        end
        usable(row)
        row.close()
      end)
    end
  end
end)
