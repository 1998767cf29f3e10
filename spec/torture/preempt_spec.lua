-- Preemption at any instruction: random programs of calls, closures, coroutines,
-- errors, to-be-closed variables, metamethods and finalizers give the same when
-- they are stopped at each n-th instruction, or by a storm of signals, beside
-- others that are stopped as well.
local neap = require("neap")
local collector = require("spec.support.collector")
local support = require("spec.support")

if not neap._preempt then
  return -- only test builds can stop as often
end

-- A program is a function of its seed: what it logs must depend on nothing else.
local function run_program(seed)
  local state = seed
  local log = {}
  local function random(n)
    state = (state * 1103515245 + 12345) % 0x7fffffff
    return state // 65536 % n + 1
  end
  local function note(...)
    for i = 1, select("#", ...) do
      log[#log + 1] = tostring((select(i, ...)))
    end
  end
  local function closing(name)
    return setmetatable({}, {
      __close = function(_, err)
        note(name, err)
      end,
    })
  end
  local meta
  meta = {
    __index = function(t, k)
      return #tostring(k) + rawlen(t)
    end,
    __newindex = function(t, k, v)
      rawset(t, k, v * 2)
    end,
    __add = function(a, b)
      return (rawget(a, 1) or 0) + (type(b) == "table" and rawget(b, 1) or b)
    end,
    __concat = function(a)
      return "<" .. rawlen(a) .. ">"
    end,
    __eq = function(a, b)
      return rawlen(a) == rawlen(b)
    end,
    __lt = function(a, b)
      return rawlen(a) < rawlen(b)
    end,
    __le = function(a, b)
      return rawlen(a) <= rawlen(b)
    end,
    __len = function()
      return 7
    end,
    __call = function(_, ...)
      return select("#", ...)
    end,
    __unm = function(a)
      return -rawlen(a)
    end,
    __gc = function(t)
      assert(getmetatable(t) == meta)
    end,
  }
  local function object(n)
    local t = setmetatable({}, meta)
    for i = 1, n do
      t[i] = i
    end
    return t
  end

  local step
  local kinds = {
    function(depth)
      local a, b = object(random(5)), object(random(5))
      note(a.x, a + b, a + 1, a .. "s", a == b, a < b, a <= b, #a, a(1, nil, 3), -a, a[2])
      return depth
    end,
    function(depth)
      local ok, err = pcall(function()
        local outer <close> = closing("outer")
        step(depth - 1)
        local inner <close> = closing("inner")
        assert(outer and inner)
        if random(2) == 1 then
          error("failed " .. random(9), 0)
        end
        return step(depth - 1)
      end)
      note(ok, err)
    end,
    function(depth)
      local sum = 0
      for i in coroutine.wrap(function()
        local guard <close> = closing("generator")
        for i = 1, random(6) do
          step(depth - 1)
          coroutine.yield(guard and i)
        end
      end) do
        sum = sum + i
      end
      note(sum)
    end,
    function(depth)
      local co = coroutine.create(function(...)
        local guard <close> = closing("closed")
        note(guard ~= nil, coroutine.yield(...))
        step(depth - 1)
        error({})
      end)
      note(select(2, coroutine.resume(co, random(9))))
      if random(2) == 1 then
        note(coroutine.close(co))
      else
        note((coroutine.resume(co, random(9))), coroutine.status(co))
        coroutine.close(co)
      end
    end,
    function(depth)
      local list = {}
      for i = 1, random(12) do
        list[i] = random(100)
      end
      table.sort(list, function(a, b)
        if depth > 2 and random(40) == 1 then
          step(1)
        end
        return a < b
      end)
      note(table.concat(list, ","))
    end,
    function(depth)
      note((("abcdef"):sub(1, random(6)):gsub("%w", function(c)
        step(depth - 2)
        return c:upper() .. random(3)
      end)))
    end,
    function()
      local function vararg(...)
        local a, b = ...
        return select("#", ...), b, a, ...
      end
      note(vararg(table.unpack({ random(3), random(3), random(3) }, 1, random(3))))
      local i, total = 0, 0
      while true do
        i = i + 1
        if i % 3 == 0 then
          goto continue
        end
        total = total + (i // 2 ~ i << 1 & 0xff) % 7
        if i > 12 then
          break
        end
        ::continue::
      end
      for k = 10, 1, -3 do
        total = total + k
      end
      for k = 1.0, 2.0, 0.25 do
        total = total + k
      end
      note(total)
    end,
    function(depth)
      local funs = {}
      for i = 1, random(4) do
        local n = random(10)
        funs[i] = function()
          n = n + i
          return n
        end
      end
      step(depth - 1)
      for _, fn in ipairs(funs) do
        note(fn(), fn())
      end
    end,
  }
  function step(depth)
    if depth > 0 then
      kinds[random(#kinds)](depth)
    end
  end
  for _ = 1, 6 do
    step(4)
  end
  return table.concat(log, " ")
end

-- Without tables' addresses nothing in a log is left to chance.
local function clean(log)
  return (log:gsub("0x%x+", "0x"))
end

local counts = { 1, 2, 3, 5, 17 }

local function torture(start, programs)
  local wanted = {}
  for seed = 1, programs do
    wanted[seed] = clean(run_program(seed))
  end
  start()
  local tasks = {}
  for seed = 1, programs do
    tasks[seed] = neap.spawn({ quiet = true }, run_program, seed)
  end
  local results = {}
  for seed = 1, programs do
    results[seed] = table.pack(tasks[seed]:wait())
  end
  neap.preempt(nil)
  for seed, result in ipairs(results) do
    assert(result[1], ("program %d: %s"):format(seed, result[2]))
    assert.equal(wanted[seed], clean(result[2]))
  end
end

describe("programs that are stopped", function()
  local programs = support.count(8, 200)

  for _, n in ipairs(counts) do
    it(("at each %d. instruction give the same"):format(n), function()
      local before = neap.info().switches
      torture(function()
        neap._preempt("count", n)
      end, programs)
      assert(neap.info().switches - before > 1000)
    end)
  end

  for _, way in ipairs({ "generations", "steps" }) do
    it("give the same while the collector works in " .. way, function()
      local driven <close> = collector.drive(way)
      assert.truthy(driven)
      torture(function()
        neap._preempt("count", 3)
      end, programs)
    end)
  end

  it("by a storm of signals give the same", function() -- fault 84
    for _ = 1, support.count(2, 50) do
      torture(function()
        neap._preempt("signal", 30000)
      end, 4 * programs)
    end
  end)

  it("by a storm of signals may be in malloc, in C libraries, in the loader", function() -- fault 84
    -- In a process of its own, whose C libraries are not loaded yet.
    local output, status = support.lua([[
      local neap = require("neap")
      local over = false
      neap.spawn(function() while not over do neap.yield() end end)
      neap._preempt("signal", 20000)
      for round = 1, ]] .. support.count(30, 1000) .. [[ do
        for _, name in ipairs({ "lpeg", "lxp" }) do
          package.loaded[name] = nil
          local path = package.searchpath(name, package.cpath)
          if path then assert(package.loadlib(path, "luaopen_" .. name))() end
        end
        local blocks = {}
        for i = 1, 300 do blocks[i] = ("x"):rep(i * 37 % 5000) end
        assert(#table.concat(blocks) > 0)
        assert(("a"):rep(300):find(("a?"):rep(12) .. ("a"):rep(300)))
        local file = assert(io.open("/proc/self/status"))
        assert(file:read("a"):find("VmRSS"))
        file:close()
        local finalized = setmetatable({}, { __gc = function() gone = (gone or 0) + 1 end })
        finalized = nil
        collectgarbage()
        assert(os.execute("exit 3") == nil)
        debug.sethook(function() local t = {} t[1] = t end, "l")
        local n = 0
        for i = 1, 50 do n = n + i end
        debug.sethook()
      end
      neap.preempt(nil)
      over = true
      neap.run()
      print("gone", gone > 0)
    ]], { env = "timeout 280" })
    assert.equal("gone\ttrue\n", output)
    assert.equal(0, status)
  end)
end)
