-- luv's callbacks and neap's tasks in one program, under a plain Lua:
--   lua5.4 examples/embed/luv_beside.lua [FILE]
-- luv has a loop of its own. One task runs it whenever it has something to do,
-- and sleeps on its descriptor otherwise: nothing is polled. neap.await turns
-- one of luv's callbacks into a call that waits.
local neap = require("neap")
local net = require("neap.net")

local uv -- luv, required by the task that runs its loop: callbacks run there
local wakeup -- what starts something in luv's loop has it looked at again
local ready = neap.event()

-- The task that runs luv's loop.
local function run_luv()
  uv = require("luv")
  wakeup = uv.new_async(function() end)
  ready:set()
  while true do
    uv.run("nowait")
    local ms = uv.backend_timeout() -- -1: until a descriptor is ready
    neap.wait_fd(uv.backend_fd(), "r", ms >= 0 and ms / 1000 or nil)
  end
end

-- Calls fn, which starts something in luv; the callback it hands over is called
-- with what this returns. Waits.
local function luv_call(fn)
  return neap.await(function(done)
    fn(done)
    wakeup:send()
  end)
end

-- luv's side: a server made of callbacks only. Returns its port.
local function start_server()
  local server = uv.new_tcp()
  server:bind("127.0.0.1", 0)
  server:listen(16, function(err)
    assert(not err, err)
    local client = uv.new_tcp()
    server:accept(client)
    client:read_start(function(read_err, data)
      if data then
        client:write("luv got " .. data)
      elseif not client:is_closing() then
        assert(not read_err or read_err == "ECONNRESET", read_err)
        client:close()
      end
    end)
  end)
  wakeup:send()
  return server:getsockname().port
end

-- neap's side: a task that waits for luv's server.
local function ask(port, n)
  local conn <close> = assert(net.connect("127.0.0.1", port))
  assert(conn:write(("line %d\n"):format(n)))
  return assert(conn:read("l"))
end

neap.spawn({ name = "luv", detached = true, quiet = true }, run_luv)
ready:wait()

local path = ... or arg[0]
local err, stat = luv_call(function(done)
  uv.fs_stat(path, done)
end)
print(assert(stat, err).type .. " " .. path:match("[^/]*$"))

luv_call(function(done)
  local timer = uv.new_timer()
  timer:start(10, 0, function()
    timer:close()
    neap.sleep(0.001) -- a callback may wait; luv's other callbacks wait with it
    done()
  end)
end)
print("a timer of luv's has fired")

local port = start_server()
local answers = {}
local tasks = {}
for n = 1, 5 do
  tasks[n] = neap.spawn(ask, port, n)
end
for n = 1, 5 do
  answers[n] = tasks[n]:join()
  print(answers[n])
end
neap.exit(0)
