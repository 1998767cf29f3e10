-- One row for each function that waits, for spec/cancel_matrix_spec.lua. A row
-- is a function that sets a wait up and returns
--   wait()       the call; what it returns when all is well is told by `value`
--   value        the first result, or a function that looks at it
--   complete()   makes a waiting call complete; nil: nothing does
--   closing      true: a close, which is never cancelled
--   finishes     true: may be done before anybody can cancel it (a cached read, a
--                pool job with an effect that is waited for)
--   timeout(s)   the same call with its own timeout argument
--   close()      puts everything away
local neap = require("neap")
local support = require("spec.support")

local waits = {}

local function forever()
  neap.sleep(math.huge)
end

-- -- tasks and time

waits["neap.sleep"] = function()
  return { wait = forever }
end

waits["neap.sleep_until"] = function()
  return {
    wait = function()
      neap.sleep_until(math.huge)
    end,
  }
end

waits["neap.yield"] = function()
  return { wait = neap.yield, finishes = true }
end

waits["neap.frame"] = function()
  return { wait = neap.frame } -- spec/c/test_lua_open.c completes it
end

waits["neap.every"] = function()
  local tick = neap.every(3600)
  return { wait = tick }
end

waits["neap.await"] = function()
  local done
  return {
    wait = function()
      return neap.await(function(d)
        done = d
      end)
    end,
    value = "value",
    complete = function()
      done("value")
    end,
  }
end

-- A task that ends with "value" when it is told to.
local function told()
  local done
  local task = neap.spawn(function()
    return neap.shield(neap.await, function(d)
      done = d
    end)
  end)
  support.settle()
  return task, function()
    done("value")
  end, function()
    done("value")
    task:wait()
  end
end

waits["task:join"] = function()
  local task, complete, close = told()
  return {
    wait = function()
      return task:join()
    end,
    value = "value",
    complete = complete,
    timeout = function(s)
      return task:join(s)
    end,
    close = close,
  }
end

waits["task:wait"] = function()
  local task, complete, close = told()
  return {
    wait = function()
      return select(2, task:wait())
    end,
    value = "value",
    complete = complete,
    timeout = function(s)
      return task:wait(s)
    end,
    close = close,
  }
end

-- -- scopes: the function that waits inside

local function inside(call)
  return function()
    local task, complete, close = told()
    return {
      wait = function()
        return call(function()
          return task:join()
        end)
      end,
      value = "value",
      complete = complete,
      close = close,
    }
  end
end

waits["neap.scope"] = inside(neap.scope)
waits["neap.timeout"] = inside(function(fn)
  return neap.timeout(3600, fn)
end)
waits["neap.all"] = inside(function(fn)
  return (neap.all({ fn, fn }))
end)
waits["neap.all_settled"] = inside(function(fn)
  return neap.all_settled({ fn })[1].value
end)
waits["neap.race"] = inside(function(fn)
  return neap.race({ fn, forever })
end)
waits["neap.any"] = inside(function(fn)
  return neap.any({ error, fn })
end)
waits["neap.map"] = inside(function(fn)
  return neap.map({ 1, 2 }, fn, { limit = 1 })[2]
end)

waits["neap.shield"] = function()
  local _, complete, close = told()
  return {
    wait = function()
      return neap.shield(neap.sleep, 0.001)
    end,
    finishes = true,
    complete = complete,
    close = close,
  }
end

waits["scope:start"] = function()
  local task, complete, close = told()
  local scope = neap.scope()
  return {
    wait = function()
      return scope:start(function()
        neap.ready(task:join())
      end)
    end,
    value = "value",
    complete = complete,
    close = function()
      close()
      scope:close()
    end,
  }
end

waits["scope:close"] = function()
  return {
    wait = function()
      local scope <close> = neap.scope()
      scope:spawn(neap.shield, neap.sleep, 0.001)
      return scope:close()
    end,
    value = true,
    finishes = true, -- but raises what is cancelled around it
  }
end

-- -- channels and locks

waits["channel:recv"] = function()
  local ch = neap.channel()
  return {
    wait = function()
      return ch:recv()
    end,
    value = "value",
    complete = function()
      -- A receiver that was cancelled has taken none: the next one gets it.
      neap.spawn(ch.send, ch, "value", 0.01)
      neap.yield()
    end,
    timeout = function(s)
      return ch:recv(s)
    end,
    close = function()
      ch:close()
    end,
  }
end

waits["channel:send"] = function()
  local ch = neap.channel()
  return {
    wait = function()
      return ch:send({})
    end,
    value = true,
    complete = function()
      ch:try_recv()
    end,
    timeout = function(s)
      return ch:send({}, s)
    end,
    close = function()
      assert(select(3, ch:try_recv()) == "EAGAIN", "an unsent value is still there")
      ch:close()
    end,
  }
end

waits["neap.select"] = function()
  local a, b, event = neap.channel(), neap.channel(), neap.event()
  local function cases(timeout)
    return { { a }, { b, "send", {} }, { event }, timeout = timeout }
  end
  return {
    wait = function()
      return select(2, neap.select(cases()))
    end,
    value = true,
    complete = function()
      b:try_recv()
    end,
    timeout = function(s)
      return neap.select(cases(s))
    end,
    close = function()
      assert(select(3, a:try_send(1)) == "EAGAIN", "a select still waits to receive")
      assert(select(3, b:try_recv()) == "EAGAIN", "a select still waits to send")
    end,
  }
end

-- Something that a task holds until it is told to let go.
local function on_lock(new, take, try)
  return function()
    local lock = new(1)
    local over = neap.event()
    local holder = neap.spawn(function()
      local _ <close> = lock[take](lock)
      neap.shield(over.wait, over)
    end)
    support.settle()
    return {
      wait = function()
        local guard <close> = lock[take](lock)
        return guard ~= nil
      end,
      value = true,
      complete = function()
        over:set()
      end,
      timeout = function(s)
        return lock[take](lock, s)
      end,
      close = function()
        over:set()
        holder:wait()
        local guard <close> = lock[try](lock)
        assert(guard, "it is not free again")
      end,
    }
  end
end

waits["mutex:lock"] = on_lock(neap.mutex, "lock", "try_lock")
waits["semaphore:acquire"] = on_lock(neap.semaphore, "acquire", "try_acquire")

waits["event:wait"] = function()
  local event = neap.event()
  return {
    wait = function()
      return event:wait()
    end,
    value = true,
    complete = function()
      event:set()
    end,
    timeout = function(s)
      return event:wait(s)
    end,
    close = function()
      event:clear()
    end,
  }
end

waits["condition:wait"] = function()
  local lock = neap.mutex()
  local condition = neap.condition(lock)
  return {
    wait = function()
      local _ <close> = neap.shield(lock.lock, lock)
      return condition:wait()
    end,
    value = true,
    complete = function()
      condition:notify()
    end,
    timeout = function(s)
      local _ <close> = lock:lock()
      return condition:wait(s)
    end,
    close = function()
      assert(lock:try_lock())
      lock:unlock()
    end,
  }
end

-- -- files

local function with_file(call, value, options)
  return function()
    local dir = support.tempdir()
    local path = support.spit(dir .. "/file", ("line\n"):rep(1000))
    local row = {
      wait = function()
        return call(path, dir.path)
      end,
      value = value,
      finishes = true,
      close = function()
        getmetatable(dir).__close(dir)
      end,
    }
    for key, option in pairs(options or {}) do
      row[key] = option
    end
    return row
  end
end

local fs = neap.fs
local whole = ("line\n"):rep(1000)

waits["fs.readfile"] = with_file(function(path)
  return fs.readfile(path)
end, whole)
waits["fs.writefile"] = with_file(function(path)
  return fs.writefile(path, "new")
end, true)
waits["fs.appendfile"] = with_file(function(path)
  return fs.appendfile(path, "new")
end, true)
waits["fs.stat"] = with_file(function(path)
  return fs.stat(path).size
end, 5000)
waits["fs.lstat"] = with_file(function(path)
  return fs.lstat(path).size
end, 5000)
waits["fs.scandir"] = with_file(function(_, dir)
  local names = {}
  for name in fs.scandir(dir) do
    names[#names + 1] = name
  end
  return names[1]
end, "file")
waits["fs.open"] = with_file(function(path)
  local file <close> = assert(fs.open(path))
  return io.type(file) == nil and tostring(file) ~= nil
end, true)
waits["fs.unlink"] = with_file(function(path)
  return fs.unlink(path)
end, function(value, message)
  return value == true or tostring(message):find("No such file") ~= nil
end)
waits["fs.rename"] = with_file(function(path)
  return fs.rename(path, path)
end, true)
waits["fs.mkdir"] = with_file(function(_, dir)
  return fs.mkdir(dir .. "/new")
end, function(value, message)
  return value == true or tostring(message):find("exists") ~= nil
end)
waits["fs.rmdir"] = with_file(function(_, dir)
  return fs.rmdir(dir)
end, function(_, message)
  return tostring(message):find("not empty") ~= nil
end)
waits["fs.mkdtemp"] = with_file(function(_, dir)
  return fs.mkdtemp(dir .. "/XXXXXX") ~= nil
end, true)

-- -- names and trees

for name, call in pairs({
  ["fs.exists"] = function(path)
    return fs.exists(path)
  end,
  ["fs.isfile"] = function(path)
    return fs.isfile(path)
  end,
  ["fs.isdir"] = function(_, dir)
    return fs.isdir(dir)
  end,
  ["fs.access"] = function(path)
    return fs.access(path, "r")
  end,
  ["fs.statfs"] = function(path)
    return fs.statfs(path).bsize > 0
  end,
  ["fs.readlink"] = function()
    return fs.readlink("/proc/self") ~= nil
  end,
  ["fs.realpath"] = function(path)
    return fs.realpath(path) ~= nil
  end,
  ["fs.chmod"] = function(path)
    return fs.chmod(path, 420)
  end,
  ["fs.chown"] = function(path)
    return fs.chown(path, -1, -1)
  end,
  ["fs.lchown"] = function(path)
    return fs.lchown(path, -1, -1)
  end,
  ["fs.utime"] = function(path)
    return fs.utime(path, 1, 2)
  end,
  ["fs.touch"] = function(path)
    return fs.touch(path)
  end,
  ["fs.copy"] = function(path, dir)
    return fs.copy(path, dir .. "/copy")
  end,
  ["fs.walk"] = function(path, dir)
    local found = false
    for name in fs.walk(dir) do
      found = found or name == path
    end
    return found
  end,
  ["fs.glob"] = function(path, dir)
    return fs.glob(dir .. "/f*")[1] == path
  end,
  ["fs.mkstemp"] = function(_, dir)
    local file <close> = assert(fs.mkstemp(dir .. "/XXXXXX"))
    return io.type(file) == nil
  end,
  ["fs.tempfile"] = function()
    local file <close>, path = fs.tempfile()
    return io.type(file) == nil and type(path) == "string"
  end,
  ["fs.tempdir"] = function()
    local folder <close> = assert(fs.tempdir())
    return type(folder.path) == "string"
  end,
  ["fs.watch"] = function(_, dir)
    local watcher <close> = assert(fs.watch(dir, { recursive = true }))
    return tostring(watcher) ~= "watcher (closed)"
  end,
}) do
  waits[name] = with_file(call, true)
end

-- Done before anybody can cancel them, these say that it is so.
for name, call in pairs({
  ["fs.link"] = function(path, dir)
    return fs.link(path, dir .. "/link")
  end,
  ["fs.symlink"] = function(path, dir)
    return fs.symlink(path, dir .. "/link")
  end,
}) do
  waits[name] = with_file(call, function(value, message)
    return value == true or tostring(message):find("exists") ~= nil
  end)
end

waits["fs.remove"] = with_file(function(path)
  return fs.remove(path)
end, function(value, message)
  return value == true or tostring(message):find("No such file") ~= nil
end)

waits["tempdir:close"] = with_file(function()
  return assert(neap.shield(fs.tempdir)):close()
end, true, { closing = true })

waits["watcher:wait"] = function()
  local dir = support.tempdir()
  local watcher = assert(fs.watch(dir.path))
  return {
    wait = function()
      return watcher:wait().kind
    end,
    value = "create",
    complete = function()
      support.spit(dir .. "/" .. os.time() .. math.random(1e9), "")
    end,
    timeout = function(s)
      return watcher:wait(s)
    end,
    close = function()
      watcher:close()
      getmetatable(dir).__close(dir)
    end,
  }
end

local function on_file(call, value, closing)
  return with_file(function(path)
    local file <close> = assert(neap.shield(fs.open, path, "r+"))
    return call(file)
  end, value, { closing = closing })
end

waits["file:read"] = on_file(function(file)
  return file:read("l")
end, "line")
waits["file:write"] = on_file(function(file)
  return file:write(whole) == file
end, true)
waits["file:seek"] = on_file(function(file)
  return file:seek("end")
end, 5000)
waits["file:flush"] = on_file(function(file)
  assert(neap.shield(file.write, file, "x"))
  return file:flush() ~= nil
end, true)
waits["file:setvbuf"] = on_file(function(file)
  return file:setvbuf("no")
end, true)
waits["file:close"] = on_file(function(file)
  return file:close()
end, true, true)

waits["fs.lines"] = with_file(function(path)
  local next_line, _, _, closing = fs.lines(path)
  local file <close> = closing
  return file and next_line()
end, "line")
waits["file:lines"] = on_file(function(file)
  return file:lines()()
end, "line")
waits["file:pread"] = on_file(function(file)
  return file:pread(4, 5)
end, "line")
waits["file:pwrite"] = on_file(function(file)
  return file:pwrite("new", 5) == file
end, true)
waits["file:stat"] = on_file(function(file)
  return file:stat().size
end, 5000)
waits["file:sync"] = on_file(function(file)
  return file:sync()
end, true)
waits["file:datasync"] = on_file(function(file)
  return file:datasync()
end, true)
waits["file:truncate"] = on_file(function(file)
  return file:truncate(10)
end, true)
waits["file:chmod"] = on_file(function(file)
  return file:chmod(384)
end, true)
waits["file:utime"] = on_file(function(file)
  return file:utime(1)
end, true)
waits["lock:close"] = on_file(function(file)
  return neap.shield(file.lock, file):close()
end, true, true)
waits["fs.writefile, atomic"] = with_file(function(path)
  return fs.writefile(path, "new", { atomic = true })
end, true)

-- -- io and os as neap.compat swaps them

local core = require("neap.compat.core")
for name, row in pairs({
  ["patched io.open"] = {
    function(path)
      local file <close> = assert(core.io.open(path))
      return core.io.type(file)
    end,
    "file",
  },
  ["patched io.lines"] = {
    function(path)
      local next_line, _, _, closing = core.io.lines(path)
      local file <close> = closing
      return file and next_line()
    end,
    "line",
  },
  ["patched io.tmpfile"] = {
    function()
      local file <close> = assert(core.io.tmpfile())
      return core.io.type(file)
    end,
    "file",
  },
  ["patched io.popen"] = {
    function()
      local pipe <close> = assert(core.io.popen("echo text"))
      return pipe:read()
    end,
    "text",
  },
  ["patched os.execute"] = {
    function()
      return core.os.execute("exit 0")
    end,
    true,
  },
  ["patched os.rename"] = {
    function(path)
      return core.os.rename(path, path)
    end,
    true,
  },
  ["patched os.remove"] = {
    function(path)
      return core.os.remove(path)
    end,
    function(value, message)
      return value == true or tostring(message):find("No such file") ~= nil
    end,
  },
  ["patched os.tmpname"] = {
    function()
      local name = core.os.tmpname()
      return os.remove(name)
    end,
    true,
  },
}) do
  waits[name] = with_file(row[1], row[2])
end

waits["file:lock"] = function()
  local dir = support.tempdir()
  local path = support.spit(dir .. "/file", "")
  local holder, file = assert(fs.open(path, "r+")), assert(fs.open(path, "r+"))
  local held = assert(holder:lock())
  return {
    wait = function()
      local lock <close> = assert(file:lock())
      return getmetatable(lock).__name
    end,
    value = "neap.lock",
    complete = function()
      held:close()
    end,
    timeout = function(s)
      return file:lock({ wait = s })
    end,
    close = function()
      holder:close()
      file:close()
      getmetatable(dir).__close(dir)
    end,
  }
end

-- A FIFO that nobody reads until it completes.
local function on_fifo(call)
  return function()
    local dir = support.tempdir()
    local path = dir .. "/fifo"
    assert(os.execute("mkfifo " .. support.quote(path)))
    local readers = {}
    return {
      wait = function()
        return call(path)
      end,
      value = true,
      complete = function()
        readers[#readers + 1] = assert(neap.shield(fs.open, path))
      end,
      close = function()
        for _, reader in ipairs(readers) do
          reader:close()
        end
        getmetatable(dir).__close(dir)
      end,
    }
  end
end

waits["fs.open, a FIFO to write to"] = on_fifo(function(path)
  local file <close> = assert(fs.open(path, "w"))
  return tostring(file):find("closed") == nil
end)
waits["fs.writefile, a FIFO"] = on_fifo(function(path)
  return fs.writefile(path, "text")
end)

-- -- networking

local net = neap.net

-- Two ends of a connection.
local function pair()
  local server <close> = assert(net.listen("127.0.0.1", 0))
  local _, port = server:address()
  local a = assert(net.connect("127.0.0.1", port))
  local b = assert(server:accept())
  return a, b
end

local function on_conn(call, text, value)
  return function()
    local a, b = pair()
    return {
      wait = function()
        return call(a)
      end,
      value = value,
      complete = function()
        assert(b:write(text))
      end,
      close = function()
        a:close()
        b:close()
      end,
    }
  end
end

waits["conn:read"] = on_conn(function(conn)
  return conn:read("l")
end, "text\n", "text")
waits["conn:read_some"] = on_conn(function(conn)
  return conn:read_some(4)
end, "text", "text")
waits["conn:read_until"] = on_conn(function(conn)
  return conn:read_until(";")
end, "text;", "text")
waits["conn:lines"] = on_conn(function(conn)
  return conn:lines()()
end, "text\n", "text")
waits["conn:peek"] = on_conn(function(conn)
  return conn:peek(4)
end, "text", "text")

waits["conn:write"] = function()
  local a, b = pair()
  local much = ("x"):rep(16 * 1024 * 1024)
  return {
    wait = function()
      return a:write(much) == a
    end,
    value = true,
    complete = function()
      neap.spawn(function()
        while b:read_some() do -- luacheck: ignore 542
        end
      end)
    end,
    half_done = true, -- what was written before the cancellation is written
    close = function()
      a:close()
      b:close()
      support.settle()
    end,
  }
end

waits["conn:shutdown"] = function()
  local a, b = pair()
  return {
    wait = function()
      return a:shutdown()
    end,
    value = function(value, message)
      return value ~= nil or message ~= nil
    end,
    finishes = true,
    close = function()
      a:close()
      b:close()
    end,
  }
end

waits["server:accept"] = function()
  local server = assert(net.listen("127.0.0.1", 0))
  local _, port = server:address()
  local clients = {}
  return {
    wait = function()
      local conn = assert(server:accept())
      conn:close()
      return true
    end,
    value = true,
    complete = function()
      clients[#clients + 1] = assert(neap.shield(net.connect, "127.0.0.1", port))
    end,
    timeout = function(s)
      return server:accept(s)
    end,
    close = function()
      server:close()
      for _, client in ipairs(clients) do
        client:close()
      end
    end,
  }
end

waits["server:serve"] = function()
  local server = assert(net.listen("127.0.0.1", 0))
  return {
    wait = function()
      return server:serve(forever)
    end,
    close = function()
      server:close()
    end,
  }
end

waits["server:shutdown"] = function()
  local server = assert(net.listen("127.0.0.1", 0))
  local _, port = server:address()
  local finish, conn
  local serving = neap.spawn(server.serve, server, function()
    neap.shield(neap.await, function(done)
      finish = done
    end)
  end)
  conn = assert(net.connect("127.0.0.1", port))
  while not finish do
    neap.yield()
  end
  return {
    wait = function()
      return server:shutdown()
    end,
    value = true,
    complete = finish,
    close = function()
      finish()
      server:close() -- where nobody has shut it down
      serving:join()
      conn:close()
    end,
  }
end

waits["net.listen"] = function()
  return {
    wait = function()
      local server <close> = assert(net.listen("localhost", 0))
      return server:address() ~= nil
    end,
    value = true,
    finishes = true,
  }
end

waits["net.pair"] = function()
  return {
    wait = function()
      local a, b = assert(net.pair())
      a:close()
      b:close()
      return true
    end,
    value = true,
    finishes = true,
  }
end

waits["net.copy"] = function()
  local a, b = pair()
  local c, d = pair()
  return {
    wait = function()
      return net.copy(b, c, { limit = 4 })
    end,
    value = 4,
    complete = function()
      assert(a:write("text"))
    end,
    close = function()
      for _, conn in ipairs({ a, b, c, d }) do
        conn:close()
      end
    end,
  }
end

waits["pool:acquire"] = function()
  local made, there = pair()
  local pool = net.pool({
    max_per_host = 1,
    connect = function()
      return made
    end,
  })
  local lease = assert(pool:acquire("host", 1))
  return {
    wait = function()
      local another = pool:acquire("host", 1)
      return another:release()
    end,
    value = true,
    complete = function()
      lease:release()
    end,
    timeout = function(seconds)
      return pool:acquire("host", 1, { timeout = seconds })
    end,
    close = function()
      lease:close()
      pool:close()
      there:close()
    end,
  }
end

waits["net.relay"] = function()
  local a, one = pair()
  local b, two = pair()
  return {
    wait = function()
      return net.relay(one, two)
    end,
    value = 4,
    half_done = true, -- what has ended has ended
    complete = function()
      assert(a:write("text"))
      assert(a:shutdown())
      assert(b:shutdown())
    end,
    close = function()
      for _, conn in ipairs({ a, b, one, two }) do
        conn:close()
      end
    end,
  }
end

waits["net.connect"] = function()
  local server = assert(net.listen("127.0.0.1", 0))
  local _, port = server:address()
  return {
    wait = function()
      local conn <close> = assert(net.connect("127.0.0.1", port))
      return conn:peer() ~= nil
    end,
    value = true,
    finishes = true,
    close = function()
      server:close()
    end,
  }
end

-- -- tests

waits["testing.run"] = function()
  return {
    wait = function()
      neap.testing.run(forever)
    end,
  }
end

waits["testing.settle"] = function()
  return { wait = neap.testing.settle, finishes = true }
end

-- -- processes, signals, descriptors, the pool

local process = require("neap.process")
local signal = require("neap.signal")

waits["process.spawn"] = function()
  local children = {}
  return {
    wait = function()
      local child = assert(process.spawn({ "true" }))
      children[#children + 1] = child
      return child.pid > 0
    end,
    value = true,
    finishes = true,
    close = function()
      for _, child in ipairs(children) do
        child:close()
      end
    end,
  }
end

waits["process.run"] = function()
  return {
    wait = function()
      return process.run({ "sleep", "1000" })
    end,
    timeout = function(seconds)
      return process.run({ "sleep", "1000", timeout = seconds })
    end,
    half_done = true,
    close = function() end,
  }
end

waits["child:wait"] = function()
  local child = assert(process.spawn({ "cat", stdin = "pipe", stdout = "null" }))
  return {
    wait = function()
      return child:wait()
    end,
    value = 0,
    complete = function()
      child.stdin:close()
    end,
    timeout = function(seconds)
      return child:wait(seconds)
    end,
    close = function()
      child:close()
    end,
  }
end

waits["child:close"] = function()
  return {
    wait = function()
      local child = assert(process.spawn({ "sleep", "1000" }))
      return child:close()
    end,
    value = true,
    finishes = true,
  }
end

waits["listener:wait"] = function()
  local listener = signal.listen({ "SIGUSR2" })
  local me = tonumber(support.slurp("/proc/self/stat"):match("^%d+"))
  return {
    wait = function()
      return listener:wait()
    end,
    value = "SIGUSR2",
    complete = function()
      assert(process.kill(me, "SIGUSR2"))
    end,
    timeout = function(seconds)
      return listener:wait(seconds)
    end,
    close = function()
      listener:close()
    end,
  }
end

waits["signal.wait"] = function()
  local me = tonumber(support.slurp("/proc/self/stat"):match("^%d+"))
  return {
    wait = function()
      return signal.wait("SIGUSR2")
    end,
    value = "SIGUSR2",
    complete = function()
      local guard <close> = signal.listen({ "SIGUSR2" }) -- nobody may wait any more
      assert(process.kill(me, "SIGUSR2") and guard)
    end,
    timeout = function(seconds)
      return signal.wait("SIGUSR2", seconds)
    end,
    close = function() end,
  }
end

waits["neap.wait_fd"] = function()
  local socket = require("socket")
  local udp = assert(socket.udp())
  assert(udp:setsockname("127.0.0.1", 0))
  return {
    wait = function()
      return neap.wait_fd(udp:getfd(), "r")
    end,
    value = "r",
    complete = function()
      assert(udp:sendto("text", udp:getsockname()))
    end,
    timeout = function(seconds)
      return neap.wait_fd(udp:getfd(), "r", seconds)
    end,
    close = function()
      udp:close()
    end,
  }
end

waits["neap.offload"] = function()
  return {
    wait = function()
      return neap.offload("return 'value'")
    end,
    value = "value",
    finishes = true,
  }
end

for name, row in pairs(require("spec.support.waits_dns")) do
  waits[name] = row
end

for name, row in pairs(require("spec.support.waits_tls")) do
  waits[name] = row
end
for name, row in pairs(require("spec.support.waits_udp")) do
  waits[name] = row
end

return waits
