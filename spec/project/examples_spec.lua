-- Every file of examples/ runs on real input and does what its first comment
-- says. A new example needs an entry here.
local neap = require("neap")
local net = require("neap.net")
local support = require("spec.support")

local root = support.root()
local lua = os.getenv("LUA") or "lua5.4"

-- Runs an example to its end, without input.
local function run(name, ...)
  local words = { lua, support.quote(root .. "/examples/" .. name .. ".lua") }
  for _, word in ipairs({ ... }) do
    words[#words + 1] = support.quote(word)
  end
  local output, status = support.sh("timeout 60 " .. table.concat(words, " ") .. " </dev/null")
  assert(status == 0, ("%s ends with %d:\n%s"):format(name, status, output))
  return output
end

-- Starts an example that serves, with port 0 (any) as its last argument; its
-- first line names the port. Ended when closed.
local function serve(name, ...)
  local pipe = assert(io.popen(("echo $$; exec timeout 60 %s %s %s 0 </dev/null 2>&1"):format(lua,
    support.quote(root .. "/examples/" .. name .. ".lua"), table.concat({ ... }, " ")), "r"))
  local pid = pipe:read("n", "l")
  local line = pipe:read("l")
  local port = line and line:match(":(%d+)%f[%D][^:]*$")
  local server = setmetatable({ port = tonumber(port), output = pipe }, {
    __close = function()
      os.execute("kill " .. pid)
      pipe:close()
    end,
  })
  assert(port, name .. " names no port: " .. tostring(line))
  return server
end

local entries = {}

function entries.tour()
  local output = run("tour")
  assert(output:find("10,?000"), output)
end

function entries.wordcount()
  local dir <close> = support.tempdir()
  local one = support.spit(dir .. "/one.txt", "one two three\nfour five\n")
  local two = support.spit(dir .. "/two.txt", ("word "):rep(100000))
  local output = run("wordcount", one, two)
  assert(output:find("%f[%d]5%f[%D]"), output)
  assert(output:find("100,?000"), output)
  assert(output:find("100,?005"), output)
end

function entries.crawler()
  local output = run("crawler")
  assert(output:find("41 pages, 1 broken links", 1, true), output)
  assert(output:find("gave up", 1, true) == nil, output)
  assert(run("crawler", "0"):find("gave up: timed out after 0 s", 1, true))
end

function entries.workers()
  local dir <close> = support.tempdir()
  local one = support.spit(dir .. "/one", "Wikipedia")
  local two = support.spit(dir .. "/two", ("a"):rep(100000))
  local output = run("workers", "3", one, dir .. "/missing", two)
  assert(output:find("11e60398  " .. one, 1, true), output)
  assert(output:find("%x%x%x%x%x%x%x%x  " .. two), output)
  assert(output:find(dir .. "/missing: No such file or directory", 1, true), output)

  -- Told to stop while its only worker reads a FIFO: that one is read to its end.
  -- The shell's `exec` waits until the worker has opened the FIFO.
  local log = dir .. "/log"
  output = support.sh(([[
    mkfifo %s/fifo
    timeout 60 %s %s 1 %s/fifo %s %s >%s 2>&1 </dev/null &
    workers=$!
    exec 3>%s/fifo
    kill -TERM $(cat /proc/$workers/task/$workers/children)
    until grep -q stopping %s; do sleep 0.01; done
    printf Wikipedia >&3
    exec 3>&-
    wait $workers || echo "ends with $?"
    cat %s]]):format(dir, lua, support.quote(root .. "/examples/workers.lua"), dir, one, two, log,
    dir, log, log))
  assert.equal(("stopping\n11e60398  %s/fifo\n2 files are left\n"):format(dir), output)
end

function entries.stuck()
  local output = run("stuck")
  assert(output:find("deadlock: nothing can end this wait", 1, true), output)
  local circle = "task 2 left waits for task 3 right, which waits for task 2 left"
  assert(output:find(circle, 1, true), output)
  assert(output:find("right: waiting in mutex:lock of task 2 left for", 1, true), output)
  assert(output:find("task %d+ runaway holds the loop\nstack traceback:\n[^\n]*stuck.lua:"), output)
  assert(output:find("task %d+ was cancelled: it never waits\n$"), output)
  local _, eaten = output:gsub("has eaten", "")
  assert(eaten == 2, output)
end

function entries.echo()
  local server <close> = serve("echo")
  local conns = {}
  for i = 1, 20 do
    conns[i] = assert(net.connect("127.0.0.1", server.port))
  end
  for i, conn in ipairs(conns) do
    assert(conn:write("hello " .. i .. "\n"))
  end
  for i, conn in ipairs(conns) do
    assert.equal("hello " .. i, conn:read("l"))
    assert(conn:shutdown())
    assert.is_nil(conn:read("l"))
    conn:close()
  end
end

function entries.proxy()
  local target <close> = assert(net.listen("127.0.0.1", 0))
  local _, port = target:address()
  local proxy <close> = serve("proxy", "127.0.0.1:" .. port)
  local client <close> = assert(net.connect("127.0.0.1", proxy.port))
  assert(client:write(("x"):rep(1000), "end"))
  assert(client:shutdown())
  local conn <close> = assert(target:accept())
  assert.equal(1003, #conn:read("a"))
  assert(conn:write("answer"))
  conn:close()
  assert.equal("answer", client:read("a"))
  assert.matches("^\r%d open, %d+%.%d MB/s up, %d+%.%d MB/s down", proxy.output:read(40))
end

function entries.chat()
  local server <close> = serve("chat")
  local ann <close> = assert(net.connect("127.0.0.1", server.port))
  local bob <close> = assert(net.connect("127.0.0.1", server.port))
  -- Each says its name first, then lines; what one says, the others get.
  assert(ann:write("ann\n"))
  assert(bob:write("bob\n"))
  assert(bob:write("is there anybody?\n"))
  for line in ann:lines() do
    if line:find("is there anybody?", 1, true) then
      assert(line:find("bob", 1, true), line)
      return
    end
  end
  error("the line did not arrive")
end

function entries.pipeline()
  local output = run("pipeline", "printf b\\na\\nb\\n", "sort", "uniq -c", "false")
  assert(output:find("sort: exit code 0", 1, true), output)
  assert(output:find("false: exit code 1", 1, true), output)
  output = run("pipeline", "printf b\\na\\nb\\n", "sort", "uniq -c")
  assert(output:find("1 a\n%s+2 b\n"), output)
end

-- The lines of a text, sorted: what runs at once ends in any order.
local function sorted(text)
  local lines = {}
  for line in text:gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  table.sort(lines)
  return lines
end

-- Runs an example as `arguments` say; both outputs and the exit code.
local function run_shell(name, arguments)
  return support.sh(("timeout 60 %s %s %s </dev/null"):format(lua,
    support.quote(root .. "/examples/" .. name .. ".lua"), arguments))
end

function entries.du()
  local dir <close> = support.tempdir()
  support.sh(([[
    cd %s
    for i in $(seq 40); do
      mkdir -p "a/$i/odd name/.hidden"
      head -c $((i * 1000)) /dev/zero >"a/$i/file"
      head -c 5000 /dev/zero >"a/$i/odd name/.hidden/x"
    done
    ln a/1/file a/1/again; ln -s /usr a/2/link; mkfifo a/3/fifo; truncate -s 1G a/4/sparse
  ]]):format(support.quote(dir.path)))
  local path = support.quote(dir.path)
  local expected = support.sh("du -k " .. path)
  assert.same(sorted(expected), sorted(run("du", dir.path)))
  -- The whole comes last, and what is missing is a failure of this one alone.
  local output, status = run_shell("du", path .. " /no/such/folder 2>/dev/null")
  assert.equal(1, status)
  assert.same(sorted(expected), sorted(output))
  assert(output:find("\t" .. dir.path .. "\n$"), output)
end

function entries.grep()
  local folders = support.quote(root .. "/csrc") .. " " .. support.quote(root .. "/docs")
  local expected, found = support.sh("grep -rnI neap_fs_copy " .. folders)
  local output, status = run_shell("grep", "neap_fs_copy " .. folders)
  assert.equal(found, status)
  assert.same(sorted(expected), sorted(output))
  local dir <close> = support.tempdir()
  support.spit(dir .. "/binary", "a word\0\n")
  support.spit(dir .. "/empty", "")
  support.spit(dir .. "/text", "no\na word")
  assert.same({ dir .. "/text:2:a word" }, sorted(run("grep", "w%w+d$", dir.path)))
  assert.same({ "", 1 }, { run_shell("grep", "nothing " .. support.quote(dir.path)) })
  output, status = run_shell("grep", "word " .. support.quote(dir.path) .. "/none")
  assert.equal(2, status)
  assert(output:find("No such file or directory", 1, true), output)
end

function entries.rerun()
  local dir <close> = support.tempdir()
  local log = dir .. "/log"
  assert(os.execute("mkdir -p " .. support.quote(dir .. "/tree/.git")))
  local command = ("echo run >> %s; cat %s/tree/file"):format(support.quote(log),
    support.quote(dir.path))
  support.spit(dir .. "/tree/file", "one\n")
  local pipe = assert(io.popen(("exec timeout 60 %s %s -C %s %s </dev/null 2>&1"):format(lua,
    support.quote(root .. "/examples/rerun.lua"), support.quote(dir .. "/tree"),
    support.quote(command)), "r"))
  local function wait_for(text)
    for line in pipe:lines() do
      if line:find(text, 1, true) then
        return
      end
    end
    error("no line with " .. text)
  end
  wait_for("one")
  wait_for("waiting for changes")
  support.spit(dir .. "/tree/.git/index", "x") -- does not count
  support.spit(dir .. "/tree/new", "x")
  wait_for("rerun: create new")
  wait_for("exit 0")
  wait_for("waiting for changes")
  support.spit(dir .. "/tree/file", "two\n")
  wait_for("two")
  wait_for("exit 0")
  wait_for("waiting for changes")
  assert(os.execute("rm -r " .. support.quote(dir .. "/tree")))
  wait_for("is gone")
  assert.is_true((pipe:close()))
end

function entries.tls_echo()
  local certs = require("spec.support.certs")
  local script = support.quote(root .. "/examples/tls_echo.lua")
  local pipe = assert(io.popen(("echo $$; exec timeout 60 %s %s serve %s %s </dev/null 2>&1")
    :format(lua, script, certs.path("server.pem"), certs.path("server.key")), "r"))
  local pid = pipe:read("n", "l")
  local port = pipe:read("l"):match("^serving on 127%.0%.0%.1:(%d+)$")
  local output, status = support.sh(("printf 'one\\ntwo\\n' | %s %s talk localhost %s %s"):format(
    lua, script, port, certs.path("ca.pem")))
  assert.equal("ONE\nTWO\n", output)
  assert.equal(0, status)
  assert.matches("^127%.0%.0%.1 by TLSv1%.3, ", pipe:read("l"))
  os.execute("kill " .. pid)
  pipe:close()
end

function entries.ntp()
  local output = run("ntp")
  local offset, delay = output:match("is ahead by (%S+) s; there and back in (%S+) ms\n$")
  assert(offset, output)
  -- As exact as the way there and the way back are equally long.
  assert(math.abs(offset - 2.5) <= delay / 2000 + 0.001, output)
  -- A server that does not want to be asked, after an answer that is not its.
  local server <close> = assert(net.udp("127.0.0.1", 0))
  local _, port = server:address()
  local serving = neap.spawn(function()
    local answers = { ("\0"):rep(48), "short", string.char(0x24, 0) .. ("\0"):rep(10) .. "RATE" }
    for _, answer in ipairs(answers) do
      local request, host, from = server:recv()
      local times = ("\0"):rep(8) .. request:sub(41, 48) .. ("\0"):rep(16)
      server:send(#answer == 16 and answer .. times or answer, host, from)
    end
  end)
  local result = assert(neap.process.run({ lua, root .. "/examples/ntp.lua", "127.0.0.1", port }))
  serving:join()
  assert.equal("127.0.0.1: go away: RATE\n", result.stdout)
  assert.equal(1, result.code)
end

describe("the examples", function()
  for name, entry in pairs(entries) do
    it("work: " .. name, entry)
  end

  it("have an entry each", function()
    for path in support.sh("ls examples/*.lua"):gmatch("[^\n]+") do
      local name = path:match("([^/]+)%.lua$")
      assert(entries[name], "examples/" .. name .. ".lua is not run here")
      assert(support.slurp(path):match("^%-%-"), path .. " does not say how it is run")
    end
    assert.is_function(neap.run)
  end)
end)
