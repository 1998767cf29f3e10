-- neap.stdin, stdout and stderr on whatever they are: files, pipes, FIFOs,
-- terminals, sockets, devices. Nothing that others share is changed.
local neap = require("neap")
local net = require("neap.net")
local process = require("neap.process")
local pty = require("spec.support.pty")
local support = require("spec.support")

local lua = os.getenv("LUA") or "lua5.4"

-- More than a socket holds; but for the hostile build, which takes it byte by byte.
local much = support.variant == "hostile" and 100000 or 10000000

-- Runs a script in a child with these descriptors; like process.run.
local function run(source, more)
  local command = { lua, "-e", source }
  for key, value in pairs(more or {}) do
    command[key] = value
  end
  return assert(process.run(command))
end

-- Prints what neap.stdin has, in several formats, and how its description is.
local reader = [[
  local neap = require("neap")
  local function flags()
    return tonumber(io.open("/proc/self/fdinfo/0"):read("a"):match("flags:%s*(%d+)"), 8)
  end
  local before = flags()
  local out = { neap.stdin:read("l", "n", 2, "a") }
  out[#out + 1] = tostring(before == flags())
  io.write(table.concat(out, "|"))
]]

local text = "line\n12 rest\nand more\n"
local expected = "line|12| r|est\nand more\n|true"

describe("neap.stdin", function()
  it("reads a file from where it stands", function()
    local dir <close> = support.tempdir()
    local path = support.spit(dir .. "/text", "head\n" .. text)
    local output = support.sh(("{ read x; %s -e %s; } <%s"):format(
      lua, support.quote(reader), path))
    assert.equal(expected, output)
  end)

  it("reads a pipe", function()
    assert.equal(expected, run(reader, { input = text }).stdout)
    local output = support.sh((
      "(printf 'line\\n1'; sleep 0.02; printf '2 rest\\nand more\\n') | %s -e %s")
      :format(lua, support.quote(reader)))
    assert.equal(expected, output)
  end)

  it("reads a FIFO, also one whose writer has gone", function()
    local dir <close> = support.tempdir()
    assert(os.execute("mkfifo " .. dir .. "/fifo"))
    local path = support.spit(dir .. "/text", text)
    for _, wait in ipairs({ "", "sleep 0.1; " }) do
      local output = support.sh(("cat %s >%s & { %s %s -e %s; } <%s"):format(path, dir .. "/fifo",
        wait, lua, support.quote(reader), dir .. "/fifo"))
      assert.equal(expected, output)
    end
  end)

  it("reads a terminal", function()
    local shown, ending = pty.lua((reader:gsub('2, "a"', '2, "l"')), text)
    assert.matches("line|12| r|est|true$", shown)
    assert.equal("[exit 0, cooked]", ending)
  end)

  it("reads a socket, which stays a blocking one", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local conn <close> = assert(net.connect("127.0.0.1", (select(2, server:address()))))
    local child <close> = assert(process.spawn({ lua, "-e", reader .. [[
      io.stdout:flush()
    ]], stdin = assert(server:accept()), stdout = "pipe" }))
    assert(conn:write("line\n1"))
    neap.sleep(0.02)
    assert(conn:write(text:sub(7)))
    conn:shutdown()
    assert.equal(expected, child.stdout:read("a"))
    assert.equal(0, child:wait())
  end)

  it("reads nothing from /dev/null, and from nothing at all", function()
    local printed = run("print(neap or require('neap').stdin:read('l'), '')").stdout
    assert.equal("nil\t", (printed:gsub("\n", "")))
    local output = support.sh(lua .. " -e 'print(require(\"neap\").stdin:read(\"a\") == \"\")' <&-")
    assert.equal("true\n", output)
  end)

  it("is waited for by a task alone, and let go when that is cancelled", function()
    local child <close> = assert(process.spawn({ lua, "-e", [[
      local neap = require("neap")
      local task = neap.spawn(neap.stdin.read, neap.stdin)
      neap.sleep(0.001)
      print(task:status(), task:cancel(), (task:wait()))
      print(neap.stdin:read())
    ]], stdin = "pipe", stdout = "pipe" }))
    assert.equal("waiting\ttrue\tfalse", child.stdout:read())
    assert(child.stdin:write("text\n"))
    assert.equal("text", child.stdout:read())
    assert.equal(0, child:wait())
  end)

  it("does not keep a script from ending", function()
    local child <close> = assert(process.spawn({ lua, "-e", [[
      local neap = require("neap")
      neap.spawn(neap.stdin.read, neap.stdin)
      neap.sleep(0.001)
    ]], stdin = "pipe" }))
    assert.equal(0, child:wait())
  end)

  it("of another user is read all the same", function()
    if process.run({ "id", "-u" }).stdout ~= "0\n" then
      return -- one has to be root for that
    end
    -- /proc/self/fd/0 can't be opened by nobody. What it is then read by must be
    -- somewhere that nobody may go.
    local dir <close> = support.tempdir()
    assert(os.execute(("cp %s/neap.so %s/neap.so && chmod -R a+rX %s"):format(
      assert(os.getenv("NEAP_VARIANT_DIR")), dir.path, dir.path)))
    local command = { lua, "-e", [[
      local neap = require("neap")
      print(io.open("/proc/self/fd/0"))
      local task = neap.spawn(neap.stdin.read, neap.stdin)
      neap.sleep(0.001)
      print(task:status(), task:cancel(), (task:wait()))
      print(neap.stdin:read("l", "n"))
      print(neap.stdout:write(("x"):rep(10000), "\n") == neap.stdout)
    ]], stdin = "pipe", stdout = "pipe", uid = 65534, gid = 65534, cwd = "/",
      setenv = { LUA_CPATH = dir .. "/?.so;;", LUA_CPATH_5_4 = dir .. "/?.so;;" } }
    local child <close> = assert(process.spawn(command))
    assert.matches("Permission denied", child.stdout:read())
    assert.equal("waiting\ttrue\tfalse", child.stdout:read())
    assert(child.stdin:write("line\n42\n"))
    assert.equal("line\t42", child.stdout:read())
    assert.equal(("x"):rep(10000), child.stdout:read())
    assert.equal("true", child.stdout:read())
    assert.equal(0, child:wait())
  end)
end)

describe("neap.stdout", function()
  local writer = [[
    local neap = require("neap")
    local function flags()
      return tonumber(io.open("/proc/self/fdinfo/1"):read("a"):match("flags:%s*(%d+)"), 8)
    end
    local before = flags()
    assert(neap.stdout:write("a", 1, "\n"))
    assert(neap.stdout:write(("x"):rep(100000)))
    neap.stderr:write(tostring(before == flags()))
    os.exit(0) -- nothing waits in a buffer
  ]]
  local written = "a1\n" .. ("x"):rep(100000)

  it("writes to a file, behind what is there", function()
    local dir <close> = support.tempdir()
    local path = support.spit(dir .. "/out", "head\n")
    local output = support.sh(("%s -e %s >>%s"):format(lua, support.quote(writer), path))
    assert.equal("true", output)
    assert.equal("head\n" .. written, support.slurp(path))
    output = support.sh(("{ echo head; %s -e %s; echo tail; } >%s"):format(lua,
      support.quote(writer), path))
    assert.equal("true", output)
    assert.equal("head\n" .. written .. "tail\n", support.slurp(path))
  end)

  it("writes to a pipe", function()
    local result = run(writer)
    assert.equal(written, result.stdout)
    assert.equal("true", result.stderr)
  end)

  it("writes to a terminal", function()
    local shown, ending = pty.lua(writer)
    assert.equal(written:gsub("\n", "\r\n") .. "true", shown)
    assert.equal("[exit 0, cooked]", ending)
  end)

  it("writes to a socket, which stays a blocking one", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local conn <close> = assert(net.connect("127.0.0.1", (select(2, server:address()))))
    local child <close> = assert(process.spawn({ lua, "-e", writer:gsub("100000", tostring(much)),
      stdin = "null", stdout = assert(server:accept()), stderr = "pipe" }))
    assert.equal("a1", conn:read())
    neap.sleep(0.02) -- it has to wait
    assert.equal(much, #conn:read("a"))
    assert.equal("true", child.stderr:read("a"))
    assert.equal(0, child:wait())
  end)

  it("on a closed pipe is a failure", function() -- fault 90
    local child <close> = assert(process.spawn({ lua, "-e", [[
      local neap = require("neap")
      neap.stdin:read() -- until our reader has gone
      local ok, message, code = neap.stdout:write("text")
      neap.stderr:write(tostring(ok), " ", message, " ", code, "\n")
      error("told all the same", 0)
    ]], stdin = "pipe", stdout = "pipe", stderr = "pipe" }))
    child.stdout:close()
    child.stdin:close()
    assert.matches("^nil Broken pipe EPIPE\n[^\n]*told all the same\n", child.stderr:read("a"))
    assert.equal(1, child:wait())
  end)

  it("on a full pipe makes its task wait alone", function() -- fault 90
    local child <close> = assert(process.spawn({ lua, "-e", [[
      local neap = require("neap")
      local task = neap.spawn(function()
        return neap.stdout:write(("x"):rep(200000))
      end)
      neap.sleep(0.01)
      neap.stderr:write(task:status(), "\n")
      print(task:join() == neap.stdout)
    ]], stdin = "null", stdout = "pipe", stderr = "pipe" }))
    assert.equal("waiting", child.stderr:read())
    assert.equal(200000, #child.stdout:read(200000))
    assert.equal("true", child.stdout:read())
    assert.equal(0, child:wait())
  end)

  it("on a full device is a failure", function() -- fault 90
    local output, status = support.sh(lua .. " -e " .. support.quote([[
      local neap = require("neap")
      local ok, message, code = neap.stdout:write("text")
      neap.stderr:write(tostring(ok), " ", message, " ", code, "\n")
      neap.spawn(error, "told all the same")
      neap.sleep(0.001)
    ]]) .. " >/dev/full")
    assert.equal(0, status)
    assert.matches("^nil No space left on device ENOSPC\nneap: task %d+ failed: told all the same",
      output)
  end)

  it("ends for its reader when it is closed, and the number stays taken", function()
    local child <close> = assert(process.spawn({ lua, "-e", [[
      local neap = require("neap")
      neap.stdout:write("text")
      neap.stderr:write(tostring(neap.stdout:close()), "\n")
      neap.stderr:write(tostring(select(3, neap.stdout:write("x"))), "\n")
      local file = io.open("/dev/zero")
      neap.stderr:write(
        neap.process.run({ "readlink", "/proc/self/fd/0", stdin = "inherit" }).stdout)
      neap.stdin:read()
    ]], stdin = "pipe", stdout = "pipe", stderr = "pipe" }))
    assert.equal("text", child.stdout:read("a"))
    assert.equal("true", child.stderr:read())
    assert.equal("EBADF", child.stderr:read())
    assert.matches("^pipe:", child.stderr:read())
    child.stdin:close()
    assert.equal(0, child:wait())
  end)

  it("may be buffered when that is asked for", function()
    local result = run([[
      local neap = require("neap")
      neap.stdout:setvbuf("full")
      neap.stdout:write("one ")
      neap.stderr:write("two ")
      neap.stdout:flush()
    ]], { stderr = "pipe" })
    assert.equal("one ", result.stdout)
    result = run([[
      local neap = require("neap")
      neap.stdout:setvbuf("full")
      neap.stdout:write("at the end")
    ]])
    assert.equal("at the end", result.stdout)
  end)
end)
