-- The thread pool is shared: what hangs there must leave room for the others.
local support = require("spec.support")
local sysfault = require("spec.support.sysfault")

local release = [[io.open(os.getenv("SYSFAULT_HOLD"), "w"):close()]]

describe("the thread pool", function()
  -- fault 29
  it("has room for files while look-ups hang", function()
    local output, status = sysfault.lua("getaddrinfo:HOLD", ([[
      local neap = require("neap")
      local fs = require("neap.fs")
      local tasks = {}
      for i = 1, 20 do
        -- No address to libuv: it is looked up.
        tasks[i] = neap.spawn({ quiet = true }, neap.net.connect, "127.1", 1)
      end
      for _ = 1, 20 do neap.yield() end
      local path = os.tmpname()
      for i = 1, 20 do
        assert(fs.writefile(path, tostring(i)))
        assert(fs.readfile(path) == tostring(i))
        assert(fs.stat(path).type == "file")
      end
      os.remove(path)
      for i = 11, 20 do -- neither those in the pool nor those before it hold a task
        tasks[i]:cancel()
        assert(not tasks[i]:wait())
      end
      %s
      for i = 1, 10 do
        local conn, _, code = tasks[i]:join()
        assert(not conn and code == "ECONNREFUSED", code)
      end
      print("fine")
    ]]):format(release), "NEAP_FS=pool")
    assert.equal("fine\n", output)
    assert.equal(0, status)
  end)

  it("has room for look-ups while files hang", function()
    local output, status = sysfault.lua("pread:HOLD", ([[
      local neap = require("neap")
      local fs = require("neap.fs")
      local tasks = {}
      for i = 1, 20 do
        tasks[i] = neap.spawn(function()
          local file <close> = assert(fs.open("/etc/passwd"))
          return #file:pread(10, 0)
        end)
      end
      for _ = 1, 20 do neap.yield() end
      for _ = 1, 5 do
        local conn, _, code = neap.net.connect("127.1", 1)
        assert(not conn and code == "ECONNREFUSED", code)
      end
      for i = 11, 20 do
        tasks[i]:cancel()
        assert(not tasks[i]:wait())
      end
      %s
      for i = 1, 10 do
        assert(tasks[i]:join() == 10)
      end
      print("fine")
    ]]):format(release), "NEAP_FS=pool")
    assert.equal("fine\n", output)
    assert.equal(0, status)
  end)

  -- What the scripts below share: each call goes through the pool, and comes back.
  local helpers = [[
    local neap = require("neap")
    local fs = require("neap.fs")
    local fifo = os.getenv("HELD_FIFO")
    local holder = assert(io.open(fifo, "r+")) -- so that neither end waits to be opened
    holder:setvbuf("no")

    local tasks = {}
    local function hold(n, fn, ...)
      for _ = 1, n do
        tasks[#tasks + 1] = neap.spawn(fn, ...)
      end
      for _ = 1, 20 do neap.yield() end
    end

    -- Each of these functions blocks its thread until there is a byte for it.
    local function offloaded(path)
      local file <close> = io.open(path)
      file:setvbuf("no")
      return file:read(1)
    end
    local function hold_offload(n) hold(n, neap.offload, offloaded, fifo) end
    local function hold_names(n) hold(n, neap.net.connect, "localhost", 1) end
    local function hold_files(n)
      hold(n, function()
        local file <close> = assert(fs.open("/etc/passwd"))
        return #file:pread(10, 0)
      end)
    end

    local function use_offload()
      for i = 1, 10 do
        assert(neap.offload("return ...", i) == i)
      end
    end
    local function use_names()
      for _ = 1, 10 do
        local conn, _, code = neap.net.connect("localhost", 1)
        assert(not conn and code == "ECONNREFUSED", code)
      end
    end
    local function use_files()
      for i = 1, 10 do
        assert(fs.writefile(fifo .. ".file", tostring(i)))
        assert(fs.readfile(fifo .. ".file") == tostring(i))
        assert(fs.stat(fifo).type == "fifo")
      end
    end

    local function release()
      local hold_path = os.getenv("SYSFAULT_HOLD")
      io.open(hold_path, "w"):close()
      holder:write(("x"):rep(#tasks))
      for _, task in ipairs(tasks) do
        task:join()
      end
      print("fine")
    end
  ]]

  -- Of what hangs there is more than the pool has threads. What is used then
  -- ends, or the script never does.
  local shares = {
    { "files and look-ups while offloaded functions hang", "", [[
      hold_offload(10) use_files() use_names() ]] },
    { "files and offloaded functions while look-ups hang", "getaddrinfo:HOLD", [[
      hold_names(10) use_files() use_offload() ]] },
    { "look-ups and offloaded functions while files hang", "pread:HOLD", [[
      hold_files(10) use_names() use_offload() ]] },
    { "files while look-ups and offloaded functions hang", "getaddrinfo:HOLD", [[
      hold_names(10) hold_offload(10) use_files() ]] },
    { "files while offloaded functions and look-ups hang", "getaddrinfo:HOLD", [[
      hold_offload(10) hold_names(10) use_files() ]] },
  }
  for _, share in ipairs(shares) do
    it("has room for " .. share[1], function()
      local dir <close> = support.tempdir()
      local fifo = dir .. "/fifo"
      assert(os.execute("mkfifo " .. support.quote(fifo)))
      local output, status = sysfault.lua(share[2], helpers .. share[3] .. "release()",
        "NEAP_FS=pool HELD_FIFO=" .. support.quote(fifo))
      assert.equal("fine\n", output)
      assert.equal(0, status)
    end)
  end

  -- fault 46
  it("is not held by FIFOs and locks that are waited for", function()
    local dir <close> = support.tempdir()
    local output, status = support.lua(([[
      local neap = require("neap")
      local fs = require("neap.fs")
      local fifo, path = %q, %q
      assert(os.execute("mkfifo " .. fifo))
      local holder = assert(fs.open(path, "w"))
      local lock = assert(holder:lock())
      local tasks = {}
      for i = 1, 8 do
        tasks[i] = neap.spawn({ quiet = true }, fs.writefile, fifo, tostring(i))
        local file = assert(fs.open(path, "r+"))
        tasks[8 + i] = neap.spawn({ quiet = true }, function()
          local f <close> = file
          local mine <close> = assert(f:lock())
        end)
      end
      local function all_wait()
        for _, task in ipairs(tasks) do
          local what = task:stats().waiting_for
          if what ~= "fifo" and what ~= "lock" then
            return false
          end
        end
        return true
      end
      while not all_wait() do neap.yield() end
      for i = 1, 20 do
        assert(fs.writefile(path .. "2", tostring(i)))
        assert(fs.readfile(path .. "2") == tostring(i))
      end
      for _, task in ipairs(tasks) do
        task:cancel()
        assert(not task:wait())
      end
      print("fine")
    ]]):format(dir .. "/fifo", dir .. "/file"), { env = "NEAP_FS=pool" })
    assert.equal("fine\n", output)
    assert.equal(0, status)
  end)
end)
