-- What scripts can call, read off the modules and handles that are loaded.
local surface = {}

-- Modules that scripts require; each is a class of the same name in types/.
local module_names = {
  "neap", "neap.compat", "neap.dns", "neap.fs", "neap.net", "neap.net.ip", "neap.process",
  "neap.signal", "neap.testing", "neap.tls", "neap.tty",
}

-- The methods of a handle: its metatable's __index, or the table that an
-- __index function keeps as an upvalue.
local function methods_of(metatable)
  local index = metatable.__index
  if type(index) == "function" then
    for i = 1, 255 do
      local name, value = debug.getupvalue(index, i)
      if not name or type(value) == "table" then
        index = value
        break
      end
    end
  end
  return type(index) == "table" and index or {}
end

-- class -> member -> value, read off what is loaded.
function surface.present()
  local classes = {}
  for _, name in ipairs(module_names) do
    classes[name] = require(name)
  end
  for name, metatable in pairs(debug.getregistry()) do
    if type(name) == "string" and name:match("^neap%.") and type(metatable) == "table" then
      local methods = methods_of(metatable)
      -- One without methods is a box of the binding's own, not a handle.
      if rawget(metatable, "__name") == name and next(methods) then
        classes[name] = methods
      end
    end
  end
  return classes
end

function surface.is_public(name)
  return type(name) == "string" and name:sub(1, 1) ~= "_"
end

return surface
