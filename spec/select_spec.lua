-- neap.select: one wait for several things. Go's rules, in our own words, are
-- from https://go.dev/ref/spec#Select_statements.
local neap = require("neap")
local faults = require("spec.support.faults")
local seeds = require("spec.support.seeds")
local support = require("spec.support")

local once <const> = it -- what is long, or in a process of its own
local it = seeds.wrap(it)

local settle = support.settle

local function start(fn, ...)
  local task = neap.spawn({ quiet = true }, fn, ...)
  settle()
  return task
end

local function refused(pattern, fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok)
  assert.matches(pattern, tostring(message))
end

-- A user's object: a mailbox. What it provides for select is __select.
local Mailbox = {}
Mailbox.__index = Mailbox

local function new_mailbox()
  return setmetatable({ letters = {}, news = neap.condition(), asked = 0 }, Mailbox)
end

function Mailbox:put(letter)
  self.letters[#self.letters + 1] = letter
  self.news:notify()
end

function Mailbox:__select()
  self.asked = self.asked + 1
  if #self.letters > 0 then
    return true, table.remove(self.letters, 1), "by mail"
  end
  return false, self.news
end

describe("select on channels", function()
  it("takes the one that is ready", function()
    local a, b = neap.channel(1), neap.channel(1)
    b:send("from b")
    assert.same({ 2, "from b", n = 2 }, table.pack(neap.select({ { a }, { b } })))
    assert.same({ 1, true, n = 2 }, table.pack(neap.select({ { a, "send", "x" }, { b } })))
    assert.equal("x", a:try_recv())
    local cases = { { a, "send", false }, { b, "recv" } }
    assert.same({ 1, true, n = 2 }, table.pack(neap.select(cases)))
    assert.equal(false, a:try_recv())
  end)

  it("waits until one is", function()
    local a, b, c = neap.channel(), neap.channel(), neap.channel()
    local function wait_for_all()
      return neap.select({ { a }, { b, "send", "sent" }, { c } })
    end
    local task = start(wait_for_all)
    a:send({ 1 })
    assert.same({ 1, { 1 }, n = 2 }, table.pack(task:join()))
    task = start(wait_for_all)
    assert.equal("sent", b:recv())
    assert.same({ 2, true, n = 2 }, table.pack(task:join()))
    task = start(wait_for_all)
    c:close()
    assert.same({ 3, nil, "channel is closed", "EOF", n = 4 }, table.pack(task:join()))
    b:close()
    c = neap.channel()
    assert.same({ 2, nil, "channel is closed", "EPIPE", n = 4 }, table.pack(wait_for_all()))
    b = neap.channel()
    task = start(wait_for_all)
    b:close()
    assert.same({ 2, nil, "channel is closed", "EPIPE", n = 4 }, table.pack(task:join()))
  end)

  it("has no effect on the others", function()
    local a, b, c = neap.channel(), neap.channel(), neap.channel(1)
    local task = start(neap.select, { { a }, { b, "send", {} }, { c } })
    c:send("it")
    assert.same({ 3, "it", n = 2 }, table.pack(task:join()))
    assert.equal("EAGAIN", select(3, a:try_send(1))) -- nobody waits there any more
    assert.equal("EAGAIN", select(3, b:try_recv()))
    assert.equal(0, #c)
  end)

  it("stands in line with other senders and receivers", function()
    local ch = neap.channel()
    local order = {}
    local function note(name, fn, ...)
      return start(function(...)
        local result = table.pack(fn(...))
        order[#order + 1] = name .. " " .. tostring(result[result.n])
      end, ...)
    end
    local tasks = {
      note("first", ch.recv, ch),
      note("second", neap.select, { { ch }, { neap.channel() } }),
      note("third", ch.recv, ch),
    }
    for i = 1, 3 do
      ch:send(i)
      settle()
    end
    for _, task in ipairs(tasks) do
      task:join()
    end
    assert.same({ "first 1", "second 2", "third 3" }, order)
  end)

  it("meets another select, but never itself", function()
    local ch = neap.channel()
    local function both(value)
      return neap.select({ { ch, "send", value }, { ch } })
    end
    local one = start(both, "one")
    assert.equal("waiting", one:status())
    local index, result = both("main")
    local other_index, other = one:join()
    if index == 1 then
      assert.same({ 2, "main", true }, { other_index, other, result })
    else
      assert.same({ 1, true, "one" }, { other_index, other, result })
    end
  end)

  it("may have one channel several times", function()
    local ch = neap.channel()
    local cases = { { ch, "send", "a" }, { ch, "send", "b" }, { ch, "send", {} } }
    local task = start(neap.select, cases)
    local value = ch:recv()
    local index = task:join()
    assert.equal(index == 1 and "a" or index == 2 and "b" or value, value)
    assert.equal("EAGAIN", select(3, ch:try_recv()))
    task = start(neap.select, { { ch }, { ch } })
    ch:send("x")
    assert.equal("x", select(2, task:join()))
    assert.equal("EAGAIN", select(3, ch:try_send("y")))
  end)

  it("leaves out a case that is false", function()
    local a, b = neap.channel(1), neap.channel(1)
    a:send(1)
    b:send(2)
    for _ = 1, 20 do
      assert.same({ 2, 2, n = 2 }, table.pack(neap.select({ false, { b } })))
      b:send(2)
    end
    assert.equal("ETIMEDOUT", select(3, neap.select({ false, timeout = 0.001 })))
  end)

  it("works in main, in tasks and in coroutines", function()
    local ch = neap.channel()
    local task = neap.spawn(coroutine.wrap(function()
      return select(2, neap.select({ { ch }, { neap.channel() } }))
    end))
    assert.same({ 1, true, n = 2 }, table.pack(neap.select({ { ch, "send", "value" } })))
    assert.equal("value", task:join())
  end)
end)

describe("select on other things", function()
  it("returns what a task's wait returns", function()
    local ch = neap.channel()
    local done = neap.spawn(function()
      neap.yield()
      return 1, nil, 3
    end)
    assert.same({ 2, true, 1, nil, 3, n = 5 }, table.pack(neap.select({ { ch }, { done } })))
    assert.same({ 2, true, 1, nil, 3, n = 5 }, table.pack(neap.select({ { ch }, { done } })))
    local err = {}
    local failed = neap.spawn(function()
      neap.yield()
      error(err)
    end)
    assert.same({ 1, false, err, n = 3 }, table.pack(neap.select({ { failed }, { ch } })))
    neap.run() -- the failure was heard
  end)

  it("hears of a task's failure only when that case wins", function()
    local ch = neap.channel(1)
    local heard
    neap.on_error(function(_, err)
      heard = err
    end)
    -- luacheck: push ignore 231 311 (it is held, then to be collected)
    local failed = neap.spawn(error, "unheard", 0)
    local selecting = start(neap.select, { { ch }, { neap.spawn(neap.sleep, 0) } })
    selecting:wait()
    failed = nil
    -- luacheck: pop
    settle()
    neap.on_error(nil)
    assert.equal("unheard", heard)
    assert.is_false(pcall(neap.run)) -- and is counted
  end)

  it("waits for an event", function()
    local event, ch = neap.event(), neap.channel()
    local task = start(neap.select, { { event }, { ch } })
    event:set()
    event:clear() -- who waited when it was set goes on
    assert.same({ 1, true, n = 2 }, table.pack(task:join()))
    assert.equal("ETIMEDOUT", select(3, neap.select({ { event }, timeout = 0 })))
    event:set()
    assert.same({ 1, true, n = 2 }, table.pack(neap.select({ { event }, { ch } })))
  end)

  it("waits for a timer", function()
    local ran = false
    local timer = neap.after(0.002, function()
      ran = true
    end)
    assert.same({ 1, true, n = 2 }, table.pack(neap.select({ { timer }, { neap.channel() } })))
    neap.run()
    assert.is_true(ran)
    assert.same({ 1, true, n = 2 }, table.pack(neap.select({ { timer } })))
    timer = neap.after(3600, print)
    local task = start(neap.select, { { timer } })
    timer:close()
    assert.same({ 1, nil, "timer is closed", "ECANCELED", n = 4 }, table.pack(task:join()))
    assert.same({ 1, nil, "timer is closed", "ECANCELED", n = 4 },
      table.pack(neap.select({ { timer } })))
    neap.run()
  end)

  it("asks an object with __select", function()
    local box, ch = new_mailbox(), neap.channel()
    box:put("a letter")
    assert.same({ 2, "a letter", "by mail", n = 3 }, table.pack(neap.select({ { ch }, { box } })))
    local task = start(neap.select, { { ch }, { box } })
    local asked = box.asked
    box:put("another")
    assert.same({ 2, "another", "by mail", n = 3 }, table.pack(task:join()))
    assert.equal(asked + 1, box.asked)
    task = start(neap.select, { { ch }, { box } })
    ch:send("by channel")
    assert.same({ 1, "by channel", n = 2 }, table.pack(task:join()))
    box:put("kept")
    assert.same({ "kept" }, box.letters)
  end)

  it("asks again when somebody else was quicker", function()
    local box = new_mailbox()
    local ch = neap.channel()
    local task = start(neap.select, { { box }, { ch, "send", {} } })
    box:put("taken away")
    box.letters = {}
    settle()
    assert.equal("waiting", task:status())
    box:put("for it")
    assert.same({ 1, "for it", "by mail", n = 3 }, table.pack(task:join()))
    assert.equal("EAGAIN", select(3, ch:try_recv()))
  end)

  it("passes on what __select raises, and refuses what it must not return", function()
    local function object(fn)
      return setmetatable({}, { __select = fn })
    end
    local ch = neap.channel()
    refused("^out$", neap.select, { { ch }, { object(function() error("out", 0) end) } })
    refused("case 2: __select returned no value %(true or false expected%)", neap.select,
      { { ch }, { object(function() end) } })
    refused("case 1: __select returned false and no value %(condition, or event", neap.select,
      { { object(function() return false end) }, { ch } })
    refused("case 1: __select returned false and neap.channel", neap.select,
      { { object(function() return false, ch end) }, { ch } })
    local event = neap.event()
    event:set()
    refused("case 1: __select returned false and neap.event %(condition, or event that is not set",
      neap.select,
      { { object(function() return false, event end) } })
    assert.equal("EAGAIN", select(3, ch:try_send(1)))
  end)
end)

describe("select", function()
  it("gives up after its timeout", function()
    local ch, box = neap.channel(), new_mailbox()
    local cases = { { ch }, { ch, "send", {} }, { box }, { neap.event() } }
    cases.timeout = 0.002
    assert.same({ nil, "timed out after 0.002 s", "ETIMEDOUT", n = 3 },
      table.pack(neap.select(cases)))
    cases.timeout = 0
    assert.same({ nil, "timed out after 0 s", "ETIMEDOUT", n = 3 }, table.pack(neap.select(cases)))
    assert.equal("EAGAIN", select(3, ch:try_send(1)))
    assert.equal("EAGAIN", select(3, ch:try_recv()))
    local full = neap.channel(1)
    assert.same({ 1, true, n = 2 }, table.pack(neap.select({ { full, "send", 1 }, timeout = 0 })))
  end)

  it("returns what it got, even if it is cancelled in that turn", function() -- fault 24
    local ch, other = neap.channel(), neap.channel()
    local task = start(neap.select, { { ch }, { other, "send", {} } })
    ch:send("value")
    task:cancel()
    assert.same({ 1, "value", n = 2 }, table.pack(task:join()))
    task = start(neap.select, { { ch }, { other, "send", { "sent" } } })
    assert.same({ "sent" }, other:recv())
    task:cancel()
    assert.same({ 2, true, n = 2 }, table.pack(task:join()))
    task = start(neap.select, { { ch }, { other, "send", {} } })
    task:cancel()
    assert.is_false(task:wait())
    assert.equal("EAGAIN", select(3, ch:try_send(1)))
    assert.equal("EAGAIN", select(3, other:try_recv()))
  end)

  once("is fair among the ready, and the same in each run", function()
    local script = [[
      local neap = require("neap")
      local channels, cases, counts = {}, {}, {}
      for i = 1, 4 do
        channels[i] = neap.channel(1)
        cases[i] = { channels[i] }
        counts[i] = 0
      end
      cases[2][2], cases[2][3] = "send", "value"
      local order = {}
      for round = 1, 4000 do
        for i = 1, 4 do
          channels[i]:try_send("value")
        end
        channels[2]:try_recv()
        if round > 2000 then
          channels[1]:try_recv() -- one of them is not ready
        end
        local index = neap.select(cases)
        counts[index] = counts[index] + 1
        order[#order + 1] = index
      end
      print(table.concat(counts, " "))
      print(table.concat(order))
    ]]
    local output, status = support.lua(script)
    assert.equal(0, status, output)
    local counts = {}
    for n in output:match("^[^\n]*"):gmatch("%d+") do
      counts[#counts + 1] = tonumber(n)
    end
    -- 2000 rounds of four and 2000 of three: 500 and 1167 are to be expected.
    for i, expected in ipairs({ 500, 1167, 1167, 1167 }) do
      assert(math.abs(counts[i] - expected) < 80, output:match("^[^\n]*"))
    end
    assert.equal(output, (support.lua(script)))
  end)

  it("names the case that is wrong", function()
    local ch = neap.channel()
    local function wrong(pattern, ...)
      refused("bad argument #1 to '.-select' %(" .. pattern, neap.select, ...)
    end
    wrong("table expected, got no value")
    wrong("table expected, got neap.channel", ch)
    wrong("no cases", {})
    wrong("no cases", { timeout = 1 })
    wrong("no case can ever be ready", { false, false })
    wrong("case 1: table, or false for none, expected, got neap.channel", { ch })
    wrong("case 2: table, or false for none, expected, got boolean", { { ch }, true })
    wrong("case 1: channel, task, event, timer or another object with __select expected, got nil",
      { {} })
    wrong("case 2: channel, .* got neap.mutex", { { ch }, { neap.mutex() } })
    wrong("case 2: 'send' or 'recv' expected, got sent", { { ch }, { ch, "sent", 1 } })
    wrong("case 1: 'send' or 'recv' expected, got 1", { { ch, 1 } })
    wrong("case 1: nil cannot be sent", { { ch, "send" } })
    wrong("field 'timeout': number expected, got string", { { ch }, timeout = "x" })
    wrong("field 'timeout': number of seconds expected, got nan", { { ch }, timeout = 0 / 0 })
    refused("cannot join task %d+: it is the one that asks", neap.select, { { neap.current() } })
  end)

  it("is a deadlock that says so when no case can come any more", function()
    refused("deadlock", neap.select, { { neap.channel() }, { neap.event() }, { new_mailbox() } })
  end)

  once("waits on many cases at once", function()
    local cases = {}
    for i = 1, 2000 do
      cases[i] = { neap.channel(), "send", { i } }
    end
    local task = start(neap.select, cases)
    assert.same({ 1234 }, cases[1234][1]:recv())
    assert.equal(1234, task:join())
    assert.equal("EAGAIN", select(3, cases[1233][1]:try_recv()))
    assert.is_false(pcall(neap.select, setmetatable(table.move({}, 1, 1, 100001, { { {} } }), {})))
  end)

  it("keeps what it waits for, though the table of cases is changed meanwhile", function()
    local cases = { { neap.channel() }, { new_mailbox() }, { neap.event() } }
    local ch = cases[1][1]
    local task = start(neap.select, cases)
    cases[1], cases[2], cases[3] = nil, nil, nil
    collectgarbage()
    collectgarbage()
    ch:send("value")
    assert.same({ 1, "value", n = 2 }, table.pack(task:join()))
  end)

  once("survives failing allocations, and keeps nothing back", function()
    if not neap._fail_alloc then
      return
    end
    local ch, full = neap.channel(), neap.channel(1)
    full:send("full")
    local function body()
      local box = new_mailbox()
      neap.scope(function(scope)
        scope:spawn(function()
          assert.equal("letter", select(2, neap.select({
            { ch, "send", {} }, { full, "send", {} }, { full, "send", {} }, { box }, { ch },
          })))
        end)
        neap.yield()
        box:put("letter")
      end)
    end
    local function after()
      assert.equal("EAGAIN", select(3, ch:try_recv()))
      assert.equal("EAGAIN", select(3, ch:try_send(1)))
      assert.equal("full", full:recv())
      assert.equal("EAGAIN", select(3, full:try_recv()))
      full:send("full")
    end
    assert(faults.alloc(body, { after = after }) > 0)
    assert(faults.lua_alloc(body, { after = after }) > 0)
  end)

  once("ends with the state", function()
    local output, status = support.lua([[
      local neap = require("neap")
      local ch, other, event = neap.channel(), neap.channel(), neap.event()
      for _ = 1, 3 do
        neap.spawn(function()
          local _ <close> = setmetatable({}, { __close = function()
            print("unwound", pcall(neap.select, { { ch } }))
          end })
          neap.select({ { ch }, { other, "send", {} }, { event }, { neap.after(3600, print) } })
        end)
      end
      neap.sleep(0.001)
      print("end")
    ]])
    assert.equal(0, status, output)
    assert.equal(3, select(2, output:gsub("unwound\tfalse\truntime is closing", "")))
  end)
end)

describe("select with a source that fires again and again", function()
  it("loses nothing of a storm of values from all sides", function()
    local channels, box = {}, new_mailbox()
    for i = 1, 3 do
      channels[i] = neap.channel(i - 1)
    end
    local sent, got = 0, 0
    local n = 200
    neap.scope(function(scope)
      for i = 1, 3 do
        scope:spawn(function()
          for k = 1, n do
            channels[i]:send(k % 2 == 0 and k or { k })
            sent = sent + k
          end
          channels[i]:close()
        end)
      end
      scope:spawn(function()
        for k = 1, n do
          box:put({ k })
          sent = sent + k
          if k % 7 == 0 then
            neap.yield()
          end
        end
      end)
      local open, letters = 3, 0
      local cases = { { channels[1] }, { channels[2] }, { channels[3] }, { box } }
      while open > 0 or letters < n do
        local index, value = neap.select(cases)
        if value == nil then
          open = open - 1
          cases[index] = false
        else
          got = got + (type(value) == "table" and value[1] or value)
          letters = letters + (index == 4 and 1 or 0)
        end
      end
    end)
    assert.equal(sent, got)
    assert.equal(4 * n * (n + 1) // 2, got)
  end)
end)
