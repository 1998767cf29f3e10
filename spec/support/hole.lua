-- Listeners whose backlog is full and who accept nobody: who connects there hears
-- nothing, as from an address behind a firewall.
local net = require("neap.net")

local hole = {}

local meta = {}

function meta.__close(self)
  self.server:close()
  for _, conn in ipairs(self.conns) do
    conn:close()
  end
end

-- Connections fill the backlog. One that takes long may be the machine's mood, five
-- in a row are not.
local function fill(self, host)
  local late = 0
  repeat
    local conn, message, code = net.connect(host, self.port, { timeout = 0.02 })
    assert(conn or code == "ETIMEDOUT", message)
    self.conns[#self.conns + 1] = conn
    late = conn and 0 or late + 1
  until late == 5
end

--- `local dark <close> = hole.open("127.0.0.2")`; dark.port.
---@param host string
---@param port? integer
---@return table
function hole.open(host, port)
  local self = setmetatable({ conns = {} }, meta)
  self.server = assert(net.listen(host, port or 0, { backlog = 1 }))
  self.port = select(2, self.server:address())
  fill(self, host)
  return self
end

return hole
