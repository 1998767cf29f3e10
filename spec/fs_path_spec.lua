-- neap.fs: functions of a path, held against what the system's own tools say.
local faults = require("spec.support.faults")
local support = require("spec.support")

local fs = require("neap.fs")

local quote, sh, spit, slurp = support.quote, support.sh, support.spit, support.slurp

local function assert_fails(code, path, ...)
  local result, message, got = ...
  assert.is_nil(result)
  assert.equal(code, got)
  assert.equal(path .. ": ", message:sub(1, #path + 2))
end

-- What `stat` says of path in that format.
local function stat(format, path)
  return (sh(("stat -c %s %s"):format(quote(format), quote(path))):gsub("\n$", ""))
end

describe("what is known about a path:", function()
  it("exists, isfile, isdir follow links and are false where nothing is", function()
    local dir <close> = support.tempdir()
    local file = spit(dir .. "/file", "x")
    sh(("cd %s && ln -s file link && ln -s nowhere broken"):format(quote(dir.path)))
    local cases = {
      { dir.path, true, false, true }, { file, true, true, false },
      { dir .. "/link", true, true, false }, { dir .. "/broken", false, false, false },
      { dir .. "/no", false, false, false }, { file .. "/x", false, false, false },
      { "", false, false, false }, { "/dev/null", true, false, false },
    }
    for _, case in ipairs(cases) do
      assert.equal(case[2], fs.exists(case[1]), case[1])
      assert.equal(case[3], fs.isfile(case[1]), case[1])
      assert.equal(case[4], fs.isdir(case[1]), case[1])
    end
  end)

  it("what keeps us from finding out is a failure", function()
    local dir <close> = support.tempdir()
    sh(("ln -s loop %s"):format(quote(dir .. "/loop")))
    local long = ("x"):rep(5000)
    for _, name in ipairs({ "exists", "isfile", "isdir" }) do
      assert_fails("ELOOP", dir .. "/loop", fs[name](dir .. "/loop"))
      assert_fails("ENAMETOOLONG", long, fs[name](long))
    end
  end)

  it("access asks for reading, writing, running", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "x")
    assert.is_true(fs.access(path))
    assert.is_true(fs.access(path, "rw"))
    assert_fails("EACCES", path, fs.access(path, "x")) -- for root, too
    assert(fs.chmod(path, tonumber("700", 8)))
    assert.is_true(fs.access(path, "rwx"))
    assert_fails("ENOENT", dir .. "/no", fs.access(dir .. "/no"))
    assert.has_error(function()
      fs.access(path, "q")
    end)
  end)

  it("statfs is the file system's", function()
    local space = assert(fs.statfs("/"))
    local said = stat("", "/") and sh("stat -f -c '%S %b %c' /")
    assert.equal(said, ("%d %d %d\n"):format(space.bsize, space.blocks, space.files))
    assert(space.bavail <= space.bfree and space.bfree <= space.blocks)
    assert_fails("ENOENT", "/no/such", fs.statfs("/no/such"))
  end)
end)

describe("links", function()
  it("are made, read and resolved", function()
    local dir <close> = support.tempdir()
    local real = assert(fs.realpath(dir.path))
    local path = spit(dir .. "/file", "x")
    assert.is_true(fs.link(path, dir .. "/hard"))
    assert.equal(fs.stat(path).ino, fs.stat(dir .. "/hard").ino)
    assert.is_true(fs.symlink("file", dir .. "/soft"))
    assert.equal("file", fs.readlink(dir .. "/soft"))
    assert.equal(real .. "/file", fs.realpath(dir .. "/./soft"))
    local long = ("x"):rep(3000)
    assert.is_true(fs.symlink(long, dir .. "/long"))
    assert.equal(long, fs.readlink(dir .. "/long"))
    assert_fails("EEXIST", dir .. "/soft", fs.symlink("x", dir .. "/soft"))
    assert_fails("EEXIST", dir .. "/hard", fs.link(path, dir .. "/hard"))
    assert_fails("EINVAL", path, fs.readlink(path))
    assert_fails("ENOENT", dir .. "/no", fs.readlink(dir .. "/no"))
    assert_fails("ENOENT", dir .. "/no", fs.realpath(dir .. "/no"))
  end)
end)

describe("permissions, owners and times", function()
  it("are set as chmod, chown and touch set them", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "x")
    sh("ln -s file " .. quote(dir .. "/link"))
    assert.is_true(fs.chmod(path, tonumber("4751", 8)))
    assert.equal("4751", stat("%a", path))
    assert.is_true(fs.chown(dir .. "/link", -1, -1))
    if stat("%u", path) == "0" then
      assert.is_true(fs.chown(dir .. "/link", 1, 2))
      assert.equal("1 2", stat("%u %g", path))
      assert.is_true(fs.lchown(dir .. "/link", 3, -1))
      assert.equal("3 0", stat("%u %g", dir .. "/link"))
      assert.equal("1 2", stat("%u %g", path))
    end
    assert_fails("ENOENT", dir .. "/no", fs.chmod(dir .. "/no", 0))
    assert_fails("ENOENT", dir .. "/no", fs.chown(dir .. "/no", -1, -1))
    assert_fails("ENOENT", dir .. "/no", fs.lchown(dir .. "/no", -1, -1))
  end)

  it("utime sets both times, to fractions of a second", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "x")
    assert.is_true(fs.utime(path, 1000.25, 2000000000.5))
    assert.equal("1000.250000000 2000000000.500000000", stat("%.9X %.9Y", path))
    assert.is_true(fs.utime(path, 7))
    assert.equal("7 7", stat("%X %Y", path))
    assert.is_true(fs.utime(path, -1.5))
    assert.equal(-1.5, fs.stat(path).mtime)
    local before = os.time()
    assert.is_true(fs.utime(path))
    assert(math.abs(fs.stat(path).mtime - before) < 60)
    assert_fails("ENOENT", dir .. "/no", fs.utime(dir .. "/no"))
    for _, wrong in ipairs({ 0 / 0, math.huge, 1e300, "x" }) do
      assert.has_error(function()
        fs.utime(path, wrong)
      end)
    end
  end)

  it("touch makes a file, and only changes the times of one that is there", function()
    local dir <close> = support.tempdir()
    assert.is_true(fs.touch(dir .. "/new"))
    assert.equal("", slurp(dir .. "/new"))
    local path = spit(dir .. "/old", "text")
    assert(fs.utime(path, 5))
    sh("mkfifo " .. quote(dir .. "/fifo"))
    for _, name in ipairs({ path, dir.path, dir .. "/fifo" }) do
      assert.is_true(fs.touch(name))
      assert(math.abs(fs.stat(name).mtime - os.time()) < 60, name)
    end
    assert.equal("text", slurp(path))
    assert_fails("ENOENT", dir .. "/no/x", fs.touch(dir .. "/no/x"))
  end)
end)

describe("fs.mkdir with parents", function()
  it("makes what is missing", function()
    local dir <close> = support.tempdir()
    assert.is_true(fs.mkdir(dir .. "/a/b//c/", { parents = true }))
    assert.equal("directory", fs.stat(dir .. "/a/b/c").type)
    assert.is_true(fs.mkdir(dir .. "/a/b/c", { parents = true }))
    assert.is_true(fs.mkdir(dir .. "/a/x/y", { parents = true, mode = tonumber("700", 8) }))
    assert.equal("700", stat("%a", dir .. "/a/x/y"))
    assert.equal(sh("umask -S; cd " .. quote(dir.path) .. " && mkdir -p p/q && stat -c %a p")
      :match("(%d+)\n$"), stat("%a", dir .. "/a/x"))
    local path = spit(dir .. "/file", "")
    assert_fails("EEXIST", path, fs.mkdir(path, { parents = true }))
    assert_fails("ENOTDIR", path .. "/x/y", fs.mkdir(path .. "/x/y", { parents = true }))
    assert_fails("ENOENT", "", fs.mkdir("", { parents = true }))
    local long = dir .. "/" .. ("x"):rep(300) .. "/y"
    assert_fails("ENAMETOOLONG", long, fs.mkdir(long, { parents = true }))
  end)
end)

describe("temporary names", function()
  it("mkstemp makes and opens a file", function()
    local dir <close> = support.tempdir()
    local file, path = fs.mkstemp(dir .. "/tmp-XXXXXX")
    assert.equal(dir .. "/tmp-", path:sub(1, -7))
    assert.equal("600", stat("%a", path))
    assert(file:write("text"))
    assert(file:seek("set"))
    assert.equal("text", file:read("a"))
    assert(file:close())
    assert.equal("text", slurp(path))
    local no = dir .. "/no/XXXXXX"
    assert_fails("ENOENT", no, fs.mkstemp(no))
    assert.has_error(function()
      fs.mkstemp(dir .. "/plain")
    end)
  end)

  it("tempfile is gone when it is closed", function()
    local path
    do
      local file <close>, name = fs.tempfile()
      path = name
      assert(file:write("text"))
      assert(file:seek("set"))
      assert.equal("text", file:read("a"))
      assert.is_true(fs.isfile(path))
    end
    assert.is_false(fs.exists(path))
  end)

  it("tempdir is gone when it is closed, with all in it", function()
    local path
    do
      local dir <close> = assert(fs.tempdir())
      path = dir.path
      assert.equal(path, tostring(dir))
      assert.equal(path .. "/x", dir .. "/x")
      assert.is_true(fs.mkdir(dir .. "/a/b", { parents = true }))
      spit(dir .. "/a/b/file", "x")
    end
    assert.is_false(fs.exists(path))
    local dir = fs.tempdir()
    assert.is_true(fs.rmdir(dir.path))
    assert.is_true(dir:close()) -- somebody else has removed it
    assert.is_true(dir:close())
  end)

  it("go where TMPDIR says", function()
    local dir <close> = support.tempdir()
    local output = support.lua([[
      local fs = require("neap.fs")
      local file <close>, path = fs.tempfile()
      local folder <close> = fs.tempdir()
      print(path:match("^(.*)/"), folder.path:match("^(.*)/"))
    ]], { env = "TMPDIR=" .. quote(dir.path) })
    assert.equal(dir.path .. "\t" .. dir.path .. "\n", output)
    assert.equal("", sh("ls " .. quote(dir.path)))
    output = support.lua([[
      local fs = require("neap.fs")
      print(select(3, fs.tempfile()), select(3, fs.tempdir()))
    ]], { env = "TMPDIR=/no/such" })
    assert.equal("ENOENT\tENOENT\n", output)
  end)

  it("are gone at the end of a script that closes nothing", function()
    local dir <close> = support.tempdir()
    local output = support.lua([[
      warn("@on")
      local fs = require("neap.fs")
      file, path = fs.tempfile()
      folder = fs.tempdir()
      assert(fs.writefile(folder .. "/x", "x"))
    ]], { env = "TMPDIR=" .. quote(dir.path) })
    assert(output:find("a temporary folder was not closed", 1, true), output)
    assert(output:find("a file was not closed", 1, true), output)
    assert.equal("", sh("ls " .. quote(dir.path)))
  end)
end)

describe("the path functions", function()
  it("survive every wrong argument", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "x")
    local function skip(_, value) -- would be made here
      return type(value) == "number" or value == "no such thing"
    end
    for _, name in ipairs({ "exists", "isfile", "isdir", "statfs", "readlink", "realpath" }) do
      support.call_badly(fs[name], { path }, 1)
    end
    support.call_badly(fs.access, { path, "r" }, 2)
    support.call_badly(fs.link, { dir .. "/no", dir .. "/no2" }, 2)
    support.call_badly(fs.symlink, { dir .. "/no", path }, 2, skip)
    support.call_badly(fs.chmod, { path, 384 }, 2)
    support.call_badly(fs.chown, { path, -1, -1 }, 3, function(place, value)
      return place > 1 and math.type(value) == "integer"
    end)
    support.call_badly(fs.lchown, { path, -1, -1 }, 3, function(place, value)
      return place > 1 and math.type(value) == "integer"
    end)
    support.call_badly(fs.utime, { path, 1, 1 }, 3)
    support.call_badly(fs.touch, { path }, 1, skip)
    support.call_badly(fs.mkstemp, { dir .. "/no/XXXXXX" }, 1)
  end)

  it("survive every failing allocation", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "x")
    assert(fs.symlink("file", dir .. "/link"))
    local runs = faults.alloc(function()
      local function ok(result, message, code)
        if result == nil then
          error(code == "ENOMEM" and "not enough memory" or message, 0)
        end
        return result
      end
      ok(fs.access(path, "r"))
      ok(fs.statfs(path))
      assert(ok(fs.readlink(dir .. "/link")) == "file")
      ok(fs.realpath(path))
      ok(fs.chmod(path, 384))
      ok(fs.utime(path, 1, 2))
      ok(fs.touch(path))
      ok(fs.mkdir(dir .. "/a/b", { parents = true }))
      ok(fs.tempfile()):close()
      local folder <close> = ok(fs.tempdir())
      ok(fs.writefile(folder .. "/x", "x"))
    end, { tolerate = true })
    assert(runs > 10, runs)
  end)
end)
