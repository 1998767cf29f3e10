-- lua/neap/types holds an annotation of everything that scripts can call, and
-- of nothing else; neap.h says of every function whether it waits.
local support = require("spec.support")

-- Modules that scripts require; each is a class of the same name in types/.
local module_names = {
  "neap", "neap.compat", "neap.dns", "neap.fs", "neap.net", "neap.net.ip", "neap.process",
  "neap.signal", "neap.testing", "neap.tls", "neap.tty",
}

-- class -> member -> "field" or "function", read off the annotation files:
--   ---@class neap.task
--   ---@field id integer
--   local task = {}
--   function task:join(timeout) end
local function annotated()
  local classes = {}
  for path in support.sh("ls lua/neap/types/*.lua"):gmatch("[^\n]+") do
    local class
    local class_of = {}
    for line in io.lines(path) do
      local name = line:match("^%-%-%-@class%s+([%w_.]+)")
      local field = line:match("^%-%-%-@field%s+([%w_]+)%??%s")
      local variable = line:match("^local%s+([%w_]+)%s*=%s*{}")
      local owner, member = line:match("^function%s+([%w_]+)[.:]([%w_]+)%(")
      if name then
        class = name
        classes[class] = classes[class] or {}
      elseif field then
        assert(class, path .. ": @field without @class")
        classes[class][field] = "field"
      elseif variable then
        class_of[variable], class = class, nil
      elseif owner then
        local of = assert(class_of[owner], path .. ": no @class above 'local " .. owner .. "'")
        classes[of][member] = "function"
      end
    end
  end
  return classes
end

-- class -> member -> value, read off what is loaded.
local function present()
  local classes = {}
  for _, name in ipairs(module_names) do
    classes[name] = require(name)
  end
  for name, metatable in pairs(debug.getregistry()) do
    if type(name) == "string" and name:match("^neap%.") and type(metatable) == "table" then
      local methods = support.methods(metatable)
      -- One without methods is a box of the binding's own, not a handle.
      if rawget(metatable, "__name") == name and next(methods) then
        classes[name] = methods
      end
    end
  end
  return classes
end

local function is_public(name)
  return type(name) == "string" and name:sub(1, 1) ~= "_"
end

describe("the annotations in lua/neap/types", function()
  it("name every function that scripts can call", function()
    local missing = {}
    local types = annotated()
    for class, members in pairs(present()) do
      for name, value in pairs(members) do
        local a_module = package.loaded[class .. "." .. tostring(name)] == value
        if is_public(name) and not a_module and not (types[class] or {})[name] then
          missing[#missing + 1] = class .. ": " .. name
        end
      end
    end
    table.sort(missing)
    assert.same({}, missing)
  end)

  it("name nothing that is not there", function()
    local unknown = {}
    local classes = present()
    for class, members in pairs(annotated()) do
      local real = classes[class]
      -- A class without a counterpart is the shape of a table: options, results.
      for name, kind in pairs(real and members or {}) do
        -- What an __index function makes up (task.id) can't be seen from here.
        local made_up = kind == "field" and not package.loaded[class]
        if real[name] == nil and not made_up then
          unknown[#unknown + 1] = class .. ": " .. name
        end
      end
    end
    table.sort(unknown)
    assert.same({}, unknown)
  end)

  it("are the classes of all modules and handles", function()
    local types = annotated()
    for class in pairs(present()) do
      assert(types[class], "no ---@class " .. class)
    end
  end)
end)

describe("neap.h", function()
  -- Splits C into its comments and statements of the outermost level.
  local function each_part(text, visit)
    local at, depth, start = 1, 0, 1
    while at <= #text do
      local comment = text:match("^/%*.-%*/", at)
      local line = text:match("^%s*#[^\n]*\\\n", at) or text:match("^#[^\n]*\n", at)
      local char = text:sub(at, at)
      if comment then
        if depth == 0 and text:sub(start, at - 1):match("^%s*$") then
          visit("comment", comment, "")
          start = at + #comment
        end
        at = at + #comment
      elseif line and (at == 1 or text:sub(at - 1, at - 1) == "\n") then
        while line:match("\\\n$") do
          line = line .. text:match("^[^\n]*\n", at + #line)
        end
        at = at + #line
        start = at
      else
        depth = depth + (char == "{" and 1 or char == "}" and -1 or 0)
        if char == ";" and depth == 0 then
          local statement = text:sub(start, at)
          visit("statement", statement, statement:match("^%s*"))
          start = at + 1
        end
        at = at + 1
      end
    end
  end

  it("says of every function whether it waits", function()
    local text = support.slurp("csrc/include/neap.h")
    text = text:gsub('extern "C" {', ""):gsub("\n}%s*\n#endif", "\n#endif")
    -- Families whose contract stands once, for `neap_stream_peek_*`.
    local families = {}
    local function has_contract(comment)
      return comment:find("Waits[.,]") or comment:find("Does not wait", 1, true)
    end
    local function in_a_family(name)
      for _, prefix in ipairs(families) do
        if name:sub(1, #prefix) == prefix then
          return true
        end
      end
    end
    local comment, count, missing = "", 0, {}
    each_part(text, function(kind, part, gap)
      local _, newlines = gap:gsub("\n", "")
      if kind == "comment" then
        comment = part:gsub("%s*\n%s*%*?%s*", " ")
        for prefix in (has_contract(comment) and comment or ""):gmatch("(neap_[%l_]+_)%*") do
          families[#families + 1] = prefix
        end
        return
      end
      -- A comment holds for the declarations right below it, up to a blank line.
      if newlines > 1 then
        comment = ""
      end
      local plain = part:gsub("/%*.-%*/", "")
      local name = not plain:match("^%s*typedef") and plain:match("([%l_]*neap_[%w_]+)%s*%(")
      if name and not plain:match("^%s*struct%s+[%w_]+%s*{") then
        count = count + 1
        if not has_contract(comment) and not in_a_family(name) then
          missing[#missing + 1] = name
        end
      end
    end)
    assert(count > 0, "no functions found")
    assert.same({}, missing)
  end)
end)
