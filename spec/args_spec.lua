-- Every function of neap, and every method of its types, with every bad value
-- in every place: a Lua error or nil, message, code; no crash, no hang.
local neap = require("neap")
local support = require("spec.support")

-- What would rightly wait for ever, or for long, is left out.
local function is_long(value)
  return type(value) == "number" and value > 0.5
end

local function no_skip()
  return false
end

-- Functions of the module: good arguments, how many there are, what to skip.
local functions = {
  spawn = { { { name = "args" }, math.abs, -1 }, 3, no_skip },
  sleep = { { 0 }, 1, function(_, value) return is_long(value) end },
  sleep_until = { { 0 }, 1, function(_, value) return is_long(value) end },
  yield = { { nil }, 1, no_skip },
  frame = { { nil }, 1, no_skip },
  now = { { nil }, 1, no_skip },
  hrtime = { { nil }, 1, no_skip },
  run = { { math.abs, -1 }, 2, no_skip },
  current = { { nil }, 1, no_skip },
  -- One that never calls done waits for ever.
  await = { { function(done) done() end }, 1, function(_, value)
    return type(value) == "function"
  end },
  after = { { 0, math.abs, -1 }, 3, no_skip },
  every = { { 1 }, 1, no_skip },
  tasks = { { nil }, 1, no_skip },
  -- To stderr without an argument: in task_spec.
  dump = { { { write = function() end } }, 1, function(_, value) return value == nil end },
  trace = { { nil }, 1, no_skip },
  -- A name would be written to.
  trace_file = { { nil, nil }, 2, function(place, value)
    return place == 1 and (type(value) == "number" or value == "no such thing")
  end },
  on_error = { { nil }, 1, no_skip },
  info = { { nil }, 1, no_skip },
  scope = { { math.abs, -1 }, 2, function(_, value) return value == nil end },
  timeout = { { 0.1, math.abs, -1 }, 3, no_skip },
  -- The limit is closed by the caller of this.
  time_limit = { { 1 }, 1, no_skip },
  time_left = { { nil }, 1, no_skip },
  shield = { { math.abs, -1 }, 2, no_skip },
  is_cancelled = { { nil }, 1, no_skip },
  context = { { nil }, 1, no_skip },
  ready = { { nil }, 1, no_skip },
  channel = { { 1 }, 1, no_skip },
  select = { { { timeout = 0 } }, 1, no_skip },
  mutex = { { nil }, 1, no_skip },
  semaphore = { { 1 }, 1, no_skip },
  event = { { nil }, 1, no_skip },
  condition = { { nil }, 1, no_skip },
  preempt = { { 0.01, { mode = "yield" } }, 2, no_skip },
  nopreempt = { { math.abs, -1 }, 2, no_skip },
  watchdog = { { 3600, function() end }, 2, no_skip },
  offload = { { "return ...", 1 }, 2, no_skip },
  wait_fd = { { 1, "w", 0 }, 3, function(place, value)
    return place == 3 and (value == nil or is_long(value))
  end },
  -- Ends the process: in children, below.
  exit = { { 0, 0 }, 2, function() return true end },
}

-- Runs tasks that a call has left to their end, whatever they think of it.
local function drain()
  neap.on_error(function() end)
  for _, task in ipairs(neap.tasks()) do
    if task ~= neap.current() then
      task:wait()
    end
  end
  neap.on_error(nil)
end

-- A timer that is far away is closed, a task heard.
local function undo(result)
  local name = (getmetatable(result) or {}).__name
  if name == "neap.timer" then
    result:close()
  elseif name == "neap.scope" then
    result:close()
  elseif name == "neap.task" and result ~= neap.current() then
    result:wait()
  end
end

describe("the functions of neap", function()
  it("are all here", function()
    local missing = {}
    for name, value in pairs(neap) do
      if type(value) == "function" and name:sub(1, 1) ~= "_" and not functions[name] then
        missing[#missing + 1] = name
      end
    end
    assert.same({}, missing)
  end)

  for name, case in pairs(functions) do
    if name ~= "exit" and name ~= "frame" then -- no host ends frame's wait
      local function call(...)
        if name == "preempt" or name == "watchdog" then
          local ok, err = pcall(neap[name], ...)
          neap[name](nil)
          return ok or error(err, 0)
        elseif name ~= "dump" or select("#", ...) > 0 then
          return neap[name](...)
        end
      end

      it("take bad values in main: " .. name, function()
        assert(support.call_badly(call, case[1], case[2], case[3], undo) > 10)
        drain()
      end)

      it("take bad values in a task: " .. name, function()
        neap.spawn(function()
          assert(support.call_badly(call, case[1], case[2], case[3], undo) > 10)
        end):join()
        drain()
      end)
    end
  end

  it("say which argument is bad", function()
    local cases = {
      { "#1", neap.spawn, 1 },
      { "#2", neap.spawn, {}, 1 },
      { "#1", neap.sleep, {} },
      { "#1", neap.sleep_until, "x" },
      { "#1", neap.run, 1 },
      { "#1", neap.after, {}, print },
      { "#2", neap.after, 1, {} },
      { "#1", neap.every, 0 },
      { "#1", neap.await },
      { "#1", neap.on_error, 1 },
      { "#1", neap.dump, 1 },
      { "#1", neap.trace, 1 },
      { "#1", neap.trace_file, {} },
      { "#1", neap.trace_file, "a\0b" },
      { "#1", neap.exit, {} },
      { "#2", neap.exit, 0, {} },
    }
    for i, case in ipairs(cases) do
      local ok, message = pcall(table.unpack(case, 2))
      assert.is_false(ok, "case " .. i)
      assert.matches("bad argument " .. case[1] .. " to ", message, 1, true)
    end
  end)

  it("take bad values in a child: exit", function()
    for place = 1, 2 do
      for name, value in support.badvalues() do
        if type(value) == "number" or type(value) == "string" or value == nil
          or type(value) == "boolean" then
          local literal = value == nil and "nil"
            or value ~= value and "0/0"
            or value == math.huge and "math.huge"
            or value == -math.huge and "-math.huge"
            or ("%q"):format(value)
          local arguments = place == 1 and literal or "3, " .. literal
          local output, status = support.lua(([[
            local neap = require("neap")
            local ok, message = pcall(neap.exit, %s)
            print("refused", message)
          ]]):format(arguments), { env = "timeout 60" })
          local killed = { [124] = true, [134] = true, [137] = true, [139] = true }
          assert(not killed[status], name .. output)
          if status == 0 and output ~= "" then
            assert.matches("refused\tbad argument #" .. place, output)
          end
        end
      end
    end
  end)
end)

describe("the methods of neap's types", function()
  -- type -> what makes one, and each method's good arguments.
  local function is_waiting_value(_, value)
    return value == nil or is_long(value)
  end
  local types = {
    ["neap.task"] = {
      make = function()
        return neap.spawn({ quiet = true }, math.abs, -1)
      end,
      close = function(task)
        task:wait()
      end,
      methods = {
        join = { { 0 }, is_waiting_value },
        wait = { { 0 }, is_waiting_value },
        status = { { nil }, no_skip },
        traceback = { { nil }, no_skip },
        stats = { { nil }, no_skip },
      },
    },
    ["neap.timer"] = {
      make = function()
        return neap.after(30, print)
      end,
      close = function(timer)
        timer:close()
      end,
      methods = { close = { { nil }, no_skip } },
    },
    ["neap.channel"] = {
      make = neap.channel,
      close = function(channel)
        channel:close()
      end,
      methods = {
        -- Sends nothing without a timeout of 0: it would wait.
        send = { { 1, 0 }, function(place, value)
          return place == 1 and value ~= nil or place == 2 and is_waiting_value(place, value)
        end },
        recv = { { 0 }, is_waiting_value },
        try_send = { { 1 }, no_skip },
        try_recv = { { nil }, no_skip },
        close = { { nil }, no_skip },
      },
    },
    ["neap.mutex"] = {
      make = function()
        local mutex = neap.mutex()
        neap.spawn(function()
          local _ <close> = mutex:lock()
          neap.sleep(0.001)
        end)
        support.settle()
        return mutex
      end,
      close = function() end,
      methods = {
        lock = { { 0 }, is_waiting_value },
        try_lock = { { nil }, no_skip },
        unlock = { { nil }, no_skip },
      },
    },
    ["neap.semaphore"] = {
      make = function()
        local semaphore = neap.semaphore(1)
        semaphore:acquire()
        return semaphore
      end,
      close = function() end,
      methods = {
        acquire = { { 0 }, is_waiting_value },
        try_acquire = { { nil }, no_skip },
        release = { { nil }, no_skip },
      },
    },
    ["neap.permit"] = {
      make = function()
        return neap.semaphore(1):acquire()
      end,
      close = function() end,
      methods = { release = { { nil }, no_skip } },
    },
    ["neap.event"] = {
      make = neap.event,
      close = function() end,
      methods = {
        wait = { { 0 }, is_waiting_value },
        set = { { nil }, no_skip },
        clear = { { nil }, no_skip },
        is_set = { { nil }, no_skip },
      },
    },
    ["neap.condition"] = {
      make = neap.condition,
      close = function() end,
      methods = {
        wait = { { 0 }, is_waiting_value },
        notify = { { 1 }, no_skip },
        notify_all = { { nil }, no_skip },
      },
    },
  }

  for type_name, case in pairs(types) do
    for name, method in pairs(case.methods) do
      it(("take bad values: %s:%s"):format(type_name, name), function()
        local object = case.make()
        local fn = object[name]
        support.call_badly(function(...)
          return fn(object, ...)
        end, method[1], 1, method[2])
        -- In the place of the object itself all of them are misuse.
        for what, value in support.badvalues() do
          local ok, message = pcall(fn, value)
          assert.is_false(ok, what)
          assert.matches("bad argument #1 to ", message)
          assert.matches(type_name .. " expected", message, 1, true)
        end
        assert.is_false((pcall(fn)))
        case.close(object)
        neap.run()
      end)
    end
  end

  it("take bad values: metamethods", function()
    local task = neap.current()
    local timer = neap.after(0, print)
    timer:close()
    neap.run()
    for _, object in ipairs({ task, timer }) do
      local meta = getmetatable(object)
      for event, fn in pairs(meta) do
        if type(fn) == "function" then
          for what, value in support.badvalues() do
            local ok, message = pcall(fn, value, value)
            assert.is_false(ok, event .. " of " .. what)
            assert.equal("string", type(message))
          end
        end
      end
      for _, value in support.badvalues() do
        if value ~= nil then
          assert.is_nil(object[value])
        end
        assert.is_false((pcall(function()
          object[value] = 1
        end)))
      end
    end
  end)

  it("take bad values: what await gives, and iterators", function()
    local kept
    neap.await(function(done)
      kept = done
      done()
    end)
    for _, value in support.badvalues() do
      assert.is_false(kept(value))
    end
    local tick = neap.every(1e-6)
    for _, value in support.badvalues() do
      assert(tick(value, value) >= 1)
    end
  end)
end)
