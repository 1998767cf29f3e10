-- Prints the CPU time of one round trip between two tasks or coroutines over two
-- channels without capacity, in ns.
-- usage: pingpong.lua neap|luv

local ROUNDS = 1000000 -- about a quarter of a second

local sides = {}

function sides.neap()
  local neap = require("neap")
  local ping, pong = neap.channel(), neap.channel()
  local send, recv = ping.send, ping.recv
  local took

  neap.spawn(function()
    for _ = 1, ROUNDS do
      send(pong, recv(ping))
    end
  end)
  neap.spawn(function()
    local begun = os.clock()
    for i = 1, ROUNDS do
      send(ping, i)
      assert(recv(pong) == i)
    end
    took = os.clock() - begun
  end)
  neap.run()
  return took
end

-- What one writes for luv: coroutines that are ready are resumed from the loop,
-- first come, first served, as long as there are any.
function sides.luv()
  local uv = require("luv")
  local running, yield, resume = coroutine.running, coroutine.yield, coroutine.resume

  local ready, values, first, last = {}, {}, 1, 0
  local idle, scheduled = uv.new_idle(), false

  local function run_ready()
    while first <= last do
      local thread, value = ready[first], values[first]
      ready[first], values[first] = nil, nil
      first = first + 1
      if first > last then
        first, last = 1, 0 -- so that the tables stay arrays
      end
      assert(resume(thread, value))
    end
    idle:stop()
    scheduled = false
  end

  local function wake(thread, value)
    if not scheduled then
      scheduled = true
      idle:start(run_ready)
    end
    last = last + 1
    ready[last], values[last] = thread, value
  end

  -- A queue of who waits, and of their values.
  local function new_queue()
    return { threads = {}, values = {}, first = 1, last = 0 }
  end

  local function wait_in(queue, value)
    local at = queue.last + 1
    queue.last = at
    queue.threads[at], queue.values[at] = running(), value
    return yield()
  end

  local function take_first(queue)
    local at = queue.first
    if at > queue.last then
      return nil
    end
    local thread, value = queue.threads[at], queue.values[at]
    queue.threads[at], queue.values[at] = nil, nil
    queue.first = at + 1
    if at == queue.last then
      queue.first, queue.last = 1, 0
    end
    return thread, value
  end

  local function new_channel()
    return { senders = new_queue(), receivers = new_queue() }
  end

  local function send(channel, value)
    local receiver = take_first(channel.receivers)
    if receiver then
      wake(receiver, value)
    else
      wait_in(channel.senders, value)
    end
  end

  local function recv(channel)
    local sender, value = take_first(channel.senders)
    if not sender then
      return wait_in(channel.receivers)
    end
    wake(sender)
    return value
  end

  local ping, pong = new_channel(), new_channel()
  local took
  wake(coroutine.create(function()
    for _ = 1, ROUNDS do
      send(pong, recv(ping))
    end
  end))
  wake(coroutine.create(function()
    local begun = os.clock()
    for i = 1, ROUNDS do
      send(ping, i)
      assert(recv(pong) == i)
    end
    took = os.clock() - begun
  end))
  uv.run()
  return took
end

print(sides[arg[1]]() / ROUNDS * 1e9)
