-- What specs about processes ask the system about them.
local support = require("spec.support")

local children = {}

--- Our own number. The stat file's first word.
---@return integer
function children.me()
  return tonumber(support.slurp("/proc/self/stat"):match("^%d+"))
end

--- One letter: "R", "S", "Z" for a zombie, ...; nil when there is no such process.
---@param pid integer
---@return string?
function children.state(pid)
  local file = io.open(("/proc/%d/stat"):format(pid))
  if not file then
    return nil
  end
  local text = file:read("a") or ""
  file:close()
  return text:match("^%d+ %(.*%) (%a)")
end

--- Whether it runs: neither gone nor a zombie (one whose parent was ours waits for
--- the system's first process, which may be slow).
---@param pid integer
---@return boolean
function children.runs(pid)
  local state = children.state(pid)
  return state ~= nil and state ~= "Z" and state ~= "X"
end

--- The children of ours that have not been reaped.
---@return integer[]
function children.ours()
  local list = {}
  local text = support.slurp(("/proc/%d/task/%d/children"):format(children.me(), children.me()))
  for pid in text:gmatch("%d+") do
    list[#list + 1] = tonumber(pid)
  end
  return list
end

--- Lets others run until test() is true.
---@param test fun(): any
function children.wait_until(test)
  local neap = require("neap")
  local limit = neap.now() + 60
  while not test() do
    assert(neap.now() < limit, "it does not happen")
    neap.sleep(0.001)
  end
end

return children
