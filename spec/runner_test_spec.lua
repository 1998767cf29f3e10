-- neap test, and the helper that plain busted takes: a time limit for each test,
-- nothing left behind, virtual time.
local support = require("spec.support")

local quote = support.quote
local runner = (os.getenv("NEAP_VARIANT_DIR") or "build") .. "/neap"
if runner:sub(1, 1) ~= "/" then
  runner = support.root() .. "/" .. runner
end

local specs = {
  ["good_spec.lua"] = [[
    local neap = require("neap")
    describe("good", function()
      it("waits", function()
        neap.sleep(0.001)
        assert.equal(3, neap.spawn(function() return 3 end):join())
      end)
      it("runs in a task of its own", function()
        assert.equal("test", neap.current().name)
      end)
      it("may be pending", function() pending("later") end)
    end)]],
  ["leak_spec.lua"] = [[
    local neap = require("neap")
    it("leaves a task", function() neap.spawn({ name = "forgotten" }, neap.sleep, 3600) end)
    it("is the next", function() assert.equal(2, #neap.tasks()) end)]],
  ["slow_spec.lua"] = [[
    local neap = require("neap")
    it("is stuck", function() neap.sleep(3600) end)
    it("is the next", function() end)]],
  ["fails_spec.lua"] = [[
    it("fails", function() assert.equal(1, 2) end)
    it("raises", function() error("boom") end)]],
}

-- Runs a command in a folder with the specs of these names.
local function run(command, names)
  local dir <close> = support.tempdir()
  assert(os.execute("mkdir " .. quote(dir .. "/spec")))
  for _, name in ipairs(names) do
    support.spit(dir .. "/spec/" .. name .. "_spec.lua", specs[name .. "_spec.lua"])
  end
  return support.sh(("cd %s && timeout 60 %s </dev/null"):format(quote(dir.path), command))
end

local function test(names, options)
  return run(("%s test %s"):format(quote(runner), options or ""), names)
end

describe("neap test", function()
  it("runs a folder's specs, which may wait", function()
    local output, status = test({ "good" })
    assert(output:find("2 successes / 0 failures / 0 errors / 1 pending", 1, true), output)
    assert.equal(0, status)
  end)

  it("takes a folder and busted's options", function()
    local output, status = test({ "good", "fails" }, "--filter=waits -o TAP spec")
    assert(output:find("ok 1 - good waits", 1, true), output)
    assert(output:find("1..1", 1, true), output)
    assert.equal(0, status)
  end)

  it("tells failures and errors as busted does, with their places", function()
    local output, status = test({ "fails" })
    assert(output:find("0 successes / 1 failure / 1 error / 0 pending", 1, true), output)
    assert(output:find("spec/fails_spec.lua:1: Expected objects to be equal", 1, true), output)
    assert(output:find("spec/fails_spec.lua:2: boom", 1, true), output)
    assert.equal(1, status)
  end)

  it("fails a test that leaves tasks, and goes on without them", function()
    local output, status = test({ "leak" })
    assert(output:find("1 success / 0 failures / 1 error", 1, true), output)
    assert(output:find("left over: 1 task, 0 handles", 1, true), output)
    assert(output:find("forgotten: waiting in sleep", 1, true), output)
    assert.equal(1, status)
  end)

  it("ends a test that takes longer than --timeout", function()
    for _, options in ipairs({ "--timeout=0.05", "--timeout 0.05 --clock=virtual" }) do
      local output, status = test({ "slow" }, options)
      assert(output:find("1 success / 0 failures / 1 error", 1, true), output)
      assert(output:find("timed out after 0.05 s", 1, true), output)
      assert(output:find("test: waiting in sleep", 1, true), output)
      assert.equal(1, status)
    end
  end)

  it("has time jump with --clock=virtual", function()
    local output, status = test({ "slow" }, "--clock=virtual")
    assert(output:find("2 successes / 0 failures / 0 errors", 1, true), output)
    assert.equal(0, status)
  end)

  it("refuses values that are none", function()
    for _, options in ipairs({ "--timeout=soon", "--timeout=-1", "--clock=none",
      "--seed-tasks=x", "--timeout" }) do
      local output, status = test({ "good" }, options)
      assert(output:find("neap.testing: not a", 1, true), output)
      assert.equal(1, status, options)
    end
  end)

  it("keeps the helper that .busted names", function()
    local dir <close> = support.tempdir()
    support.spit(dir .. "/helper.lua", "print('helped')")
    support.spit(dir .. "/.busted", 'return { _all = { helper = "helper.lua", ROOT = { "." } } }')
    support.spit(dir .. "/leak_spec.lua", specs["leak_spec.lua"])
    local output, status = support.sh(("cd %s && timeout 60 %s test </dev/null"):format(
      quote(dir.path), quote(runner)))
    assert(output:find("helped", 1, true), output)
    assert(output:find("left over: 1 task", 1, true), output)
    assert.equal(1, status)
  end)

  it("says that it needs busted", function()
    local dir <close> = support.tempdir()
    local path = quote(("R/lua/?.lua;R/lua/?/init.lua"):gsub("R", support.root()))
    local output, status = support.sh(
      ("cd %s && P=%s && LUA_PATH=$P LUA_PATH_5_4=$P LUA_PATH_5_5=$P timeout 60 %s test"):format(
        quote(dir.path), path, quote(runner)))
    assert(output:find("neap test needs busted", 1, true), output)
    assert.equal(1, status)
  end)
end)

describe("neap.testing.helper", function()
  it("does the same in plain busted", function()
    local busted = ("%s %s"):format(os.getenv("LUA") or "lua5.4", "$(command -v busted)")
    local output, status = run(busted ..
      " --helper=neap.testing.helper -Xhelper timeout=0.05,clock=real", { "good", "leak", "slow" })
    assert(output:find("4 successes / 0 failures / 2 errors / 1 pending", 1, true), output)
    assert(output:find("left over: 1 task, 0 handles", 1, true), output)
    assert(output:find("timed out after 0.05 s", 1, true), output)
    assert.equal(1, status)
  end)
end)

describe("neap.testing.run with a timeout", function()
  local testing = require("neap.testing")
  local neap = require("neap")

  it("returns what a test in time returns", function()
    assert.equal(5, testing.run(function()
      neap.sleep(1)
      return 5
    end, { clock = "virtual", timeout = 2 }))
  end)

  it("refuses what is no number of seconds", function()
    for _, timeout in ipairs({ "1", {}, 0 / 0 }) do
      assert.error_matches(function()
        testing.run(print, { timeout = timeout })
      end, "field 'timeout': number of seconds expected")
    end
  end)
end)
