-- How files end: closed, collected, with the state, and what could not be
-- written then.
local support = require("spec.support")

local fs = require("neap.fs")

local slurp = support.slurp

local function fifo_in(dir)
  assert(os.execute("mkfifo " .. support.quote(dir .. "/fifo")))
  return dir .. "/fifo"
end

describe("the end of a file", function()
  it("tells what could not be written", function()
    local file = assert(fs.open("/dev/full", "w"))
    assert.equal(file, file:write("x"))
    assert.same({ nil, "No space left on device", "ENOSPC" }, { file:close() })
    assert.is_true(file:close())
    file = assert(fs.open("/dev/full", "w"))
    assert.equal(file, file:write("x"))
    assert.same({ nil, "No space left on device", "ENOSPC" }, { file:flush() })
    assert.is_true(file:close()) -- told once
  end)

  it("raises out of a block, unless an error is on its way", function()
    local ok, message = pcall(function()
      local file <close> = assert(fs.open("/dev/full", "w"))
      file:write("x")
    end)
    assert.is_false(ok)
    assert(message:find("No space left on device", 1, true), message)
    local output = support.lua([[
      warn("@on")
      local fs = require("neap.fs")
      print(pcall(function()
        local file <close> = assert(fs.open("/dev/full", "w"))
        file:write("x")
        error("mine", 0)
      end))
    ]])
    assert.equal("Lua warning: neap: closing a file failed: No space left on device\n" ..
      "false\tmine\n", output)
  end)

  it("comes with the collector, too, and writes what is left", function()
    local output = support.lua([[
      warn("@on")
      local fs = require("neap.fs")
      local path = os.tmpname()
      local function leave(text)
        local file = assert(fs.open(path, "a"))
        file:write(text)
      end
      leave("one ")
      collectgarbage()
      print(fs.readfile(path))
      leave("two")
      collectgarbage()
      print(fs.readfile(path))
      os.remove(path)
    ]])
    assert.equal("Lua warning: neap: a file was not closed\none \n" ..
      "Lua warning: neap: a file was not closed\none two\n", output)
  end)

  it("comes with the state, and writes what is left", function()
    local turns = " for _ = 1, 50 do neap.yield() end"
    local more = "neap.spawn(function() file:write(' more') %s end)" .. turns
    local endings = {
      "",
      more:format("neap.sleep(math.huge)"),
      more:format("os.exit(0, true)"),
      "os.exit(0, true)",
      "setmetatable({}, { __gc = function() file:write('!') end })",
      "neap.spawn(function() local f <close> = file neap.sleep(9) end)" .. turns,
    }
    for i, ending in ipairs(endings) do
      local dir <close> = support.tempdir()
      local output, status = support.lua(([[
        local neap = require("neap")
        local fs = require("neap.fs")
        file = assert(fs.open("%s/file", "w"))
        file:write("kept")
        %s
      ]]):format(dir.path, ending))
      assert.equal(0, status, output)
      local rest = ending:find("more", 1, true) and " more" or ""
      assert.equal("kept" .. rest, slurp(dir .. "/file"), "ending " .. i)
    end
  end)

  it("may come while others wait", function()
    for _, ending in ipairs({ "", "os.exit(0, true)" }) do
      local dir <close> = support.tempdir()
      local path = fifo_in(dir)
      local output, status = support.lua(([[
        local neap = require("neap")
        local fs = require("neap.fs")
        local r, w = assert(fs.open("%s")), assert(fs.open("%s", "w"))
        for _ = 1, 3 do
          neap.spawn(function()
            local ok, message = pcall(r.read, r)
            print(ok, message)
          end)
        end
        neap.spawn(function() w:write(("x"):rep(200000)) end) -- never read
        for _ = 1, 50 do neap.yield() end
        r:close()
        %s
      ]]):format(path, path, ending))
      assert.equal(0, status, output)
      assert(not output:find("traceback", 1, true), output)
    end
  end)

  it("in a finalizer does not wait", function()
    local dir <close> = support.tempdir()
    local file = assert(fs.open(dir .. "/file", "w"))
    assert(file:write("x"))
    local result
    setmetatable({}, { __gc = function()
      result = table.pack(pcall(file.write, file, "y"))
      result.closed = file:close()
    end })
    collectgarbage()
    assert.is_false(result[1])
    assert(tostring(result[2]):find("cannot wait in a finalizer", 1, true), result[2])
    assert.is_true(result.closed)
    assert.equal("x", slurp(dir .. "/file"))
  end)
end)
