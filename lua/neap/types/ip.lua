---@meta neap.net.ip

--- IP addresses and networks. `neap.net.ip`, or `neap.net` at `ip`.
---@class neap.net.ip
local ip = {}

---@class neap.ip_address
---@field family "inet"|"inet6"
---@field bytes string  4 or 16 of them, as they are sent
---@field scope? string  the interface of a link-local address: "eth0"
---@field prefix? integer  bits that all addresses of the network share

--- Reads "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%eth0", and with
--- "/24" behind it a network.
---@param text string
---@return neap.ip_address? address
---@return string? message
---@return string? code  "EINVAL"
function ip.parse(text) end

--- The text of an address or a network, as RFC 5952 has it: "2001:db8::1".
---@param address neap.ip_address|string  a table as ip.parse returns, or the bytes
---@return string
function ip.format(address) end

--- Whether an address is in a network ("10.0.0.0/8"; one address without a prefix).
--- Scopes don't matter. An IPv4 address mapped into IPv6 ("::ffff:10.0.0.1") counts
--- as the IPv4 address.
---@param network string|neap.ip_address
---@param address string|neap.ip_address
---@return boolean? is_in
---@return string? message  when a text is neither
---@return string? code  "EINVAL"
function ip.contains(network, address) end

return ip
