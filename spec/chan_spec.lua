-- neap.channel: values from task to task. Go's rules, in our own words, are from
-- https://go.dev/ref/spec#Send_statements, #Receive_operator and #Close, and
-- from https://go.dev/ref/mem ("Channel communication").
local neap = require("neap")
local faults = require("spec.support.faults")
local seeds = require("spec.support.seeds")
local support = require("spec.support")

local once <const> = it -- what is long, or in a process of its own
local it = seeds.wrap(it)

local settle = support.settle

-- Spawns fn(...) and lets it run until it waits: so who comes first is known in
-- the hostile build as well.
local function start(fn, ...)
  local task = neap.spawn({ quiet = true }, fn, ...)
  settle()
  return task
end

-- Everything that is in ch without a wait.
local function drain(ch)
  local list = {}
  repeat
    local value, _, code = ch:try_recv()
    list[#list + 1] = value
  until code
  return list
end

describe("a channel", function()
  it("of no capacity hands a value from a sender to a receiver", function()
    local ch = neap.channel()
    local sent = false
    local sender = start(function()
      assert.is_true(ch:send("a"))
      sent = true
    end)
    assert.is_false(sent)
    assert.equal(0, #ch)
    assert.equal("a", ch:recv())
    sender:join()
    assert.is_true(sent)
  end)

  it("hands a value to a receiver that was there first", function()
    local ch = neap.channel()
    local receiver = start(ch.recv, ch)
    assert.is_true(ch:send("a"))
    assert.equal("a", receiver:join())
  end)

  it("of some capacity makes senders wait when it is full", function()
    local ch = neap.channel(2)
    assert.is_true(ch:send(1))
    assert.is_true(ch:send(2))
    assert.equal(2, #ch)
    local third = start(ch.send, ch, 3)
    assert.equal("waiting", third:status())
    assert.equal(1, ch:recv())
    assert.equal(2, #ch)
    assert.is_true(third:join())
    assert.same({ 2, 3 }, drain(ch))
  end)

  it("keeps the order of the sends, whoever waits", function()
    for capacity = 0, 3 do
      local ch = neap.channel(capacity)
      local senders = {}
      for i = 1, 6 do
        senders[i] = start(ch.send, ch, i)
      end
      for i = 1, 6 do
        assert.equal(i, ch:recv())
      end
      for i = 1, 6 do
        assert.is_true(senders[i]:join())
      end
    end
  end)

  it("serves receivers in the order in which they came", function()
    local ch = neap.channel(1)
    local receivers = {}
    for i = 1, 4 do
      receivers[i] = start(ch.recv, ch)
    end
    for i = 1, 4 do
      ch:send("value " .. i)
    end
    for i = 1, 4 do
      assert.equal("value " .. i, receivers[i]:join())
    end
  end)

  it("carries every value but nil as it is", function()
    local ch = neap.channel(100)
    local values = {
      false, true, 0, -1, 1.5, -0.0, math.huge, "", "text", {}, print, coroutine.create(print),
      io.stdout, ch, 2 ^ 53, math.maxinteger, math.mininteger, 1 << 60, (1 << 60) - 1,
      -(1 << 60), -(1 << 60) - 1,
    }
    for _, value in ipairs(values) do
      ch:send(value)
    end
    for i, value in ipairs(values) do
      local got = ch:recv()
      assert(rawequal(value, got), "value " .. i)
      assert.equal(math.type(value), math.type(got))
    end
    ch:send(0 / 0)
    local nan = ch:recv()
    assert(nan ~= nan)
  end)

  it("gives all of them back when more are kept than fit in it", function()
    local ch = neap.channel(3)
    local senders = {}
    for i = 1, 200 do
      senders[i] = start(ch.send, ch, { i })
    end
    for round = 1, 3 do
      for i = 1, 200 do
        assert.equal(i + (round - 1) * 200, ch:recv()[1])
        senders[i]:join()
        senders[i] = start(ch.send, ch, { round * 200 + i })
      end
    end
    ch:close()
    assert.equal(3, #drain(ch))
    for i = 1, 200 do
      senders[i]:join()
    end
  end)

  it("works between tasks, main and coroutines in them", function()
    local ch = neap.channel()
    local function numbers(n)
      return coroutine.wrap(function()
        for i = 1, n do
          ch:send(i)
          coroutine.yield(i)
        end
      end)
    end
    local sender = neap.spawn(function()
      local yielded = 0
      for i in numbers(3) do
        yielded = yielded + i
      end
      ch:close()
      return yielded
    end)
    local got = {}
    local receive = coroutine.wrap(function()
      for value in ch do
        got[#got + 1] = value
      end
    end)
    receive()
    assert.same({ 1, 2, 3 }, got)
    assert.equal(6, sender:join())
  end)

  it("works in a comparison, a metamethod and a to-be-closed variable", function()
    local ch = neap.channel()
    local list = { 3, 1, 2 }
    local task = start(function()
      table.sort(list, function(a, b)
        ch:send("compared")
        return a < b
      end)
      local object = setmetatable({}, {
        __index = function()
          return ch:recv()
        end,
        __close = function()
          ch:send("closed")
        end,
      })
      local _ <close> = object
      return object.field
    end)
    while not pcall(assert.same, { 1, 2, 3 }, list) or #neap.tasks() > 1 do
      local value = ch:try_recv()
      if not value then
        ch:try_send("field")
        settle()
      end
    end
    assert.equal("field", task:join())
  end)

  it("ends a loop over it when it is closed", function()
    local ch = neap.channel(10)
    for i = 1, 3 do
      ch:send(i)
    end
    ch:send(false)
    ch:close()
    local got = {}
    for value in ch do
      got[#got + 1] = value
    end
    assert.same({ 1, 2, 3, false }, got)
  end)

  it("tells how many values are in it", function()
    local ch = neap.channel(2)
    assert.equal("channel (0 of 2)", tostring(ch))
    ch:send(1)
    assert.equal("channel (1 of 2)", tostring(ch))
    assert.equal(1, #ch)
    ch:close()
    assert.equal("channel (1 of 2, closed)", tostring(ch))
  end)
end)

describe("a closed channel", function()
  it("wakes all that wait", function()
    local ch = neap.channel()
    local receivers = {}
    for i = 1, 3 do
      receivers[i] = start(ch.recv, ch)
    end
    assert.is_true(ch:close())
    for i = 1, 3 do
      assert.same({ nil, "channel is closed", "EOF", n = 3 }, table.pack(receivers[i]:join()))
    end

    ch = neap.channel(1)
    ch:send("kept")
    local senders = {}
    for i = 1, 3 do
      senders[i] = start(ch.send, ch, i)
    end
    ch:close()
    for i = 1, 3 do
      assert.same({ nil, "channel is closed", "EPIPE", n = 3 }, table.pack(senders[i]:join()))
    end
    assert.equal("kept", ch:recv())
    assert.same({ nil, "channel is closed", "EOF", n = 3 }, table.pack(ch:recv()))
  end)

  it("may be closed again, and refuses what is sent", function()
    local ch = neap.channel(1)
    assert.is_true(ch:close())
    assert.is_true(ch:close())
    assert.same({ nil, "channel is closed", "EPIPE", n = 3 }, table.pack(ch:send(1)))
    assert.same({ nil, "channel is closed", "EPIPE", n = 3 }, table.pack(ch:try_send(1)))
    assert.same({ nil, "channel is closed", "EOF", n = 3 }, table.pack(ch:try_recv()))
    assert.same({ nil, "channel is closed", "EOF", n = 3 }, table.pack(ch:recv(1)))
  end)

  it("is closed at the end of a block", function()
    local receiver
    do
      local ch <close> = neap.channel()
      receiver = start(ch.recv, ch)
    end
    assert.equal("EOF", select(3, receiver:join()))
  end)
end)

describe("try_send and try_recv", function()
  it("never wait", function()
    local ch = neap.channel(1)
    assert.same({ nil, "channel is empty", "EAGAIN", n = 3 }, table.pack(ch:try_recv()))
    assert.is_true(ch:try_send(false))
    assert.same({ nil, "channel is full", "EAGAIN", n = 3 }, table.pack(ch:try_send(2)))
    assert.is_false(ch:try_recv())
    local none = neap.channel()
    assert.equal("EAGAIN", select(3, none:try_send(1)))
    local receiver = start(none.recv, none)
    assert.is_true(none:try_send(1))
    assert.equal(1, receiver:join())
    local sender = start(none.send, none, 2)
    assert.equal(2, none:try_recv())
    sender:join()
  end)

  it("don't even let others run", function()
    local ch = neap.channel(1000)
    local ran = false
    neap.spawn(function()
      ran = true
    end)
    for i = 1, 1000 do
      ch:try_send(i)
    end
    for _ = 1, 1000 do
      ch:try_recv()
    end
    assert.is_false(ran)
    neap.run()
  end)

  it("work in a finalizer, where a wait is an error", function()
    local ch = neap.channel(1)
    local sent, waited
    setmetatable({}, {
      __gc = function()
        sent = ch:try_send("from a finalizer")
        waited = table.pack(pcall(ch.send, ch, "more"))
      end,
    })
    collectgarbage()
    collectgarbage()
    assert.is_true(sent)
    assert.is_false(waited[1])
    assert.matches("cannot wait in a finalizer", waited[2])
    assert.equal("from a finalizer", ch:recv())
  end)
end)

describe("a wait with a timeout", function()
  it("ends with nil, message, code", function()
    local ch = neap.channel()
    assert.same({ nil, "timed out after 0.001 s", "ETIMEDOUT", n = 3 }, table.pack(ch:recv(0.001)))
    assert.same({ nil, "timed out after 0.001 s", "ETIMEDOUT", n = 3 },
      table.pack(ch:send({}, 0.001)))
    assert.same({ nil, "timed out after 0 s", "ETIMEDOUT", n = 3 }, table.pack(ch:recv(0)))
    assert.same({ nil, "timed out after 0 s", "ETIMEDOUT", n = 3 }, table.pack(ch:send({}, 0)))
    assert.equal("ETIMEDOUT", select(3, ch:recv(-1)))
  end)

  it("takes what is there, however short it is", function()
    local ch = neap.channel(1)
    assert.is_true(ch:send(1, 0))
    assert.equal(1, ch:recv(0))
    assert.is_true(ch:send(2, -1))
    assert.equal(2, ch:recv(-1))
  end)

  it("leaves the queue: the value goes to the next one", function()
    local ch = neap.channel()
    local first = start(ch.recv, ch, 0.001)
    local second = start(ch.recv, ch)
    assert.equal("ETIMEDOUT", select(3, first:join()))
    ch:send("value")
    assert.equal("value", second:join())
    first = start(ch.send, ch, "lost", 0.001)
    second = start(ch.send, ch, "sent")
    assert.equal("ETIMEDOUT", select(3, first:join()))
    assert.equal("sent", ch:recv())
    second:join()
  end)

  it("has one of both outcomes when the value comes with its end", function() -- fault 30
    for _ = 1, 50 do
      local ch = neap.channel(1)
      local receiver = neap.spawn(ch.recv, ch, 0.0005)
      neap.after(0.0005, ch.send, ch, "value")
      local value, _, code = receiver:join()
      neap.run()
      assert(value == "value" and #ch == 0 or code == "ETIMEDOUT" and #ch == 1)
    end
  end)
end)

describe("a cancelled wait", function()
  it("loses no value: it took it, or it is still there", function() -- fault 24
    local ch = neap.channel()
    local receiver = start(ch.recv, ch)
    ch:send("value") -- completes the wait; the receiver has not run yet
    receiver:cancel()
    assert.equal("value", receiver:join())

    local sender = start(ch.send, ch, "sent")
    assert.equal("sent", ch:recv())
    sender:cancel()
    assert.is_true(sender:join())

    receiver = start(ch.recv, ch)
    receiver:cancel()
    assert.is_false(receiver:wait())
    sender = start(ch.send, ch, "again")
    assert.equal("again", ch:recv())
    sender:join()

    sender = start(ch.send, ch, {})
    sender:cancel()
    assert.is_false(sender:wait())
    assert.equal("EAGAIN", select(3, ch:try_recv()))
  end)

  it("is raised although the channel is ready: cancellation has a level", function()
    local ch = neap.channel(2)
    ch:send("kept")
    local task = neap.spawn({ quiet = true }, function()
      neap.current():cancel()
      local ok, err = pcall(ch.recv, ch)
      assert(not ok and neap.is_cancelled(err))
      ok, err = pcall(ch.send, ch, "more")
      assert(not ok and neap.is_cancelled(err))
      assert.equal("kept", ch:try_recv())
      assert.is_true(ch:try_send("by try"))
      ch:close()
    end)
    assert.is_true(task:wait())
    assert.same({ "by try" }, drain(ch))
  end)
end)

describe("the memory of a channel", function()
  local function weak(value)
    return setmetatable({ value }, { __mode = "v" })
  end

  local function collect()
    collectgarbage()
    collectgarbage()
  end

  it("goes with it: values in a channel that nobody has are collected", function()
    local kept = {}
    do
      local ch = neap.channel(100)
      for i = 1, 100 do
        local value = { ch } -- a cycle
        kept[i] = weak(value)
        ch:send(value)
      end
    end
    collect()
    for i = 1, 100 do
      assert.is_nil(kept[i][1])
    end
  end)

  it("keeps what is in it, and no longer what was taken out or not sent", function()
    local ch = neap.channel(2)
    local received, inside, refused, unsent = {}, {}, {}, {}
    local refs = { weak(received), weak(inside), weak(refused), weak(unsent) }
    ch:send(received)
    assert.equal(received, ch:recv())
    ch:send(inside)
    ch:send(1)
    assert.is_nil(ch:try_send(refused))
    assert.is_nil(ch:send(unsent, 0.001))
    received, inside, refused, unsent = nil, nil, nil, nil -- luacheck: ignore 311
    collect()
    assert.is_nil(refs[1][1])
    assert.is_table(refs[2][1])
    assert.is_nil(refs[3][1])
    assert.is_nil(refs[4][1])
    assert.equal(refs[2][1], ch:recv())
  end)

  once("does not grow with what goes through", function()
    local ch = neap.channel(10)
    local function pass(n)
      for i = 1, n do
        ch:send({ i })
        assert.equal(i, ch:recv()[1])
      end
      collect()
      return collectgarbage("count")
    end
    local before = pass(2000)
    assert(pass(20000) < before + 20)
  end)

  once("survives failing allocations", function()
    if not neap._fail_alloc then
      return
    end
    local function body()
      local ch = neap.channel(1)
      local list = {}
      neap.scope(function(scope)
        scope:spawn(function()
          for value in ch do
            list[#list + 1] = value
          end
        end)
        for i = 1, 20 do
          assert(ch:send({ i }))
        end
        ch:close()
      end)
      assert.equal(20, #list)
    end
    assert(faults.alloc(body) > 0)
    assert(faults.lua_alloc(body) > 0)
  end)
end)

describe("misuse of a channel", function()
  it("raises errors that name the argument", function()
    local ch = neap.channel()
    local function refused(pattern, fn, ...)
      local ok, message = pcall(fn, ...)
      assert.is_false(ok)
      assert.matches(pattern, message)
    end
    refused("bad argument #1 to '.-channel' %(negative capacity%)", neap.channel, -1)
    refused("bad argument #1 to .- %(number has no integer representation%)", neap.channel, 1.5)
    refused("bad argument #1 to .- %(number has no integer representation%)", neap.channel,
      math.huge)
    refused("bad argument #1 to .- %(capacity out of range%)", neap.channel, math.maxinteger)
    refused("bad argument #1 to .- %(number expected, got table%)", neap.channel, {})
    refused("nil cannot be sent", ch.send, ch)
    refused("nil cannot be sent", ch.send, ch, nil, 1)
    refused("nil cannot be sent", ch.try_send, ch, nil)
    refused("number of seconds expected, got nan", ch.send, ch, 1, 0 / 0)
    refused("number of seconds expected, got nan", ch.recv, ch, 0 / 0)
    refused("neap.channel expected, got number", ch.recv, 1)
    refused("neap.channel expected, got ", ch.recv, io.stdout)
  end)

  it("is a deadlock that says so when nobody can send any more", function()
    local ch = neap.channel()
    local ok, message = pcall(ch.recv, ch)
    assert.is_false(ok)
    assert.matches("deadlock", message)
  end)
end)

describe("a closing state", function()
  once("ends waits on channels, whose close handlers still find them", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local ch, full = neap.channel(), neap.channel(1)
      full:send({})
      for i = 1, 3 do
        neap.spawn(function()
          local _ <close> = setmetatable({}, { __close = function()
            full:close()
            print(ch, pcall(ch.try_send, ch, {}))
          end })
          ch:recv()
        end)
        neap.spawn(function() full:send({}) end)
      end
      neap.sleep(0.001)
      print("end")
    ]])
    assert.equal(0, status, output)
    assert.equal(3, select(2, output:gsub("channel %(0 of 0%)\ttrue\tnil\tchannel is full", "")))
  end)
end)
