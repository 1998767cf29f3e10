-- Random programs of scopes, tasks, channels, locks, cancellations, deadlines and
-- shields, checked for what must hold of every program: nothing sent is lost or
-- received twice, every lock is free at the end, every task has ended, no scope
-- ends before its tasks. A failing program is shrunk and printed with its seed;
-- NEAP_MODEL_SEED=n runs that one alone.
local neap = require("neap")
local support = require("spec.support")

local CHANNELS, LOCKS = 3, 2

-- -- programs: lists of steps, each {name, arguments..., block?}

-- Lua's generator is 64 bits of state, the same on every machine.
local function generator(seed)
  math.randomseed(seed)
  local budget = 40 -- steps of a whole program

  local block
  local makers = {
    function()
      return { "yield", math.random(1, 3) }
    end,
    function()
      return { "send", math.random(CHANNELS) }
    end,
    function()
      return { "recv", math.random(CHANNELS) }
    end,
    function()
      local cases = {}
      for i = 1, math.random(1, 3) do
        cases[i] = { math.random(CHANNELS), math.random(2) == 1 and "send" or "recv" }
      end
      return { "select", cases }
    end,
    function(depth)
      return { "spawn", block(depth + 1) }
    end,
    function(depth)
      return { "scope", block(depth + 1) }
    end,
    function(depth)
      return { "lock", math.random(LOCKS), block(depth + 1) }
    end,
    function(depth)
      return { "timeout", math.random(3) == 1 and 0 or 0.0005, block(depth + 1) }
    end,
    function(depth)
      -- A deadline inside, as nothing else would end what waits there.
      return { "shield", { { "timeout", 0.0005, block(depth + 2) }, { "yield", 1 } } }
    end,
    function()
      return { "cancel", math.random(1, 8) }
    end,
    function()
      return { "cancel_scope" }
    end,
    function()
      return { "fail" }
    end,
    function()
      return math.random(4) == 1 and { "close", math.random(CHANNELS) } or { "sleep" }
    end,
  }

  function block(depth)
    local steps = {}
    for i = 1, math.random(1, depth > 4 and 2 or 5) do
      if budget <= 0 then
        break
      end
      budget = budget - 1
      steps[i] = makers[math.random(#makers)](depth)
    end
    return steps
  end

  return block(1)
end

-- -- running one

local function has_ended(task)
  local status = task:status()
  return status == "done" or status == "failed" or status == "cancelled"
end

local function run(program)
  local channels, locks, tasks = {}, {}, {}
  local sent, received, unsent = {}, {}, {}
  local value, problem = 0, nil

  local function fail(...)
    problem = problem or (...):format(select(2, ...))
  end

  for i = 1, CHANNELS do
    channels[i] = neap.channel(i - 1)
  end
  for i = 1, LOCKS do
    locks[i] = neap.mutex()
  end

  local function new_value()
    value = value + 1
    return value
  end

  -- A send that raised or gave up must not have happened.
  local function sending(v, fn)
    unsent[v] = true
    local ok = fn()
    if ok then
      unsent[v] = nil
      sent[v] = true
    end
  end

  local function got(v)
    if v == nil then
      return
    end
    if received[v] then
      fail("value %d received twice", v)
    end
    received[v] = true
  end

  local interpret

  -- Runs steps in a scope that open(body) opens; when that is over, so must all
  -- its tasks be.
  local function scoped(open, steps, held)
    local mine = {}
    local ok, err = pcall(open, function(scope)
      interpret(steps, {
        scope = scope,
        held = held,
        spawn = function(fn)
          local task = neap.spawn(fn)
          mine[#mine + 1], tasks[#tasks + 1] = task, task
        end,
      })
    end)
    for _, task in ipairs(mine) do
      if not has_ended(task) then
        fail("a scope has ended before task %d", task.id)
      end
    end
    if not ok then
      error(err, 0)
    end
  end

  local steps_of = {}

  function steps_of.yield(step)
    for _ = 1, step[2] do
      neap.yield()
    end
  end

  function steps_of.sleep()
    neap.sleep(0.0002)
  end

  function steps_of.send(step)
    local v = new_value()
    sending(v, function()
      return channels[step[2]]:send(v)
    end)
  end

  function steps_of.recv(step)
    got((channels[step[2]]:recv()))
  end

  function steps_of.select(step)
    local cases, values = {}, {}
    for i, case in ipairs(step[2]) do
      if case[2] == "send" then
        values[i] = new_value()
        unsent[values[i]] = true
        cases[i] = { channels[case[1]], "send", values[i] }
      else
        cases[i] = { channels[case[1]] }
      end
    end
    local i, result = neap.select(cases)
    if i and values[i] and result then
      unsent[values[i]] = nil
      sent[values[i]] = true
    elseif i and not values[i] then
      got(result)
    end
  end

  function steps_of.spawn(step, env)
    env.spawn(function()
      interpret(step[2], { scope = env.scope, spawn = env.spawn }) -- no lock is held
    end)
  end

  function steps_of.scope(step, env)
    scoped(neap.scope, step[2], env.held)
  end

  function steps_of.timeout(step, env)
    scoped(function(body)
      return neap.timeout(step[2], body)
    end, step[3], env.held)
  end

  function steps_of.lock(step, env)
    local lock = locks[step[2]]
    if env.held and env.held[lock] then
      return -- locking twice is an error, and not what this is about
    end
    local guard <close> = lock:lock()
    assert(guard)
    local held = { [lock] = true }
    for other in pairs(env.held or {}) do
      held[other] = true
    end
    interpret(step[3], { held = held, scope = env.scope, spawn = env.spawn })
  end

  function steps_of.shield(step, env)
    neap.shield(interpret, step[2], env)
  end

  function steps_of.cancel(step)
    local task = tasks[step[2]]
    if task then
      task:cancel()
    end
  end

  function steps_of.cancel_scope(_, env)
    if env.scope then
      env.scope:cancel()
    end
  end

  function steps_of.fail()
    error("on purpose", 0)
  end

  function steps_of.close(step)
    channels[step[2]]:close()
  end

  function interpret(steps, env)
    for _, step in ipairs(steps) do
      steps_of[step[1]](step, env)
    end
  end

  -- What waits for something that nobody will do is ended.
  neap.on_error(function() end)
  local ok, err = pcall(neap.scope, function(s)
    s:spawn({ quiet = true }, function()
      interpret(program, { spawn = function(fn)
        tasks[#tasks + 1] = neap.spawn(fn)
      end })
    end)
    for _ = 1, 3 do
      support.settle()
      neap.sleep(0.001)
    end
    s:cancel()
  end)
  if not ok and err ~= "on purpose" then
    fail("unexpected error: %s", tostring(err))
  end
  support.settle()
  neap.on_error(nil)

  -- -- what must hold
  for i, channel in ipairs(channels) do
    while true do
      local v = channel:try_recv()
      if v == nil then
        break
      end
      got(v)
    end
    channel:close()
    if #channel ~= 0 then
      fail("channel %d is not empty", i)
    end
  end
  for v in pairs(sent) do
    if not received[v] then
      fail("value %d was sent and is lost", v)
    end
  end
  for v in pairs(received) do
    if unsent[v] then
      fail("value %d was received, but its send has failed", v)
    end
  end
  for i, lock in ipairs(locks) do
    if not lock:try_lock() then
      fail("lock %d is held", i)
    else
      lock:unlock()
    end
  end
  for _, task in ipairs(tasks) do
    if not has_ended(task) then
      fail("%s", tostring(task))
    end
  end
  if #neap.tasks() ~= 1 then
    fail("%d tasks are left", #neap.tasks() - 1)
  end
  return problem
end

-- -- shrinking: without what is not needed for the failure

local function copy(value)
  if type(value) ~= "table" then
    return value
  end
  local new = {}
  for key, item in pairs(value) do
    new[key] = copy(item)
  end
  return new
end

-- Every list of steps in a program.
local function blocks(program, found)
  found = found or {}
  found[#found + 1] = program
  for _, step in ipairs(program) do
    local inner = step[#step]
    if type(inner) == "table" and type(inner[1]) == "table" and type(inner[1][1]) == "string" then
      blocks(inner, found)
    end
  end
  return found
end

local function shrink(program, fails)
  local smaller = true
  while smaller do
    smaller = false
    for b = 1, #blocks(program) do
      local i = 1
      while i <= #(blocks(program)[b] or {}) do
        local try = copy(program)
        table.remove(blocks(try)[b], i)
        if fails(try) then
          program, smaller = try, true
        else
          i = i + 1
        end
      end
    end
  end
  return program
end

local function show(value, indent)
  if type(value) ~= "table" then
    return ("%q"):format(value)
  end
  local parts = {}
  for i, item in ipairs(value) do
    parts[i] = show(item, indent .. "  ")
  end
  local block = type(value[1]) == "table"
  return block and "{\n" .. indent .. table.concat(parts, ",\n" .. indent) .. " }"
    or "{ " .. table.concat(parts, ", ") .. " }"
end

local function check(seed)
  local program = generator(seed)
  local problem = run(program)
  if problem then
    local small = shrink(program, run)
    error(("seed %d: %s\n%s"):format(seed, problem, show(small, "")), 0)
  end
end

describe("random programs", function()
  local only = tonumber(os.getenv("NEAP_MODEL_SEED"))

  it("keep every promise", function()
    for seed = only or 1, only or support.count(500, 10000) do
      check(seed)
    end
  end)

  it("would be caught breaking one", function()
    local send = neap.channel().send
    local meta = getmetatable(neap.channel()).__index
    meta.send = function(ch, v, ...)
      send(ch, v, ...)
      return nil -- a send that tells nobody of its success
    end
    local caught = 0
    for seed = 1, 50 do
      if run(generator(seed)) then
        caught = caught + 1
      end
    end
    meta.send = send
    assert(caught > 0)
  end)
end)
