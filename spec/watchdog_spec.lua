-- The watchdog. Nothing here looks at a clock: what holds the loop does so until
-- the watchdog has told.
local neap = require("neap")
local support = require("spec.support")

local LIMIT = 0.005

-- Runs body under a watchdog whose reports it gets as a list.
local function watch(body)
  local reports = {}
  assert.is_true(neap.watchdog(LIMIT, function(task, traceback)
    reports[#reports + 1] = { task = task, traceback = traceback }
  end))
  local ok, err = pcall(body, reports)
  neap.watchdog(nil)
  if not ok then
    error(err, 0)
  end
end

local function hold(reports)
  while #reports == 0 do -- luacheck: ignore
  end
end

-- How a traceback names it.
local in_hold = ("in function <spec/watchdog_spec.lua:%d>"):format(
  debug.getinfo(hold, "S").linedefined)

describe("neap.watchdog", function()
  it("tells of a task that holds the loop, where it is", function()
    watch(function(reports)
      local task = neap.spawn({ name = "holder" }, hold, reports)
      task:join()
      assert.equal(task, reports[1].task)
      assert.matches("^stack traceback:\n[^\n]*" .. in_hold, reports[1].traceback)
      assert.equal(1, #reports)
    end)
  end)

  it("tells of the main script", function()
    watch(function(reports)
      hold(reports)
      assert.equal("main", reports[1].task.name)
    end)
  end)

  it("sees into coroutines", function()
    watch(function(reports)
      neap.spawn(function()
        coroutine.wrap(function()
          coroutine.wrap(hold)(reports)
        end)()
      end):join()
      local _, count = reports[1].traceback:gsub("resumed in\nstack traceback:", "")
      assert.equal(2, count)
      assert.matches("^stack traceback:\n[^\n]*" .. in_hold, reports[1].traceback)
    end)
  end)

  it("tells of what was held in C, at the next step after it", function()
    watch(function(reports)
      neap.spawn(function()
        local subject, pattern = ("a"):rep(18), ("a?"):rep(18) .. ("a"):rep(18) .. "b"
        while #reports == 0 do
          subject:find(pattern) -- backtracks
        end
      end):join()
      assert.matches("watchdog_spec.lua", reports[1].traceback)
    end)
  end)

  it("tells once of each hold", function()
    watch(function(reports)
      hold(reports)
      -- Long enough for another report, if there were one.
      local n = 0
      for i = 1, 3000000 do
        n = n + i
      end
      assert.equal(1, #reports)
      neap.sleep(0) -- that hold is over
      while #reports < 2 do -- luacheck: ignore
      end
    end)
  end)

  it("holds under preemption, and lets its function cancel the task", function()
    neap.preempt(0.001)
    local reported
    neap.watchdog(LIMIT, function(task)
      reported = task
      task:cancel("it held the loop")
    end)
    local task = neap.spawn(function()
      neap.nopreempt(function()
        while not reported do -- luacheck: ignore
        end
      end)
      while true do -- luacheck: ignore
      end
    end)
    local ok, err = task:wait()
    neap.watchdog(nil)
    neap.preempt(nil)
    assert.is_false(ok)
    assert.matches("it held the loop", tostring(err))
    assert.equal(task, reported)
  end)

  it("does not take sleep and switches for a hold", function()
    local reports = 0
    neap.watchdog(0.001, function(_, traceback)
      -- A slow machine holds anybody up; but nobody is held where he waits.
      reports = reports + 1
      assert(traceback, "no place")
    end)
    for _ = 1, 20 do
      neap.sleep(0.002)
    end
    neap.watchdog(nil)
    assert(reports < 20, reports)
  end)

  it("keeps its function from waiting, and reports its failure", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local called
      neap.watchdog(0.001, function()
        called = true
        neap.sleep(1)
      end)
      while not called do end
      neap.watchdog(0.001, function() called = false error({}) end)
      while called do end
      neap.watchdog(nil)
      print("alive")
    ]], { env = "timeout 60" })
    assert.equal(0, status)
    assert.matches("the watchdog's function failed: [^\n]*cannot wait in a watchdog's function",
      output)
    assert.matches("the watchdog's function failed: %?", output)
    assert.matches("alive", output)
  end)

  it("writes to stderr without a function: who, spawned where, and where", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local stderr = io.stderr
      neap.watchdog(0.001)
      neap.spawn({ name = "worker" }, function()
        local function deep() while not seen do n = (n or 0) + 1 seen = n > 2e7 end end
        deep()
      end):join()
      print("ended")
    ]], { env = "timeout 60" })
    assert.equal(0, status)
    assert.matches("neap: the loop has been held for [%d.]+ s by task 2 'worker' "
      .. "%(spawned at [^)]*script.lua:4%)\nstack traceback:\n[^\n]*script.lua:5:", output)
    assert.matches("ended", output)
  end)

  it("says who it is while the loop is still held in C", function()
    -- The script blocks in a read; what it waits for comes when the line has.
    local dir <close> = support.tempdir()
    local script = support.spit(dir .. "/script.lua", [[
      local neap = require("neap")
      neap.watchdog(3600) -- main is not to be told of on a busy machine
      neap.spawn({ name = "blocked" }, function()
        neap.watchdog(0.005)
        local line = io.read("l")
        neap.watchdog(nil)
        print(line)
      end):join()
    ]])
    local output, status = support.sh(([[
      cd %s
      mkfifo in && : >err
      timeout 60 %s %s <in >out 2>err &
      exec 9>in
      until grep -q "held for .* by task 2 'blocked' (spawned at .*script.lua:3)" err; do
        kill -0 $! || exit 1
        sleep 0.01
      done
      echo released >&9
      exec 9>&-
      wait $!
      echo "status $?"
      cat out
      grep -c "traceback" err
    ]]):format(dir.path, os.getenv("LUA") or "lua5.4", support.quote(script)))
    assert.equal(0, status, output)
    assert.equal("status 0\nreleased\n1\n", output)
  end)

  it("tells of a hold that came to no Lua code, without a traceback", function()
    watch(function(reports)
      -- Tasks that are nothing but one long call into C, and have ended when they are
      -- told of. Main may be told of as well, on a busy machine.
      local told
      local subject, pattern = ("a"):rep(18), ("a?"):rep(18) .. ("a"):rep(18) .. "b"
      repeat
        neap.spawn(string.find, subject, pattern):join()
        neap.yield()
        for _, report in ipairs(reports) do
          told = report.task ~= neap.current() and report or told
        end
      until told
      assert.is_nil(told.traceback)
    end)
  end)

  it("gives its thread back, as often as it is started", function()
    for i = 1, support.count(20, 2000) do
      assert.is_true(neap.watchdog(i / 1000))
    end
    assert.is_true(neap.watchdog(nil))
    assert.is_true(neap.watchdog(nil))
    local file <close> = assert(io.open("/proc/self/status"))
    local threads = tonumber(file:read("a"):match("Threads:%s*(%d+)"))
    assert(threads < 20, threads)
  end)

  it("ends with its state", function()
    local output, status = support.lua([[
      local neap = require("neap")
      neap.watchdog(0.001, function() end)
      neap.preempt(0.001)
      neap.spawn(function() while true do end end)
      neap.sleep(0.001)
    ]], { env = "timeout 60" })
    assert.equal("", output)
    assert.equal(0, status)
  end)

  it("fails where no thread can be had", function()
    local sysfault = require("spec.support.sysfault")
    local output = sysfault.lua("pthread_create:EAGAIN", [[
      local neap = require("neap")
      print(neap.watchdog(1))
      print(coroutine.resume(coroutine.create(function() return 1 end)))
    ]])
    assert.equal("nil\twatchdog: Resource temporarily unavailable\tEAGAIN\ntrue\t1\n", output)
  end)

  it("refuses what makes no sense", function()
    local function refused(pattern, ...)
      local ok, err = pcall(neap.watchdog, ...)
      assert.is_false(ok)
      assert.matches(pattern, err)
    end
    refused("must be more than 0 seconds", 0)
    refused("must be more than 0 seconds", -1)
    refused("nan", 0 / 0)
    refused("number expected", "x")
    refused("function expected", 1, {})
    support.call_badly(neap.watchdog, { 1, function() end }, 2)
    neap.watchdog(nil)
  end)
end)
