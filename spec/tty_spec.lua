-- Terminals: real ones, pseudo-terminals.
local process = require("neap.process")
local pty = require("spec.support.pty")
local support = require("spec.support")
local tty = require("neap.tty")

describe("neap.tty", function()
  it("knows a terminal, and how big it is", function()
    local shown, ending = pty.lua([[
      local neap = require("neap")
      local tty = neap.tty
      print(tty.isatty(), tty.isatty(neap.stdin), tty.isatty(io.stderr), tty.isatty(0))
      print(tty.size(), tty.size(neap.stdout), tty.size(2))
      print(tty.isatty(io.open("/dev/null")), tty.size(io.open("/dev/null")))
    ]])
    assert.equal("true\ttrue\ttrue\ttrue\r\n80\t80\t80\t24\r\n" ..
      "false\tnil\tterminal: Inappropriate ioctl for device\tENOTTY\r\n", shown)
    assert.equal("[exit 0, cooked]", ending)
  end)

  it("knows what is none", function()
    local file = assert(io.open("/dev/null"))
    assert.is_false(tty.isatty(file))
    file:close()
    assert.is_false(tty.isatty(file))
    assert.is_false(tty.isatty(987))
    assert.equal("EBADF", (select(3, tty.size(file))))
    local output, status = support.lua([[
      local tty = require("neap.tty")
      print(tty.isatty(0), tty.raw(true))
      print(tty.raw(false))
    ]])
    assert.equal(0, status)
    assert.equal("false\tnil\tterminal: Inappropriate ioctl for device\tENOTTY\ntrue\n", output)
  end)

  it("checks its arguments", function()
    assert.error_matches(function() tty.raw() end, "bad argument #1")
    assert.error_matches(function() tty.raw(1) end, "bad argument #1")
    assert.error_matches(function() tty.size({}) end, "bad argument #1")
    assert.error_matches(function() tty.isatty(-1) end, "bad argument #1")
    assert.error_matches(function() tty.isatty("x") end, "bad argument #1")
    assert.error_matches(function() tty.on_resize() end, "bad argument #1")
    assert(support.call_badly(tty.size, { 0 }, 1) > 10)
    assert(support.call_badly(tty.isatty, { 0 }, 1) > 10)
    assert(support.call_badly(tty.on_resize, { print }, 1, nil, function(listener)
      listener:close()
      support.settle()
    end) > 10)
  end)

  it("tells of a new size, until it is closed", function()
    local shown, ending = pty.lua([[
      local neap = require("neap")
      -- Our parent is the terminal: SIGUSR1 makes it bigger.
      local parent = tonumber(io.open("/proc/self/stat"):read("a"):match("^%d+ %S+ %S (%d+)"))
      local sizes = {}
      local resized = neap.tty.on_resize(function(...)
        sizes[#sizes + 1] = table.concat({ ... }, "x")
      end)
      for i = 1, 2 do
        neap.process.kill(parent, "SIGUSR1")
        repeat neap.sleep(0.001) until #sizes == i
      end
      resized:close()
      neap.process.kill(parent, "SIGUSR1")
      repeat neap.sleep(0.001) until neap.tty.size() == 83
      neap.run() -- nobody waits for it any more
      print(table.concat(sizes, " "))
    ]])
    assert.equal("81x25 82x26\r\n", shown)
    assert.equal("[exit 0, cooked]", ending)
  end)

  it("reports an error in what it tells, and ends", function()
    local shown = pty.lua([[
      local neap = require("neap")
      local parent = tonumber(io.open("/proc/self/stat"):read("a"):match("^%d+ %S+ %S (%d+)"))
      local failed
      neap.on_error(function(task, err) failed = err end)
      local resized = neap.tty.on_resize(function() error("oops", 0) end)
      neap.process.kill(parent, "SIGUSR1")
      repeat neap.sleep(0.001) until failed
      print(failed, resized)
    ]])
    assert.equal("oops\tsignal listener (closed)\r\n", shown)
  end)
end)

describe("raw mode", function()
  -- What is typed before the script reads must not be taken for a line.
  local raw = [[
    local neap = require("neap")
    assert(neap.tty.raw(true) and neap.tty.raw(true))
    print("ready")
    io.stdout:flush()
  ]]

  it("gives each key at once and unseen, until it is given back", function()
    local dir <close> = support.tempdir()
    local script = support.spit(dir .. "/script.lua", [[
      local neap = require("neap")
      assert(neap.tty.raw(true))
      neap.stdout:write("raw\n")
      local keys = neap.stdin:read(3)
      assert(neap.tty.raw(false))
      neap.stdout:write(keys:byte(1), " ", keys:byte(2), " ", keys:byte(3), "\n")
      neap.stdout:write(neap.stdin:read("l"), "\n")
    ]])
    local terminal <close> = assert(process.spawn({ pty.program(), 80, 24,
      os.getenv("LUA") or "lua5.4", script, stdin = "pipe", stdout = "pipe" }))
    assert.equal("raw\r", terminal.stdout:read())
    for _, key in ipairs({ "a", "\3", "\r" }) do
      assert(terminal.stdin:write(key))
    end
    assert.equal("97 3 13\r", terminal.stdout:read())
    assert(terminal.stdin:write("line\n"))
    assert.equal("line\r\nline\r\n[exit 0, cooked]\n", terminal.stdout:read("a"))
    assert.equal(0, terminal:wait())
  end)

  it("is given back in every ending", function()
    local endings = {
      { "", "[exit 0, cooked]" },
      { "error('end')", "[exit 1, cooked]" },
      { "os.exit(3)", "[exit 3, cooked]" },
      { "os.exit(3, true)", "[exit 3, cooked]" },
      { "neap.exit(4)", "[exit 4, cooked]" },
      { "neap.spawn(os.exit, 5) neap.sleep(100)", "[exit 5, cooked]" },
      { "neap.process.kill(me, 'SIGTERM') neap.sleep(100)", "[signal 15, cooked]" },
      { "neap.process.kill(me, 'SIGHUP') neap.sleep(100)", "[signal 1, cooked]" },
      { "neap.process.kill(me, 'SIGINT') neap.sleep(100)", "[exit 1, cooked]" },
      { "os.execute('kill -TERM ' .. me) while true do end", "[signal 15, cooked]" },
      { "neap.offload('local t = {} for i = 1, 1e6 do t[i] = i end')" ..
        " neap.process.kill(me, 'SIGTERM') neap.sleep(100)", "[signal 15, cooked]" },
    }
    for _, case in ipairs(endings) do
      local shown, ending = pty.lua(raw .. [[
        local me = io.open("/proc/self/stat"):read("n")
      ]] .. case[1])
      assert.equal(case[2], ending, case[1])
      assert.matches("^ready\r\n", shown)
    end
  end)

  it("is the script's own business when it handles the signal", function()
    local shown, ending = pty.lua(raw .. [[
      local me = io.open("/proc/self/stat"):read("n")
      local listener <close> = neap.signal.listen({ "SIGTERM" })
      neap.process.kill(me, "SIGTERM")
      print(listener:wait())
      os.exit(0, true)
    ]])
    assert.equal("ready\r\nSIGTERM\r\n", shown)
    assert.equal("[exit 0, cooked]", ending)
  end)
end)

describe("a child on our terminal", function()
  it("may read from it, and stays in our group", function()
    local shown, ending = pty.lua([[
      local neap = require("neap")
      local child <close> = neap.process.spawn({ "sh", "-c", "read x; echo got $x" })
      print(child:wait())
      local result = neap.process.run({ "sh", "-c", "cut -d\\  -f5 /proc/$$/stat; echo $$" })
      local group, pid = result.stdout:match("(%d+)%s+(%d+)")
      print(group == pid) -- its input is empty: it has a group of its own
    ]], "line\n")
    assert.equal("line\r\ngot line\r\n0\r\ntrue\r\n", shown)
    assert.equal("[exit 0, cooked]", ending)
  end)
end)

