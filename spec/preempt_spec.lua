-- Code that does not wait gives way. Nothing here looks at a clock: a loop that
-- nobody interrupts would never end, and the test would be killed.
local neap = require("neap")
local faults = require("spec.support.faults")
local places = require("spec.support.places")
local support = require("spec.support")
local sysfault = require("spec.support.sysfault")

-- Slices that the processor's timer ends; and those of test builds, which end at
-- each n-th instruction, so that the same run is the same twice.
local ways = {
  ["the CPU's timer"] = function()
    neap.preempt(0.001)
  end,
}
if neap._preempt then
  ways["a count of instructions"] = function()
    neap._preempt("count", 50)
  end
  ways["signals in a storm"] = function()
    neap._preempt("signal", 50000)
  end
end

-- Loops until another task has run.
local turns = 0

local function spin()
  local seen = turns
  while turns == seen do -- luacheck: ignore
  end
end

-- Runs body while another task counts turns, and preemption is off afterwards.
local function with(start, body, ...)
  local over = false
  local counter = neap.spawn(function()
    while not over do
      turns = turns + 1
      neap.yield()
    end
  end)
  start()
  local result = table.pack(pcall(body, ...))
  neap.preempt(nil)
  over = true
  counter:join()
  if not result[1] then
    error(result[2], 0)
  end
  return table.unpack(result, 2, result.n)
end

for way, start in pairs(ways) do
  describe("preemption by " .. way, function()
    it("lets others run beside a task that never waits", function()
      with(start, function()
        local ended = 0
        local function body()
          spin()
          ended = ended + 1
        end
        local tasks = { neap.spawn(body), neap.spawn(body), neap.spawn(body) }
        for _, task in ipairs(tasks) do
          task:join()
        end
        assert.equal(3, ended)
      end)
    end)

    it("lets others run beside the main script", function()
      with(start, function()
        spin()
        local ended
        neap.spawn(function()
          neap.sleep(0.001)
          ended = true
        end)
        while not ended do -- luacheck: ignore
        end
      end)
    end)

    for _, place in ipairs(places) do
      -- In a hook no hook fires.
      if place.name ~= "a debug hook" then
        it("works in " .. place.name, function()
          with(start, function()
            assert.equal(place.expected, neap.spawn(place.run, spin):join())
            assert.equal(place.expected, place.run(spin))
          end)
        end)
      end
    end

    it("works in coroutines at any depth", function()
      with(start, function()
        local function nest(depth)
          if depth == 0 then
            spin()
            return "bottom"
          end
          return coroutine.wrap(function()
            local co = coroutine.create(nest)
            local ok, result = coroutine.resume(co, depth - 1)
            assert(ok, result)
            spin()
            return result
          end)()
        end
        assert.equal("bottom", neap.spawn(nest, 20):join())
        assert.equal("bottom", nest(20))
      end)
    end)

    it("ends a cancelled loop", function()
      with(start, function()
        local loops, closed
        local task = neap.spawn(function()
          local guard <close> = setmetatable({}, { __close = function()
            neap.shield(spin)
            closed = true
          end })
          coroutine.wrap(function()
            while guard do
              loops = true
            end
          end)()
        end)
        repeat
          spin()
        until loops
        assert.is_true(task:cancel("enough"))
        local ok, err = task:wait()
        assert.is_false(ok)
        assert.matches("enough", tostring(err))
        assert.equal("cancelled", task:status())
        assert.is_true(closed)
      end)
    end)

    it("ends a loop whose time is over", function()
      with(start, function()
        local ok, _, code = neap.timeout(0.001, function()
          while true do -- luacheck: ignore
          end
        end)
        assert.is_nil(ok)
        assert.equal("ETIMEDOUT", code)
      end)
    end)

    it("leaves a shield and nopreempt alone in a cancelled task", function()
      with(start, function()
        local began, done
        local task = neap.spawn(function()
          neap.shield(function()
            began = true
            for _ = 1, 3 do
              spin()
            end
            done = "shielded"
          end)
          neap.nopreempt(function()
            for i = 1, 100000 do
              done = i
            end
          end)
          spin()
          done = "not reached"
          while true do -- luacheck: ignore
          end
        end)
        repeat
          spin()
        until began
        task:cancel()
        assert.is_false(task:wait())
        -- Raised at after the one or after the other, in neither.
        assert(done == "shielded" or done == 100000, done)
      end)
    end)

    it("keeps out what runs in nopreempt", function()
      with(start, function()
        local task = neap.spawn(function()
          return neap.nopreempt(function(...)
            local seen = turns
            for _ = 1, 300000 do
              assert(turns == seen)
            end
            neap.nopreempt(function() end)
            for _ = 1, 300000 do
              assert(turns == seen)
            end
            repeat
              neap.yield() -- a wait is a wait
            until turns > seen
            return true, ...
          end, nil, "result")
        end)
        assert.same({ true, nil, "result" }, { task:join() })
        spin() -- and it is over
        local ok, err = pcall(neap.nopreempt, function()
          error({ code = 1 })
        end)
        assert.is_false(ok)
        assert.equal(1, err.code)
        spin()
      end)
    end)

    it("never stops a finalizer, nor a coroutine in one", function()
      with(start, function()
        local seen, finalized
        setmetatable({}, {
          __gc = function()
            seen = turns
            for _ = 1, 200000 do
              assert(turns == seen)
            end
            finalized = coroutine.wrap(function()
              for _ = 1, 200000 do
                assert(turns == seen)
              end
              return true
            end)()
          end,
        })
        repeat
          collectgarbage()
        until seen
        assert.is_true(finalized)
        spin()
      end)
    end)
  end)
end

describe("preemption", function()
  it("never lets one who is woken wait for more than one slice", function()
    if not neap._preempt then
      return
    end
    local over = false
    local moved = {}
    local function hog(i)
      while not over do
        moved[i] = true
      end
    end
    local worst, rounds = 0, 0
    with(ways["a count of instructions"], function()
      local hogs = {}
      for i = 1, 4 do
        hogs[i] = neap.spawn(hog, i)
      end
      local one_by_one = neap.spawn(function()
        neap.nopreempt(function()
          for round = -10, 1000 do
            neap.yield()
            if round < 0 then
              moved = {} -- their first run is like any other's
            end
            local n = 0
            for _ in pairs(moved) do
              n = n + 1
            end
            worst = math.max(worst, n)
            rounds = rounds + n
            moved = {}
          end
        end)
      end)
      one_by_one:join()
      over = true
      for _, task in ipairs(hogs) do
        task:join()
      end
    end)
    -- The hostile build lets anybody come first.
    assert(worst == 1 or support.variant == "hostile", worst)
    assert(rounds > 500, rounds)
  end)

  it("costs nothing and stops nothing when it is off", function()
    local stock = { coroutine.resume, coroutine.wrap, coroutine.close }
    neap.preempt(0.001)
    assert.are_not.equal(stock[1], coroutine.resume)
    neap.preempt(nil)
    assert.same(stock, { coroutine.resume, coroutine.wrap, coroutine.close })
    assert.is_nil(debug.gethook())
    local ran
    local task = neap.spawn(function()
      ran = true
    end)
    for _ = 1, 3000000 do
      assert(not ran)
    end
    task:join()
    neap.preempt(nil) -- again
    neap.preempt(math.huge) -- a slice that is never over
    assert.equal(stock[1], coroutine.resume)
  end)

  it("leaves functions alone that others have put in place of ours", function()
    local stock = coroutine.wrap
    neap.preempt(0.01)
    local ours = coroutine.wrap
    local theirs = function(...)
      return ours(...)
    end
    coroutine.wrap = theirs -- luacheck: ignore
    neap.preempt(nil)
    local left = coroutine.wrap
    coroutine.wrap = stock -- luacheck: ignore
    assert.equal(theirs, left)
    assert.equal(3, theirs(function() -- ours works all the same
      return 3
    end)())
  end)

  it("refuses what makes no sense", function()
    local function refused(pattern, fn, ...)
      local ok, err = pcall(fn, ...)
      assert.is_false(ok)
      assert.matches(pattern, err)
    end
    refused("#1 to 'neap.preempt' %(slice must be more than 0 seconds%)", neap.preempt, 0)
    refused("slice must be more", neap.preempt, -1)
    refused("nan", neap.preempt, 0 / 0)
    refused("number expected", neap.preempt, {})
    refused("'slow' is neither 'yield' nor 'report'", neap.preempt, 1, { mode = "slow" })
    refused("field 'mode': string expected", neap.preempt, 1, { mode = 1 })
    refused("table expected", neap.preempt, 1, "report")
    refused("function expected", neap.nopreempt, nil)
    refused("function expected", neap.nopreempt)
    support.call_badly(neap.preempt, { 0.01, { mode = "yield" } }, 2)
    neap.preempt(nil)
    support.call_badly(neap.nopreempt, { function() end, 1 }, 1, function(_, value)
      return type(value) == "function"
    end)
  end)

  it("begins, works and ends whatever allocation fails", function()
    if not neap._fail_lua_alloc then
      return
    end
    local stock = coroutine.wrap
    local options = {
      after = function()
        neap.preempt(nil)
        assert(coroutine.wrap == stock)
      end,
    }
    local function body()
      neap.preempt(0.001)
      local task = neap.spawn({ quiet = true }, function()
        return coroutine.wrap(function()
          for _ = 1, 100 do
            neap.nopreempt(math.abs, 1)
          end
          return "result"
        end)()
      end)
      assert(task:join() == "result")
      neap.preempt(nil)
    end
    assert(faults.lua_alloc(body, options) > 10)
    faults.alloc(body, options)
  end)

  it("reports in the other mode, once, and stops nobody", function()
    local output, status = support.lua([[
      local neap = require("neap")
      neap.preempt(0.001, { mode = "report" })
      local ran
      neap.spawn({ name = "busy" }, function()
        neap.spawn(function() ran = true end)
        local function deep()
          local n = 0
          for i = 1, 3e7 do n = n + i end
          assert(not ran)
        end
        coroutine.wrap(deep)()
      end):join()
      neap.preempt(nil)
      print("ran", ran)
    ]], { env = "timeout 60" })
    assert.equal(0, status)
    local _, count = output:gsub("neap: task", "")
    assert.equal(1, count, output)
    assert.matches("neap: task 2 'busy' %(spawned at [^)]*script.lua:4%) has run for 0.001 s "
      .. "without waiting\nstack traceback:\n[^\n]*script.lua:%d+: in", output)
    assert.matches("resumed in\nstack traceback:", output)
  end)

  it("counts instructions where no timer can be had", function()
    local output, status, counts = sysfault.lua("timer_create:ENOSYS", [[
      local neap = require("neap")
      local before = coroutine.create(function() while not ended do end return "before" end)
      neap.preempt(0.001)
      neap.spawn(function() neap.sleep(0.001) ended = true end)
      while not ended do end
      ended = false
      neap.spawn(function() neap.sleep(0.001) ended = true end)
      print(coroutine.resume(before))
      ended = false
      neap.spawn(function() neap.sleep(0.001) ended = true end)
      neap.spawn(function() coroutine.wrap(function() while not ended do end end)() end):join()
      local task = neap.spawn(function() while true do end end)
      neap.sleep(0.001)
      task:cancel()
      print(task:wait() == false, task:status())
      neap.preempt(nil)
      for i = 1, 1e5 do end
      print(debug.gethook())
    ]])
    assert.equal("true\tbefore\ntrue\tcancelled\nnil\n", output)
    assert.equal(0, status)
    assert.equal(1, counts.timer_create)
  end)

  it("ends runaway tasks when the state closes", function()
    local output, status = support.lua([[
      local neap = require("neap")
      neap.preempt(0.001)
      for i = 1, 3 do
        neap.spawn(function()
          local guard <close> = setmetatable({}, { __close = function(_, err) print(err) end })
          while guard do end
        end)
      end
      neap.spawn({ name = "stubborn" }, function()
        while true do pcall(function() while true do end end) end
      end)
      neap.sleep(0.001)
    ]], { env = "timeout 60" })
    assert.equal(("runtime is closing\n"):rep(3), output)
    assert.equal(0, status)
  end)

  it("lets Ctrl-C through", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local stat = io.open("/proc/self/stat")
      local pid = stat:read("n")
      stat:close()
      neap.preempt(0.001)
      neap.spawn(function()
        for n in neap.every(0.001) do turns = n end
      end)
      sender = io.popen("sleep 0.02; kill -INT " .. pid)
      while true do end
    ]], { env = "timeout 60" })
    assert.matches("interrupted!", output)
    assert.equal(1, status)
  end)
end)

describe("a hook of the script's own", function()
  -- Branches, loops, calls, coroutines, errors: the same each time.
  local function workload()
    local log = {}
    local function fib(n)
      if n < 2 then
        return n
      end
      return fib(n - 1) + fib(n - 2)
    end
    for i = 1, 12 do
      log[#log + 1] = fib(i)
      if i % 3 == 0 then
        log[#log + 1] = select(2, pcall(error, i))
      end
    end
    local words = {}
    for word in ("the quick brown fox"):gmatch("%a+") do
      words[#words + 1] = word:gsub("%a", function(c)
        return c:upper()
      end)
    end
    table.sort(words, function(a, b)
      return a < b
    end)
    return table.concat(log, " ") .. table.concat(words, " ")
  end

  -- What a coverage tool has after the workload: how often each line was met.
  local function coverage(preempted)
    local lines = {}
    local function hook(_, line)
      local info = debug.getinfo(2, "S")
      local key = info.short_src .. ":" .. line
      lines[key] = (lines[key] or 0) + 1
    end
    local task = neap.spawn(function()
      debug.sethook(hook, "l")
      local result = workload()
      local now = debug.gethook()
      debug.sethook()
      return result, now == hook
    end)
    local result, is_ours
    if preempted then
      result, is_ours = with(preempted, task.join, task)
    else
      result, is_ours = task:join()
    end
    return lines, result, is_ours
  end

  it("sees the same lines as often as without preemption", function()
    local before, wanted = coverage()
    assert(next(before))
    for way, start in pairs(ways) do
      -- Only a storm of signals surely meets so short a run.
      for _ = 1, way == "the CPU's timer" and 1 or 20 do
        local lines, result, is_ours = coverage(start)
        assert.equal(wanted, result)
        assert.same(before, lines)
        assert(is_ours)
      end
    end
  end)

  it("sees the same calls and returns", function()
    local function events(start)
      local log = {}
      local task = neap.spawn(function()
        debug.sethook(function(event)
          local info = debug.getinfo(2, "Sn")
          log[#log + 1] = event .. " " .. info.short_src .. ":" .. info.linedefined
        end, "cr")
        workload()
        debug.sethook()
      end)
      if start then
        with(start, task.join, task)
      else
        task:join()
      end
      return log
    end
    local before = events()
    assert(#before > 100)
    for _, start in pairs(ways) do
      assert.same(before, events(start))
    end
  end)

  it("that counts loses no more than one event", function()
    local function events(start, every)
      local n = 0
      local task = neap.spawn(function()
        debug.sethook(function()
          n = n + 1
        end, "", every)
        for _ = 1, 5 do
          workload()
        end
        debug.sethook()
      end)
      if start then
        with(start, task.join, task)
      else
        task:join()
      end
      return n
    end
    -- What the hook itself runs is counted as well: not with numbers so small
    -- that it would reach the next one.
    for _, every in ipairs({ 1, 500 }) do
      local before = events(nil, every)
      assert(before > 10)
      for way, start in pairs(ways) do
        local after = events(start, every)
        assert(after == before or after == before - 1,
          ("%s, count %d: %d, not %d"):format(way, every, after, before))
      end
    end
  end)

  it("may fail: the code gets its error, and goes on giving way", function()
    for _, start in pairs(ways) do
      with(start, function()
        local task = neap.spawn(function()
          local failed = 0
          debug.sethook(function()
            error("from the hook", 0)
          end, "l")
          for _ = 1, 1000 do
            local ok, err = pcall(workload)
            assert(not ok and err == "from the hook", err)
            failed = failed + 1
          end
          debug.sethook()
          spin()
          return failed
        end)
        -- The hook's own chunk fails at its next line as well: it is caught.
        local ok, err = task:wait()
        assert(ok or err == "from the hook", err)
        spin()
      end)
    end
  end)

  it("may wait", function()
    for _, start in pairs(ways) do
      with(start, function()
        local n = 0
        local task = neap.spawn(function()
          debug.sethook(function()
            n = n + 1
            neap.yield()
          end, "", 100)
          local result = workload()
          debug.sethook()
          return result
        end)
        assert.equal(workload(), task:join())
        assert(n > 10)
      end)
    end
  end)

  it("is what new coroutines and tasks see of a hook, not ours", function()
    for _, start in pairs(ways) do
        with(start, function()
          for _ = 1, 300 do
            local co = coroutine.create(function()
              local s = ("x"):rep(100)
              coroutine.yield(s)
              return debug.gethook()
            end)
            assert(coroutine.resume(co))
            assert.is_nil(select(2, coroutine.resume(co)))
            assert.is_nil(neap.spawn(debug.gethook):join())
          end
        end)
    end
  end)

  it("is given back when preemption ends, wherever ours stood", function()
    for _, start in pairs(ways) do
      local function hook() end
      for _, mask in ipairs({ { "l" }, { "crl" }, { "", 3 }, { "l", 1000 } }) do
        local co = coroutine.create(function()
          debug.sethook(hook, table.unpack(mask))
          coroutine.yield()
          for _ = 1, 100 do
            coroutine.yield()
          end
          return debug.gethook()
        end)
        with(start, function()
          for _ = 1, 50 do
            coroutine.resume(co)
            spin()
          end
        end)
        local fn, letters, count
        repeat
          local ok, a, b, c = coroutine.resume(co)
          assert(ok)
          fn, letters, count = a, b, c
        until coroutine.status(co) == "dead"
        assert.equal(hook, fn)
        assert.equal(mask[1], letters)
        assert.equal(mask[2] or 0, count)
      end
    end
  end)
end)

describe("coroutine.resume, wrap and close under preemption", function()
  -- What they give, as text.
  local function behaviour(co)
    local log = {}
    local function note(...)
      local words = table.pack(...)
      for i = 1, words.n do
        words[i] = tostring(words[i]):gsub("0x%x+", "0x")
      end
      log[#log + 1] = table.concat(words, " ")
    end
    local function fails(fn, ...)
      note(pcall(fn, ...))
    end

    local gen = coroutine.create(function(a, b)
      local c = coroutine.yield(a + b)
      local d, e = coroutine.yield(c)
      return d, e
    end)
    note(co.resume(gen, 1, 2))
    note(co.resume(gen, nil))
    note(co.resume(gen, "d", "e"))
    note(co.resume(gen))
    note(co.resume(coroutine.create(error), { 1 }))
    note(co.resume(coroutine.create(error), "text", 0))
    note(co.resume(coroutine.running()))
    fails(co.resume)
    fails(co.resume, 1)
    fails(co.wrap)
    fails(co.wrap, 1)
    fails(co.close)
    fails(co.close, "x")
    fails(co.close, coroutine.running())

    local iterated = {}
    for i in co.wrap(function()
      for i = 1, 3 do
        coroutine.yield(i)
      end
    end) do
      iterated[#iterated + 1] = i
    end
    note(table.unpack(iterated))
    local dead = co.wrap(function() end)
    note(dead())
    fails(dead)
    fails(co.wrap(error), "a string")
    fails(co.wrap(error), "a string", 0)
    fails(co.wrap(error), nil)
    fails(co.wrap(function()
      local _ <close> = setmetatable({}, { __close = function(_, err)
        error("closing after " .. tostring(err), 0)
      end })
      error("first", 0)
    end))
    fails(co.wrap(function()
      note(co.resume(coroutine.create(function()
        local outer = coroutine.running()
        fails(co.close, outer)
        note(co.wrap(function()
          fails(co.close, outer) -- normal
          return coroutine.status(outer)
        end)())
        return coroutine.isyieldable()
      end)))
    end))

    local closing = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = function()
        note("closed")
      end })
      coroutine.yield()
    end)
    co.resume(closing)
    note(co.close(closing))
    note(co.close(closing))
    note(co.close(coroutine.create(print)))
    local bad = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = function()
        error("bad close", 0)
      end })
      coroutine.yield()
    end)
    co.resume(bad)
    note(co.close(bad))
    note(co.close(bad))
    local deep = 0
    local function recurse()
      deep = deep + 1
      return co.wrap(recurse)()
    end
    local ok, err = pcall(recurse)
    note(ok, err:match("C stack overflow"), deep)
    fails(co.wrap(function()
      return table.unpack({}, 1, 1e6 - 100)
    end))
    return log
  end

  it("do what the stock functions do, to the message", function()
    local stock = { resume = coroutine.resume, wrap = coroutine.wrap, close = coroutine.close }
    local wanted = with(function() end, behaviour, stock)
    for _, start in pairs(ways) do
      with(start, function()
        assert.are_not.equal(stock.wrap, coroutine.wrap)
      end)
      assert.same(wanted, with(start, behaviour, coroutine))
    end
  end)
end)
