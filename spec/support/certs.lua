-- Certificates for the specs of TLS, made by the openssl command once per Lua
-- state: an authority, what it has signed, and what is wrong with some of them.
local support = require("spec.support")

local certs = {}

-- A name, whose key is in NAME.key; the rest of `openssl ca`'s ways.
local config = [[
[ca]
default_ca = own
[own]
dir = .
new_certs_dir = .
database = index
serial = serial
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
prompt = no
[name]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
]]

local script = [=[
set -e
: > index
echo 1000 > serial
key() {
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"
}
root() { # NAME: signed by itself
  key "$1"
  openssl req -config conf -new -x509 -key "$1.key" -days 30 -subj "/CN=$1" \
    -extensions root -out "$1.pem"
}
sign() { # NAME AUTHORITY SUBJECT-ALT-NAMES [OPTIONS OF openssl ca]
  name=$1 by=$2 names=$3
  shift 3
  key "$name"
  openssl req -config conf -new -key "$name.key" -subj "/CN=$name" \
    ${names:+-addext "subjectAltName=$names"} -out "$name.csr"
  [ $# -gt 0 ] || set -- -days 20
  openssl ca -config conf -batch -notext -cert "$by.pem" -keyfile "$by.key" \
    -in "$name.csr" -out "$name.pem" "$@"
}
root ca
root stranger
sign server ca "DNS:localhost,IP:127.0.0.1,IP:::1"
sign renewed ca "DNS:localhost,IP:127.0.0.1"
sign a ca "DNS:a.example"
sign wild ca "DNS:*.b.example"
sign client ca ""
sign foreign stranger "DNS:localhost,IP:127.0.0.1"
sign expired ca "DNS:localhost,IP:127.0.0.1" -startdate 200101000000Z -enddate 210101000000Z
sign middle ca "" -days 20 -extensions root
sign leaf middle "DNS:localhost,IP:127.0.0.1"
root selfsigned
cat leaf.pem middle.pem > chain.pem
cat server.pem server.key > both.pem
openssl pkcs8 -topk8 -in server.key -passout pass:open-sesame -out locked.key
]=]

local dir

local function make()
  dir = support.tempdir()
  support.spit(dir .. "/conf", config)
  local log, status = support.sh(("cd %s && (%s)"):format(support.quote(dir.path), script))
  assert(status == 0, log)
  certs._ = setmetatable({}, { __gc = function()
    getmetatable(dir).__close(dir)
  end })
end

--- The path of one of them: certs.path("server.pem").
---@param name string
---@return string
function certs.path(name)
  if not dir then
    make()
  end
  return dir .. "/" .. name
end

--- The options of a server that shows NAME.pem.
---@param name string
---@param more? table
---@return table
function certs.server(name, more)
  local options = { cert = certs.path(name .. ".pem"), key = certs.path(name .. ".key") }
  for k, v in pairs(more or {}) do
    options[k] = v
  end
  return options
end

return certs
