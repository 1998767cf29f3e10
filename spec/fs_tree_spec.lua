-- neap.fs: walking, removing and copying trees, held against find, rm and cp.
local faults = require("spec.support.faults")
local support = require("spec.support")
local swap = require("spec.support.swap")

local neap = require("neap")
local fs = require("neap.fs")

local quote, settle, sh, spit, slurp = support.quote, support.settle, support.sh, support.spit,
  support.slurp

local function assert_fails(code, path, ...)
  local result, message, got = ...
  assert.is_nil(result)
  assert.equal(code, got)
  assert.equal(path .. ": ", message:sub(1, #path + 2))
end

local function lines(text)
  local list = {}
  for line in text:gmatch("[^\n]+") do
    list[#list + 1] = line
  end
  table.sort(list)
  return list
end

-- A tree with a bit of everything, made by the shell.
local function make_tree(path)
  -- A sanitizer's preloaded library does not get on with dd.
  local begin = ("unset LD_PRELOAD && mkdir %s && cd %s && "):format(quote(path), quote(path))
  local output, status = sh(begin .. [[
    mkdir -p a/b/c/d empty 'odd names/..x' "odd names/$(printf 'new\nline')" many &&
    printf 1234567890 > a/file && ln a/file a/b/again && ln a/file hard &&
    ln -s file a/soft && ln -s .. a/b/up && ln -s /etc a/outside && ln -s nowhere broken &&
    mkfifo fifo && head -c 300000 /dev/zero | tr '\0' x > a/b/c/big &&
    truncate -s 10M sparse &&
    printf end | dd of=sparse bs=1 seek=5000000 conv=notrunc status=none &&
    printf x > "odd names/$(printf 'b\303\244d\377')" && printf y > 'odd names/-rf *' &&
    for i in 1 2 3 4 5 6 7 8 9; do printf $i > many/$i; done &&
    touch -d '2001-02-03 04:05:06.789' a/file a/b/c && touch -h -d '2002-01-01' a/soft &&
    chmod 4711 a/b/c/big && chmod 750 a/b && chmod 1777 empty && chmod 500 many && chmod 0 fifo]])
  assert(status == 0, output)
  return path
end

-- All that is below path: what find prints of each name, in that format; sorted,
-- a line each, newlines in names as they are.
local function find(path, format)
  local list = {}
  local output = sh(("cd %s && find . -mindepth 1 -printf %s"):format(quote(path),
    quote(format .. "\\0")))
  for entry in output:gmatch("([^\0]*)\0") do
    list[#list + 1] = entry .. "\n"
  end
  table.sort(list)
  return table.concat(list)
end

local function count_of(path)
  return #sh(("find %s -mindepth 1 -printf x"):format(quote(path)))
end

local everything = "%p %y %m %U %G %s %T@ %n %b %l"
local types = { file = "f", directory = "d", link = "l", fifo = "p" }

describe("fs.walk", function()
  it("finds what find finds", function()
    local dir <close> = support.tempdir()
    local root = make_tree(dir .. "/tree")
    local found = {}
    for path, kind, info in assert(fs.walk(root)) do
      assert.is_nil(info)
      found[#found + 1] = path:sub(#root + 2) .. " " .. types[kind] .. "\n"
    end
    table.sort(found)
    assert.equal(find(root, "%P %y"), table.concat(found))
  end)

  it("brings what stat knows", function()
    local dir <close> = support.tempdir()
    local root = make_tree(dir .. "/tree")
    local found = {}
    for path, _, info in assert(fs.walk(root, { stat = true })) do
      found[#found + 1] = ("%s %o %d %d %d\n"):format(path:sub(#root + 2), info.mode & 4095,
        info.size, info.ino, info.nlink)
      local now = fs.lstat(path)
      now.atime = info.atime -- a folder's is of the walk itself
      assert.same(now, info)
    end
    table.sort(found)
    assert.equal(find(root, "%P %m %s %i %n"), table.concat(found))
  end)

  it("has each folder before what is in it", function()
    local dir <close> = support.tempdir()
    local root = make_tree(dir .. "/tree")
    local seen = { [root] = true }
    for path in assert(fs.walk(root)) do
      assert(seen[path:match("^(.*)/")], path)
      seen[path] = true
    end
  end)

  it("goes as deep as it is told", function()
    local dir <close> = support.tempdir()
    local root = make_tree(dir .. "/tree")
    for depth = 1, 5 do
      local count = 0
      for _ in assert(fs.walk(root, { depth = depth })) do
        count = count + 1
      end
      local said = sh(("find %s -mindepth 1 -maxdepth %d -printf x"):format(quote(root), depth))
      assert.equal(#said, count)
    end
  end)

  it("follows links when asked, and no circle", function()
    local dir <close> = support.tempdir()
    local root = dir .. "/tree"
    sh(("mkdir -p %s && cd %s && mkdir -p a/b ../other/x && touch ../other/x/file a/f &&"):format(
      quote(root), quote(root)) .. [[
      ln -s ../../other a/link && ln -s ../.. a/b/up && ln -s nowhere broken && ln -s f a/soft]])
    local found = {}
    for path, kind, message, code in assert(fs.walk(root, { follow = true })) do
      if code then
        assert.is_nil(kind)
        assert.equal(path .. ": Too many levels of symbolic links", message)
        kind = code
      end
      found[#found + 1] = path:sub(#root + 2) .. "=" .. tostring(kind)
    end
    table.sort(found)
    local walked = table.concat(found, " ")
    assert.equal("a/b/up=ELOOP", walked:match("a/b/up=E%u+"))
    assert.equal("a/b/up=directory", walked:match("a/b/up=directory"))
    assert.equal("a/link/x/file=file", walked:match("a/link/x/file=file"))
    assert.equal("a/soft=file", walked:match("a/soft=file"))
    assert.equal("broken=link", walked:match("broken=link"))
    -- a a/b a/b/up (twice) a/f a/link a/link/x a/link/x/file a/soft broken
    assert.equal(10, #found)
  end)

  it("goes on past folders that it can't read", function()
    local dir <close> = support.tempdir()
    local root = dir .. "/tree"
    sh(("mkdir -p %s && cd %s && mkdir a closed z && touch a/f closed/f z/f && chmod 0 closed &&"
      .. " chown -R nobody ."):format(quote(root), quote(root)))
    sh("chmod 755 " .. quote(dir.path))
    local script = support.spit(dir .. "/script.lua", [[
      local fs = require("neap.fs")
      for path, kind, message, code in assert(fs.walk(arg[1])) do
        print(path:sub(#arg[1] + 2), kind, message, code)
      end
    ]])
    local command = ("%s %s %s"):format(os.getenv("LUA") or "lua5.4", quote(script), quote(root))
    if sh("id -u") == "0\n" then
      command = ("setpriv --reuid=nobody --clear-groups %s"):format(command)
    end
    local output = sh(command)
    assert.same(lines(("a\tdirectory\tnil\tnil\na/f\tfile\tnil\tnil\nclosed\tdirectory\tnil\tnil\n"
      .. "closed\tnil\t%s/closed: Permission denied\tEACCES\n"
      .. "z\tdirectory\tnil\tnil\nz/f\tfile\tnil\tnil\n"):format(root)), lines(output))
  end)

  it("fails at once where there is no folder", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "")
    assert_fails("ENOENT", dir .. "/no", fs.walk(dir .. "/no"))
    assert_fails("ENOTDIR", path, fs.walk(path))
    assert_fails("ENOENT", "", fs.walk(""))
    local next_entry = assert(fs.walk(dir.path, { depth = 1 }))
    assert.equal(path, next_entry())
    assert.is_nil(next_entry())
    assert.is_nil(next_entry())
  end)

  -- fault 42
  it("ends when the folder is deleted meanwhile", function()
    local dir <close> = support.memdir()
    for round = 1, support.count(10, 200) do
      local root = dir .. "/tree"
      sh(("mkdir -p %s/a/b/c %s/d && cd %s && for i in $(seq 60); do : > a/$i; : > a/b/$i; done")
        :format(quote(root), quote(root), quote(root)))
      local codes, count = {}, 0
      for path, kind, _, code in assert(fs.walk(root, { stat = round % 2 == 0 })) do
        assert.equal(root .. "/", (path .. "/"):sub(1, #root + 1))
        count = count + 1
        if code then
          assert.is_nil(kind)
          codes[code] = true
        end
        if count == 3 * round then
          sh("rm -r " .. quote(root))
        end
        assert(count < 1000)
      end
      codes.ENOENT = nil
      assert.is_nil(next(codes))
      sh("rm -rf " .. quote(root))
    end
  end)

  it("can be left early and is closed by the loop", function()
    local dir <close> = support.tempdir()
    local root = make_tree(dir .. "/tree")
    local iterator, state, control, closing = fs.walk(root)
    assert(tostring(closing):match("^walk %(0x%x+%)$"), tostring(closing))
    for path in iterator, state, control, closing do
      if path then
        break
      end
    end
    assert.equal("walk (closed)", tostring(closing))
    assert.is_nil(iterator())
    assert.is_true(closing:close())
  end)

  it("is shared by several tasks, each entry for one of them", function()
    local dir <close> = support.tempdir()
    local root = make_tree(dir .. "/tree")
    local walk = assert(fs.walk(root))
    local seen, count, tasks = {}, 0, {}
    for i = 1, 8 do
      tasks[i] = neap.spawn(function()
        for path in walk do
          assert.is_nil(seen[path])
          seen[path] = true
          count = count + 1
          neap.yield()
        end
      end)
    end
    for i = 1, 8 do
      tasks[i]:join()
    end
    assert.equal(count_of(root), count)
  end)

  it("goes on for others when a task that waits for it is cancelled", function()
    local dir <close> = support.tempdir()
    local root = make_tree(dir .. "/tree")
    local iterator, _, _, closing <close> = fs.walk(root)
    local count = 0
    local victim = neap.spawn({ quiet = true }, function()
      while iterator() do
        count = count + 1
      end
    end)
    neap.yield()
    victim:cancel()
    victim:wait()
    while iterator() do
      count = count + 1
    end
    assert.equal(count_of(root), count)
    assert.equal("walk (closed)", tostring(closing))
  end)

  it("waits of others end when it is closed", function()
    local dir <close> = support.tempdir()
    local root = make_tree(dir .. "/tree")
    local iterator, _, _, closing = fs.walk(root)
    local task = neap.spawn(function()
      local n = 0
      while iterator() do
        n = n + 1
      end
      return n
    end)
    neap.yield()
    closing:close()
    assert(task:join() < 40)
    collectgarbage()
  end)

  it("holds a deep tree, with few descriptors and long paths", function()
    local dir <close> = support.memdir()
    local depth = support.count(300, 2000)
    sh(("cd %s && mkdir t && cd t && i=0 && while [ $i -lt %d ]; do mkdir abcdefghijklmnop &&"
      .. " cd -P abcdefghijklmnop || exit; : > f; i=$((i + 1)); done"):format(quote(dir.path),
      depth))
    local before, most, count, longest = support.fds(), 0, 0, 0
    for path in assert(fs.walk(dir .. "/t")) do
      count = count + 1
      longest = math.max(longest, #path)
      if count % 50 == 0 then
        most = math.max(most, support.fds())
      end
    end
    assert.equal(2 * depth, count)
    assert(longest > 4096)
    assert(most - before < 50, most - before)
    assert.is_true(fs.copy(dir .. "/t", dir .. "/u", { recursive = true }))
    local copied = 0
    for _ in assert(fs.walk(dir .. "/u")) do
      copied = copied + 1
    end
    assert.equal(count, copied)
    assert.is_true(fs.remove(dir .. "/t", { recursive = true }))
    assert.is_true(fs.remove(dir .. "/u", { recursive = true }))
    assert.equal("", sh("ls " .. quote(dir.path)))
  end)

  it("needs little memory for a big folder", function()
    local dir <close> = support.memdir()
    local names = support.count(20000, 1000000)
    -- Links: quicker to make than files, and as many names.
    sh(("cd %s && mkdir big && cd big && : > 0 && seq -f 'name-of-%%.0f' 1 %d | xargs touch")
      :format(quote(dir.path), names))
    local output = support.lua([[
      local fs = require("neap.fs")
      local neap = require("neap")
      local function rss()
        for line in io.lines("/proc/self/status") do
          local kb = line:match("^VmHWM:%s*(%d+)")
          if kb then return tonumber(kb) end
        end
      end
      for _ in fs.walk("/etc", { depth = 1 }) do end
      collectgarbage("generational")
      local before, count = rss(), 0
      for path in assert(fs.walk(arg[1])) do
        count = count + 1
      end
      print(count, rss() - before < 20000 or rss() - before)
    ]], { args = { dir .. "/big" } })
    assert.equal(names + 1 .. "\ttrue\n", output)
  end)
end)

describe("fs.remove", function()
  it("removes a file, a link, an empty folder", function()
    local dir <close> = support.tempdir()
    spit(dir .. "/file", "x")
    sh(("cd %s && ln -s file link && mkdir empty full && touch full/f && ln -s full there")
      :format(quote(dir.path)))
    assert.is_true(fs.remove(dir .. "/link"))
    assert.is_true(fs.remove(dir .. "/there/"))
    assert.is_true(fs.remove(dir .. "/file"))
    assert.is_true(fs.remove(dir .. "/empty/"))
    assert_fails("ENOTEMPTY", dir .. "/full", fs.remove(dir .. "/full"))
    assert_fails("ENOENT", dir .. "/file", fs.remove(dir .. "/file"))
    assert_fails("ENOENT", dir .. "/no/x", fs.remove(dir .. "/no/x"))
    for _, path in ipairs({ "/", ".", "..", dir .. "/full/.." }) do
      assert_fails("EINVAL", path, fs.remove(path, { recursive = true }))
    end
    assert_fails("ENOENT", "", fs.remove(""))
    assert.equal("full\n", sh("ls " .. quote(dir.path)))
  end)

  it("removes a tree as rm -r does", function()
    local dir <close> = support.tempdir()
    local root = make_tree(dir .. "/tree")
    assert.is_true(fs.remove(root, { recursive = true }))
    assert.equal("", sh("ls -A " .. quote(dir.path)))
    assert_fails("ENOENT", root, fs.remove(root, { recursive = true }))
  end)

  -- fault 43
  it("removes a link to elsewhere, and nothing there", function()
    local dir <close> = support.tempdir()
    sh(("cd %s && mkdir -p tree/a other/x && touch other/x/kept && ln -s ../../other tree/a/link &&"
      .. " ln -s other top"):format(quote(dir.path)))
    assert.is_true(fs.remove(dir .. "/top", { recursive = true }))
    assert.is_true(fs.remove(dir .. "/tree", { recursive = true }))
    assert.equal("./other\n./other/x\n./other/x/kept\n", find(dir.path, "%p"))
  end)

  it("passes over what it can't remove, and names the first of it", function()
    local dir <close> = support.tempdir()
    local root = dir .. "/tree"
    sh(("mkdir -p %s && cd %s && mkdir -p a keep/inner z && touch a/f keep/inner/f z/f &&"
      .. " chmod 555 keep/inner && chown -R nobody .."):format(quote(root), quote(root)))
    local script = support.spit(dir .. "/script.lua", [[
      local fs = require("neap.fs")
      print(fs.remove(arg[1], { recursive = true }))
    ]])
    local command = ("%s %s %s"):format(os.getenv("LUA") or "lua5.4", quote(script), quote(root))
    if sh("id -u") == "0\n" then
      command = ("setpriv --reuid=nobody --clear-groups %s"):format(command)
    end
    assert.equal(("nil\t%s/keep/inner/f: Permission denied\tEACCES\n"):format(root), sh(command))
    assert.equal("./keep\n./keep/inner\n./keep/inner/f\n", find(root, "%p"))
  end)

  it("is not led out of the tree by whoever swaps folders for links", function()
    local dir <close> = support.memdir()
    sh(("cd %s && mkdir outside && touch outside/1 outside/2 outside/3"):format(quote(dir.path)))
    local folder, link = dir .. "/tree/victim", dir .. "/tree/link"
    local swapper <close> = swap.start(folder, link)
    for _ = 1, support.count(100, 10000) do
      -- Some of these meet the swaps and fail: they are made again next time.
      fs.mkdir(folder, { parents = true })
      fs.symlink(dir .. "/outside", link)
      -- Names that are read with the victim's and removed before it: so there is
      -- time between the two.
      for i = 1, 50 do
        spit(dir .. "/tree/" .. i, "")
      end
      fs.remove(dir .. "/tree", { recursive = true })
      for i = 1, 3 do
        assert(io.open(dir .. "/outside/" .. i)):close()
      end
    end
    assert(swapper)
  end)

  it("stops between two names when it is cancelled", function()
    local dir <close> = support.memdir()
    sh(("cd %s && mkdir -p tree && cd tree && for i in $(seq 30); do mkdir $i; (cd $i; seq 400 |"
      .. " xargs touch); done"):format(quote(dir.path)))
    local stopped = false
    for _ = 1, 50 do
      local task = neap.spawn({ quiet = true }, fs.remove, dir .. "/tree", { recursive = true })
      neap.yield()
      neap.yield()
      task:cancel()
      local ok = task:wait()
      stopped = stopped or not ok
      if ok then
        break
      end
    end
    assert.is_true(stopped)
    fs.remove(dir .. "/tree", { recursive = true })
    assert.is_false(fs.exists(dir .. "/tree"))
  end)
end)

describe("fs.copy", function()
  it("copies a file as cp does", function()
    local dir <close> = support.tempdir()
    local from, to = spit(dir .. "/from", ("0123456789"):rep(100000)), dir .. "/to"
    assert(fs.chmod(from, tonumber("754", 8)))
    assert.is_true(fs.copy(from, to))
    sh(("cp %s %s"):format(quote(from), quote(dir .. "/cp")))
    assert.is_true(slurp(from) == slurp(to))
    assert.equal(fs.stat(dir .. "/cp").mode, fs.stat(to).mode)
    -- Onto one that is there: its bytes are replaced, it stays what it is.
    spit(to, ("x"):rep(2000000))
    local before = fs.stat(to)
    assert.is_true(fs.copy(from, to))
    assert.is_true(slurp(from) == slurp(to))
    assert.equal(before.ino, fs.stat(to).ino)
    spit(from, "")
    assert.is_true(fs.copy(from, to))
    assert.equal("", slurp(to))
  end)

  it("reads files that don't know their size", function()
    local dir <close> = support.tempdir()
    assert.is_true(fs.copy("/proc/self/cmdline", dir .. "/copy"))
    assert.equal(slurp("/proc/self/cmdline"), slurp(dir .. "/copy"))
  end)

  it("keeps holes, on the same file system and on another", function()
    local dir <close> = support.tempdir()
    local from = dir .. "/from"
    sh(("unset LD_PRELOAD && truncate -s 5G %s &&"
      .. " for at in 0 1000000000 4900000000; do printf end | dd of=%s bs=1"
      .. " seek=$at conv=notrunc status=none; done"):format(quote(from), quote(from)))
    local elsewhere = sh("mktemp -d -p /dev/shm"):gsub("\n", "")
    for _, to in ipairs({ dir .. "/to", elsewhere .. "/to" }) do
      assert.is_true(fs.copy(from, to))
      assert.equal(0, select(2, sh(("cmp -s -n 4096 %s %s"):format(quote(from), quote(to)))))
      local info = fs.stat(to)
      assert.equal(5 * 1024 ^ 3, info.size)
      assert(info.blocks < 1000, info.blocks)
      local file <close> = assert(fs.open(to))
      for _, at in ipairs({ 0, 1000000000, 4900000000 }) do
        assert(file:seek("set", at))
        assert.equal("end\0", file:read(4))
      end
    end
    sh("rm -r " .. quote(elsewhere))
  end)

  it("fails with the path that failed, and leaves nothing behind", function()
    local dir <close> = support.tempdir()
    local from = spit(dir .. "/from", "text")
    sh(("cd %s && mkdir d && mkfifo fifo && ln from hard && ln -s nowhere broken"):format(
      quote(dir.path)))
    local before = support.fds()
    assert_fails("ENOENT", dir .. "/no", fs.copy(dir .. "/no", dir .. "/x"))
    assert_fails("EISDIR", dir .. "/d", fs.copy(dir .. "/d", dir .. "/x"))
    assert_fails("ENOTSUP", dir .. "/fifo", fs.copy(dir .. "/fifo", dir .. "/x"))
    assert_fails("EISDIR", dir .. "/d", fs.copy(from, dir .. "/d"))
    assert_fails("ENOENT", dir .. "/no/x", fs.copy(from, dir .. "/no/x"))
    assert_fails("EINVAL", from, fs.copy(from, from))
    assert_fails("EINVAL", dir .. "/hard", fs.copy(from, dir .. "/hard"))
    assert_fails("ENOENT", dir .. "/broken", fs.copy(from, dir .. "/broken"))
    assert_fails("ENOTSUP", "/dev/full", fs.copy(from, "/dev/full"))
    assert.equal("text", slurp(from))
    assert.is_false(fs.exists(dir .. "/x"))
    assert.equal(before, support.fds())
  end)

  it("removes a file that the disk has no room for", function()
    local dir <close> = support.tempdir()
    spit(dir .. "/from", ("x"):rep(3000000))
    sh("mkdir " .. quote(dir .. "/small"))
    local script = spit(dir .. "/script.lua", [[
      local fs = require("neap.fs")
      local function try(to, options)
        print(select(3, fs.copy(arg[1], to, options)), fs.exists(to))
      end
      try(arg[2] .. "/to")
      try(arg[2] .. "/to", { recursive = true })
    ]])
    local unshare = support.own_mounts()
    if not unshare then
      return pending("no namespaces here")
    end
    local output = sh(("%s sh -c %s"):format(unshare, quote(
      ("mount -t tmpfs -o size=1m none %s && %s %s %s %s"):format(quote(dir .. "/small"),
        os.getenv("LUA") or "lua5.4", quote(script), quote(dir .. "/from"),
        quote(dir .. "/small")))))
    assert.equal("ENOSPC\tfalse\nENOSPC\tfalse\n", output)
  end)

  it("copies a tree as cp -a does", function()
    local dir <close> = support.tempdir()
    local root = make_tree(dir .. "/tree")
    assert.is_true(fs.copy(root, dir .. "/copy", { recursive = true }))
    sh(("cp -a %s %s"):format(quote(root), quote(dir .. "/cp")))
    assert.equal(find(dir .. "/cp", everything), find(dir .. "/copy", everything))
    local output = sh(("diff -r --no-dereference %s %s | grep -av ' is a fifo '"):format(
      quote(root), quote(dir .. "/copy")))
    assert.equal("", output)
    -- Once more, over what is there: the same.
    assert.is_true(fs.copy(root, dir .. "/copy", { recursive = true }))
    assert.equal(find(dir .. "/cp", everything), find(dir .. "/copy", everything))
  end)

  it("replaces what is there under a name, and never writes through a link", function()
    local dir <close> = support.tempdir()
    sh(("cd %s && mkdir -p from/dir to outside && printf new > from/file && printf new > from/dir/f"
      .. " && printf kept > outside/file && ln -s ../outside/file to/file"
      .. " && ln -s ../outside to/dir && printf kept > outside/f && printf other > to/other")
      :format(quote(dir.path)))
    assert.is_true(fs.copy(dir .. "/from", dir .. "/to", { recursive = true }))
    assert.equal("kept", slurp(dir .. "/outside/file"))
    assert.equal("kept", slurp(dir .. "/outside/f"))
    assert.equal("./dir d\n./dir/f f\n./file f\n./other f\n", find(dir .. "/to", "%p %y"))
    assert.equal("new", slurp(dir .. "/to/file"))
  end)

  it("copies single names, a link as one, and what has no name of its own", function()
    local dir <close> = support.tempdir()
    sh(("cd %s && mkdir -p from/sub && printf x > from/sub/f && ln -s f from/sub/l"):format(
      quote(dir.path)))
    assert.is_true(fs.copy(dir .. "/from/sub/l", dir .. "/l", { recursive = true }))
    assert.equal("f", fs.readlink(dir .. "/l"))
    assert.is_true(fs.copy(dir .. "/from/sub/f", dir .. "/f", { recursive = true }))
    assert.equal("x", slurp(dir .. "/f"))
    assert.is_true(fs.copy(dir .. "/from/sub/..", dir .. "/to", { recursive = true }))
    assert.equal(find(dir .. "/from", everything), find(dir .. "/to", everything))
  end)

  it("does not copy a folder into itself, nor onto itself", function()
    local dir <close> = support.tempdir()
    local root = make_tree(dir .. "/tree")
    sh(("ln -s tree %s"):format(quote(dir .. "/link")))
    local before = find(dir.path, everything)
    for _, to in ipairs({ "/tree/copy", "/tree/a/b/copy", "/tree", "/link/a/copy", "/tree/./" }) do
      local _, _, code = fs.copy(root, dir .. to, { recursive = true })
      assert.equal("EINVAL", code, to)
    end
    assert.equal(before, find(dir.path, everything))
  end)

  it("tells how far it is", function()
    local dir <close> = support.tempdir()
    local root = make_tree(dir .. "/tree")
    local last, calls = 0, 0
    local function progress(bytes, path)
      assert(bytes >= last)
      assert.equal(root, path:sub(1, #root))
      last, calls = bytes, calls + 1
      neap.yield() -- it may wait
    end
    assert.is_true(fs.copy(root, dir .. "/copy", { recursive = true, progress = progress }))
    assert(calls > 0)
    assert(last >= 300000 and last < 1000000, last)
    local ok, message = pcall(fs.copy, root .. "/a/b/c/big", dir .. "/big", { progress = function()
      error("stop")
    end })
    assert.is_false(ok)
    assert(message:find("stop"), message)
  end)

  it("that is cancelled leaves no half file", function()
    local dir <close> = support.tempdir()
    local from, to = dir .. "/from", dir .. "/to"
    sh(("head -c %d /dev/zero | tr '\\0' x > %s"):format(support.count(200, 1000) * 1000000,
      quote(from)))
    local cancelled = false
    for i = 1, 3 do
      local task
      task = neap.spawn({ quiet = true }, fs.copy, from, to, { progress = function()
        task:cancel()
      end })
      local ok = task:wait()
      cancelled = cancelled or not ok
      assert.equal(ok, fs.exists(to), i)
      fs.remove(to)
    end
    assert.is_true(cancelled)
  end)

  it("is not led out of either tree by whoever swaps folders for links", function()
    local dir <close> = support.memdir()
    sh(("cd %s && mkdir secret from outside to && printf secret > secret/name"):format(
      quote(dir.path)))
    for _, side in ipairs({ "from", "to" }) do
      local folder, link = dir .. "/" .. side .. "/victim", dir .. "/" .. side .. "/link"
      local swapper <close> = swap.start(folder, link)
      for _ = 1, support.count(100, 5000) do
        fs.mkdir(dir .. "/from/victim")
        if side == "from" then
          fs.symlink("mine", dir .. "/from/victim/name")
        else
          fs.writefile(dir .. "/from/victim/name", "mine")
        end
        fs.symlink(side == "from" and dir .. "/secret" or dir .. "/outside", link)
        fs.copy(dir .. "/from", dir .. "/to", { recursive = true })
        if side == "to" then
          assert.is_nil(io.open(dir .. "/outside/name"))
        else
          -- Nobody swaps these. A secret would be a file in a folder.
          for path, kind in assert(fs.walk(dir .. "/to")) do
            assert.not_equal("file", kind, path)
          end
          fs.remove(dir .. "/to", { recursive = true })
          fs.mkdir(dir .. "/to")
        end
      end
      assert(swapper)
    end
  end)
end)

-- A tree of that seed: folders in folders, files, links (also in circles and to
-- nowhere), FIFOs, files of several names; names of any byte; modes and times.
local function grow(root, seed)
  math.randomseed(seed)
  local random = math.random
  local folders, files = { root }, {}
  assert(fs.mkdir(root))
  local function new_name()
    local bytes = {}
    for i = 1, random(3) == 1 and random(100) or random(6) do
      repeat
        bytes[i] = random(4) == 1 and random(255) or random(97, 122)
      until bytes[i] ~= 47
    end
    return folders[random(#folders)] .. "/" .. string.char(table.unpack(bytes))
  end
  local makers = {
    function(path)
      if fs.mkdir(path) then
        folders[#folders + 1] = path
      end
    end,
    function(path)
      if fs.writefile(path, ("x"):rep(random(5) == 1 and random(200000) or random(50) - 1)) then
        files[#files + 1] = path
      end
    end,
    function(path)
      fs.symlink(({ ".", "..", "nowhere", folders[random(#folders)], "/etc" })[random(5)], path)
    end,
    function(path)
      local _ = #files > 0 and fs.link(files[random(#files)], path)
    end,
    function(path)
      local file = fs.open(path, "wx")
      if file then
        assert(file:seek("set", random(10000000)))
        assert(file:write("behind a hole"))
        assert(file:close())
      end
    end,
    function(path)
      sh("mkfifo -- " .. quote(path) .. " 2>/dev/null")
    end,
  }
  local weights = { 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 5, 6 }
  for _ = 1, random(60) do
    makers[weights[random(#weights)]](new_name())
  end
  for _, path in ipairs(files) do
    assert(fs.chmod(path, random(4096) - 1))
    assert(fs.utime(path, random(10 ^ 9), random(10 ^ 9) + random()))
  end
  for i = #folders, 2, -1 do
    assert(fs.chmod(folders[i], random(0, 3) * 512 + 448 + random(64) - 1))
    assert(fs.utime(folders[i], random(10 ^ 9), random(10 ^ 9)))
  end
  return root
end

-- A sum over the bytes of all files below path.
local function contents(path)
  return sh(("cd %s && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 cat -- | cksum"):format(
    quote(path)))
end

describe("random trees", function()
  it("are walked, copied and removed as by find, du, cp -a and rm -r", function()
    local first = support.soak and os.time() or 1
    for seed = first, first + support.count(10, 300) do
      local dir <close> = support.tempdir()
      local root = grow(dir .. "/tree", seed)
      local what = "seed " .. seed
      local found, blocks, inodes = {}, fs.lstat(root).blocks, {}
      for path, kind, info, code in assert(fs.walk(root, { stat = true })) do
        assert.is_nil(code, what)
        assert.equal(kind, info.type, what)
        found[#found + 1] = ("%s %o %d\n"):format(path:sub(#root + 2), info.mode & 4095, info.size)
        blocks = blocks + (inodes[info.ino] and 0 or info.blocks)
        inodes[info.ino] = true
      end
      table.sort(found)
      assert.equal(find(root, "%P %m %s"), table.concat(found), what)
      local said = sh("du -s --block-size=512 " .. quote(root)):match("^%d+")
      assert.equal(said, tostring(blocks), what)
      assert.is_true(fs.copy(root, dir .. "/copy", { recursive = true }), what)
      sh(("cp -a %s %s"):format(quote(root), quote(dir .. "/cp")))
      assert.equal(find(dir .. "/cp", everything), find(dir .. "/copy", everything), what)
      assert.equal(contents(root), contents(dir .. "/copy"), what)
      assert.is_true(fs.remove(dir .. "/copy", { recursive = true }), what)
      assert.is_false(fs.exists(dir .. "/copy"), what)
    end
  end)
end)

describe("trees", function()
  it("survive every wrong argument", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "x")
    local function skip(_, value) -- would be made here
      return value == "no such thing" or type(value) == "number"
    end
    support.call_badly(fs.remove, { dir .. "/no", {} }, 2, skip)
    support.call_badly(fs.copy, { path, dir .. "/copy", {} }, 3, skip)
    support.call_badly(fs.walk, { dir.path, {} }, 2, nil, function(_, _, _, closing)
      closing:close()
    end)
    support.call_badly(fs.glob, { dir .. "/*" }, 1)
    local wrong = { { depth = 0 }, { depth = "x" }, { follow = 1 }, { stat = "yes" } }
    for _, options in ipairs(wrong) do
      assert.has_error(function()
        fs.walk(dir.path, options)
      end)
    end
    assert.has_error(function()
      fs.copy(path, path, { progress = 1 })
    end)
    assert.has_error(function()
      fs.remove(path, { recursive = 1 })
    end)
  end)

  it("survive every failing allocation", function()
    local dir <close> = support.memdir()
    local root = make_tree(dir .. "/tree")
    local runs = faults.alloc(function()
      local function ok(result, message, code)
        if result == nil then
          error(code == "ENOMEM" and "not enough memory" or message, 0)
        end
        return result
      end
      ok(fs.copy(root, dir .. "/copy", { recursive = true }))
      local iterator, message, code, closing <close> = fs.walk(dir .. "/copy")
      ok(iterator, message, code)
      for _ in iterator do -- luacheck: ignore 542
      end
      assert(closing)
      ok(fs.remove(dir .. "/copy", { recursive = true }))
    end)
    assert(runs > 5, runs)
  end)

  it("leave the loop to others", function()
    local dir <close> = support.tempdir()
    local root = make_tree(dir .. "/tree")
    local ticks, stop = 0, false
    local ticker = neap.spawn(function()
      while not stop do
        ticks = ticks + 1
        neap.yield()
      end
    end)
    for _ = 1, 5 do
      assert(fs.copy(root, dir .. "/copy", { recursive = true }))
      for _ in assert(fs.walk(root)) do -- luacheck: ignore 542
      end
      assert(fs.remove(dir .. "/copy", { recursive = true }))
    end
    stop = true
    ticker:join()
    settle()
    assert(ticks >= 10, ticks)
  end)
end)
