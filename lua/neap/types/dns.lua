---@meta neap.dns

--- Names and addresses, by the system's resolver; and what name servers say, by
--- c-ares. Expected failures are returned as `nil, message, code`; misuse raises.
---
--- Codes: "EAI_NONAME", there is no such name, or it can't be one; "EAI_NODATA", it
--- has no such record or address; "EAI_AGAIN", no name server could answer;
--- "ETIMEDOUT", none did in time.
---@class neap.dns
local dns = {}

---@class neap.dns.resolve_options
---@field family? "inet"|"inet6"  IPv4 or IPv6 addresses alone (default: both)
---@field timeout? number  seconds

--- The IP addresses of a host, in the order in which they are to be tried, as the
--- system's resolver says (hosts file, name servers, what else it is set up for);
--- in the thread pool, where half of the threads may be at it. An IP address stands
--- for itself; "localhost" and names that end with ".localhost" for "127.0.0.1"
--- and "::1". Waits.
---@param host string
---@param options? neap.dns.resolve_options
---@return string[]? addresses  at least one
---@return string? message
---@return string? code
function dns.resolve(host, options) end

---@class neap.dns.reverse_options
---@field timeout? number  seconds

--- The name of an IP address, as the system's resolver says. Waits.
---@param address string
---@param options? neap.dns.reverse_options
---@return string? name
---@return string? message
---@return string? code
function dns.reverse(address, options) end

--- A record. Names have no dot at the end.
---@class neap.dns.record
---@field name string  whose it is: behind all aliases of the name asked for
---@field type string
---@field ttl integer  how many seconds it may be kept
---@field address? string  A, AAAA
---@field target? string  CNAME, MX, NS, PTR, SRV: a name
---@field priority? integer  MX, SRV: lower ones first
---@field weight? integer  SRV
---@field port? integer  SRV
---@field text? string  TXT: its strings, joined
---@field flags? integer  CAA
---@field tag? string  CAA: "issue", "issuewild", "iodef"
---@field value? string  CAA

---@class neap.dns.query_options
---@field servers? string[]  "127.0.0.1:53", "[::1]:53"; at most 16 (default: the system's)
---@field timeout? number  seconds for the whole of it (default: until all servers were tried)
---@field retry? number  seconds a server has before the next one is asked (default: the system's)
---@field tcp? boolean  don't try UDP first

--- Asks name servers for records; aliases are followed. Neither the hosts file nor
--- the system's search list is looked at. A name that is not ASCII is to be given as
--- it is sent ("xn--..."). With "PTR" the name may be an IP address. Many tasks may
--- ask at once. In a build without c-ares: a failure, "ENOTSUP". Waits.
---@param name string
---@param type "A"|"AAAA"|"CAA"|"CNAME"|"MX"|"NS"|"PTR"|"SRV"|"TXT"
---@param options? neap.dns.query_options
---@return neap.dns.record[]? records  at least one, in the order of the answer
---@return string? message
---@return string? code
function dns.query(name, type, options) end

return dns
