local faults = require("spec.support.faults")
local support = require("spec.support")

local neap = require("neap")
local fs = require("neap.fs")

local settle, spit, slurp = support.settle, support.spit, support.slurp

-- Not for root, whom no mode stops; for everybody, by a file that is in the way.
local function assert_fails(code, path, ...)
  local result, message, got = ...
  assert.is_nil(result)
  assert.equal(code, got)
  assert.equal(path, message:sub(1, #path))
  assert.equal(": ", message:sub(#path + 1, #path + 2))
end

describe("fs.readfile", function()
  it("gives a whole file", function()
    local dir <close> = support.tempdir()
    local contents = { "", "x", "a\0b\n", ("0123456789abcdef"):rep(256), ("y"):rep(70001) }
    for i, content in ipairs(contents) do
      local path = spit(dir .. "/" .. i, content)
      assert.equal(content, fs.readfile(path))
    end
  end)

  it("reads files that don't know their size", function()
    local ours = assert(fs.readfile("/proc/self/cmdline"))
    assert.equal(slurp("/proc/self/cmdline"), ours)
    assert.equal("", fs.readfile("/dev/null"))
  end)

  it("fails with the path in the message, and leaves nothing open", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "x")
    local before = support.fds()
    for _ = 1, 20 do
      assert_fails("ENOENT", dir .. "/nothing", fs.readfile(dir .. "/nothing"))
      assert_fails("ENOTDIR", path .. "/x", fs.readfile(path .. "/x"))
      assert_fails("EISDIR", dir.path, fs.readfile(dir.path))
      assert_fails("ENOENT", "", fs.readfile(""))
      assert_fails("EFBIG", path, fs.readfile(path, { max = 0 }))
    end
    assert.equal(before, support.fds())
    assert.equal(dir .. "/nothing: No such file or directory",
      (select(2, fs.readfile(dir .. "/nothing"))))
  end)

  -- fault 41
  it("refuses paths that are none", function()
    local ok, message = pcall(fs.readfile, "a\0b")
    assert.is_false(ok)
    assert(message:match("bad argument #1 to '[%w.]*readfile'"), message)
    local long = ("x"):rep(5000)
    assert_fails("ENAMETOOLONG", long, fs.readfile(long))
    assert_fails("ENOENT", "", fs.readfile(""))
  end)

  it("holds to a limit", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", ("x"):rep(1000))
    assert.equal(1000, #fs.readfile(path, { max = 1000 }))
    assert_fails("EFBIG", path, fs.readfile(path, { max = 999 }))
    assert_fails("EFBIG", "/proc/self/maps", fs.readfile("/proc/self/maps", { max = 10 }))
    assert_fails("EFBIG", "/dev/zero", fs.readfile("/dev/zero", { max = 100 }))
  end)

  -- fault 46
  it("leaves other files alone while it waits for a FIFO", function()
    local dir <close> = support.tempdir()
    assert(os.execute("mkfifo " .. support.quote(dir .. "/fifo")))
    local path = spit(dir .. "/file", ("x"):rep(100))
    local readers = {}
    for i = 1, 8 do
      readers[i] = neap.spawn(fs.readfile, dir .. "/fifo")
    end
    for i = 1, 8 do
      -- Until it has opened it: through the pool that takes its time, and a
      -- reader that comes after the writer has gone waits for the next one.
      while readers[i]:stats().waiting_for ~= "file" do
        neap.yield()
      end
    end
    assert.equal(100, #fs.readfile(path))
    assert.equal("file", fs.stat(path).type)
    local fifo = assert(fs.open(dir .. "/fifo", "w")) -- readers are there
    settle() -- nobody has written yet: that is not the end
    for i = 1, 8 do
      assert.equal("waiting", readers[i]:status())
    end
    assert(fifo:write("hello"))
    assert(fifo:close())
    local all = {}
    for i = 1, 8 do
      all[i] = readers[i]:join()
    end
    assert.equal("hello", table.concat(all))
  end)

  it("is fair to tasks that do not wait", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "x")
    local ticks, stop = 0, false
    local ticker = neap.spawn(function()
      while not stop do
        ticks = ticks + 1
        neap.yield()
      end
    end)
    -- More than a task may do at once (one, in the hostile build).
    for _ = 1, support.variant == "hostile" and 100 or 1000 do
      fs.readfile(path)
    end
    stop = true
    ticker:join()
    assert(ticks >= 5, ticks)
  end)

  it("lets many tasks read at once", function()
    local dir <close> = support.tempdir()
    local tasks = {}
    for i = 1, 100 do
      local path = spit(dir .. "/" .. i, ("x"):rep(i))
      tasks[i] = neap.spawn(fs.readfile, path)
    end
    for i = 1, 100 do
      assert.equal(i, #tasks[i]:join())
    end
  end)
end)

describe("fs.writefile", function()
  it("makes, replaces and appends", function()
    local dir <close> = support.tempdir()
    local path = dir .. "/file"
    assert.is_true(fs.writefile(path, "first\0 version"))
    assert.equal("first\0 version", slurp(path))
    assert.is_true(fs.writefile(path, "2"))
    assert.equal("2", slurp(path))
    assert.is_true(fs.writefile(path, "3", { append = true }))
    assert.is_true(fs.appendfile(path, "4"))
    assert.is_true(fs.appendfile(path, ""))
    assert.equal("234", slurp(path))
    assert.is_true(fs.appendfile(dir .. "/new", "n"))
    assert.equal("n", slurp(dir .. "/new"))
    local big = ("z"):rep(300000)
    assert.is_true(fs.writefile(path, big))
    assert.is_true(big == slurp(path))
    assert.is_true(fs.writefile(path, 12))
    assert.equal("12", slurp(path))
  end)

  it("gives a new file its mode", function()
    local dir <close> = support.tempdir()
    assert(fs.writefile(dir .. "/secret", "x", { mode = tonumber("600", 8) }))
    assert.equal(tonumber("100600", 8), fs.stat(dir .. "/secret").mode)
  end)

  it("fails with the path in the message, and leaves nothing open", function()
    local dir <close> = support.tempdir()
    local before = support.fds()
    for _ = 1, 10 do
      assert_fails("ENOENT", dir .. "/no/file", fs.writefile(dir .. "/no/file", "x"))
      assert_fails("EISDIR", dir.path, fs.writefile(dir.path, "x"))
      assert_fails("ENOSPC", "/dev/full", fs.writefile("/dev/full", "x"))
      assert_fails("ENOSPC", "/dev/full", fs.appendfile("/dev/full", "x"))
    end
    assert.equal(before, support.fds())
  end)

  it("writes to what is no regular file", function()
    local dir <close> = support.tempdir()
    assert(os.execute("mkfifo " .. support.quote(dir .. "/fifo")))
    assert.is_true(fs.writefile("/dev/null", "x"))
    local big = ("x"):rep(200000) -- more than a FIFO holds
    local reader = neap.spawn(fs.readfile, dir .. "/fifo")
    assert.is_true(fs.writefile(dir .. "/fifo", big)) -- waits for the reader
    assert.equal(#big, #reader:join())
  end)
end)

describe("paths", function()
  it("have a stat of libuv's fields", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "12345")
    assert(os.execute(("cd %s && ln -s file link && mkfifo fifo"):format(support.quote(dir.path))))
    local info = assert(fs.stat(path))
    assert.equal("file", info.type)
    assert.equal(5, info.size)
    assert.equal(1, info.nlink)
    assert.is_true(math.abs(info.mtime - os.time()) < 60)
    local fields = "dev mode nlink uid gid rdev ino size blksize blocks"
    for name in fields:gmatch("%S+") do
      assert.equal("integer", math.type(info[name]), name)
    end
    for name in ("atime mtime ctime birthtime"):gmatch("%S+") do
      assert.equal("float", math.type(info[name]), name)
    end
    assert.equal("file", fs.stat(dir .. "/link").type)
    assert.equal("link", fs.lstat(dir .. "/link").type)
    assert.equal("directory", fs.stat(dir.path).type)
    assert.equal("fifo", fs.stat(dir .. "/fifo").type)
    assert.equal("char", fs.stat("/dev/null").type)
    assert_fails("ENOENT", dir .. "/no", fs.stat(dir .. "/no"))
    assert_fails("ENOENT", dir .. "/no", fs.lstat(dir .. "/no"))
  end)

  it("are made, renamed and removed", function()
    local dir <close> = support.tempdir()
    assert.is_true(fs.mkdir(dir .. "/a"))
    assert_fails("EEXIST", dir .. "/a", fs.mkdir(dir .. "/a"))
    assert.is_true(fs.mkdir(dir .. "/private", { mode = tonumber("700", 8) }))
    assert.equal(tonumber("40700", 8), fs.stat(dir .. "/private").mode)
    spit(dir .. "/a/file", "x")
    assert_fails("ENOTEMPTY", dir .. "/a", fs.rmdir(dir .. "/a"))
    assert.is_true(fs.rename(dir .. "/a/file", dir .. "/moved"))
    assert_fails("ENOENT", dir .. "/a/file", fs.rename(dir .. "/a/file", dir .. "/moved"))
    assert.equal("x", slurp(dir .. "/moved"))
    assert.is_true(fs.rmdir(dir .. "/a"))
    assert_fails("ENOENT", dir .. "/a", fs.rmdir(dir .. "/a"))
    assert.is_true(fs.unlink(dir .. "/moved"))
    assert_fails("ENOENT", dir .. "/moved", fs.unlink(dir .. "/moved"))
    assert_fails("ENOENT", dir .. "/no/x", fs.mkdir(dir .. "/no/x"))
    local made = assert(fs.mkdtemp(dir .. "/tmp-XXXXXX"))
    assert.equal(dir .. "/tmp-", made:sub(1, -7))
    assert.equal("directory", fs.stat(made).type)
    assert_fails("ENOENT", dir .. "/no/XXXXXX", fs.mkdtemp(dir .. "/no/XXXXXX"))
    assert.has_error(function()
      fs.mkdtemp(dir .. "/plain")
    end)
  end)
end)

describe("fs.scandir", function()
  it("iterates over sorted names and types", function()
    local dir <close> = support.tempdir()
    assert(os.execute(("cd %s && touch b a '.c d' && mkdir e && ln -s nowhere f && mkfifo g")
      :format(support.quote(dir.path))))
    local found = {}
    for name, kind in assert(fs.scandir(dir.path)) do
      found[#found + 1] = name .. "=" .. kind
    end
    assert.same({ ".c d=file", "a=file", "b=file", "e=directory", "f=link", "g=fifo" }, found)
  end)

  it("sees an empty folder, and fails for what is none", function()
    local dir <close> = support.tempdir()
    local next_name = assert(fs.scandir(dir.path))
    assert.is_nil(next_name())
    assert.is_nil(next_name())
    assert_fails("ENOENT", dir .. "/no", fs.scandir(dir .. "/no"))
    local path = spit(dir .. "/file", "")
    assert_fails("ENOTDIR", path, fs.scandir(path))
  end)

  it("can be left early and is closed by the loop", function()
    local dir <close> = support.tempdir()
    for i = 1, 3 do
      spit(dir .. "/" .. i, "")
    end
    local iterator, state, control, closing = fs.scandir(dir.path)
    assert(tostring(closing):match("^dir %(0x%x+%)$"), tostring(closing))
    for name in iterator, state, control, closing do
      if name == "2" then
        break
      end
    end
    assert.equal("dir (closed)", tostring(closing))
    assert.is_nil(iterator())
    assert.is_true(closing:close())
  end)
end)

describe("neap.fs", function()
  it("waits in the main script and in a coroutine of the script alike", function()
    local dir <close> = support.tempdir()
    local generator = coroutine.wrap(function()
      for i = 1, 3 do
        fs.writefile(dir .. "/" .. i, i)
        coroutine.yield(fs.readfile(dir .. "/" .. i))
      end
    end)
    assert.equal("1", generator())
    assert.equal("2", neap.spawn(generator):join())
    assert.equal("3", generator())
  end)

  it("survives every wrong argument", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "x")
    local function skip(_, value) -- "no such thing" would be made here
      return value == "no such thing" or value == 0 or value == -1 or value == 0.5 or
        type(value) == "number"
    end
    support.call_badly(fs.readfile, { path, { max = 1 } }, 2)
    support.call_badly(fs.writefile, { path, "x", {} }, 3, skip)
    support.call_badly(fs.appendfile, { path, "x", {} }, 3, skip)
    support.call_badly(fs.stat, { path }, 1)
    support.call_badly(fs.lstat, { path }, 1)
    support.call_badly(fs.unlink, { path }, 1)
    support.call_badly(fs.rmdir, { path }, 1)
    support.call_badly(fs.mkdir, { dir .. "/d", {} }, 2, skip)
    support.call_badly(fs.rename, { dir .. "/no", dir .. "/no2" }, 2)
    support.call_badly(fs.scandir, { dir.path }, 1)
    support.call_badly(fs.mkdtemp, { dir .. "/XXXXXX" }, 1)
    support.call_badly(fs.open, { path, "r" }, 2)
    for _, options in ipairs({ { max = -1 }, { max = "x" }, { max = 0 / 0 } }) do
      assert.has_error(function()
        fs.readfile(path, options)
      end)
    end
    local wrong = { { mode = -1 }, { mode = 8 ^ 7 }, { append = 1 }, { atomic = 1 },
      { atomic = true, append = true } }
    for _, options in ipairs(wrong) do
      assert.has_error(function()
        fs.writefile(path, "", options)
      end)
    end
  end)

  it("survives every failing allocation", function()
    local dir <close> = support.memdir()
    -- In the hostile build each 23 bytes are allocations of their own.
    local size = support.variant == "hostile" and 50 or 500
    local path = spit(dir .. "/file", ("line\n"):rep(size // 5))
    local runs = faults.alloc(function()
      local function ok(result, message, code)
        if result == nil then
          error(code == "ENOMEM" and "not enough memory" or message, 0)
        end
        return result
      end
      ok(fs.readfile(path))
      ok(fs.writefile(dir .. "/new", "x"))
      ok(fs.stat(path))
      local count = 0
      for _ in ok(fs.scandir(dir.path)) do
        count = count + 1
      end
      assert(count == 2)
      local file <close> = ok(fs.open(path, "r+"))
      assert(#ok(file:read("a")) == size)
      ok(file:seek("set", 10))
      ok(file:write("LINE"))
      ok(file:seek("set", 5))
      assert(ok(file:read("l")) == "line")
      assert(ok(file:pread(4, 10)) == "LINE")
      ok(file:pwrite("line", 10))
      assert(ok(file:stat()).size == size)
      ok(file:sync())
      ok(file:truncate(size))
      ok(ok(file:lock()):close())
      ok(file:close())
      ok(fs.writefile(dir .. "/new", "y", { atomic = true }))
      local next_line, message, code, closing = fs.lines(dir .. "/new")
      ok(next_line, message, code)
      local lines <close> = closing
      local good, line = pcall(next_line)
      if not good then -- the iterator raises io's message
        error((line:gsub("^.*Cannot allocate memory", "not enough memory")), 0)
      end
      assert(line == "y")
      lines:close()
      local behind <close> = ok(fs.open(dir .. "/new", "w"))
      for _ = 1, 3 do
        ok(behind:write(("z"):rep(support.variant == "hostile" and 100 or 300000)))
      end
      ok(behind:close())
    end, {
      tolerate = true, -- closing does without, by a blocking call
      after = function()
        assert.equal(size, #fs.readfile(path))
      end,
    })
    assert(runs > 10, runs)
  end)
end)
