-- What Go's documentation says of channels, select, locks, contexts and
-- deadlocks, as far as neap says it too; and, marked with "Unlike", where neap
-- differs on purpose. The claims are in our own words; each names the place it
-- is from. In virtual time, and in several orders.
local neap = require("neap")
local seeds = require("spec.support.seeds")
local settle = require("neap.testing").settle
local support = require("spec.support")

local once <const> = it -- in a process of its own
local it = seeds.virtual(it)

-- SPEC:    https://go.dev/ref/spec
-- MEMORY:  https://go.dev/ref/mem
-- SYNC:    https://pkg.go.dev/sync
-- CONTEXT: https://pkg.go.dev/context

local function forever()
  neap.sleep(math.huge)
end

local function start(fn, ...)
  local task = neap.spawn({ quiet = true }, fn, ...)
  settle()
  return task
end

describe("a channel", function()
  -- SPEC#Channel_types
  it("without capacity passes a value when both sides are there", function()
    local ch = neap.channel()
    local sender = start(ch.send, ch, "value")
    assert.equal("waiting", sender:status())
    assert.equal("value", ch:recv())
    assert.is_true(sender:join())
    local receiver = start(ch.recv, ch)
    assert.equal("waiting", receiver:status())
    ch:send("other")
    assert.equal("other", receiver:join())
  end)

  -- SPEC#Channel_types
  it("with capacity waits only when it is full, or empty", function()
    local ch = neap.channel(2)
    ch:send(1)
    ch:send(2)
    local sender = start(ch.send, ch, 3)
    assert.equal("waiting", sender:status())
    for i = 1, 3 do
      assert.equal(i, ch:recv())
    end
    local receiver = start(ch.recv, ch)
    assert.equal("waiting", receiver:status())
    ch:send(4)
    assert.equal(4, receiver:join())
  end)

  -- SPEC#Channel_types
  it("is first in, first out", function()
    for capacity = 0, 4, 2 do
      local ch, got = neap.channel(capacity), {}
      neap.scope(function(scope)
        scope:spawn(function()
          for i = 1, 20 do
            ch:send(i)
          end
          ch:close()
        end)
        for value in ch do
          got[#got + 1] = value
        end
      end)
      for i = 1, 20 do
        assert.equal(i, got[i])
      end
    end
  end)

  -- SPEC#Length_and_capacity
  it("has a length: what is in it", function()
    local ch = neap.channel(3)
    assert.equal(0, #ch)
    ch:send("a")
    ch:send("b")
    assert.equal(2, #ch)
    assert.equal("channel (2 of 3)", tostring(ch))
  end)

  -- MEMORY#chan: the receive comes before the send is over
  it("without capacity lets the sender go on when the value was taken", function()
    local ch, text = neap.channel(), nil
    local sender = start(function()
      ch:send("ready")
      return text
    end)
    text = "written before the receive"
    ch:recv()
    assert.equal("written before the receive", sender:join())
  end)

  -- MEMORY#chan: a channel of capacity C as a semaphore
  it("of capacity C lets the sender be C values ahead", function()
    local limit, inside, most = neap.channel(3), 0, 0
    neap.scope(function(scope)
      for _ = 1, 10 do
        scope:spawn(function()
          limit:send(true)
          inside = inside + 1
          most = math.max(most, inside)
          neap.sleep(1)
          inside = inside - 1
          limit:recv()
        end)
      end
    end)
    assert.equal(3, most)
  end)

  -- SPEC#For_range
  it("is looped over until it is closed", function()
    local ch, sum = neap.channel(), 0
    neap.scope(function(scope)
      scope:spawn(function()
        for i = 1, 10 do
          ch:send(i)
        end
        ch:close()
      end)
      for value in ch do
        sum = sum + value
      end
    end)
    assert.equal(55, sum)
  end)

  -- SPEC#Send_statements, #Receive_operator: a nil channel is never ready
  -- Unlike Go, where a nil channel waits for ever, no channel is an error; in a
  -- select, the use that nil channels have, it is a case that is false.
  it("that is none takes part in a select as a case that is false", function()
    local ch = neap.channel(1)
    assert.is_false(pcall(ch.recv, nil))
    ch:send("value")
    assert.same({ 2, "value" }, { neap.select({ false, { ch } }) })
  end)

  -- Unlike Go, where nil is a value of pointer types, nil can't be sent: it is what
  -- recv returns at the end (SPEC#Receive_operator has a second result for that).
  it("carries false, but not nil", function()
    local ch = neap.channel(1)
    assert.is_false(pcall(ch.send, ch, nil))
    ch:send(false)
    assert.is_false(ch:recv())
  end)
end)

describe("closing a channel", function()
  -- SPEC#Close
  it("lets what was sent be received first, then ends each receive at once", function()
    local ch = neap.channel(2)
    ch:send("a")
    ch:send("b")
    ch:close()
    assert.equal("a", ch:recv())
    assert.equal("b", ch:recv())
    for _ = 1, 3 do
      assert.same({ nil, "channel is closed", "EOF" }, { ch:recv() })
    end
  end)

  -- SPEC#Receive_operator: the second result tells a zero value from the end
  it("is told from every value that can be sent", function()
    local ch = neap.channel(2)
    ch:send(false)
    ch:send(0)
    ch:close()
    assert.same({ false }, { ch:recv() })
    assert.same({ 0 }, { ch:recv() })
    assert.equal("EOF", select(3, ch:recv()))
  end)

  -- SPEC#Close
  it("wakes all that wait to receive", function()
    local ch = neap.channel()
    local receivers = {}
    for i = 1, 3 do
      receivers[i] = start(ch.recv, ch)
    end
    ch:close()
    for i = 1, 3 do
      assert.equal("EOF", select(3, receivers[i]:join()))
    end
  end)

  -- SPEC#Close, #Send_statements
  -- Unlike Go, where it panics, a send on a closed channel is a failure as that of
  -- a write to a closed pipe: whoever stops reading closes, and that is no mistake.
  it("makes a send fail, one that waits as well", function()
    local ch = neap.channel()
    local sender = start(ch.send, ch, "late")
    ch:close()
    assert.same({ nil, "channel is closed", "EPIPE" }, { sender:join() })
    assert.same({ nil, "channel is closed", "EPIPE" }, { ch:send("later") })
    assert.equal("EOF", select(3, ch:recv())) -- neither was taken
  end)

  -- SPEC#Close
  -- Unlike Go, where it panics, closing twice is fine, as with all of neap's handles:
  -- a channel may be closed by a block's end after it was closed by hand.
  it("may be done again", function()
    local ch = neap.channel()
    assert.is_true(ch:close())
    assert.is_true(ch:close())
  end)
end)

describe("select", function()
  -- SPEC#Select_statements, step 2
  it("chooses among the ready ones at random, each as likely", function()
    local cases, counts = {}, { 0, 0, 0 }
    for i = 1, 3 do
      cases[i] = { neap.channel(1) }
      cases[i][1]:send(i)
    end
    for _ = 1, 1500 do
      local case, value = neap.select(cases)
      assert.equal(case, value)
      counts[case] = counts[case] + 1
      cases[case][1]:send(case)
    end
    for case = 1, 3 do -- 500 and, within nine standard deviations, 165 more or less
      assert(math.abs(counts[case] - 500) < 165, table.concat(counts, " "))
    end
  end)

  -- SPEC#Select_statements, step 2: the default case
  it("goes on at once with a timeout of 0 when none is ready", function()
    local ch, begun = neap.channel(), neap.now()
    local r = { neap.select({ { ch }, { ch, "send", 1 }, timeout = 0 }) }
    assert.same({ nil, "timed out after 0 s", "ETIMEDOUT" }, r)
    assert.equal(begun, neap.now())
    start(ch.send, ch, "value")
    assert.same({ 1, "value" }, { neap.select({ { ch }, timeout = 0 }) })
  end)

  -- SPEC#Select_statements, step 2
  it("waits until one can proceed, and does that one alone", function()
    local a, b, c = neap.channel(), neap.channel(), neap.channel(1)
    local task = start(neap.select, { { a }, { b, "send", "lost" }, { c } })
    assert.equal("waiting", task:status())
    c:send("won")
    assert.same({ 3, "won" }, { task:join() })
    assert.equal("EAGAIN", select(3, a:try_send(1)))
    assert.equal("EAGAIN", select(3, b:try_recv()))
  end)

  -- SPEC#Select_statements, step 1: operands are evaluated once, on entering
  it("knows its cases from the beginning", function()
    local ch, other = neap.channel(), neap.channel()
    local cases = { { ch, "send", "first" }, { other } }
    local task = start(neap.select, cases)
    cases[1][3], cases[1][1], cases[2] = "changed", other, nil
    assert.equal("first", ch:recv())
    assert.same({ 1, true }, { task:join() })
  end)

  -- SPEC#Select_statements, #Receive_operator: a receive from a closed channel can
  -- always proceed
  it("is ready where a channel is closed", function()
    local open, closed = neap.channel(), neap.channel()
    closed:close()
    assert.same({ 2, nil, "channel is closed", "EOF", n = 4 },
      table.pack(neap.select({ { open }, { closed } })))
    -- Unlike Go, where it panics: see above.
    assert.same({ 1, nil, "channel is closed", "EPIPE", n = 4 },
      table.pack(neap.select({ { closed, "send", 1 } })))
  end)

  -- SPEC#Select_statements
  -- Unlike Go, where a select without cases waits for ever, it is an error: there
  -- are better words for that, and a list that is empty by mistake should say so.
  it("without cases is a mistake", function()
    assert.is_false(pcall(neap.select, {}))
    assert.is_false(pcall(neap.select, { false }))
  end)

  -- Unlike Go, where a timeout is a case (time.After) and a goroutine's end needs a
  -- channel (SPEC#Go_statements: its results are discarded), both are cases.
  it("takes tasks, events and timers too", function()
    local ch, event = neap.channel(), neap.event()
    local task = neap.spawn(function()
      neap.sleep(2)
      return "result"
    end)
    local timer = neap.after(1, function() end)
    assert.same({ 3, true }, { neap.select({ { ch }, { task }, { timer }, { event } }) })
    assert.same({ 2, true, "result" }, { neap.select({ { ch }, { task }, { event } }) })
    event:set()
    assert.same({ 2, true }, { neap.select({ { ch }, { event } }) })
  end)
end)

describe("locks", function()
  -- SYNC#Mutex
  it("let one in at a time", function()
    local mutex, inside = neap.mutex(), 0
    neap.scope(function(scope)
      for _ = 1, 5 do
        scope:spawn(function()
          local _ <close> = mutex:lock()
          inside = inside + 1
          assert.equal(1, inside)
          neap.sleep(1)
          inside = inside - 1
        end)
      end
    end)
  end)

  -- SYNC#Mutex.Unlock
  it("that are not locked can't be unlocked", function()
    local mutex = neap.mutex()
    local ok, err = pcall(mutex.unlock, mutex)
    assert.is_false(ok)
    assert.matches("mutex is not locked", err)
  end)

  -- SYNC#Mutex.Unlock
  -- Unlike Go's, a mutex belongs to the task that has locked it: so neap can say who
  -- has it, and that nobody ever will unlock it. What one task takes and another
  -- gives back is a semaphore.
  it("belong to the task that has locked them", function()
    local mutex, semaphore = neap.mutex(), neap.semaphore(1)
    mutex:lock()
    local ok, err = start(mutex.unlock, mutex):wait()
    assert.is_false(ok)
    assert.matches("mutex is locked by task %d+ test, not by this one", err)
    mutex:unlock()
    semaphore:acquire()
    assert.is_true(start(semaphore.release, semaphore):join())
    assert.equal("semaphore (1 of 1)", tostring(semaphore))
  end)

  -- SYNC#Mutex: a second Lock waits for the Unlock, of the same goroutine too
  -- Unlike Go, where that is a deadlock, it is an error at the call.
  it("are not taken twice by one task", function()
    local mutex = neap.mutex()
    local _ <close> = mutex:lock()
    local ok, err = pcall(mutex.lock, mutex)
    assert.is_false(ok)
    assert.matches("mutex is locked by this task already", err)
  end)

  -- SYNC#Mutex.TryLock
  it("can be tried without a wait", function()
    local mutex = neap.mutex()
    local owner = start(function()
      local _ <close> = mutex:lock()
      neap.sleep(1)
    end)
    assert.equal("EAGAIN", select(3, mutex:try_lock()))
    owner:join()
    assert.equal(mutex, mutex:try_lock())
    mutex:unlock()
  end)

  -- SYNC#Cond.Wait
  it("are let go of by a condition's wait, and taken again before it returns", function()
    local mutex = neap.mutex()
    local condition = neap.condition(mutex)
    local waiter = start(function()
      local _ <close> = mutex:lock()
      condition:wait()
      return tostring(mutex)
    end)
    do
      local _ <close> = mutex:lock() -- it is free meanwhile
      assert.equal(1, condition:notify())
      settle()
      assert.equal("waiting", waiter:status())
    end
    assert.equal(("mutex (locked by task %d)"):format(waiter.id), waiter:join())
  end)

  -- SYNC#Cond.Wait, #Cond.Signal, #Cond.Broadcast
  it("have conditions that wake whom they are told to, and nobody else", function()
    local condition, woken = neap.condition(), 0
    for _ = 1, 4 do
      start(function()
        condition:wait()
        woken = woken + 1
      end)
    end
    assert.equal(0, woken)
    condition:notify()
    settle()
    assert.equal(1, woken)
    condition:notify_all()
    settle()
    assert.equal(4, woken)
    condition:notify() -- nobody waits: it is not kept
    assert.equal("ETIMEDOUT", select(3, condition:wait(1)))
  end)

  -- SYNC#Cond
  -- Unlike Go's, a condition may do without a lock, since nobody comes between two
  -- waits; but with one, that must be held.
  it("must be held for a condition that has one", function()
    local condition = neap.condition(neap.mutex())
    assert.is_false(pcall(condition.wait, condition))
    assert.equal("ETIMEDOUT", select(3, neap.condition():wait(0)))
  end)
end)

describe("a context", function()
  -- CONTEXT#WithDeadline: never later than the parent's
  it("has the nearest deadline of those around", function()
    neap.timeout(5, function()
      neap.timeout(10, function()
        assert.equal(5, neap.time_left())
      end)
      neap.timeout(2, function()
        assert.equal(2, neap.time_left())
      end)
      assert.equal(5, neap.time_left())
    end)
  end)

  -- CONTEXT (overview): a deadline reaches all that is derived
  -- Unlike Go, where a context is handed on by hand, what is spawned is in it.
  it("ends with its deadline all that was started in it, at any depth", function()
    local begun, ended = neap.now(), {}
    neap.timeout(5, function()
      neap.scope(function(scope)
        scope:spawn(function()
          local _ <close> = setmetatable({}, { __close = function(_, err)
            ended.child = neap.is_cancelled(err) and neap.now() - begun
          end })
          neap.timeout(60, function()
            neap.spawn(function()
              local _ <close> = setmetatable({}, { __close = function(_, err)
                ended.grandchild = neap.is_cancelled(err) and neap.now() - begun
              end })
              forever()
            end)
            forever()
          end)
        end)
      end)
    end)
    assert.same({ child = 5, grandchild = 5 }, ended)
  end)

  -- CONTEXT (overview), #WithCancel
  it("cancels what is derived from it, not what it is derived from", function()
    local log = {}
    neap.scope(function(parent)
      local inner
      parent:spawn(function()
        neap.scope(function(scope)
          inner = scope
          forever()
        end)
        log[#log + 1] = "inner over"
        forever()
      end)
      settle()
      inner:cancel()
      settle()
      log[#log + 1] = "parent goes on"
      neap.yield()
      parent:cancel()
    end)
    assert.same({ "inner over", "parent goes on" }, log)
  end)

  -- CONTEXT#CancelFunc
  it("is cancelled once: later calls do nothing", function()
    local _, message = neap.scope(function(scope)
      assert.is_true(scope:cancel("first"))
      assert.is_false(scope:cancel("second"))
      neap.yield()
    end)
    assert.equal("scope cancelled: first", message)
  end)

  -- CONTEXT#pkg-variables: what ended it can be told
  it("tells a deadline from a cancellation", function()
    assert.equal("ETIMEDOUT", select(3, neap.timeout(1, forever)))
    assert.equal("ECANCELED", select(3, neap.scope(function(scope)
      scope:cancel()
      neap.yield()
    end)))
  end)

  -- CONTEXT#WithValue
  it("has values, which those that are derived from it see", function()
    neap.context().request = 17
    local seen
    neap.spawn(function()
      seen = neap.context().request
      neap.context().request = 18
    end):join()
    assert.equal(17, seen)
    assert.equal(17, neap.context().request)
  end)
end)

describe("a goroutine", function()
  -- SPEC#Go_statements
  -- Unlike Go, where they are discarded, its results are kept for who asks.
  it("gets its arguments when it is started, and keeps its results", function()
    local value = "then"
    local task = neap.spawn(function(...)
      return ..., value
    end, value)
    value = "later"
    assert.same({ "then", "later" }, { task:join() })
  end)

  -- SPEC#Handling_panics
  -- Unlike Go, where a panic that nobody recovers ends the program, an error ends
  -- the task and the scope that it is in.
  it("that fails ends its scope, and no more", function()
    local other = neap.spawn(function()
      neap.sleep(1)
      return "fine"
    end)
    local ok, err = pcall(neap.scope, function(scope)
      scope:spawn(error, "panic", 0)
    end)
    assert.same({ false, "panic" }, { ok, err })
    assert.equal("fine", other:join())
  end)

  -- SPEC#Program_execution
  once("does not outlive the main script, unless that waits for all", function()
    local source = [[
      local neap = require("neap")
      neap.spawn(function() neap.yield() neap.yield() print("ran") end)
      if ... then neap.run() end
    ]]
    assert.equal("", (support.lua(source)))
    assert.equal("ran\n", (support.lua(source, { args = { "wait" } })))
  end)

  -- https://go.dev/src/runtime/proc.go (checkdead): when all are asleep and no timer
  -- is left, the program ends with "all goroutines are asleep - deadlock!" and the
  -- stacks of all.
  -- Unlike Go, where nothing can stop that, it is an error in main's wait.
  once("in a program in which all wait for each other is told about, with its stack", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local ch = neap.channel()
      neap.spawn({ name = "consumer" }, function() for _ in ch do end end)
      ch:send(1)
      print("sent")
      neap.run()
    ]])
    assert.not_equal(0, status)
    assert.matches("^sent\n", output)
    assert.matches("deadlock: nothing can end this wait", output)
    assert.matches("consumer: waiting in channel:recv", output)
    assert.matches("script.lua:3", output)
  end)

  -- as above: a timer may still wake somebody
  once("that sleeps is no part of a deadlock", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local ch = neap.channel()
      neap.after(0.001, ch.send, ch, "late")
      print(ch:recv())
    ]])
    assert.equal(0, status, output)
    assert.equal("late\n", output)
  end)
end)
