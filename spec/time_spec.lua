-- Time: sleep, sleep_until, every, after; and await, by which other clocks and
-- callbacks reach tasks. Nothing here says how late a wait may be.
local neap = require("neap")
local support = require("spec.support")

local settle = support.settle

describe("neap.now and neap.hrtime", function()
  it("are one monotonic clock in seconds and integer nanoseconds", function()
    local before = neap.hrtime()
    local now = neap.now()
    local after = neap.hrtime()
    assert.equal("integer", math.type(before))
    assert.equal("float", math.type(now))
    assert(before / 1e9 <= now + 1e-6 and now <= after / 1e9 + 1e-6)
    assert(neap.hrtime() >= after)
  end)
end)

describe("neap.sleep", function()
  it("never ends early", function()
    local tasks = {}
    for i = 1, support.count(200, 5000) do
      tasks[i] = neap.spawn(function()
        local seconds = (i * 37 % 100) * 1e-4 + i * 1e-7
        local before = neap.hrtime()
        neap.sleep(seconds)
        local slept = (neap.hrtime() - before) / 1e9
        assert(slept >= seconds, ("slept %.9f s of %.9f"):format(slept, seconds))
      end)
    end
    for _, task in ipairs(tasks) do
      task:join()
    end
  end)

  it("never ends early after a turn that took long", function()
    local function busy(seconds)
      local due = neap.now() + seconds
      while neap.now() < due do -- hold the loop
      end
    end
    for _ = 1, 5 do
      busy(0.01)
      local before = neap.now()
      neap.sleep(0.005)
      assert(neap.now() - before >= 0.005)
    end
  end)

  it("of nothing, of less and of minus infinity is a yield", function()
    for _, seconds in ipairs({ 0, -0.0, -1, -math.huge, math.mininteger, -1e300 }) do
      local ran = 0
      local done = false
      local other = neap.spawn(function()
        while not done do
          ran = ran + 1
          neap.yield()
        end
      end)
      neap.yield() -- it is ready from now on
      local before = ran
      while ran == before do
        neap.sleep(seconds)
      end
      done = true
      other:join()
    end
  end)

  it("lets the loop's timers come even if main only yields", function()
    local task = neap.spawn(neap.sleep, 0.001)
    while task:status() ~= "done" do
      neap.sleep(0)
    end
  end)

  -- The hostile build shuffles those that become ready in one turn.
  local in_order = support.variant ~= "hostile" and it or pending
  in_order("wakes those that are due in the order of their times", function()
    local order = {}
    local due = neap.now() + 0.02
    for _, i in ipairs({ 3, 1, 4, 2 }) do
      neap.spawn(function()
        neap.sleep_until(due + i * 0.003)
        order[#order + 1] = i
      end)
    end
    neap.run()
    assert.same({ 1, 2, 3, 4 }, order)
  end)

  it("refuses what is not a number of seconds", function()
    for _, value in ipairs({ "x", {}, true, print, coroutine.create(print), io.stderr }) do
      local ok, message = pcall(neap.sleep, value)
      assert.is_false(ok)
      assert.matches("bad argument #1 to '[%w.]*sleep' %(number expected, got ", message)
    end
    assert.error_matches(neap.sleep,
      "bad argument #1 to '[%w.]*sleep' %(number expected, got no value%)")
    assert.error_matches(function()
      neap.sleep(0 / 0)
    end, "number of seconds expected, got nan")
  end)

  it("for ever ends when the runtime does", function()
    for _, seconds in ipairs({ "math.huge", "1e300", "math.maxinteger" }) do
      local output, status = support.lua([[
        local neap = require("neap")
        local task = neap.spawn(function()
          local guard <close> = setmetatable({}, { __close = function(_, err) print(err) end })
          neap.sleep(]] .. seconds .. [[)
        end)
        neap.yield() neap.yield() neap.sleep(0.001)
        print(task:status())
      ]])
      assert.matches("^waiting\n.*runtime is closing", output)
      assert.equal(0, status)
    end
  end)
end)

describe("neap.sleep_until", function()
  it("waits until then, and not at all for the past", function()
    local due = neap.now() + 0.005
    neap.sleep_until(due)
    assert(neap.now() >= due)
    neap.sleep_until(0)
    neap.sleep_until(-1)
    neap.sleep_until(due)
    assert.has_error(neap.sleep_until)
    assert.has_error(function()
      neap.sleep_until(0 / 0)
    end)
  end)
end)

describe("neap.every", function()
  it("ticks after each period, never early, without drift", function()
    local start = neap.now()
    local ticks, count = 0, 0
    for n in neap.every(0.002) do
      assert(n >= 1)
      count = count + n
      ticks = ticks + 1
      assert(neap.now() - start >= count * 0.002)
      if ticks == 5 then
        break
      end
    end
    -- No drift: so many periods have begun since the start, not fewer.
    assert(count >= 5)
  end)

  it("counts the ticks that a slow loop has missed", function()
    local start = neap.now()
    local total = 0
    for n in neap.every(0.001) do
      total = total + n
      if total > 10 then
        assert(n > 1 or total == 11)
        break
      end
      neap.sleep(0.005)
      if total == 1 then
        assert(n == 1 or neap.now() - start >= 0.002)
      end
    end
    assert((neap.now() - start) >= total * 0.001)
    assert(total >= 6, "5 ms of sleep per tick: the second tick counts 5 or more")
  end)

  it("refuses a period that is none", function()
    for _, value in ipairs({ 0, -1, 0 / 0, -math.huge, "x", {}, false }) do
      assert.is_false((pcall(neap.every, value)), tostring(value))
    end
    assert.has_error(neap.every)
    assert.is_function(neap.every(math.huge))
    assert.is_function(neap.every(1e300))
  end)
end)

describe("neap.after", function()
  it("calls a function in a task of its own, not before its time", function()
    local start = neap.now()
    local seen
    neap.after(0.005, function(...)
      seen = { neap.now() - start, neap.current().name, ... }
    end, "a", nil, "b")
    assert.is_nil(seen)
    neap.run()
    assert(seen[1] >= 0.005)
    assert.equal("timer", seen[2])
    assert.same({ "a", nil, "b" }, table.move(seen, 3, 5, 1, {}))
  end)

  it("does not call it when it is closed before", function()
    local called = false
    local timer = neap.after(30, function()
      called = true
    end)
    assert.equal("timer (set)", tostring(timer))
    settle()
    assert.is_true(timer:close())
    assert.is_true(timer:close())
    assert.equal("timer (closed)", tostring(timer))
    neap.run()
    assert.is_false(called)
    do
      local scoped <close> = neap.after(30, function()
        called = true
      end)
      assert.equal("neap.timer", getmetatable(scoped).__name)
    end
    neap.run()
    assert.is_false(called)
  end)

  it("can be closed before its task has run, and after its call", function()
    local calls = 0
    local timer = neap.after(0, function()
      calls = calls + 1
    end)
    timer:close()
    neap.run()
    assert.equal(0, calls)
    timer = neap.after(0, function()
      calls = calls + 1
    end)
    neap.run()
    assert.equal(1, calls)
    assert.is_true(timer:close())
  end)

  it("keeps its timer alive when nobody holds it", function()
    local called = false
    neap.after(0.002, function()
      called = true
    end)
    collectgarbage()
    collectgarbage()
    neap.run()
    assert.is_true(called)
  end)

  it("refuses bad arguments", function()
    assert.error_matches(function()
      neap.after("x", print)
    end, "bad argument #1 to '[%w.]*after'")
    assert.error_matches(function()
      neap.after(1, 2)
    end, "bad argument #2 to '[%w.]*after' %(function expected, got number%)")
    assert.error_matches(function()
      neap.after(0 / 0, print)
    end, "got nan")
    assert.has_error(neap.after)
  end)
end)

describe("neap.await", function()
  it("gives what done was called with, at once or later", function()
    assert.same({ n = 0 }, table.pack(neap.await(function(done)
      done()
    end)))
    assert.same({ 1, nil, 3, nil, n = 4 }, table.pack(neap.await(function(done)
      done(1, nil, 3, nil)
    end)))
    assert.same({ "later", n = 1 }, table.pack(neap.await(function(done)
      neap.spawn(done, "later")
    end)))
  end)

  it("calls start in the task that waits", function()
    local inside
    local task = neap.spawn(function()
      return neap.await(function(done)
        inside = neap.current()
        done()
      end)
    end)
    task:join()
    assert.equal(task, inside)
  end)

  it("takes the first call of done alone", function()
    local kept
    local first, second
    assert.equal("one", neap.await(function(done)
      kept = done
      first, second = done("one"), done("two")
    end))
    assert.is_true(first)
    assert.is_false(second)
    assert.is_false(kept("three"))
  end)

  it("goes on when start waits itself", function()
    assert.equal("slow", neap.await(function(done)
      neap.sleep(0.001)
      done("slow")
      neap.yield()
    end))
  end)

  it("raises what start raises, and done is too late then", function()
    local kept
    local err = {}
    local ok, seen = pcall(neap.await, function(done)
      kept = done
      error(err)
    end)
    assert.is_false(ok)
    assert.equal(err, seen)
    collectgarbage()
    kept("late") -- harmless
    assert.is_false((pcall(neap.await, 1)))
    assert.is_false((pcall(neap.await)))
  end)

  it("may be called from a coroutine, and done from any", function()
    local result = coroutine.wrap(function()
      return neap.await(function(done)
        neap.spawn(function()
          coroutine.wrap(done)("inner")
        end)
      end)
    end)()
    assert.equal("inner", result)
  end)

  it("says so when nothing can end it any more", function()
    local ok, message = pcall(neap.await, function() end)
    assert.is_false(ok)
    assert.matches("deadlock", message)
  end)
end)
