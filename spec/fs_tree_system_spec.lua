-- Trees and watches when a system call fails at its n-th time: each run is a
-- process of its own below strace, which makes the call fail with EIO.
local support = require("spec.support")

local quote, sh, slurp = support.quote, support.sh, support.slurp

-- Does a bit of everything in arg[1]. What fails must fail with EIO and a
-- message, and leave no descriptor and no half file.
local workout = [[
  local neap = require("neap")
  local fs = require("neap.fs")
  local dir = arg[1]
  -- By a call that is none of those that are made to fail: it renames what is
  -- there to what it is called, or finds nothing.
  local function fds()
    local count = 0
    for fd = 0, 40 do
      local path = "/proc/self/fdinfo/" .. fd
      local _, _, errno = os.rename(path, path)
      count = count + (errno ~= 2 and 1 or 0)
    end
    return count
  end
  fs.glob("/") -- starts the pool, and what is opened for good with it
  local before = fds()
  print("begin")
  io.stdout:flush()
  local failed = false
  local function check(result, message, code)
    if result == nil then
      assert(code == "EIO", tostring(message) .. " " .. tostring(code))
      assert(message:find(": Input/output error$"), message)
      failed = true
    end
    return result
  end
  local copied = check(fs.copy(dir .. "/from", dir .. "/to", { recursive = true }))
  local big = io.open(dir .. "/to/sub/big")
  assert(not big or (big:seek("end") or big:seek("end")) == 100000)
  if big then
    big:close()
  end
  local iterator, message, code, closing = fs.walk(dir .. "/from", { stat = true })
  if check(iterator, message, code) then
    local names, errors = 0, 0
    for path, kind, info, code in iterator do
      names = names + (kind and 1 or 0)
      if code then
        assert(code == "EIO" and info:find("Input/output error", 1, true))
        errors, failed = errors + 1, true
      end
    end
    assert(names + errors * 7 >= 7)
    closing:close()
  end
  local list = check(fs.glob(dir .. "/from/**/f*"))
  assert(not list or #list == 3)
  if copied or io.open(dir .. "/to") then
    check(fs.remove(dir .. "/to", { recursive = true }))
  end
  collectgarbage()
  check(fs.mkdir(dir .. "/a/b/c", { parents = true }))
  local watcher = check(fs.watch(dir .. "/from", { recursive = true }))
  if watcher then
    local file
    for _ = 1, 6 do
      fs.mkdir(dir .. "/from/new/er", { parents = true })
      file = file or io.open(dir .. "/from/new/er/f", "w")
    end
    file:close()
    repeat
      local event = assert(watcher:wait(20))
      assert(event.kind ~= "error" or event.code == "EIO")
      failed = failed or event.kind == "error" or event.overflow
    until event.name == "new/er/f" or event.kind == "error" or event.overflow
    watcher:close()
  end
  for _ = 1, 1000 do
    neap.yield() -- what was closed is gone some turns later
    if fds() == before then
      break
    end
  end
  assert(fds() == before, "descriptors are left")
  print(failed and "failed" or "fine")
]]

local calls = {
  "openat", "statx", "newfstatat", "getdents64", "unlinkat", "mkdirat", "mkdir", "copy_file_range",
  "ftruncate", "fchmod", "fchown", "utimensat", "symlinkat", "readlinkat", "linkat", "mknodat",
  "lseek", "flistxattr", "inotify_init1", "inotify_add_watch",
}

-- Runs the workout with `call` failing at its n-th time (0: none fails); what
-- strace wrote. The pool has one thread: each thread's calls are counted by
-- themselves, and who gets which would be chance.
local function run(dir, call, n)
  sh(("rm -rf %s/* && cd %s && mkdir -p from/sub/deep && echo x > from/f"
    .. " && ln from/f from/sub/f2 && ln -s f from/l && mkfifo from/fifo"
    .. " && head -c 100000 /dev/zero > from/sub/big"):format(quote(dir.path), quote(dir.path)))
  local script = support.spit(dir .. "/script.lua", workout)
  local log = dir .. "/strace"
  local inject = n > 0 and ("-e inject=%s:error=EIO:when=%d"):format(call, n) or ""
  local command = "UV_THREADPOOL_SIZE=1 strace -f -qq -e trace=%s -e signal=none %s -o %s %s %s %s"
  local output, status = sh(command:format(call, inject, quote(log),
    os.getenv("LUA") or "lua5.4", quote(script), quote(dir.path)))
  return output, status, slurp(log)
end

-- How often each call is made by the thread that makes most of them.
local function count_calls()
  local dir <close> = support.tempdir()
  local output, status, log = run(dir, table.concat(calls, ","), 0)
  assert(status == 0 and output == "begin\nfine\n", output)
  local counts, most = {}, {}
  for thread, call in log:gmatch("(%d+) +([%w_]+)%(") do
    local id = thread .. call
    counts[id] = (counts[id] or 0) + 1
    most[call] = math.max(most[call] or 0, counts[id])
  end
  return most
end

describe("the n-th system call that fails", function()
  local most

  setup(function()
    most = count_calls()
  end)

  for _, call in ipairs(calls) do
    it("is told and leaves nothing: " .. call, function()
      local dir <close> = support.tempdir()
      assert(most[call], "it is never made")
      local at = 1
      while at <= most[call] do
        local output, status, log = run(dir, call, at)
        assert(at > 1 or log:find("INJECTED", 1, true), log)
        -- Or it was Lua that could not even be loaded.
        assert(status == 0 or not output:find("begin\n", 1, true),
          ("%s fails for the %d. time: %s"):format(call, at, output))
        at = at + support.count(at < 3 and 1 or 5, 1)
      end
    end)
  end
end)
