-- file:lock between files, tasks and processes.
local support = require("spec.support")

local neap = require("neap")
local fs = require("neap.fs")

local settle, spit, slurp = support.settle, support.spit, support.slurp

-- Until the task waits for a lock between two tries.
local function until_it_waits(task)
  while task:stats().waiting_for ~= "lock" or task:status() ~= "waiting" do
    neap.yield()
  end
end

describe("file:lock", function()
  it("keeps others out until it is closed", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "")
    local a <close> = assert(fs.open(path, "r+"))
    local b <close> = assert(fs.open(path, "r+"))
    local lock = assert(a:lock())
    assert.equal("neap.lock", getmetatable(lock).__name)
    assert(tostring(lock):match("^lock %(0x%x+%)$"), tostring(lock))
    assert.equal("EAGAIN", (select(3, b:lock({ wait = false }))))
    assert.equal("EAGAIN", (select(3, b:lock({ wait = false, shared = true }))))
    assert.same({ nil, "timed out after 0 s", "ETIMEDOUT" }, { b:lock({ wait = 0 }) })
    assert.same({ nil, "timed out after 0.01 s", "ETIMEDOUT" }, { b:lock({ wait = 0.01 }) })
    local order = {}
    local waiter = neap.spawn(function()
      local mine <close> = assert(b:lock())
      order[#order + 1] = tostring(mine):match("^%a+")
    end)
    until_it_waits(waiter)
    order[1] = "unlock"
    assert.is_true(lock:close())
    assert.is_true(lock:close())
    assert.equal("lock (closed)", tostring(lock))
    waiter:join()
    assert.same({ "unlock", "lock" }, order)
    local again <close> = assert(a:lock({ wait = false }))
    assert(again)
  end)

  it("may be shared, and changed", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "")
    local a <close> = assert(fs.open(path, "r+"))
    local b <close> = assert(fs.open(path, "r+"))
    local first = assert(a:lock({ shared = true }))
    local second = assert(b:lock({ shared = true, wait = false }))
    assert.equal("EAGAIN", (select(3, a:lock({ wait = false }))))
    assert.is_true(second:close())
    local changed = assert(a:lock({ wait = false })) -- now a's is its own alone
    assert.equal("EAGAIN", (select(3, b:lock({ shared = true, wait = false }))))
    assert.is_true(first:close()) -- it is not the file's lock any more
    assert.equal("EAGAIN", (select(3, b:lock({ shared = true, wait = false }))))
    assert.is_true(changed:close())
    assert.is_true(assert(b:lock({ wait = false })):close())
  end)

  it("ends with the file", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "")
    local a = assert(fs.open(path, "r+"))
    local b <close> = assert(fs.open(path, "r+"))
    local lock = assert(a:lock())
    assert(a:close())
    assert.is_true(assert(b:lock({ wait = false })):close())
    assert.is_true(lock:close())
    -- One that nobody holds on to stays.
    local c <close> = assert(fs.open(path, "r+"))
    assert(c:lock())
    collectgarbage()
    collectgarbage()
    assert.equal("EAGAIN", (select(3, b:lock({ wait = false }))))
  end)

  it("is between what was written before and after it", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/count", "0")
    local tasks = {}
    local rounds = support.variant == "hostile" and 3 or 10
    for i = 1, 4 do
      tasks[i] = neap.spawn(function()
        local file <close> = assert(fs.open(path, "r+"))
        for _ = 1, rounds do
          local lock <close> = assert(file:lock())
          file:seek("set")
          local n = file:read("n")
          neap.yield()
          file:seek("set")
          assert(file:write(n + 1)) -- the lock's end writes it out
          assert(lock)
        end
      end)
    end
    for i = 1, 4 do
      tasks[i]:join()
    end
    assert.equal(tostring(4 * rounds), slurp(path))
  end)

  it("forgets what was read ahead", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "old old")
    local file <close> = assert(fs.open(path, "r+"))
    assert.equal("old", file:read(3))
    spit(path, "old new")
    local lock <close> = assert(file:lock())
    assert.equal(" new", file:read("a"))
    assert(lock)
  end)

  it("holds between processes", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "")
    local file <close> = assert(fs.open(path, "r+"))
    local lock = assert(file:lock())
    local try = ([[
      local fs = require("neap.fs")
      local file = assert(fs.open(%q, "r+"))
      local lock, message, code = file:lock({ wait = false })
      print(lock and "locked" or code)
    ]]):format(path)
    assert.equal("EAGAIN\n", (support.lua(try)))
    lock:close()
    assert.equal("locked\n", (support.lua(try)))
  end)

  it("that waits is cancelled, and sent away when the file is closed", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "")
    local a <close> = assert(fs.open(path, "r+"))
    local b = assert(fs.open(path, "r+"))
    local lock <close> = assert(a:lock())
    local waiter = neap.spawn(b.lock, b)
    until_it_waits(waiter)
    assert.equal(b, b:write("others may use the file"))
    assert.is_true(waiter:cancel())
    assert.is_false(waiter:wait())
    waiter = neap.spawn(b.lock, b)
    until_it_waits(waiter)
    assert(b:close())
    assert.equal("ECANCELED", (select(3, waiter:join())))
    assert(lock)
    settle()
  end)

  it("needs a file that is open for it", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "")
    local reading <close> = assert(fs.open(path))
    local writing <close> = assert(fs.open(path, "w"))
    assert.equal("EBADF", (select(3, reading:lock())))
    assert.equal("EBADF", (select(3, writing:lock({ shared = true }))))
    assert.is_true(assert(reading:lock({ shared = true })):close())
    for _, options in ipairs({ { wait = "x" }, { wait = 0 / 0 }, { shared = 1 }, 1, "x" }) do
      assert.is_false(pcall(reading.lock, reading, options))
    end
    local lock = assert(writing:lock())
    for what, value in support.badvalues() do
      assert.is_false(pcall(lock.close, value), what)
    end
  end)

  it("tells at its end what could not be written", function()
    local file <close> = assert(fs.open("/dev/full", "w"))
    local lock = assert(file:lock())
    assert(file:write("x"))
    assert.same({ nil, "No space left on device", "ENOSPC" }, { lock:close() })
    assert.is_true(lock:close())
    assert.has_error(function()
      local again <close> = assert(file:lock())
      assert(file:write(again and "x"))
    end)
  end)

  it("may be left to the end of the script", function()
    for _, ending in ipairs({ "", "os.exit(0, true)", "neap.exit(0)" }) do
      local dir <close> = support.tempdir()
      local output, status = support.lua(([[
        local neap = require("neap")
        local fs = require("neap.fs")
        local a = assert(fs.open(%q, "w"))
        local b = assert(fs.open(%q, "w"))
        local lock = assert(a:lock())
        local written
        neap.spawn(function()
          local mine <close> = assert(a:lock())
          written = a:write("kept")
          neap.sleep(math.huge)
        end)
        neap.spawn({ quiet = true }, b.lock, b)
        while not written or neap.tasks()[3]:stats().waiting_for ~= "lock" do
          neap.yield()
        end
        %s
      ]]):format(dir .. "/file", dir .. "/file", ending))
      assert.equal(0, status, output)
      assert.equal("kept", slurp(dir .. "/file"), output)
    end
  end)
end)
