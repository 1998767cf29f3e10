-- The neap command: lua's options mean what they mean to lua, which runs beside
-- it; tasks go on when the script has ended; Ctrl-C.
local neap = require("neap")
local program = require("spec.support.program")
local support = require("spec.support")

local quote = support.quote
local lua = os.getenv("LUA") or "lua5.4"
local runner = (os.getenv("NEAP_VARIANT_DIR") or "build") .. "/neap"
if runner:sub(1, 1) ~= "/" then
  runner = support.root() .. "/" .. runner
end

-- Runs the command with a shell's words behind it: its output, its status.
local function run(words, dir)
  return support.sh(("cd %s && timeout 60 %s %s"):format(quote(dir or "/tmp"), quote(runner),
    words))
end

-- A folder with these files in it.
local function folder(files)
  local dir = support.tempdir()
  for name, source in pairs(files) do
    support.spit(dir .. "/" .. name, source)
  end
  return dir
end

-- Runs a script of the command's own in a folder of its own.
local function run_script(source, options)
  local dir <close> = folder({ ["script.lua"] = source })
  return run((options or "") .. " script.lua </dev/null", dir.path)
end

describe("neap, as lua,", function()
  local files = {
    ["args.lua"] = [[
      for i = -9, 9 do if arg[i] then print(i, arg[i]) end end
      print(select('#', ...), ...)]],
    ["two.lua"] = "print('two', x, y)",
    ["syntax.lua"] = "x = = 1",
    ["fails.lua"] = "local function f() error('boom') end f()",
    ["value.lua"] = "error({})",
    ["text.lua"] = "error(setmetatable({}, { __tostring = function() return 'as text' end }))",
    ["none.lua"] = "error()",
    ["exit.lua"] = "os.exit(7)",
    ["exits.lua"] = "os.exit(true, true)",
    ["shebang.lua"] = "#!/usr/bin/env neap\nprint('after it')",
    ["warns.lua"] = "warn('careful')",
    ["noarg.lua"] = "arg = nil",
    ["mod.lua"] = "return { name = ... }",
    ["bad.lua"] = "error('in a module')",
    ["init.lua"] = "print('from LUA_INIT')",
    ["input.lua"] = "print(io.read('n', 'l', 'a'))",
    ["closes.lua"] = [[
      local t <close> = setmetatable({}, { __close = function() print('closed') end })
      error('x')]],
    ["collected.lua"] = "setmetatable({}, { __gc = function() print('collected') end })",
  }
  local dir
  setup(function()
    dir = folder(files)
  end)
  teardown(function()
    getmetatable(dir).__close(dir)
  end)

  -- What must not differ: both outputs and the status. Names of the programs
  -- and lines of the usage do.
  local function result(command, words)
    local output, status = support.sh(
      ("cd %s && PROGRAM=%s; %s"):format(quote(dir.path), quote(command), words))
    -- Not in the middle of a path, which may have it in a folder's name.
    local plain = ("\n" .. output):gsub("([^%w/])" .. command:gsub("%p", "%%%0"), "%1PROGRAM")
    plain = plain:gsub("usage: .*", "usage")
    return plain .. "status " .. status
  end

  local cases = {
    ["runs a script with its arguments"] = "$PROGRAM args.lua a '' 'b c'",
    ["puts options before arg[0]"] = "$PROGRAM -e 'x = 1' -W args.lua a",
    ["reads options no further than the script"] = "$PROGRAM two.lua -e 'print(1)' -v",
    ["runs -e, in order, attached or not"] = "$PROGRAM -e 'x = 1' -e'y = x + 1' two.lua",
    ["runs -e alone"] = "$PROGRAM -e 'print(arg[0] ~= nil, #arg, ...)'",
    ["takes -l"] = "$PROGRAM -l mod -e 'print(mod.name)'",
    ["takes -lmod attached"] = "$PROGRAM -lmod -e 'print(mod.name)'",
    ["takes -l name=mod"] = "$PROGRAM -l m=mod -e 'print(m.name, mod)'",
    ["tells a module that is not there"] =
      "LUA_PATH_5_4='./?.lua' $PROGRAM -l nothing -e 'print(1)'",
    ["tells a module that fails"] = "$PROGRAM -l bad -e 'print(1)'",
    ["stops at -e that fails"] = "$PROGRAM -e 'error(\"no\")' two.lua",
    ["stops at -e that is not Lua"] = "$PROGRAM -e 'x =' two.lua",
    ["stops at --"] = "$PROGRAM -- args.lua -x",
    ["takes a file named - after --"] = "$PROGRAM -- - </dev/null",
    ["runs stdin for -"] = "echo 'print(arg[0], ...)' | $PROGRAM - a b",
    ["runs stdin when nothing is said"] = "echo 'print(arg[0], ...)' | $PROGRAM",
    ["leaves stdin to a script"] = "printf '12 rest\\nmore' | $PROGRAM input.lua",
    ["has warnings off"] = "$PROGRAM warns.lua",
    ["has warnings on with -W"] = "$PROGRAM -W warns.lua",
    ["runs LUA_INIT"] = "LUA_INIT='x = 5' $PROGRAM two.lua",
    ["runs LUA_INIT's file"] = "LUA_INIT=@init.lua $PROGRAM two.lua",
    ["prefers LUA_INIT_5_4"] =
      "LUA_INIT='x = 1' LUA_INIT_5_4='x = 2' LUA_INIT_5_5='x = 2' $PROGRAM two.lua",
    ["tells LUA_INIT that fails"] = "LUA_INIT='error(\"no\")' $PROGRAM two.lua",
    ["does not run LUA_INIT with -E"] = "LUA_INIT='x = 5' $PROGRAM -E two.lua",
    ["does not heed LUA_PATH with -E"] =
      "LUA_PATH=x LUA_PATH_5_4=x LUA_CPATH_5_4=y $PROGRAM -E" ..
      " -e 'print(package.path, package.cpath)'",
    ["heeds LUA_PATH"] = "LUA_PATH='x/?;;' $PROGRAM -e 'print(package.path)'",
    ["tells a script that is not there"] = "$PROGRAM nowhere.lua",
    ["tells a script that is a folder"] = "$PROGRAM .",
    ["tells a syntax error"] = "$PROGRAM syntax.lua",
    ["tells an error with its traceback"] = "$PROGRAM fails.lua",
    ["tells an error value"] = "$PROGRAM value.lua",
    ["tells an error value with __tostring"] = "$PROGRAM text.lua",
    ["tells an error of nil"] = "$PROGRAM none.lua",
    ["exits as os.exit says"] = "$PROGRAM exit.lua",
    ["exits as os.exit(true, true) says"] = "$PROGRAM exits.lua",
    ["skips a first line with #"] = "$PROGRAM shebang.lua",
    ["runs __close of a failed script"] = "$PROGRAM closes.lua",
    ["closes the state"] = "$PROGRAM collected.lua",
    ["refuses an option it does not know"] = "$PROGRAM -x two.lua",
    ["refuses a long option it does not know"] = "$PROGRAM --nonsense two.lua",
    ["refuses letters behind an option"] = "$PROGRAM -vx",
    ["refuses -e without code"] = "$PROGRAM -e",
    ["refuses -l with an option behind it"] = "$PROGRAM -l -v",
    ["needs a table arg"] = "$PROGRAM -e 'arg = 1' two.lua",
    ["dies of a closed pipe"] = "$PROGRAM -e 'for i = 1, 1e5 do print(i) end' 2>&1 | head -n 1",
  }
  local names = {}
  for name in pairs(cases) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    it(name, function()
      assert.equal(result(lua, cases[name]), result(runner, cases[name]))
    end)
  end

  it("says its own version, and Lua's", function()
    local ours, status = run("-v")
    local stock = support.sh(lua .. " -v")
    assert.equal(("neap %s  %s"):format(neap.version, stock), ours)
    assert.equal(0, status)
  end)

  it("has a help", function()
    local output, status = run("--help")
    assert.equal(0, status)
    for _, option in ipairs({ "-e", "-W", "--dump-on", "--preempt", "--watchdog", "--trace" }) do
      assert(output:find("  " .. option .. " ", 1, true), option)
    end
  end)
end)

describe("neap", function()
  it("runs tasks to their ends", function()
    local output, status = run_script([[
      local neap = require("neap")
      neap.spawn(function() neap.sleep(0.01) print("task") end)
      print("main")]])
    assert.equal("main\ntask\n", output)
    assert.equal(0, status)
  end)

  it("runs tasks to their ends when only a part of neap was required", function()
    local output, status = run_script([[
      local fs = require("neap.fs")
      print(fs.exists("script.lua"))]])
    assert.equal("true\n", output)
    assert.equal(0, status)
  end)

  it("exits with 1 when a task failed and nobody heard", function()
    local output, status = run_script([[
      require("neap").spawn(function() error("boom") end)
      print("main")]])
    assert.equal(1, status)
    assert(output:find("main\nneap: task 2 failed: script.lua:1: boom\nstack traceback", 1, true),
      output)
    assert(output:find(": 1 task failed; first: script.lua:1: boom\n$"), output)
  end)

  it("exits with 0 when somebody heard", function()
    local output, status = run_script([[
      local task = require("neap").spawn(function() error("boom") end)
      print(task:wait())]])
    assert.equal("false\tscript.lua:1: boom\n", output)
    assert.equal(0, status)
  end)

  it("lets tasks clean up when the script fails", function()
    local output, status = run_script([[
      local neap = require("neap")
      neap.spawn(function()
        local _ <close> = setmetatable({}, { __close = function()
          neap.shield(neap.sleep, 0.01)
          print("cleaned")
        end })
        neap.sleep(3600)
      end)
      neap.testing.settle()
      error("over")]])
    assert.equal(1, status)
    assert(output:find("script.lua:10: over\nstack traceback", 1, true), output)
    assert(output:find("cleaned\n", 1, true), output)
  end)

  it("tells a deadlock at the end", function()
    local output, status = run_script([[
      local neap = require("neap")
      neap.spawn({ name = "stuck" }, function() neap.channel():recv() end)]])
    assert.equal(1, status)
    assert(output:find(": deadlock: nothing can end this wait\n", 1, true), output)
    assert(output:find("stuck: waiting in channel:recv", 1, true), output)
  end)

  it("exits as neap.exit and os.exit say, from main and from tasks", function()
    for source, expected in pairs({
      ["neap.exit(3)"] = 3,
      ["neap.exit(true)"] = 0,
      ["neap.spawn(function() neap.exit(4) end) neap.sleep(3600)"] = 4,
      ["neap.spawn(function() os.exit(5) end) neap.sleep(3600)"] = 5,
      ["neap.spawn(function() os.exit(6, true) end) neap.sleep(3600)"] = 6,
      ["neap.spawn(function() neap.sleep(0.001) neap.exit(8) end)"] = 8,
    }) do
      local output, status = run_script('local neap = require("neap") ' .. source)
      assert.equal("", output)
      assert.equal(expected, status, source)
    end
  end)

  -- fault 90
  it("says that its output was lost", function()
    for _, to in ipairs({ ">/dev/full", ">&-" }) do
      local output, status = support.sh(("{ %s -e 'print(1)' 3>&2 %s; } 2>&1"):format(quote(runner),
        to))
      assert.equal(1, status, to)
      assert(output:find("cannot write to standard output", 1, true), output)
    end
  end)

  it("gives nobody a descriptor of the closed standard streams", function()
    local output, status = support.sh(([[
      %s -e 'local neap = require("neap") neap.sleep(0) assert(not io.stdout:write("x") or
        not io.stdout:flush()) io.stderr:write("written\n")' <&- >&-]]):format(quote(runner)))
    assert.equal(1, status)
    assert(output:find("^written\n"), output)
  end)

  it("preempts with --preempt", function()
    local output, status = run_script([[
      local neap = require("neap")
      local over
      neap.spawn(function() neap.sleep(0.01) over = true end)
      while not over do end
      print("over")]], "--preempt 10ms")
    assert.equal("over\n", output)
    assert.equal(0, status)
  end)

  it("tells who holds the loop with --watchdog", function()
    local output, status = run_script([[
      local neap = require("neap")
      neap.spawn({ name = "busy" }, function()
        local until_then = os.clock() + 0.2
        while os.clock() < until_then do end
      end):join()]], "--watchdog=20ms")
    assert.equal(0, status)
    assert(output:find("neap: the loop has been held for", 1, true), output)
    assert(output:find("'busy'", 1, true), output)
  end)

  it("writes a trace with --trace", function()
    local dir <close> = folder({ ["script.lua"] = [[
      local neap = require("neap")
      neap.spawn({ name = "traced" }, neap.sleep, 0.001)]] })
    local output, status = run("--trace out.json script.lua", dir.path)
    assert.equal("", output)
    assert.equal(0, status)
    assert(support.slurp(dir .. "/out.json"):find("traced", 1, true))
  end)

  it("refuses values that options can't have", function()
    for words, problem in pairs({
      ["--preempt"] = "needs a duration",
      ["--preempt=0"] = "needs a duration",
      ["--preempt=10 ms"] = "needs a duration",
      ["--preempt nan"] = "needs a duration",
      ["--watchdog=1h"] = "needs a duration",
      ["--watchdog=-1s"] = "needs a duration",
      ["--trace"] = "needs the name of a file",
      ["--dump-on SIGKILL"] = "needs SIGUSR1",
      ["--dump-on"] = "needs SIGUSR1",
    }) do
      local output, status = run((words:gsub("=(.*)$", "='%1'")))
      assert.equal(1, status, words)
      assert(output:find(problem, 1, true), output)
      assert(output:find("usage: ", 1, true), output)
    end
    local output, status = run_script("print(1)", "--trace /nowhere/at/all")
    assert.equal(1, status)
    assert(output:find("/nowhere/at/all: No such file or directory", 1, true), output)
  end)
end)

describe("signals of neap", function()
  -- Starts a script that prints "ready" and its process number first.
  local function start(source, options)
    local dir <close> = support.tempdir() -- the script is loaded by then
    support.spit(dir .. "/script.lua", 'io.stdout:setvbuf("line")\n' ..
      'print("ready", io.open("/proc/self/stat"):read("n"))\n' .. source)
    -- A shell has the jobs it puts behind ignore SIGINT: setsid and env undo it.
    local command = ("cd %s && exec env --default-signal=INT timeout --foreground 60 %s %s %s")
      :format(quote(dir.path), quote(runner), options or "", "script.lua")
    local it_runs = program.start(command, "")
    local pid = math.tointeger(it_runs:expect("^ready\t(%d+)$"))
    return it_runs, pid
  end

  local function kill(pid, name)
    assert(neap.process.kill(pid, name))
  end

  it("Ctrl-C cancels all tasks and lets them clean up", function()
    local run_of <close>, pid = start([[
      local neap = require("neap")
      neap.spawn(function()
        local _ <close> = setmetatable({}, { __close = function(_, err)
          neap.shield(neap.sleep, 0.01)
          print("cleaned", select(2, neap.is_cancelled(err)))
        end })
        neap.testing.settle() -- main is in its pcall
        print("waits")
        neap.sleep(3600)
      end)
      local ok, err = pcall(neap.sleep, 3600)
      print("main", ok, neap.is_cancelled(err))
      neap.sleep(3600)]])
    run_of:expect("waits")
    kill(pid, "SIGINT")
    local output, status = run_of:finish()
    assert.equal(130, status)
    assert(output:find("main\tfalse\ttrue\tinterrupted\n", 1, true), output)
    assert(output:find("cleaned\tinterrupted\n", 1, true), output)
    assert.is_nil(output:find("traceback"))
  end)

  it("Ctrl-C ends a main script that swallows it", function()
    local run_of <close>, pid = start([[
      local neap = require("neap")
      neap.spawn(function()
        local _ <close> = setmetatable({}, { __close = function() print("cleaned") end })
        neap.sleep(3600)
      end)
      neap.after(0.001, print, "waits")
      while true do pcall(neap.sleep, 1) end]])
    run_of:expect("waits")
    kill(pid, "SIGINT")
    local output, status = run_of:finish()
    assert.equal("cleaned\n", output)
    assert.equal(130, status)
  end)

  it("Ctrl-C stops Lua code that never waits, in main and in tasks", function()
    for _, source in ipairs({
      [[local neap = require("neap")
        neap.spawn(function() print("busy") while true do end end)
        local _ <close> = setmetatable({}, { __close = function() print("cleaned") end })
        neap.sleep(3600)]],
      [[local neap = require("neap")
        neap.yield()
        local _ <close> = setmetatable({}, { __close = function() print("cleaned") end })
        print("busy") while true do end]],
    }) do
      local run_of <close>, pid = start(source)
        run_of:expect("busy")
      kill(pid, "SIGINT")
      local output, status = run_of:finish()
      assert.equal("cleaned\n", output)
      assert.equal(130, status)
    end
  end)

  it("Ctrl-C interrupts a script without neap, as lua does", function()
    local run_of <close>, pid = start([[while true do end]])
    kill(pid, "SIGINT")
    local output, status = run_of:finish()
    assert(output:find("interrupted!\nstack traceback", 1, true), output)
    assert.equal(130, status)
  end)

  it("Ctrl-C at any moment lets all clean up", function() -- fault 83
    for _ = 1, support.count(2, 100) do
      local run_of <close>, pid = start([[
        local neap = require("neap")
        local begun, cleaned = 0, 0 -- one that has not begun has no cleanup
        local function spawn(fn)
          neap.spawn(function()
            local _ <close> = setmetatable({}, { __close = function()
              neap.shield(neap.sleep, 0)
              cleaned = cleaned + 1
              if cleaned == 4 then print("all cleaned") end
            end })
            begun = begun + 1
            if begun == 4 then print("waits") end
            fn()
          end)
        end
        spawn(function() while true do neap.yield() end end)
        spawn(function() while true do local t = { {}, ("x"):rep(100) } end end)
        spawn(function() while true do coroutine.wrap(function() neap.yield() end)() end end)
        spawn(function() neap.sleep(3600) end)
        while true do collectgarbage("step") neap.yield() end]], "--preempt 1ms")
      run_of:expect("waits")
      kill(pid, "SIGINT")
      local output, status = run_of:finish()
      assert.equal("all cleaned\n", output)
      assert.equal(130, status)
    end
  end)

  it("the second Ctrl-C ends at once", function()
    local run_of <close>, pid = start([[
      local neap = require("neap")
      neap.spawn(function()
        neap.shield(function()
          pcall(neap.sleep, 0)
          print("shielded")
          neap.sleep(3600)
        end)
      end)
      local ok = pcall(neap.sleep, 3600)
      print("first", ok)]])
    run_of:expect("shielded")
    kill(pid, "SIGINT")
    run_of:expect("first\tfalse")
    kill(pid, "SIGINT")
    local _, status = run_of:finish()
    assert.equal(130, status)
  end)

  it("Ctrl-C is the script's while it listens", function()
    local run_of <close>, pid = start([[
      local neap = require("neap")
      local listener <close> = neap.signal.listen({ "SIGINT" })
      print("listens")
      print("heard", listener:wait())]])
    run_of:expect("listens")
    kill(pid, "SIGINT")
    local output, status = run_of:finish()
    assert.equal("heard\tSIGINT\n", output)
    assert.equal(0, status)
  end)

  it("--dump-on writes a dump, of waiting and of busy programs", function()
    local run_of <close>, pid = start([[
      local neap = require("neap")
      neap.spawn({ name = "sleeper" }, neap.sleep, 3600)
      neap.spawn(function()
        neap.testing.settle()
        print("waits")
      end)
      neap.sleep(3600)]], "--dump-on SIGUSR1")
    run_of:expect("waits")
    kill(pid, "SIGUSR1")
    run_of:expect("sleeper: waiting in sleep")
    kill(pid, "SIGUSR1")
    run_of:expect("main: waiting in sleep")
    kill(pid, "SIGINT")
    local _, status = run_of:finish()
    assert.equal(130, status)

    local busy <close>, busy_pid = start([[
      local neap = require("neap")
      neap.spawn({ name = "spinner" }, function() print("spins") while true do end end)
      neap.sleep(3600)]], "--dump-on=USR2")
    busy:expect("spins")
    kill(busy_pid, "SIGUSR2")
    busy:expect("spinner: running")
    kill(busy_pid, "SIGINT")
    busy:finish()
  end)
end)
