-- neap.spawn and the task type; what becomes of a task's Lua thread.
local neap = require("neap")
local faults = require("spec.support.faults")
local support = require("spec.support")

local settle = support.settle
local hostile = support.variant == "hostile"

-- A gate: tasks wait at it until it is opened.
local function new_gate()
  local waiting = {}
  local gate = {}
  function gate.wait()
    return neap.await(function(done)
      waiting[#waiting + 1] = done
    end)
  end
  function gate.open(...)
    local list = waiting
    waiting = {}
    for _, done in ipairs(list) do
      done(...)
    end
  end
  return gate
end

describe("neap.spawn", function()
  it("queues a task: it runs when its creator waits", function()
    local ran = false
    local task = neap.spawn(function()
      ran = true
    end)
    assert.is_false(ran)
    assert.equal("ready", task:status())
    task:join()
    assert.is_true(ran)
  end)

  it("passes arguments and results through, nils and many of them included", function()
    local function echo(...)
      neap.yield()
      return ...
    end
    assert.same({ n = 0 }, table.pack(neap.spawn(echo):join()))
    assert.same({ n = 1 }, table.pack(neap.spawn(echo, nil):join()))
    assert.same({ 1, nil, "x", nil, n = 4 }, table.pack(neap.spawn(echo, 1, nil, "x", nil):join()))
    local many = {}
    for i = 1, 5000 do
      many[i] = i
    end
    many.n = #many
    assert.same(many, table.pack(neap.spawn(echo, table.unpack(many)):join()))
  end)

  it("takes anything that can be called", function()
    local callable = setmetatable({}, {
      __call = function(_, a)
        neap.yield()
        return "called with " .. a
      end,
    })
    assert.equal("called with 1", neap.spawn(callable, 1):join())
    assert.equal("called with 2", neap.spawn({ name = "c" }, callable, 2):join())
    assert.equal("x", neap.spawn(string.lower, "X"):join())
  end)

  it("takes options", function()
    local task = neap.spawn({ name = "worker", quiet = true, detached = true }, function()
      return neap.current().name
    end)
    assert.equal("worker", task.name)
    assert.equal("worker", task:join())
    local before = neap.info().private_slots
    local private = neap.spawn({ stack = "private" }, function()
      return neap.info().private_slots
    end)
    assert(private:join() > before)
    assert.equal(1, neap.spawn({ stack = "shared" }, function()
      return 1
    end):join())
  end)

  it("cuts no name but a very long one, and keeps that one whole for the script", function()
    local long = ("n"):rep(1000)
    local task = neap.spawn({ name = long }, function() end)
    assert.equal(long, task.name)
    task:join()
    assert.equal(long, task.name)
  end)

  it("refuses what can't be called, naming the argument", function()
    for name, value in support.badvalues() do
      if type(value) ~= "function" and type(value) ~= "table" then
        assert.has_error(function()
          neap.spawn(value)
        end, nil, name)
        local _, message = pcall(neap.spawn, value)
        assert.matches("bad argument #1 to '[%w.]*spawn' %(function expected, got ", message)
      end
    end
    local _, message = pcall(neap.spawn, {}, 1)
    assert.matches("bad argument #2 to '[%w.]*spawn' %(function expected, got number%)", message)
    assert.has_error(neap.spawn)
    assert.has_error(function()
      neap.spawn({})
    end)
  end)

  it("refuses bad options, naming the field", function()
    local function f() end
    local bad = {
      { { name = 1 }, "field 'name': string expected, got number" },
      { { name = {} }, "field 'name': string expected, got table" },
      { { quiet = "yes" }, "field 'quiet': boolean expected, got string" },
      { { detached = 0 }, "field 'detached': boolean expected, got number" },
      { { stack = true }, "field 'stack': string expected, got boolean" },
      { { stack = "huge" }, "field 'stack': 'huge' is neither 'shared' nor 'private'" },
    }
    for _, case in ipairs(bad) do
      local ok, message = pcall(neap.spawn, case[1], f)
      assert.is_false(ok)
      assert.matches("bad argument #1 to ", message, 1, true)
      assert.matches("(" .. case[2] .. ")", message, 1, true)
    end
    assert.equal(1, #neap.tasks())
  end)

  if not hostile then
    it("runs tasks in the order of their making, and yields in that order", function()
      local order = {}
      for i = 1, 3 do
        neap.spawn(function()
          for round = 1, 2 do
            order[#order + 1] = i .. "." .. round
            neap.yield()
          end
        end)
      end
      neap.run()
      assert.equal("1.1 2.1 3.1 1.2 2.2 3.2", table.concat(order, " "))
    end)

    it("runs what becomes ready in a turn in the next one", function()
      local order = {}
      neap.spawn(function()
        order[#order + 1] = "first"
        neap.spawn(function()
          order[#order + 1] = "child"
        end)
      end)
      neap.spawn(function()
        order[#order + 1] = "second"
      end)
      neap.run()
      assert.equal("first second child", table.concat(order, " "))
    end)
  end

  it("raises 'not enough memory' and makes nothing when there is none", function() -- fault 1
    local others = 0
    local stop = false
    local other = neap.spawn(function()
      while not stop do
        others = others + 1
        neap.yield()
      end
    end)
    local before = #neap.tasks()
    local made
    local runs = faults.alloc(function()
      made = nil
      made = neap.spawn({ stack = "private" }, math.abs, -1)
    end, {
      after = function()
        assert.equal(before + (made and 1 or 0), #neap.tasks())
        local ran = others
        if made then
          assert.equal(1, made:join())
        else
          neap.yield()
        end
        while others == ran do
          neap.yield()
        end
      end,
    })
    assert(runs > 0)
    stop = true
    other:join()
  end)
end)

describe("task:join", function()
  it("gives all results to each who asks, during and after the task", function()
    local gate = new_gate()
    local task = neap.spawn(function()
      return gate.wait()
    end)
    local joins = {}
    for i = 1, 3 do
      joins[i] = neap.spawn(function()
        return task:join()
      end)
    end
    settle()
    gate.open(1, nil, 3)
    for i = 1, 3 do
      assert.same({ 1, nil, 3, n = 3 }, table.pack(joins[i]:join()))
    end
    assert.same({ 1, nil, 3, n = 3 }, table.pack(task:join()))
    assert.same({ true, 1, nil, 3, n = 4 }, table.pack(task:wait()))
  end)

  it("ends with its own timeout; 0 tries once", function()
    local gate = new_gate()
    local task = neap.spawn(gate.wait)
    settle()
    for _, timeout in ipairs({ 0, -1, 0.001 }) do
      local result = table.pack(task:join(timeout))
      assert.equal(3, result.n)
      assert.is_nil(result[1])
      assert.equal(("timed out after %.14g s"):format(timeout), result[2])
      assert.equal("ETIMEDOUT", result[3])
      assert.same(result, table.pack(task:wait(timeout)))
    end
    gate.open("late")
    assert.equal("late", task:join(1e300))
    assert.equal("late", task:join(0))
  end)

  it("refuses a join of itself", function() -- fault 33
    local task
    task = neap.spawn(function()
      return pcall(task.join, task)
    end)
    local ok, message = task:join()
    assert.is_false(ok)
    assert.matches("cannot join task %d+: it is the one that asks", message)
    local main = neap.current()
    ok, message = pcall(main.wait, main)
    assert.is_false(ok)
    assert.matches("it is the one that asks", message)
  end)

  it("refuses a cycle of joins, at the call", function() -- fault 33
    local tasks = {}
    local gate = new_gate()
    for i = 1, 3 do
      tasks[i] = neap.spawn({ quiet = true }, function()
        gate.wait()
        if i == 3 then
          settle() -- 1 and 2 wait by now
        end
        return tasks[i % 3 + 1]:join()
      end)
    end
    settle()
    gate.open()
    local ok, message = tasks[3]:wait()
    assert.is_false(ok)
    assert.matches("cannot join task %d+: it waits for the one that asks", message)
    -- 2 joined 3, and 1 joined 2: they fail with the same error.
    assert.same({ false, message }, { tasks[2]:wait() })
    assert.same({ false, message }, { tasks[1]:wait() })
    -- A task that main waits for can't wait for main.
    local main = neap.current()
    assert.is_false(neap.spawn(function()
      return (pcall(main.join, main))
    end):join())
  end)

  it("of a cycle that time ends is fine", function()
    local first, second
    first = neap.spawn(function()
      return select(3, second:join(0.001))
    end)
    second = neap.spawn(function()
      return first:join()
    end)
    assert.equal("ETIMEDOUT", second:join())
  end)

  it("is not for strangers", function()
    local join = neap.current().join
    for name, value in support.badvalues() do
      local ok, message = pcall(join, value)
      assert.is_false(ok, name)
      assert.matches("neap.task expected", message)
    end
  end)
end)

describe("a task", function()
  it("says what it is and does", function()
    local gate = new_gate()
    local task = neap.spawn({ name = "gatekeeper" }, gate.wait)
    assert.equal("ready", task:status())
    assert.matches("^task %d+ gatekeeper %(ready%)$", tostring(task))
    settle()
    assert.equal("waiting", task:status())
    local stats = task:stats()
    assert.equal("await", stats.waiting_for)
    assert(stats.frames > 0 and stats.switches >= 1)
    assert(stats.age >= stats.since and stats.since >= 0)
    assert.matches("stack traceback:.*in function <", task:traceback())
    gate.open()
    task:join()
    assert.equal("done", task:status())
    assert.is_nil(task:traceback())
    assert(task:stats().switches >= 2)
    assert.equal("integer", math.type(task.id))
    assert.is_nil(task.no_such_thing)
    assert.is_nil(task[1])
    assert.equal("neap.task", getmetatable(task).__name)
  end)

  it("is current and running in itself, and equal to its handle", function()
    local task
    task = neap.spawn(function()
      assert.equal("running", neap.current():status())
      return neap.current() == task, neap.current().id
    end)
    local same, id = task:join()
    assert.is_true(same)
    assert.equal(task.id, id)
    assert.is_nil(task.name)
  end)

  it("has an id that no other task has", function()
    local seen = {}
    for _ = 1, 100 do
      local task = neap.spawn(function() end)
      assert.is_nil(seen[task.id])
      seen[task.id] = true
      task:join()
    end
  end)

  it("has a Lua thread of its own, which may yield", function()
    local main_thread, is_main = coroutine.running()
    local thread, task_is_main, yieldable = neap.spawn(function()
      local running, main = coroutine.running()
      return running, main, coroutine.isyieldable()
    end):join()
    assert.equal("thread", type(thread))
    assert.are_not.equal(main_thread, thread)
    assert.is_false(task_is_main)
    assert.is_true(yieldable)
    assert.equal(not is_main, coroutine.isyieldable())
  end)

  it("keeps its thread over waits, and coroutines in it keep theirs", function()
    local gate = new_gate()
    local task = neap.spawn(function()
      local before = coroutine.running()
      gate.wait()
      assert.equal(before, coroutine.running())
      return coroutine.wrap(function()
        local inner = coroutine.running()
        gate.wait()
        assert.equal(inner, coroutine.running())
        assert.are_not.equal(before, inner)
        return "kept"
      end)()
    end)
    settle()
    gate.open()
    settle()
    gate.open()
    assert.equal("kept", task:join())
  end)

  it("yields to the others by coroutine.yield, which gives nothing back", function()
    local others = 0
    local task = neap.spawn(function()
      local before = others
      while others == before do
        assert.equal(0, select("#", coroutine.yield(1, 2, 3)))
      end
      return "went on"
    end)
    local other = neap.spawn(function()
      while task:status() ~= "done" do
        others = others + 1
        neap.yield()
      end
    end)
    assert.equal("went on", task:join())
    other:join()
  end)

  it("lives on when nobody refers to it or its function", function() -- fault 10
    local gate = new_gate()
    local result
    local watch = setmetatable({}, { __mode = "v" })
    do
      local function run()
        local kept = { "kept" }
        gate.wait()
        result = kept[1]
      end
      watch[1] = run
      neap.spawn(run)
    end
    settle()
    for _ = 1, 3 do
      collectgarbage()
    end
    assert.is_function(watch[1])
    gate.open()
    settle()
    assert.equal("kept", result)
    -- The function that ran last may still lie in the work stack's garbage.
    neap.spawn(function() end):join()
    collectgarbage()
    collectgarbage()
    assert.is_nil(watch[1])
  end)

  it("that waits is not resumed by a stranger", function() -- fault 12
    local gate = new_gate()
    local thread
    local task = neap.spawn(function()
      thread = coroutine.running()
      return gate.wait()
    end)
    settle()
    assert.same({ false, "cannot resume non-suspended coroutine" }, { coroutine.resume(thread, 1) })
    assert.has_error(function()
      coroutine.wrap(function()
        assert(coroutine.resume(thread))
      end)()
    end)
    assert.equal("waiting", task:status())
    gate.open("alive")
    assert.equal("alive", task:join())
    assert.equal("dead", coroutine.status(thread))
    assert.is_false((coroutine.resume(thread)))
  end)

  it("that waits is not closed by a stranger", function() -- fault 13
    local gate = new_gate()
    local thread
    local task = neap.spawn(function()
      thread = coroutine.running()
      return gate.wait()
    end)
    settle()
    assert.has_error(function()
      coroutine.close(thread)
    end, "cannot close a normal coroutine")
    gate.open("alive")
    assert.equal("alive", task:join())
  end)

  it("that has yielded may be resumed by a stranger, and runs once all the same", function()
    local thread, touched
    local runs = 0
    local task = neap.spawn(function()
      thread = coroutine.running()
      repeat
        coroutine.yield("to whom it may concern")
      until touched
      runs = runs + 1
      neap.yield()
      neap.sleep(0.002)
      runs = runs + 1
      return "ended"
    end)
    local stranger = neap.spawn(function()
      while not thread do
        neap.yield()
      end
      touched = true
      return coroutine.resume(thread)
    end)
    assert.same({ true, "ended" }, { stranger:join() })
    -- Its result went to the stranger.
    assert.equal(0, select("#", task:join()))
    assert.equal(2, runs)
    assert.equal("done", task:status())
  end)

  it("that fails in a stranger's resume has failed", function()
    local thread, touched
    local task = neap.spawn({ quiet = true }, function()
      thread = coroutine.running()
      repeat
        coroutine.yield()
      until touched
      neap.yield()
      error("oops", 0)
    end)
    local stranger = neap.spawn(function()
      while not thread do
        neap.yield()
      end
      touched = true
      return coroutine.resume(thread)
    end)
    assert.same({ false, "oops" }, { stranger:join() })
    assert.same({ false, "failed in a resume from outside" }, { task:wait() })
  end)

  it("that a stranger closes in its yield has ended", function()
    local thread, touched
    local closed = false
    local task = neap.spawn(function()
      local guard <close> = setmetatable({}, {
        __close = function()
          neap.yield()
          neap.sleep(0.002)
          closed = true
        end,
      })
      thread = coroutine.running()
      repeat
        coroutine.yield(guard)
      until touched
      return "went on"
    end)
    local stranger = neap.spawn(function()
      while not thread do
        neap.yield()
      end
      touched = true
      return coroutine.close(thread)
    end)
    assert.is_true(stranger:join())
    assert.is_true(closed)
    assert.equal(0, select("#", task:join()))
  end)

  -- How deep `descend(level)` gets before Lua's own limit of C levels, which
  -- must come first: before the end of the task's stack.
  local descents = {
    pcall = function(note)
      local function down(n)
        note(n)
        local ok, err = pcall(down, n + 1)
        assert(ok, err)
      end
      down(1)
    end,
    gsub = function(note)
      local function down(n)
        note(n)
        return (("x"):gsub("x", function()
          return down(n + 1)
        end))
      end
      down(1)
    end,
    sort = function(note)
      local function down(n)
        note(n)
        table.sort({ 2, 1 }, function(a, b)
          down(n + 1)
          return a < b
        end)
      end
      down(1)
    end,
    metamethod = function(note)
      local object
      local n = 0
      object = setmetatable({}, {
        __index = function(o, key)
          n = n + 1
          note(n)
          return o[key + 1]
        end,
      })
      return object[1]
    end,
    tostring = function(note)
      local n = 0
      local meta = {}
      meta.__tostring = function()
        n = n + 1
        note(n)
        return ("%s"):format(setmetatable({}, meta))
      end
      tostring(setmetatable({}, meta))
    end,
    coroutine = function(note)
      local function down(n)
        note(n)
        coroutine.wrap(down)(n + 1)
      end
      down(1)
    end,
  }

  for name, descend in pairs(descents) do
    it("gets a Lua error at Lua's own depth: " .. name, function() -- fault 6
      local function measure(wait_at)
        local deepest = 0
        local ok, err = pcall(descend, function(n)
          deepest = n
          if n == wait_at then
            neap.yield()
          end
        end)
        assert.is_false(ok)
        assert.matches("C stack overflow", tostring(err))
        return deepest
      end
      local stock = coroutine.wrap(measure)(0)
      for _, stack in ipairs({ "shared", "private" }) do
        local alone = neap.spawn({ stack = stack }, measure, 0):join()
        assert(alone >= stock, ("%d levels, %d in a coroutine of main"):format(alone, stock))
        assert(alone <= 200)
        -- The same with the whole of that stack moved away and back.
        assert.equal(alone, neap.spawn({ stack = stack }, measure, alone - 2):join())
      end
      assert.equal(1, neap.spawn(math.abs, -1):join())
    end)
  end

  it("gets a Lua error from endless recursion in Lua", function() -- fault 6
    local function down()
      return 1 + down()
    end
    local ok, message = neap.spawn({ quiet = true }, down):wait()
    assert.is_false(ok)
    assert.matches("stack overflow", message)
  end)
end)

describe("memory that runs out", function()
  -- fail(1, true): Lua's own allocations fail from here on; fail(0): no more.
  -- Called right where it is needed: a call in between would need memory.
  local fail = neap._fail_lua_alloc

  it("in a task is that task's failure, and memory comes back", function() -- fault 7
    collectgarbage()
    local before = collectgarbage("count")
    local ok, err = neap.spawn(function()
      local task = neap.spawn({ quiet = true }, function()
        local hoard = {}
        neap.yield()
        fail(1, true)
        for i = 1, 1e6 do
          hoard[i] = { i }
        end
        return hoard
      end)
      local ok, err = task:wait()
      fail(0)
      return ok, err
    end):join()
    assert.is_false(ok)
    assert.equal("not enough memory", err)
    collectgarbage()
    collectgarbage()
    assert(collectgarbage("count") < before + 200)
  end)

  it("while results are handed over is the joiner's error", function() -- fault 8
    -- Several results take a table; the waiter gets an error, not silence.
    for n = 0, 5 do
      local task = neap.spawn({ quiet = true }, function()
        local unpack = table.unpack
        local values = { 1, 2, 3, 4, 5 }
        fail(1, true)
        return unpack(values, 1, n)
      end)
      local ok, err = task:wait()
      fail(0)
      if not ok then
        assert.equal("not enough memory", err)
      end
      assert.equal(ok and "done" or "failed", task:status())
      assert.equal(n < 2, ok)
      assert.same(ok, (task:wait()))
    end
  end)

  local function script()
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = neap.spawn({ name = "t" .. i, quiet = true }, function(...)
        neap.yield()
        local list = { 3, 1, 2 }
        table.sort(list, function(a, b)
          neap.yield()
          return a < b
        end)
        neap.sleep(1e-6)
        return table.concat(list), ...
      end, i, nil)
    end
    local answer = neap.await(function(done)
      neap.spawn({ quiet = true }, done, "answer")
    end)
    neap.dump({ write = function() end })
    local text = {}
    for i = 1, 3 do
      text[i] = tasks[i]:join()
    end
    return answer .. table.concat(text) .. tostring(tasks[1]) .. #neap.tasks()
  end

  -- What a script has left running when it could not go on.
  local function drain()
    for _ = 1, 1000 do
      if #neap.tasks() == 1 then
        return
      end
      neap.yield()
      neap.sleep(1e-6)
    end
    error("tasks are left")
  end

  it("in any allocation of Lua's is success or an error", function() -- fault 9
    -- In a task: main's await would wait for a waker that could not be spawned.
    local runs = faults.lua_alloc(function()
      return script()
    end, { after = drain, step = support.count(3, 1) })
    assert(runs > 10)
  end)

  it("in any allocation of the runtime's is success or an error", function() -- fault 2
    local runs = faults.alloc(function()
      return script()
    end, { after = drain })
    assert(runs > 10)
  end)

  -- A checksum over a stack of some depth with a wait at its bottom.
  local function dive(depth, seed)
    if depth == 0 then
      neap.yield()
      return seed
    end
    local result
    table.sort({ 2, 1 }, function(a, b)
      result = result or dive(depth - 1, seed * 31 % 65521 + depth)
      return a < b
    end)
    return result
  end

  local function dry_dive(depth, seed)
    for d = depth, 1, -1 do
      seed = seed * 31 % 65521 + d
    end
    return seed
  end

  it("while frames are saved harms no other task's frames", function() -- fault 2
    -- More tasks than slots, so that frames must move; each dives some depth.
    local count = 80
    local wrong
    local runs = faults.alloc(function()
      local tasks = {}
      for i = 1, count do
        tasks[i] = neap.spawn({ quiet = true }, function()
          for round = 1, 3 do
            local depth = (i + round) % 7
            if dive(depth, i) ~= dry_dive(depth, i) then
              wrong = i
            end
          end
        end)
      end
      local failure
      for i = 1, count do
        local ok, err = tasks[i]:wait()
        if not ok then
          failure = err
        end
      end
      assert(not failure, failure)
    end, {
      after = function()
        drain()
        assert.is_nil(wrong)
      end,
      step = support.count(29, 1),
    })
    assert(runs > 3)
  end)
end)

describe("a wait", function()
  it("in a finalizer is a clear error, and the collector goes on", function() -- fault 23
    local results = {}
    local function garbage(wait)
      setmetatable({}, {
        __gc = function()
          results[#results + 1] = select(2, pcall(wait))
        end,
      })
    end
    local task = neap.spawn(function() end)
    local waits = {
      function() neap.sleep(0) end,
      function() neap.yield() end,
      function() neap.await(function() end) end,
      function() task:join() end,
      function() task:wait(0) end,
      function() neap.run() end,
      function() neap.every(1)() end,
      function() coroutine.wrap(neap.yield)() end,
    }
    for _, wait in ipairs(waits) do
      garbage(wait)
    end
    local function collect()
      collectgarbage()
      collectgarbage()
    end
    collect()
    assert.equal(#waits, #results)
    for _, message in ipairs(results) do
      assert.matches("cannot wait in a finalizer", tostring(message))
    end
    results = {}
    garbage(neap.yield) -- on the task's own thread, and in a coroutine there
    garbage(function() coroutine.wrap(neap.yield)() end)
    neap.spawn(collect):join()
    assert.equal(2, #results)
    for _, message in ipairs(results) do
      assert.matches("cannot wait in a finalizer", tostring(message))
    end
    task:join()
  end)

  it("in a finalizer is refused, a spawn is not", function()
    local ran = false
    setmetatable({}, {
      __gc = function()
        neap.spawn(function()
          neap.yield()
          ran = true
        end)
      end,
    })
    collectgarbage()
    collectgarbage()
    neap.run()
    assert.is_true(ran)
  end)
end)

describe("other processes", function()
  it("are started from tasks while the thread pool is busy", function() -- fault 17
    local dir <close> = support.tempdir()
    local fs = require("neap.fs")
    local data = ("x"):rep(support.variant == "hostile" and 3000 or 100000)
    local writers = {}
    for i = 1, 20 do
      writers[i] = neap.spawn(function()
        for round = 1, 5 do
          assert(fs.writefile(dir .. "/" .. i, data .. round))
        end
        return fs.readfile(dir .. "/" .. i)
      end)
    end
    for _ = 1, 5 do
      neap.yield()
      assert.equal("child\n", support.sh("echo child"))
      assert.is_true((os.execute("exit 0")))
    end
    for i = 1, 20 do
      assert.equal(data .. 5, writers[i]:join())
    end
  end)
end)
