-- Waiting for descriptors of other libraries: LuaSocket's.
local children = require("spec.support.children")
local faults = require("spec.support.faults")
local neap = require("neap")
local socket = require("socket")
local support = require("spec.support")

local settle = support.settle

local function udp()
  local s = assert(socket.udp())
  assert(s:setsockname("127.0.0.1", 0))
  return s, function(text)
    assert(s:sendto(text or "text", s:getsockname()))
  end
end

describe("neap.wait_fd", function()
  it("lets LuaSocket wait in a task alone", function()
    local server = assert(socket.bind("127.0.0.1", 0))
    server:settimeout(0)
    local _, port = server:getsockname()
    local ticks = 0
    local ticker = neap.spawn(function()
      while true do
        neap.yield()
        ticks = ticks + 1
      end
    end)
    local serving = neap.spawn(function()
      assert.equal("r", neap.wait_fd(server:getfd(), "r"))
      local conn = assert(server:accept())
      conn:settimeout(0)
      local text, err, part
      repeat
        neap.wait_fd(conn:getfd(), "r")
        text, err, part = conn:receive("*l", part)
      until text or err ~= "timeout"
      assert.equal("w", neap.wait_fd(conn:getfd(), "w"))
      conn:send("got " .. text .. "\n")
      conn:close()
    end)
    neap.sleep(0.001)
    local client = assert(socket.tcp())
    client:settimeout(0)
    client:connect("127.0.0.1", port)
    assert.equal("w", neap.wait_fd(client:getfd(), "w"))
    client:send("half")
    neap.sleep(0.001)
    client:send(" and half\n")
    assert.equal("r", neap.wait_fd(client:getfd(), "r"))
    assert.equal("got half and half", client:receive("*l"))
    client:close()
    serving:join()
    server:close()
    ticker:cancel()
    ticker:wait()
    assert(ticks > 10)
  end)

  it("says what the descriptor is ready for", function()
    local s, send = udp()
    assert.equal("w", neap.wait_fd(s:getfd(), "rw"))
    send()
    assert.equal("r", neap.wait_fd(s:getfd(), "r"))
    assert.equal("rw", neap.wait_fd(s:getfd(), "rw"))
    s:close()
  end)

  it("takes a hang-up for everything that is asked", function()
    local server = assert(socket.bind("127.0.0.1", 0))
    local client = assert(socket.connect("127.0.0.1", (select(2, server:getsockname()))))
    local conn = assert(server:accept())
    conn:setoption("linger", { on = true, timeout = 0 })
    conn:close() -- a reset
    assert.equal("rw", neap.wait_fd(client:getfd(), "rw"))
    assert.equal("r", neap.wait_fd(client:getfd(), "r"))
    client:close()
    server:close()
  end)

  it("leaves the descriptor as it is", function()
    local output = support.sh("(sleep 0.05; echo text) | " .. (os.getenv("LUA") or "lua5.4") ..
      " -e " .. support.quote([[
        local neap = require("neap")
        local function flags()
          return io.open("/proc/self/fdinfo/0"):read("a"):match("flags:%s*(%d+)")
        end
        local before = flags()
        print(neap.wait_fd(0, "r", 0), neap.wait_fd(0, "r"), io.read())
        print(before == flags(), tonumber(before, 8) & 2048)
      ]]))
    assert.equal("nil\tr\ttext\ntrue\t0\n", output)
  end)

  it("may be called by any number of tasks", function()
    local s, send = udp()
    local tasks = {}
    for i = 1, 20 do
      tasks[i] = neap.spawn(neap.wait_fd, s:getfd(), i % 2 == 0 and "r" or "rw")
    end
    for i = 1, 20, 2 do
      assert.equal("w", tasks[i]:join())
    end
    for i = 2, 20, 2 do
      assert.equal("waiting", tasks[i]:status())
    end
    tasks[2]:cancel()
    send()
    for i = 4, 20, 2 do
      assert.equal("r", tasks[i]:join())
    end
    assert.is_false(tasks[2]:wait())
    s:close()
  end)

  it("waits for many descriptors", function()
    local list = {}
    for i = 1, support.count(100, 400) do
      local s, send = udp()
      list[i] = { s = s, send = send, task = neap.spawn(neap.wait_fd, s:getfd(), "r") }
    end
    settle()
    for _, one in ipairs(list) do
      one.send()
    end
    for _, one in ipairs(list) do
      assert.equal("r", one.task:join())
      one.s:close()
    end
  end)

  it("gives up in time", function()
    local s, send = udp()
    assert.same({ n = 3, nil, "timed out after 0.01 s", "ETIMEDOUT" },
      table.pack(neap.wait_fd(s:getfd(), "r", 0.01)))
    send()
    assert.equal("r", neap.wait_fd(s:getfd(), "r", 10))
    s:close()
  end)

  it("takes a number that stands for another file now", function()
    local s = udp()
    local fd = s:getfd()
    local waiter = neap.spawn(neap.wait_fd, fd, "r")
    settle()
    s:close() -- a mistake: the waiter is not told
    local other, send = udp()
    assert.equal(fd, other:getfd())
    send()
    assert.equal("r", neap.wait_fd(fd, "r"))
    waiter:cancel()
    waiter:wait()
    other:close()
  end)

  it("returns at once for what is always ready, and fails for what is none", function()
    local dir <close> = support.tempdir()
    local path = support.spit(dir .. "/file", "x")
    local file <close> = assert(io.open(path))
    local fd
    for n = 3, 100 do
      local link = support.sh(("readlink /proc/%d/fd/%d"):format(children.me(), n))
      fd = link == path .. "\n" and n or fd
    end
    assert(file)
    assert.equal("rw", neap.wait_fd(fd, "rw"))
    assert.same({ n = 3, nil, "descriptor 987: Bad file descriptor", "EBADF" },
      table.pack(neap.wait_fd(987, "r")))
  end)

  it("checks its arguments", function()
    for _, case in ipairs({ { -1, "r" }, { 2 ^ 31, "r" }, { "x", "r" }, { 0, "x" }, { 0 },
      { 0, "r", 0 / 0 }, { 0.5, "r" } }) do
      assert.is_false((pcall(neap.wait_fd, table.unpack(case))))
    end
    local s = udp()
    assert(support.call_badly(neap.wait_fd, { s:getfd(), "w", 0.001 }, 3) > 10)
    s:close()
  end)

  it("survives every allocation that fails", function()
    if not neap._fail_alloc then
      return
    end
    local s, send = udp()
    send()
    assert(faults.alloc(function()
      return neap.wait_fd(s:getfd(), "r", 10)
    end) > 1)
    s:close()
  end)
end)
