-- What scripts can call, read off the modules and handles that are loaded.
local support = require("spec.support")

local surface = {}

-- Modules that scripts require; each is a class of the same name in types/.
local module_names = {
  "neap", "neap.compat", "neap.dns", "neap.fs", "neap.net", "neap.net.ip", "neap.process",
  "neap.signal", "neap.testing", "neap.tls", "neap.tty",
}

-- class -> member -> value, read off what is loaded.
function surface.present()
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

function surface.is_public(name)
  return type(name) == "string" and name:sub(1, 1) ~= "_"
end

return surface
