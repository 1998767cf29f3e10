-- The rows of neap.dns: see waits.lua.
local neap = require("neap")
local dns = require("neap.dns")
local dns_server = require("spec.support.dns_server")

local rows = {}

-- Names that need the pool, but no name server: no wait for the world outside. They
-- may be answered before anybody can cancel them.
rows["dns.resolve"] = function()
  return {
    wait = function()
      return dns.resolve("127.1")[1]
    end,
    value = "127.0.0.1",
    finishes = true,
  }
end

rows["dns.reverse"] = function()
  return {
    wait = function()
      return dns.reverse("127.0.0.1") ~= false -- a name, or none, as the machine says
    end,
    value = true,
    finishes = true,
  }
end

-- A server that keeps its answers back until row.complete is called.
rows["dns.query"] = function()
  local answering = neap.event()
  local server = dns_server.start(function(query)
    answering:wait()
    return { { query.name, 60, "A", "127.0.0.2" } }
  end)
  local options = { servers = { server.address }, tcp = true }
  local function query(timeout)
    options.timeout = timeout
    local records, message, code = dns.query("some.test", "A", options)
    if not records then
      return nil, message, code
    end
    return records[1].address
  end
  return {
    wait = query,
    value = "127.0.0.2",
    timeout = query,
    complete = function()
      answering:set()
    end,
    close = function()
      getmetatable(server).__close(server)
    end,
  }
end

return rows
