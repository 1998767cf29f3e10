-- neap.trace: hooks; neap.trace_file: Chrome's trace events.
local neap = require("neap")
local support = require("spec.support")

local settle = support.settle

-- Hooks that note their events as lines.
local function noting()
  local log = {}
  local function name(task)
    return task and (task.name or "#" .. task.id) or "nobody"
  end
  return {
    on_spawn = function(task, at, by)
      log[#log + 1] = ("spawn %s by %s"):format(name(task), name(by))
      assert(math.type(at) == "integer" and at > 0)
    end,
    on_switch = function(task)
      log[#log + 1] = "switch " .. name(task)
    end,
    on_wait = function(task, _, what)
      log[#log + 1] = ("wait %s in %s"):format(name(task), what)
    end,
    on_wake = function(task, _, by)
      log[#log + 1] = ("wake %s by %s"):format(name(task), name(by))
    end,
    on_end = function(task)
      log[#log + 1] = ("end %s %s"):format(name(task), task:status())
    end,
  }, log
end

-- A JSON parser that takes nothing but what RFC 8259 allows. Returns the value,
-- or raises with the place.
local function parse(text)
  local at = 1
  local value

  local function fail(what)
    error(("not JSON at byte %d: %s"):format(at, what), 0)
  end
  local function space()
    at = text:find("[^ \t\r\n]", at) or #text + 1
  end
  local function take(pattern)
    local from, to, capture = text:find("^" .. pattern, at)
    if not from then
      return nil
    end
    at = to + 1
    return capture or text:sub(from, to)
  end
  local function expect(char)
    space()
    return take("%" .. char) or fail(char .. " expected")
  end
  local function string()
    expect('"')
    local pieces = {}
    while not take('"') do
      local plain = take('[^"\\%z\1-\31]+')
      local escape = not plain and take("\\(.)")
      if plain then
        pieces[#pieces + 1] = plain
        if not utf8.len(plain) then
          fail("bad UTF-8")
        end
      elseif escape == "u" then
        local code = tonumber(take("%x%x%x%x") or fail("four digits expected"), 16)
        if code >= 0xd800 and code < 0xe000 then
          fail("half a surrogate pair")
        end
        pieces[#pieces + 1] = utf8.char(code)
      elseif escape and escape:find('["\\/bfnrt]') then
        pieces[#pieces + 1] = escape
      else
        fail("in a string")
      end
    end
    return table.concat(pieces)
  end
  local function list(closing, item)
    space()
    if take("%" .. closing) then
      return
    end
    repeat
      item()
      space()
    until not take(",")
    expect(closing)
  end
  function value()
    space()
    local char = text:sub(at, at)
    if char == '"' then
      return string()
    elseif char == "[" then
      at = at + 1
      local items = {}
      list("]", function()
        items[#items + 1] = value()
      end)
      return items
    elseif char == "{" then
      at = at + 1
      local fields = {}
      list("}", function()
        space()
        local key = string()
        if fields[key] ~= nil then
          fail("the key " .. key .. " again")
        end
        expect(":")
        fields[key] = value()
      end)
      return fields
    elseif take("true") then
      return true
    elseif take("false") then
      return false
    end
    local sign = take("%-") or ""
    local digits = take("0%f[%D]") or take("[1-9]%d*") or fail("no value")
    local rest = (take("%.%d+") or "") .. (take("[eE][+-]?%d+") or "")
    return tonumber(sign .. digits .. rest)
  end

  local result = value()
  space()
  if at <= #text then
    fail("more behind the value")
  end
  return result
end

-- Runs body while a file is written, and gives its events.
local function trace_of(body)
  local dir <close> = support.tempdir()
  assert(neap.trace_file(dir .. "/trace.json"))
  body()
  assert(neap.trace_file(nil))
  return parse(support.slurp(dir .. "/trace.json"))
end

-- Holds what each viewer relies on: on each track times never go back and slices
-- nest; an arrow has both ends, in this order, within slices. Returns the slices
-- by track: {name, cat, on, from, to}.
local function check(events)
  local tracks, last, open, arrows = {}, {}, {}, {}
  for _, event in ipairs(events) do
    local tid, ph = event.tid, event.ph
    assert(math.type(tid) == "integer" and math.type(event.pid) == "integer")
    tracks[tid] = tracks[tid] or {}
    if ph ~= "M" then
      assert(event.ts >= (last[tid] or 0), "time goes back on track " .. tid)
      last[tid] = event.ts
    end
    if ph == "M" then
      if event.name == "thread_name" then
        tracks[tid].name = event.args.name
      end
    elseif ph == "B" then
      assert(not open[tid], "a slice within a slice")
      open[tid] = {
        name = event.name, cat = event.cat, on = (event.args or {}).on, from = event.ts,
      }
    elseif ph == "E" then
      assert(open[tid], "no slice to end on track " .. tid)
      open[tid].to = event.ts
      table.insert(tracks[tid], open[tid])
      open[tid] = nil
    elseif ph == "s" then
      assert(open[tid], "an arrow from nowhere")
      assert(not arrows[event.id])
      arrows[event.id] = event
    elseif ph == "f" then
      assert(open[tid] and event.bp == "e")
      local from = assert(arrows[event.id])
      table.insert(tracks[tid], { arrow = from.tid, from = event.ts })
      arrows[event.id] = nil
    else
      error("unknown phase " .. tostring(ph))
    end
  end
  assert(next(open) == nil, "slices are left open")
  assert(next(arrows) == nil, "an arrow to nowhere")
  return tracks
end

-- The slices of a track as words.
local function names_of(track)
  local names = {}
  for _, slice in ipairs(track) do
    names[#names + 1] = slice.arrow and "<" .. slice.arrow or slice.name
  end
  return table.concat(names, " ")
end

describe("neap.trace", function()
  it("calls its hooks with what happens, in order", function()
    local hooks, log = noting()
    neap.trace(hooks)
    local wake
    local a = neap.spawn({ name = "a" }, function()
      neap.await(function(done)
        wake = done
      end)
    end)
    neap.spawn({ name = "b" }, function()
      neap.spawn({ name = "c", quiet = true }, error, "on purpose")
      neap.yield()
      wake()
    end)
    local seed = require("neap.testing.core").seed(0)
    a:join()
    neap.trace(nil)
    require("neap.testing.core").seed(seed)
    neap.yield()
    neap.sleep(0)
    assert.same({
      "spawn a by main", "spawn b by main", "wait main in join", "switch a", "wait a in await",
      "switch b", "spawn c by b", "switch c", "end c failed", "switch b", "wake a by b",
      "end b done", "switch a", "wake main by a", "end a done", "switch main",
    }, log)
  end)

  it("tells of waits that the loop ends, and of what they are on", function()
    local hooks, log = noting()
    neap.trace({ on_wait = hooks.on_wait, on_wake = hooks.on_wake })
    local sleeper = neap.spawn({ name = "sleeper" }, neap.sleep, 0.001)
    sleeper:join()
    neap.trace()
    assert.same({
      "wait main in join", "wait sleeper in sleep", "wake sleeper by nobody",
      "wake main by sleeper",
    }, log)
  end)

  it("hands out handles that get the outcome", function()
    local ended = {}
    neap.trace({
      on_end = function(task)
        ended[#ended + 1] = task
      end,
    })
    neap.spawn(function()
      return "result"
    end)
    neap.spawn({ quiet = true }, error, "no luck", 0)
    collectgarbage()
    settle()
    neap.trace(nil)
    assert.equal(2, #ended)
    local values = {}
    for _, task in ipairs(ended) do
      local ok, value = task:wait()
      values[value] = ok
    end
    assert.same({ result = true, ["no luck"] = false }, values)
  end)

  it("tells of tasks that were there before", function()
    local task = neap.spawn({ name = "early" }, neap.sleep, math.huge)
    settle()
    local hooks, log = noting()
    neap.trace({ on_end = hooks.on_end })
    task:cancel()
    task:wait()
    neap.trace(nil)
    assert.same({ "end early cancelled" }, log)
  end)

  it("may be begun and ended within a task and within a hook", function()
    local calls = 0
    neap.spawn(function()
      neap.trace({
        on_switch = function()
          calls = calls + 1
          neap.trace(nil)
        end,
      })
      neap.yield()
      neap.yield()
    end):join()
    assert.equal(1, calls)
  end)

  it("does not tell of what its hooks do", function()
    local spawned = {}
    neap.trace({
      on_spawn = function(task)
        spawned[#spawned + 1] = task.name
        neap.spawn({ name = "of the hook" }, function() end)
      end,
    })
    neap.spawn({ name = "first" }, function() end)
    settle()
    neap.trace(nil)
    assert.same({ "first" }, spawned)
  end)

  it("is off, with a warning, when a hook waits or fails", function()
    for hook, word in pairs({
      ["neap.sleep(1)"] = "cannot wait in a trace hook",
      ["neap.spawn(print):join()"] = "cannot wait in a trace hook",
      ["error('on purpose')"] = "on purpose",
      ["error({})"] = "no message",
    }) do
      local output, status = support.lua(([[
        warn("@on")
        local neap = require("neap")
        local calls = 0
        neap.trace({ on_switch = function() calls = calls + 1; %s end })
        for i = 1, 3 do neap.spawn(function() neap.sleep(0.001) end):join() end
        assert(calls == 1)
      ]]):format(hook))
      assert.equal(0, status, output)
      assert(output:find("tracing is off", 1, true) and output:find(word, 1, true), output)
    end
  end)

  it("refuses what is no hook", function()
    for _, bad in ipairs({ 1, "x", true, print }) do
      assert.is_false((pcall(neap.trace, bad)))
    end
    assert.error_matches(function()
      neap.trace({ on_hook = print })
    end, "on_hook.*no such hook")
    assert.error_matches(function()
      neap.trace({ on_wait = 1 })
    end, "on_wait.*function expected, got number")
    assert.error_matches(function()
      neap.trace({ print })
    end, "a hook's name is a string")
  end)
end)

describe("neap.trace_file", function()
  it("writes run slices, waits by kind, and arrows from who wakes", function()
    local a, wake
    local events = trace_of(function()
      a = neap.spawn({ name = "a" }, function()
        neap.await(function(done)
          wake = done
        end)
        neap.yield()
        neap.sleep(0.001)
      end)
      settle()
      wake()
      a:join()
    end)
    local tracks = check(events)
    local main = 1
    assert.equal("loop", tracks[0].name)
    assert.equal("task 1 main", tracks[main].name)
    assert.equal(("task %d a"):format(a.id), tracks[a.id].name)
    local expected = "<%d ready run await <%d ready run ready run sleep <0 ready run"
    assert.equal(expected:format(main, main),
      names_of(tracks[a.id]))
    assert.matches("join <" .. a.id .. " ready run$", names_of(tracks[main]))
    for _, slice in ipairs(tracks[a.id]) do
      assert(slice.arrow or slice.to >= slice.from)
    end
  end)

  it("says what a wait is on", function()
    local events = trace_of(function()
      local server <close> = assert(neap.net.listen("127.0.0.1", 0))
      local ip, port = server:address()
      local task = neap.spawn({ name = ("%s:%d"):format(ip, port) }, function()
        local conn <close> = server:accept()
        return conn:read("l")
      end)
      settle()
      local conn <close> = assert(neap.net.connect(ip, port))
      settle()
      conn:write("hello\n")
      assert.equal("hello", task:join())
    end)
    local seen = {}
    for _, track in pairs(check(events)) do
      for _, slice in ipairs(track) do
        if slice.cat == "wait" then
          seen[slice.name] = slice.on
        end
      end
    end
    assert.matches("^server:accept 127%.0%.0%.1:%d+$", seen["server:accept"])
    assert.matches("^net.connect 127%.0%.0%.1:%d+$", seen["net.connect"])
    assert.equal("join", (seen.join or ""):match("^join"))
  end)

  it("begins with what every task is doing, and ends all slices", function()
    local waiting = neap.spawn({ name = "waiting" }, neap.sleep, math.huge)
    settle()
    local late
    local tracks = check(trace_of(function()
      late = neap.spawn({ name = "late" }, neap.sleep, math.huge)
    end))
    assert.equal("sleep", names_of(tracks[waiting.id]))
    assert.equal("<1 ready", names_of(tracks[late.id]))
    for _, task in ipairs({ waiting, late }) do
      task:cancel()
      task:wait()
    end
  end)

  it("holds for many tasks and scopes under load", function()
    local n = support.count(200, 2000)
    local tracks = check(trace_of(function()
      neap.scope(function(s)
        for i = 1, n do
          s:spawn(function()
            for _ = 1, i % 5 do
              neap.yield()
            end
            neap.timeout(0.001, neap.sleep, i % 3 * 0.001)
          end)
        end
      end)
    end))
    local count = 0
    for _ in pairs(tracks) do
      count = count + 1
    end
    assert.equal(n + 2, count)
  end)

  it("is JSON whatever a task is called", function()
    local names = {
      'a "quote"', "a\\slash", "line\nbreak\0", "caf\u{e9} \u{1F600}", "bad \xff\xc0\xaf",
      "cut \u{e9}" .. "\xe2\x82", "surrogate \xed\xa0\x80", "" }
    local events = trace_of(function()
      for _, name in ipairs(names) do
        neap.spawn({ name = name }, function() end):join()
      end
    end)
    local found = {}
    for _, track in pairs(check(events)) do
      found[track.name:gsub("^task %d+ ?", "")] = true
    end
    assert(found['a "quote"'] and found["a\\slash"] and found["caf\u{e9} \u{1F600}"])
    assert(found["line\nbreak"], "ends at the zero byte, as names do")
    assert(found["bad \u{fffd}\u{fffd}\u{fffd}"] and found["surrogate \u{fffd}\u{fffd}\u{fffd}"])
    assert(found["cut \u{e9}\u{fffd}\u{fffd}"])
  end)

  it("may be begun within a task, and replaced", function()
    local dir <close> = support.tempdir()
    neap.spawn(function()
      assert(neap.trace_file(dir .. "/one"))
      neap.yield()
      assert(neap.trace_file(dir .. "/two"))
      neap.yield()
      assert(neap.trace_file(nil))
      assert(neap.trace_file(nil))
    end):join()
    for _, name in ipairs({ "/one", "/two" }) do
      check(parse(support.slurp(dir .. name)))
    end
  end)

  it("is finished when the state closes", function()
    local dir <close> = support.tempdir()
    for name, ending in pairs({ plain = "", exit = "neap.exit(0)", close = "os.exit(0, true)" }) do
      local path = dir .. "/" .. name
      local output, status = support.lua(([[
        local neap = require("neap")
        assert(neap.trace_file(%q))
        neap.spawn(neap.sleep, 100)
        neap.sleep(0.001)
        %s
      ]]):format(path, ending))
      assert.equal(0, status, output)
      check(parse(support.slurp(path)))
    end
  end)

  it("fails as io.open does, and tells of what could not be written", function()
    local ok, message, code = neap.trace_file("/nowhere/at/all")
    assert.is_nil(ok)
    assert.equal("/nowhere/at/all: No such file or directory", message)
    assert.equal("ENOENT", code)
    assert(neap.trace_file("/dev/full"))
    for _ = 1, 1000 do
      neap.yield()
    end
    ok, message, code = neap.trace_file(nil)
    assert.is_nil(ok)
    assert.matches("^trace file: ", message)
    assert.equal("EIO", code)
    assert(neap.trace_file(nil))
  end)

  it("is off, with a warning, when there is no memory for events", function()
    local output, status = support.lua([[
      warn("@on")
      local neap = require("neap")
      if not neap._fail_alloc then print("memory") return end
      local calls = 0
      neap.trace({ on_switch = function() calls = calls + 1 end })
      neap._fail_alloc(1)
      neap.yield()
      assert(neap._fail_alloc(0) == 1)
      neap.spawn(function() end):join()
      assert(calls == 0)
    ]])
    assert.equal(0, status, output)
    assert.matches("memory", output)
  end)
end)

describe("tracing", function()
  it("at its worst leaves no task and no handle behind", function()
    neap.trace({ on_spawn = function() end })
    for _ = 1, 100 do
      neap.spawn(function() end)
    end
    settle()
    neap.trace(nil)
    collectgarbage()
    assert.equal(1, #neap.tasks())
  end)
end)
