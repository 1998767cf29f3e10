-- Full buffers are written while the script goes on: order, failures, ends.
local support = require("spec.support")
local sysfault = require("spec.support.sysfault")

local neap = require("neap")
local fs = require("neap.fs")

local slurp = support.slurp

-- A buffer's worth, and a piece of it.
local buffer = support.variant == "hostile" and 92 or 256 * 1024
local piece = buffer // 4

describe("writing behind", function()
  it("keeps every byte in its place", function()
    local dir <close> = support.tempdir()
    local path = dir .. "/file"
    local rounds = support.count(3, 20)
    math.randomseed(7)
    for _ = 1, rounds do
      local parts = {}
      local file <close> = assert(fs.open(path, "w+"))
      for i = 1, 40 do
        local n = math.random(0, 3) * piece + math.random(0, 50)
        parts[i] = string.char(33 + i):rep(n)
        assert.equal(file, file:write(parts[i]))
        if math.random(8) == 1 then
          assert.equal(#table.concat(parts), file:seek())
        elseif math.random(8) == 1 then
          assert.is_true(file:flush())
          assert.is_true(table.concat(parts) == slurp(path))
        elseif math.random(8) == 1 then
          assert.equal(#table.concat(parts), file:stat().size)
        end
      end
      if math.random(2) == 1 then
        assert.equal(0, file:seek("set"))
        assert.is_true(table.concat(parts) == file:read("a"))
      end
      assert(file:close())
      assert.is_true(table.concat(parts) == slurp(path))
    end
  end)

  it("by several tasks keeps their pieces whole", function()
    local dir <close> = support.tempdir()
    local path = dir .. "/file"
    local file = assert(fs.open(path, "w"))
    local tasks = {}
    for i = 0, 7 do
      tasks[#tasks + 1] = neap.spawn(function()
        for _ = 1, 10 do
          assert(file:write((tostring(i)):rep(piece - 1), "\n"))
        end
      end)
    end
    for _, task in ipairs(tasks) do
      task:join()
    end
    assert(file:close())
    local lines = 0
    for line in io.lines(path) do
      lines = lines + 1
      assert.is_true(line == line:sub(1, 1):rep(piece - 1))
    end
    assert.equal(80, lines)
  end)

  -- fault 36, 37
  it("tells what failed by the next call", function()
    for _, call in ipairs({
      "file:write('x')", "file:flush()", "file:seek('cur')", "file:close()", "file:sync()",
      "file:stat()", "file:read(1)", "file:setvbuf('no')", "file:pwrite('x', 0)", "lock:close()",
    }) do
      local output, status = sysfault.lua("write:ENOSPC", ([[
        local neap = require("neap")
        local fs = require("neap.fs")
        local path = os.tmpname()
        local file = assert(fs.open(path, "w+"))
        local lock = assert(file:lock())
        local full = ("x"):rep(%d)
        assert(file:write(full)) -- taken
        while neap.info().jobs > 0 do
          neap.yield()
        end
        print(select(3, %s))
        print(file:close()) -- told once
        assert(#io.open(path):read("a") == 0)
        os.remove(path)
      ]]):format(buffer, call))
      assert.equal("ENOSPC\ntrue\n", output, call)
      assert.equal(0, status)
    end
  end)

  it("drops what comes after a failure, which would go to the wrong place", function()
    local output = sysfault.lua("write:ENOSPC:-1", ([[
      local fs = require("neap.fs")
      local path = os.tmpname()
      local file = assert(fs.open(path, "w"))
      local full = ("x"):rep(%d)
      assert(file:write(full))
      local ok, _, code = file:write("behind it")
      if ok then
        ok, _, code = file:flush()
      end
      print(ok, code)
      assert(file:write("new start"))
      print(file:close())
      print(io.open(path):read("a"))
      os.remove(path)
    ]]):format(buffer))
    assert.equal("nil\tENOSPC\ntrue\nnew start\n", output)
  end)

  it("lets the script go on, for one more buffer", function()
    local output, status = sysfault.lua("write:HOLD", ([[
      local neap = require("neap")
      local fs = require("neap.fs")
      local path = os.tmpname()
      local file = assert(fs.open(path, "w"))
      local full = ("x"):rep(%d)
      local n = 0
      local writer = neap.spawn(function()
        for _ = 1, 4 do
          assert(file:write(full))
          n = n + 1
        end
      end)
      while writer:status() ~= "waiting" or n == 0 do
        neap.yield()
      end
      print(n) -- the second one waits for the first
      assert(writer:cancel() and not writer:wait())
      io.open(os.getenv("SYSFAULT_HOLD"), "w"):close()
      assert(file:write("end"))
      assert(file:close())
      local size = #io.open(path):read("a")
      print(size == 2 * #full + 3) -- what a cancelled write has taken stays
      os.remove(path)
    ]]):format(buffer))
    assert.equal("1\ntrue\n", output)
    assert.equal(0, status)
  end)

  it("comes to its end with the file, however that ends", function()
    local rest = "rest"
    for _, ending in ipairs({
      "assert(file:close())", "local f <close> = file", "file = nil collectgarbage()", "",
      "os.exit(0, true)", "neap.exit(0)",
      "neap.spawn(function() file:close() end) neap.yield()",
      "neap.spawn(function() file:write(('x'):rep(1000000)) end) neap.yield() file:close()",
    }) do
      for _, faults in ipairs({ "", "short" }) do
        local n = faults == "short" and buffer // 64 or buffer
        if not ending:find("1000000", 1, true) or faults == "" then
          local dir <close> = support.tempdir()
          local output, status = sysfault.lua(faults, ([[
            local neap = require("neap")
            local fs = require("neap.fs")
            file = assert(fs.open(%q, "w"))
            assert(file:write(("x"):rep(%d)))
            assert(file:write(%q))
            %s
          ]]):format(dir .. "/file", n, rest, ending))
          assert.equal(0, status, output)
          local got = slurp(dir .. "/file")
          assert.is_true(("x"):rep(n) .. rest == got:sub(1, n + #rest), ending)
        end
      end
    end
  end)

  it("that is not begun is done by who may not wait", function()
    -- All threads of the pool are held, so the full buffer's job stays queued.
    local dir <close> = support.tempdir()
    local output, status = sysfault.lua("pread:HOLD", ([[
      local neap = require("neap")
      local fs = require("neap.fs")
      local box = { assert(fs.open(%q, "w+")) }
      local held = {}
      for i = 1, 4 do
        held[i] = assert(fs.open("/etc/passwd"))
      end
      for i = 1, 4 do
        neap.spawn({ quiet = true }, held[i].pread, held[i], 10, 0)
      end
      for _ = 1, 20 do neap.yield() end
      assert(box[1]:write(("x"):rep(%d)))
      assert(box[1]:write("rest"))
      box[1] = nil
      collectgarbage()
      collectgarbage()
      print(#io.open(%q):read("a"))
      io.open(os.getenv("SYSFAULT_HOLD"), "w"):close()
    ]]):format(dir .. "/file", buffer, dir .. "/file"),
      "NEAP_FS=pool UV_THREADPOOL_SIZE=5")
    assert.equal(0, status, output)
    assert.equal(buffer + 4, tonumber(output))
  end)
end)
