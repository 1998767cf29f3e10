-- A busted helper (.busted names it): after each test of a spec that uses neap
-- no task, no handle and no descriptor may be left that was not there before.
local busted = require("busted")
local support = require("spec.support")

local before

-- Figures of neap.info() that count live things: none may grow.
local live_figures = { "handles", "jobs" }

local function figures(neap)
  local info = neap.info()
  local now = { tasks = #neap.tasks(), descriptors = support.fds() }
  for _, name in ipairs(live_figures) do
    now[name] = info[name]
  end
  return now
end

local function grown(now)
  local list = {}
  for name, count in pairs(now) do
    if count > before[name] then
      list[#list + 1] = ("%s: %d before, %d after"):format(name, before[name], count)
    end
  end
  table.sort(list)
  return list
end

-- libuv opens a spare descriptor for the loop's life with its first stream.
local function warm_up(neap)
  local server = neap.net.listen("127.0.0.1", 0)
  local conn = server and neap.net.connect("127.0.0.1", (select(2, server:address())))
  if conn then
    conn:close()
  end
  if server then
    server:close()
  end
  -- What is there from its first use on: the standard streams, the epoll of
  -- wait_fd, the pipe of net.copy.
  local a, b = neap.net.pair()
  a:close()
  neap.net.copy(b, b)
  b:close()
  local _ = neap.stdin
  neap.wait_fd(1, "w", 0) -- whatever stdout is here, and says
end

local warm = false

busted.before_each(function()
  local neap = package.loaded.neap
  if neap and not warm then
    warm = true
    warm_up(neap)
  end
  before = neap and figures(neap)
end)

busted.after_each(function()
  local neap = package.loaded.neap
  if not before or not neap then
    return
  end
  local left
  -- What was closed is gone some turns of the loop later (libuv's close
  -- callbacks, a pool job that was let go): turns, not time, are allowed for.
  for _ = 1, 1000 do
    collectgarbage()
    collectgarbage()
    left = grown(figures(neap))
    if #left == 0 then
      return
    end
    neap.yield()
  end
  local message = "left over: " .. table.concat(left, "; ")
  for _, task in ipairs(neap.tasks()) do
    message = message .. "\n  " .. tostring(task)
  end
  if message:find("descriptors:", 1, true) then
    message = message .. "\n" .. support.list_fds()
  end
  error(message, 0)
end)
