-- The script of game.c, called with the number of entities, the console's port
-- and the paths of assets. It starts tasks and returns; they run in the frames.
local fs = require("neap.fs")
local neap = require("neap")
local net = require("neap.net")

local engine = engine -- luacheck: globals engine
local count, port = ...
local paths = { select(3, ...) }

local sizes = { 4 } -- of entities, pixels: a new one for each asset that is there
local lives = 0
local loaded = neap.event()

-- From its birth to its death, a frame at a time. To die is to return.
local function live(id)
  local x, y = math.random(engine.width), math.random(engine.height)
  local dx, dy = math.random(-3, 3), math.random(-3, 3)
  local size = sizes[math.random(#sizes)]
  local last = math.random(30, 300)
  lives = lives + 1
  for _ = 1, last do
    x, y = (x + dx) % engine.width, (y + dy) % engine.height
    engine.place(id, x, y, size)
    neap.frame()
  end
end

for id = 1, count do
  neap.spawn({ name = "entity " .. id }, function()
    while true do
      live(id)
    end
  end)
end

-- The file comes while frames are drawn.
neap.spawn({ name = "assets" }, function()
  for _, path in ipairs(paths) do
    local bytes = assert(fs.readfile(path))
    sizes[#sizes + 1] = 2 + #bytes % 12
  end
  loaded:set()
end)

-- What the lines typed into a console may use besides Lua's own.
local function console_of(conn)
  return setmetatable({
    neap = neap,
    console = conn, -- neap.dump(console)
    print = function(...)
      local words = table.pack(...)
      for i = 1, words.n do
        words[i] = tostring(words[i])
      end
      conn:write(table.concat(words, "\t"), "\n")
    end,
    assets = function() -- waits for them; the game goes on
      loaded:wait()
      return #paths
    end,
    lives = function()
      return lives
    end,
  }, { __index = _G })
end

-- nc 127.0.0.1 PORT: each line is Lua code. For this machine's developers only.
neap.spawn({ name = "console" }, function()
  local server <close> = assert(net.listen("127.0.0.1", port))
  print("console on 127.0.0.1:" .. select(2, server:address()))
  server:serve(function(conn)
    local env = console_of(conn)
    for line in conn:lines() do
      local fn, message = load(line, "=console", "t", env)
      local ok = fn ~= nil
      if fn then
        ok, message = pcall(fn)
        if not ok and neap.is_cancelled(message) then
          error(message, 0)
        end
      end
      if not ok then
        conn:write(tostring(message), "\n")
      end
    end
  end)
end)
