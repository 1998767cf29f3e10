-- neap.compat: io and os for tasks. What they return and raise is compared with
-- Lua's own, in one process: the functions are kept before they are swapped.
local filediff = require("spec.support.filediff")
local support = require("spec.support")

local neap = require("neap")
local compat = require("neap.compat")

local settle, spit, slurp = support.settle, support.spit, support.slurp

local function copy(library)
  local list = {}
  for name, value in pairs(library) do
    list[name] = value
  end
  return list
end

local stock = { io = copy(io), os = copy(os) }

-- Runs fn while io and os are swapped.
local function patched(fn, ...)
  local undo <close> = setmetatable({ compat.patch({ io = true, os = true }) }, {
    __close = function(self)
      self[1]()
    end,
  })
  assert(undo)
  return fn(...)
end

-- The libraries as they are while they are swapped; callable at any time.
local ours = patched(function()
  return { io = copy(io), os = copy(os) }
end)

-- Results as text. Addresses differ, and the names under which functions are
-- found in package.loaded.
local function text_of(...)
  local list = table.pack(...)
  for i = 1, list.n do
    local value = list[i]
    local text = tostring(value):gsub("0x%x+", "0x"):gsub("'io%.", "'"):gsub("'os%.", "'")
    list[i] = (math.type(value) or type(value)) .. " " .. text
  end
  return table.concat(list, ", ")
end

local function same_results(dir, calls)
  for i, call in ipairs(calls) do
    local place = {}
    for which, library in pairs({ stock = stock, ours = ours }) do
      local path = dir .. "/" .. which .. i
      local text = text_of(pcall(call, library.io, library.os, path))
      place[which] = text:gsub(path:gsub("%p", "%%%0"), "PATH"):gsub("compat_spec.lua:%d+", "")
    end
    if _VERSION == "Lua 5.5" then -- its write tells as well how much was written
      place.stock = place.stock:gsub(
        "^(boolean true, nil nil, string [%a ]+, integer %d+), integer 0$", "%1")
    end
    assert.equal(place.stock, place.ours, "call " .. i)
  end
end

describe("compat.patch", function()
  it("swaps, and what it returns undoes it", function()
    local undo = compat.patch({ io = true })
    assert.are_not.equal(stock.io.open, io.open)
    assert.equal(stock.os.remove, os.remove)
    local undo_both = compat.patch({ io = true, os = true })
    undo()
    undo() -- once is enough
    assert.are_not.equal(stock.io.open, io.open)
    assert.are_not.equal(stock.os.remove, os.remove)
    local mine = function() end
    rawset(io, "popen", mine)
    undo_both()
    assert.equal(mine, io.popen)
    rawset(io, "popen", stock.io.popen)
    assert.same(stock, { io = copy(io), os = copy(os) })
  end)

  it("swaps all functions of io", function()
    for name in pairs(stock.io) do
      assert(ours.io[name] ~= stock.io[name], name)
    end
  end)

  it("refuses what it does not know", function()
    for _, options in ipairs({ { sockets = true }, { io = 1 }, { true } }) do
      local ok, message = pcall(compat.patch, options)
      assert.is_false(ok)
      assert(message:match("^[^:]*:?%d*:? ?bad argument #1 to 'patch'"), message)
    end
    assert.is_false(pcall(compat.patch))
    assert.same(stock, { io = copy(io), os = copy(os) })
  end)

  it("does nothing when the module is loaded", function()
    local output = support.lua([[
      local open, exit = io.open, os.exit
      require("neap.compat")
      print(io.open == open, os.exit == exit)
    ]])
    assert.equal("true\ttrue\n", output)
  end)
end)

describe("patched io", function()
  it("does with files what io does", function()
    local dir <close> = support.tempdir()
    local first = support.soak and os.time() or 1
    for seed = first, first + support.count(100, 2000) - 1 do
      filediff.run(seed, dir, ours.io.open)
    end
  end)

  it("fails and raises as io does", function()
    local dir <close> = support.tempdir()
    local closed = {}
    for which, library in pairs({ stock = stock, ours = ours }) do
      closed[library.io] = assert(library.io.open(spit(dir .. "/" .. which, "x")))
      closed[library.io]:close()
    end
    local function on_closed(method)
      return function(io)
        return closed[io][method](closed[io], method == "seek" and "set" or nil)
      end
    end
    same_results(dir.path, {
      function(io, _, path) return io.open(path) end,
      function(io, _, path) return io.open(path .. "/x", "w") end,
      function(io) return io.open("/etc", "w") end,
      function(io, _, path) return io.open(path .. ("x"):rep(5000)) end,
      function(io) return io.open("") end,
      function(io, _, path) return io.open(path, "wx") end,
      function(io, _, path) return io.open(path, "rb+") end,
      function(io, _, path) return io.open(path, "") end,
      function(io) return io.open({}) end,
      function(io) return io.open() end,
      function(io, _, path) return io.lines(path) end,
      function(io) for _ in io.lines("/etc") do end end,
      function(io) for _ in io.lines("/etc/passwd", "q") do end end,
      function(io) return select("#", io.lines("/etc/passwd", "n", 4)) end,
      function(io, _, path) return io.input(path) end,
      function(io) return io.input({}) end,
      function(io) return io.input(closed[io]) end,
      function(io, _, path) return io.output(path .. "/x") end,
      function(io) return io.read("q") end,
      function(io) return io.read({}) end,
      function(io) return io.write({}) end,
      function(io) return io.write("", nil) end,
      function(io) return io.close(1) end,
      function(io) return io.close(closed[io]) end,
      function(io) return io.close() end,
      function(io) return io.stdin:close() end,
      function(io) return io.stderr:close() end,
      function(io) return io.type() end,
      function(io) return io.type(closed[io]) end,
      function(io) return io.type(io.stdout) end,
      function(io) return io.type({}) end,
      function(io) return io.popen("true", "rw") end,
      function(io) return io.popen() end,
      function(io) return io.popen("exit 3"):close() end,
      function(io) return io.popen("kill -9 $$"):close() end,
      function(io) return io.popen("true"):close() end,
      function(io) return io.popen("cat >/dev/null; exit 2", "w"):write("x"):close() end,
      function(io) return io.popen("no-such-command-at-all 2>/dev/null"):close() end,
      function(io) return io.popen("echo text; echo more"):read("L", "l", "l") end,
      function(io) return io.popen("echo"):write("x") end,
      function(io) return io.tmpfile():write("text"):seek("set", 1) end,
      function(io)
        local f <close> = io.tmpfile()
        f:write("ab\n"):seek("set")
        return f:read("a")
      end,
      function(io, _, path)
        local f <close> = io.open(path, "w")
        return f:read(1)
      end,
      function(io, _, path)
        spit(path, "text")
        local f <close> = io.open(path)
        return f:write("x")
      end,
      function(io)
        local f <close> = io.open("/etc")
        return f:read("a")
      end,
      function(io)
        local f = io.open("/dev/full", "w")
        f:setvbuf("no")
        local result = table.pack(f:write("x"))
        f:close()
        return table.unpack(result, 1, result.n)
      end,
      function(io)
        local f = io.open("/dev/full", "w")
        f:write("x")
        return f:close()
      end,
      function(io)
        local f = io.open("/dev/full", "w")
        f:write("x")
        return f:flush()
      end,
      function(io)
        local f <close> = io.open("/dev/full", "w")
        f:write("x") -- whoever does not ask is not told
      end,
      function(io) return io.stdout:seek("from") end,
      function(io) return io.stdout:setvbuf("some") end,
      function(io) local f <close> = io.open("/etc/passwd"); return f:seek("set", -1) end,
      function(io) local f <close> = io.open("/etc/passwd"); return f:setvbuf("full", 100) end,
      function(io) local f <close> = io.open("/etc/passwd"); return f:lines("x")() end,
      function(io) return io.stdin.read(nil) end,
      function(io) return getmetatable(io.stdin).__name, tostring(closed[io]) end,
      function(io) return tostring(io.stdin):match("^file %(") end,
      on_closed("read"), on_closed("write"), on_closed("lines"), on_closed("seek"),
      on_closed("flush"), on_closed("setvbuf"), on_closed("close"),
      function(io)
        local f = io.open("/etc/passwd")
        local next_line = f:lines()
        f:close()
        return next_line()
      end,
    })
  end)

  it("has default files as io has", function()
    local dir <close> = support.tempdir()
    spit(dir .. "/in", "one\n2 3\nrest\n")
    local function run(io, out)
      local log = {}
      local function note(...)
        log[#log + 1] = text_of(...)
      end
      local input, output = io.input(), io.output()
      io.input(dir .. "/in")
      io.output(out)
      note(io.read())
      note(io.read("n", "n"))
      io.write("text ", 1, " ", 0.5, "\n")
      note(io.write() == io.output())
      note(io.flush() == io.output() or io.flush())
      for line in io.lines() do
        note(line)
      end
      note(io.read("a"), io.read())
      note(io.type(io.input()))
      note(io.close())
      note(pcall(io.write, "x"))
      note(pcall(io.flush))
      note(pcall(io.close))
      note(io.close(io.input()))
      note(pcall(io.read))
      note(pcall(io.lines))
      io.input(input)
      io.output(output)
      return table.concat(log, "\n")
    end
    assert.equal(run(stock.io, dir .. "/stock"), run(ours.io, dir .. "/ours"))
    assert.equal("text 1 0.5\n", slurp(dir .. "/ours"))
    assert.equal(slurp(dir .. "/stock"), slurp(dir .. "/ours"))
  end)

  it("takes Lua's own files as well", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "one\ntwo\n")
    local file <close> = assert(stock.io.open(path))
    local input = ours.io.input()
    assert.equal(file, ours.io.input(file))
    assert.equal("one", ours.io.read())
    assert.equal("two", ours.io.lines()())
    assert.equal("file", ours.io.type(file))
    assert.is_true(ours.io.close(file))
    assert.equal("closed file", ours.io.type(file))
    ours.io.input(input)
  end)

  it("goes on with the default files that the script had", function()
    local dir <close> = support.tempdir()
    local output = support.lua([[
      io.output(arg[1])
      io.write("one\n")
      local undo = require("neap.compat").patch({ io = true })
      io.write("two\n")
      io.close()
      undo()
      io.stdout:write(io.type(io.output()), "\n")
    ]], { args = { dir .. "/out" } })
    assert.equal("closed file\n", output)
    assert.equal("one\ntwo\n", slurp(dir .. "/out"))
  end)

  it("writes in order with print, and what is left before os.exit", function()
    local dir <close> = support.tempdir()
    for _, how in ipairs({ "os.exit(3)", "os.exit(3, true)", "neap.spawn(os.exit, 3):wait()" }) do
      local output, status = support.lua([[
        local neap = require("neap")
        require("neap.compat").patch({ io = true, os = true })
        print("one")
        io.write("two\n")
        io.stdout:setvbuf("full")
        print("three")
        io.stdout:write("four\n")
        io.flush()
        left = io.open(arg[1], "w")
        left:write("left")
        setmetatable({}, { __gc = function()
          io.write("finalized\n")
        end })
        collectgarbage()
      ]] .. how, { args = { dir .. "/out" } })
      assert.equal("one\ntwo\nthree\nfour\nfinalized\n", output)
      assert.equal(3, status)
      assert.equal("left", slurp(dir .. "/out"))
      spit(dir .. "/out", "")
    end
  end)

  it("writes out before a command is started that may read it", function()
    local dir <close> = support.tempdir()
    local path = dir .. "/file"
    local file <close> = assert(ours.io.open(path, "w"))
    file:write("text")
    local pipe <close> = assert(ours.io.popen("cat " .. support.quote(path)))
    assert.equal("text", pipe:read("a"))
  end)

  it("makes only its own task wait", function()
    local dir <close> = support.tempdir()
    local fifo = dir .. "/fifo"
    assert(stock.os.execute("mkfifo " .. support.quote(fifo)))
    local reader = assert(ours.io.popen("cat " .. support.quote(fifo)))
    local held <close> = assert(neap.fs.open(fifo, "w")) -- waits until cat has opened it
    local task = neap.spawn(reader.read, reader, "a")
    settle()
    assert.equal("waiting", task:status())
    local pipe = assert(ours.io.popen("head -c 5 >/dev/null; exit 1", "w"))
    pipe:write("12345")
    assert.same({ nil, "exit", 1 }, { pipe:close() })
    assert.equal("waiting", task:status())
    assert(held:write("text"))
    assert(held:close())
    assert.equal("text", task:join())
    assert.is_true((reader:close()))
  end)

  it("can be given to a program", function()
    local dir <close> = support.tempdir()
    local file <close> = assert(ours.io.open(spit(dir .. "/file", "text")))
    assert.equal("text", neap.process.run({ "cat", stdin = file }).stdout)
  end)
end)

describe("patched os", function()
  it("returns and fails as os does", function()
    local dir <close> = support.tempdir()
    same_results(dir.path, {
      function(_, os, path) return os.remove(path) end,
      function(_, os, path) return os.remove(spit(path, "")) end,
      function(_, os) return os.remove("/") end,
      function(_, os) return os.remove("") end,
      function(_, os) return os.remove() end,
      function(_, os, path) stock.os.execute("mkdir " .. path); return os.remove(path) end,
      function(_, os, path)
        stock.os.execute("mkdir -p " .. path .. "/x")
        return os.remove(path)
      end,
      function(_, os, path) return os.rename(path, path .. "x") end,
      function(_, os, path) return os.rename(spit(path, ""), path .. "/x") end,
      function(_, os, path) return os.rename(spit(path, ""), path .. "x") end,
      function(_, os) return os.rename("x") end,
      function(_, os) return os.execute() end,
      function(_, os) return os.execute("exit 3") end,
      function(_, os) return os.execute("kill -15 $$") end,
      function(_, os) return os.execute("true") end,
      function(_, os) return os.execute({}) end,
      function(_, os) return os.execute("no-such-command-at-all 2>/dev/null") end,
      function(_, os)
        local name = os.tmpname()
        local there = slurp(name)
        os.remove(name)
        return #name, name:match("^/tmp/lua_"), there
      end,
    })
  end)

  it("ends the command of a task that is cancelled", function()
    local dir <close> = support.tempdir()
    local fifo = dir .. "/fifo"
    assert(stock.os.execute("mkfifo " .. support.quote(fifo)))
    local task = neap.spawn(function()
      ours.os.execute("echo >" .. support.quote(fifo) .. "; exec sleep 1000")
    end)
    assert.equal("\n", neap.fs.readfile(fifo)) -- it runs
    task:cancel()
    local ok, err = task:wait()
    assert.is_false(ok)
    assert(tostring(err):find("cancel"), tostring(err))
  end)
end)
