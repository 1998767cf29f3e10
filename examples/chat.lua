-- A small chat server:   lua5.4 examples/chat.lua [port]     then, from several terminals,
--   nc localhost PORT     The first line you type is your name; the others go to everybody.
local neap = require("neap")

local server = assert(neap.net.listen("127.0.0.1", tonumber(arg[1] or 7008)))
local ip, port = server:address()
print(("chatting on %s:%d"):format(ip, port))
io.stdout:flush()

local guests = {} -- name -> connection

-- Tells everybody but one. A guest who reads slowly holds up only a task of
-- its own; one who is gone is no error here: its own reader notices.
local function tell(but, ...)
  local text = table.concat({ ... }) .. "\n"
  for name, conn in pairs(guests) do
    if name ~= but then
      neap.spawn(conn.write, conn, text)
    end
  end
end

local function welcome(conn)
  conn:write("your name? ")
  local name = conn:read("l")
  while name and (name == "" or guests[name]) do
    conn:write("another one, please: ")
    name = conn:read("l")
  end
  return name
end

local function serve(conn)
  local c <close> = conn
  c:settimeout(600)
  local name = welcome(c)
  if not name then
    return
  end
  guests[name] = c
  local _ <close> = setmetatable({}, {
    __close = function()
      guests[name] = nil
      tell(name, name, " has left")
    end,
  })
  tell(name, name, " has come")
  for line in c:lines() do
    tell(name, name, ": ", line)
  end
end

for conn in server do
  neap.spawn({ name = "guest", quiet = true }, serve, conn)
end
