---@meta neap.net

--- A UDP socket; a to-be-closed value. One task may receive while others send; a
--- second receiver gets "EBUSY". Datagrams that nobody takes wait in a queue; when
--- that is full, with the kernel, and when there is no room either, the next ones
--- are lost: `dropped` counts them.
---@class neap.udp
local udp = {}

--- The next datagram, whole unless it is longer than the socket's `max`. A
--- cancellation or timeout loses none. A failure is what an earlier datagram has
--- met, "ECONNREFUSED" on a connected socket for instance; the socket lives. Waits.
---@param timeout? number  seconds; 0 takes what is there
---@return string? data
---@return string? host  who sent it; the message after a failure
---@return integer|string|nil port  the code after a failure
---@return boolean? truncated  it was longer
function udp:recv(timeout) end

--- Sends one datagram to an IP address, or a name that is looked up, and a port; on
--- a connected socket to its peer. Waits only for a look-up, and while the system
--- has no room. After a timeout or a cancellation it may still go out.
---@param data string|number
---@param host? string
---@param port? integer
---@param timeout? number  seconds for the whole of it
---@return true? sent
---@return string? message
---@return string? code  "EMSGSIZE" when it is too long
function udp:send(data, host, port, timeout) end

--- From now on the socket sends to this peer and receives from it alone; what
--- others have sent is dropped. Without arguments: as before. Waits when host is a
--- name.
---@param host? string
---@param port? integer
---@param timeout? number  seconds
---@return true? done
---@return string? message
---@return string? code
function udp:connect(host, port, timeout) end

--- Whether it may send to a broadcast address. Does not wait.
---@param on boolean
---@return true? done
---@return string? message
---@return string? code
function udp:broadcast(on) end

--- Joins a multicast group. Does not wait.
---@param group string  its IP address
---@param interface? string  a name ("eth0") or an address of it (default: the system's choice)
---@param source? string  only what this IP address sends
---@return true? done
---@return string? message
---@return string? code
function udp:join(group, interface, source) end

--- Leaves a group that was joined with the same arguments. Does not wait.
---@param group string
---@param interface? string
---@param source? string
---@return true? done
---@return string? message
---@return string? code
function udp:leave(group, interface, source) end

---@class neap.udp.multicast_options
---@field ttl? integer  through how many routers it goes (default 1: none)
---@field loop? boolean  this host gets it as well (default true)
---@field interface? string  where it goes out: a name or an address

--- How what is sent to groups goes out. Does not wait.
---@param options neap.udp.multicast_options
---@return true? done
---@return string? message
---@return string? code
function udp:multicast(options) end

--- Through how many routers what is sent to one address may go. Does not wait.
---@param n integer
---@return true? done
---@return string? message
---@return string? code
function udp:ttl(n) end

--- The kernel's room for what was received and not read. Does not wait.
---@param bytes? integer  asks for so much
---@return integer? bytes  what there is
---@return string? message
---@return string? code
function udp:rcvbuf(bytes) end

--- The kernel's room for what is to be sent. Does not wait.
---@param bytes? integer  asks for so much
---@return integer? bytes  what there is
---@return string? message
---@return string? code
function udp:sndbuf(bytes) end

--- The address of this side: IP address, port and "inet" or "inet6".
---@return string? ip
---@return integer|string|nil port  the message after a failure
---@return string? family  the code after a failure
function udp:address() end

--- The peer that it is connected to, as udp:address.
---@return string? ip
---@return integer|string|nil port  the message after a failure
---@return string? family  the code after a failure: "ENOTCONN"
function udp:peer() end

--- How many datagrams wait in the queue.
---@return integer? datagrams
---@return string? message
---@return string? code
function udp:queued() end

--- How many were lost: for want of room or memory, or because they came from others
--- than the peer. Those that the kernel has dropped count on Linux.
---@return integer? datagrams
---@return string? message
---@return string? code
function udp:dropped() end

--- Closes. Who waits gets "ECANCELED". Does not wait.
---@return true
function udp:close() end

return udp
