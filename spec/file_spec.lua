local filediff = require("spec.support.filediff")
local support = require("spec.support")

local neap = require("neap")
local fs = require("neap.fs")

local settle, spit, slurp = support.settle, support.spit, support.slurp

local function fifo_in(dir)
  assert(os.execute("mkfifo " .. support.quote(dir .. "/fifo")))
  return dir .. "/fifo"
end

describe("fs.open", function()
  it("takes io's modes, and x", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "old")
    local modes = "r rb r+ r+b a ab a+ a+b w wb w+ w+b"
    for mode in modes:gmatch("%S+") do
      assert(fs.open(path, mode)):close()
      assert.equal(mode:sub(1, 1) == "w" and "" or "old", slurp(path))
    end
    assert.equal("EEXIST", (select(3, fs.open(path, "wx"))))
    assert.equal("EEXIST", (select(3, fs.open(path, "a+xb"))))
    assert(fs.open(dir .. "/new", "w+bx")):close()
    assert.equal("", slurp(dir .. "/new"))
    assert(fs.open(path)):close()
    for _, mode in ipairs({ "", "x", "rx", "r+x", "rw", "w++", "+r", "wz", "b", "r ", "wb+" }) do
      local ok, message = pcall(fs.open, path, mode)
      assert.is_false(ok, mode)
      assert(message:match("bad argument #2 to '[%w.]*open' %(invalid mode%)"), message)
    end
  end)

  it("fails as io.open does, and leaves nothing open", function()
    local dir <close> = support.tempdir()
    local before = support.fds()
    for _, case in ipairs({ { "/no", "r" }, { "/no/file", "w" }, { "", "w" }, { "", "r+" } }) do
      local path = dir .. case[1]
      local _, stock = io.open(path, case[2])
      local result, message, code = fs.open(path, case[2])
      assert.is_nil(result)
      assert.equal(stock, message)
      assert.equal("string", type(code))
    end
    local folder <close> = assert(fs.open(dir.path)) -- io's "r" opens one, too
    assert.same({ nil, "Is a directory", "EISDIR" }, { folder:read(1) })
    folder:close()
    assert.equal(before, support.fds())
  end)
end)

describe("a file", function()
  it("does what io's does", function()
    local dir <close> = support.tempdir()
    local first = support.soak and os.time() or 1
    for seed = first, first + support.count(100, 5000) - 1 do
      filediff.run(seed, dir)
    end
  end)

  it("may be written after it was read, and read after it was written", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "one\ntwo\nthree\n")
    local file <close> = assert(fs.open(path, "r+"))
    assert.equal("one", file:read())
    assert.equal(file, file:write("TWO"))
    assert.equal("", file:read())
    assert.equal("three", file:read())
    assert.equal(file, file:write("four\n"))
    assert.is_nil(file:read())
    assert.equal(19, file:seek())
    assert(file:close())
    assert.equal("one\nTWO\nthree\nfour\n", slurp(path))
  end)

  it("appends wherever it was read", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "abc")
    local file <close> = assert(fs.open(path, "a+"))
    assert.equal("a", file:read(1))
    assert(file:write("d"))
    assert.equal(4, file:seek())
    assert.equal(1, file:seek("set", 1))
    assert.equal("bcd", file:read("a"))
    assert(file:write("e"))
    assert(file:close())
    assert.equal("abcde", slurp(path))
  end)

  it("keeps small writes in a buffer", function()
    local dir <close> = support.tempdir()
    local path = dir .. "/file"
    local file <close> = assert(fs.open(path, "w"))
    assert(file:write("a", 1, "\n"))
    assert.equal("", slurp(path))
    assert.is_true(file:flush())
    assert.equal("a1\n", slurp(path))
    assert.is_true(file:setvbuf("line"))
    assert(file:write("b"))
    assert.equal("a1\n", slurp(path))
    assert(file:write("c\nd"))
    assert.equal("a1\nbc\nd", slurp(path))
    assert.is_true(file:setvbuf("no"))
    assert(file:write("e"))
    assert.equal("a1\nbc\nde", slurp(path))
    assert.is_true(file:setvbuf("full", 4))
    assert(file:write("123"))
    assert.equal("a1\nbc\nde", slurp(path))
    assert(file:write("4"))
    assert.equal("a1\nbc\nde1234", slurp(path))
    assert(file:write("5"))
    assert.is_true(file:close())
    assert.equal("a1\nbc\nde12345", slurp(path))
  end)

  it("reads and writes more than a buffer at once", function()
    local dir <close> = support.tempdir()
    local path = dir .. "/file"
    local big = ("0123456789abcdef"):rep(support.variant == "hostile" and 500 or 20000)
    do
      local file <close> = assert(fs.open(path, "w+"))
      assert(file:write("<", big, ">", big))
      assert.equal(0, file:seek("set"))
      assert.equal("<", file:read(1))
      assert.is_true(big == file:read(#big))
      assert.equal(">", file:read(1))
      assert.is_true(big == file:read("l"))
      assert.is_nil(file:read("l"))
      assert.equal("", file:read("a"))
    end
    assert.equal(2 * #big + 2, #slurp(path))
  end)

  it("says what it is", function()
    local dir <close> = support.tempdir()
    local file = assert(fs.open(spit(dir .. "/file", ""), "r"))
    assert(tostring(file):match("^file %(0x%x+%)$"), tostring(file))
    assert.is_true(file:close())
    assert.equal("file (closed)", tostring(file))
    assert.equal("neap.file", getmetatable(file).__name)
  end)

  it("is closed once, and then says so", function()
    local dir <close> = support.tempdir()
    local file = assert(fs.open(spit(dir .. "/file", "x\ny\n"), "r+"))
    local next_line = file:lines()
    assert.equal("x", next_line())
    assert.is_true(file:close())
    assert.is_true(file:close())
    for _, method in ipairs({ "read", "write", "seek", "flush", "lines" }) do
      assert.same({ nil, "file is closed", "EBADF" }, { file[method](file) })
    end
    assert.same({ nil, "file is closed", "EBADF" }, { file:setvbuf("no") })
    local ok, message = pcall(next_line)
    assert.is_false(ok)
    assert(message:find("file is already closed", 1, true), message)
  end)

  it("survives every wrong argument", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", ("line\n"):rep(10))
    local file <close> = assert(fs.open(path, "r+"))
    for _, name in ipairs({ "read", "lines", "write", "seek", "flush", "setvbuf", "close" }) do
      for what, value in support.badvalues() do
        assert.is_false(pcall(file[name], value), name .. " of " .. what)
      end
    end
    support.call_badly(file.read, { file, "l", 1, "n" }, 4, function(place)
      return place == 1
    end)
    support.call_badly(file.lines, { file, "l", 1 }, 3, function(place)
      return place == 1
    end)
    support.call_badly(file.write, { file, "x", 1 }, 3, function(place)
      return place == 1
    end)
    support.call_badly(file.seek, { file, "set", 1 }, 3, function(place)
      return place == 1
    end)
    support.call_badly(file.setvbuf, { file, "full", 100 }, 3, function(place)
      return place == 1
    end)
    assert.is_false(pcall(file.read, file, "x"))
    assert.is_false(pcall(file.write, file, {}))
    assert.is_false(pcall(file.lines, file, table.unpack(table.pack(("l"):rep(251):byte(1, -1)))))
    assert.has_error(function()
      getmetatable(file).__close({})
    end)
  end)
end)

describe("two tasks on one file", function()
  it("write whole pieces", function()
    local dir <close> = support.tempdir()
    local path = dir .. "/file"
    local file = assert(fs.open(path, "w"))
    assert(file:setvbuf("no"))
    local tasks = {}
    for i = 1, 10 do
      tasks[i] = neap.spawn(function()
        for _ = 1, 5 do
          assert(file:write(("%d"):format(i % 10):rep(50), "", "\n"))
        end
      end)
    end
    for i = 1, 10 do
      tasks[i]:join()
    end
    assert(file:close())
    local lines = 0
    for line in io.lines(path) do
      lines = lines + 1
      assert.equal(line:sub(1, 1):rep(50), line)
    end
    assert.equal(50, lines)
  end)

  it("read whole values", function()
    local dir <close> = support.tempdir()
    local pairs_of_lines = {}
    for i = 1, 60 do
      pairs_of_lines[i] = ("%d\n%d\n"):format(i, i)
    end
    local path = spit(dir .. "/file", table.concat(pairs_of_lines))
    local file <close> = assert(fs.open(path))
    local seen, tasks = {}, {}
    for i = 1, 6 do
      tasks[i] = neap.spawn(function()
        while true do
          local a, b = file:read("l", "n")
          if not a then
            return
          end
          assert.equal(tonumber(a), b)
          assert.equal("\n", file:read(1) or "\n")
          seen[#seen + 1] = b
        end
      end)
      if i == 1 then
        tasks[1]:join() -- the others meet the end
      end
    end
    for i = 2, 6 do
      tasks[i]:join()
    end
    assert.equal(60, #seen)
  end)

  it("wait for each other at a FIFO", function()
    local dir <close> = support.tempdir()
    local path = fifo_in(dir)
    local reading = assert(fs.open(path))
    local writing = assert(fs.open(path, "w"))
    local got = {}
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = neap.spawn(function()
        got[i] = table.pack(reading:read(2, 1))
      end)
    end
    settle()
    assert(writing:write("ab"))
    assert(writing:flush())
    settle()
    assert.is_nil(got[1])
    assert(writing:write("cdefghi"))
    assert(writing:close())
    for i = 1, 3 do
      tasks[i]:join()
    end
    local whole = {}
    for i = 1, 3 do
      whole[i] = got[i][1] .. got[i][2]
    end
    table.sort(whole) -- the hostile build shuffles who comes first
    assert.same({ "abc", "def", "ghi" }, whole)
    assert(reading:close())
  end)

  it("are sent away when it is closed", function()
    local dir <close> = support.tempdir()
    local path = fifo_in(dir)
    local reading = assert(fs.open(path))
    local writing <close> = assert(fs.open(path, "w"))
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = neap.spawn(reading.read, reading, "l")
    end
    settle()
    assert.is_true(reading:close())
    for i = 1, 3 do
      local result, _, code = tasks[i]:join()
      assert.is_nil(result)
      assert.equal("ECANCELED", code)
    end
    assert.equal("file (closed)", tostring(reading))
    assert.same({ nil, "Broken pipe", "EPIPE" }, { writing:write("x"):flush() })
  end)

  it("may close it while it is used", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", ("x"):rep(1000))
    local before = support.fds()
    for _ = 1, 20 do
      local file = assert(fs.open(path, "r+"))
      local tasks = {}
      for i = 1, 4 do
        tasks[i] = neap.spawn(function()
          while true do
            local ok, _, code = file:read(10)
            if not ok and code then
              return code
            end
            ok, _, code = file:write("y")
            if not ok then
              return code
            end
            file:seek("set", 0)
          end
        end)
      end
      neap.yield()
      neap.yield()
      assert(file:close())
      for i = 1, 4 do
        local code = tasks[i]:join()
        assert(code == "EBADF" or code == "ECANCELED", code)
      end
    end
    assert.equal(before, support.fds())
  end)
end)

describe("a FIFO", function()
  it("waits for its reader when it is full", function()
    local dir <close> = support.tempdir()
    local path = fifo_in(dir)
    local reading <close> = assert(fs.open(path))
    local n = support.variant == "hostile" and 70000 or 300000
    local writer = neap.spawn(function()
      local writing <close> = assert(fs.open(path, "w"))
      assert(writing:write(("x"):rep(n)))
      assert(writing:write("end"))
    end)
    settle()
    assert.equal("waiting", writer:status())
    assert.equal(n + 3, #reading:read("a"))
    writer:join()
    assert.is_nil(reading:read(1))
  end)

  it("without a reader is waited for by who opens it for writing", function()
    local dir <close> = support.tempdir()
    local path = fifo_in(dir)
    local before = support.fds()
    local writer = neap.spawn(function()
      local file <close> = assert(fs.open(path, "w"))
      assert(file:write("came"))
    end)
    while writer:stats().waiting_for ~= "fifo" do
      neap.yield()
    end
    assert.equal("ENXIO", (select(3, fs.open(path, { flags = "wronly nonblock" }))))
    local reader <close> = assert(fs.open(path))
    assert.equal("came", reader:read("a"))
    writer:join()
    reader:close()
    assert.equal(before, support.fds())
  end)

  it("is not waited for any more by who is cancelled", function()
    local dir <close> = support.tempdir()
    local path = fifo_in(dir)
    local before = support.fds()
    for _, write in ipairs({
      function() return fs.open(path, "w") end,
      function() return fs.open(path, "a") end,
      function() return fs.writefile(path, "x") end,
    }) do
      local writer = neap.spawn(write)
      while writer:stats().waiting_for ~= "fifo" do
        neap.yield()
      end
      assert.is_true(writer:cancel())
      assert.is_false(writer:wait())
    end
    assert.equal("ENXIO", (select(3, fs.open("/dev/tty", "w"))) or "ENXIO")
    assert.equal(before, support.fds())
  end)
end)

describe("lines", function()
  it("raise what fails", function()
    local dir <close> = support.tempdir()
    local file <close> = assert(fs.open(dir .. "/file", "w"))
    local ok, message = pcall(file:lines())
    assert.is_false(ok)
    assert(message:find("Bad file descriptor", 1, true), message)
    assert.has_error(function()
      file:lines("q")
    end)
  end)

  it("take formats and leave the file open", function()
    local dir <close> = support.tempdir()
    local file <close> = assert(fs.open(spit(dir .. "/file", "1 2\n3 4\nrest"), "r"))
    local sum = 0
    for a, b in file:lines("n", "n") do
      sum = sum + a * b
    end
    assert.equal(14, sum)
    assert.equal(12, file:seek("end"))
  end)
end)
