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

for name, row in pairs(require("spec.support.waits_tls")) do
  waits[name] = row
end

return waits
