-- fs.writefile{atomic=true}: the old contents or the new ones, whole, and
-- nothing beside them.
local support = require("spec.support")
local sysfault = require("spec.support.sysfault")

local neap = require("neap")
local fs = require("neap.fs")

local spit, slurp, quote = support.spit, support.slurp, support.quote

local function replace(path, data, mode)
  return fs.writefile(path, data, { atomic = true, mode = mode })
end

-- All names in a folder, hidden ones too, in one string.
local function names(dir)
  return (support.sh("ls -A " .. quote(tostring(dir))):gsub("\n", " "))
end

local function permissions(path)
  return (support.sh("stat -c '%a %u %g' " .. quote(path)):gsub("\n", ""))
end

local is_root = support.sh("id -u") == "0\n"
local root_it = is_root and it or pending

describe("fs.writefile{atomic}", function()
  it("makes and replaces files", function()
    local dir <close> = support.tempdir()
    local path = dir .. "/file"
    assert.is_true(replace(path, "one", tonumber("640", 8)))
    assert.equal("one", slurp(path))
    assert.equal("640", permissions(path):match("^%d+"))
    local big = ("0123456789abcdef"):rep(support.variant == "hostile" and 100 or 50000)
    assert.is_true(replace(path, big))
    assert.is_true(big == slurp(path))
    assert.is_true(replace(path, ""))
    assert.equal("", slurp(path))
    assert.is_true(replace(path, 12))
    assert.equal("12", slurp(path))
    assert.equal("file ", names(dir))
    local here = support.sh(("cd %s && %s -e %s; cat file"):format(quote(dir.path),
      os.getenv("LUA") or "lua5.4",
      quote("assert(require('neap.fs').writefile('file', 'here', { atomic = true }))")))
    assert.equal("here", here)
  end)

  it("keeps permissions and links", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "old")
    assert(os.execute(("cd %s && chmod 4751 file && ln -s file link && mkdir sub && " ..
      "ln -s ../link sub/far && ln -s %s/new sub/none && ln -s b a && ln -s a b")
      :format(quote(dir.path), quote(dir.path))))
    local before = permissions(path)
    assert.is_true(replace(dir .. "/sub/far", "new"))
    assert.equal("new", slurp(path))
    assert.equal(before, permissions(path))
    assert.equal("link", fs.lstat(dir .. "/link").type)
    assert.equal("link", fs.lstat(dir .. "/sub/far").type)
    assert.is_true(replace(dir .. "/sub/none", "made"))
    assert.equal("made", slurp(dir .. "/new"))
    assert.equal("ELOOP", (select(3, replace(dir .. "/a", "x"))))
    assert.equal("a b file link new sub ", names(dir))
    assert.equal("far none ", names(dir .. "/sub"))
  end)

  root_it("keeps the owner", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "old")
    assert(os.execute(("chown 12345:54321 %s && chmod 2640 %s"):format(quote(path), quote(path))))
    assert.is_true(replace(path, "new"))
    assert.equal("2640 12345 54321", permissions(path))
    assert.equal("new", slurp(path))
  end)

  root_it("keeps an access control list", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "old")
    -- user::rw-, user:12345:r--, group::---, mask::r--, other::---
    local list = "0x02000000" .. "01000600ffffffff" .. "0200040039300000" ..
      "04000000ffffffff" .. "10000400ffffffff" .. "20000000ffffffff"
    local python = ("import os; os.setxattr(%q, 'system.posix_acl_access', bytes.fromhex(%q))")
      :format(path, list:sub(3))
    local _, status = support.sh("python3 -c " .. quote(python))
    if status ~= 0 then
      return pending("no access control lists here")
    end
    local function list_of()
      return (support.sh("python3 -c " .. quote(
        ("import os; print(os.getxattr(%q, 'system.posix_acl_access').hex())"):format(path))))
    end
    local before = list_of()
    assert.is_true(replace(path, "new"))
    assert.equal(before, list_of())
    assert.equal("new", slurp(path))
  end)

  it("refuses what is no regular file", function()
    local dir <close> = support.tempdir()
    assert(os.execute(("cd %s && mkfifo fifo && mkdir folder && ln -s folder link")
      :format(quote(dir.path))))
    local before = support.fds()
    for path, code in pairs({
      ["/dev/null"] = "ENOTSUP", [dir .. "/fifo"] = "ENOTSUP", [dir.path] = "EISDIR",
      [dir .. "/link"] = "EISDIR", [dir .. "/link/"] = "EISDIR", [""] = "ENOENT",
      [dir .. "/no/file"] = "ENOENT", [dir .. "/fifo/x"] = "ENOTDIR", ["/"] = "EISDIR",
      [dir .. "/.."] = "EISDIR", [dir .. "/" .. ("x"):rep(256)] = "ENAMETOOLONG",
      [("x/"):rep(5000)] = "ENAMETOOLONG",
    }) do
      local result, message, got = replace(path, "x")
      assert.is_nil(result)
      assert.equal(code, got, path)
      assert.equal(path .. ": ", message:sub(1, #path + 2))
    end
    assert.equal("fifo folder link ", names(dir))
    assert.equal(before, support.fds())
    assert.has_error(function()
      fs.appendfile(dir .. "/file", "x", { atomic = true })
    end)
    assert.is_true(replace(dir .. "/" .. ("x"):rep(255), "the longest name"))
  end)

  root_it("fails as a plain write does where one may not write", function()
    local dir <close> = support.tempdir()
    assert(os.execute("chmod 777 " .. quote(dir.path)))
    local theirs = spit(dir .. "/theirs", "old")
    local open = spit(dir .. "/open", "old")
    assert(os.execute(("chmod 644 %s; chmod 646 %s"):format(quote(theirs), quote(open))))
    local script = spit(dir .. "/script.lua", ([[
      local fs = require("neap.fs")
      print(select(3, fs.writefile("/etc/neap-not-here", "x", { atomic = true })))
      print(select(3, fs.writefile(%q, "x", { atomic = true })))
      print(fs.writefile(%q, "new", { atomic = true }))
    ]]):format(theirs, open))
    assert(os.execute("chmod 644 " .. quote(script)))
    -- The library may lie where only root looks.
    assert(os.execute(("cp %s %s && chmod 755 %s"):format(
      quote(package.searchpath("neap", package.cpath)), quote(dir .. "/neap.so"),
      quote(dir .. "/neap.so"))))
    local output = support.sh(("cd / && LUA_CPATH_5_4=%s setpriv --reuid=65534 --regid=65534 " ..
      "--clear-groups %s %s"):format(quote(dir .. "/?.so"), os.getenv("LUA") or "lua5.4",
      quote(script)))
    assert.equal("EACCES\nEACCES\ntrue\n", output)
    assert.equal("old", slurp(theirs))
    assert.equal("new", slurp(open))
    -- No longer root's, and nobody may do more with it than before.
    assert.equal("666 65534 65534", permissions(open))
  end)

  -- fault 38
  it("leaves the old contents when a step fails, and nothing beside them", function()
    local steps = {
      { "openat:EMFILE", "EMFILE" }, { "write:ENOSPC", "ENOSPC" }, { "write:ENOSPC:2", "ENOSPC" },
      { "write:EIO:7", "EIO" }, { "fchmod:EPERM", "EPERM" }, { "fsync:EIO", "EIO" },
      { "close:EIO", "EIO" }, { "renameat:EIO", "EIO" }, { "open:EMFILE", "EMFILE" },
    }
    for _, step in ipairs(steps) do
      local dir <close> = support.tempdir()
      spit(dir .. "/file", "old")
      local output = sysfault.lua("short," .. step[1], ([[
        local fs = require("neap.fs")
        local function count()
          local n = 0
          for fd = 0, 63 do
            local info = io.open("/proc/self/fdinfo/" .. fd)
            n = n + (info and info:close() and 1 or 0)
          end
          return n
        end
        fs.stat("/") -- the pool is there
        local before = count()
        print(select(3, fs.writefile(%q, "0123456789", { atomic = true })))
        assert(count() == before)
      ]]):format(dir .. "/file"))
      assert.equal(step[2] .. "\n", output, step[1])
      assert.equal("old", slurp(dir .. "/file"), step[1])
      assert.equal("file ", names(dir), step[1])
    end
  end)

  it("says when the folder can't be given to the disk", function()
    for code, expected in pairs({ EIO = "EIO", EINVAL = "nil" }) do
      local dir <close> = support.tempdir()
      spit(dir .. "/file", "old")
      local output = sysfault.lua("fsync:" .. code .. ":2", ([[
        local fs = require("neap.fs")
        local _, _, code = fs.writefile(%q, "new", { atomic = true })
        print(code)
      ]]):format(dir .. "/file"))
      assert.equal(expected .. "\n", output)
      assert.equal("new", slurp(dir .. "/file"))
      assert.equal("file ", names(dir))
    end
  end)

  -- fault 38
  root_it("leaves the old contents on a full disk", function()
    local dir <close> = support.tempdir()
    local script = spit(dir .. "/script.lua", ([[
      local fs = require("neap.fs")
      local path = %q
      assert(fs.writefile(path, "old"))
      local big = ("x"):rep(100000)
      print(select(3, fs.writefile(path, big, { atomic = true })))
      print(fs.readfile(path))
      print(select(3, fs.writefile(path .. "2", big)))
      local file = assert(fs.open(path .. "3", "w"))
      local code
      repeat
        code = select(3, file:write(big))
      until code
      print(code)
      print(file:close())
      for name in assert(fs.scandir(path:match("^(.*)/"))) do
        print(name)
      end
    ]]):format(dir .. "/disk/file"))
    local unshare = support.own_mounts()
    if not unshare then
      return pending("no namespaces here")
    end
    local disk = quote(dir .. "/disk")
    local output, status = support.sh(("mkdir %s && %s sh -c %s"):format(disk, unshare,
      quote(("mount -t tmpfs -o size=64k tmpfs %s && exec %s %s"):format(disk,
        os.getenv("LUA") or "lua5.4", quote(script)))))
    assert.equal(0, status, output)
    assert.equal("ENOSPC\nold\nENOSPC\nENOSPC\ntrue\nfile\nfile2\nfile3\n", output)
  end)

  it("is done or not when the task is cancelled", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "old")
    local data = ("new"):rep(10000)
    for _ = 1, 20 do
      local writers = {}
      for i = 1, 6 do -- more than the pool takes at a time
        writers[i] = neap.spawn(replace, path, data)
      end
      neap.yield()
      for i = 1, 6 do
        writers[i]:cancel()
      end
      for i = 1, 6 do
        writers[i]:wait()
      end
      local now = slurp(path)
      assert(now == "old" or now == data)
      assert.equal("file ", names(dir))
    end
  end)

  it("shows nobody anything else", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", ("0"):rep(5000))
    local writer = neap.spawn(function()
      for i = 1, 50 do
        assert(replace(path, tostring(i % 10):rep(5000)))
      end
    end)
    while writer:status() ~= "done" do
      local now = assert(fs.readfile(path))
      assert.equal(now:sub(1, 1):rep(5000), now)
      neap.yield()
    end
  end)
end)

describe("a process that is killed", function()
  local script = [[
    local fs = require("neap.fs")
    fs.stat("/") -- the pool is there
    for i = 1, %d do
      assert(fs.writefile(%q, tostring(i %% 10):rep(%d), { atomic = true }))
    end
  ]]

  -- fault 39
  it("at any step of an atomic write leaves whole contents", function()
    local steps = {
      "open", "openat", "write:KILL:1", "write:KILL:2", "write:KILL:3", "write:KILL:4", "fchmod",
      "fsync:KILL:1", "close:KILL:1", "renameat", "fsync:KILL:2",
    }
    for i, step in ipairs(steps) do
      local dir <close> = support.tempdir()
      local path = spit(dir .. "/file", "old")
      local faulty = step:find(":", 1, true) and step or step .. ":KILL"
      local output, status = sysfault.lua("short," .. faulty, script:format(1, path, 4))
      assert(status == 137 or output:find("Killed", 1, true), step .. " was never done: " .. output)
      assert.equal(i == #steps and "1111" or "old", slurp(path), step)
      local left = names(dir):gsub("^%.neap%-%x+ ", "")
      assert.equal("file ", left, step)
    end
  end)

  it("at any moment leaves whole contents", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "old")
    local size = 200000
    local source = spit(dir .. "/script.lua", script:format(100000, path, size))
    local seed = os.time()
    math.randomseed(seed)
    for round = 1, support.count(20, 300) do
      support.sh(("timeout -s KILL %.3f %s %s"):format(0.02 + math.random() * 0.1,
        os.getenv("LUA") or "lua5.4", quote(source)))
      local now = slurp(path)
      local whole = now == "old" or now == now:sub(1, 1):rep(size)
      assert(whole, ("seed %d, round %d: %d bytes"):format(seed, round, #now))
    end
    -- The new files of those that were killed are all that is left beside it.
    for name in names(dir):gmatch("%S+") do
      assert(name == "file" or name == "script.lua" or name:match("^%.neap%-%x+$"), name)
    end
  end)
end)
