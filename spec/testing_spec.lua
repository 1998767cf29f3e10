-- neap.testing: virtual time, seeds, settle, what is left over; faults of clocks.
local neap = require("neap")
local net = require("neap.net")
local support = require("spec.support")
local testing = require("neap.testing")

local virtual = { clock = "virtual" }

-- busted's it, in virtual time and under five orders of the ready tasks.
local timed_it = require("neap.testing.busted")(it, {
  clock = "virtual", seeds = support.count(5, 200),
})

-- Real seconds that fn takes: only ever compared with hours.
local function real_seconds(fn)
  local from = os.time()
  fn()
  return os.time() - from
end

describe("neap.testing.run", function()
  it("calls fn in a task, and returns its results", function()
    local name
    local r = table.pack(testing.run(function()
      name = neap.current().name
      return 1, nil, 3, nil
    end))
    assert.same({ 1, nil, 3, nil, n = 4 }, r)
    assert.equal("test", name)
    assert.equal(0, select("#", testing.run(function() end)))
  end)

  it("raises fn's error, whatever it is", function()
    local err = {}
    local ok, seen = pcall(testing.run, function()
      error(err)
    end)
    assert.is_false(ok)
    assert.equal(err, seen)
    ok, seen = pcall(testing.run, error, { seed = 1 })
    assert.is_false(ok)
    if select(2, pcall(error)) == nil then
      assert.is_nil(seen)
    else -- Lua 5.5 makes a text of it, and the seed is told behind a text
      assert.equal("<no error object>\n(neap.testing.run with seed = 1)", seen)
    end
    assert.error_matches(function()
      testing.run(function()
        error("plain", 0)
      end)
    end, "^plain$")
  end)

  it("names the seed in what it raises", function()
    assert.error_matches(function()
      testing.run(function()
        error("plain", 0)
      end, { seed = 42 })
    end, "^plain\n%(neap%.testing%.run with seed = 42%)$")
  end)

  it("may be called from a task", function()
    local task = neap.spawn(testing.run, function()
      neap.sleep(3600)
      return "done"
    end, virtual)
    assert.equal("done", task:join())
  end)

  it("refuses what it can't do", function()
    for _, bad in ipairs({ 1, "x", {} }) do
      assert.error_matches(function()
        testing.run(bad)
      end, "#1")
    end
    local function nothing() end
    for _, bad in ipairs({ 1, { clock = "x" }, { clock = 1 }, { seed = -1 }, { seed = 0.5 },
      { seed = "1" }, { seed = 1 << 32 } }) do
      assert.error_matches(function()
        testing.run(nothing, bad)
      end, "#2")
    end
    assert.error_matches(function()
      testing.run(function()
        testing.run(nothing)
      end)
    end, "is running already")
    testing.run(nothing) -- it is usable after each of them
  end)
end)

describe("virtual time", function()
  it("lets sleepers wake in order, at once", function()
    local order = {}
    assert(real_seconds(function()
      testing.run(function()
        local begun = neap.now()
        for _, hours in ipairs({ 3, 1, 2, 1 }) do
          neap.spawn(function()
            neap.sleep(hours * 3600)
            order[#order + 1] = hours
            order[#order + 1] = neap.now() - begun
          end)
        end
        neap.sleep(4 * 3600)
        assert.equal(4 * 3600, neap.now() - begun)
      end, virtual)
    end) < 3600)
    assert.same({ 1, 3600.0, 1, 3600.0, 2, 7200.0, 3, 10800.0 }, order)
  end)

  it("stands still while a task runs", function()
    testing.run(function()
      local now, hrtime = neap.now(), neap.hrtime()
      for _ = 1, 1000 do
        neap.yield()
      end
      assert.equal(now, neap.now())
      assert.equal(hrtime, neap.hrtime())
    end, virtual)
  end)

  timed_it("is that of timeouts, limits, timers and ticks", function()
    local begun = neap.now()
    local function passed()
      return neap.now() - begun
    end
    local _, message, code = neap.timeout(60, neap.sleep, 3600)
    assert.same({ "timed out after 60 s", "ETIMEDOUT" }, { message, code })
    assert.equal(60.0, passed())
    local ok = pcall(function()
      local _ <close> = neap.time_limit(40)
      neap.time_left()
      neap.sleep(3600)
    end)
    assert.is_false(ok)
    assert.equal(100.0, passed())
    local called
    neap.after(50, function()
      called = passed()
    end)
    neap.sleep_until(begun + 200)
    assert.equal(150.0, called)
    local ticks = 0
    for n in neap.every(10) do
      assert.equal(1, n)
      ticks = ticks + 1
      if ticks == 5 then
        break
      end
    end
    assert.equal(250.0, passed())
    local task = neap.spawn({ quiet = true }, neap.sleep, 3600)
    assert.is_nil((task:join(50)))
    assert.equal(300.0, passed())
    task:cancel()
  end)

  it("never goes back afterwards, and sleeps go on from there", function()
    local before = neap.now()
    testing.run(function()
      neap.sleep(3600)
    end, virtual)
    local after = neap.now()
    assert(after - before >= 3600)
    assert(neap.hrtime() / 1e9 >= after)
    neap.sleep(0.001)
    assert(neap.now() - after >= 0.001)
    assert(neap.now() - after < 3600)
  end)

  it("does not touch how busy the loop is said to be", function()
    testing.run(function()
      neap.sleep(3600 * 24 * 365)
    end, virtual)
    local busy = neap.info().busy
    assert(busy >= 0 and busy <= 1, busy)
  end)

  it("waits for real I/O before it jumps", function()
    testing.run(function()
      local dir <close> = support.tempdir()
      local woke
      local sleeper = neap.spawn(function()
        neap.sleep(3600)
        woke = true
      end)
      for i = 1, 20 do
        assert(neap.fs.writefile(dir .. "/file", ("x"):rep(i)))
        assert.equal(i, #assert(neap.fs.readfile(dir .. "/file")))
      end
      local server <close> = assert(net.listen("127.0.0.1", 0))
      local echo = neap.spawn(function()
        local conn <close> = assert(server:accept())
        for line in conn:lines() do
          conn:write(line, "\n")
        end
      end)
      local conn <close> = assert(net.connect("127.0.0.1", (select(2, server:address()))))
      for i = 1, 20 do
        conn:write(i, "\n")
        assert.equal(tostring(i), conn:read("l"))
      end
      assert.is_nil(woke)
      conn:shutdown()
      echo:join()
      sleeper:join()
    end, virtual)
  end)

  it("passes as the real one does while the world is waited for", function()
    testing.run(function()
      local server <close> = assert(net.listen("127.0.0.1", 0))
      local begun = neap.now()
      local conn, _, code = server:accept(0.01)
      assert.is_nil(conn)
      assert.equal("ETIMEDOUT", code)
      assert(neap.now() - begun >= 0.01)
    end, virtual)
  end)

  it("tells a deadlock from a sleep for ever", function()
    local ok, message = pcall(testing.run, function()
      neap.sleep(math.huge)
    end, virtual)
    assert.is_false(ok)
    assert.matches("deadlock: nothing can end this wait\n.*test: waiting in sleep", message)
  end)
end)

describe("a seed", function()
  local function order_of(seed)
    local order = {}
    testing.run(function()
      for i = 1, 5 do
        neap.spawn(function()
          order[#order + 1] = i
          neap.yield()
          order[#order + 1] = i
        end)
      end
      testing.settle()
    end, { seed = seed })
    return table.concat(order)
  end

  it("decides the order of the ready tasks, reproducibly", function()
    local orders = {}
    for seed = 1, 50 do
      local order = order_of(seed)
      assert.equal(order, order_of(seed))
      orders[order] = true
    end
    local count = 0
    for order in pairs(orders) do
      count = count + 1
      -- Each turn still runs each of them once.
      for i = 1, 5 do
        assert(order:sub(1, 5):find(i, 1, true) and order:sub(6):find(i, 1, true), order)
      end
    end
    assert(count > 40, count)
  end)

  it("can bring every order of a few tasks", function()
    local orders, count = {}, 0
    for seed = 1, 500 do
      local order = order_of(seed):sub(1, 5)
      count = count + (orders[order] and 0 or 1)
      orders[order] = true
    end
    assert.equal(120, count)
  end)

  it("of 0, or none, is first come, first served", function()
    assert.equal("1234512345", order_of(0))
    assert.equal("1234512345", order_of(nil))
  end)

  timed_it("finds the lost update of a race", function()
    -- Not a failure here: the helper runs each test under each seed.
    local balance = 0
    local function deposit()
      local seen = balance
      neap.yield()
      balance = seen + 1
    end
    local one, two = neap.spawn(deposit), neap.spawn(deposit)
    one:join()
    two:join()
    assert(balance == 1 or balance == 2)
  end)
end)

describe("what a test leaves", function()
  it("fails it: a task, with its dump, and is cancelled", function()
    local left
    local ok, message = pcall(testing.run, function()
      left = neap.spawn({ name = "forgotten" }, neap.sleep, 3600)
    end, { seed = 7 })
    assert.is_false(ok)
    assert.matches("^left over: 1 task, 0 handles\n", message)
    assert.matches("task %d+ forgotten: waiting in sleep", message)
    assert.matches("seed = 7", message)
    assert.equal("cancelled", left:status())
  end)

  it("fails it: a handle that is still open", function()
    local left
    local ok, message = pcall(testing.run, function()
      left = assert(net.listen("127.0.0.1", 0))
    end)
    assert.is_false(ok)
    assert.matches("^left over: 0 tasks, 1 handle\n", message)
    assert.matches("\nopen: server 127%.0%.0%.1:%d+\n", message)
    left:close()
    testing.run(function()
      local server = assert(net.listen("127.0.0.1", 0))
      server:close() -- libuv's part ends later: that is fine
    end)
  end)

  it("does not fail it if it ends by itself", function()
    local ended = false
    testing.run(function()
      neap.spawn(function()
        for _ = 1, 10 do
          neap.yield()
        end
        ended = true
      end)
    end)
    assert.is_true(ended)
  end)

  it("does not count what was there before", function()
    local before = neap.spawn(neap.sleep, math.huge)
    local server <close> = assert(net.listen("127.0.0.1", 0))
    testing.run(function()
      assert(server:address())
    end)
    before:cancel()
    before:wait()
  end)

  it("fails it: the failure of a task that nobody has asked for", function()
    local output, status = support.lua([[
      local testing = require("neap.testing")
      local neap = require("neap")
      local ok, message = pcall(testing.run, function()
        neap.spawn(error, "unheard", 0)
        neap.yield()
      end)
      assert(not ok and message == "1 task failed; first: unheard", message)
      testing.run(function()
        local task = neap.spawn(error, "heard", 0)
        neap.yield()
        assert(not task:wait())
      end)
    ]])
    assert.equal(0, status, output)
  end)

  it("is cancelled when the test itself fails, or is cancelled", function()
    local left
    local ok, message = pcall(testing.run, function()
      left = neap.spawn(neap.sleep, 3600)
      neap.yield()
      error("the test's own", 0)
    end)
    assert.is_false(ok)
    assert.equal("the test's own", message)
    assert.equal("cancelled", left:status())
    local runner = neap.spawn(testing.run, function()
      left = neap.spawn(neap.sleep, 3600)
      neap.sleep(3600)
    end)
    support.settle()
    runner:cancel("enough")
    assert.is_false((runner:wait()))
    assert.equal("cancelled", runner:status())
    assert.equal("cancelled", left:status())
    testing.run(function() end)
  end)

  it("is told without busted, by a plain script", function()
    local output, status = support.lua([[
      local neap = require("neap")
      neap.testing.run(function()
        local begun = neap.now()
        neap.sleep(3600)
        assert(neap.now() - begun == 3600)
        neap.spawn(neap.await, function() end)
      end, { clock = "virtual", seed = 3 })
    ]])
    assert.equal(1, status)
    assert.matches("left over: 1 task", output)
    assert.matches("seed = 3", output)
  end)
end)

describe("neap.testing.settle", function()
  timed_it("waits until every other task waits, and no time passes", function()
    local steps, slept = 0, false
    neap.spawn(function()
      for _ = 1, 100 do
        neap.yield()
        steps = steps + 1
      end
      neap.sleep(1)
      slept = true
    end)
    testing.settle()
    assert.equal(100, steps)
    assert.is_false(slept)
    neap.sleep(1)
  end)

  it("looks at the loop: what has arrived is dealt with", function()
    testing.run(function()
      local server <close> = assert(net.listen("127.0.0.1", 0))
      local conn <close> = assert(net.connect("127.0.0.1", (select(2, server:address()))))
      local peer <close> = assert(server:accept())
      local got = {}
      local reader = neap.spawn(function()
        for line in peer:lines() do
          got[#got + 1] = line
        end
      end)
      for i = 1, 5 do
        conn:write(i, "\n")
        testing.settle()
        assert.equal(tostring(i), got[i])
      end
      conn:close()
      reader:join()
    end)
  end)

  timed_it("lets several tasks settle at the same time", function()
    local count = 0
    for _ = 1, 3 do
      neap.spawn(function()
        testing.settle()
        count = count + 1
      end)
    end
    testing.settle()
    testing.settle()
    assert.equal(3, count)
  end)

  it("is an error, with a dump, when a task never waits", function()
    local ended = false
    local busy = neap.spawn({ name = "restless" }, function()
      while not ended do
        neap.yield()
      end
    end)
    local ok, message = pcall(testing.settle)
    ended = true
    busy:join()
    assert.is_false(ok)
    assert.matches("do not settle", message)
    assert.matches("restless: ready", message)
  end)
end)

-- Runs a script whose clocks are moved: see clockfault.c.
local function with_clock(source)
  local dir <close> = support.tempdir()
  local library = dir .. "/clockfault.so"
  local output, status = support.sh(
    ("%s -shared -fPIC -O1 -D_GNU_SOURCE -o %s spec/support/clockfault.c -ldl"):format(
      os.getenv("CC") or "cc", support.quote(library)))
  assert(status == 0, output)
  local preload = os.getenv("LD_PRELOAD")
  return support.lua(([[
    local function move(clock, seconds)
      local file <close> = assert(io.open(os.getenv("CLOCKFAULT"), "a"))
      file:write(clock, " ", seconds, "\n")
    end
    local neap = require("neap")
  ]]) .. source, {
    env = ("CLOCKFAULT=%s LD_PRELOAD=%s"):format(support.quote(dir .. "/moves"),
      support.quote((preload and preload .. ":" or "") .. library)),
  })
end

describe("clocks that jump", function()
  -- ASan's own clock_gettime stands in front of the preloaded one, and hangs in
  -- what that calls.
  local it = support.variant == "asan" and pending or it

  it("ahead, by a suspend, wake each sleeper once and in order", function() -- fault 87
    local output, status = with_clock([[
      local order, ticks = {}, {}
      for _, s in ipairs({ 3000, 1000, 2000 }) do
        neap.spawn(function()
          local due = neap.now() + s
          neap.sleep(s)
          assert(neap.now() >= due, "early")
          order[#order + 1] = s
        end)
      end
      local ticker = neap.spawn(function()
        for n in neap.every(1) do
          ticks[#ticks + 1] = n
          if #ticks == 2 then return end
        end
      end)
      neap.testing.settle()
      local polls = neap.info().polls
      move("monotonic", 3600)
      ticker:join()
      neap.run()
      assert(table.concat(order, " ") == "1000 2000 3000", table.concat(order, " "))
      -- All ticks that were missed are one, and the next is a second later.
      assert(ticks[1] >= 3600 and ticks[2] == 1, table.concat(ticks, " "))
      assert(neap.info().polls - polls < 100, "a storm")
    ]])
    assert.equal(0, status, output)
  end)

  it("back, on the wall, change nothing", function()
    local output, status = with_clock([[
      local wall, begun = os.time(), neap.now()
      neap.spawn(function()
        move("realtime", -7200)
        assert(os.time() <= wall - 7000)
      end)
      neap.sleep(0.02)
      assert(neap.now() - begun >= 0.02 and neap.now() - begun < 3600)
      move("realtime", 14400)
      begun = neap.now()
      local polls = neap.info().polls
      neap.sleep(0.02)
      assert(neap.now() - begun >= 0.02)
      assert(neap.info().polls - polls < 20)
    ]])
    assert.equal(0, status, output)
  end)
end)
