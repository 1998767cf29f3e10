-- fs.watch: what is done to a tree and what is told of it.
local faults = require("spec.support.faults")
local support = require("spec.support")

local neap = require("neap")
local fs = require("neap.fs")

local quote, settle, sh, spit = support.quote, support.settle, support.sh, support.spit

-- Events until (and without) the one of a file that is made to mark the end.
local function events_until(watcher, mark)
  local list = {}
  while true do
    local event = assert(watcher:wait(20))
    if event.name == mark then
      return list
    end
    list[#list + 1] = event
  end
end

local marks = 0

-- Runs a command in dir; what is told of it, as lines "kind name[ <- from]".
-- Changes are left out: how many there are is the kernel's affair.
local function told(watcher, dir, command)
  marks = marks + 1
  local mark = "~mark" .. marks -- the last by name, too
  local output, status = sh(("cd %s && { %s; } && : > %s"):format(quote(dir.path), command, mark))
  assert(status == 0, output)
  local list = {}
  for _, event in ipairs(events_until(watcher, mark)) do
    if not event.name:find("^~mark") and event.kind ~= "change" then
      local from = event.from and " <- " .. event.from:sub(#dir.path + 2) or ""
      assert.equal(event.name, event.path:sub(#dir.path + 2))
      list[#list + 1] = event.kind .. " " .. event.name .. from
    end
  end
  return list
end

local function sorted(list)
  table.sort(list)
  return list
end

describe("fs.watch", function()
  it("tells what is done in a folder", function()
    local dir <close> = support.tempdir()
    sh("mkdir " .. quote(dir .. "/sub"))
    local watcher <close> = assert(fs.watch(dir.path))
    assert.same({ "create a", "rename b <- a", "remove b" },
      told(watcher, dir, "echo x > a; mv a b; rm b"))
    assert.same({ "create new" }, told(watcher, dir, "mkdir new; : > sub/x; : > new/x"))
    assert.same({ "remove new" }, told(watcher, dir, "rm -r new"))
  end)

  it("tells that a file was changed", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "x")
    local watcher <close> = assert(fs.watch(dir .. "/"))
    for _, command in ipairs({ "echo y >> file", ": > file", "chmod 600 file", "touch file" }) do
      sh(("cd %s && %s"):format(quote(dir.path), command))
      local event = assert(watcher:wait(20))
      assert.same({ path = path, name = "file", kind = "change" }, event)
      sh(": > " .. quote(dir .. "/mark"))
      for _, more in ipairs(events_until(watcher, "mark")) do
        assert.equal("change", more.kind)
      end
      os.remove(dir .. "/mark")
      repeat -- the mark's own events
        event = assert(watcher:wait(20))
      until event.kind == "remove"
    end
  end)

  it("tells many changes in a row once", function()
    local dir <close> = support.tempdir()
    spit(dir .. "/file", "x")
    local watcher <close> = assert(fs.watch(dir.path))
    sh(("cd %s && for i in 1 2 3 4 5 6 7 8 9; do echo >> file; done"):format(quote(dir.path)))
    assert.equal("change", watcher:wait(20).kind)
    assert.is_nil(watcher:wait(0))
  end)

  it("watches a file by its name, whoever has it", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "x")
    sh("ln -s file " .. quote(dir .. "/link"))
    local watcher <close> = assert(fs.watch(path))
    local by_link <close> = assert(fs.watch(dir .. "/link", { recursive = true }))
    sh(("cd %s && : > other && rm other && : > new && mv new file && rm file && : > file"):format(
      quote(dir.path)))
    for name, one in pairs({ file = watcher, link = by_link }) do
      local kinds = {}
      for i = 1, 3 do
        local event = assert(one:wait(20))
        assert.equal(name, event.name)
        assert.equal(dir .. "/" .. name, event.path)
        kinds[i] = event.kind
      end
      assert.same({ "create", "remove", "create" }, kinds)
      assert.is_nil(one:wait(0))
    end
  end)

  it("ends when what it watches is gone", function()
    local dir <close> = support.tempdir()
    for _, command in ipairs({ "rm -r top", "mv top away" }) do
      for _, recursive in ipairs({ true, false }) do
        sh("mkdir -p " .. quote(dir .. "/top/sub"))
        local watcher <close> = assert(fs.watch(dir .. "/top", { recursive = recursive }))
        sh(("cd %s && %s"):format(quote(dir.path), command))
        local last
        for event in watcher do
          last = event
        end
        assert.same({ path = dir .. "/top", name = "top", kind = "remove" }, last)
        assert.equal("EOF", select(3, watcher:wait()))
        sh("rm -rf " .. quote(dir .. "/away"))
      end
    end
  end)

  it("fails for what is not there, and holds nothing then", function()
    local dir <close> = support.tempdir()
    local before, handles = support.fds(), neap.info().handles
    for _, options in ipairs({ {}, { recursive = true }, { poll = 10 } }) do
      local watcher, message, code = fs.watch(dir .. "/no", options)
      assert.is_nil(watcher)
      assert.equal("ENOENT", code)
      assert.equal(dir .. "/no: No such file or directory", message)
    end
    settle()
    while neap.info().handles > handles do
      neap.yield()
    end
    assert.equal(before, support.fds())
  end)

  it("lets a wait end by close, cancel and time", function()
    local dir <close> = support.tempdir()
    local watcher = assert(fs.watch(dir.path))
    assert(tostring(watcher):match("^watcher %(0x%x+%)$"), tostring(watcher))
    assert.same({ nil, "timed out after 0 s", "ETIMEDOUT", n = 3 }, table.pack(watcher:wait(0)))
    local victim = neap.spawn({ quiet = true }, watcher.wait, watcher)
    local looper = neap.spawn(function()
      local n = 0
      for _ in watcher do
        n = n + 1
      end
      return n
    end)
    local waiter = neap.spawn(watcher.wait, watcher)
    settle()
    victim:cancel()
    assert.is_false(victim:wait())
    watcher:close()
    assert.equal(0, looper:join())
    assert.equal("ECANCELED", select(3, waiter:join()))
    assert.equal("EBADF", select(3, watcher:wait()))
    assert.is_nil(watcher())
    assert.equal("watcher (closed)", tostring(watcher))
    assert.is_true(watcher:close())
  end)

  it("gives each event to one of those who wait", function()
    local dir <close> = support.tempdir()
    local watcher <close> = assert(fs.watch(dir.path))
    local seen, tasks = {}, {}
    for i = 1, 5 do
      tasks[i] = neap.spawn(function()
        for event in watcher do
          if event.kind == "create" then
            assert.is_nil(seen[event.name])
            seen[event.name] = true
            seen.n = (seen.n or 0) + 1
          end
          neap.yield()
        end
      end)
    end
    settle()
    sh(("cd %s && for i in $(seq 50); do : > $i; done"):format(quote(dir.path)))
    while seen.n ~= 50 do
      neap.yield()
    end
    watcher:close()
    for i = 1, 5 do
      tasks[i]:join()
    end
  end)

  it("is a case of neap.select", function()
    local dir <close> = support.tempdir()
    local one <close> = assert(fs.watch(dir.path))
    local ch = neap.channel()
    assert.equal("ETIMEDOUT", (select(3, neap.select({ { one }, { ch }, timeout = 0 }))))
    local task = neap.spawn(neap.select, { { ch }, { one } })
    settle()
    sh(("cd %s && mkdir a b"):format(quote(dir.path)))
    local case, event = task:join()
    assert.equal(2, case)
    assert.equal("a", event.name)
    -- What the case did not take is there for the next one, and for wait.
    case, event = neap.select({ { one } })
    assert.equal(1, case)
    assert.equal("b", event.name)
    local lost = neap.spawn(neap.select, { { ch }, { one } })
    settle()
    ch:send("first")
    sh(("mkdir %s/c"):format(quote(dir.path)))
    assert.same({ 1, "first" }, { lost:join() })
    assert.equal("c", assert(one:wait(20)).name)
    task = neap.spawn(neap.select, { { ch }, { one } })
    settle()
    one:close()
    assert.equal("ECANCELED", select(4, task:join()))
    assert.same({ 1, nil, "watcher is closed", "EBADF" }, { neap.select({ { one } }) })
  end)

  it("is told as gone by neap.select, too", function()
    local dir <close> = support.tempdir()
    sh("mkdir " .. quote(dir .. "/gone"))
    local watcher <close> = assert(fs.watch(dir .. "/gone"))
    local task = neap.spawn(neap.select, { { watcher } })
    settle()
    sh("rmdir " .. quote(dir .. "/gone"))
    local case, event = task:join()
    while event do -- its own removal may be told first
      case, event = neap.select({ { watcher } })
    end
    assert.equal(1, case)
    assert.equal("EOF", select(4, neap.select({ { watcher } })))
  end)

  it("is there 10,000 times over", function()
    local dir <close> = support.tempdir()
    local count = support.count(2000, 10000)
    local list = {}
    for i = 1, count do
      list[i] = assert(fs.watch(i % 2 == 0 and dir.path or "/tmp/.."))
    end
    spit(dir .. "/file", "")
    for i = 2, count, 2 do
      assert.equal("create", assert(list[i]:wait(20)).kind)
    end
    for i = 1, count do
      list[i]:close()
    end
  end)
end)

describe("fs.watch, recursive,", function()
  local function watch(dir)
    return assert(fs.watch(dir.path, { recursive = true }))
  end

  it("tells of folders that were there, and of new ones", function()
    local dir <close> = support.tempdir()
    sh(("cd %s && mkdir -p a/b/c"):format(quote(dir.path)))
    local watcher <close> = watch(dir)
    assert.same({ "create a/b/c/f", "remove a/b/c/f" },
      told(watcher, dir, ": > a/b/c/f; rm a/b/c/f"))
    assert.same({ "create new", "create new/x", "create new/x/y", "create new/x/y/f" },
      told(watcher, dir, "mkdir -p new/x/y; : > new/x/y/f"))
    assert.same({ "create new/x/y/g" }, told(watcher, dir, ": > new/x/y/g"))
  end)

  it("tells once what is made before a new folder is watched", function()
    local dir <close> = support.memdir()
    local watcher <close> = watch(dir)
    for round = 1, support.count(20, 200) do
      local expected = { "create r" .. round }
      for i = 1, 20 do
        expected[#expected + 1] = ("create r%d/%d"):format(round, i)
        expected[#expected + 1] = ("create r%d/%d/f"):format(round, i)
      end
      local list = told(watcher, dir,
        ("mkdir r%d; for i in $(seq 20); do mkdir r%d/$i; : > r%d/$i/f; done"):format(round, round,
          round))
      assert.same(sorted(expected), sorted(list))
    end
  end)

  it("pairs the halves of a rename, and knows folders by their new names", function()
    local dir <close> = support.tempdir()
    sh(("cd %s && mkdir -p a/b/c d"):format(quote(dir.path)))
    local watcher <close> = watch(dir)
    assert.same({ "rename d/bb <- a/b" }, told(watcher, dir, "mv a/b d/bb"))
    assert.same({ "create d/bb/c/f" }, told(watcher, dir, ": > d/bb/c/f"))
    assert.same({ "rename e <- d", "create e/bb/c/g", "rename e/bb/c/h <- e/bb/c/g" },
      told(watcher, dir, "mv d e; : > e/bb/c/g; mv e/bb/c/g e/bb/c/h"))
    local gone = { "remove e/bb/c/f", "remove e/bb/c/h", "remove e/bb/c", "remove e/bb",
      "remove e" }
    assert.same(gone,
      told(watcher, dir, "rm e/bb/c/f e/bb/c/h; rmdir e/bb/c e/bb e"))
  end)

  it("tells of what comes from elsewhere whole, and of what goes as one", function()
    local dir <close> = support.tempdir()
    local other <close> = support.tempdir()
    sh(("cd %s && mkdir -p t/u && : > t/u/f && : > t/g"):format(quote(other.path)))
    local watcher <close> = watch(dir)
    assert.same({ "create t", "create t/g", "create t/u", "create t/u/f" },
      sorted(told(watcher, dir, ("mv %s t"):format(quote(other .. "/t")))))
    assert.same({ "create t/u/new" }, told(watcher, dir, ": > t/u/new"))
    assert.same({ "remove t" }, told(watcher, dir, ("mv t %s"):format(quote(other .. "/back"))))
    -- It is not watched any more where it is now.
    assert.same({}, told(watcher, dir, (": > %s"):format(quote(other .. "/back/u/more"))))
    assert.same({ "create t" }, told(watcher, dir, "mkdir t"))
    assert.same({ "create t/f" }, told(watcher, dir, ": > t/f"))
  end)

  it("tells both in order when a name that went away comes back", function()
    local dir <close> = support.tempdir()
    local other <close> = support.tempdir()
    spit(dir .. "/a", "")
    local watcher <close> = watch(dir)
    assert.same({ "remove a", "create a" }, told(watcher, dir, ("mv a %s; : > a"):format(
      quote(other .. "/x"))))
  end)

  it("does not go through links", function()
    local dir <close> = support.tempdir()
    local other <close> = support.tempdir()
    local watcher <close> = watch(dir)
    assert.same({ "create link" }, told(watcher, dir, ("ln -s %s link; : > link/f"):format(
      quote(other.path))))
  end)

  it("keeps up with trees that come and go at once", function()
    local dir <close> = support.memdir()
    local watcher <close> = watch(dir)
    -- What is told, taken together, must be what is there.
    local there = {}
    local function follow(event)
      if event.kind == "create" then
        there[event.name] = true
      elseif event.kind == "remove" or event.kind == "rename" then
        local gone = event.from and event.from:sub(#dir.path + 2) or event.name
        local moved = {}
        for name in pairs(there) do
          if name == gone or name:sub(1, #gone + 1) == gone .. "/" then
            moved[#moved + 1] = name
          end
        end
        for _, name in ipairs(moved) do
          there[name] = nil
          if event.from then
            there[event.name .. name:sub(#gone + 1)] = true
          end
        end
        if event.from then
          there[event.name] = true
        end
      end
    end
    local output, status = sh(("cd %s && "):format(quote(dir.path)) .. ([[
      for i in $(seq %d); do
        mkdir -p t$i/a/b t$i/c; : > t$i/a/b/f; mv t$i/a t$i/c/d; : > t$i/c/d/b/g
        mv t$i u$i; [ $((i %% 3)) = 0 ] && rm -r u$i; mkdir -p v/w; : > v/w/x; rm -r v
      done; : > .end]]):format(support.count(30, 300)))
    assert(status == 0, output)
    repeat
      local event = assert(watcher:wait(20))
      assert.is_nil(event.overflow)
      follow(event)
    until event.name == ".end"
    local list = {}
    for name in pairs(there) do
      list[#list + 1] = "./" .. name
    end
    table.sort(list)
    assert.equal(sh(("cd %s && LC_ALL=C find . -mindepth 1 | LC_ALL=C sort"):format(
      quote(dir.path))), table.concat(list, "\n") .. "\n")
  end)

  it("goes past folders that it can't read, with an event", function()
    if sh("id -u") ~= "0\n" then
      return
    end
    local dir <close> = support.tempdir()
    sh(("cd %s && mkdir -p open closed && chmod 700 closed && chmod 755 ."):format(quote(dir.path)))
    local script = spit(dir .. "/script.lua", [[
      local fs = require("neap.fs")
      local watcher <close> = assert(fs.watch(arg[1], { recursive = true }))
      local event = watcher:wait(20)
      print(event.kind, event.name, event.code, event.message)
    ]])
    local output = sh(("setpriv --reuid=nobody --clear-groups %s %s %s"):format(
      os.getenv("LUA") or "lua5.4", quote(script), quote(dir.path)))
    assert.equal("error\tclosed\tEACCES\tPermission denied\n", output)
  end)
end)

describe("fs.watch, looking again and again,", function()
  it("tells the same but for renames", function()
    local dir <close> = support.tempdir()
    sh(("cd %s && mkdir -p a/b && : > a/b/f"):format(quote(dir.path)))
    local watcher <close> = assert(fs.watch(dir.path, { recursive = true, poll = 0.001 }))
    assert.same({ "create a/b/g", "remove a/b/f" }, sorted(told(watcher, dir, "mv a/b/f a/b/g")))
    assert.same({ "create a/x", "create a/x/y", "create a/x/y/f" },
      sorted(told(watcher, dir, "mkdir -p a/x/y; : > a/x/y/f")))
    assert.same({ "create a/b", "remove a/b", "remove a/b/g" },
      sorted(told(watcher, dir, "rm -r a/b; : > a/b")))
    sh("chmod 700 " .. quote(dir .. "/a"))
    local event = assert(watcher:wait(20))
    assert.same({ kind = "change", name = "a", path = dir .. "/a" }, event)
    sh("rm -r " .. quote(dir.path))
    local last
    for one in watcher do
      last = one
    end
    assert.equal("remove", last.kind)
    assert.equal(dir.path, last.path)
    sh("mkdir " .. quote(dir.path))
  end)

  it("watches a folder alone, or a file", function()
    local dir <close> = support.tempdir()
    local path = spit(dir .. "/file", "x")
    sh("mkdir " .. quote(dir .. "/sub"))
    local watcher <close> = assert(fs.watch(dir.path, { poll = 0.001 }))
    local of_file <close> = assert(fs.watch(path, { poll = 0.001 }))
    assert.same({ "create new" }, told(watcher, dir, ": > sub/x; : > new"))
    spit(path, "longer")
    assert.same({ path = path, name = "file", kind = "change" }, of_file:wait(20))
    sh("rm " .. quote(path))
    assert.equal("remove", of_file:wait(20).kind)
    assert.is_nil(of_file())
  end)
end)

describe("watches", function()
  -- fault 48
  it("that meet a limit say which", function()
    if select(2, support.sh("unshare -Ur true")) ~= 0 then
      return pending("no user namespaces here (a chroot)")
    end
    local dir <close> = support.tempdir()
    sh(("cd %s && mkdir -p t/1/2/3/4/5/6/7/8/9 other"):format(quote(dir.path)))
    local script = spit(dir .. "/script.lua", [[
      local fs = require("neap.fs")
      local dir = arg[1]
      print(fs.watch(dir .. "/t", { recursive = true }))
      local watcher = assert(fs.watch(dir .. "/other", { recursive = true }))
      os.execute("cd " .. dir .. "/other && mkdir -p a/b/c/d/e/f/g/h")
      repeat
        local event = assert(watcher:wait(20))
      until event.kind == "error" and not print(event.name, event.code, event.message)
      local list = {}
      repeat
        local one, message, code = fs.watch(dir .. "/t/1", { recursive = true })
        list[#list + 1] = one
      until not one
      watcher:close()
      for i = 1, #list do
        list[i]:close()
      end
    ]])
    local instances = spit(dir .. "/instances.lua", [[
      local fs = require("neap.fs")
      local list = {}
      while true do
        local one, message, code = fs.watch(arg[1] .. "/other", { recursive = true })
        if not one then
          print(message, code)
          break
        end
        list[#list + 1] = one
      end
      for i = 1, #list do
        list[i]:close()
      end
    ]])
    local function run(limits, file)
      return sh(("unshare -Ur sh -c %s"):format(quote(("%s; exec %s %s %s"):format(limits,
        os.getenv("LUA") or "lua5.4", quote(file), quote(dir.path)))))
    end
    local reached = "No space left on device (limit reached: fs.inotify.max_user_watches)"
    assert.equal(("nil\t%s/t: %s\tENOSPC\na/b/c/d/e\tENOSPC\t%s\n"):format(dir.path, reached,
      reached), run("echo 5 > /proc/sys/user/max_inotify_watches", script))
    assert.equal(("%s/other: Too many open files (limit reached: fs.inotify.max_user_instances)"
      .. "\tEMFILE\n"):format(dir.path), run("echo 3 > /proc/sys/user/max_inotify_instances",
      instances))
    assert.equal(("%s/other: Too many open files (limit reached: open files of the process"
      .. " (ulimit -n))\tEMFILE\n"):format(dir.path), run("ulimit -n 30", instances))
  end)

  it("say that events were lost when nobody takes them", function()
    local dir <close> = support.memdir()
    local watcher <close> = assert(fs.watch(dir.path, { recursive = true }))
    local function churn(n)
      for i = 1, n do
        local path = dir .. "/" .. i % 100
        spit(path, "")
        os.remove(path)
      end
    end
    -- In parts: the kernel's own queue is not to overflow in this one.
    for _ = 1, 10 do
      churn(2000)
      settle()
      neap.yield()
    end
    spit(dir .. "/last", "")
    local lost = 0
    while true do
      local event = watcher:wait(5)
      if not event then
        break
      end
      if event.overflow then
        assert.equal("overflow", event.kind)
        assert.equal(dir.path, event.path)
        lost = lost + 1
        break
      end
    end
    assert.equal(1, lost)
    local list = told(watcher, dir, ": > after")
    assert.equal("create after", list[#list])
  end)

  it("survive that the kernel lost events", function()
    local dir <close> = support.memdir()
    local watcher <close> = assert(fs.watch(dir.path, { recursive = true }))
    -- Nobody runs the loop meanwhile: its queue (16,384 by default) overflows.
    for i = 1, 10000 do
      local path = dir .. "/" .. i % 100
      spit(path, "")
      os.remove(path)
    end
    sh(("cd %s && mkdir -p missed/sub"):format(quote(dir.path)))
    for event in watcher do
      if event.overflow then
        break
      end
    end
    -- The folders that were missed are watched again: a file there is told of.
    local found
    repeat
      spit(dir .. "/missed/sub/file", "")
      local event = watcher:wait(1)
      found = event and event.name == "missed/sub/file"
    until found
  end)

  it("survive every wrong argument", function()
    local dir <close> = support.tempdir()
    support.call_badly(fs.watch, { dir.path, {} }, 2, nil, function(watcher)
      watcher:close()
    end)
    for _, options in ipairs({ { poll = 0 / 0 }, { poll = math.huge }, { poll = "x" },
      { recursive = 1 } }) do
      assert.has_error(function()
        fs.watch(dir.path, options)
      end)
    end
    local watcher <close> = assert(fs.watch(dir.path))
    for _, wrong in ipairs({ "x", 0 / 0, {} }) do
      assert.has_error(function()
        watcher:wait(wrong)
      end)
    end
  end)

  it("survive every failing allocation", function()
    local dir <close> = support.memdir()
    for _, options in ipairs({ { recursive = true }, {}, { recursive = true, poll = 0.001 } }) do
      local runs = faults.alloc(function()
        sh(("cd %s && rm -rf new && mkdir -p old/x"):format(quote(dir.path)))
        local function ok(result, message, code)
          if result == nil then
            error(code == "ENOMEM" and "not enough memory" or message, 0)
          end
          return result
        end
        local watcher <close> = ok(fs.watch(dir.path, options))
        sh(("cd %s && mkdir new && : > new/f && mv new old/y && mv old/y new && : > last"):format(
          quote(dir.path)))
        repeat
          local event = ok(watcher:wait(1))
        until event.name == "last" or event.overflow
        os.remove(dir .. "/last")
      end)
      assert(runs > 5, runs)
    end
  end)

  it("end with the state", function()
    local dir <close> = support.tempdir()
    local output, status = support.lua([[
      warn("@on")
      local neap = require("neap")
      local fs = require("neap.fs")
      flat = assert(fs.watch(arg[1]))
      deep = assert(fs.watch(arg[1], { recursive = true }))
      poll = assert(fs.watch(arg[1], { poll = 0.001 }))
      neap.spawn(function() for _ in deep do end end)
      neap.spawn(function() flat:wait() end)
      neap.yield()
      os.execute("mkdir -p " .. arg[1] .. "/a/b/c")
      neap.yield()
    ]], { args = { dir.path } })
    assert.equal(0, status)
    assert(output:find("2 tasks had not ended", 1, true), output)
  end)
end)
