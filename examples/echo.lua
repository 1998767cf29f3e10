-- An echo server:   lua5.4 examples/echo.lua [port]     then   nc localhost PORT
-- Port 0 takes any free one; the first line says which.
local neap = require("neap")

local server = assert(neap.net.listen("127.0.0.1", tonumber(arg[1] or 7007)))
local ip, port = server:address()
print(("echoing on %s:%d"):format(ip, port))
io.stdout:flush()

for conn in server do
  neap.spawn(function()
    local c <close> = conn
    while true do
      local data = c:read_some()
      if not data or not c:write(data) then
        break -- the peer has ended, or is gone: nobody else minds
      end
    end
  end)
end
