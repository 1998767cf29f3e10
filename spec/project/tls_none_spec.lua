-- A build without OpenSSL and c-ares: everything else works, and TLS and dns.query
-- say that they are not there. CMake is asked what it would build; that is then put
-- together from the objects of the build under test, which takes a second, not a minute.
local support = require("spec.support")

local quote = support.quote
local variant = os.getenv("NEAP_VARIANT_DIR") or "build"

local function sh(command)
  local output, status = support.sh(command)
  assert(status == 0, output)
  return output
end

-- The module's objects for these sources ("csrc/io/tcp.c"). One that only such a build
-- has is compiled.
local function objects_of(sources, folder)
  local objects = {}
  local uv = sh("pkg-config --cflags libuv " .. (os.getenv("LUA") or "lua5.4")):gsub("\n", " ")
  for _, source in ipairs(sources) do
    local layer = source:match("^csrc/(%l+)/")
    local object = ("%s/CMakeFiles/neap_%s.dir/%s.o"):format(variant, layer, source)
    local file = io.open(object)
    if file then
      file:close()
    else
      object = folder .. "/" .. source:match("[^/]+$") .. ".o"
      sh(("cc -std=c11 -D_GNU_SOURCE -fPIC -Icsrc -Icsrc/include %s -c %s -o %s")
        :format(uv, source, quote(object)))
    end
    objects[#objects + 1] = quote(object)
  end
  return table.concat(objects, " ")
end

describe("a build without OpenSSL and c-ares", function()
  it("has all but TLS and dns.query, which say so", function()
    local dir <close> = support.tempdir()
    local build = quote(dir.path)
    sh(("cmake -S . -B %s -DNEAP_TLS=OFF -DNEAP_CARES=OFF -DNEAP_LUA=%s"):format(build,
      os.getenv("LUA") or "lua5.4"))
    local sources, seen = {}, {}
    local commands = support.slurp(dir .. "/compile_commands.json")
    for source in commands:gmatch('"file": "[^"]-/(csrc/%l+/[^"]+)"') do
      if not source:find("^csrc/runner/") then -- a program, not the module's
        sources[#sources + 1] = source
      end
      seen[source] = true
    end
    assert.is_true(seen["csrc/lua/tls_none.c"])
    assert.is_true(seen["csrc/io/dns_query_none.c"])
    for _, source in ipairs({ "csrc/io/dns_query.c", "csrc/io/dns_query_channel.c",
      "csrc/lua/tls.c", "csrc/lua/tls_options.c", "csrc/io/tls.c",
      "csrc/io/tls_load.c" }) do
      assert.is_nil(seen[source], source)
    end
    local flags = support.variant == "asan" and "-fsanitize=address,undefined" or ""
    sh(("cc -shared %s -Wl,-z,nodelete -o %s/neap.so %s %s"):format(flags, build,
      objects_of(sources, dir), sh("pkg-config --libs libuv")))
    assert.is_nil(sh("ldd " .. build .. "/neap.so"):match("libssl"))
    assert.is_nil(sh("ldd " .. build .. "/neap.so"):match("libcares"))
    assert.is_nil(sh("nm -D " .. build .. "/neap.so"):match("SSL_"))
    local output, status = support.lua([[
      local neap = require("neap")
      local server = assert(neap.net.listen("127.0.0.1", 0))
      local conn <close> = assert(neap.net.connect("127.0.0.1", (select(2, server:address()))))
      local missing = "TLS is not in this build of neap: OpenSSL 3 was not found"
      for _, call in ipairs({ "starttls", "handshake", "info", "session" }) do
        local value, message, code = conn[call](conn)
        assert(value == nil and message == missing and code == "ENOTSUP", call)
      end
      local value, message, code = server:reload({})
      assert(value == nil and message == missing and code == "ENOTSUP")
      server:close()
      local ok, err = pcall(require, "neap.tls")
      assert(not ok and err:find(missing, 1, true), err)
      ok, err = pcall(function() return neap.tls end)
      assert(not ok and err:find("libssl-dev", 1, true), err)
      assert(neap.dns.resolve("localhost")[1] == "127.0.0.1")
      value, message, code = neap.dns.query("some.test", "A", { servers = { "127.0.0.1" } })
      assert(value == nil and code == "ENOTSUP")
      assert(message == "dns.query is not in this build of neap: c-ares was not found"
        .. " (Debian: install libc-ares-dev)", message)
    ]], { env = ("LUA_CPATH=%s'/?.so;;' LUA_CPATH_5_4=%s'/?.so;;' LUA_CPATH_5_5=%s'/?.so;;'")
      :format(build, build, build) })
    assert.equal("", output)
    assert.equal(0, status)
  end)
end)
