-- neap.mutex, semaphore, event and condition: first come, first served, and
-- whoever is called off has got nothing.
local neap = require("neap")
local faults = require("spec.support.faults")
local seeds = require("spec.support.seeds")
local support = require("spec.support")

local once <const> = it -- what is long, or in a process of its own
local it = seeds.wrap(it)

local settle = support.settle

local function start(fn, ...)
  local task = neap.spawn({ quiet = true }, fn, ...)
  settle()
  return task
end

local function refused(pattern, fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok)
  assert.matches(pattern, tostring(message))
end

describe("a mutex", function()
  it("is one task's at a time, in the order in which they came", function()
    local mutex = neap.mutex()
    local order, inside = {}, 0
    mutex:lock()
    local tasks = {}
    for i = 1, 5 do
      tasks[i] = start(function()
        local _ <close> = mutex:lock()
        inside = inside + 1
        assert.equal(1, inside)
        order[#order + 1] = i
        neap.yield()
        inside = inside - 1
      end)
    end
    assert.is_true(mutex:unlock())
    for i = 1, 5 do
      tasks[i]:join()
    end
    assert.same({ 1, 2, 3, 4, 5 }, order)
    assert.equal("mutex (not locked)", tostring(mutex))
  end)

  it("is handed over: nobody gets in between", function()
    local mutex = neap.mutex()
    mutex:lock()
    local waiter = start(function()
      mutex:lock()
      neap.yield()
      mutex:unlock()
    end)
    mutex:unlock()
    assert.equal("EAGAIN", select(3, mutex:try_lock())) -- the waiter has not run yet
    waiter:join()
    assert.equal(mutex, mutex:try_lock())
    mutex:unlock()
  end)

  it("is its own guard, which unlocks whatever ends the block", function()
    local mutex = neap.mutex()
    assert.is_false(pcall(function()
      local guard <close> = mutex:lock()
      assert.equal(guard, mutex)
      error("out")
    end))
    local task = start(function()
      local _ <close> = mutex:lock()
      neap.sleep(math.huge)
    end)
    refused("mutex is locked by task %d+, not by this one", mutex.unlock, mutex)
    task:cancel()
    assert.is_false(task:wait())
    assert.equal("mutex (not locked)", tostring(mutex))
    do
      local _ <close> = mutex:lock()
      mutex:unlock() -- early: the guard has nothing to do then
    end
    refused("mutex is not locked", mutex.unlock, mutex)
  end)

  it("says who has it", function()
    local mutex = neap.mutex()
    local task = neap.spawn({ name = "owner" }, function()
      local _ <close> = mutex:lock()
      neap.sleep(math.huge)
    end)
    settle()
    local owner = ("task %d owner"):format(task.id)
    assert.equal(("mutex (locked by %s)"):format(owner), tostring(mutex))
    refused("locked by " .. owner .. ", not by this one", mutex.unlock, mutex)
    assert.same({ nil, "mutex is locked by " .. owner, "EAGAIN", n = 3 },
      table.pack(mutex:try_lock()))
    task:cancel()
    task:wait()
  end)

  it("locked twice by one task is an error that says so", function()
    local mutex = neap.mutex()
    mutex:lock()
    refused("mutex is locked by this task already", mutex.lock, mutex)
    refused("mutex is locked by this task already", mutex.lock, mutex, 0)
    refused("mutex is locked by this task already", mutex.try_lock, mutex)
    coroutine.wrap(function() -- a coroutine is part of its task
      refused("mutex is locked by this task already", mutex.lock, mutex)
      mutex:unlock()
    end)()
    assert.equal("mutex (not locked)", tostring(mutex))
  end)

  it("gives up after a timeout, and has not taken the lock", function()
    local mutex = neap.mutex()
    mutex:lock()
    local results = start(function()
      return table.pack(mutex:lock(0)), table.pack(mutex:lock(0.001))
    end)
    local first, second = results:join()
    assert.same({ nil, "timed out after 0 s", "ETIMEDOUT", n = 3 }, first)
    assert.same({ nil, "timed out after 0.001 s", "ETIMEDOUT", n = 3 }, second)
    mutex:unlock()
    assert.equal("mutex (not locked)", tostring(mutex))
  end)

  it("passes on when the waiter that has it is cancelled in that turn", function() -- fault 25
    local mutex = neap.mutex()
    mutex:lock()
    local function hold()
      local _ <close> = mutex:lock()
      neap.yield()
      return "had it"
    end
    local first, second = start(hold), start(hold)
    mutex:unlock()
    first:cancel() -- it is granted, but first has not run yet
    assert.is_false(first:wait()) -- by the yield: the lock was returned, and unlocked
    assert.equal("had it", second:join())
    assert.equal("mutex (not locked)", tostring(mutex))
  end)

  it("leaves a cancelled waiter out", function()
    local mutex = neap.mutex()
    mutex:lock()
    local function hold()
      local _ <close> = mutex:lock()
      return "had it"
    end
    local first, second = start(hold), start(hold)
    first:cancel()
    assert.is_false(first:wait())
    mutex:unlock()
    assert.equal("had it", second:join())
  end)

  it("whose owner has ended tells everybody, for ever", function()
    local mutex = neap.mutex()
    local owner = neap.spawn({ name = "lost" }, function()
      mutex:lock()
      neap.sleep(0.001)
    end)
    settle()
    local waiters = { start(mutex.lock, mutex), start(mutex.lock, mutex, 10) }
    owner:join()
    local text = ("mutex is locked for ever: task %d lost ended without unlocking it")
      :format(owner.id)
    for _, waiter in ipairs(waiters) do
      local ok, message = waiter:wait()
      assert.is_false(ok)
      assert.equal(text, message)
    end
    refused(text, mutex.lock, mutex)
    refused(text, mutex.try_lock, mutex)
    refused("not by this one", mutex.unlock, mutex)
  end)

  it("that is lost while it is locked is collected", function()
    local task = start(function()
      neap.mutex():lock()
      neap.sleep(0.001)
    end)
    collectgarbage()
    collectgarbage()
    assert.is_true(task:wait())
  end)
end)

describe("a semaphore", function()
  it("lets so many in, the others in the order in which they came", function()
    local semaphore = neap.semaphore(2)
    local inside, most, order = 0, 0, {}
    local tasks = {}
    for i = 1, 6 do
      tasks[i] = start(function()
        local _ <close> = semaphore:acquire()
        inside = inside + 1
        most = math.max(most, inside)
        order[#order + 1] = i
        neap.sleep(0.001)
        inside = inside - 1
      end)
    end
    for i = 1, 6 do
      tasks[i]:join()
    end
    assert.equal(2, most)
    if seeds.ordered() then -- else the two that come in together run in any order
      assert.same({ 1, 2, 3, 4, 5, 6 }, order)
    end
    assert.equal("semaphore (2 of 2)", tostring(semaphore))
  end)

  it("is given back once by a permit, by hand or at the block's end", function()
    local semaphore = neap.semaphore(1)
    do
      local permit <close> = semaphore:acquire()
      assert.equal("permit (held)", tostring(permit))
      assert.is_true(permit:release())
      assert.is_true(permit:release())
      assert.equal("permit (released)", tostring(permit))
      assert.equal("semaphore (1 of 1)", tostring(semaphore))
    end
    assert.equal("semaphore (1 of 1)", tostring(semaphore))
    assert(semaphore:try_acquire())
    assert.same({ nil, "semaphore is used up", "EAGAIN", n = 3 },
      table.pack(semaphore:try_acquire()))
    assert.is_true(semaphore:release())
    refused("released more often than acquired", semaphore.release, semaphore)
  end)

  it("loses no unit to a cancel or a timeout", function() -- fault 25
    local semaphore = neap.semaphore(1)
    local permit = semaphore:acquire()
    assert.same({ nil, "timed out after 0 s", "ETIMEDOUT", n = 3 },
      table.pack(semaphore:acquire(0)))
    assert.equal("ETIMEDOUT", select(3, semaphore:acquire(0.001)))
    local function hold()
      local _ <close> = semaphore:acquire()
      neap.yield()
    end
    local first, second, third = start(hold), start(hold), start(hold)
    second:cancel()
    permit:release()
    first:cancel() -- it has the unit, but has not run yet
    assert.is_false(first:wait())
    assert.is_false(second:wait())
    assert.is_true(third:wait())
    assert.equal("semaphore (1 of 1)", tostring(semaphore))
  end)

  it("has at least one unit", function()
    refused("at least one unit expected", neap.semaphore, 0)
    refused("at least one unit expected", neap.semaphore, -1)
    refused("no integer representation", neap.semaphore, 1.5)
    refused("number expected, got no value", neap.semaphore)
  end)
end)

describe("an event", function()
  it("lets all go on that wait when it is set, and all who come later", function()
    local event = neap.event()
    assert.is_false(event:is_set())
    assert.equal("event (not set)", tostring(event))
    local waiters = { start(event.wait, event), start(event.wait, event) }
    event:set()
    event:set()
    assert.is_true(event:is_set())
    assert.equal("event (set)", tostring(event))
    assert.is_true(waiters[1]:join())
    assert.is_true(waiters[2]:join())
    assert.is_true(event:wait())
    event:clear()
    assert.same({ nil, "timed out after 0 s", "ETIMEDOUT", n = 3 }, table.pack(event:wait(0)))
    assert.equal("ETIMEDOUT", select(3, event:wait(0.001)))
  end)

  it("that is cleared at once has let go on who was waiting", function()
    local event = neap.event()
    local waiter = start(event.wait, event)
    event:set()
    event:clear()
    waiter:cancel() -- its wait is over
    assert.is_true(waiter:join())
  end)
end)

describe("a condition", function()
  it("wakes the first, some or all of those who wait", function()
    local condition = neap.condition()
    local woken = {}
    for i = 1, 6 do
      start(function()
        assert.is_true(condition:wait())
        woken[#woken + 1] = i
      end)
    end
    assert.equal(1, condition:notify())
    settle()
    assert.same({ 1 }, woken)
    assert.equal(2, condition:notify(2))
    settle()
    table.sort(woken)
    assert.same({ 1, 2, 3 }, woken)
    assert.equal(0, condition:notify(0))
    assert.equal(3, condition:notify_all())
    settle()
    assert.equal(6, #woken)
    assert.equal(0, condition:notify())
    refused("negative number", condition.notify, condition, -1)
  end)

  it("lets its mutex go meanwhile and has it again afterwards", function()
    local mutex = neap.mutex()
    local condition = neap.condition(mutex)
    local queue, got = {}, {}
    local consumer = start(function()
      local _ <close> = mutex:lock()
      while #got < 3 do
        while #queue == 0 do
          condition:wait()
        end
        got[#got + 1] = table.remove(queue, 1)
      end
    end)
    for i = 1, 3 do
      local _ <close> = mutex:lock()
      queue[#queue + 1] = i
      condition:notify()
      neap.yield()
    end
    consumer:join()
    assert.same({ 1, 2, 3 }, got)
  end)

  it("has its mutex again after a timeout and a cancellation", function()
    local mutex = neap.mutex()
    local condition = neap.condition(mutex)
    mutex:lock()
    assert.same({ nil, "timed out after 0.001 s", "ETIMEDOUT", n = 3 },
      table.pack(condition:wait(0.001)))
    assert.equal("ETIMEDOUT", select(3, condition:wait(0)))
    assert.matches("locked by task", tostring(mutex))
    mutex:unlock()

    local ended
    local waiter = start(function()
      local _ <close> = mutex:lock()
      local ok, err = pcall(condition.wait, condition)
      ended = not ok and neap.is_cancelled(err) and tostring(mutex)
    end)
    mutex:lock()
    waiter:cancel()
    settle()
    assert.is_nil(ended) -- it waits for the mutex, come what may
    mutex:unlock()
    waiter:wait()
    assert.equal(("mutex (locked by task %d)"):format(waiter.id), ended)
    assert.equal("mutex (not locked)", tostring(mutex))
  end)

  it("whose waiter is notified and cancelled in one turn was notified", function()
    local condition = neap.condition()
    local waiter = start(condition.wait, condition)
    condition:notify()
    waiter:cancel()
    assert.is_true(waiter:join())
  end)

  it("wants its mutex locked by who waits", function()
    local mutex = neap.mutex()
    local condition = neap.condition(mutex)
    refused("condition's mutex is not locked by this task", condition.wait, condition)
    refused("neap.mutex expected, got table", neap.condition, {})
    local owner = start(function()
      mutex:lock()
      neap.sleep(0.001)
    end)
    refused("condition's mutex is not locked by this task", condition.wait, condition)
    owner:wait()
  end)

  it("whose mutex is left locked by a task that ended says so", function()
    local mutex = neap.mutex()
    local condition = neap.condition(mutex)
    local waiter = start(function()
      mutex:lock()
      condition:wait()
    end)
    start(function()
      mutex:lock()
      condition:notify()
      neap.yield()
    end):wait()
    local ok, message = waiter:wait()
    assert.is_false(ok)
    assert.matches("mutex is locked for ever", message)
  end)

  once("is a deadlock when nobody can unlock its mutex any more", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local mutex = neap.mutex()
      local condition = neap.condition(mutex)
      mutex:lock()
      neap.spawn(function()
        mutex:lock()
        condition:notify()
        neap.condition():wait()
      end)
      print(pcall(condition.wait, condition))
    ]])
    assert.equal(0, status, output)
    assert.matches("^false\t.*deadlock", output)
  end)
end)

describe("locks", function()
  once("survive failing allocations", function()
    if not neap._fail_alloc then
      return
    end
    local function body()
      local mutex, semaphore, event = neap.mutex(), neap.semaphore(1), neap.event()
      local condition = neap.condition(mutex)
      local inside = 0
      neap.scope(function(scope)
        for _ = 1, 3 do
          scope:spawn(function()
            event:wait()
            local _ <close> = semaphore:acquire()
            local _ <close> = mutex:lock()
            inside = inside + 1
            condition:notify_all()
          end)
        end
        event:set()
        local _ <close> = mutex:lock()
        while inside < 3 do
          condition:wait()
        end
      end)
      assert.equal(3, inside)
      assert.equal("semaphore (1 of 1)", tostring(semaphore))
      assert.equal("mutex (not locked)", tostring(mutex))
    end
    assert(faults.alloc(body) > 0)
    assert(faults.lua_alloc(body) > 0)
  end)

  once("end with the state, held and waited for", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local mutex, semaphore = neap.mutex(), neap.semaphore(1)
      local event, condition = neap.event(), neap.condition(mutex)
      semaphore:acquire()
      for i = 1, 3 do
        neap.spawn(function()
          local _ <close> = setmetatable({}, { __close = function()
            local inner <close> = neap.mutex():try_lock()
            print("unwound", i)
          end })
          mutex:lock()
          condition:wait()
        end)
        neap.spawn(event.wait, event)
        neap.spawn(semaphore.acquire, semaphore)
      end
      neap.sleep(0.001)
      mutex:lock()
      neap.spawn(mutex.lock, mutex)
      neap.sleep(0.001)
      print("end")
    ]])
    assert.equal(0, status, output)
    assert.equal(3, select(2, output:gsub("unwound", "")))
  end)
end)
