-- Signals: listening, waiting, ignoring; what they did before comes back.
local children = require("spec.support.children")
local faults = require("spec.support.faults")
local neap = require("neap")
local process = require("neap.process")
local signal = require("neap.signal")
local support = require("spec.support")

local settle = support.settle
local me = children.me()

local function send(name)
  assert(process.kill(me, name))
end

-- Whether the mask of /proc/self/status has the signal.
local function has(mask, number)
  local text = support.slurp("/proc/self/status"):match("\n" .. mask .. ":\t(%x+)\n")
  return tonumber(text, 16) & 1 << number - 1 ~= 0
end

local HUP, USR1, USR2 = 1, 10, 12

describe("a signal listener", function()
  it("hears the signals it is for, by name", function()
    local listener <close> = signal.listen({ "SIGUSR1", "SIGUSR2" })
    assert.equal("signal listener (open)", tostring(listener))
    send("SIGUSR2")
    assert.equal("SIGUSR2", listener:wait())
    send("SIGUSR1")
    assert.equal("SIGUSR1", listener:wait(10))
    assert.same({ n = 3, nil, "timed out after 0 s", "ETIMEDOUT" }, table.pack(listener:wait(0)))
  end)

  it("keeps those that nobody waits for, in their order", function()
    local listener <close> = signal.listen({ "SIGUSR1", "SIGUSR2", "SIGHUP" })
    for _, name in ipairs({ "SIGHUP", "SIGUSR1", "SIGUSR2" }) do
      send(name)
      -- Each is through before the next one: the kernel knows no order of kinds.
      local other <close> = signal.listen({ name })
      send(name)
      assert.equal(name, other:wait())
    end
    assert.equal("SIGHUP", listener:wait())
    assert.equal("SIGUSR1", listener:wait())
    assert.equal("SIGUSR2", listener:wait())
    assert.equal("ETIMEDOUT", (select(3, listener:wait(0))))
  end)

  it("makes one of several of a kind", function()
    local listener <close> = signal.listen({ "SIGUSR1" })
    local other <close> = signal.listen({ "SIGUSR2" })
    for _ = 1, 10 do
      send("SIGUSR1")
    end
    send("SIGUSR2")
    assert.equal("SIGUSR2", other:wait())
    assert.equal("SIGUSR1", listener:wait())
    assert.equal("ETIMEDOUT", (select(3, listener:wait(0))))
  end)

  it("is one of several: each hears it", function()
    local one <close> = signal.listen({ "SIGUSR1" })
    local two <close> = signal.listen({ "SIGUSR1", "SIGUSR1" })
    send("SIGUSR1")
    assert.equal("SIGUSR1", one:wait())
    assert.equal("SIGUSR1", two:wait())
    one:close()
    send("SIGUSR1")
    assert.equal("SIGUSR1", two:wait())
  end)

  it("gives each signal to one waiter, the first", function()
    local listener <close> = signal.listen({ "SIGUSR1" })
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = neap.spawn(listener.wait, listener)
      settle()
    end
    tasks[1]:cancel()
    send("SIGUSR1")
    assert.equal("SIGUSR1", tasks[2]:join())
    settle()
    assert.equal("waiting", tasks[3]:status())
    send("SIGUSR1")
    assert.equal("SIGUSR1", tasks[3]:join())
    assert.is_false(tasks[1]:wait())
  end)

  it("is an iterator until it is closed", function()
    local listener = signal.listen({ "SIGUSR1" })
    local heard = {}
    local task = neap.spawn(function()
      for name in listener do
        heard[#heard + 1] = name
      end
      return "over"
    end)
    for i = 1, 3 do
      send("SIGUSR1")
      children.wait_until(function()
        return #heard == i
      end)
    end
    listener:close()
    assert.equal("over", task:join())
    assert.same({ "SIGUSR1", "SIGUSR1", "SIGUSR1" }, heard)
  end)

  it("wakes who waits when it is closed", function()
    local listener = signal.listen({ "SIGUSR1" })
    local task = neap.spawn(listener.wait, listener)
    settle()
    assert.is_true(listener:close())
    assert.equal("ECANCELED", (select(3, task:join())))
    assert.same({ n = 3, nil, "listener is closed", "EBADF" }, table.pack(listener:wait()))
    assert.is_true(listener:close())
    assert.equal("signal listener (closed)", tostring(listener))
  end)

  it("is a case of neap.select", function()
    local one <close> = signal.listen({ "SIGUSR1" })
    local two <close> = signal.listen({ "SIGUSR2", "SIGUSR1" })
    assert.equal("ETIMEDOUT", (select(3, neap.select({ { one }, { two }, timeout = 0 }))))
    local task = neap.spawn(neap.select, { { one }, { two } })
    settle()
    send("SIGUSR2")
    assert.same({ 2, "SIGUSR2" }, { task:join() })
    send("SIGUSR2")
    assert.same({ 2, "SIGUSR2" }, { neap.select({ { one }, { two } }) })
    -- What the select lost is still there.
    send("SIGUSR1")
    local first, name = neap.select({ { one }, { two } })
    assert.equal("SIGUSR1", name)
    assert.equal("SIGUSR1", (first == 1 and two or one):wait())
    task = neap.spawn(neap.select, { { one } })
    settle()
    one:close()
    assert.same({ 1, nil, "listener:wait: Operation canceled", "ECANCELED" }, { task:join() })
    assert.same({ 1, nil, "listener is closed", "EBADF" }, { neap.select({ { one }, { two } }) })
  end)

  it("says in dumps what it is for", function()
    local listener <close> = signal.listen({ "SIGUSR1", "SIGUSR2" })
    local task = neap.spawn({ name = "hears" }, listener.wait, listener)
    settle()
    local text = {}
    neap.dump({ write = function(_, ...)
      for _, part in ipairs({ ... }) do
        text[#text + 1] = part
      end
    end })
    assert.matches("listener:wait SIGUSR1 SIGUSR2", table.concat(text), 1, true)
    task:cancel()
    task:wait()
  end)

  it("bears a storm", function() -- fault 82
    local listener <close> = signal.listen({ "SIGUSR1" })
    local heard = 0
    local task = neap.spawn(function()
      for _ in listener do
        heard = heard + 1
      end
    end)
    local storm = neap.spawn(process.run,
      { "sh", "-c", ("i=0; while [ $i -lt 2000 ]; do kill -USR1 %d; i=$((i+1)); done"):format(me) })
    -- Other system calls go on meanwhile.
    for i = 1, 200 do
      local pipe <close> = assert(process.popen("echo " .. i))
      assert.equal(i, pipe:read("n"))
      if storm:status() == "done" then
        break
      end
    end
    assert.equal(0, storm:join().code)
    children.wait_until(function()
      return heard > 0
    end)
    listener:close()
    task:join()
    assert(heard <= 2000)
  end)

  it("gives a signal back what it had, after the last of them", function()
    assert.is_false(has("SigCgt", USR1))
    local one = signal.listen({ "SIGUSR1", "SIGUSR2" })
    local two = signal.listen({ "SIGUSR1" })
    assert.is_true(has("SigCgt", USR1))
    one:close()
    assert.is_true(has("SigCgt", USR1))
    assert.is_false(has("SigCgt", USR2))
    two:close()
    assert.is_false(has("SigCgt", USR1))
  end)

  it("survives every allocation that fails", function()
    if not neap._fail_alloc then
      return
    end
    assert(faults.alloc(function()
      local listener <close> = signal.listen({ "SIGUSR1", "SIGHUP" })
      send("SIGUSR1")
      return listener:wait(10)
    end, {
      after = function()
        assert(not has("SigCgt", USR1) and not has("SigCgt", HUP))
      end,
    }) > 3)
  end)

  it("is warned of when it is forgotten", function()
    local output, status = support.lua([[
      warn("@on")
      require("neap.signal").listen({ "SIGUSR1" })
      collectgarbage() collectgarbage()
      print("on")
    ]])
    assert.equal(0, status)
    assert.equal("Lua warning: neap: a signal listener was not closed\non\n", output)
  end)
end)

describe("signal.wait", function()
  it("waits for one signal", function()
    local task = neap.spawn(signal.wait, "SIGUSR1")
    settle()
    send("SIGUSR1")
    assert.equal("SIGUSR1", task:join())
    assert.same({ n = 3, nil, "timed out after 0.001 s", "ETIMEDOUT" },
      table.pack(signal.wait("SIGUSR1", 0.001)))
    assert.is_false(has("SigCgt", USR1))
  end)

  it("listens no longer than that, also when it is cancelled", function()
    local task = neap.spawn(signal.wait, "SIGUSR1")
    settle()
    assert.is_true(has("SigCgt", USR1))
    task:cancel()
    assert.is_false(task:wait())
    assert.is_false(has("SigCgt", USR1))
  end)
end)

describe("signal.ignore", function()
  it("ignores it, as children do", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local process, signal = neap.process, neap.signal
      local me = io.open("/proc/self/stat"):read("n")
      print(signal.ignore("SIGUSR1"))
      process.kill(me, "SIGUSR1")
      local result = process.run({ "sh", "-c", "kill -USR1 $$; echo on" })
      print(result.stdout)
      do
        local listener <close> = signal.listen({ "SIGUSR1" }) -- it hears it all the same
        process.kill(me, "SIGUSR1")
        print(listener:wait(10))
      end
      process.kill(me, "SIGUSR1")
      do
        local listener <close> = signal.listen({ "SIGUSR2" })
        signal.ignore("SIGUSR2") -- from the listener's end on
        process.kill(me, "SIGUSR2")
        print(listener:wait(10))
      end
      process.kill(me, "SIGUSR2")
      print("alive")
    ]])
    assert.equal(0, status, output)
    assert.equal("true\non\n\nSIGUSR1\nSIGUSR2\nalive\n", output)
  end)
end)

describe("SIGINT", function()
  it("is a listener's while there is one, then lua.c's again", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local process, signal = neap.process, neap.signal
      local me = io.open("/proc/self/stat"):read("n")
      neap.spawn(function()
        do
          local listener <close> = signal.listen({ "SIGINT" })
          neap.sleep(0.001)
          process.kill(me, "SIGINT")
          print("heard", listener:wait(10))
        end
        process.kill(me, "SIGINT")
      end)
      print(pcall(neap.sleep, 100))
    ]])
    assert.equal(0, status, output)
    assert.equal("heard\tSIGINT\nfalse\tinterrupted!\n", output)
  end)

  it("that main itself waits for does not interrupt it", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local me = io.open("/proc/self/stat"):read("n")
      neap.spawn(function()
        neap.sleep(0.01)
        neap.process.kill(me, "SIGINT")
      end)
      print(neap.signal.wait("SIGINT", 10))
    ]])
    assert.equal(0, status, output)
    assert.equal("SIGINT\n", output)
  end)
end)

describe("SIGPIPE", function()
  it("stays harmless after somebody has listened to it", function()
    local output, status = support.lua([[
      local neap = require("neap")
      do
        local listener <close> = neap.signal.listen({ "SIGPIPE" })
      end
      local child <close> = neap.process.spawn({ "true", stdin = "pipe" })
      local ok, message, code
      repeat
        ok, message, code = child.stdin:write(("x"):rep(100000))
      until not ok
      print(code)
    ]])
    assert.equal(0, status, output)
    assert.equal("EPIPE\n", output)
  end)
end)

describe("bad arguments", function()
  it("raise", function()
    local cases = {
      { signal.listen, "SIGTERM" }, { signal.listen, {} }, { signal.listen, { 1 } },
      { signal.listen, { "SIGNONE" } }, { signal.listen, { "sigterm" } },
      { signal.listen, { "SIGKILL" } }, { signal.listen, { "SIGSTOP" } },
      { signal.listen, { "SIGUSR1", "SIGSEGV" } }, { signal.wait, "SIGNONE" },
      { signal.wait, "SIGKILL" }, { signal.wait, 15 }, { signal.wait, "SIGUSR1", 0 / 0 },
      { signal.ignore, "SIGKILL" }, { signal.ignore, "" }, { signal.ignore },
    }
    for i, case in ipairs(cases) do
      local ok, message = pcall(table.unpack(case))
      assert.is_false(ok, "case " .. i)
      assert.matches("bad argument #%d to ", message)
    end
    assert.is_false(has("SigCgt", USR1))
  end)

  it("of every kind do no harm", function()
    assert(support.call_badly(signal.listen, { { "SIGUSR1" } }, 1, nil, function(result)
      result:close()
    end) > 10)
    assert(support.call_badly(signal.wait, { "SIGUSR1", 0.001 }, 1) > 10)
    for _, value in support.badvalues() do
      if value ~= nil and (type(value) ~= "number" or value < 1) then
        pcall(signal.wait, "SIGUSR1", value)
      end
    end
    assert(support.call_badly(signal.ignore, { "SIGNONE" }, 1) > 10)
  end)
end)
