-- neap.fs when system calls, threads and forks misbehave: each script runs in a
-- process of its own.
local support = require("spec.support")
local sysfault = require("spec.support.sysfault")

-- A script that does a bit of everything, and says whether all was right.
local workout = [[
  local neap = require("neap")
  local fs = require("neap.fs")
  local dir = fs.mkdtemp("/tmp/neap-spec-XXXXXX")
  local path = dir .. "/file"
  local data = ("a line\n"):rep(500)
  assert(fs.writefile(path, data))
  assert(fs.readfile(path) == data)
  assert(fs.appendfile(path, "end"))
  local file = assert(fs.open(path, "r+"))
  local n = 0
  for line in file:lines() do
    n = n + 1
    assert(line == (n <= 500 and "a line" or "end"))
  end
  assert(n == 501)
  assert(file:seek("set", 2) == 2)
  assert(file:write("LINE"))
  assert(file:seek("set") == 0)
  assert(file:read("l") == "a LINE")
  assert(file:pread(4, 2) == "LINE")
  assert(file:pwrite("e", 5) == file)
  assert(file:sync() and file:datasync())
  assert(file:chmod(384) and file:utime(1e9))
  assert(file:stat().mode & 511 == 384 and file:stat().mtime == 1e9)
  do
    local lock <close> = assert(file:lock())
    assert(file:truncate(3503))
  end
  assert(file:close())
  assert(#fs.readfile(path) == 3503)
  assert(fs.writefile(path, ("x"):rep(3503), { atomic = true }))
  assert(fs.stat(path).mode & 511 == 384)
  local tasks = {}
  for i = 1, 20 do
    tasks[i] = neap.spawn(function()
      assert(fs.writefile(dir .. "/" .. i, tostring(i)))
      assert(fs.readfile(dir .. "/" .. i) == tostring(i))
      assert(fs.unlink(dir .. "/" .. i))
    end)
  end
  for i = 1, 20 do
    tasks[i]:join()
  end
  for name in assert(fs.scandir(dir)) do
    assert(name == "file")
  end
  assert(fs.unlink(path))
  assert(fs.rmdir(dir))
  print("all right")
]]

describe("system calls", function()
  for _, env in ipairs({ "NEAP_FS=", "NEAP_FS=pool" }) do
    -- fault 45
    it("are tried again when a signal interrupts them " .. env, function()
      local output, status, counts = sysfault.lua("eintr", workout, env)
      assert.equal("all right\n", output)
      assert.equal(0, status)
      assert(counts.open > 0 and counts.write > 0, "the library was not used")
    end)

    -- fault 44
    it("may move one byte at a time " .. env, function()
      local output, status, counts = sysfault.lua("short", workout, env)
      assert.equal("all right\n", output)
      assert.equal(0, status)
      assert(counts.write > 3500, counts.write)
    end)
  end

  -- fault 47
  it("that are missing are tried once", function()
    for _, code in ipairs({ "ENOSYS", "EPERM" }) do
      local faulty = ("openat2:%s,preadv2:%s"):format(code, code)
      local output, _, counts = sysfault.lua(faulty, workout)
      assert.equal("all right\n", output)
      assert.equal(1, counts.openat2)
      assert.equal(1, counts.preadv2)
    end
    local _, _, counts = sysfault.lua("", workout, "NEAP_FS=pool")
    assert.equal(0, counts.openat2 + counts.preadv2)
    _, _, counts = sysfault.lua("", workout)
    assert(counts.openat2 > 1 and counts.preadv2 > 1)
  end)

  -- fault 35
  it("that fail in the middle of a file fail the read", function()
    for n = 1, 3 do
      for _, faulty in ipairs({ "read:EIO:" .. n, "preadv2:EIO:" .. n }) do
        local dir <close> = support.tempdir()
        local path = support.spit(dir .. "/file", "0123456789")
        local output = sysfault.lua(faulty .. ",short", ([[
          local fs = require("neap.fs")
          local file = assert(fs.open("%s"))
          print(file:read("a"))
          print(file:pread(10, 0))
          print(file:close())
          print(fs.readfile("%s"))
        ]]):format(path, path), faulty:match("^read") and "NEAP_FS=pool" or nil)
        assert.equal("nil\tInput/output error\tEIO\n" ..
          (faulty:match("^read") and "0123456789\n" or "nil\tInput/output error\tEIO\n") ..
          "true\nnil\t" .. path .. ": Input/output error\tEIO\n", output)
      end
    end
  end)

  -- fault 36
  it("that fail in the middle of a write fail the write, and not the close", function()
    for n = 1, 4 do
      local output, status = sysfault.lua("short,write:ENOSPC:" .. n, [[
        local fs = require("neap.fs")
        local path = os.tmpname()
        local file = assert(fs.open(path, "w"))
        assert(file:write("0123456789"))
        print(select(3, file:flush()))
        print(file:close())
        file = assert(fs.open(path, "w"))
        file:setvbuf("no")
        print(select(3, file:write("0123456789")))
        print(file:close())
        os.remove(path)
      ]])
      assert.equal("ENOSPC\ntrue\nENOSPC\ntrue\n", output)
      assert.equal(0, status)
    end
  end)

  -- fault 37
  it("that fail at the end of a file fail its close or sync", function()
    local output = sysfault.lua("close:EDQUOT,fsync:EIO,fdatasync:EIO,ftruncate:EIO", [[
      local fs = require("neap.fs")
      local path = os.tmpname()
      local file = assert(fs.open(path, "w"))
      assert(file:write("x"))
      print(select(3, file:sync()))
      print(select(3, file:datasync()))
      print(select(3, file:truncate(0)))
      print(select(3, file:close()))
      print(file:close())
      print(select(3, fs.writefile(path, "x")))
      local ok, message = pcall(function()
        local file <close> = assert(fs.open(path, "w"))
        file:write("x")
      end)
      print(ok, (message:gsub("^.*:%d+: ", "")))
      os.remove(path)
    ]])
    assert.equal("EIO\nEIO\nEIO\nEDQUOT\ntrue\nEDQUOT\n" ..
      "false\tclosing a file failed: Disk quota exceeded\n", output)
  end)

  it("that fail while writing fail the write", function()
    for n = 1, 3 do
      local output = sysfault.lua("short,write:ENOSPC:" .. n, [[
        local fs = require("neap.fs")
        local path = os.tmpname()
        print(fs.writefile(path, "0123456789"))
        os.remove(path)
      ]])
      assert(output:match("^nil\t.*: No space left on device\tENOSPC\n$"), output)
    end
  end)
end)

describe("the thread pool", function()
  -- fault 85
  it("that can't be started is an error, and may start later", function()
    local output, status = sysfault.lua("pthread_create:EAGAIN:-3", [[
      local fs = require("neap.fs")
      -- Just written, so it is cached and read without the pool.
      local path = os.tmpname()
      local file = assert(io.open(path, "w"))
      file:write("cached"):close()
      print(select(3, fs.stat("/etc/passwd")))
      print(select(3, fs.stat("/etc/passwd")))
      print(fs.readfile(path))
      os.remove(path)
      for _ = 1, 3 do
        fs.stat("/etc/passwd")
      end
      print(fs.stat("/etc/passwd").type)
    ]])
    assert.equal("EAGAIN\nEAGAIN\ncached\nfile\n", output)
    assert.equal(0, status)
  end)

  it("is left a thread for others", function()
    -- Its size as libuv reads it; each is to work.
    for _, size in ipairs({ "", "0", "1", "2", "5", "x" }) do
      local output = support.lua(workout, { env = "NEAP_FS=pool UV_THREADPOOL_SIZE=" .. size })
      assert.equal("all right\n", output)
    end
  end)

  -- fault 17
  it("may be busy while the process forks", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local fs = require("neap.fs")
      local dir = fs.mkdtemp("/tmp/neap-spec-XXXXXX")
      local path = dir .. "/file"
      local task = neap.spawn(function()
        for i = 1, 50 do
          assert(fs.writefile(path, ("x"):rep(i * 1000)))
          assert(#fs.readfile(path) == i * 1000)
        end
      end)
      for i = 1, 10 do
        neap.yield()
        assert(os.execute("exit 0"))
        local pipe = io.popen("ls /proc/self/fd | wc -l", "r")
        assert(tonumber(pipe:read("a")) < 10) -- none of ours is inherited
        assert(pipe:close())
      end
      task:join()
      assert(fs.unlink(path))
      assert(fs.rmdir(dir))
      print("fine")
    ]], { env = "NEAP_FS=pool" })
    assert.equal("fine\n", output)
    assert.equal(0, status)
  end)
end)
