-- The places where a wait can stand: inside C functions, metamethods, hooks,
-- coroutines and other C libraries. Each is {name, run, expected}: run(wait)
-- calls wait() at the place, at least once, and returns a value that is equal
-- to expected only if nothing was lost there.
local places = {}

local function place(name, expected, run)
  places[#places + 1] = { name = name, expected = expected, run = run }
end

-- -- functions of the standard library that call back

place("table.sort", "1 2 3 5 8 9", function(wait)
  local list = { 5, 2, 9, 1, 8, 3 }
  table.sort(list, function(a, b)
    wait()
    return a < b
  end)
  return table.concat(list, " ")
end)

place("string.gsub with a function", "<a>-<bc>-<d>", function(wait)
  return (("a-bc-d"):gsub("%a+", function(word)
    wait()
    return "<" .. word .. ">"
  end))
end)

place("string.gsub with a table that has __index", "1+2", function(wait)
  local values = setmetatable({}, {
    __index = function(_, key)
      wait()
      return key == "x" and 1 or 2
    end,
  })
  return (("x+y"):gsub("%a", values))
end)

place("string.format by __tostring", "[it] [it]", function(wait)
  local object = setmetatable({}, {
    __tostring = function()
      wait()
      return "it"
    end,
  })
  return ("[%s] [%s]"):format(object, object)
end)

place("tostring", "it", function(wait)
  return tostring(setmetatable({}, {
    __tostring = function()
      wait()
      return "it"
    end,
  }))
end)

place("load with a reader", 42, function(wait)
  local pieces = { "return ", "4", "2" }
  local at = 0
  return assert(load(function()
    wait()
    at = at + 1
    return pieces[at]
  end))()
end)

place("require of a module that waits", "module neap.places.chunk", function(wait)
  local name = "neap.places.chunk"
  -- A name of its own for each caller: many may stand in here at once.
  local key = name .. tostring({})
  package.preload[key] = function()
    wait()
    return { text = "module " .. name }
  end
  local module = require(key)
  package.preload[key], package.loaded[key] = nil, nil
  return module.text
end)

place("require with a searcher that waits", "searched", function(wait)
  local key = "neap.places.searched" .. tostring({})
  local function searcher(name)
    if name ~= key then
      return nil
    end
    wait()
    return function()
      wait()
      return "searched"
    end, ":places:"
  end
  table.insert(package.searchers, 1, searcher)
  local result = require(key)
  for i, other in ipairs(package.searchers) do
    if other == searcher then
      table.remove(package.searchers, i)
      break
    end
  end
  package.loaded[key] = nil
  return result
end)

place("dofile", "chunk", function(wait)
  -- The chunk of a file finds wait in a table that its path is the key of.
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write("local path = ... ; return _NEAP_PLACES[debug.getinfo(1, 'S').source]()")
  file:close()
  local known = rawget(_G, "_NEAP_PLACES") or setmetatable({}, { __mode = "v" })
  rawset(_G, "_NEAP_PLACES", known)
  local function run()
    wait()
    return "chunk"
  end
  known["@" .. path] = run
  local result = dofile(path)
  known["@" .. path] = nil
  os.remove(path)
  return result
end)

-- -- protected calls

place("pcall", "ok false raised", function(wait)
  local _, first = pcall(function()
    wait()
    return "ok"
  end)
  local ok, err = pcall(function()
    wait()
    error("raised", 0)
  end)
  return ("%s %s %s"):format(first, ok, err)
end)

place("nested pcalls", "inner outer", function(wait)
  local _, text = pcall(function()
    local _, inner = pcall(function()
      wait()
      error("inner", 0)
    end)
    wait()
    error(inner .. " outer", 0)
  end)
  return text
end)

place("xpcall", "ok", function(wait)
  local _, value = xpcall(function()
    wait()
    return "ok"
  end, debug.traceback)
  return value
end)

place("an error handler", "handled boom", function(wait)
  local _, value = xpcall(error, function(message)
    wait()
    return "handled " .. message
  end, "boom")
  return value
end)

-- -- metamethods

-- The result of `use(object)` where the object's metamethod waits and then
-- returns `value` (or what `value`, a function, returns).
local function metamethod(event, expected, value, use)
  place(event, expected, function(wait)
    return use(setmetatable({}, {
      [event] = function(...)
        wait()
        if type(value) == "function" then
          return value(...)
        end
        return value
      end,
    }))
  end)
end

metamethod("__index", "got key", function(_, key)
  return "got " .. key
end, function(o)
  return o.key
end)
metamethod("__newindex", "set", function(o, key, value)
  rawset(o, key, value)
end, function(o)
  o.key = "set"
  return rawget(o, "key")
end)
metamethod("__call", "called with 1 2", function(_, a, b)
  return ("called with %d %d"):format(a, b)
end, function(o)
  return o(1, 2)
end)
-- Chains of two alone: Debian's Lua 5.4.4 reads freed memory in longer ones
-- when the stack moves in a __concat, without any library.
metamethod("__concat", "joined", "joined", function(o)
  return o .. "x"
end)
metamethod("__len", 7, 7, function(o)
  return #o
end)
metamethod("__unm", "negative", "negative", function(o)
  return -o
end)
metamethod("__bnot", "not", "not", function(o)
  return ~o
end)
metamethod("__eq", true, true, function(o)
  return o == setmetatable({}, getmetatable(o))
end)
metamethod("__lt", "true true", true, function(o)
  return ("%s %s"):format(o < 1, 1 > o)
end)
metamethod("__le", "true false", function(a)
  return type(a) == "table"
end, function(o)
  return ("%s %s"):format(o <= 1, o >= 1)
end)
metamethod("__pairs", "a=1", function()
  return next, { a = 1 }, nil
end, function(o)
  local list = {}
  for k, v in pairs(o) do
    list[#list + 1] = k .. "=" .. v
  end
  return table.concat(list, " ")
end)

local binary = {
  { "__add", "+" }, { "__sub", "-" }, { "__mul", "*" }, { "__div", "/" }, { "__mod", "%" },
  { "__pow", "^" }, { "__idiv", "//" }, { "__band", "&" }, { "__bor", "|" }, { "__bxor", "~" },
  { "__shl", "<<" }, { "__shr", ">>" },
}
for _, pair in ipairs(binary) do
  local event, operator = pair[1], pair[2]
  -- With the object on either side, and with a constant (an opcode of its own).
  local use = assert(load(("local o, n = ...; return (o %s n) .. (n %s o) .. (o %s 2)")
    :format(operator, operator, operator)))
  metamethod(event, "rrr", "r", function(o)
    return use(o, 5)
  end)
end

place("__close at the end of a block", "body close", function(wait)
  local log = {}
  do
    local guard <close> = setmetatable({}, {
      __close = function()
        wait()
        log[#log + 1] = "close"
      end,
    })
    log[#log + 1] = guard and "body"
  end
  return table.concat(log, " ")
end)

place("__close on return, break and error", "return break error raised", function(wait)
  local log = {}
  local function closing(text)
    return setmetatable({}, {
      __close = function()
        wait()
        log[#log + 1] = text
      end,
    })
  end
  local function returns()
    local guard <close> = closing("return")
    return guard
  end
  returns()
  for _ = 1, 2 do
    local guard <close> = closing("break")
    if guard then
      break
    end
  end
  local _, err = pcall(function()
    local guard <close> = closing("error")
    error(guard and "raised", 0)
  end)
  log[#log + 1] = err
  return table.concat(log, " ")
end)

-- -- iterators

place("a for iterator", "6 closed", function(wait)
  local sum, closed = 0, ""
  local closing = setmetatable({}, {
    __close = function()
      wait()
      closed = " closed"
    end,
  })
  local function iterator(_, i)
    wait()
    if i < 3 then
      return i + 1
    end
  end
  for i in iterator, nil, 0, closing do
    sum = sum + i
  end
  return sum .. closed
end)

place("ipairs through __index", "a b", function(wait)
  local list = {}
  local values = setmetatable({}, {
    __index = function(_, i)
      wait()
      return ({ "a", "b" })[i]
    end,
  })
  for _, v in ipairs(values) do
    list[#list + 1] = v
  end
  return table.concat(list, " ")
end)

-- -- the table library through metamethods

local function proxy(wait, values)
  return setmetatable({}, {
    __index = function(_, key)
      wait()
      return values[key]
    end,
    __newindex = function(_, key, value)
      wait()
      values[key] = value
    end,
    __len = function()
      wait()
      return #values
    end,
  })
end

place("table.concat through __index", "a,b,c", function(wait)
  return table.concat(proxy(wait, { "a", "b", "c" }), ",")
end)

place("table.unpack through __index", "a b c", function(wait)
  return table.concat({ table.unpack(proxy(wait, { "a", "b", "c" }), 1, 3) }, " ")
end)

place("table.insert and table.remove through __index", "z a b, b", function(wait)
  local values = { "a", "b" }
  local through = proxy(wait, values)
  table.insert(through, 1, "z")
  local before = table.concat(values, " ")
  return before .. ", " .. table.remove(through)
end)

place("table.move and sort through __index", "1 2 3", function(wait)
  local values = { 3, 1, 2 }
  local to = {}
  table.move(proxy(wait, values), 1, 3, 1, proxy(wait, to))
  table.sort(proxy(wait, to))
  return table.concat(to, " ")
end)

-- -- hooks

place("a debug hook", "count line call return", function(wait)
  local seen = {}
  local thread = coroutine.running()
  local old = { debug.gethook(thread) }
  local function hooked(mask, count, key)
    local hits = 0
    debug.sethook(thread, function()
      hits = hits + 1
      if hits <= 2 then
        wait()
      end
    end, mask, count)
    local function some_work()
      local n = 0
      for i = 1, 20 do
        n = n + i
      end
      return n
    end
    local n = some_work()
    debug.sethook(thread)
    seen[#seen + 1] = n == 210 and hits > 0 and key or "?"
  end
  hooked("", 5, "count")
  hooked("l", 0, "line")
  hooked("c", 0, "call")
  hooked("r", 0, "return")
  debug.sethook(thread, table.unpack(old, 1, 3))
  return table.concat(seen, " ")
end)

-- -- coroutines of the script's own

place("coroutine.wrap three deep", "1 2 3 4 5 6", function(wait)
  local function level(n)
    return coroutine.wrap(function()
      wait()
      coroutine.yield(n * 2 - 1)
      if n < 3 then
        for value in level(n + 1) do
          wait()
          coroutine.yield(value)
        end
      end
      wait()
      if n == 1 then
        return nil
      end
    end)
  end
  -- The generator of each level passes on what the deeper ones give.
  local list = {}
  for value in level(1) do
    list[#list + 1] = value
    wait()
    list[#list + 1] = value + 1
  end
  return table.concat(list, " ")
end)

place("a coroutine that is resumed with values", "6", function(wait)
  local co = coroutine.create(function(a)
    wait()
    local b = coroutine.yield(a)
    wait()
    return a + b
  end)
  -- A failed resume leaves the coroutine's variables to who asks to close them.
  local function resume(...)
    local ok, result = coroutine.resume(co, ...)
    if not ok then
      coroutine.close(co)
      error(result, 0)
    end
    return result
  end
  local first = resume(2)
  wait()
  return tostring(resume(first * 2))
end)

place("coroutine.close", "true closed", function(wait)
  local log
  local co = coroutine.create(function()
    local guard <close> = setmetatable({}, {
      __close = function()
        wait()
        log = "closed"
      end,
    })
    coroutine.yield(guard)
  end)
  coroutine.resume(co)
  return ("%s %s"):format(coroutine.close(co), log)
end)

place("coroutine.close with an error", "false from close", function(wait)
  local co = coroutine.create(function()
    local guard <close> = setmetatable({}, {
      __close = function()
        wait()
        error("from close", 0)
      end,
    })
    coroutine.yield(guard)
  end)
  coroutine.resume(co)
  return ("%s %s"):format(coroutine.close(co))
end)

place("a failing coroutine.wrap", "wrapped", function(wait)
  local _, err = pcall(coroutine.wrap(function()
    local guard <close> = setmetatable({}, { __close = function() wait() end })
    wait()
    error(guard and "wrapped", 0)
  end))
  return err
end)

-- -- all at once

place("sort in gsub in pcall in a metamethod in a coroutine", "[abc] [ab]", function(wait)
  local sorter = setmetatable({}, {
    __index = function(_, word)
      local ok, result = pcall(function()
        local letters = {}
        for letter in word:gmatch(".") do
          letters[#letters + 1] = letter
        end
        table.sort(letters, function(a, b)
          wait()
          return a < b
        end)
        return table.concat(letters)
      end)
      return ok and result
    end,
  })
  local words = coroutine.wrap(function()
    return (("cab ba"):gsub("%a+", function(word)
      wait()
      return "[" .. sorter[word] .. "]"
    end))
  end)
  return words()
end)

-- -- other C libraries

local has_lpeg, lpeg = pcall(require, "lpeg")
if has_lpeg then
  place("an lpeg capture", "<a>,<b>", function(wait)
    local word = lpeg.R("az") ^ 1 / function(text)
      wait()
      return "<" .. text .. ">"
    end
    return table.concat({ (word * (lpeg.P(" ") * word) ^ 0):match("a b") }, ",")
  end)

  place("an lpeg match-time capture", "a+b+", function(wait)
    local letter = lpeg.Cmt(lpeg.R("az"), function(_, at, text)
      wait()
      return at, text .. "+"
    end)
    return table.concat({ (letter ^ 1):match("ab") })
  end)
end

local has_lxp, lxp = pcall(require, "lxp")
if has_lxp then
  place("an expat callback", "<a> text </a>", function(wait)
    local log = {}
    local parser = lxp.new({
      StartElement = function(_, name)
        wait()
        log[#log + 1] = "<" .. name .. ">"
      end,
      CharacterData = function(_, text)
        wait()
        log[#log + 1] = text
      end,
      EndElement = function(_, name)
        wait()
        log[#log + 1] = "</" .. name .. ">"
      end,
    })
    assert(parser:parse("<a>text</a>"))
    parser:parse()
    parser:close()
    return table.concat(log, " ")
  end)
end

return places
