-- How a state ends: with tasks parked anywhere, from anywhere, by any way of
-- leaving: the script's end, an error, os.exit, neap.exit, Ctrl-C.
local support = require("spec.support")

-- A script in a process of its own; warnings are on. One that does not end is
-- killed: status 124.
local function run(source, options)
  options = options or {}
  options.env = "timeout -k 1 60"
  return support.lua('local neap = require("neap") warn("@on")\n' .. source, options)
end

-- Puts a task into each place of spec/support/places.lua, waiting there.
local park_everywhere = [[
  local places = dofile("spec/support/places.lua")
  local sleeper = neap.spawn(neap.sleep, 100)
  local function closing()
    opened = opened + 1
    return setmetatable({}, { __close = function() closed = closed + 1 end })
  end
  for i, place in ipairs(places) do
    -- lua_close frees an expat parser before it comes to neap, whoever stands in
    -- the parser: named in the docs.
    local skip = place.name == "an expat callback" and not with_expat
    _ = skip or neap.spawn({ name = place.name }, function()
      local guard <close> = closing()
      place.run(function()
        local inner <close> = closing()
        if i % 3 == 0 then neap.sleep(100) end
        if i % 3 == 1 then neap.await(function() end) end
        sleeper:join()
      end)
    end)
  end
]]

describe("the end of a state", function()
  it("unwinds tasks that wait in all places", function() -- fault 14
    -- The oldest object is finalized last: it sees the sums.
    local output, status = support.lua([[
      local opened, closed = 0, 0
      local oldest = setmetatable({}, { __gc = function()
        print("all closed", opened > 100 and opened == closed or opened .. " " .. closed)
      end })
      local neap = require("neap") warn("@on")
    ]] .. park_everywhere .. [[
      repeat neap.sleep(0.001) until opened > 100 -- all have begun
      print("tasks", #neap.tasks() - 2 == #places - 1)
    ]])
    assert.matches("^tasks\ttrue\n", output)
    assert.matches("\nall closed\ttrue\n", output)
    assert.matches("tasks had not ended when the state closed", output)
    assert.equal(0, status)
    assert.is_nil(output:find("failed"), output)
  end)

  it("runs the close handlers of all of them", function() -- fault 14
    local output, status = run([[
      local n = 0
      local function closing(name)
        return setmetatable({}, { __close = function(_, err)
          n = n + 1
          io.write(name, ": ", tostring(err), " ", n, "\n")
        end })
      end
      neap.spawn(function()
        local a <close> = closing("sort")
        table.sort({ 2, 1 }, function() neap.sleep(100) end)
      end)
      neap.spawn(function()
        local a <close> = closing("gsub")
        return (("x"):gsub("x", function() neap.await(function() end) end))
      end)
      neap.spawn(function()
        local a <close> = closing("outer")
        coroutine.wrap(function()
          local b <close> = closing("inner")
          neap.sleep(100)
        end)()
      end)
      neap.spawn(function()
        local a <close> = closing("meta")
        return setmetatable({}, { __index = function(t, k) neap.sleep(100) end }).x
      end)
      neap.sleep(0.001)
    ]])
    for _, name in ipairs({ "sort", "gsub", "meta" }) do
      assert.matches(name .. ": runtime is closing %d\n", output)
    end
    assert.matches("inner: runtime is closing %d\n", output)
    assert.matches("outer: [^\n]*runtime is closing %d\n", output)
    assert.matches("warning: neap: 4 tasks had not ended when the state closed", output)
    assert.is_nil(output:find("failed"), output)
    assert.equal(0, status)
  end)

  it("never runs a task that had not begun", function()
    local output, status = run([[
      neap.spawn(print, "ran")
    ]])
    assert.is_nil(output:find("ran"))
    assert.matches("1 task had not ended", output)
    assert.equal(0, status)
  end)

  it("lets close handlers wait in vain, fail, and spawn", function() -- fault 20
    local output, status = run([[
      local function closing(f) return setmetatable({}, { __close = f }) end
      neap.spawn({ name = "waits" }, function()
        local a <close> = closing(function() print("a runs") end)
        local b <close> = closing(function() print("b", pcall(neap.sleep, 1)) neap.yield() end)
        neap.sleep(100)
      end)
      neap.spawn({ name = "fails" }, function()
        local a <close> = closing(function(_, err) print("seen", err) end)
        local b <close> = closing(function() error("from close", 0) end)
        neap.sleep(100)
      end)
      neap.spawn({ name = "spawns" }, function()
        local a <close> = closing(function()
          local task = neap.spawn(print, "must not run")
          print("spawned", task:status(), pcall(task.join, task))
        end)
        neap.sleep(100)
      end)
      neap.sleep(0.001)
    ]])
    assert.matches("b\tfalse\truntime is closing\n", output)
    assert.matches("a runs\n", output)
    assert.matches("seen\tfrom close\n", output)
    assert.matches("neap: task %d+ fails failed: from close", output)
    assert.matches("spawned\tready\tfalse\t[^\n]*runtime is closing", output)
    assert.is_nil(output:find("must not run"))
    assert.equal(0, status)
  end)

  it("ends a task that swallows it, in the end", function()
    local output, status = run([[
      neap.spawn(function()
        local a <close> = setmetatable({}, { __close = function() print("let go") end })
        while true do pcall(neap.sleep, 1) end
      end)
      neap.spawn(function()
        local a <close> = setmetatable({}, { __close = function() print("let go") end })
        coroutine.wrap(function()
          while true do pcall(neap.await, function() end) end
        end)()
      end)
      neap.sleep(0.001)
    ]])
    local _, n = output:gsub("let go\n", "")
    assert.equal(2, n, output)
    assert.is_nil(output:find("dropped"), output)
    assert.equal(0, status)
  end)

  it("drops a task that can't be made to end, and says so", function()
    local output, status = run([[
      local function stubborn()
        -- Its handler swallows for ever, and so does the handler's handler.
        local guard <close> = setmetatable({}, { __close = function()
          while true do pcall(neap.sleep, 1) end
        end })
        while true do pcall(neap.sleep, 1) end
      end
      neap.spawn({ name = "stubborn" }, stubborn)
      neap.spawn(function()
        local guard <close> = setmetatable({}, { __close = function() print("other closed") end })
        neap.sleep(100)
      end)
      neap.sleep(0.001)
    ]])
    assert.matches("other closed", output)
    assert.matches("warning: neap: task %d+ ?stubborn goes on waiting and was dropped", output)
    assert.equal(0, status)
  end)

  it("refuses everything in finalizers that come after it", function()
    local output, status = run([[
      -- Older than neap's own objects: finalized after the runtime's end.
      package.loaded.neap = nil
    ]], {})
    assert.equal("", output)
    assert.equal(0, status)
    output, status = support.lua([[
      warn("@on")
      local late = setmetatable({}, { __gc = function(late)
        local neap = late.neap
        print("late", late.task:status(), late.task.id, tostring(late.task))
        for _, f in ipairs({ neap.yield, neap.info, neap.tasks, neap.current, neap.run,
                             function() neap.sleep(0) end, function() neap.spawn(print) end,
                             function() late.task:join() end, function() neap.dump() end,
                             function() neap.after(0, print) end, function() neap.exit() end }) do
          print(pcall(f))
        end
        late.timer:close()
        print(late.done("late"))
      end })
      late.neap = require("neap")
      late.task = late.neap.spawn(function()
        late.neap.await(function(done) late.done = done end)
      end)
      late.timer = late.neap.after(100, print)
      late.neap.sleep(0.001)
    ]])
    assert.matches("late\t%a+\t%d+\ttask", output)
    local _, refused = output:gsub("false\t[^\n]*neap: the runtime has ended", "")
    assert.equal(11, refused, output)
    assert.equal(0, status)
  end)

  it("happens in every order of finalizers", function()
    -- Handles and awaits are younger than the runtime's object: they come first.
    local output, status = run([[
      local waits = {
        function() neap.await(function() end) end,
        function() neap.await(function() neap.sleep(100) end) end,
        function() neap.await(function() pcall(neap.sleep, 100) end) end,
        function() for _ in neap.every(100) do end end,
        function() neap.spawn(neap.sleep, 100):join() end,
        function() coroutine.wrap(neap.await)(function() return print end) end,
      }
      for _, wait in ipairs(waits) do neap.spawn(wait) end
      neap.after(100, print)
      neap.sleep(0.001)
      setmetatable({}, { __gc = function() print("a finalizer", neap.spawn(print)) end })
    ]])
    assert.matches("a finalizer\ttask", output)
    assert.is_nil(output:find("failed"), output)
    assert.equal(0, status)
  end)

  it("leaves nothing of a thousand states in one process", function()
    local output, status = support.lua([[
      local neap = require("neap")
      -- One runtime per state: a process that opens states one after another
      -- is spec/c/test_post.c; here the state of a task ends a thousand times.
      for round = 1, 1000 do
        local tasks = {}
        for i = 1, 5 do tasks[i] = neap.spawn(function() neap.yield() return i end) end
        for i = 1, 5 do assert(tasks[i]:join() == i) end
      end
      print(#neap.tasks())
    ]])
    assert.equal("1\n", output)
    assert.equal(0, status)
  end)
end)

describe("os.exit", function()
  it("with close ends a state from inside gsub inside a task", function() -- fault 15
    local output, status = run([[
      neap.spawn({ name = "other" }, function()
        local a <close> = setmetatable({}, { __close = function() print("other closed") end })
        table.sort({ 2, 1 }, function() neap.sleep(100) end)
      end)
      neap.spawn(function()
        neap.yield()
        neap.sleep(0.001)
        return (("x"):gsub("x", function()
          print("leaving")
          os.exit(7, true)
        end))
      end)
      neap.run()
    ]])
    assert.matches("^leaving\n", output)
    assert.matches("other closed", output)
    assert.matches("1 task had not ended", output)
    assert.equal(7, status)
  end)

  it("ends a state from all kinds of stacks", function() -- fault 15
    local leave = {
      "os.exit(9, true)",
      "coroutine.wrap(function() os.exit(9, true) end)()",
      "pcall(os.exit, 9, true)",
      "table.sort({ 2, 1 }, function() os.exit(9, true) end)",
      "local a <close> = setmetatable({}, { __close = function() os.exit(9, true) end })",
      "neap.await(function() os.exit(9, true) end)",
      "os.exit(9)",
    }
    for _, code in ipairs(leave) do
      for _, where in ipairs({
        "neap.sleep(0.001) " .. code,
        "neap.spawn(function() " .. code .. " end) neap.run()",
        'neap.spawn({ stack = "private" }, function() neap.yield() ' .. code .. " end) neap.run()",
        "coroutine.wrap(function() neap.yield() " .. code .. " end)()",
      }) do
        local output, status = run("local opened, closed = 0, 0\n" .. park_everywhere .. where)
        assert.equal(9, status, where .. "\n" .. output)
      end
    end
  end)
end)

describe("neap.exit", function()
  it("ends the process with its code, after the tasks' clean-up", function()
    for call, code in pairs({
      ["neap.exit()"] = 0,
      ["neap.exit(3)"] = 3,
      ["neap.exit(true)"] = 0,
      ["neap.exit(false)"] = 1,
      ["neap.exit(4, 0)"] = 4,
      ["neap.spawn(neap.exit, 5) neap.run()"] = 5,
      ["neap.spawn(neap.exit, 6) neap.sleep(100)"] = 6,
      ["coroutine.wrap(neap.exit)(8)"] = 8,
    }) do
      local output, status = run([[
        neap.spawn(function()
          local a <close> = setmetatable({}, { __close = function() print("cleaned up") end })
          neap.sleep(100)
        end)
        neap.sleep(0.001)
        ]] .. call .. [[
        print("must not go on")
      ]])
      assert.matches("cleaned up\n", output, 1, false)
      assert.is_nil(output:find("must not go on"), output)
      assert.equal(code, status, call .. output)
    end
  end)

  it("unwinds tasks that wait in all places, in foreign objects too", function()
    local sums = "local with_expat, opened, closed = true, 0, 0\n"
    local output, status = run(sums .. park_everywhere .. [[
      neap.sleep(0.001)
      neap.spawn(neap.exit, 12)
      neap.run()
    ]])
    assert.equal(12, status, output)
    assert.is_nil(output:find("failed"), output)
    assert.is_nil(output:find("dropped"), output)
  end)

  it("cancels the others and waits for their cleanup as long as its grace", function()
    local output, status = run([[
      local started
      neap.spawn(function()
        started = true
        local cleanup <close> = setmetatable({}, {__close = function()
          neap.shield(function() neap.sleep(0.005) print("in time") end)
        end})
        neap.sleep(3600)
      end)
      while not started do neap.yield() end
      neap.exit(2, 60)
    ]])
    assert.equal("in time\n", output)
    assert.equal(2, status)
    output, status = run([[
      local started
      neap.spawn(function()
        started = true
        local a <close> = setmetatable({}, { __close = function(_, e) print(e) end })
        neap.shield(neap.sleep, 100)
      end)
      neap.spawn(function()
        while not started do neap.yield() end
        neap.exit(2, 0.005)
      end)
      neap.run()
    ]])
    assert.matches("runtime is closing\n", output)
    assert.equal(2, status)
  end)

  it("flushes what was written", function()
    local dir <close> = support.tempdir()
    local _, status = run([[
      local file = io.open(..., "w")
      file:setvbuf("full", 10000)
      file:write("flushed")
      neap.spawn(function() neap.exit(1) end)
      neap.run()
    ]], { args = { dir .. "/out" } })
    assert.equal(1, status)
    assert.equal("flushed", support.slurp(dir .. "/out"))
  end)

  it("is called by several tasks: the process ends once", function()
    local output, status = run([[
      for i = 1, 5 do neap.spawn(neap.exit, 11) end
      neap.run()
    ]])
    assert.equal("", (output:gsub("Lua warning: neap: %d tasks? had not ended[^\n]*\n", "")))
    assert.equal(11, status)
  end)
end)

describe("Ctrl-C", function()
  -- Sends this process SIGINT from outside, after some milliseconds. Not by
  -- os.execute: the signal is ignored while that waits for its shell.
  local prelude = [[
    local stat = io.open("/proc/self/stat")
    local pid = stat:read("n")
    stat:close()
    local function interrupt(ms)
      sender = io.popen(("sleep %.3f; kill -INT %d"):format(ms / 1000, pid))
    end
  ]]

  local waits = {
    sleep = "neap.sleep(100)",
    join = "neap.spawn(neap.sleep, 100):join()",
    run = "neap.spawn(neap.sleep, 100) neap.run()",
    await = "neap.spawn(neap.sleep, 100) neap.await(function() end)",
    every = "for _ in neap.every(100) do end",
    ["a loop of yields"] = "while true do neap.yield() end",
    ["a loop of short sleeps"] = "while true do neap.sleep(0.0001) end",
    ["a plain loop"] = "neap.yield() while true do end",
    ["a task's loop"] = "neap.spawn(function() while true do neap.yield() end end) neap.run()",
    sort = "table.sort({ 2, 1 }, function() neap.sleep(100) end)",
  }
  for name, wait in pairs(waits) do
    it("ends main's wait: " .. name, function()
      local output, status = run(prelude .. "interrupt(10)\n" .. wait)
      assert.matches("interrupted!", output)
      assert.equal(1, status)
    end)
  end

  it("ends main's wait in a coroutine", function()
    local output, status = run(prelude .. [[
      interrupt(10)
      coroutine.wrap(function() neap.sleep(100) end)()
    ]])
    assert.matches("interrupted!", output)
    assert.equal(1, status)
  end)

  it("is an ordinary error: pcall catches it, and the script goes on", function()
    local output, status = run(prelude .. [[
      interrupt(5)
      local ok, err = pcall(neap.sleep, 100)
      print(ok, err:match("interrupted!"))
      neap.sleep(0.001)
      print(neap.spawn(function() neap.yield() return "alive" end):join())
    ]])
    assert.equal("false\tinterrupted!\nalive\n", output)
    assert.equal(0, status)
  end)

  it("at any moment is delivered, and breaks nothing", function() -- fault 83
    -- Main switches, collects and allocates for ever; the tasks check
    -- themselves. Each round is a process that ends at another moment.
    for round = 1, support.count(10, 200) do
      local output, status = run(prelude .. [[
        interrupt(]] .. round % 20 .. [[)
        for i = 1, 10 do
          neap.spawn(function()
            local n = 0
            while true do
              local t = {}
              for k = 1, 5 do t[k] = { ("x"):rep(k), n } end
              table.sort({ 3, 1, 2 }, function(a, b) neap.yield() return a < b end)
              for k = 1, 5 do assert(#t[k][1] == k and t[k][2] == n) end
              n = n + 1
            end
          end)
        end
        while true do
          neap.sleep(0)
          collectgarbage("step")
        end
      ]])
      assert.equal(1, status, output)
      assert.matches("interrupted!", output)
      assert.is_nil(output:find("failed"), output)
    end
  end)

  it("a second time ends the process, as lua.c has it", function()
    local output, status = run(prelude .. [[
      interrupt(5)
      pcall(neap.sleep, 100)
      print("first")
      io.stdout:flush()
      interrupt(5)
      print(pcall(neap.sleep, 100))
    ]])
    assert.equal("first\n", output)
    assert.equal(130, status)
  end)
end)

describe("stacks", function()
  it("that can't be mapped are fewer stacks; none left is an error of spawn", function() -- fault 3
    if support.variant == "asan" then
      return -- its shadow needs the address space
    end
    local output, status = support.lua([[
      local neap = require("neap")
      local tasks, failures = {}, 0
      for i = 1, 1000 do
        local ok, task = pcall(neap.spawn, { stack = "private", quiet = true }, function()
          neap.sleep(0.002)
          return i
        end)
        if ok then
          tasks[#tasks + 1] = task
        else
          assert(task:find("not enough memory"), task)
          failures = failures + 1
        end
      end
      -- What a task does may want for memory, too, as long as the stacks are there.
      for _, task in ipairs(tasks) do
        local ok, err = task:wait()
        assert(ok or err == "not enough memory", err)
      end
      print(#tasks > 10, failures > 10, #tasks + failures)
      -- Shared ones need no more than one stack in all.
      for i = 1, 1000 do
        tasks[i] = neap.spawn(function() neap.sleep(0.001) return i end)
      end
      for i = 1, 1000 do assert(tasks[i]:join() == i) end
      print("and on")
    ]], { env = "prlimit --as=268435456" })
    assert.equal("true\ttrue\t1000\nand on\n", output)
    assert.equal(0, status)
  end)

  -- strace makes system call number n and all later ones fail; what happens
  -- before the marker (a write of its name) is counted in a first run.
  local function inject(call, how, source)
    local dir <close> = support.tempdir()
    local log = dir .. "/log"
    local script = support.spit(dir .. "/script.lua", source)
    local lua = (os.getenv("LUA") or "lua5.4") .. " " .. support.quote(script)
    support.sh(("strace -f -o %s -e trace=%s,write %s"):format(log, call, lua))
    local before = 0
    for line in io.lines(log) do
      if line:find("from here on", 1, true) then
        break
      elseif line:find(call .. "(", 1, true) then
        before = before + 1
      end
    end
    return support.sh(("strace -f -o /dev/null -e trace=%s -e inject=%s:%s:when=%d+ %s"):format(
      call, call, how, before + 1, lua))
  end

  local source = [[
    local neap = require("neap")
    local main = neap.spawn(function() end)
    main:join() -- the first shared stack is there
    io.stdout:setvbuf("no")
    print("from here on")
    local ok, err = pcall(neap.spawn, { stack = "private" }, print, "must not run")
    print(ok, err)
    print(#neap.tasks())
    -- Shared tasks share what there is.
    local tasks = {}
    for i = 1, 50 do
      tasks[i] = neap.spawn(function()
        table.sort({ 2, 1 }, function(a, b) neap.yield() return a < b end)
        return i
      end)
    end
    for i = 1, 50 do assert(tasks[i]:join() == i) end
    print(neap.info().slots)
  ]]

  it("without a guard page are not used", function() -- fault 4
    if support.variant == "asan" then
      return -- no strace under ASan
    end
    local output, status = inject("mprotect", "error=ENOMEM", source)
    assert.equal("from here on\nfalse\tnot enough memory\n1\n1\n", output)
    assert.equal(0, status)
  end)

  it("that mmap refuses are done without", function() -- fault 3
    if support.variant == "asan" then
      return
    end
    local output, status = inject("mmap", "error=ENOMEM", source)
    assert.equal("from here on\nfalse\tnot enough memory\n1\n1\n", output)
    assert.equal(0, status)
  end)
end)
