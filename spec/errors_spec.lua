-- Errors of tasks: kept as they are, with a traceback, and never silent.
local neap = require("neap")
local support = require("spec.support")

local settle = support.settle

-- A script in a process of its own; warnings are on.
local function run(source, options)
  return support.lua('local neap = require("neap") warn("@on")\n' .. source, options)
end

describe("an error value", function()
  local values = {
    ["nil"] = function() return nil end,
    ["false"] = function() return false end,
    ["a string"] = function() return "text" end,
    ["a number"] = function() return 42 end,
    ["a table"] = function() return { code = "EX" } end,
    ["a userdata"] = function() return io.stderr end,
    ["a function"] = function() return print end,
    ["a thread"] = function() return coroutine.create(print) end,
  }
  for name, make in pairs(values) do
    it("is kept as it is: " .. name, function() -- fault 18
      -- As Lua gives it to who catches it: 5.5 makes a string of nil.
      local _, value = pcall(error, make(), 0)
      local function fails()
        neap.yield()
        error(value, 0)
      end
      local task = neap.spawn(fails)
      local joins = {}
      for i = 1, 3 do
        joins[i] = neap.spawn(function()
          return pcall(task.join, task)
        end)
      end
      for i = 1, 3 do
        local ok, err = joins[i]:join()
        assert.is_false(ok)
        assert.is_true(rawequal(value, err))
      end
      -- Again, after the task's end, and by wait.
      local result = table.pack(pcall(task.join, task))
      assert.is_true(result.n == 2 and not result[1] and rawequal(value, result[2]))
      result = table.pack(task:wait())
      assert.is_true(result.n == 2 and not result[1] and rawequal(value, result[2]))
      assert.equal("failed", task:status())
      -- Through a coroutine, a close handler, and a joiner that fails of it.
      local outer = neap.spawn(function()
        local guard <close> = setmetatable({}, { __close = neap.yield })
        coroutine.wrap(function()
          neap.spawn(fails):join()
        end)(guard)
      end)
      local ok, err = outer:wait()
      assert.is_false(ok)
      -- coroutine.wrap puts a position in front of strings.
      assert.is_true(rawequal(value, err)
        or type(value) == "string" and err:sub(-#value) == value)
    end)
  end

  it("of a __close replaces the one before, the other handlers run", function() -- fault 19
    local seen = {}
    local function closing(name, fails)
      return setmetatable({}, {
        __close = function(_, err)
          neap.yield()
          seen[#seen + 1] = name .. ":" .. tostring(err)
          if fails then
            error(name, 0)
          end
        end,
      })
    end
    local task = neap.spawn({ quiet = true }, function()
      local a <close> = closing("a")
      local b <close> = closing("b", true)
      local c <close> = closing("c")
      error(a and b and c and "body", 0)
    end)
    assert.same({ false, "b" }, { task:wait() })
    assert.same({ "c:body", "b:body", "a:b" }, seen)
  end)
end)

describe("a traceback", function()
  it("is taken where the task failed, before it is unwound", function()
    local function deepest()
      neap.yield()
      error("here")
    end
    local function middle()
      deepest()
      return 1
    end
    local task = neap.spawn(function()
      local guard <close> = setmetatable({}, {
        __close = function()
          neap.sleep(0.001)
        end,
      })
      middle(guard)
    end)
    local ok, err = task:wait()
    assert.is_false(ok)
    assert.matches("errors_spec.lua:%d+: here$", err)
    local traceback = task:traceback()
    assert.matches("in %a+ 'error'", traceback) -- function, in 5.5 global
    assert.matches("in upvalue 'deepest'", traceback)
    assert.matches("in upvalue 'middle'", traceback)
  end)

  it("of a living task shows where it waits", function()
    local wake
    local function waits_here()
      neap.await(function(done)
        wake = done
      end)
    end
    local task = neap.spawn(function()
      waits_here()
    end)
    settle()
    assert.matches("waits_here", task:traceback())
    wake()
    task:join()
    assert.matches("in main chunk", neap.current():traceback())
  end)
end)

describe("an error that nobody waits for", function()
  it("is reported on stderr with its traceback, at once", function()
    local output, status = run([[
      neap.spawn({ name = "fragile" }, function()
        local function inner() error("broken") end
        inner()
      end)
      neap.sleep(0.001)
      print("main goes on")
    ]])
    assert.matches("neap: task %d+ fragile failed: [^\n]*: broken\nstack traceback:\n", output)
    assert.matches("in local 'inner'", output)
    local _, reports = output:gsub("fragile failed", "")
    assert.equal(1, reports)
    assert.matches("main goes on", output)
    assert.equal(0, status)
  end)

  it("makes neap.run raise, which says how many there were", function()
    local output, status = run([[
      for i = 1, 3 do
        neap.spawn(function() neap.sleep(i * 0.002) error("number " .. i, 0) end)
      end
      print(pcall(neap.run))
      print(pcall(neap.run))
    ]])
    -- The hostile build shuffles who comes first.
    local first = support.variant == "hostile" and "%d" or "1"
    assert.matches("\nfalse\t3 tasks failed; first: number " .. first .. "\n", output)
    assert.matches("\ntrue\n$", output)
    assert.equal(0, status)
    output, status = run([[
      neap.spawn(error, "only one", 0)
      neap.run()
    ]])
    assert.matches("lua5.%d: 1 task failed; first: only one", output)
    assert.equal(1, status)
  end)

  it("is taken back by a later join or wait", function()
    local output = run([[
      local a = neap.spawn(error, "a", 0)
      local b = neap.spawn(error, "b", 0)
      neap.sleep(0.001)
      print("joined", pcall(a.join, a))
      print("waited", b:wait())
      b:wait()
      print("run", pcall(neap.run))
    ]])
    assert.matches("neap: task %d+ failed: a\n", output)
    assert.matches("neap: task %d+ failed: b\n", output)
    assert.matches("joined\tfalse\ta\nwaited\tfalse\tb\nrun\ttrue\n$", output)
  end)

  it("is not reported when somebody waits, or will before the turn is over", function()
    local output, status = run([[
      local task = neap.spawn(function() neap.sleep(0.001) error("heard", 0) end)
      print(task:wait())
      local other = neap.spawn(error, "heard too", 0)
      print(pcall(other.join, other))
      print(pcall(neap.run))
    ]])
    assert.equal("false\theard\nfalse\theard too\ntrue\n", output)
    assert.equal(0, status)
  end)

  it("is its joiners' alone with quiet", function()
    local output, status = run([[
      local task = neap.spawn({ quiet = true }, error, "quiet", 0)
      neap.run()
      print(task:status(), task:wait())
      neap.spawn({ quiet = true }, error, "nobody knows")
      neap.run()
    ]])
    assert.equal("failed\tfalse\tquiet\n", output)
    assert.equal(0, status)
  end)

  it("is reported when it happens in the script's last turn", function()
    local output = run([[
      local task = neap.spawn(error, "last words", 0)
      while task:status() ~= "failed" do neap.yield() end
    ]])
    assert.matches("failed: last words", output)
  end)

  it("of a neap.run function is raised as it is", function()
    local output, status = run([[
      local err = { "a table" }
      local ok, seen = pcall(neap.run, function() neap.yield() error(err) end)
      print(ok, rawequal(seen, err))
      print(neap.run(function(...) neap.yield() return ... end, 1, nil, 3))
    ]])
    assert.equal("false\ttrue\n1\tnil\t3\n", output)
    assert.equal(0, status)
  end)
end)

describe("a report", function()
  it("is printed whatever the error's __tostring does", function() -- fault 21
    local output, status = run([[
      local function object(f) return setmetatable({}, { __tostring = f }) end
      local errors = {
        object(function() error("in __tostring") end),
        object(function() error({}) end),
        object(function() neap.sleep(0.01) return "waited" end),
        object(function() return 42 end),
        object(function() return "fine" end),
        object(function() neap.spawn(print, "spawned") return "spawning" end),
        setmetatable({}, { __name = "my.error" }),
        {}, false, io.stderr,
      }
      for i = 1, #errors do
        neap.spawn({ name = "t" .. i }, error, errors[i])
      end
      neap.spawn({ name = "tnil" }, error)
      neap.sleep(0.005)
      print(pcall(neap.run))
    ]])
    for i = 1, 10 do
      assert.matches("neap: task %d+ t" .. i .. " failed: ", output)
    end
    assert.matches("t1 failed: %(error object is a table value%)", output)
    assert.matches("t3 failed: %(error object is a table value%)", output)
    assert.matches("t5 failed: fine", output)
    assert.matches("t6 failed: spawning", output)
    assert.matches("t7 failed: my.error: ", output)
    assert.matches("t9 failed: false", output)
    local _, no_error = pcall(error)
    assert.matches("tnil failed: " .. tostring(no_error), output)
    assert.matches("spawned", output)
    assert.matches("false\t11 tasks failed; first: ", output)
    assert.equal(0, status)
  end)
end)

describe("neap.on_error", function()
  after_each(function()
    neap.on_error(nil)
  end)

  it("gets task, error and traceback, in a task of its own", function()
    local reports = {}
    assert.is_nil(neap.on_error(function(task, err, traceback)
      neap.sleep(0.001) -- it may wait
      reports[#reports + 1] = { task, err, traceback, neap.current() }
    end))
    local err = {}
    local task = neap.spawn(function()
      error(err)
    end)
    local silent = neap.spawn({ quiet = true }, error, "quiet")
    neap.run()
    assert.equal(1, #reports)
    assert.equal(task, reports[1][1])
    assert.is_true(rawequal(err, reports[1][2]))
    assert.matches("stack traceback", reports[1][3])
    assert.equal("on_error", reports[1][4].name)
    assert.equal("failed", silent:status())
    -- With on_error set, run does not raise; the task still gives its error.
    assert.is_false((task:wait()))
  end)

  it("returns the function before, and nil takes it away", function()
    local function first() end
    local function second() end
    assert.is_nil(neap.on_error(first))
    assert.equal(first, neap.on_error(second))
    assert.equal(second, neap.on_error(nil))
    assert.is_nil(neap.on_error())
    for name, value in support.badvalues() do
      if value ~= nil and type(value) ~= "function" then
        assert.has_error(function()
          neap.on_error(value)
        end, nil, name)
      end
    end
    assert.is_nil(neap.on_error())
  end)

  it("that fails is reported once, on stderr, without recursion", function() -- fault 22
    local output, status = run([[
      local calls = 0
      neap.on_error(function(task, err)
        calls = calls + 1
        error("on_error fails: " .. err, 0)
      end)
      neap.spawn(error, "first", 0)
      neap.spawn(error, "second", 0)
      neap.run()
      print("calls", calls)
    ]])
    local _, reports = output:gsub("neap: task %d+ on_error failed: on_error fails: ", "")
    assert.equal(2, reports)
    assert.matches("\ncalls\t2\n$", output)
    assert.equal(0, status)
  end)

  it("may spawn tasks that fail, and those are reported to it", function()
    local errors = {}
    neap.on_error(function(_, err)
      errors[#errors + 1] = err
      if #errors < 3 then
        neap.spawn(error, "again " .. #errors, 0)
      end
    end)
    neap.spawn(error, "first", 0)
    neap.run()
    assert.same({ "first", "again 1", "again 2" }, errors)
  end)
end)

describe("errors elsewhere", function()
  it("behave as in stock Lua: in __gc, hooks and message handlers", function()
    local output, status = run([[
      neap.run(function()
        setmetatable({}, { __gc = function() error("in gc") end })
        collectgarbage() collectgarbage()
        local ok, err = pcall(function()
          debug.sethook(function()
            debug.sethook()
            neap.yield()
            error("in hook", 0)
          end, "", 1)
          for _ = 1, 100 do end
        end)
        print(ok, err)
        print(xpcall(error, function(e) neap.yield() error("in handler") end, "x"))
        local co = coroutine.create(function() neap.yield() error("in co", 0) end)
        print(coroutine.resume(co))
        print(coroutine.status(co), coroutine.close(co))
      end)
    ]])
    assert.matches("warning: error in __gc", output)
    assert.matches("false\tin hook\nfalse\t[^\n]*\nfalse\tin co\ndead\tfalse\tin co\n$", output)
    assert.equal(0, status)
  end)

  it("thrown by main while tasks run end the script, and the tasks are closed", function()
    local output, status = run([[
      neap.spawn(function()
        local guard <close> = setmetatable({}, { __close = function() print("closed") end })
        neap.sleep(100)
      end)
      neap.sleep(0.001)
      error("main fails")
    ]])
    assert.matches("main fails\nstack traceback", output)
    assert.matches("1 task had not ended when the state closed", output)
    assert.matches("closed\n", output)
    assert.equal(1, status)
  end)

  it("neap.run from a task is an error", function()
    local ok, message = neap.spawn({ quiet = true }, neap.run):wait()
    assert.is_false(ok)
    assert.matches("neap.run is for the main script", message)
  end)

  it("a wait on the main state from a task is refused", function()
    -- A hook of the main state can't run in a task; a debugger's coroutine can
    -- hold main's functions, but runs them on its own thread: all is well.
    local output, status = run([[
      local wrapped = coroutine.wrap(function() neap.yield() coroutine.yield("fine") end)
      neap.run(function() print(wrapped()) end)
    ]])
    assert.equal("fine\n", output)
    assert.equal(0, status)
  end)
end)
