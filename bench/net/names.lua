-- Names to addresses: the time of one look-up, against uv_getaddrinfo.
local harness = require("harness")

-- A name that the hosts file has, other than localhost: no name server is asked. Where
-- there is none, one that the system's resolver takes for an address.
local function hosts_name()
  local file = io.open("/etc/hosts")
  for line in file and file:lines() or function() end do
    for name in line:gsub("#.*", ""):gsub("^%s*%S+", ""):gmatch("%S+") do
      if not name:find("localhost", 1, true) and not name:find("^ip6") then
        return name
      end
    end
  end
  return "127.1"
end

-- peer_n: how often the peer does it.
local function figure(title, name, n, peer_n, most)
  return {
    name = "names",
    title = "look-up of " .. title,
    unit = "us",
    neap = harness.program(harness.lua("net/resolve.lua", name, n)),
    peer = harness.program(harness.command(harness.peers .. "resolve_uv", name, peer_n)),
    peer_name = "libuv in C",
    most = most,
  }
end

return {
  figure("127.0.0.1", "127.0.0.1", 200000, 10000, 0.05),
  figure("::1", "::1", 200000, 10000, 0.05),
  figure("localhost", "localhost", 200000, 10000, 0.05),
  figure("a name of the hosts file", hosts_name(), 10000, 10000, 1.1),
}
