---@meta neap.net

--- TCP connections, servers, unix sockets and UDP. Expected failures are returned
--- as `nil, message, code`; misuse raises.
---@class neap.net
local net = {}

---@class neap.net.connect_options
---@field timeout? number  seconds for the whole of it, the look-up included
---@field nodelay? boolean  small writes go out at once (default true)
---@field keepalive? integer  seconds of silence before the peer is probed (default: never)
---@field bind? string  the IP address to connect from; only addresses of its family are tried

--- Connects to a host, a name or an IP address; or to `"unix:/path"`, without a
--- port. A name is looked up without blocking other tasks. Of its addresses IPv6
--- and IPv4 take turns; the next one is tried when one has failed, or after 250 ms
--- of silence beside it, and the first connection is taken (Happy Eyeballs, RFC
--- 8305). Waits.
---@param host string
---@param port? integer
---@param options? neap.net.connect_options
---@return neap.conn? conn
---@return string? message  with several addresses: each with its reason
---@return string? code
function net.connect(host, port, options) end

--- Two connections to each other, within the process: what one writes, the other
--- reads. Waits for its turn at most.
---@return neap.conn? a
---@return neap.conn|string b  the message after a failure
---@return string? code
function net.pair() end

---@class neap.net.pool_options
---@field max_idle? integer  connections kept for later, over all hosts (default 16)
---@field max_per_host? integer  leases at a time for each host; more wait (default: no limit)
---@field idle_timeout? number  seconds for which an idle connection may be used (default 60)
---@field connect? fun(host: string, port?: integer, options: table): ...  (default net.connect)

--- Makes a pool of connections that are used again. Does not wait.
---@param options? neap.net.pool_options
---@return neap.net.pool
function net.pool(options) end

--- Connections for later; a to-be-closed value.
---@class neap.net.pool
local pool = {}

--- Takes a connection to a host: the last one that was released and that still
--- lives (nothing has come on it, nor its end), else a new one. While
--- `max_per_host` leases are out it waits, first come, first served. Options are
--- those of net.connect (or of the pool's `connect`); its timeout is for all of
--- this. Waits.
---@param host string
---@param port? integer
---@param options? table
---@return neap.net.lease?
---@return string? message
---@return string? code
function pool:acquire(host, port, options) end

--- How many connections are idle. Does not wait.
---@return integer
function pool:idle() end

--- Closes what is idle; what is in use is closed when its lease ends. Does not wait.
---@return true
function pool:close() end

--- A connection in use; a to-be-closed value, which closes the connection unless
--- it was released.
---@class neap.net.lease
---@field conn neap.conn? until the lease ends
local lease = {}

--- Gives the connection back: the exchange is complete. One with unread bytes is
--- closed. Does not wait.
---@return true
function lease:release() end

--- Closes the connection. Does not wait.
---@return true
function lease:close() end

---@class neap.net.copy_options
---@field limit? integer  at most so many bytes (default: up to the end)
---@field progress? fun(bytes: integer)  told how many went so far, after each step of up to 64 KiB

--- Copies from a connection or file to a connection or file, up to the end or the
--- limit, no faster than the target takes it. Bytes that were received before go
--- first. Between connections without TLS the bytes do not leave the kernel, on
--- Linux. What the target did not take stays to be read from a connection; a file
--- stands behind what was read. Waits.
---@param src neap.conn|neap.file
---@param dst neap.conn|neap.file
---@param options? neap.net.copy_options
---@return integer? bytes
---@return string? message
---@return string? code
---@return integer? copied  how many bytes the target took before the failure
---@return "read"|"write"|nil side  what failed
function net.copy(src, dst, options) end

---@class neap.net.relay_options
---@field progress? fun(first: integer, second: integer)  told how many bytes of each went so far

--- Joins two connections: each gets what comes from the other, until both have
--- ended. The end of one direction is passed on as a half-close. A peer that takes
--- no more is still listened to, to its end; any other failure ends both
--- directions. The connections stay open. Waits.
---@param a neap.conn
---@param b neap.conn
---@param options? neap.net.relay_options
---@return integer? first  bytes that came from a
---@return integer|string second  bytes that came from b; the message after a failure
---@return string? code
---@return integer? from_a  after a failure: what went so far
---@return integer? from_b
function net.relay(a, b, options) end

---@class neap.net.listen_options
---@field backlog? integer  connections that may wait to be accepted (default: the system's limit)
---@field reuseport? boolean  several processes may listen on one port
---@field ipv6only? boolean  "::" and "*" don't stand for IPv4 as well
---@field mode? integer  of a unix socket's file, `tonumber("660", 8)` (default: as the umask says)
---@field fd? integer  a socket that listens already, the server's from now on; host, port: nil

--- Listens on a host's address: an IP address, a name, or `"*"` for all; port 0
--- is any free one. Or on `"unix:/path"` or, on Linux, the abstract name
--- `"unix:@name"`, without a port. The file of a unix socket on which nobody
--- listens any more is replaced; the server's own goes when it is closed. With `fd`
--- alone the options may be the only argument. Waits when host is a name.
---@param host string|neap.net.listen_options
---@param port? integer
---@param options? neap.net.listen_options
---@return neap.server? server
---@return string? message
---@return string? code
function net.listen(host, port, options) end

---@class neap.net.udp_options
---@field queue? integer  datagrams that may wait beside those in the kernel (default 64)
---@field max? integer  bytes; a longer datagram is cut (default: none is)
---@field reuseaddr? boolean  several sockets may have the port; each gets what goes to a group
---@field reuseport? boolean  the same; what goes to one address is shared out among them
---@field ipv6only? boolean  "::" and "*" don't stand for IPv4 as well

--- Opens a UDP socket at a host's address: an IP address, a name, or `"*"`, the
--- default, for all of both families; port 0, the default, is any free one. Waits
--- when host is a name.
---@param host? string
---@param port? integer
---@param options? neap.net.udp_options
---@return neap.udp? socket
---@return string? message
---@return string? code
function net.udp(host, port, options) end

--- The sockets that listen which systemd, or who else started the process, has
--- handed over (LISTEN_FDS, see sd_listen_fds(3)): their descriptors, for
--- `net.listen`'s `fd`, also by their names, if they have any. Empty: none.
---@return table<integer|string, integer>? descriptors
---@return string? message
---@return string? code
function net.listen_fds() end

--- What listens for connections; a to-be-closed value. `for conn in server do`
--- accepts until the server is closed. When the process runs out of
--- descriptors, the server pauses and goes on by itself.
---@class neap.server
---@operator call: neap.conn?
local server = {}

--- The next connection; tasks get them in the order in which they asked. Waits.
---@param timeout? number  seconds; 0 tries once
---@return neap.conn? conn
---@return string? message
---@return string? code  "ECANCELED" when the server is closed meanwhile
function server:accept(timeout) end

--- Where it listens: IP address, port and "inet" or "inet6"; or path, nil, "unix".
---@return string? ip
---@return integer|string|nil port  the message after a failure
---@return string? family  the code after a failure
function server:address() end

--- Its descriptor, for what neap has no function for; it stays the server's.
---@return integer? fd
---@return string? message
---@return string? code
function server:fd() end

---@class neap.serve_options
---@field limit? integer  at most so many handlers at once; more connections wait
---@field on_error? fun(err: any, conn: neap.conn)  for a handler's error; default: reported

--- Calls `fn(conn)` for each connection, in a task of its own; the connection is
--- closed when `fn` and what it spawned have ended. An error of one handler does not
--- touch the others. Returns when the server is closed and all handlers have ended.
--- When it is cancelled, so are they. Waits.
---@param fn fun(conn: neap.conn)
---@param options? neap.serve_options
---@return true? ok
---@return string? message
---@return string? code
function server:serve(fn, options) end

--- Stops accepting and waits for the handlers of `serve`; those that have not ended
--- after `grace` seconds are cancelled. True when none had to be. Waits.
---@param grace? number  default: no limit
---@return boolean in_time
function server:shutdown(grace) end

--- Stops listening. Who waits in accept gets "ECANCELED". Does not wait.
---@return true
function server:close() end

--- A connection; a to-be-closed value. One task may read while another writes;
--- a second reader gets "EBUSY". Writes of several tasks follow each other whole.
---@class neap.conn
local conn = {}

--- Reads as io's file:read: "l", "L", "a", "n", or a count, which waits for all of
--- its bytes or the end. Without a format a line. What was received before a
--- failure, a timeout for instance, stays to be read. Waits.
---@param ... "l"|"L"|"a"|"n"|integer
---@return string|number|nil ...  nil at the end; nil, message, code after a failure
function conn:read(...) end

--- What is there, at least a byte. Waits.
---@param max? integer  bytes
---@return string? data  nil at the end
---@return string? message
---@return string? code
function conn:read_some(max) end

---@class neap.conn.read_until_options
---@field max? integer  a longer record is a failure, "EMSGSIZE"
---@field keep? boolean  the delimiter is part of the result

--- A record that ends with a delimiter; at the end of the stream what is left,
--- then nil. Waits.
---@param delimiter string
---@param options? neap.conn.read_until_options
---@return string? record
---@return string? message
---@return string? code
function conn:read_until(delimiter, options) end

--- Iterates over lines, or what the formats say, until the end. A failure is
--- raised, as by io.lines. Waits in the loop.
---@param ... "l"|"L"|"a"|"n"|integer
---@return fun(): string|number|nil, ...
function conn:lines(...) end

--- The next n bytes, fewer at the end; they stay to be read. Waits.
---@param n integer
---@return string? data
---@return string? message
---@return string? code
function conn:peek(n) end

--- How many bytes can be read without waiting.
---@return integer? bytes
---@return string? message
---@return string? code
function conn:buffered() end

--- Writes everything, as one record. Waits only while the peer does not read.
---@param ... string|number|(string|number)[]
---@return neap.conn? conn
---@return string? message
---@return string? code
---@return integer? sent  how many bytes the connection took before the failure
function conn:write(...) end

--- Tells the peer that nothing more will be written; reading goes on. Waits.
---@return true? done
---@return string? message
---@return string? code
function conn:shutdown() end

--- Closes. Who waits to read or write gets "ECANCELED". Does not wait.
---@return true
function conn:close() end

--- Closes; the peer sees a reset instead of an end. Does not wait.
---@return true
function conn:reset() end

--- How many seconds each read and each write may take from now on; nil: for ever.
---@param read? number
---@param write? number  default: as read
---@return true? done
---@return string? message
---@return string? code
function conn:settimeout(read, write) end

--- The address of this side: IP address, port and "inet" or "inet6"; or path, nil,
--- "unix".
---@return string? ip
---@return integer|string|nil port  the message after a failure
---@return string? family  the code after a failure
function conn:address() end

--- The address of the other side, as conn:address.
---@return string? ip
---@return integer|string|nil port  the message after a failure
---@return string? family  the code after a failure
function conn:peer() end

--- Whether small writes go out at once (TCP_NODELAY).
---@param on boolean
---@return true? done
---@return string? message
---@return string? code
function conn:nodelay(on) end

--- After how many seconds of silence the peer is probed; false: never.
---@param seconds integer|false
---@return true? done
---@return string? message
---@return string? code
function conn:keepalive(seconds) end

--- How much the kernel holds of what is on its way to the peer; with an argument
--- it is set first. Linux takes twice what it is asked for.
---@param bytes? integer
---@return integer? bytes  in force
---@return string? message
---@return string? code
function conn:sndbuf(bytes) end

--- How much the kernel holds of what came and was not taken yet; with an argument
--- it is set first.
---@param bytes? integer
---@return integer? bytes  in force
---@return string? message
---@return string? code
function conn:rcvbuf(bytes) end

--- Its descriptor, for what neap has no function for; it stays the connection's.
---@return integer? fd
---@return string? message
---@return string? code
function conn:fd() end

return net
