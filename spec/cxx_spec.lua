-- C++ exceptions in flight across a switch (DESIGN 2.4): the C++ runtime keeps
-- what is thrown and caught per thread; neap keeps it per task.
local support = require("spec.support")

local names = { "c++", "g++", "clang++" }

-- A C++ compiler, or nil.
local function compiler()
  for _, name in ipairs(names) do
    local _, status = support.sh("command -v " .. name)
    if status == 0 then
      return name
    end
  end
end

-- Compiles the module into dir and returns its path.
local function build(dir)
  local so = dir .. "/thrower.so"
  local lua = os.getenv("LUA") or "lua5.4"
  local output, status = support.sh(
    ("%s -std=c++17 -O1 -shared -fPIC $(pkg-config --cflags %s) -o %s %s"):format(
      compiler(),
      lua,
      support.quote(so),
      support.quote(support.root() .. "/spec/support/thrower.cpp")
    )
  )
  assert(status == 0, output)
  return so
end

describe("C++ exceptions", function()
  if not compiler() then
    pending("needs a C++ compiler")
    return
  end

  local dir, so
  setup(function()
    dir = support.tempdir()
    so = build(dir)
  end)
  teardown(function()
    local _ <close> = dir
  end)

  -- A process of its own each: the C++ runtime comes into it once only.
  -- ASan wants it from the start; that is the other way in which it is found.
  local function run(script)
    local env = ""
    if (os.getenv("LD_PRELOAD") or ""):find("asan", 1, true) then
      env = ('LD_PRELOAD="$LD_PRELOAD:$(%s -print-file-name=libstdc++.so.6)"'):format(compiler())
    end
    local output, status = support.lua(script, {
      args = { so, tostring(support.count(20, 2000)) },
      env = env,
    })
    assert.equal("fine\n", output)
    assert.equal(0, status)
  end

  local common = [[
    local neap = require("neap")
    local tasks = tonumber(arg[2])
    local function load()
      return assert(package.loadlib(arg[1], "luaopen_thrower"))()
    end
    -- Waits in each of its calls, so that the exceptions of all tasks are in
    -- flight at once; how often differs, so that they end in another order.
    local function waiter(i)
      return function(what)
        for _ = 1, 1 + (i * 7 + #what) % 5 do
          neap.yield()
        end
        if i % 4 == 0 then
          neap.sleep(0.001)
        end
      end
    end
    local function juggle(thrower, i)
      local name = "exception " .. i
      local seen, uncaught, after = thrower.juggle(waiter(i), name)
      local good = ("%s, %s inner, %s"):format(name, name, name)
      assert(seen == good, seen)
      assert(uncaught == 1, "in flight: " .. uncaught)
      assert(after == 0, "in flight afterwards: " .. after)
    end
  ]]

  it("stay each task's own when the module was there before neap", function()
    run([[
      local thrower = assert(package.loadlib(arg[1], "luaopen_thrower"))()
    ]] .. common .. [[
      for i = 1, tasks do
        neap.spawn(juggle, thrower, i)
      end
      juggle(thrower, 0)
      neap.run()
      print("fine")
    ]])
  end)

  it("stay each task's own when the module is loaded later", function()
    run(common .. [[
      neap.sleep(0.001)
      local thrower = load()
      for i = 1, tasks do
        neap.spawn(juggle, thrower, i)
      end
      juggle(thrower, 0)
      neap.run()
      print("fine")
    ]])
  end)

  it("stay each task's own when a task loads the module", function()
    run(common .. [[
      local thrower = neap.spawn(load):join()
      for i = 1, tasks do
        neap.spawn(juggle, thrower, i)
      end
      juggle(thrower, 0)
      neap.run()
      print("fine")
    ]])
  end)
end)
