-- The direction of the layers (docs/architecture.md): who may include whom,
-- and who may use whose neap__<module>_ names.
local support = require("spec.support")

-- Inside core the order is a rank: a module takes only from those before it.
-- rt.h composes all their parts; any .c of core may include it to find its own.
local core_rank = {
  "list", "mem", "options", "fork", "text", "clock", "sanitize", "switch", "cxx", "stack", "task",
  "trace", "slice", "taskq", "shuffle", "sched", "timer", "cancel", "op", "waitq", "context",
  "scope", "block", "sync", "chan", "select", "preempt", "post", "sigint", "overflow", "watchdog",
  "info", "driver", "step", "rt",
}

-- Of core, io takes these; whatever more it wants belongs into neap.h. waitq:
-- writers of a stream and accepters of a listener are served first come first;
-- timer: what a duration from now is due.
local io_takes = {
  op = true, sigint = true, sched = true, mem = true, list = true, rt = true, waitq = true,
  timer = true,
}

-- The binding lives by neap.h and neap_lua.h, of io by them alone. Of core it
-- takes a task's life: how its Lua thread is entered, waits and is unwound.
local lua_takes = {
  rt = true, task = true, sched = true, scope = true, op = true, timer = true, mem = true,
  list = true, stack = true, driver = true, sigint = true, cancel = true, waitq = true,
  chan = true, select = true, sync = true,
  clock = true, text = true, trace = true, slice = true, info = true,
  preempt = true, watchdog = true, options = true, fork = true,
}

local rank = {}
for i, name in ipairs(core_rank) do
  rank[name] = i
end

local function files(folder)
  local list = {}
  local listing = support.sh("cd csrc && find " .. folder .. " -maxdepth 1 -type f -name '*.[chS]'")
  for path in listing:gmatch("[^\n]+") do
    list[#list + 1] = path
  end
  table.sort(list)
  assert(#list > 0, "no sources in csrc/" .. folder)
  return list
end

-- The module of a file: its base name without the platform it is for.
local function module_of(path)
  local name = path:match("([%w_]+)%.[chS]$")
  return name:match("^(switch)_") or name:match("^(.*)_linux$") or name:match("^(.*)_none$") or name
end

-- layer -> module -> true
local modules = {}
for _, layer in ipairs({ "core", "io", "lua" }) do
  modules[layer] = {}
  for _, path in ipairs(files(layer)) do
    modules[layer][module_of(path)] = true
  end
end

-- Source without comments and strings, include lines kept.
local function code_of(path)
  local text = support.slurp("csrc/" .. path)
  text = text:gsub("/%*.-%*/", " "):gsub("//[^\n]*", "")
  return text
end

-- neap__fs_fast_open -> "fs_fast": the longest module name that fits.
local function owner_of(name)
  local rest = name:match("^neap__(.*)$")
  while rest do
    for _, layer in ipairs({ "core", "io", "lua" }) do
      if modules[layer][rest] then
        return layer, rest
      end
    end
    rest = rest:match("^(.*)_[^_]*$")
  end
end

-- May `path` of `layer` take from `module` of `from`?
local function may(layer, path, from, module)
  local own = module_of(path)
  if layer == "core" then
    if from ~= "core" then
      return false
    end
    if module == "rt" and path:match("%.c$") then
      return true
    end
    return module == own or (rank[module] or math.huge) < (rank[own] or 0)
  elseif layer == "io" then
    return from == "io" or from == "core" and io_takes[module] == true
  end
  return from == "lua" or from == "core" and lua_takes[module] == true
end

local public = { ["neap.h"] = true, ["neap_lua.h"] = true }

local function check_include(layer, path, header, bad)
  local from, file = header:match("^(%w+)/(.+)$")
  if modules[from] then
    if not io.open("csrc/" .. header) then
      bad("includes " .. header .. ", which is not there")
    elseif not may(layer, path, from, module_of(file)) then
      bad("includes " .. header)
    end
  elseif header == "neap_lua.h" and layer ~= "lua" or header:match("^lua") and layer ~= "lua" then
    bad("includes " .. header .. ": core and io know no Lua")
  elseif header:match("^neap") and not public[header] then
    bad("includes " .. header .. " without its folder")
  end
end

describe("the layers", function()
  it("leave the command a host: of neap it knows a struct and the version", function()
    local known = { ["lua/runner.h"] = true, ["include/neap.h"] = true }
    for _, path in ipairs(files("runner")) do
      for header in support.slurp("csrc/" .. path):gmatch('#include "([^"]+)"') do
        assert(known[header] or header:match("^runner/"), path .. " includes " .. header)
      end
    end
  end)

  for _, layer in ipairs({ "core", "io", "lua" }) do
    it("hold their direction in csrc/" .. layer, function()
      local found = {}
      for _, path in ipairs(files(layer)) do
        local function bad(what)
          found[#found + 1] = "csrc/" .. path .. " " .. what
        end
        local code = code_of(path)
        for header in code:gmatch('\n%s*#%s*include%s*[<"]([^">]+)[">]') do
          check_include(layer, path, header, bad)
        end
        local seen = {}
        for name in code:gmatch("neap__[%w_]+") do
          if not seen[name] then
            seen[name] = true
            local from, module = owner_of(name)
            if not from then
              bad("uses " .. name .. ", whose name leads to no file")
            elseif not may(layer, path, from, module) then
              bad("uses " .. name .. " of " .. from .. "/" .. module)
            end
          end
        end
      end
      assert(#found == 0, "\n" .. table.concat(found, "\n"))
    end)
  end

  it("rank every module of core", function()
    local unranked = {}
    for module in pairs(modules.core) do
      if not rank[module] then
        unranked[#unranked + 1] = module
      end
    end
    assert.same({}, unranked)
  end)

  it("include only public headers and Lua's in csrc/include", function()
    for _, path in ipairs(files("include")) do
      for header in code_of(path):gmatch('#%s*include%s*"([^"]+)"') do
        local allowed = public[header] or path:match("neap_lua%.h$") and header:match("^l[%w]+%.h$")
        assert(allowed, "csrc/" .. path .. " includes " .. header)
      end
      assert(not code_of(path):find("uv%.h"), "csrc/" .. path .. " includes uv.h")
    end
  end)
end)
