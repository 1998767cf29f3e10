-- neap.offload: functions in the thread pool, in states of their own.
local faults = require("spec.support.faults")
local neap = require("neap")
local support = require("spec.support")
local sysfault = require("spec.support.sysfault")

local settle = support.settle

local function echo(...)
  return ...
end

describe("neap.offload", function()
  it("runs a function elsewhere, and brings its results", function()
    assert.equal(3, neap.offload(function(a, b)
      return a + b
    end, 1, 2))
    assert.equal(0, select("#", neap.offload(function() end)))
    assert.equal(3, select("#", neap.offload(function()
      return nil, nil, nil
    end)))
    local state = neap.offload(function()
      return tostring(coroutine.running())
    end)
    assert.not_equal(tostring(coroutine.running()), state)
  end)

  it("runs source code", function()
    assert.same({ 3.5, "xxx" },
      { neap.offload("local a, b = ... return a + b, ('x'):rep(3)", 1, 2.5) })
  end)

  it("copies values both ways", function()
    local values = table.pack(nil, true, false, 0, -1, math.maxinteger, math.mininteger, 0.1,
      -0.0, math.huge, "", "a\0b", ("x"):rep(100000), { 1, 2, { 3 } }, { [1.5] = "a", [true] = {} })
    local copies = table.pack(neap.offload(echo, table.unpack(values, 1, values.n)))
    assert.equal(values.n, copies.n)
    for i = 1, values.n do
      assert.same(values[i], copies[i])
      assert.equal(math.type(values[i]), math.type(copies[i]))
    end
    local nan = neap.offload(echo, 0 / 0)
    assert.is_true(nan ~= nan)
    assert.equal(-math.huge, 1 / neap.offload(echo, -0.0))
  end)

  it("keeps what tables share, and cycles", function()
    local shared = { "shared" }
    local t = { a = shared, b = shared, [shared] = 1 }
    t.self = t
    local copy, again = neap.offload(echo, t, shared)
    assert.not_equal(t, copy)
    assert.equal(copy, copy.self)
    assert.equal(copy.a, copy.b)
    assert.equal(copy.a, again)
    assert.equal(1, copy[again])
    assert.same({ "shared" }, again)
  end)

  it("copies tables of any depth and width", function()
    local deep = {}
    local at = deep
    for _ = 1, 100000 do
      at.next = {}
      at = at.next
    end
    local n = 0
    at = neap.offload(echo, deep)
    while at.next do
      at, n = at.next, n + 1
    end
    assert.equal(100000, n)
    local wide = {}
    for i = 1, 100000 do
      wide[i] = i
    end
    assert.equal(100000, #neap.offload(echo, wide))
    assert.equal(5000, select("#", neap.offload(echo, table.unpack(wide, 1, 5000))))
  end)

  it("takes upvalues along, and the globals are its own", function()
    local n, t = 42, { "t" }
    assert.same({ 42, { "t" }, true }, { neap.offload(function()
      n = n + 0
      return n, t, _G.print == print and string.format ~= nil
    end) })
    neap.offload(function()
      leaked = "a global" -- luacheck: ignore
      n = 7
      t[1] = "changed"
    end)
    assert.is_nil(rawget(_G, "leaked"))
    assert.equal(42, n)
    assert.same({ "t" }, t)
  end)

  it("finds modules where we do", function()
    local dir <close> = support.tempdir()
    support.spit(dir .. "/offloaded_module.lua", "return { answer = 42 }")
    local path = package.path
    package.path = dir .. "/?.lua"
    local answer, other = neap.offload(function()
      return require("offloaded_module").answer, package.path
    end)
    package.path = path
    assert.equal(42, answer)
    assert.equal(dir .. "/?.lua", other)
  end)

  it("raises an error with its traceback", function()
    local ok, err = pcall(neap.offload, function()
      local function inner()
        error("oops")
      end
      inner()
    end)
    assert.is_false(ok)
    assert.matches("offload_spec%.lua:%d+: oops\nstack traceback:\n", err)
    assert.matches("in upvalue 'inner'", err:gsub("local 'inner'", "upvalue 'inner'"))
  end)

  it("raises other values as they are", function()
    for _, value in ipairs({ 42, false, { code = "X", { 1 } } }) do
      local ok, err = pcall(neap.offload, error, value)
      assert.is_false(ok)
      assert.matches("C function", err) -- error itself can't be sent
      ok, err = pcall(neap.offload, function(...)
        error(...)
      end, value)
      assert.is_false(ok)
      assert.same(value, err)
    end
    local ok, err = pcall(neap.offload, "error()")
    assert.is_false(ok)
    assert.equal(select(2, pcall(error)), err) -- nil; in Lua 5.5 a text
    ok, err = pcall(neap.offload,
      "error(setmetatable({}, { __tostring = function() return 'text' end }))")
    assert.is_false(ok)
    assert.equal("text", err)
  end)

  it("says what it can't copy", function()
    local up = print
    local cases = {
      { { print }, "#1 .*a C function cannot be copied" },
      { { function() return up end }, "#1 .*upvalue 'up' is a function, which cannot be copied" },
      { { echo, 1, io.stdout }, "#3 .*a userdata cannot be copied" },
      { { echo, coroutine.create(echo) }, "#2 .*a thread cannot be copied" },
      { { echo, echo }, "#2 .*a function cannot be copied" },
      { { echo, { { x = io.stdout } } }, "#2 .*a userdata cannot be copied" },
      { { echo, { [echo] = 1 } }, "#2 .*a function cannot be copied" },
      { { echo, setmetatable({}, {}) }, "#2 .*a table with a metatable cannot be copied" },
      { { echo, neap.current() }, "#2 .*a userdata cannot be copied" },
      { { 42 }, "#1" }, { {}, "#1" }, { { {} }, "#1" },
      { { function() return io.stdout end }, "result 1 is a userdata, which cannot be copied" },
      { { function() return 1, { print } end }, "result 2 is a function, which cannot be copied" },
    }
    for _, case in ipairs(cases) do
      local ok, err = pcall(neap.offload, table.unpack(case[1]))
      assert.is_false(ok)
      assert.matches(case[2], err)
    end
  end)

  it("takes source code alone, and says what is wrong with it", function()
    local ok, err = pcall(neap.offload, "syntax error here")
    assert.is_false(ok)
    assert.matches("^offload:1: syntax error near 'error'", err)
    ok, err = pcall(neap.offload, string.dump(echo))
    assert.is_false(ok)
    assert.matches("attempt to load a binary chunk", err)
  end)

  it("makes its task wait alone", function()
    local ticks, done = 0, false
    local task = neap.spawn(function()
      neap.offload(function()
        local t = os.clock()
        while os.clock() < t + 0.05 do end
      end)
      done = true
    end)
    while not done do
      ticks = ticks + 1
      neap.yield()
    end
    task:join()
    assert(ticks > 5)
  end)

  -- Longer than any of these specs takes, and each stopped at its end.
  local busy = "while true do end"

  it("never runs when it is cancelled before it begins", function()
    local dir <close> = support.tempdir()
    local holders = {}
    for i = 1, 4 do -- more than it may have of the pool
      holders[i] = neap.spawn(neap.offload, busy)
    end
    settle()
    local task = neap.spawn(neap.offload, function(path)
      io.open(path, "w"):close()
    end, dir .. "/ran")
    settle()
    task:cancel()
    assert.is_false(task:wait())
    for _, holder in ipairs(holders) do
      holder:cancel()
      holder:wait()
    end
    assert.is_nil((io.open(dir .. "/ran")))
  end)

  it("is stopped when it is cancelled later", function()
    local stubborn = [[
      while true do
        pcall(function() while true do end end)
        coroutine.wrap(function() while true do end end)()
      end
    ]]
    for _, code in ipairs({ busy, stubborn }) do
      local task = neap.spawn(neap.offload, code)
      neap.sleep(0.02)
      task:cancel("why")
      local ok, err = task:wait()
      assert.is_false(ok)
      assert.equal("ECANCELED", err.code)
      assert.equal("why", err.reason)
    end
    assert.same({ nil, "timed out after 0.01 s", "ETIMEDOUT", true },
      { neap.timeout(0.01, neap.offload, busy) })
  end)

  it("does not keep a script from ending", function()
    for _, ending in ipairs({ "", "os.exit(0, true)", "neap.exit(0)" }) do
      local output, status = support.lua([[
        local neap = require("neap")
        for _ = 1, 5 do
          neap.spawn(neap.offload, "while true do end")
        end
        neap.sleep(0.02)
      ]] .. ending)
      assert.equal("", output)
      assert.equal(0, status)
    end
    local output = support.lua([[
      local neap = require("neap")
      neap.spawn(function() neap.sleep(0.02) os.exit(0, true) end)
      neap.offload("while true do end") -- main waits in it
    ]])
    assert.equal("", output)
  end)

  it("runs many at a time", function()
    local tasks = {}
    for i = 1, support.count(100, 2000) do
      tasks[i] = neap.spawn(neap.offload, function(n)
        local t = {}
        for j = 1, n do
          t[j] = { j }
        end
        return #t
      end, i)
    end
    for i, task in ipairs(tasks) do
      assert.equal(i, task:join())
    end
  end)

  it("fails when there is no thread to be had", function() -- fault 85
    local output, status = sysfault.lua("pthread_create:EAGAIN:1", [[
      local neap = require("neap")
      print(neap.offload("return 1"))
      print("on")
    ]])
    assert.equal(0, status)
    assert.equal("nil\toffload: Resource temporarily unavailable\tEAGAIN\non\n", output)
    -- Later it works.
    output, status = sysfault.lua("pthread_create:EAGAIN:-1", [[
      local neap = require("neap")
      print(neap.offload("return 1"))
      print(neap.offload("return 2"))
    ]])
    assert.equal(0, status)
    assert.equal("nil\toffload: Resource temporarily unavailable\tEAGAIN\n2\n", output)
  end)

  it("survives every allocation that fails", function()
    if not neap._fail_alloc then
      return
    end
    local list = { 1, { 2 }, "three" }
    assert(faults.alloc(function()
      return neap.offload(echo, list) ~= nil
    end) > 0)
    assert(faults.lua_alloc(function()
      return neap.offload(echo, list) ~= nil
    end) > 3)
  end)

  it("of every kind of bad argument does no harm", function()
    assert(support.call_badly(neap.offload, { "return 1", 2 }, 2) > 10)
  end)
end)
