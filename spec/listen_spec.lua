-- neap.net: what listening and connections within the process can be told.
local neap = require("neap")
local net = require("neap.net")
local support = require("spec.support")

describe("net.pair", function()
  it("makes two connections to each other", function()
    local a, b = assert(net.pair())
    assert(a:write("to b\n"))
    assert(b:write("to a\n"))
    assert.equal("to b", b:read())
    assert.equal("to a", a:read())
    assert.same({ "", nil, "unix" }, { a:peer() })
    a:shutdown()
    assert.is_nil(b:read())
    b:write("half open\n")
    assert.equal("half open", a:read())
    assert.equal("ENOTSUP", (select(3, a:nodelay(true))))
    a:close()
    b:close()
  end)

  it("leaves nothing behind when memory runs out", function()
    local faults = require("spec.support.faults")
    local runs = faults.alloc(function()
      local a, b, code = net.pair()
      if not a then
        return a, b, code
      end
      a:close()
      b:close()
      return true
    end)
    assert.is_true(runs > 1)
  end)
end)

describe("a unix socket", function()
  local dir, path, name

  before_each(function()
    dir = support.tempdir()
    path = dir .. "/socket"
    name = "unix:" .. path
  end)

  after_each(function()
    getmetatable(dir).__close(dir)
  end)

  local function exists()
    return os.rename(path, path) ~= nil
  end

  -- A socket whose process has died. Its inode is remembered by a second name.
  local function leave_stale()
    local output, status = support.lua(([[
      assert(require("neap").net.listen(%q))
      require("neap").process.kill(math.tointeger(
        io.open("/proc/self/stat"):read("n")), "SIGKILL")
    ]]):format(name))
    assert(status == 137, output)
    assert.is_true(exists())
  end

  -- fault 67
  it("takes the place of a stale file", function()
    leave_stale()
    assert.equal("ECONNREFUSED", (select(3, net.connect(name))))
    local server <close> = assert(net.listen(name))
    local client <close> = assert(net.connect(name))
    local conn <close> = assert(server:accept())
    conn:write("here\n")
    assert.equal("here", client:read())
  end)

  -- fault 67
  it("is in use while somebody listens, and goes on", function()
    local server <close> = assert(net.listen(name))
    local other, message, code = net.listen(name)
    assert.is_nil(other)
    assert.equal(name .. ": Address already in use", message)
    assert.equal("EADDRINUSE", code)
    assert.is_true(exists())
    assert(server:accept()):close() -- who looked whether it lives
    local client <close> = assert(net.connect(name))
    assert(server:accept()):close()
    assert.is_nil(client:read())
  end)

  it("is in use while its queue is full, too", function()
    local server <close> = assert(net.listen(name, { backlog = 1 }))
    local clients = {}
    repeat
      local client, _, code = net.connect(name, { timeout = 0 })
      clients[#clients + 1] = client
      assert.is_true(client ~= nil or code == "ETIMEDOUT", code)
    until not client
    assert.equal("EADDRINUSE", (select(3, net.listen(name))))
    local waiting = neap.spawn(net.connect, name)
    support.settle()
    assert.equal("waiting", waiting:status())
    for _ = 1, #clients do
      assert(server:accept()):close()
    end
    assert(waiting:join()):close()
    for _, client in ipairs(clients) do
      client:close()
    end
  end)

  it("replaces no file that is no socket", function()
    support.spit(path, "text")
    assert.equal("EADDRINUSE", (select(3, net.listen(name))))
    assert.equal("text", support.slurp(path))
    os.remove(path)
    assert(os.execute("ln -s nowhere " .. support.quote(path)))
    assert.equal("EADDRINUSE", (select(3, net.listen(name))))
  end)

  -- fault 67
  it("keeps serving when its file is removed, and leaves another's alone", function()
    local first <close> = assert(net.listen(name))
    local client <close> = assert(net.connect(name))
    os.remove(path)
    assert(first:accept()):close()
    assert.is_nil(client:read())
    local second <close> = assert(net.listen(name))
    first:close()
    assert.is_true(exists())
    assert(net.connect(name)):close()
    second:close()
    assert.is_false(exists())
  end)

  it("has the mode that it is given before anybody can connect", function()
    for _, mode in ipairs({ "600", "666", "777" }) do
      local server <close> = assert(net.listen(name, { mode = tonumber(mode, 8) }))
      assert.truthy(server)
      assert.equal(mode .. "\n", (support.sh("stat -c %a " .. support.quote(path))))
    end
    assert.error_matches(function()
      net.listen("127.0.0.1", 0, { mode = 1 })
    end, "field 'mode': only a unix socket's file has one")
  end)

  it("has an abstract name on Linux, without a file", function()
    local abstract = "unix:@" .. path
    local server <close> = assert(net.listen(abstract))
    local client <close> = assert(net.connect(abstract))
    local conn <close> = assert(server:accept())
    client:write("hello\n")
    assert.equal("hello", conn:read())
    assert.equal("@" .. path, (server:address()))
    assert.equal("server (" .. abstract .. ")", tostring(server))
    assert.is_false(exists())
    assert.equal("EADDRINUSE", (select(3, net.listen(abstract))))
    server:close()
    assert.equal("ECONNREFUSED", (select(3, net.connect(abstract))))
  end)

  -- fault 67
  it("has a path of at most 107 bytes, and says so", function()
    local long = "unix:" .. dir .. "/" .. ("x"):rep(107 - #dir.path - 1)
    local server <close> = assert(net.listen(long))
    assert(net.connect(long)):close()
    assert.equal(long:sub(6), (server:address()))
    for _, call in ipairs({ net.listen, net.connect }) do
      local result, message, code = call(long .. "x")
      assert.is_nil(result)
      assert.equal(long .. "x: a socket's path has at most 107 bytes", message)
      assert.equal("ENAMETOOLONG", code)
      assert.equal("EINVAL", (select(3, call("unix:"))))
      assert.equal("EINVAL", (select(3, call("unix:@"))))
    end
  end)

  it("waits while another process is about to listen there", function()
    assert(os.execute("mkfifo " .. support.quote(dir .. "/go")))
    local locker = assert(io.popen(("exec 9<%s; flock 9; echo locked; read -r _ <%s/go")
      :format(support.quote(dir.path), support.quote(dir.path)), "r"))
    assert.equal("locked", locker:read())
    local listening = neap.spawn(net.listen, name)
    support.settle()
    assert.equal("waiting", listening:status())
    local cancelled = neap.spawn(net.listen, name)
    support.settle()
    cancelled:cancel()
    assert.is_false((cancelled:wait()))
    support.spit(dir .. "/go", "\n")
    local server <close> = assert(listening:join())
    assert.truthy(server)
    locker:close()
  end)
end)

describe("a socket that was inherited", function()
  -- Starts the script with sockets that listen on 3 and 4.
  local function started(source, env)
    local dir <close> = support.tempdir()
    local script = support.spit(dir .. "/script.lua", source)
    return support.sh(([[exec perl -MIO::Socket -MPOSIX -e '
      $^F = 20;
      open(my $hold, "<", "/dev/null");
      $a = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1");
      $b = IO::Socket::UNIX->new(Listen => 5, Local => shift(@ARGV));
      dup2(dup($a->fileno), 13); dup2(dup($b->fileno), 14);
      POSIX::close($_) for (3..12); dup2(13, 3); dup2(14, 4);
      POSIX::close($_) for (13..14);
      $ENV{LISTEN_PID} = $$; $ENV{LISTEN_FDS} = 2; %s
      exec @ARGV' %s %s %s]]):format(env or "", support.quote(dir .. "/socket"),
      os.getenv("LUA") or "lua5.4", support.quote(script)))
  end

  it("is served, and found as systemd hands it over", function()
    local output = started([[
      local neap = require("neap")
      local net = require("neap.net")
      local fds = assert(net.listen_fds())
      print(#fds, fds[1], fds[2], fds.web, fds.control, fds[3])
      local web <close> = assert(net.listen("ignored", 80, { fd = fds.web }))
      local control <close> = assert(net.listen({ fd = fds.control }))
      print(web:fd(), select(3, web:address()), select(3, control:address()))
      for _, server in ipairs({ web, control }) do
        local host, port = server:address()
        local client <close> = assert(net.connect(port and host or "unix:" .. host, port))
        local conn <close> = assert(server:accept())
        conn:write("served\n")
        print(client:read())
      end
      local child = neap.process.run({ "sh", "-c", "ls /proc/self/fd" })
      print(child.stdout:find("3\n4\n") == nil)
      local path = control:address()
      control:close()
      print(io.open(path) == nil and os.rename(path, path)) -- not ours to remove
      print(select(3, net.listen({ fd = 4 })), (select(2, net.listen({ fd = web:fd() }))))
    ]], '$ENV{LISTEN_FDNAMES} = "web:control";')
    assert.equal("2\t3\t4\t3\t4\tnil\n3\tinet\tunix\nserved\nserved\ntrue\ntrue\n"
      .. "EBADF\tdescriptor 3: File exists\n", output)
  end)

  it("is none of ours when it is another process's, or a bad number", function()
    local script = [[
      local fds, _, code = require("neap").net.listen_fds()
      print(fds and #fds, code)
    ]]
    assert.equal("0\tnil\n", (started(script, "$ENV{LISTEN_PID} = 1;")))
    assert.equal("0\tnil\n", (started(script, "delete $ENV{LISTEN_PID};")))
    assert.equal("0\tnil\n", (started(script, '$ENV{LISTEN_FDS} = "2x";')))
    assert.equal("nil\tEBADF\n", (started(script, "$ENV{LISTEN_FDS} = 900;")))
    assert.equal("nil\tEINVAL\n", (started(script, "$ENV{LISTEN_FDS} = 99999999;")))
  end)

  it("must be a socket that listens", function()
    local dir <close> = support.tempdir()
    local file <close> = assert(neap.fs.open(support.spit(dir .. "/file", "x"), "r"))
    local a, b = assert(net.pair())
    local server, message, code = net.listen({ fd = file:fd() })
    assert.is_nil(server)
    assert.equal(("descriptor %d: Socket operation on non-socket"):format(file:fd()), message)
    assert.equal("ENOTSOCK", code)
    assert.equal("EINVAL", (select(3, net.listen({ fd = a:fd() }))))
    assert.equal("EBADF", (select(3, net.listen({ fd = 99999 }))))
    a:write("still there\n")
    assert.equal("still there", b:read())
    a:close()
    b:close()
    assert.error_matches(function()
      net.listen({})
    end, "field 'fd': expected where there is no host")
  end)
end)

describe("an IPv6 address", function()
  it("may name its interface, by name or number", function()
    for _, scope in ipairs({ "lo", "1" }) do
      local conn, message, code = net.connect("fe80::1%" .. scope, 9, { timeout = 0 })
      assert.is_nil(conn)
      -- The system has no such address there; it has not been looked up as a name.
      assert.is_nil(code:find("^EAI_"), message)
    end
    local server <close> = assert(net.listen("::1%lo", 0))
    assert.equal("inet6", (select(3, server:address())))
    assert.truthy((select(3, net.connect("fe80::1%nowhere", 9))))
  end)
end)

describe("a port or address", function()
  -- fault 62
  it("that can't be had is named in the failure", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = server:address()
    local function fails(expected, ...)
      local other, message, code = net.listen(...)
      assert.is_nil(other)
      local host = (...):find(":") and "[" .. (...) .. "]" or (...)
      assert.equal(1, (message:find(("%s:%d: "):format(host, (select(2, ...))), 1, true)))
      assert.equal(expected, code)
    end
    fails("EADDRINUSE", "127.0.0.1", port)
    fails("EADDRNOTAVAIL", "192.0.2.1", 0)
    fails("EADDRNOTAVAIL", "2001:db8::1", 0)
    local output = support.lua([[
      print((select(2, require("neap").net.listen("127.0.0.1", 80))))
    ]], { env = "strace -f -o /dev/null -e trace=bind -e inject=bind:error=EACCES" })
    assert.equal("127.0.0.1:80: Permission denied\n", output)
  end)
end)
