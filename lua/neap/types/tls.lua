---@meta neap.tls

--- TLS by OpenSSL 3: connections and servers as in neap.net, encrypted. A build
--- without OpenSSL has no neap.tls: requiring it raises.
---
--- Failures have their own codes: "ECERT", the peer's certificate is not trusted;
--- "EPROTO", the peer does not do what TLS asks for; "ECONNABORTED", the connection
--- ended without the peer saying so. The message has the reason.
---@class neap.tls
local tls = {}

--- Certificates, keys and authorities are given as the path of a PEM file or as
--- such a file's text. They are read once, without blocking other tasks.
---@class neap.tls.identity
---@field cert? string  the certificate, then those between it and its authority
---@field key? string  its private key (default: in cert as well)
---@field password? string  of an encrypted key

---@class neap.tls.options: neap.tls.identity
---@field ca? string  trusted authorities (default: the system's; a server's default: none)
---@field alpn? string|string[]  protocols, the preferred one first
---@field min_version? "1.2"|"1.3"  default "1.2"
---@field keylog? string  file that session secrets are added to, for Wireshark
---@field handshake_timeout? number  seconds a handshake may take (default 30)
---@field context? neap.tls.context  instead of all above

---@class neap.tls.client_options: neap.tls.options
---@field verify? boolean  check the server's certificate and its name (default true)
---@field servername? string  the name to ask for and to check (default: the host)
---@field session? string  what conn:session gave: a quicker handshake with that server
---@field timeout? number  seconds for the whole of it

---@class neap.tls.connect_options: neap.tls.client_options, neap.net.connect_options

---@class neap.tls.server_options: neap.tls.options
---@field verify? boolean|"optional"  ask clients for a certificate (default: if ca is set)
---@field names? table<string, neap.tls.identity>  more certificates, by the name asked for

---@class neap.tls.listen_options: neap.tls.server_options, neap.net.listen_options

---@class neap.tls.starttls_options: neap.tls.client_options, neap.tls.server_options
---@field server? boolean  this is the server's side (default false)

---@class neap.tls.context_options: neap.tls.client_options, neap.tls.server_options
---@field server? boolean  for servers (default false)

--- Connects as net.connect does, to host and port or to `"unix:/path"`, then does
--- the handshake. Waits.
---@param host string
---@param port? integer
---@param options? neap.tls.connect_options
---@return neap.conn? conn
---@return string? message
---@return string? code
function tls.connect(host, port, options) end

--- Listens as net.listen does. A connection's handshake goes on by itself after it
--- was accepted: one that stalls holds nobody up. Its calls wait for it and tell if
--- it failed. Waits.
---@param host string
---@param port? integer
---@param options neap.tls.listen_options
---@return neap.server? server
---@return string? message
---@return string? code
function tls.listen(host, port, options) end

--- Certificates and settings that are read once and given to any number of calls
--- as their option `context`. Waits.
---@param options? neap.tls.context_options
---@return neap.tls.context? context
---@return string? message
---@return string? code
function tls.context(options) end

---@class neap.tls.context
local _ = {}

---@class neap.server
local server = {}

--- Connections that are accepted from now on get these certificates and settings;
--- those that are there keep theirs. When it fails, nothing has changed. Waits.
---@param options neap.tls.server_options
---@return true? done
---@return string? message
---@return string? code
function server:reload(options) end

---@class neap.conn
local conn = {}

--- Goes over to TLS on a plain connection, and does the handshake. Fails with
--- "EPROTO" when bytes lie unread: what came unprotected must not be taken for what
--- is protected. Waits.
---@param options? neap.tls.starttls_options
---@return true? done
---@return string? message
---@return string? code
function conn:starttls(options) end

--- Waits until the handshake is done, which reading and writing do by themselves.
---@param timeout? number  seconds; 0 tries once
---@return true? done
---@return string? message
---@return string? code
function conn:handshake(timeout) end

--- A peer's certificate.
---@class neap.tls.cert
---@field subject string  as RFC 2253 writes names: "CN=a.example,O=A"
---@field issuer string
---@field serial string  hexadecimal
---@field fingerprint string  SHA-256, hexadecimal
---@field names string[]  DNS names and IP addresses that it is for
---@field not_before integer  as os.time
---@field not_after integer
---@field pem string

---@class neap.tls.info
---@field version string  "TLSv1.3"
---@field cipher string
---@field alpn? string  the protocol agreed on
---@field servername? string  the name that the client asked for
---@field resumed boolean  by a session of an earlier connection
---@field verified boolean  the peer has shown a certificate that is trusted
---@field verify string  "ok", or why not
---@field peer? neap.tls.cert  none where it has shown none

--- What was agreed on, and whom with. Waits for the handshake.
---@return neap.tls.info? info
---@return string? message
---@return string? code  "ENOTSUP" without TLS
function conn:info() end

--- A client's session, secret, for the option `session` of a later connection to the
--- same name. The server sends it with its first data, or some time after.
---@return string? session
---@return string? message
---@return string? code  "ENOENT": there is none (yet)
function conn:session() end

return tls
