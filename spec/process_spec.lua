-- Child processes: spawn, run, popen, kill.
local children = require("spec.support.children")
local faults = require("spec.support.faults")
local fs = require("neap.fs")
local neap = require("neap")
local net = require("neap.net")
local process = require("neap.process")
local support = require("spec.support")

local settle = support.settle
local alive, wait_until = children.runs, children.wait_until

-- One byte a call in the hostile build: less of everything.
local much = support.variant == "hostile" and 20000 or support.count(8, 100) * 1024 * 1024

-- A shell as a child.
local function shell(script, more)
  local command = { "sh", "-c", script }
  for key, value in pairs(more or {}) do
    command[key] = value
  end
  return command
end

after_each(function()
  assert.same({}, children.ours())
end)

describe("process.run", function()
  it("collects what a program writes, and how it ended", function()
    local result = assert(process.run(shell("echo out; echo err >&2; exit 3")))
    assert.same({ code = 3, stdout = "out\n", stderr = "err\n" }, result)
    result = assert(process.run(shell("kill -USR1 $$")))
    assert.same({ signal = "SIGUSR1", stdout = "", stderr = "" }, result)
  end)

  it("takes words as they are: there is no shell", function()
    local result = assert(process.run({ "printf", "[%s]", "a b", "$HOME", "*", "", 12, 0.5 }))
    assert.equal("[a b][$HOME][*][][12][0.5]", result.stdout)
  end)

  it("gives a program its input, or none", function()
    assert.equal("text", process.run({ "cat", input = "text" }).stdout)
    assert.equal("", process.run({ "cat" }).stdout)
    assert.equal("", process.run({ "cat", input = "" }).stdout)
  end)

  it("feeds and drains any amount at once", function()
    local input = ("0123456789abcdef"):rep(much // 16)
    local result = assert(process.run(shell("tee /dev/stderr", { input = input })))
    assert.equal(0, result.code)
    assert.is_true(result.stdout == input)
    assert.is_true(result.stderr == input)
  end)

  it("bears a program that does not read its input", function() -- fault 78
    local result = assert(process.run({ "true", input = ("x"):rep(much) }))
    assert.equal(0, result.code)
    result = assert(process.run(shell("exec <&-; echo ok; sleep 0.01",
      { input = ("x"):rep(much) })))
    assert.equal("ok\n", result.stdout)
  end)

  it("bears it as the first thing that a script does", function() -- fault 78
    local output, status = support.lua([[
      local process = require("neap.process")
      print(process.run({ "true", input = ("x"):rep(1000000) }).code)
    ]])
    assert.equal("0\n", output)
    assert.equal(0, status)
  end)

  it("waits for a program that closes its outputs early", function()
    assert.same({ code = 4, stdout = "x", stderr = "" },
      process.run(shell("printf x; exec >&- 2>&-; sleep 0.02; exit 4")))
  end)

  it("leaves out what goes elsewhere", function()
    local result = assert(process.run(shell("echo a; echo b >&2", { stdout = "null" })))
    assert.same({ code = 0, stderr = "b\n" }, result)
  end)

  it("fails with check when the program does", function()
    local result, message, code, rest = process.run(shell("echo x; exit 2", { check = true }))
    assert.is_nil(result)
    assert.equal("sh: exit code 2", message)
    assert.equal("EXIT", code)
    assert.same({ code = 2, stdout = "x\n", stderr = "" }, rest)
    result, message, code = process.run(shell("kill $$", { check = true }))
    assert.is_nil(result)
    assert.equal("sh: killed by SIGTERM", message)
    assert.equal("EXIT", code)
    assert.equal(0, process.run({ "true", check = true }).code)
  end)

  it("limits the output", function()
    local result, message, code = process.run({ "yes", max = 1000 })
    assert.is_nil(result)
    assert.equal("yes: more than 1000 bytes of output", message)
    assert.equal("EMSGSIZE", code)
    assert.equal(1000, #process.run(shell("head -c 1000 /dev/zero", { max = 1000 })).stdout)
  end)

  -- A shell that starts another process, says both numbers, and goes on for ever.
  local family = "trap '' %s; sleep 1000 & echo $$ $! >%s; wait; while :; do sleep 1000; done"

  local function run_family(path, trap, more)
    return shell(family:format(trap, support.quote(path)), more)
  end

  local function members(path)
    wait_until(function()
      return (fs.readfile(path) or ""):find("\n")
    end)
    local one, two = support.slurp(path):match("(%d+) (%d+)")
    return tonumber(one), tonumber(two)
  end

  it("kills and reaps the whole group when its time is over", function()
    local dir <close> = support.tempdir()
    local path = dir .. "/pids"
    local result, message, code = process.run(run_family(path, "USR1", { timeout = 0.2 }))
    assert.is_nil(result)
    assert.equal("timed out after 0.2 s", message)
    assert.equal("ETIMEDOUT", code)
    local one, two = members(path)
    assert.is_nil(children.state(one))
    wait_until(function()
      return not alive(two)
    end)
  end)

  it("kills and reaps the whole group when it is cancelled", function()
    local dir <close> = support.tempdir()
    local path = dir .. "/pids"
    local task = neap.spawn(process.run, run_family(path, "USR1"))
    local one, two = members(path)
    task:cancel()
    assert.is_false(task:wait())
    assert.is_nil(children.state(one))
    wait_until(function()
      return not alive(two)
    end)
  end)

  it("kills what does not end by itself within the grace", function()
    local dir <close> = support.tempdir()
    local path = dir .. "/pids"
    local task = neap.spawn(process.run, run_family(path, "TERM", { grace = 0.05 }))
    local one, two = members(path)
    task:cancel()
    assert.is_false(task:wait())
    assert.is_nil(children.state(one))
    wait_until(function()
      return not alive(two)
    end)
  end)

  it("ends one that was stopped", function()
    local task = neap.spawn(process.run, shell("kill -STOP $$"))
    wait_until(function()
      local pid = children.ours()[1]
      return pid and children.state(pid) == "T"
    end)
    task:cancel()
    assert.is_false(task:wait())
  end)

  it("runs many at once", function()
    local tasks = {}
    for i = 1, support.count(40, 200) do
      tasks[i] = neap.spawn(function()
        local result = assert(process.run(shell("cat; exit " .. i % 100, { input = tostring(i) })))
        assert.equal(i % 100, result.code)
        assert.equal(tostring(i), result.stdout)
      end)
    end
    for _, task in ipairs(tasks) do
      task:join()
    end
  end)

  it("survives every allocation that fails", function()
    if not neap._fail_alloc then
      return
    end
    assert(faults.alloc(function()
      local result, message, code = process.run({ "cat", input = "x", setenv = { A = "b" } })
      assert(result == nil or result.stdout == "x")
      return result, message, code
    end, {
      after = function()
        settle()
        assert(#children.ours() == 0)
      end,
    }) > 5)
    assert(faults.lua_alloc(function()
      return process.run({ "cat", input = "x", setenv = { A = "b" } })
    end) > 5)
  end)
end)

describe("a program's surroundings", function()
  it("are ours, with what is added and taken out", function()
    local result = process.run(shell("echo $HOME $NEAP_A $NEAP_B",
      { setenv = { NEAP_A = "one two", NEAP_B = 2 } }))
    assert.equal(os.getenv("HOME") .. " one two 2\n", result.stdout)
    result = process.run(shell("echo ${HOME-none}", { setenv = { HOME = false } }))
    assert.equal("none\n", result.stdout)
  end)

  it("or what replaces them", function()
    local result = process.run({ "env", env = { A = "x=y", ["B C"] = "" } })
    local lines = {}
    for line in result.stdout:gmatch("[^\n]+") do
      lines[#lines + 1] = line
    end
    table.sort(lines)
    assert.same({ "A=x=y", "B C=" }, lines)
    assert.equal("", process.run({ "env", env = {} }).stdout)
    assert.equal("A=1\n", process.run({ "env", env = {}, setenv = { A = 1 } }).stdout)
  end)

  it("have a folder", function()
    local dir <close> = support.tempdir()
    assert.equal(dir .. "\n", process.run({ "pwd", cwd = dir.path }).stdout)
  end)

  it("have a user and a group", function()
    if process.run({ "id", "-u" }).stdout ~= "0\n" then
      return -- one has to be root for that
    end
    local result = process.run(shell("id -u; id -g; id -G", { uid = 65534, gid = 65533 }))
    assert.equal("65534\n65533\n65533\n", result.stdout)
  end)

  it("have default signals and no descriptors but three", function()
    local leaked <close> = assert(io.open("/dev/null")) -- Lua's own are inherited
    local file <close> = assert(fs.open("/dev/null"))
    local server <close> = assert(net.listen("127.0.0.1", 0))
    assert(leaked and file and server)
    local result = process.run(shell("ls /proc/$$/fd"))
    assert.equal("0\n1\n2\n", result.stdout)
    -- SIGPIPE has a handler here by now.
    result = process.run({ "cat", "/proc/self/status" })
    assert.matches("\nSigBlk:\t0000000000000000\n", result.stdout)
    -- A sanitizer that children have as well catches others.
    local ours = 1 << 13 - 1 | 1 << 17 - 1 -- SIGPIPE, SIGCHLD
    for _, mask in ipairs({ "SigIgn", "SigCgt" }) do
      assert.equal(0, tonumber(result.stdout:match("\n" .. mask .. ":\t(%x+)\n"), 16) & ours)
    end
  end)
end)

describe("a program that can't be started", function()
  it("is a failure with a reason, and nothing is left of it", function() -- fault 77
    local dir <close> = support.tempdir()
    local plain = support.spit(dir .. "/plain", "no program")
    local cases = {
      { { "no such program" }, "no such program: No such file or directory", "ENOENT" },
      { { "/no/such/program" }, "/no/such/program: No such file or directory", "ENOENT" },
      { { plain }, plain .. ": Permission denied", "EACCES" },
      { { dir.path }, dir .. ": Permission denied", "EACCES" },
      { { "true", cwd = "/no/such/folder" }, "/no/such/folder: No such file or directory",
        "ENOENT" },
      { { "true", ("x"):rep(200000) }, "true: Argument list too long", "E2BIG" },
      { { "true", stdin = "pipe", stdout = "pipe", setenv = { A = ("x"):rep(200000) } },
        "true: Argument list too long", "E2BIG" },
    }
    for _, case in ipairs(cases) do
      for _, start in ipairs({ process.spawn, process.run }) do
        assert.same({ n = 3, nil, case[2], case[3] }, table.pack(start(case[1])))
        assert.same({}, children.ours())
      end
    end
  end)

  -- strace makes the n-th call of its kind fail.
  it("bears every system call that fails", function() -- fault 77
    if support.variant == "asan" then
      return -- no strace under ASan
    end
    local source = [[
      local process = require("neap.process")
      local result, message, code = process.run({ "cat", input = "x" })
      print(result and result.stdout or code)
      local child, _, code = process.spawn({ "true", stdin = "pipe", stdout = "pipe" })
      print(child and child:wait() or code)
      if child then child:close() end
      local result = process.run({ "echo", "fine" })
      print(result and result.stdout)
      local me = io.open("/proc/self/stat"):read("n")
      local file = io.open("/proc/self/task/" .. me .. "/children")
      print("children", file:read("a"))
    ]]
    local calls = { vfork = "EAGAIN", pipe2 = "EMFILE", epoll_create1 = "EMFILE" }
    for call, code in pairs(calls) do
      for n = 2, 7 do
        local env = ("strace -f -o /dev/null -e trace=%s -e inject=%s:error=%s:when=%d"):format(
          call, call, code, n)
        local output, status = support.lua(source, { env = env })
        if not output:find("no runtime", 1, true) then -- libuv's own
          assert.equal(0, status, output)
          assert.matches("^[xE]%a*\n[0E]%a*\n", output)
          assert.matches("children\t\n$", output)
        end
      end
    end
  end)
end)

describe("a process", function()
  it("has pipes to it, a number and an end", function()
    local child <close> = assert(process.spawn({ "cat", stdin = "pipe", stdout = "pipe" }))
    assert.equal(child.pid, children.ours()[1])
    assert.is_nil(child.stderr)
    assert(child.stdin:write("one\ntwo\n"))
    assert.equal("one", child.stdout:read())
    assert.equal(("process %d (running)"):format(child.pid), tostring(child))
    child.stdin:close()
    assert.equal("two", child.stdout:read())
    assert.is_nil(child.stdout:read())
    assert.equal(0, child:wait())
    assert.equal(("process %d (ended)"):format(child.pid), tostring(child))
    child:close()
    assert.equal(("process %d (closed)"):format(child.pid), tostring(child))
  end)

  it("sees the end of its input when that is shut down", function()
    local child <close> = assert(process.spawn({ "cat", stdin = "pipe", stdout = "pipe" }))
    assert(child.stdin:write("text"))
    assert.is_true(child.stdin:shutdown())
    assert.equal("text", child.stdout:read("a"))
    assert.equal(0, child:wait())
    assert.equal("EBADF", (select(3, child.stdin:write("x"))))
  end)

  it("says its end to all who wait, and again", function()
    local child <close> = assert(process.spawn(shell("read x; exit 7", { stdin = "pipe" })))
    local tasks = {}
    for i = 1, 5 do
      tasks[i] = neap.spawn(child.wait, child)
    end
    settle()
    child.stdin:close()
    for i = 1, 5 do
      assert.equal(7, tasks[i]:join())
    end
    assert.equal(7, child:wait())
    assert.equal(7, child:wait(0))
  end)

  it("says which signal killed it", function()
    local child <close> = assert(process.spawn({ "sleep", "1000" }))
    assert.is_true(child:kill("SIGKILL"))
    assert.same({ n = 2, nil, "SIGKILL" }, table.pack(child:wait()))
  end)

  it("is a case of neap.select", function()
    local one <close> = assert(process.spawn({ "sleep", "1000" }))
    local two <close> = assert(process.spawn(shell("read x; exit 7", { stdin = "pipe" })))
    assert.equal("ETIMEDOUT", (select(3, neap.select({ { one }, { two }, timeout = 0 }))))
    local task = neap.spawn(neap.select, { { one }, { two } })
    settle()
    two.stdin:close()
    assert.same({ 2, 7 }, { task:join() })
    assert.same({ 2, 7 }, { neap.select({ { one }, { two } }) })
    assert(one:kill())
    one:wait()
    assert.same({ 1, nil, "SIGTERM" }, { neap.select({ { one } }) })
    local three = assert(process.spawn({ "sleep", "1000" }))
    task = neap.spawn(neap.select, { { three } })
    settle()
    three:close()
    assert.same({ 1, nil, ("process %d: Operation canceled"):format(three.pid), "ECANCELED" },
      { task:join() })
    assert.same({ 1, nil, "process is closed", "EBADF" }, { neap.select({ { three } }) })
  end)

  it("is waited for as long as one wants", function()
    local child <close> = assert(process.spawn({ "sleep", "1000" }))
    assert.same({ n = 3, nil, "timed out after 0 s", "ETIMEDOUT" }, table.pack(child:wait(0)))
    assert.same({ n = 3, nil, "timed out after 0.01 s", "ETIMEDOUT" },
      table.pack(child:wait(0.01)))
  end)

  it("is not hit by signals once it has ended", function() -- fault 81
    local child <close> = assert(process.spawn({ "true" }))
    wait_until(function()
      return children.state(child.pid) ~= "R" and not alive(child.pid)
    end)
    -- A zombie still: nobody has waited.
    for _, group in ipairs({ false, true }) do
      local ok, message, code = child:kill("SIGTERM", group)
      assert.is_nil(ok)
      assert.equal(("process %d: No such process"):format(child.pid), message)
      assert.equal("ESRCH", code)
    end
    assert.equal(0, child:wait())
    assert.equal("ESRCH", (select(3, child:kill())))
  end)

  it("gets signals by name and number, alone or with its group", function()
    local dir <close> = support.tempdir()
    local path = dir .. "/pid"
    local child <close> = assert(process.spawn(
      shell("sleep 1000 & echo $! >" .. support.quote(path) .. "; wait")))
    wait_until(function()
      return (fs.readfile(path) or ""):find("\n")
    end)
    local other = tonumber(support.slurp(path))
    assert.is_true(child:kill(0))
    assert.is_true(child:kill("SIGTERM", true))
    assert.same({ n = 2, nil, "SIGTERM" }, table.pack(child:wait()))
    wait_until(function()
      return not alive(other)
    end)
  end)

  it("is waited for although its own children keep its pipes open", function() -- fault 79
    local child <close> = assert(process.spawn(shell("sleep 1000 & echo $!; exit 3",
      { stdout = "pipe" })))
    local grandchild = child.stdout:read("n")
    assert.equal(3, child:wait())
    local reader = neap.spawn({ quiet = true }, child.stdout.read, child.stdout, "a")
    settle()
    assert.equal("waiting", reader:status())
    reader:cancel()
    assert.is_false(reader:wait())
    reader = neap.spawn(child.stdout.read, child.stdout, "a")
    settle()
    assert(process.kill(grandchild, "SIGKILL"))
    assert.equal("\n", reader:join())
  end)

  it("that dies before it reads is EPIPE to who writes", function() -- fault 78
    local child <close> = assert(process.spawn(shell("exit 5", { stdin = "pipe" })))
    local ok, _, code
    repeat
      ok, _, code = child.stdin:write(("x"):rep(100000))
    until not ok
    assert.equal("EPIPE", code)
    assert.equal(5, child:wait())
  end)

  it("is one of many that end at the same time", function() -- fault 80
    local gate <close> = assert(process.spawn({ "cat", stdin = "pipe", stdout = "null" }))
    local list = {}
    local dir <close> = support.tempdir()
    local path = dir .. "/fifo"
    assert(os.execute("mkfifo " .. path))
    local keep <close> = assert(fs.open(path, "r+"))
    for i = 1, 200 do
      list[i] = assert(process.spawn(shell("read x; exit " .. i % 120, { stdin = keep })))
    end
    local tasks = {}
    for i, child in ipairs(list) do
      tasks[i] = neap.spawn(child.wait, child)
    end
    assert(keep:write(("\n"):rep(200)) and keep:flush())
    for i, task in ipairs(tasks) do
      assert.equal(i % 120, task:join())
      list[i]:close()
    end
    gate.stdin:close()
    assert.equal(0, gate:wait())
  end)

  it("is ended when it is closed", function()
    local child = assert(process.spawn({ "sleep", "1000", stdin = "pipe", stdout = "pipe" }))
    local waiter = neap.spawn(child.wait, child)
    settle()
    assert.is_true(child:close())
    assert.is_nil(children.state(child.pid))
    assert.same({ n = 3, nil, ("process %d: Operation canceled"):format(child.pid), "ECANCELED" },
      table.pack(waiter:join()))
    assert.same({ n = 3, nil, "process is closed", "EBADF" }, table.pack(child:wait()))
    assert.equal("EBADF", (select(3, child:kill())))
    assert.equal("EBADF", (select(3, child.stdin:write("x"))))
    assert.is_true(child:close())
  end)

  it("is let go when it is detached", function()
    local dir <close> = support.tempdir()
    local path = dir .. "/done"
    local script = "cat; cut -d' ' -f6 /proc/$$/stat >" .. support.quote(path)
    local child = assert(process.spawn(shell(script,
      { stdin = "pipe", stdout = "null", detached = true })))
    assert.equal(("process %d (running)"):format(child.pid), tostring(child))
    child:close() -- its stdin ends, and it goes on
    wait_until(function()
      return (fs.readfile(path) or ""):find("\n")
    end)
    assert.equal(child.pid, tonumber(support.slurp(path)))
    wait_until(function() -- reaped all the same
      return #children.ours() == 0
    end)
  end)

  it("is ended and warned of when it is forgotten", function()
    local output, status = support.lua([[
      warn("@on")
      local neap = require("neap")
      local process = require("neap.process")
      local pid = assert(process.spawn({ "sleep", "1000" })).pid
      collectgarbage() collectgarbage()
      while io.open("/proc/" .. pid .. "/stat") do neap.sleep(0.001) end
      print("gone")
      assert(process.spawn({ "true" }))
      neap.sleep(0.05)
      collectgarbage() collectgarbage()
    ]])
    assert.equal(0, status, output)
    assert.equal("Lua warning: neap: a process was not closed, and is ended\ngone\n", output)
  end)

  it("does not outlive the script, whichever way it ends", function()
    for _, ending in ipairs({ "", "error('end')", "os.exit(3, true)", "neap.exit(3)" }) do
      local output = support.lua([[
        local neap = require("neap")
        local process = require("neap.process")
        local child = assert(process.spawn({ "sh", "-c", "sleep 1000 & wait" }))
        print("pid", child.pid)
        io.stdout:flush()
        neap.spawn(process.run, { "sleep", "1000" })
        neap.spawn(child.wait, child)
        neap.sleep(0.01)
      ]] .. ending)
      local pid = tonumber(output:match("pid\t(%d+)"))
      assert(not alive(pid), ending .. ": " .. output)
    end
  end)
end)

describe("standard descriptors", function()
  it("are another process's pipes: a | b | c", function()
    local a <close> = assert(process.spawn({ "printf", "3\\n1\\n2\\n1\\n", stdout = "pipe" }))
    local b <close> = assert(process.spawn({ "sort", stdin = a.stdout, stdout = "pipe" }))
    local c <close> = assert(process.spawn({ "uniq", stdin = b.stdout, stdout = "pipe" }))
    assert.equal("1\n2\n3\n", c.stdout:read("a"))
    assert.equal("connection (closed)", tostring(a.stdout))
    for _, child in ipairs({ a, b, c }) do
      assert.equal(0, child:wait())
    end
  end)

  it("end a pipeline whose reader has had enough", function()
    local a <close> = assert(process.spawn({ "yes", stdout = "pipe" }))
    local b <close> = assert(process.spawn({
      "head", "-n", "1", stdin = a.stdout, stdout = "pipe",
    }))
    assert.equal("y\n", b.stdout:read("a"))
    assert.same({ n = 2, nil, "SIGPIPE" }, table.pack(a:wait()))
    assert.equal(0, b:wait())
  end)

  it("are files, from where they stand", function()
    local dir <close> = support.tempdir()
    local input = support.spit(dir .. "/in", "one\ntwo\nthree\n")
    local from <close> = assert(fs.open(input))
    local to <close> = assert(fs.open(dir .. "/out", "w"))
    assert.equal("one", from:read())
    assert(to:write("head\n"))
    local result = assert(process.run({ "cat", stdin = from, stdout = to }))
    assert.same({ code = 0, stderr = "" }, result)
    assert(to:write("tail\n"))
    assert(to:close())
    assert.equal("head\ntwo\nthree\ntail\n", support.slurp(dir .. "/out"))
  end)

  it("are io's files", function()
    local dir <close> = support.tempdir()
    local file = assert(io.open(dir .. "/out", "w"))
    file:write("head\n")
    assert(process.run({ "echo", "text", stdout = file, stderr = file }))
    file:close()
    assert.equal("head\ntext\n", support.slurp(dir .. "/out"))
  end)

  it("are FIFOs, which block there although not here", function()
    local dir <close> = support.tempdir()
    assert(os.execute("mkfifo " .. dir .. "/fifo"))
    local fifo <close> = assert(fs.open(dir .. "/fifo", "r+"))
    local child <close> = assert(process.spawn(shell("read x; echo got $x",
      { stdin = fifo, stdout = "pipe" })))
    neap.sleep(0.01)
    assert(fifo:write("it\n") and fifo:flush())
    assert.equal("got it", child.stdout:read())
    assert.equal(0, child:wait())
  end)

  it("are connections, blocking ones there", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local conn <close> = assert(net.connect("127.0.0.1", (select(2, server:address()))))
    local mine = assert(server:accept())
    local child <close> = assert(process.spawn(shell("read x; echo got $x",
      { stdin = mine, stdout = mine })))
    assert.equal("EBADF", (select(3, mine:write("x"))))
    neap.sleep(0.01)
    assert(conn:write("it\n"))
    assert.equal("got it", conn:read())
    assert.is_nil(conn:read())
    assert.equal(0, child:wait())
  end)

  it("are not connections that somebody reads, or has read ahead", function()
    local one <close> = assert(process.spawn({ "cat", stdin = "pipe", stdout = "pipe" }))
    local reader = neap.spawn({ quiet = true }, one.stdout.read, one.stdout)
    settle()
    local child, message, code = process.spawn({ "cat", stdin = one.stdout })
    assert.is_nil(child)
    assert.equal("cat: a connection that was read from, or is in use", message)
    assert.equal("EBUSY", code)
    assert(one.stdin:write("one\ntwo\n"))
    assert.equal("one", reader:join())
    assert.equal("EBUSY", (select(3, process.spawn({ "cat", stdin = one.stdout }))))
    assert.equal("two", one.stdout:read())
    -- A failure leaves it as it was.
    assert.equal("ENOENT", (select(3, process.spawn({ "no such program", stdin = one.stdout }))))
    assert(one.stdin:write("three\n"))
    assert.equal("three", one.stdout:read())
  end)

  it("may be closed in the script itself", function()
    local output, status = support.sh(("exec <&- >&-; %s -e %s"):format(
      os.getenv("LUA") or "lua5.4", support.quote([[
        local process = require("neap.process")
        local result = assert(process.run({ "cat", input = "text" }))
        assert(result.stdout == "text")
        assert(process.spawn({ "true", stdout = "pipe", stdin = "null" })):close()
      ]])))
    assert.equal("", output)
    assert.equal(0, status)
  end)
end)

describe("process.popen", function()
  it("reads as io.popen does", function()
    for _, command in ipairs({ "echo a; echo 12; printf rest", "exit 3", "kill $$", "echo $0" }) do
      local ours = assert(process.popen(command))
      local theirs = assert(io.popen(command))
      assert.same({ theirs:read("l", "n", "a") }, { ours:read("l", "n", "a") })
      assert.same(table.pack(theirs:close()), table.pack(ours:close()))
      assert.is_true(ours:close())
    end
  end)

  it("writes as io.popen does", function()
    local dir <close> = support.tempdir()
    local file = assert(process.popen("cat >" .. dir .. "/out; exit 4", "w"))
    assert(file:write("one\n", 2, "\n"))
    assert.same({ n = 3, nil, "exit", 4 }, table.pack(file:close()))
    assert.equal("one\n2\n", support.slurp(dir .. "/out"))
    file = assert(process.popen("true", "w"))
    wait_until(function()
      return not file:write("x") or not file:flush()
    end)
    file:close()
  end)

  it("is closed with its block, and waited for", function()
    local dir <close> = support.tempdir()
    do
      local file <close> = assert(process.popen("cat >/dev/null; echo x >" .. dir .. "/done", "w"))
      assert(file:write("x"))
    end
    assert.equal("x\n", support.slurp(dir .. "/done"))
  end)

  it("is ended when its close is cancelled", function()
    local pid
    local task = neap.spawn(function()
      local file <close> = assert(process.popen("echo $$; exec sleep 1000"))
      pid = file:read("n")
      neap.sleep(1000)
    end)
    wait_until(function()
      return pid
    end)
    task:cancel()
    assert.is_false(task:wait())
    assert.is_nil(children.state(pid))
  end)

  it("checks its arguments", function()
    assert.error_matches(function()
      process.popen("true", "rw")
    end, "bad argument #2 .*invalid mode")
    assert.error_matches(function()
      process.popen("a\0b")
    end, "zero byte")
  end)
end)

describe("process.kill", function()
  it("signals a process or a group", function()
    local child <close> = assert(process.spawn({ "sleep", "1000" }))
    assert.is_true(process.kill(child.pid, 0))
    assert.is_true(process.kill(-child.pid, "SIGINT"))
    assert.same({ n = 2, nil, "SIGINT" }, table.pack(child:wait()))
    local ok, message, code = process.kill(child.pid, "SIGTERM")
    assert.is_nil(ok)
    assert.equal(("process %d: No such process"):format(child.pid), message)
    assert.equal("ESRCH", code)
  end)

  it("does not take what stands for many", function()
    for _, pid in ipairs({ 0, -1, math.maxinteger, math.mininteger, 2 ^ 31 }) do
      assert.error_matches(function()
        process.kill(pid)
      end, "bad argument #1")
    end
    assert.error_matches(function()
      process.kill(children.me(), "SIGNONE")
    end, "unknown signal 'SIGNONE'")
    assert.error_matches(function()
      process.kill(children.me(), 65)
    end, "bad argument #2")
  end)
end)

describe("bad arguments", function()
  it("raise, and say which", function()
    local cases = {
      { {}, "no program" },
      { { "" }, "name is empty" },
      { { {} }, "word 1 is a table" },
      { { "true", true }, "word 2 is a boolean" },
      { { "true", "a\0b" }, "word 2 contains a zero byte" },
      { { "true", cwd = 1 }, "'cwd'" },
      { { "true", cwd = "a\0b" }, "'cwd'.*zero byte" },
      { { "true", env = 1 }, "'env': table expected" },
      { { "true", env = { ["A=B"] = "x" } }, "'env': 'A=B' can't be a name" },
      { { "true", setenv = { ["A=B"] = "x" } }, "'setenv': 'A=B' can't be a name" },
      { { "true", env = { [""] = "x" } }, "can't be a name" },
      { { "true", env = { "x" } }, "a name is not a string" },
      { { "true", env = { A = {} } }, "'A' is a table" },
      { { "true", env = { A = "a\0b" } }, "'A' contains a zero byte" },
      { { "true", setenv = { A = true } }, "'A' is a boolean" },
      { { "true", stdin = "file" }, "'stdin': 'file' is neither" },
      { { "true", stdout = 1 }, "'stdout': string, file or connection expected" },
      { { "true", stderr = neap.current() }, "'stderr'" },
      { { "true", uid = -1 }, "'uid'" },
      { { "true", gid = 2 ^ 32 }, "'gid'" },
      { { "true", uid = "root" }, "'uid'" },
      { { "true", detached = 1 }, "'detached'" },
      { { "true", grace = 0 / 0 }, "'grace'" },
      { { "true", pty = true }, "'pty'" },
    }
    for _, case in ipairs(cases) do
      for _, start in ipairs({ process.spawn, process.run }) do
        local ok, message = pcall(start, case[1])
        assert.is_false(ok, case[2])
        assert.matches(case[2], message)
      end
    end
    for _, more in ipairs({ { input = 1 }, { max = -1 }, { check = 1 }, { timeout = "x" } }) do
      more[1] = "true"
      assert.is_false((pcall(process.run, more)))
    end
    local file = assert(fs.open("/dev/null"))
    file:close()
    assert.error_matches(function()
      process.spawn({ "true", stdin = file })
    end, "'stdin': is closed")
  end)

  it("of every kind do no harm", function()
    for _, start in ipairs({ process.spawn, process.run, process.popen }) do
      local function skip(place, value) -- for a shell these are commands
        return start == process.popen and place == 1 and type(value) ~= "table"
      end
      assert(support.call_badly(start, { { "true" }, "r" }, 2, skip, function(result)
        if getmetatable(result) then
          result:close()
        end
      end) > 10)
    end
    local child <close> = assert(process.spawn({ "true" }))
    child:wait()
    assert(support.call_badly(child.wait, { child, 0.01 }, 2) > 10)
    assert(support.call_badly(child.kill, { child, "SIGTERM", true }, 3) > 10)
    assert(support.call_badly(child.close, { child }, 1) > 10)
  end)
end)
