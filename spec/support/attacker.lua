-- A program drawn by a seed that attacks the modules: it calls every function
-- and every method of what it was given, in any order and from anywhere, with
-- arguments of all kinds. Errors are its daily bread; it must come to its end.
-- Runs in a folder of its own, where all its paths are.
local neap = require("neap")
local support = require("spec.support")

-- Before neap.compat.patch can change them.
local os_exit, collect, unpack = os.exit, collectgarbage, table.unpack

local attacker = {}

local module_names = {
  "neap", "neap.compat", "neap.dns", "neap.fs", "neap.net", "neap.net.ip", "neap.process",
  "neap.signal", "neap.testing", "neap.tls", "neap.tty",
}

-- What would end or harm others: the process, those that it may signal, the terminal.
local left_out = { exit = true, kill = true, raw = true }

-- Shielded code can't be stopped by the time limit around each step.
local quick_only = { shield = true, nopreempt = true }

local random = math.random

local function any_of(list)
  return list[random(#list)]
end

local functions = {} -- {name, function} of all modules, in one order for all runs
local handles = {} -- what calls have returned and can be called or has methods

local function find_functions()
  for _, name in ipairs(module_names) do
    for key, value in pairs(require(name)) do
      if type(value) == "function" and key:sub(1, 1) ~= "_" and
        not (left_out[key] and name ~= "neap.testing") then
        functions[#functions + 1] = { name .. "." .. key, value, key }
      end
    end
  end
  table.sort(functions, function(a, b)
    return a[1] < b[1]
  end)
end

-- A handle's methods and metamethods, in one order.
local function methods_of(handle)
  local metatable = getmetatable(handle)
  local found = {}
  if type(metatable) ~= "table" then
    return found
  end
  local index = support.methods(metatable)
  for key, value in pairs(index) do
    if type(value) == "function" then
      found[#found + 1] = { tostring(key), value, key }
    end
  end
  for _, key in ipairs({ "__gc", "__close", "__tostring", "__index", "__call" }) do
    if type(metatable[key]) == "function" then
      found[#found + 1] = { key, metatable[key], key }
    end
  end
  table.sort(found, function(a, b)
    return a[1] < b[1]
  end)
  return found
end

local function keep(...)
  for i = 1, select("#", ...) do
    local value = select(i, ...)
    local kind = type(value)
    if kind == "userdata" or kind == "thread" or kind == "function" then
      handles[#handles < 40 and #handles + 1 or random(40)] = value
    end
  end
end

local step -- (depth)

-- Run by whoever is given it, once or many times, but not without end.
local function callback(depth, quick)
  local kind, left = random(7), random(8)
  return function(...)
    left = left - 1
    keep(...)
    if kind == 1 then
      error(any_of({ "attack", {}, 7 }))
    elseif kind == 2 then
      neap.yield()
    elseif kind == 3 and not quick then
      neap.sleep(0.001)
    elseif kind == 4 and not quick and left > 0 and depth < 3 then
      step(depth + 1)
    elseif kind == 5 then
      collect(any_of({ "collect", "step" }))
    elseif kind == 6 and #handles > 0 and not quick then
      local handle = any_of(handles)
      local close = type(handle) == "userdata" and (handle.close or handle.release)
      if type(close) == "function" then
        close(handle)
      end
    end
    return left > 0 and ... or nil
  end
end

local value -- (depth)

local strings = {
  "", "f", "d", "d/f", "d/e", ".", "a\0b", "*", "localhost", "127.0.0.1", "::1", "224.0.0.251",
  "unix:s", "unix:\0s", "r", "w", "w+", "a+", "rb", "l", "n", "L", "rw", "\n", "return ...", "true",
  "cat", "SIGUSR1", "SIGCHLD", "SIGINT", "pipe", "virtual", "A", "%%%", ("x"):rep(300),
  ("y"):rep(70000), "0x1p3", "1e9", "f*", "**", "full", "no", "set", "end",
}
local numbers = {
  0, 1, 2, 3, 7, 0.001, 0.5, -1, -0.0, 0 / 0, 1 / 0, -1 / 0, 65535, 65536, 1 << 20, 1 << 31,
  1 << 53, math.maxinteger, math.mininteger, 1e300, 4711,
}
local options = {
  "timeout", "name", "stack", "recursive", "parents", "atomic", "max", "limit", "queue", "backlog",
  "reuseport", "ipv6only", "stdin", "stdout", "stderr", "cwd", "env", "detach", "group", "family",
  "bind", "delay", "idle", "per_host", "progress", "seed", "clock", "servers", "tries",
  "loop", "interface", "cert", "key", "verify", "fd", "mode", "shared", "wait", "start", "switch",
  "resume", "grace", "flags", "perm", "concurrency", "half_close", "buffer", "count", "n",
  "nodelay", "keepalive", "server", "alpn", "on_error", "max_conns", "exclusive", "length",
}

-- Its metamethods wait, raise, close handles, call on.
local function object(depth)
  local meta = {}
  for _, name in ipairs({
    "__index", "__newindex", "__len", "__call", "__tostring", "__close", "__gc", "__eq", "__lt",
    "__concat", "__pairs", "__name", "__mode",
  }) do
    if random(3) == 1 then
      meta[name] = random(6) == 1 and any_of(strings) or callback(depth)
    end
  end
  return setmetatable({}, meta)
end

local function list(depth)
  local made = {}
  for i = 1, random(0, 4) do
    made[i] = value(depth + 1)
  end
  for _ = 1, random(0, 4) do
    made[any_of(options)] = value(depth + 1)
  end
  return made
end

function value(depth, quick)
  local kind = random(14)
  if kind <= 3 then
    return any_of(strings)
  elseif kind <= 5 then
    return any_of(numbers)
  elseif kind == 6 then
    return random(2) == 1
  elseif kind == 7 and depth < 4 then
    return list(depth)
  elseif kind == 8 and depth < 4 then
    return object(depth)
  elseif kind <= 10 then
    return callback(depth, quick)
  elseif kind == 11 then
    return coroutine.create(callback(depth))
  elseif kind <= 13 and #handles > 0 and not quick then
    return any_of(handles) -- neap.every's may wait for years
  end
  return nil
end

local function arguments(depth, quick)
  local args = { n = random(0, 5) }
  for i = 1, args.n do
    args[i] = value(depth, quick)
  end
  return args
end

-- Sensible ones, so that there is something to attack.
local makers = {
  function()
    return neap.channel(random(0, 2))
  end,
  neap.mutex, neap.event, neap.condition, neap.current,
  function()
    return neap.semaphore(2)
  end,
  function()
    return require("neap.net").pair()
  end,
  function()
    local net = require("neap.net")
    local server = assert(net.listen("127.0.0.1", 0))
    local port = select(2, server:address())
    return server, net.connect("127.0.0.1", port)
  end,
  function()
    local net = require("neap.net")
    local server = assert(net.listen("unix:s" .. random(3)))
    server:serve(callback(2))
    return server
  end,
  function()
    local net = require("neap.net")
    local one, two = assert(net.udp("127.0.0.1", 0)), assert(net.udp("127.0.0.1", 0))
    one:connect("127.0.0.1", (select(2, two:address())))
    return one, two
  end,
  function()
    return require("neap.net").pool()
  end,
  function()
    return require("neap.fs").open("f", "w+")
  end,
  function()
    return require("neap.fs").watch(".")
  end,
  function()
    return require("neap.fs").walk(".")
  end,
  function()
    return require("neap.process").spawn({ "cat", stdin = "pipe", stdout = "pipe" })
  end,
  function()
    return require("neap.signal").listen({ "SIGUSR1" })
  end,
  function()
    return neap.spawn(callback(1))
  end,
  function()
    return neap.after(0.001, callback(2)), neap.every(0.001)
  end,
  function()
    local scope
    neap.scope(function(s)
      scope = s
      s:spawn(callback(2))
    end)
    return scope
  end,
}

local trail = os.getenv("ATTACK_TRAIL") and io.stderr

local function attack(depth)
  local kind = random(10)
  if kind <= 2 or #handles == 0 then
    return any_of(makers)()
  elseif kind <= 5 then
    local fn = any_of(functions)
    if trail then
      trail:write(fn[1], "\n")
    end
    local args = arguments(depth, quick_only[fn[3]])
    return fn[2](unpack(args, 1, args.n))
  end
  local handle = any_of(handles)
  if type(handle) == "function" then
    return handle(value(depth), value(depth))
  elseif type(handle) == "thread" then
    return coroutine[any_of({ "resume", "status", "close" })](handle)
  end
  local methods = methods_of(handle)
  if #methods == 0 then
    return
  end
  local method = any_of(methods)
  if trail then
    trail:write(tostring(getmetatable(handle).__name), ":", method[1], "\n")
  end
  local args = arguments(depth)
  local self = random(12) == 1 and value(depth) or handle
  return method[2](self, unpack(args, 1, args.n))
end

-- Where a step stands.
local ways = {
  function(body)
    body()
  end,
  function(body)
    keep(neap.spawn(body))
    neap.yield()
  end,
  function(body)
    coroutine.wrap(body)()
  end,
  function(body)
    table.sort({ 3, 1, 2, 5, 4 }, function(a, b)
      body()
      return a < b
    end)
  end,
  function(body)
    local _ <close> = setmetatable({}, { __close = body })
  end,
  function(body)
    setmetatable({}, { __gc = body })
    collect()
  end,
  function(body)
    local task = neap.spawn(body)
    neap.yield()
    task:cancel("attack")
    keep(task)
  end,
  function(body)
    return ("ab"):gsub(".", function()
      body()
    end)
  end,
  function(body)
    if neap._fail_alloc then
      neap._fail_alloc(random(30), false)
    end
    local ok, err = pcall(body)
    if neap._fail_alloc then
      neap._fail_alloc(0, false)
    end
    return ok or error(err, 0)
  end,
}

function step(depth)
  any_of(ways)(function()
    -- Nothing takes longer than this, whatever it waits for.
    neap.timeout(0.01, function()
      keep(attack(depth))
    end)
  end)
end

--- Runs the program of a seed: so many steps, then one of the ends.
---@param seed integer
---@param steps integer
function attacker.run(seed, steps)
  math.randomseed(seed)
  find_functions()
  neap.on_error(function() end)
  for _ = 1, steps do
    pcall(step, 0)
    if random(20) == 1 then
      neap.on_error(function() end)
      handles[random(40)] = handles[#handles]
      collect(any_of({ "collect", "incremental", "generational" }))
    end
  end
  local ending = random(3)
  if ending == 1 then
    os_exit(0, true)
  elseif ending == 2 then
    handles = {}
    collect()
  end
end

return attacker
