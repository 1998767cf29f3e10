-- What Trio's documentation says of nurseries, cancellation and time, as far as
-- neap says it too; and, marked with "Unlike", where neap differs on purpose.
-- The claims are in our own words; each names the place it is from. All of it
-- in virtual time, and in several orders.
local neap = require("neap")
local net = require("neap.net")
local seeds = require("spec.support.seeds")
local settle = require("neap.testing").settle

local it = seeds.virtual(it)

-- CORE:    https://trio.readthedocs.io/en/stable/reference-core.html
-- TESTING: https://trio.readthedocs.io/en/stable/reference-testing.html

local function forever()
  neap.sleep(math.huge)
end

-- A to-be-closed value that calls fn at the end of its block.
local function finally(fn)
  return setmetatable({}, { __close = fn })
end

local function names_of(log)
  table.sort(log)
  return table.concat(log, " ")
end

describe("a nursery", function()
  -- CORE#nurseries-and-spawning
  it("waits at its end for all the tasks in it", function()
    local begun, ended = neap.now(), 0
    neap.scope(function(scope)
      for i = 1, 3 do
        scope:spawn(function()
          neap.sleep(i)
          ended = ended + 1
        end)
      end
      assert.equal(0, ended)
    end)
    assert.equal(3, ended)
    assert.equal(3, neap.now() - begun)
  end)

  -- CORE#nurseries-and-spawning (the note about return)
  it("is not cancelled by a return out of its block", function()
    local begun = neap.now()
    local function parent()
      local scope <close> = neap.scope()
      scope:spawn(neap.sleep, 5)
      return neap.now() - begun
    end
    assert.equal(0, parent())
    assert.equal(5, neap.now() - begun)
  end)

  -- CORE#nurseries-and-spawning
  it("cancels all that is in it when one of its tasks fails", function()
    local log = {}
    assert.is_false(pcall(neap.scope, function(scope)
      local function hang(name)
        local _ <close> = finally(function(_, err)
          log[#log + 1] = neap.is_cancelled(err) and name
        end)
        forever()
      end
      scope:spawn(hang, "one")
      scope:spawn(hang, "two")
      scope:spawn(function()
        neap.sleep(1)
        error("broken", 0)
      end)
      hang("body")
    end))
    assert.equal("body one two", names_of(log))
  end)

  -- CORE#nurseries-and-spawning
  it("raises the failure in its parent, once all the tasks have ended", function()
    local begun = neap.now()
    local ok, err = pcall(neap.scope, function(scope)
      scope:spawn(function()
        local _ <close> = finally(function()
          neap.shield(neap.sleep, 10)
        end)
        forever()
      end)
      settle() -- it has begun
      scope:spawn(error, "broken", 0)
    end)
    assert.is_false(ok)
    assert.equal("broken", err)
    assert.equal(10, neap.now() - begun)
  end)

  -- CORE#nurseries-and-spawning
  it("takes no task any more when it has ended", function()
    local kept
    neap.scope(function(scope)
      kept = scope
    end)
    assert.has_error(function()
      kept:spawn(forever)
    end, "cannot spawn: the scope has ended")
  end)

  -- CORE#nurseries-and-spawning: the tasks are a tree below the initial one
  it("is what the program ends with: a run is over when all tasks are", function()
    local log = {}
    local result = neap.scope(function()
      neap.spawn(function()
        neap.spawn(function()
          neap.sleep(2)
          log[#log + 1] = "grandchild"
        end)
        neap.sleep(1)
        log[#log + 1] = "child"
      end)
      return "result"
    end)
    assert.equal("result", result)
    assert.same({ "child", "grandchild" }, log)
  end)

  -- CORE#errors-in-multiple-child-tasks
  -- Unlike Trio, which raises a group of all the errors, neap raises the first as
  -- it is, so that pcall's callers find what was raised; the others are reported.
  it("raises the first error, and reports the later ones", function()
    local reported = {}
    neap.on_error(function(task, err)
      reported[#reported + 1] = err
      task:wait() -- it is heard
    end)
    local ok, err = pcall(neap.scope, function(scope)
      scope:spawn(function()
        local _ <close> = finally(function()
          error("second", 0)
        end)
        forever()
      end)
      settle()
      scope:spawn(error, "first", 0)
    end)
    settle()
    neap.on_error(nil)
    assert.is_false(ok)
    assert.equal("first", err)
    assert.same({ "second" }, reported)
  end)

  -- CORE#spawning-tasks-without-becoming-a-parent
  it("may be handed to a task, which then starts siblings of its own", function()
    local begun = neap.now()
    local served = {}
    neap.scope(function(scope)
      scope:spawn(function()
        for i = 1, 3 do
          neap.sleep(1) -- a connection comes
          scope:spawn(function()
            neap.sleep(10)
            served[#served + 1] = i
          end)
        end
      end)
    end)
    assert.same({ 1, 2, 3 }, served)
    assert.equal(13, neap.now() - begun)
  end)
end)

describe("nursery.start", function()
  -- CORE#trio.Nursery.start
  it("returns what the task says it is ready with, and leaves it in the nursery", function()
    local begun, stopped = neap.now(), nil
    neap.scope(function(scope)
      local port = scope:start(function(host)
        neap.sleep(2)
        neap.ready(host .. ":80")
        neap.sleep(3)
        stopped = neap.now() - begun
      end, "localhost")
      assert.equal("localhost:80", port)
      assert.equal(2, neap.now() - begun)
      assert.is_nil(stopped)
    end)
    assert.equal(5, stopped)
  end)

  -- CORE#trio.Nursery.start
  -- Unlike Trio, where the error of a task that fails before comes out of start
  -- alone, it is a failure in the nursery as any other: it ends that.
  it("fails with the task, and the nursery with it", function()
    local cancelled
    local ok, err = pcall(neap.scope, function(scope)
      local _, err = pcall(scope.start, scope, error, "no such host", 0)
      cancelled = neap.is_cancelled(err)
    end)
    assert.is_true(cancelled)
    assert.is_false(ok)
    assert.equal("no such host", err)
  end)

  -- CORE#trio.Nursery.start
  it("raises when the task ends without a word", function()
    neap.scope(function(scope)
      local ok, err = pcall(scope.start, scope, neap.yield)
      assert.is_false(ok)
      assert.matches("has ended before it was ready", err)
    end)
  end)

  -- CORE#trio.Nursery.start
  it("that is cancelled cancels the task", function()
    local ended
    neap.scope(function(scope)
      neap.timeout(1, scope.start, scope, function()
        local _ <close> = finally(function(_, err)
          ended = neap.is_cancelled(err)
        end)
        forever()
      end)
    end)
    assert.is_true(ended)
  end)

  -- CORE#trio.Nursery.start
  it("is told once", function()
    neap.scope(function(scope)
      scope:start(function()
        neap.ready()
        assert.has_error(neap.ready)
      end)
    end)
  end)
end)

describe("a cancel scope", function()
  -- CORE#a-simple-timeout-example
  it("leaves its block when its time is over, and goes on after it", function()
    local begun, went_on = neap.now(), false
    neap.timeout(30, function()
      forever()
      went_on = true
    end)
    assert.is_false(went_on)
    assert.equal(30, neap.now() - begun)
  end)

  -- CORE#a-simple-timeout-example: one limit for all of the block
  it("limits its block as a whole, not each wait in it", function()
    local waits = 0
    neap.timeout(30, function()
      while true do
        neap.sleep(20)
        waits = waits + 1
      end
    end)
    assert.equal(1, waits)
  end)

  -- CORE#cancellation-semantics, the example with 5, 10 and 20 seconds
  it("catches what belongs to it, and lets that of an outer one pass", function()
    local log = {}
    neap.timeout(5, function()
      neap.timeout(10, function()
        neap.sleep(20)
        log[#log + 1] = "slept"
      end)
      log[#log + 1] = "inner over"
    end)
    log[#log + 1] = "outer over"
    assert.same({ "outer over" }, log)
  end)

  -- CORE#trio.CancelScope.cancelled_caught
  it("tells that it was the one whose time was over", function()
    local outer = table.pack(neap.timeout(5, neap.timeout, 10, forever))
    assert.same({ nil, "timed out after 5 s", "ETIMEDOUT", true, n = 4 }, outer)
    local inner
    assert.equal("in time", neap.timeout(10, function()
      inner = select(4, neap.timeout(5, forever))
      return "in time"
    end))
    assert.is_true(inner)
    assert.is_nil((select(4, neap.timeout(10, neap.sleep, 5))))
  end)

  -- CORE#trio.fail_after
  it("as a block raises an ordinary error, which tells of the limit", function()
    local ok, err = pcall(function()
      local _ <close> = neap.time_limit(5)
      forever()
    end)
    assert.is_false(ok)
    assert.equal("ETIMEDOUT", err.code)
    assert.is_false(neap.is_cancelled(err))
  end)

  -- CORE#trio.current_effective_deadline
  it("tells the nearest of the limits around", function()
    assert.is_nil(neap.time_left())
    neap.timeout(5, function()
      neap.timeout(10, function()
        assert.equal(5, neap.time_left())
        neap.timeout(1, function()
          assert.equal(1, neap.time_left())
        end)
        neap.shield(function()
          assert.is_nil(neap.time_left())
        end)
      end)
    end)
  end)

  -- CORE#trio.CancelScope.cancel
  it("can be cancelled by hand, from another task as well", function()
    local scope_of
    neap.spawn(function()
      neap.sleep(1)
      assert.is_true(scope_of:cancel("enough"))
      assert.is_false(scope_of:cancel("again")) -- nothing new
    end)
    local begun = neap.now()
    local ok, message, code = neap.scope(function(scope)
      scope_of = scope
      forever()
    end)
    assert.same({ nil, "scope cancelled: enough", "ECANCELED" }, { ok, message, code })
    assert.equal(1, neap.now() - begun)
  end)

  -- CORE#child-tasks-and-cancellation
  it("around a nursery holds for the tasks in it", function()
    local log = {}
    neap.timeout(5, function()
      neap.scope(function(scope)
        for _, name in ipairs({ "one", "two" }) do
          scope:spawn(function()
            local _ <close> = finally(function()
              log[#log + 1] = name .. " " .. neap.time_left()
            end)
            forever()
          end)
        end
      end)
    end)
    assert.equal("one 0.0 two 0.0", names_of(log))
  end)

  -- CORE#child-tasks-and-cancellation, #spawning-tasks-without-becoming-a-parent
  it("around the call that starts a task in a nursery does not reach it", function()
    local begun, slept = neap.now(), nil
    neap.scope(function(scope)
      neap.timeout(5, function()
        scope:spawn(function()
          assert.is_nil(neap.time_left())
          neap.sleep(10)
          slept = neap.now() - begun
        end)
      end)
      assert.equal(0, neap.now() - begun)
    end)
    assert.equal(10, slept)
  end)

  -- CORE#child-tasks-and-cancellation
  -- Unlike Trio, where a child needs a nursery by name, neap.spawn has none and
  -- takes the innermost block. A limit is one: it waits for what it has started.
  it("has what neap.spawn starts in it", function()
    local begun, child = neap.now(), nil
    neap.timeout(5, function()
      child = neap.spawn(neap.sleep, 10)
    end)
    assert.equal(5, neap.now() - begun)
    assert.equal("cancelled", child:status())
  end)
end)

describe("cancellation", function()
  -- CORE#cancellation-semantics: "level triggered"
  it("is raised by every wait in the block, also in one that cleans up", function()
    local raised, goodbye = 0, nil
    neap.timeout(5, function()
      local _ <close> = finally(function()
        neap.sleep(1)
        goodbye = true
      end)
      for _ = 1, 5 do
        local ok, err = pcall(forever)
        assert(not ok and neap.is_cancelled(err))
        raised = raised + 1
      end
      forever()
    end)
    assert.equal(5, raised)
    assert.is_nil(goodbye)
    neap.sleep(1) -- outside the block all is as ever
  end)

  -- CORE#cancellation-semantics, the example with a goodbye
  it("is kept out by a shield, whose own limits still hold", function()
    local begun, said = neap.now(), nil
    neap.timeout(5, function()
      local _ <close> = finally(function()
        neap.shield(function()
          neap.timeout(3, function()
            neap.sleep(1)
            said = neap.now() - begun
            forever()
          end)
        end)
      end)
      forever()
    end)
    assert.equal(6, said)
    assert.equal(8, neap.now() - begun)
  end)

  -- CORE#cancellation-and-primitive-operations, the first rule
  it("is raised by a call that could have gone on without a wait", function()
    local ch = neap.channel(2)
    ch:send("kept")
    neap.scope(function(scope)
      scope:cancel()
      for _, call in ipairs({
        function() return ch:recv() end,
        function() return ch:send("more") end,
        function() return neap.yield() end,
        function() return neap.select({ { ch } }) end,
        function() return neap.mutex():lock() end,
      }) do
        local ok, err = pcall(call)
        assert(not ok and neap.is_cancelled(err))
      end
    end)
    assert.equal(1, #ch)
  end)

  -- CORE#cancellation-and-primitive-operations, the second rule
  it("ends a wait when any of the blocks around it is cancelled", function()
    for depth = 1, 3 do
      local scopes, reached = {}, {}
      neap.spawn(function()
        neap.sleep(1)
        scopes[depth]:cancel()
      end)
      local function nest(n)
        neap.scope(function(scope)
          scopes[n] = scope
          if n == 3 then
            forever()
          end
          nest(n + 1)
        end)
        reached[#reached + 1] = n
      end
      nest(1)
      assert.equal(depth, #reached) -- that block is left, and those around it
    end
  end)

  -- CORE#cancellation-and-primitive-operations, the third rule
  it("that is raised means that it did not happen", function()
    local ch, mutex = neap.channel(), neap.mutex()
    local function given_up(fn, ...)
      local task = neap.spawn({ quiet = true }, fn, ...)
      settle()
      task:cancel()
      assert.is_false(task:wait())
    end
    given_up(ch.send, ch, "never sent")
    assert.equal("EAGAIN", select(3, ch:try_recv()))
    given_up(ch.recv, ch)
    local sender = neap.spawn(ch.send, ch, "sent")
    assert.equal("sent", ch:recv())
    sender:join()
    local _ <close> = mutex:lock()
    given_up(mutex.lock, mutex)
    mutex:unlock()
    assert.equal(mutex, mutex:try_lock())
  end)

  -- CORE#cancellation-and-primitive-operations, the exception
  -- Unlike Trio, where closing is cancellable and then does the least it can, neap
  -- never cancels it: it does all, and raises nothing.
  it("is never raised by closing", function()
    local server = assert(net.listen("127.0.0.1", 0))
    neap.scope(function(scope)
      scope:cancel()
      assert.is_true(server:close())
      assert.is_false(pcall(neap.yield))
    end)
    assert.equal("EBADF", select(3, server:accept()))
  end)

  -- CORE#handling-cancellation
  it("may be replaced by an error of the cleanup", function()
    local ok, err = pcall(neap.timeout, 5, function()
      local _ <close> = finally(function()
        error("cannot clean up", 0)
      end)
      forever()
    end)
    assert.is_false(ok)
    assert.equal("cannot clean up", err)
  end)
end)

describe("a checkpoint", function()
  -- CORE#checkpoints
  it("without anything else is sleep(0): others run, and a cancellation shows", function()
    local ran = false
    neap.spawn(function()
      ran = true
    end)
    neap.sleep(0)
    neap.sleep(0) -- when we are the first of those that are ready
    assert.is_true(ran)
    neap.scope(function(scope)
      scope:cancel()
      assert.is_false(pcall(neap.sleep, 0))
    end)
  end)

  -- CORE#checkpoints
  it("is needed for anything else to run", function()
    local ran = false
    neap.spawn(function()
      ran = true
    end)
    local list = {}
    for i = 1, 1000 do
      list[i] = -i
    end
    table.sort(list)
    assert.is_false(ran)
  end)

  -- CORE#checkpoints
  -- Unlike Trio, whose calls always let others run, neap's go on at once when they
  -- need not wait; but not for ever: so nobody starves beside a loop of them.
  it("comes often enough in a loop of calls that never have to wait", function()
    local ran, rounds = false, 0
    neap.spawn(function()
      ran = true
    end)
    local ch = neap.channel(1)
    while not ran do
      ch:send(rounds)
      assert.equal(rounds, ch:recv())
      rounds = rounds + 1
    end
    assert(rounds < 100000)
  end)
end)

describe("time", function()
  -- CORE#trio.sleep
  -- Unlike Trio, where a negative sleep is an error, it is a yield: a due time that
  -- has just passed is no mistake. NaN is one for both.
  it("below zero is now", function()
    local begun = neap.now()
    neap.sleep(-1)
    assert.equal(begun, neap.now())
    assert.is_false(pcall(neap.sleep, 0 / 0))
  end)

  -- CORE#trio.sleep_until
  it("that is over makes sleep_until a checkpoint", function()
    local begun, ran = neap.now(), false
    neap.spawn(function()
      ran = true
    end)
    neap.sleep_until(begun - 100)
    neap.sleep_until(begun - 100) -- as above
    assert.is_true(ran)
    assert.equal(begun, neap.now())
  end)

  -- TESTING#time-and-timeouts: a clock that jumps when all wait for it
  it("jumps to the next due time, and looks the same to all tasks", function()
    local YEAR <const> = 365 * 24 * 3600
    local begun = neap.now()
    local log = {}
    local function note(name)
      log[#log + 1] = ("%s %.0f"):format(name, neap.now() - begun)
    end
    neap.scope(function(scope)
      scope:spawn(function()
        neap.sleep(YEAR)
        note("one")
        assert.equal("ETIMEDOUT", select(3, neap.timeout(YEAR, forever)))
        note("one")
      end)
      scope:spawn(function()
        neap.sleep(5)
        note("two")
        neap.sleep(1.5 * YEAR)
        note("two")
      end)
    end)
    local year = ("%.0f"):format(YEAR)
    assert.same({ "two 5", "one " .. year, ("two %.0f"):format(1.5 * YEAR + 5),
      ("one %.0f"):format(2 * YEAR) }, log)
  end)

  -- TESTING#trio.testing.wait_all_tasks_blocked
  it("does not pass while one waits for all others to wait", function()
    local begun, got = neap.now(), nil
    local ch = neap.channel()
    local reader = neap.spawn(function()
      got = ch:recv()
      forever()
    end)
    neap.spawn(function()
      neap.yield()
      neap.yield()
      ch:send("value")
    end)
    settle()
    assert.equal("value", got)
    assert.equal(begun, neap.now())
    reader:cancel()
  end)
end)

describe("synchronization", function()
  -- CORE#fairness, the demo of two tasks and a lock
  it("is fair: two tasks that want a lock all the time take turns", function()
    local mutex, turns = neap.mutex(), {}
    local function child(name)
      while #turns < 8 do
        local _ <close> = mutex:lock()
        turns[#turns + 1] = name
        neap.sleep(0.5)
      end
    end
    neap.scope(function(scope)
      scope:spawn(child, "a")
      scope:spawn(child, "b")
    end)
    for i = 2, #turns do
      assert.not_equal(turns[i - 1], turns[i])
    end
  end)

  -- CORE#trio.Lock
  it("has a lock that is not taken twice by one task, nor let go by another", function()
    local mutex = neap.mutex()
    mutex:lock()
    assert.is_false(pcall(mutex.lock, mutex))
    local other = neap.spawn({ quiet = true }, mutex.unlock, mutex)
    assert.is_false(other:wait())
    assert.is_true(mutex:unlock())
  end)

  -- CORE#trio.Event
  it("has an event that lets all go on, and those who come later at once", function()
    local event, woken = neap.event(), 0
    neap.scope(function(scope)
      for _ = 1, 3 do
        scope:spawn(function()
          event:wait()
          woken = woken + 1
        end)
      end
      settle()
      assert.equal(0, woken)
      event:set()
    end)
    assert.equal(3, woken)
    assert.is_true(event:wait())
  end)

  -- CORE#blocking-and-non-blocking-methods
  it("tells what would have to wait in one way", function()
    local ch, mutex, semaphore = neap.channel(), neap.mutex(), neap.semaphore(1)
    assert.equal("EAGAIN", select(3, ch:try_send(1)))
    assert.equal("EAGAIN", select(3, ch:try_recv()))
    local permit <close> = semaphore:acquire()
    assert.equal("permit (held)", tostring(permit))
    assert.equal("EAGAIN", select(3, semaphore:try_acquire()))
    local owner = neap.spawn(function()
      local _ <close> = mutex:lock()
      neap.sleep(1)
    end)
    settle()
    assert.equal("EAGAIN", select(3, mutex:try_lock()))
    owner:join()
  end)

  -- CORE#blocking-and-non-blocking-methods
  -- Unlike Trio, neap's waits take a timeout as well, as a Lua user expects; it is
  -- a result, and a limit around it stays a cancellation.
  it("takes timeouts of its own, which limits around go before", function()
    local ch = neap.channel()
    assert.same({ nil, "timed out after 2 s", "ETIMEDOUT" }, { ch:recv(2) })
    local outer = select(4, neap.timeout(1, ch.recv, ch, 2))
    assert.is_true(outer)
  end)

  -- CORE#task-local-storage
  it("gives each task values of its own, copied when it is spawned", function()
    neap.scope(function(scope)
      for request = 1, 3 do
        scope:spawn(function()
          neap.context().request = request
          neap.sleep(request % 2)
          neap.scope(function(inner)
            inner:spawn(function()
              assert.equal(request, neap.context().request)
              neap.context().request = "changed"
            end)
          end)
          assert.equal(request, neap.context().request)
        end)
      end
    end)
    assert.is_nil(neap.context().request)
  end)
end)
