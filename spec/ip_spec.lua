-- neap.net.ip: addresses as text, tables and bytes; held against Python's
-- ipaddress and the C library's inet_ntop.
local neap = require("neap")
local support = require("spec.support")

local ip = require("neap.net.ip")

local function hex(bytes)
  return (bytes:gsub(".", function(c)
    return ("%02x"):format(c:byte())
  end))
end

describe("neap.net.ip", function()
  it("is a field of neap.net and a module of its own", function()
    assert.equal(ip, neap.net.ip)
  end)

  it("reads addresses and networks", function()
    assert.same({ family = "inet", bytes = "\192\0\2\1" }, ip.parse("192.0.2.1"))
    assert.same({ family = "inet", bytes = "\10\0\0\0", prefix = 8 }, ip.parse("10.0.0.0/8"))
    local six = ip.parse("fe80::1%eth0/64")
    assert.same({ "inet6", "fe800000000000000000000000000001", "eth0", 64 },
      { six.family, hex(six.bytes), six.scope, six.prefix })
    assert.equal("00000000000000000000ffffc0000201", hex(ip.parse("::ffff:192.0.2.1").bytes))
  end)

  it("says what is wrong with others", function()
    for text, wrong in pairs({
      [""] = "malformed IPv4 address", ["1.2.3"] = "malformed IPv4 address",
      ["01.2.3.4"] = "malformed IPv4 address", ["1.2.3.256"] = "malformed IPv4 address",
      ["1.2.3.4 "] = "malformed IPv4 address", [" ::1"] = "malformed IPv6 address",
      ["1::2::3"] = "malformed IPv6 address", ["::12345"] = "malformed IPv6 address",
      ["1:2:3:4:5:6:7:8:9"] = "malformed IPv6 address", [":::"] = "malformed IPv6 address",
      ["::1%"] = "malformed scope", ["::1%a%b"] = "malformed scope",
      ["1.2.3.4%lo"] = "an IPv4 address has no scope",
      ["1.2.3.4/33"] = "prefix length out of range", ["::/129"] = "prefix length out of range",
      ["1.2.3.4/"] = "malformed prefix length", ["1.2.3.4/-1"] = "malformed prefix length",
      ["1.2.3.4/08"] = "malformed prefix length", ["1.2.3.4/8/8"] = "malformed prefix length",
      ["1.2.3.4/+8"] = "malformed prefix length", ["1.2.3.4/9999"] = "malformed prefix length",
      ["1.2.3.4\0"] = "contains zeros", [("1"):rep(1000)] = "too long for an address",
      ["::1%" .. ("x"):rep(64)] = "malformed scope",
    }) do
      local address, message, code = ip.parse(text)
      assert.is_nil(address)
      assert.equal("EINVAL", code)
      assert.equal(wrong, message:sub(-#wrong), text)
      assert.equal("EINVAL", (select(3, ip.contains(text, "::1"))))
      assert.equal("EINVAL", (select(3, ip.contains("::/0", text))))
    end
  end)

  it("writes what it has read, and bytes", function()
    for text, canonical in pairs({
      ["192.0.2.1"] = "192.0.2.1", ["2001:DB8:0:0:0:0:0:1"] = "2001:db8::1",
      ["1:0:0:2:0:0:0:3"] = "1:0:0:2::3", ["1:0:2:3:4:5:6:7"] = "1:0:2:3:4:5:6:7",
      ["::"] = "::", ["0:0::0"] = "::", ["::ffff:c000:201"] = "::ffff:192.0.2.1",
      ["FE80::1%eth0/64"] = "fe80::1%eth0/64", ["10.1.2.3/8"] = "10.1.2.3/8",
    }) do
      assert.equal(canonical, ip.format(ip.parse(text)))
    end
    assert.equal("127.0.0.1", ip.format("\127\0\0\1"))
    assert.equal("::1", ip.format(("\0"):rep(15) .. "\1"))
  end)

  it("knows what is in a network", function()
    for _, case in ipairs({
      { "10.0.0.0/8", "10.255.0.1", true }, { "10.0.0.0/8", "11.0.0.1", false },
      { "10.1.2.3/8", "10.9.9.9", true }, { "0.0.0.0/0", "255.255.255.255", true },
      { "192.0.2.128/25", "192.0.2.127", false }, { "192.0.2.1", "192.0.2.1", true },
      { "192.0.2.1/32", "192.0.2.2", false }, { "fe80::/10", "fe80::1%eth0", true },
      { "fe80::/10", "febf::1", true }, { "fe80::/10", "fec0::1", false },
      { "::/0", "10.0.0.1", false }, { "0.0.0.0/0", "::1", false },
      -- An IPv4 address that comes through an IPv6 socket is in its networks.
      { "10.0.0.0/8", "::ffff:10.0.0.1", true }, { "10.0.0.0/8", "::ffff:11.0.0.1", false },
      { "::ffff:0:0/96", "::ffff:10.0.0.1", true },
    }) do
      local network, address, expected = table.unpack(case)
      assert.equal(expected, ip.contains(network, address), network .. " " .. address)
      assert.equal(expected, ip.contains(ip.parse(network), ip.parse(address)))
    end
    assert.same({ nil, "10.0.0.0/8: a network, not an address", "EINVAL" },
      { ip.contains("10.0.0.0/8", "10.0.0.0/8") })
  end)

  it("refuses wrong arguments, naming them", function()
    support.call_badly(ip.parse, { "::1" }, 1)
    support.call_badly(ip.format, { "\127\0\0\1" }, 1)
    support.call_badly(ip.contains, { "::/0", "::1" }, 2)
    assert.error_matches(function() ip.format("12345") end, "not 4 or 16 bytes")
    assert.error_matches(function() ip.format({}) end, "field 'bytes': string expected")
    assert.error_matches(function() ip.format({ bytes = "1234", prefix = 33 }) end, "prefix")
    assert.error_matches(function() ip.format({ bytes = "1234", scope = "lo" }) end, "scope")
    assert.error_matches(function() ip.contains("::", ip.parse("::/1")) end, "a network")
  end)

  -- Texts near the border of what is an address, one a line to Python.
  local function random_text()
    local function group()
      return ("%x"):format(math.random(0, math.random(4) == 1 and 0x1ffff or 0xffff))
    end
    local function four()
      local parts = {}
      for i = 1, math.random(6) == 1 and math.random(1, 6) or 4 do
        parts[i] = tostring(math.random(0, math.random(8) == 1 and 300 or 255))
      end
      return table.concat(parts, ".")
    end
    local text
    if math.random(3) == 1 then
      text = four()
    else
      local parts = {}
      for i = 1, math.random(0, math.random(5) == 1 and 10 or 8) do
        parts[i] = math.random(3) == 1 and "0" or math.random(8) == 1 and "" or group()
      end
      text = table.concat(parts, ":")
      if math.random(3) == 1 then
        text = text .. "::" .. (math.random(2) == 1 and group() or "")
      end
      if math.random(5) == 1 then
        text = text .. ":" .. four()
      end
      if math.random(6) == 1 then
        text = text .. "%" .. ({ "eth0", "", "1", "a%b" })[math.random(4)]
      end
    end
    if math.random(20) == 1 then -- something else somewhere
      local at = math.random(0, #text)
      text = text:sub(1, at) .. ({ ":", ".", "0", "g", "-", "x" })[math.random(6)]
        .. text:sub(at + 1)
    end
    return text
  end

  it("agrees with Python about addresses that are made up", function()
    local lines, texts = {}, {}
    for i = 1, support.count(3000, 100000) do
      local text
      repeat
        text = random_text()
      until text:find("[:.]")
      local bits = math.random(0, text:find(":") and 128 or 32)
      texts[i] = { text, bits }
      lines[i] = ("%s %d\n"):format(text, bits)
    end
    local dir <close> = support.tempdir()
    local input = support.spit(dir .. "/input", table.concat(lines))
    -- Per line: "-", or bytes, text as inet_ntop writes it, scope, and the
    -- network of that prefix length with whether the line before is in it.
    local script = support.spit(dir .. "/script.py", [[
import ipaddress, socket, sys
before = None
for line in open(sys.argv[1]):
    text, bits = line.split(" ")
    try:
        a = ipaddress.ip_address(text)
    except ValueError:
        print("-")
        continue
    net = ipaddress.ip_network((int(a), int(bits)), strict=False) if a.version == 4 else \
        ipaddress.IPv6Network((int(a), int(bits)), strict=False)
    family = socket.AF_INET if a.version == 4 else socket.AF_INET6
    other = before
    if a.version == 4 and other is not None and getattr(other, "ipv4_mapped", None):
        other = other.ipv4_mapped
    print(a.packed.hex(), socket.inet_ntop(family, a.packed),
          getattr(a, "scope_id", None) or "-",
          "-" if before is None else "in" if other in net else "out")
    before = a
]])
    local output, status = support.sh("python3 " .. support.quote(script) .. " "
      .. support.quote(input))
    assert.equal(0, status, output)
    local i, valid, inside, before = 0, 0, 0, nil
    for line in output:gmatch("[^\n]+") do
      i = i + 1
      local text, bits = table.unpack(texts[i])
      local address = ip.parse(text)
      if line == "-" then
        assert(address == nil, "read, and Python does not: " .. text)
      else
        assert(address, "not read, and Python does: " .. text)
        local bytes, written, scope, is_in = line:match("^(%S+) (%S+) (%S+) (%S+)$")
        assert(hex(address.bytes) == bytes, text)
        assert((address.scope or "-") == scope, text)
        address.scope = nil
        assert(ip.format(address) == written, text)
        if before then
          local network = text:gsub("%%.*", "") .. "/" .. bits
          assert(ip.contains(network, before) == (is_in == "in"), network .. " " .. before)
        end
        valid, inside, before = valid + 1, inside + (is_in == "in" and 1 or 0), text
      end
    end
    assert.equal(#texts, i)
    -- Enough of each kind to mean something.
    assert.is_true(valid > i / 10 and valid < i * 9 / 10, valid .. " of " .. i)
    assert.is_true(inside > i / 1000)
  end)
end)
