-- What files have beyond io's: places, attributes, flags.
local support = require("spec.support")

local neap = require("neap")
local fs = require("neap.fs")

local settle, spit, slurp = support.settle, support.spit, support.slurp

-- What stat(1) says of a file.
local function stat_of(path, format)
  return (support.sh(("stat -c %s %s"):format(support.quote(format), support.quote(path)))
    :gsub("\n$", ""))
end

describe("fs.open with flags", function()
  it("takes open(2)'s by name, and permissions", function()
    local dir <close> = support.tempdir()
    local path = dir .. "/file"
    local secret = { flags = "wronly creat excl", perm = tonumber("600", 8) }
    do
      local file <close> = assert(fs.open(path, secret))
      assert(file:write("one"))
      assert.same({ nil, "Bad file descriptor", "EBADF" }, { file:read(1) })
    end
    assert.equal("600", stat_of(path, "%a"))
    assert.equal("EEXIST", (select(3, fs.open(path, secret))))
    do
      local file <close> = assert(fs.open(path, { flags = "wronly|append" }))
      assert(file:write("two"))
    end
    do
      local file <close> = assert(fs.open(path, { flags = "rdwr, trunc" }))
      assert.is_nil(file:read(1))
      assert(file:write("three"))
    end
    assert.equal("three", slurp(path))
    do
      local file <close> = assert(fs.open(path, { flags = "r+" }))
      assert.equal("three", file:read("a"))
    end
    do
      local file <close> = assert(fs.open(path, {}))
      assert.equal("three", file:read("a"))
    end
    assert(os.execute(("ln -s file %s"):format(support.quote(dir .. "/link"))))
    assert.equal("ELOOP", (select(3, fs.open(dir .. "/link", { flags = "rdonly nofollow" }))))
    assert.equal("ENOTDIR", (select(3, fs.open(path, { flags = "rdonly directory" }))))
    do
      local unnamed <close> = assert(fs.open(dir.path, { flags = "rdwr tmpfile" }))
      assert(unnamed:write("nobody sees it"))
      assert.equal(0, unnamed:stat().nlink)
    end
    assert.equal("three", fs.readfile(path)) -- the quick ways are still there
  end)

  it("refuses what is none", function()
    local wrong = {
      { flags = "" }, { flags = " " }, { flags = "rdonly nothing" }, { flags = 1 },
      { flags = "wronly rdwr" }, { perm = -1 }, { perm = 4096 }, { perm = "x" },
    }
    for _, how in ipairs(wrong) do
      local ok, message = pcall(fs.open, "/tmp/never-made", how)
      assert.is_false(ok)
      assert(message:match("bad argument #2 to '[%w.]*open' %(field '%a+': "), message)
    end
  end)
end)

describe("file:pread and file:pwrite", function()
  it("leave alone where the file is read and written", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "0123456789")
    local file <close> = assert(fs.open(path, "r+"))
    assert.equal("01", file:read(2))
    assert.equal("56", file:pread(2, 5))
    assert.equal("2", file:read(1))
    assert.equal(file, file:pwrite("abc", 4))
    assert.equal("3abc7", file:read(5))
    assert.equal(8, file:seek())
    assert.equal(file, file:write("X"))
    assert.equal("X9", file:pread(100, 8)) -- what is buffered counts
    assert.equal(9, file:seek())
    assert.equal(file, file:pwrite("far", 20))
    assert(file:close())
    assert.equal("0123abc7X9" .. ("\0"):rep(10) .. "far", slurp(path))
  end)

  it("know the end, and any count", function()
    local dir <close> = support.tempdir()
    local big = ("0123456789abcdef"):rep(support.variant == "hostile" and 20 or 200000)
    local file <close> = assert(fs.open(spit(dir .. "/file", big)))
    assert.is_nil(file:pread(1, #big))
    assert.is_nil(file:pread(0, #big))
    assert.equal("", file:pread(0, #big - 1))
    assert.is_nil(file:pread(10, 1 << 62))
    assert.is_true(big == file:pread(1 << 62, 0))
    assert.is_true(big == file:pread(math.maxinteger, 0))
    assert.is_true(big:sub(11) == file:pread(#big, 10))
    assert.equal(big:sub(-5), file:pread(7, #big - 5))
    assert.equal(big:sub(4, 6), file:pread(3, 3))
  end)

  it("fail where there are no places, or no permission", function()
    local dir <close> = support.tempdir()
    local path = dir .. "/fifo"
    assert(os.execute("mkfifo " .. support.quote(path)))
    local fifo <close> = assert(fs.open(path, "r+"))
    assert.equal("ESPIPE", (select(3, fifo:pread(1, 0))))
    assert.equal("ESPIPE", (select(3, fifo:pwrite("x", 0))))
    local zero <close> = assert(fs.open("/dev/zero"))
    assert.equal("\0", zero:pread(1, 7))
    local reading <close> = assert(fs.open(spit(dir .. "/file", "x")))
    assert.equal("EBADF", (select(3, reading:pwrite("x", 0))))
    local writing <close> = assert(fs.open(dir .. "/file", "w"))
    assert.equal("EBADF", (select(3, writing:pread(1, 0))))
  end)

  it("go beyond 4 GiB in files with holes", function()
    local dir <close> = support.tempdir()
    local path = dir .. "/holes"
    local place = (5 << 30) + 3
    local file <close> = assert(fs.open(path, "w+"))
    assert(file:pwrite("end", place))
    assert.equal(place + 3, file:stat().size)
    assert(file:stat().blocks * 512 < 1 << 20)
    assert.equal("\0end", file:pread(100, place - 1))
    assert.equal(place, file:seek("set", place))
    assert.equal("end", file:read("a"))
    assert.equal(place + 3, file:seek("cur"))
    assert.equal(file, file:write("!"))
    assert.equal(place + 4, file:seek("end"))
    assert.equal(place - 1, file:seek("end", -5))
    assert.equal("\0end!", file:read(100))
    assert.is_true(file:truncate(6 << 30))
    assert.equal(6 << 30, fs.stat(path).size)
    assert.equal("EFBIG", (select(3, fs.readfile(path, { max = 4 << 30 }))))
  end)
end)

describe("a file's attributes", function()
  it("are those of the path", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "12345")
    local file <close> = assert(fs.open(path, "r+"))
    assert.same(fs.stat(path), file:stat())
    local info = file:stat()
    assert.equal(stat_of(path, "%d %i %s %h %u %g %b %X %Y"),
      ("%d %d %d %d %d %d %d %d %d"):format(info.dev, info.ino, info.size, info.nlink, info.uid,
        info.gid, info.blocks, info.atime // 1, info.mtime // 1))
    assert(file:write("123456789"))
    assert.equal(9, file:stat().size) -- with what is buffered
    assert.equal("char", assert(fs.open("/dev/null")):stat().type)
    collectgarbage()
  end)

  it("can be set", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "12345")
    local file <close> = assert(fs.open(path, "r+"))
    assert.is_true(file:chmod(tonumber("4750", 8)))
    assert.equal("4750", stat_of(path, "%a"))
    assert.is_true(file:utime(1234567890.5, -1.25))
    assert.equal(1234567890.5, fs.stat(path).atime)
    assert.equal(-1.25, fs.stat(path).mtime)
    assert.is_true(file:utime(5))
    assert.equal("5 5", stat_of(path, "%X %Y"))
    assert.is_true(file:utime())
    assert.is_true(math.abs(fs.stat(path).mtime - os.time()) < 60)
    assert.is_true(file:write("x"):utime(7)) -- what is buffered was before
    assert(file:close())
    assert.equal("7", stat_of(path, "%Y"))
  end)

  it("include its length", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "0123456789")
    local file <close> = assert(fs.open(path, "r+"))
    assert.equal("01", file:read(2))
    assert.is_true(file:truncate(4))
    assert.equal("23", file:read("a")) -- not what was read ahead
    assert(file:write("+"))
    assert.is_true(file:truncate(8))
    assert.equal("0123+\0\0\0", slurp(path))
    assert.is_true(file:truncate(0))
    assert.equal("", slurp(path))
    local reading <close> = assert(fs.open(path))
    assert.equal("EBADF", (select(3, reading:truncate(0))))
    local fifo = dir .. "/fifo"
    assert(os.execute("mkfifo " .. support.quote(fifo)))
    local pipe <close> = assert(fs.open(fifo, "r+"))
    assert.equal("EINVAL", (select(3, pipe:truncate(0))))
    assert.equal("EINVAL", (select(3, pipe:sync())))
  end)

  it("are safe on the disk after sync", function()
    local dir <close> = support.tempdir()
    local path = dir .. "/file"
    local file <close> = assert(fs.open(path, "w"))
    assert(file:write("x"))
    assert.equal("", slurp(path))
    assert.is_true(file:sync())
    assert.equal("x", slurp(path))
    assert(file:write("y"))
    assert.is_true(file:datasync())
    assert.equal("xy", slurp(path))
  end)

  it("include its descriptor", function()
    local file = assert(fs.open("/dev/null"))
    local fd = file:fd()
    assert.equal("integer", math.type(fd))
    local stat <close> = assert(io.open("/proc/self/stat"))
    local target = support.sh(("readlink /proc/%d/fd/%d"):format(stat:read("n"), fd))
    assert.equal("/dev/null\n", target)
    file:close()
    assert.same({ nil, "file is closed", "EBADF" }, { file:fd() })
  end)
end)

describe("fs.lines", function()
  it("gives what io.lines gives, and closes the file", function()
    local dir <close> = support.tempdir()
    local before = support.fds()
    -- More than a buffer has room for.
    local long = ("y"):rep(support.variant == "hostile" and 700 or 70000)
    local contents = { "", "x", "a\nb\n", "a\n\nb", "1 2\n3 x", long .. "\nz" }
    for i, content in ipairs(contents) do
      local path = spit(dir .. "/" .. i, content)
      for _, formats in ipairs({ {}, { "L" }, { "n" }, { 1, "l" }, { "a" } }) do
        if formats[1] == "a" then -- for ever, with both
          formats = { 3 }
        end
        local stock, ours = {}, {}
        for a, b in io.lines(path, table.unpack(formats)) do
          stock[#stock + 1] = tostring(a) .. "|" .. tostring(b)
        end
        for a, b in fs.lines(path, table.unpack(formats)) do
          ours[#ours + 1] = tostring(a) .. "|" .. tostring(b)
        end
        assert.same(stock, ours)
        assert.equal(before, support.fds())
      end
    end
    local next_line = fs.lines(dir .. "/2")
    assert.equal("x", next_line())
    assert.is_nil(next_line())
    assert.has_error(next_line, "file is already closed")
  end)

  it("closes the file when the loop is left", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "a\nb\nc\n")
    local before = support.fds()
    for line in fs.lines(path) do
      if line == "b" then
        break
      end
    end
    pcall(function()
      for _ in fs.lines(path) do
        error("out of it")
      end
    end)
    assert.equal(before, support.fds())
  end)

  it("fails as fs.open does, and raises a failure on the way", function()
    local dir <close> = support.tempdir()
    assert.equal("ENOENT", (select(3, fs.lines(dir .. "/no"))))
    assert.has_error(function()
      fs.lines(dir .. "/no", "x")
    end)
    local ok, message = pcall(function()
      for _ in fs.lines(dir.path) do end
    end)
    assert.is_false(ok)
    assert(message:find("Is a directory", 1, true), message)
  end)
end)

describe("unusual files", function()
  it("have names of any byte but NUL", function()
    local dir <close> = support.tempdir()
    local all = {}
    for byte = 1, 255 do
      if byte ~= ("/"):byte() then
        all[#all + 1] = string.char(byte)
      end
    end
    local names = {
      table.concat(all, "", 1, 127), table.concat(all, "", 128), "\xff\xfe", " ", "\n",
    }
    for i, name in ipairs(names) do
      local path = dir .. "/" .. name
      assert.is_true(fs.writefile(path, tostring(i)))
      assert.equal(tostring(i), fs.readfile(path))
      assert.is_true(fs.writefile(path, "new", { atomic = true }))
      local file <close> = assert(fs.open(path))
      assert.equal("new", file:read("a"))
      assert.equal(3, fs.stat(path).size)
      assert.is_true(fs.unlink(path))
    end
  end)

  it("may not know their length", function()
    local paths = {
      "/proc/self/limits", "/proc/filesystems", "/sys/kernel/mm/transparent_hugepage/enabled",
    }
    for _, path in ipairs(paths) do
      local probe = io.open(path)
      if probe then
        probe:close()
        local file <close> = assert(fs.open(path))
        local whole = assert(file:read("a"))
        assert(#whole > 0)
        assert.equal(whole, file:pread(#whole, 0))
        assert(#fs.readfile(path) > 0)
        local n = 0
        for line in fs.lines(path) do
          n = n + #line + 1
        end
        assert(n > 0)
        assert.equal("file", fs.stat(path).type)
      end
    end
  end)

  -- fault 40
  it("may be cut off while they are read", function()
    local dir <close> = support.tempdir()
    local size = support.variant == "hostile" and 300 or 300000
    local path = spit(dir .. "/file", ("x"):rep(size))
    local file <close> = assert(fs.open(path))
    assert.equal("x", file:read(1))
    spit(path, "") -- cuts it off
    assert(#file:read("a") < size)
    assert.is_nil(file:read(1))
    assert.is_nil(file:pread(1, 0))
    spit(path, ("y"):rep(size))
    local reader = neap.spawn(function()
      local total = 0
      for i = 1, 20 do
        total = total + #fs.readfile(path)
        if i % 2 == 0 then
          neap.yield()
        end
      end
      return total
    end)
    for i = 1, 10 do
      spit(path, ("z"):rep(size // i))
      neap.yield()
    end
    assert(reader:join() <= 20 * size)
  end)
end)

describe("the methods of files", function()
  it("survive every wrong argument", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", ("line\n"):rep(10))
    local file <close> = assert(fs.open(path, "r+"))
    local function no_self(place)
      return place == 1
    end
    support.call_badly(file.pread, { file, 5, 0 }, 3, no_self)
    support.call_badly(file.pwrite, { file, "x", 0 }, 3, function(place, value)
      return place == 1 or place == 3 and value == math.maxinteger
    end)
    support.call_badly(file.truncate, { file, 5 }, 2, function(place, value)
      return place == 1 or value == math.maxinteger
    end)
    support.call_badly(file.chmod, { file, 420 }, 2, no_self)
    support.call_badly(file.utime, { file, 1, 2 }, 3, no_self)
    support.call_badly(fs.lines, { path, "l" }, 2)
    for _, name in ipairs({ "stat", "sync", "datasync", "fd", "lock", "pread", "utime" }) do
      for what, value in support.badvalues() do
        assert.is_false(pcall(file[name], value), name .. " of " .. what)
      end
    end
    assert.is_false(pcall(file.utime, file, 0 / 0))
    assert.is_false(pcall(file.utime, file, math.huge))
    file:close()
    for _, call in ipairs({
      { "pread", 1, 0 }, { "pwrite", "x", 0 }, { "stat" }, { "sync" }, { "datasync" },
      { "truncate", 0 }, { "chmod", 0 }, { "utime" }, { "lock" }, { "fd" },
    }) do
      local results = table.pack(file[call[1]](file, table.unpack(call, 2)))
      assert.same({ nil, "file is closed", "EBADF", n = 3 }, results)
    end
  end)

  it("are whole, whoever comes between", function()
    local dir <close> = support.tempdir()
    local path = dir .. "/file"
    local file <close> = assert(fs.open(path, "w+"))
    local tasks = {}
    for i = 0, 7 do
      tasks[#tasks + 1] = neap.spawn(function()
        for round = 1, 10 do
          local mine = ("%d%d"):format(i, round % 10):rep(50)
          assert(file:pwrite(mine, i * 100))
          assert.equal(mine, file:pread(100, i * 100))
          assert(file:stat().size <= 800)
        end
      end)
    end
    for _, task in ipairs(tasks) do
      task:join()
    end
    settle()
    assert.equal(800, #slurp(path))
  end)
end)
