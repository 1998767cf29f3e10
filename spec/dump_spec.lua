-- neap.tasks, neap.dump, task:traceback, task:stats; what a deadlock says.
local neap = require("neap")
local net = require("neap.net")
local faults = require("spec.support.faults")
local support = require("spec.support")

local settle = support.settle

local function dump()
  local pieces = {}
  neap.dump({
    write = function(_, text)
      pieces[#pieces + 1] = text
    end,
  })
  return table.concat(pieces)
end

-- A gate: tasks wait at it until it is opened.
local function new_gate()
  local waiting = {}
  local gate = {}
  function gate.wait()
    return neap.await(function(done)
      waiting[#waiting + 1] = done
    end)
  end
  function gate.open()
    local list = waiting
    waiting = {}
    for _, done in ipairs(list) do
      done()
    end
  end
  return gate
end

-- The lines of text up to the next task's or scope's, from the one that has
-- `start` in it.
local function entry(text, start)
  local from = assert(text:find(start, 1, true), start .. " is not in:\n" .. text)
  local to = text:find("\n%s*%d* ?[ts][ac][so][kp][se]? ", from + 1) or #text
  return text:sub(from, to)
end

describe("neap.tasks", function()
  it("knows every live task, main first", function()
    local gate = new_gate()
    local task = neap.spawn({ name = "listed" }, gate.wait)
    settle()
    local list = neap.tasks()
    assert.equal(2, #list)
    assert.equal("main", list[1].name)
    assert.equal(task, list[2])
    gate.open()
    task:join()
    assert.equal(1, #neap.tasks())
  end)
end)

describe("neap.dump", function()
  it("tells of every task its state, its wait, since when, and where", function()
    local gate = new_gate()
    local task = neap.spawn({ name = "listed" }, gate.wait)
    settle()
    local text = dump()
    assert.matches("task 1 main: running, %d+ switches, [%d.]+ s old\n", text)
    assert.matches("task %d+ listed: waiting in await for [%d.]+ s, 1 switches, [%d.]+ s old\n",
      text)
    assert.matches("dump_spec.lua:%d+: in function <", entry(text, "listed"))
    gate.open()
    task:join()
  end)

  it("writes to an open file, and to stderr by itself", function()
    local dir <close> = support.tempdir()
    local file = assert(io.open(dir .. "/dump", "w"))
    neap.dump(file)
    file:close()
    assert.matches("task 1 main: running", support.slurp(dir .. "/dump"))
    local output = support.lua("require('neap').dump()")
    assert.matches("task 1 main: running", output)
  end)

  it("tells what a wait is on, and how long it may last", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local ip, port = server:address()
    local here = ("%s:%d"):format(ip, port)
    local acceptor = neap.spawn({ name = "acceptor" }, function()
      return server:accept()
    end)
    local conn <close> = assert(net.connect("127.0.0.1", port))
    local peer <close> = acceptor:join()
    acceptor = neap.spawn({ name = "acceptor" }, function()
      return server:accept()
    end)
    conn:settimeout(3600)
    local reader = neap.spawn({ name = "reader" }, function()
      return conn:read("l")
    end)
    local sleeper = neap.spawn({ name = "sleeper" }, neap.sleep, 3600)
    local joiner = neap.spawn({ name = "joiner" }, sleeper.wait, sleeper)
    settle()
    local text = dump()
    assert.matches("waiting in conn:read " .. here .. " for [%d.]+ s, 3[56]%d%d%.%d+ s to go",
      entry(text, "reader:"))
    assert.matches("waiting in server:accept " .. here .. " for", entry(text, "acceptor:"))
    assert.matches("waiting in sleep for [%d.]+ s, 3[56]%d%d%.%d+ s to go", entry(text, "sleeper:"))
    assert.matches("waiting in join of task " .. sleeper.id .. " sleeper for",
      entry(text, "joiner:"))
    assert(text:find("open: server " .. here, 1, true), text)
    assert(text:find("open: conn " .. here, 1, true), text)
    assert.equal("conn:read", reader:stats().waiting_for)
    assert.equal("conn:read " .. here, reader:stats().detail)
    for _, task in ipairs({ acceptor, reader, sleeper, joiner }) do
      task:cancel()
      task:wait()
    end
    assert(peer)
  end)

  it("is a tree of scopes and the tasks in them", function()
    local text
    neap.scope(function(outer)
      outer:spawn({ name = "child" }, function()
        neap.timeout(3600, function()
          neap.spawn({ name = "grandchild" }, neap.sleep, math.huge)
          neap.sleep(math.huge)
        end)
      end)
      neap.scope(function(inner)
        inner:spawn({ name = "nephew" }, neap.sleep, math.huge)
        settle()
        text = dump()
        inner:cancel()
      end)
      outer:cancel()
    end)
    local order = {}
    for indent, word in text:gmatch("%f[^\n%z]( *)([ts][ac][so][kp]e? %d+ ?%l*)") do
      order[#order + 1] = #indent .. " " .. word:gsub("%d+ ?", "")
    end
    assert.same({
      "0 task main", "2 scope ", "4 task child", "6 scope ", "8 task grandchild",
      "4 scope ", "6 task nephew",
    }, order)
    assert.matches("scope %d+: 1 task, 3[56]%d%d%.%d+ s to go", text)
  end)

  it("says what is cancelled", function()
    local text
    local gate = new_gate()
    neap.scope(function(s)
      s:spawn({ name = "shielded" }, neap.shield, gate.wait)
      settle()
      s:cancel()
      text = dump()
      gate.open()
    end)
    assert.matches("scope %d+: 1 task, cancelled\n", text)
  end)

  it("shows who waits for whom in a circle", function()
    local a, b
    a = neap.spawn({ name = "hen" }, function()
      return b:wait(3600)
    end)
    b = neap.spawn({ name = "egg" }, function()
      return a:wait(3600)
    end)
    settle()
    assert.matches("task %d+ hen waits for task %d+ egg, which waits for task %d+ hen\n", dump())
    a:cancel()
    a:wait()
    b:wait()
  end)

  it("names who holds a lock, and shows a circle of locks", function()
    local one, two = neap.mutex(), neap.mutex()
    local function both(first, second)
      return function()
        first:lock()
        neap.yield()
        second:lock()
      end
    end
    local a = neap.spawn({ name = "hen", quiet = true }, both(one, two))
    local b = neap.spawn({ name = "egg", quiet = true }, both(two, one))
    settle()
    local text = dump()
    assert.matches("task %d+ hen waits for task %d+ egg, which waits for task %d+ hen\n", text)
    assert.matches("hen: waiting in mutex:lock of task " .. b.id .. " egg for", text)
    a:cancel()
    b:cancel()
    a:wait()
    b:wait()
  end)

  it("says how full a channel is and how many wait", function()
    local ch = neap.channel(2)
    local sender = neap.spawn({ name = "sender" }, function()
      for i = 1, 3 do
        ch:send(i)
      end
    end)
    local empty = neap.channel()
    local receivers = {}
    for i = 1, 2 do
      receivers[i] = neap.spawn({ name = "receiver" .. i }, empty.recv, empty)
    end
    settle()
    local text = dump()
    assert.matches("sender: waiting in channel:send %(2 of 2 in it%) for", text)
    local others = ("%%(0 of 0 in it, 1 more wait: task %d%%)"):format(receivers[1].id)
    assert.matches("receiver2: waiting in channel:recv " .. others .. " for", text)
    ch:recv()
    sender:join()
    empty:close()
    receivers[1]:join()
    receivers[2]:join()
  end)

  it("says who else waits for a channel, as far as there is room", function()
    local ch = neap.channel()
    local tasks = {}
    for i = 1, 6 do
      tasks[i] = neap.spawn({ name = "sender" .. i }, ch.send, ch, i)
    end
    tasks[7] = neap.spawn({ name = "chooser" }, neap.select, { { ch, "send", 7 } })
    settle()
    local ids = ("task %d, %d, %d, %d"):format(tasks[2].id, tasks[3].id, tasks[4].id, tasks[5].id)
    if support.variant ~= "hostile" then -- there they have come in any order
      assert(dump():find("sender1: waiting in channel:send (0 of 0 in it, 6 more wait: " .. ids
        .. ") for", 1, true))
    end
    assert.matches("sender1: waiting in channel:send %(0 of 0 in it, 6 more wait: task %d+, %d+, ",
      dump())
    for _ = 1, 7 do
      ch:recv()
    end
    for i = 1, 7 do
      tasks[i]:join()
    end
  end)

  it("says what a select waits for", function()
    local ch, event, news = neap.channel(), neap.event(), neap.condition()
    local timer, other = neap.after(3600, print), neap.spawn(neap.sleep, 3600)
    local object = setmetatable({}, { __select = function()
      return false, news
    end })
    local task = neap.spawn({ name = "chooser" }, neap.select, {
      { ch }, { ch, "send", 1 }, { event }, { other }, { timer }, { object },
    })
    settle()
    assert(dump():find("chooser: waiting in select (channel:recv, channel:send, event:wait, join, "
      .. "timer, object) for", 1, true), dump())
    event:set()
    task:join()
    local cases = {}
    for i = 1, 100 do
      cases[i] = { ch }
    end
    task = neap.spawn({ name = "chooser" }, neap.select, cases)
    settle()
    assert.matches("chooser: waiting in select %(channel:recv, [^)]*, %d+ more%) for", dump())
    ch:send(1)
    task:join()
    other:cancel()
    timer:close()
    neap.run()
  end)

  it("groups tasks that are alike when there are many", function()
    local gate = new_gate()
    local function elsewhere()
      gate.wait()
    end
    for i = 1, 12 do
      neap.spawn({ name = "worker " .. i }, gate.wait)
      neap.spawn({ name = "other " .. i }, elsewhere)
    end
    local alone = neap.spawn({ name = "alone" }, neap.sleep, math.huge)
    settle()
    local text = dump()
    assert.matches("12 tasks like task %d+ worker 1: waiting in await for up to", text)
    assert.matches("12 tasks like task %d+ other 1: waiting in await for up to", text)
    assert.matches("\ntask %d+ alone: waiting in sleep", text)
    assert.is_nil(text:find("worker 2", 1, true))
    alone:cancel()
    gate.open()
    neap.run()
  end)

  it("stays bounded with many tasks, all of them different", function()
    local n = support.count(12000, 100000)
    local tasks = {}
    local function dive(depth, i)
      if depth > 0 then
        return (dive(depth - 1, i)) -- no tail call
      end
      neap.sleep(math.huge)
    end
    for i = 1, n do
      tasks[i] = neap.spawn({ name = ("x"):rep(100) }, function()
        dive(i % 6, i)
      end)
    end
    settle()
    local text = dump()
    assert(#text <= 64 * 1024, #text)
    for _, task in ipairs(tasks) do
      task:cancel()
    end
    neap.run()
    local ended = dump()
    assert.equal(1, #neap.tasks())
    assert.matches("^task 1 main: running", ended)
  end)

  it("cuts a text that would be too long at a line, and says so", function()
    local scopes = {}
    local gate = new_gate()
    -- Tasks with children are never alike.
    for i = 1, 1000 do
      scopes[i] = neap.spawn({ name = "parent " .. i }, neap.scope, function(s)
        s:spawn(gate.wait)
      end)
    end
    settle()
    local text = dump()
    assert(#text <= 64 * 1024 and #text > 60000, #text)
    assert.matches("\n%(cut here%)\n$", text)
    gate.open()
    for _, task in ipairs(scopes) do
      task:join()
    end
  end)

  it("does without memory for the tree, or for anything", function()
    if not neap._fail_alloc then
      return pending("needs a test build")
    end
    local gate = new_gate()
    local task = neap.spawn({ name = "listed" }, gate.wait)
    settle()
    assert(faults.alloc(dump) > 0)
    assert(faults.lua_alloc(dump) > 0)
    assert.matches("listed: waiting", dump())
    gate.open()
    task:join()
  end)

  it("tells how long tasks ran and where they were spawned, where that is counted", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local task = neap.spawn({ name = "busy" }, function()
        local n = 0
        for i = 1, 1000000 do n = n + i end
        neap.sleep(100)
      end)
      neap.sleep(0.01)
      neap.dump()
      local ran = task:stats().ran
      assert(ran > 0 and ran < 60, ran)
      assert(neap.current():stats().ran > 0)
    ]], { env = "NEAP_STATS=1" })
    assert.equal(0, status, output)
    assert.matches("busy: waiting in sleep for [%d.]+ s, [%d.]+ s to go, 1 switches, " ..
      "[%d.]+ s old, " ..
      "ran [%d.]+ ms\n", output)
    assert.matches("\n    spawned at [^\n]*script.lua:2\n", output)
    output = support.lua([[
      local neap = require("neap")
      neap.spawn(neap.sleep, 100)
      neap.yield()
      assert(neap.current():stats().ran == nil)
      neap.dump()
    ]])
    assert.is_nil(output:find("spawned at", 1, true))
    assert.is_nil(output:find("ran ", 1, true))
  end)
end)

describe("task:traceback", function()
  it("shows the coroutines that the task waits in", function()
    local function innermost()
      neap.sleep(math.huge)
    end
    local function wrapped()
      coroutine.wrap(function() -- called by a C function without a name
        innermost()
      end)()
    end
    local task = neap.spawn({ quiet = true }, function()
      local co = coroutine.create(wrapped)
      coroutine.resume(co)
    end)
    settle()
    local traceback = task:traceback()
    local at = 0
    for _, word in ipairs({ "sleep", "innermost", "[C]: in ?", "resume" }) do
      at = assert(traceback:find(word, at + 1, true), word .. " in:\n" .. traceback)
    end
    local _, titles = traceback:gsub("stack traceback:", "")
    assert.equal(1, titles)
    local text = dump()
    assert.matches("'innermost'", text)
    assert.matches("'resume'", text)
    task:cancel()
    task:wait()
  end)

  it("shows a coroutine that is being closed, and main's own", function()
    local seen
    local task = neap.spawn({ quiet = true }, function()
      local co = coroutine.create(function()
        local _ <close> = setmetatable({}, {
          __close = function()
            local function in_close()
              neap.sleep(0)
              neap.yield()
            end
            in_close()
          end,
        })
        coroutine.yield()
      end)
      coroutine.resume(co)
      coroutine.close(co)
    end)
    for _ = 1, 2 do
      neap.yield()
      seen = task:traceback() or seen
    end
    assert.matches("in_close", seen)
    task:join()
    coroutine.wrap(function()
      neap.spawn(function()
        seen = neap.tasks()[1]:traceback()
      end):join()
    end)()
    assert.matches("'join'", seen)
    assert.matches("in main chunk", seen)
  end)

  it("is not misled by a suspended coroutine in the waiting call's arguments", function()
    local idle = coroutine.wrap(function()
      coroutine.yield()
    end)
    idle()
    local co = coroutine.create(function() end)
    local task = neap.spawn({ quiet = true }, function()
      neap.await(function() end, co)
    end)
    settle()
    assert.matches("'[%w.]*await'", task:traceback()) -- Lua 5.5: field 'await'
    task:cancel()
    task:wait()
  end)
end)

describe("a deadlock", function()
  it("is raised in main's wait, with the dump of all tasks", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local function wait_for_ever() neap.await(function() end) end
      neap.spawn({ name = "stuck" }, wait_for_ever)
      local ok, message = pcall(neap.run)
      assert(not ok)
      io.write(message)
      assert(#neap.tasks() == 2) -- they stay parked
    ]])
    assert.equal(0, status, output)
    assert.matches("^[^\n]*deadlock: nothing can end this wait\n", output)
    assert.matches("\ntask 1 main: waiting in run for", output)
    assert.matches("\ntask 2 stuck: waiting in await for", output)
    assert.matches("stuck:[^\n]*\n[^\n]*in function 'await'\n[^\n]*script.lua:2: in function <",
      output)
  end)

  it("is raised from a scope that main waits in", function()
    local output, status = support.lua([[
      local neap = require("neap")
      neap.scope(function(s)
        s:spawn({ name = "stuck" }, neap.await, function() end)
      end)
    ]])
    assert.equal(1, status)
    assert.matches("deadlock: nothing can end this wait\n", output)
    assert.matches("main: waiting in end of scope %d+, 1 task in it for", output)
    assert.matches("\n  scope %d+: 1 task\n    task 2 stuck: waiting in await", output)
  end)

  it("at a scope's end cancels the tasks in it: none outlives its block", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local function stuck()
        local _ <close> = setmetatable({}, { __close = function(_, err)
          print(neap.is_cancelled(err), err)
        end })
        neap.await(function() end)
      end
      local function check(ok, message)
        assert(not ok and message:find("^[^\n]*deadlock: nothing can end this wait\n"), message)
        assert(message:find("stuck: waiting in await"), message)
        assert(#neap.tasks() == 1)
      end
      check(pcall(neap.scope, function(s)
        s:spawn({ name = "stuck" }, stuck)
      end))
      check(pcall(function()
        local s <close> = neap.scope()
        s:spawn({ name = "stuck" }, stuck)
      end))
      check(pcall(neap.scope, function()
        neap.scope(function(s)
          s:spawn({ name = "stuck" }, stuck)
        end)
      end))
      neap.sleep(0) -- all is as ever
    ]])
    assert.equal(0, status, output)
    assert.equal(("true\tcancelled: the scope's own block failed\n"):rep(3), output)
  end)

  it("at a scope's end reports what its tasks' cleanup raises", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local ok, message = pcall(neap.scope, function(s)
        s:spawn(function()
          local _ <close> = setmetatable({}, { __close = function() error("cleanup", 0) end })
          neap.await(function() end)
        end)
      end)
      assert(not ok and message:find("deadlock"))
      neap.yield()
    ]])
    assert.equal(0, status, output)
    assert.matches("^neap: task 2 failed: cleanup\nafter another error: cancelled", output)
  end)

  it("that goes on at a scope's end leaves its tasks parked", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local ok, message = pcall(neap.scope, function(s)
        s:spawn({ name = "shielded" }, neap.shield, neap.await, function() end)
      end)
      assert(not ok and message:find("shielded: waiting in await"), message)
      assert(#neap.tasks() == 2)
      neap.scope(neap.yield)
    ]])
    assert.equal(0, status, output)
  end)

  it("of 10,000 tasks is told in a message of bounded size", function() -- fault 34
    local output, status = support.lua([[
      local neap = require("neap")
      for i = 1, 10000 do
        neap.spawn({ name = "philosopher " .. i }, function()
          local n = i % 7 -- some are alike
          if n > 2 then neap.await(function() end) end
          neap.await(function() end)
        end)
      end
      local ok, message = pcall(neap.run)
      assert(not ok and message:find("deadlock"))
      assert(#message <= 17 * 1024, #message)
      assert(message:find("%d+ tasks like task 4 philosopher 3: waiting in await"), message)
      assert(#neap.tasks() == 10001)
    ]])
    assert.equal(0, status, output)
  end)

  it("without memory for the dump is told all the same", function()
    if not neap._fail_alloc then
      return pending("needs a test build")
    end
    local task = neap.spawn(neap.await, function() end)
    local function body()
      local ok, message = pcall(task.wait, task)
      assert(not ok)
      error(message:find("deadlock", 1, true) and "not enough memory" or message, 0)
    end
    settle()
    neap._fail_alloc(2, true)
    local _, message = pcall(body)
    assert(neap._fail_alloc(0) > 0)
    assert.equal("not enough memory", message)
    task:cancel()
    task:wait()
  end)
end)
