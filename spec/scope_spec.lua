-- Scopes: no task outlives the block that it belongs to, no error is lost.
local neap = require("neap")
local seeds = require("spec.support.seeds")
local support = require("spec.support")

local once <const> = it -- what is long, or in a process of its own
local it = seeds.wrap(it)

local unpack = table.unpack

-- Runs fn with failures that nobody waits for collected instead of written.
local function collecting(fn)
  local seen = {}
  neap.on_error(function(_, err)
    seen[#seen + 1] = err
  end)
  fn()
  support.settle()
  neap.on_error(nil)
  return seen
end

-- Waits for ever, notes its end.
local function hang(log, name)
  local _ <close> = setmetatable({}, { __close = function(_, err)
    log[#log + 1] = name .. (neap.is_cancelled(err) and " cancelled" or " ended")
  end })
  neap.sleep(math.huge)
end

describe("neap.scope", function()
  it("returns what its function returns, with nils", function()
    local r = table.pack(neap.scope(function(_, ...)
      return ...
    end, 1, nil, 3, nil))
    assert.same({ 1, nil, 3, nil, n = 4 }, r)
  end)

  it("returns more results than a C function's stack has room for", function()
    local many = {}
    for i = 1, 5000 do
      many[i] = i
    end
    assert.equal(5000, select("#", neap.scope(function()
      return unpack(many)
    end)))
  end)

  it("ends when every task in it has ended", function()
    local log = {}
    neap.scope(function(s)
      for i = 1, 3 do
        s:spawn(function()
          for _ = 1, i do
            neap.yield()
          end
          log[#log + 1] = i
        end)
      end
      log[#log + 1] = "body"
    end)
    table.sort(log, function(a, b)
      return tostring(a) < tostring(b)
    end)
    assert.same({ 1, 2, 3, "body" }, log)
  end)

  it("takes what neap.spawn spawns in it, at any depth", function()
    local ended = 0
    neap.scope(function()
      neap.spawn(function()
        neap.spawn(function()
          neap.yield()
          ended = ended + 1
        end)
        ended = ended + 1
      end)
    end)
    assert.equal(2, ended)
  end)

  it("takes what a timer calls", function()
    local called = false
    neap.scope(function()
      neap.after(0.001, function()
        called = true
      end)
    end)
    assert.is_true(called)
  end)

  it("is escaped by a detached task", function()
    local task
    neap.scope(function()
      task = neap.spawn({ detached = true }, neap.sleep, math.huge)
    end)
    assert.not_equal("cancelled", task:status())
    task:cancel()
    assert.is_false((task:wait()))
  end)

  it("raises a task's error, the same value, when all have ended", function()
    for _, value in ipairs({ "text", { 1 }, 42, false, neap.current() }) do
      local log = {}
      local ok, err = pcall(neap.scope, function(s)
        s:spawn(hang, log, "sibling")
        support.settle()
        s:spawn(error, value, 0)
        hang(log, "body")
      end)
      assert.is_false(ok)
      assert.equal(value, err)
      table.sort(log)
      assert.same({ "body cancelled", "sibling cancelled" }, log)
    end
  end)

  it("raises nil as well", function()
    local ok, err = pcall(neap.scope, function(s)
      s:spawn(error)
    end)
    assert.is_false(ok)
    assert.equal(select(2, pcall(error)), err) -- nil; in Lua 5.5 a text
  end)

  it("raises its function's error, after it has cancelled the tasks", function()
    local log = {}
    local ok, err = pcall(neap.scope, function(s)
      s:spawn(hang, log, "task")
      support.settle()
      error("body", 0)
    end)
    assert.is_false(ok)
    assert.equal("body", err)
    assert.same({ "task cancelled" }, log)
  end)

  it("raises a task's error although somebody joins the task", function()
    local ok, err = pcall(neap.scope, function(s)
      local task = s:spawn(error, "mine", 0)
      local _, message = task:wait()
      return message
    end)
    assert.is_false(ok)
    assert.equal("mine", err)
  end)

  it("leaves a quiet task's error to its joiners", function()
    assert.equal("mine", neap.scope(function(s)
      local task = s:spawn({ quiet = true }, error, "mine", 0)
      local _, message = task:wait()
      return message
    end))
  end)

  it("reports later errors", function()
    local seen = collecting(function()
      local ok, err = pcall(neap.scope, function(s)
        s:spawn(function()
          local _ <close> = setmetatable({}, { __close = function()
            error("second", 0)
          end })
          neap.sleep(math.huge)
        end)
        support.settle()
        error("first", 0)
      end)
      assert.is_false(ok)
      assert.equal("first", err)
    end)
    assert.same({ "second" }, seen)
  end)

  it("reports its function's error when a task's came first", function()
    local seen = collecting(function()
      local ok, err = pcall(neap.scope, function(s)
        s:spawn(error, "first", 0)
        pcall(neap.sleep, math.huge)
        error("second", 0)
      end)
      assert.is_false(ok)
      assert.equal("first", err)
    end)
    assert.same({ "second" }, seen)
  end)

  it("tells where a task's error came from", function()
    local task = neap.spawn({ quiet = true }, neap.scope, function(s)
      s:spawn(function()
        local function culprit()
          error("found")
        end
        culprit()
      end)
    end)
    task:wait()
    assert.matches("culprit", task:traceback())
  end)

  it("tells where its function's error came from", function()
    local task = neap.spawn({ quiet = true }, neap.scope, function()
      local function culprit()
        error("found")
      end
      culprit()
      return 1
    end)
    task:wait()
    assert.matches("culprit", task:traceback())
  end)

  -- fault 32
  it("waits for a task that cleans up in a shield", function()
    local log = {}
    local ok = pcall(neap.scope, function(s)
      s:spawn(function()
        local _ <close> = setmetatable({}, { __close = function()
          neap.shield(neap.sleep, 0.002)
          log[#log + 1] = "cleaned up"
        end })
        neap.sleep(math.huge)
      end)
      support.settle()
      error("body")
    end)
    assert.is_false(ok)
    assert.same({ "cleaned up" }, log)
  end)

  it("refuses a spawn when it has ended", function()
    local kept
    neap.scope(function(s)
      kept = s
    end)
    assert.has_error(function()
      kept:spawn(print)
    end, "cannot spawn: the scope has ended")
    assert.has_error(function()
      kept:start(print)
    end, "cannot spawn: the scope has ended")
    assert.is_false(kept:cancel())
    assert.matches("ended", tostring(kept))
  end)

  it("takes what its tasks spawn while it waits for them", function()
    local done = false
    neap.scope(function(s)
      s:spawn(function()
        neap.sleep(0.001)
        s:spawn(function()
          neap.yield()
          done = true
        end)
      end)
    end)
    assert.is_true(done)
  end)

  it("takes spawns of a task deep inside another scope", function()
    local log = {}
    neap.scope(function(outer)
      neap.scope(function(inner)
        inner:spawn(function()
          outer:spawn(function()
            neap.sleep(0.002)
            log[#log + 1] = "outer"
          end)
        end)
      end)
      log[#log + 1] = "inner over"
    end)
    assert.same({ "inner over", "outer" }, log)
  end)

  it("nests a hundred deep", function()
    local function nest(n)
      if n == 0 then
        return "bottom"
      end
      return neap.scope(nest and function()
        return nest(n - 1)
      end)
    end
    assert.equal("bottom", nest(100))
  end)

  once("nests a thousand deep as blocks; as functions, to Lua's own limit", function()
    local scopes, ended = {}, 0
    local function blocks(n)
      local s <close> = neap.scope()
      scopes[n] = s
      s:spawn(function()
        neap.yield()
        ended = ended + 1
      end)
      if n < 1000 then
        return (blocks(n + 1))
      end
      scopes[500]:cancel("in the middle")
      neap.yield()
    end
    local ok, err = pcall(blocks, 1)
    assert.is_false(ok)
    assert.equal("scope cancelled: in the middle", tostring(err))
    assert.equal(499, ended) -- those inside had not begun

    local depth = 0
    local function functions()
      depth = depth + 1
      return neap.scope(functions)
    end
    ok, err = pcall(functions)
    assert.is_false(ok)
    assert.matches("stack overflow", tostring(err))
    assert(depth > 50, depth)
    neap.yield() -- all of them are left
  end)

  it("cannot be closed by hand in its function", function()
    assert.equal("cannot close the scope: it ends with its function", neap.scope(function(s)
      return select(2, pcall(s.close, s))
    end))
  end)

  it("can wait in a coroutine, a sort and a metamethod", function()
    local co = coroutine.wrap(function()
      return neap.scope(function(s)
        s:spawn(neap.yield)
        return "co"
      end)
    end)
    assert.equal("co", co())
    local list = { 3, 1, 2 }
    table.sort(list, function(a, b)
      return neap.scope(function(s)
        s:spawn(neap.yield)
        return a < b
      end)
    end)
    assert.same({ 1, 2, 3 }, list)
  end)
end)

describe("scope:cancel", function()
  it("ends the function's wait and the tasks", function()
    local log = {}
    local r = table.pack(neap.scope(function(s)
      s:spawn(hang, log, "task")
      support.settle()
      s:spawn(function()
        assert.is_true(s:cancel("enough"))
        assert.is_false(s:cancel("again"))
      end)
      neap.sleep(math.huge)
    end))
    assert.same({ nil, "scope cancelled: enough", "ECANCELED", n = 3 }, r)
    assert.same({ "task cancelled" }, log)
  end)

  it("leaves the results of a function that returns", function()
    assert.equal("mine", neap.scope(function(s)
      s:spawn(neap.sleep, math.huge)
      s:cancel()
      return "mine"
    end))
  end)

  it("has an error of cleanup raised", function()
    local ok, err = pcall(neap.scope, function(s)
      local _ <close> = setmetatable({}, { __close = function()
        error("cleanup", 0)
      end })
      s:cancel()
      neap.yield()
    end)
    assert.is_false(ok)
    assert.equal("cleanup", err)
  end)

  it("keeps a task that it spawns later from running", function()
    local ran = false
    neap.scope(function(s)
      s:cancel()
      local task = s:spawn(function()
        ran = true
      end)
      local ok, err = neap.shield(task.wait, task)
      assert.is_false(ok)
      assert.equal("ECANCELED", err.code)
    end)
    assert.is_false(ran)
  end)
end)

describe("the block form", function()
  it("waits at its end, on return, break and goto", function()
    local ended = 0
    local function work()
      neap.yield()
      ended = ended + 1
    end
    local function returning()
      local s <close> = neap.scope()
      s:spawn(work)
      return "returned"
    end
    assert.equal("returned", returning())
    assert.equal(1, ended)
    for i = 1, 2 do
      local s <close> = neap.scope()
      s:spawn(work)
      if i == 1 then
        break
      end
    end
    assert.equal(2, ended)
    do
      local s <close> = neap.scope()
      s:spawn(work)
      goto done
    end
    ::done::
    assert.equal(3, ended)
  end)

  it("raises a task's error, and cancels its block's next wait", function()
    local log = {}
    local ok, err = pcall(function()
      local s <close> = neap.scope()
      s:spawn(error, "mine", 0)
      hang(log, "block")
    end)
    assert.is_false(ok)
    assert.equal("mine", err)
    assert.same({ "block cancelled" }, log)
  end)

  it("raises a task's error when the block is just over", function()
    local ok, err = pcall(function()
      local s <close> = neap.scope()
      s:spawn(error, "mine", 0)
    end)
    assert.is_false(ok)
    assert.equal("mine", err)
  end)

  it("turns its cancellation into an ordinary error", function()
    local ok, err = pcall(function()
      local s <close> = neap.scope()
      s:cancel("why not")
      neap.yield()
    end)
    assert.is_false(ok)
    assert.equal("ECANCELED", err.code)
    assert.equal("why not", err.reason)
    assert.equal("scope cancelled: why not", tostring(err))
    assert.is_false(neap.is_cancelled(err))
    neap.yield() -- over: waits are free again
  end)

  it("leaves another error as it is", function()
    local ok, err = pcall(function()
      local s <close> = neap.scope()
      s:spawn(neap.sleep, math.huge)
      error("block", 0)
    end)
    assert.is_false(ok)
    assert.equal("block", err)
  end)

  it("can't be closed by another task, nor be used afterwards", function()
    local kept
    do
      local s <close> = neap.scope()
      kept = s
      local ok, err = neap.spawn({ detached = true, quiet = true }, s.close, s):wait()
      assert.is_false(ok)
      assert.matches("cannot close the scope: it is task %d+'s", err)
    end
    assert.is_true(kept:close())
    assert.has_error(function()
      kept:spawn(print)
    end, "cannot spawn: the scope has ended")
  end)

  it("ends in any order, in generators that yield inside it", function()
    local function generator(log, name)
      return coroutine.wrap(function()
        local s <close> = neap.scope()
        s:spawn(function()
          neap.yield()
          log[#log + 1] = name
        end)
        coroutine.yield(1)
        coroutine.yield(2)
      end)
    end
    local log = {}
    local a, b = generator(log, "a"), generator(log, "b")
    assert.equal(1, a())
    assert.equal(1, b())
    assert.equal(2, a())
    assert.equal(2, b())
    a()
    b()
    table.sort(log)
    assert.same({ "a", "b" }, log)
  end)

  it("keeps a generator's scope apart from its caller's", function()
    local inner
    local co = coroutine.wrap(function()
      local s <close> = neap.scope()
      inner = s
      coroutine.yield()
      return pcall(neap.yield)
    end)
    co()
    inner:cancel()
    neap.yield() -- ours
    local ok, err = co()
    assert.is_false(ok)
    assert.matches("scope cancelled", tostring(err))
  end)

  it("goes with the coroutine to another task", function()
    local co = coroutine.wrap(function()
      local _ <close> = neap.time_limit(0.005)
      coroutine.yield()
      neap.sleep(math.huge)
    end)
    co()
    local ok, err = neap.spawn({ quiet = true }, co):wait()
    assert.is_false(ok)
    assert.equal("ETIMEDOUT", err.code)
    neap.yield()
  end)

  once("cancels its tasks when its coroutine is collected", function()
    local output, status = support.lua([[
      warn("@on")
      local neap = require("neap")
      local task
      do
        local co = coroutine.wrap(function()
          local s <close> = neap.scope()
          task = s:spawn(neap.sleep, math.huge)
          coroutine.yield()
        end)
        co()
      end
      neap.yield()
      collectgarbage() collectgarbage()
      local ok, err = task:wait()
      print(ok, err)
      neap.yield()
    ]])
    assert.equal(0, status)
    assert.matches("a scope was collected before its end; its tasks are cancelled %(1%)", output)
    assert.matches("false\ttask %d+ was cancelled\n", output)
  end)
end)

describe("scope:start", function()
  it("returns what the task is ready with, and goes on", function()
    local log = {}
    neap.scope(function(s)
      log[#log + 1] = table.concat({ s:start(function(a)
        neap.yield()
        neap.ready(a, "x")
        neap.sleep(0.001)
        log[#log + 1] = "after"
      end, 1) }, " ")
    end)
    assert.same({ "1 x", "after" }, log)
  end)

  it("raises the error of a task that fails before", function()
    local ok, err = pcall(neap.scope, function(s)
      s:start(error, "early", 0)
    end)
    assert.is_false(ok)
    assert.equal("early", err)
  end)

  it("says so when the task ends before", function()
    local ok, err = pcall(neap.scope, function(s)
      s:start(function() end)
    end)
    assert.is_false(ok)
    assert.matches("task %d+ has ended before it was ready", err)
  end)

  it("cancels the task when it is cancelled itself", function()
    local log = {}
    neap.scope(function(s)
      assert.equal("ETIMEDOUT", select(3, neap.timeout(0.001, s.start, s, hang, log, "task")))
    end)
    assert.same({ "task cancelled" }, log)
  end)

  it("gives neap.ready to its tasks alone, and once", function()
    assert.is_false((pcall(neap.ready)))
    neap.scope(function(s)
      s:start(function()
        neap.ready()
        assert.is_false((pcall(neap.ready)))
      end)
    end)
  end)
end)

describe("a join", function()
  it("of the task whose scope one is in is an error", function()
    local me = neap.current()
    local ok, err = pcall(neap.scope, function(s)
      s:spawn(function()
        me:join()
      end)
    end)
    assert.is_false(ok)
    assert.matches("cannot join task 1", err)
  end)
end)

describe("several functions at once:", function()
  local function after(turns, ...)
    local values = table.pack(...)
    return function()
      for _ = 1, turns do
        neap.yield()
      end
      return unpack(values, 1, values.n)
    end
  end

  local function failing(turns, err)
    return function()
      after(turns)()
      error(err, 0)
    end
  end

  it("all returns the first result of each", function()
    local fns = { after(3, 1, 9), after(1), after(2, 3) }
    assert.same({ 1, nil, 3, n = 3 }, table.pack(neap.all(fns)))
    assert.equal(0, select("#", neap.all({})))
  end)

  it("all raises the first error and cancels the rest", function()
    local log = {}
    local ok, err = pcall(neap.all, { function()
      hang(log, "other")
    end, function()
      support.settle()
      error("e", 0)
    end })
    assert.same({ false, "e" }, { ok, err })
    assert.same({ "other cancelled" }, log)
  end)

  it("all_settled waits for all", function()
    assert.same({ { ok = true, value = 1 }, { ok = false, err = "e" }, { ok = true } },
      neap.all_settled({ after(3, 1), failing(1, "e"), after(2) }))
  end)

  it("race is the first to end, its error included", function()
    local log = {}
    local function loser()
      hang(log, "loser")
    end
    assert.same({ 1, 2 }, { neap.race({ loser, function()
      support.settle()
      return 1, 2
    end }) })
    local ok, err = pcall(neap.race, { function()
      support.settle()
      error("e", 0)
    end, loser })
    assert.same({ false, "e" }, { ok, err })
    assert.same({ "loser cancelled", "loser cancelled" }, log)
    assert.has_error(function()
      neap.race({})
    end)
  end)

  it("any is the first success, or the first error", function()
    assert.equal("b", neap.any({ failing(1, "a"), after(3, "b"), function()
      neap.sleep(math.huge)
    end }))
    local ok, err = pcall(neap.any, { failing(9, "late"), failing(1, "soon") })
    assert.is_false(ok)
    assert.is_true(err == "soon" or support.variant == "hostile" and err == "late")
  end)

  it("map keeps the order and its limit", function()
    local alive, most = 0, 0
    local r = neap.map({ 5, 4, 3, 2, 1 }, function(item, i)
      alive = alive + 1
      most = math.max(most, alive)
      after(item)()
      alive = alive - 1
      return item * 10 + i
    end, { limit = 2 })
    assert.same({ 51, 42, 33, 24, 15 }, r)
    assert.equal(2, most)
    assert.same({}, neap.map({}, error))
  end)

  it("map stops at the first error", function()
    local begun = 0
    local ok, err = pcall(neap.map, { 1, 2, 3, 4 }, function(i)
      begun = begun + 1
      neap.yield()
      if i == 2 then
        error("two", 0)
      end
    end, { limit = 1 })
    assert.same({ false, "two", 2 }, { ok, err, begun })
  end)

  it("refuse what is not a list of functions", function()
    for _, name in ipairs({ "all", "all_settled", "race", "any" }) do
      for _, bad in ipairs({ 1, "x", { 1 } }) do
        local ok, err = pcall(neap[name], bad)
        assert.is_false(ok)
        assert.matches("bad argument #1 to '" .. name .. "'", err)
      end
    end
    for _, limit in ipairs({ 0, -1, 1.5, "x" }) do
      local ok, err = pcall(neap.map, {}, print, { limit = limit })
      assert.is_false(ok)
      assert.matches("field 'limit'", err)
    end
  end)
end)

describe("neap.context", function()
  it("is copied to what a task spawns", function()
    neap.spawn(function()
      local mine = neap.context()
      mine.a = 1
      neap.scope(function(s)
        s:spawn(function()
          assert.same({ a = 1 }, neap.context())
          neap.context().a = 2
        end)
      end)
      assert.same({ a = 1 }, neap.context())
      assert.equal(mine, coroutine.wrap(neap.context)())
      local seen
      neap.map({ 1 }, function()
        seen = neap.context().a
      end)
      assert.equal(1, seen)
      neap.spawn({ detached = true }, function()
        seen = neap.context().a
        neap.context().a = 3
      end):join()
      assert.equal(1, seen)
      neap.scope(function()
        neap.after(0, function()
          seen = neap.context()
        end)
      end)
      assert.same({ a = 1 }, seen)
    end):join()
  end)

  it("is another task's no longer when its place is used again", function()
    neap.spawn(function()
      neap.context().a = 1
    end):join()
    neap.spawn(function()
      assert.same({}, neap.context())
    end):join()
  end)
end)
