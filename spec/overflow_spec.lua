-- A task that runs through its whole C stack meets the guard below it.
local support = require("spec.support")

local sanitized = { asan = true, tsan = true }

-- Recurses without end, in frames smaller than the guard: each of them is used
-- after the call in it, so the compiler can't make a loop of it.
local source = [[
#include <string.h>

int overflow(void *L);

int overflow(void *L) {
  volatile char frame[FRAME];
  memset((void *)frame, 1, sizeof frame);
  return overflow(L) + frame[0];
}
]]

-- It takes nothing from its Lua state, so lua.h is not needed to compile it.
local script = [[
  local neap = require("neap")
  local overflow = assert(package.loadlib(arg[1], "overflow"))
  local stack = arg[2]
  neap.spawn(neap.sleep, 3600)
  local task = neap.spawn({ name = "deep", stack = stack }, function()
    neap.yield()
    overflow()
  end)
  print(task.id)
  io.stdout:flush()
  task:join()
  print("it came back")
]]

-- What it printed after the task's id, and how it ended.
local function run(dir, env, stack, frame)
  local so = dir .. "/overflow.so"
  local file = support.spit(dir .. "/overflow.c", source)
  local output, status = support.sh(
    ("cc -O0 -shared -fPIC -DFRAME=%d -o %s %s"):format(
      frame,
      support.quote(so),
      support.quote(file)
    )
  )
  assert(status == 0, output)
  output, status = support.lua(script, { args = { so, stack }, env = "ulimit -c 0; " .. env })
  local id, rest = output:match("^(%d+)\n(.*)$")
  assert(id, output)
  return rest, status, id
end

describe("a C stack that overflows", function()
  if sanitized[support.variant] then
    pending("sanitizers tell it themselves")
    return
  end

  local function names_the_task(stack, frame)
    local dir <close> = support.tempdir()
    local rest, status, id = run(dir.path, "NEAP_DEBUG=1", stack, frame)
    local report = "neap: task (%d+) '(%w+)' overflowed its (%d+) KiB stack\n"
    local named, name, size = rest:match(report)
    assert.equal(id, named, rest)
    assert.equal("deep", name)
    assert(tonumber(size) >= 64, size)
    assert.is_nil(rest:find("it came back", 1, true))
    assert.equal(128 + 11, status)
  end

  it("ends the process, naming the task", function() -- fault 5
    names_the_task("shared", 256)
  end)

  it("is noticed on a private stack", function() -- fault 5
    names_the_task("private", 256)
  end)

  it("is noticed when its frames are larger than a page", function() -- fault 5
    names_the_task("shared", 20000)
  end)

  it("ends the process without a word unless asked", function() -- fault 5
    local dir <close> = support.tempdir()
    local rest, status = run(dir.path, "NEAP_DEBUG=", "shared", 256)
    assert.is_nil(rest:find("neap:", 1, true), rest)
    assert.is_nil(rest:find("it came back", 1, true))
    assert.equal(128 + 11, status)
  end)
end)
