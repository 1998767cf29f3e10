-- The official Lua test suite as an adversary: each of its files runs in a task,
-- with another task running meanwhile, and must do what it does in a stock
-- coroutine. In soak, when NEAP_LUA_SUITE names its folder (testes/ of the
-- version of Lua under test); it is not part of this project.
local support = require("spec.support")

local folder = os.getenv("NEAP_LUA_SUITE")

-- Drivers of the suite, and files that take minutes or gigabytes.
local left_out = { all = true, main = true, big = true, verybig = true, heavy = true }

-- Lines that only hold in the main chunk, not in any coroutine: by what they say.
local main_only = {
  'assert(type(main) == "thread" and ismain)',
  "assert(not coroutine.resume(main))",
  "assert(not coroutine.isyieldable(main) and not coroutine.isyieldable())",
  "assert(not pcall(coroutine.yield))",
  'checkmessage("coroutine.yield()", "outside a coroutine")',
}

local driver = [[
  local mode, path = ...
  _U, _soft, _port, _nomsg, T, arg = true, true, true, true, nil, { [0] = "all.lua" }
  function Message() end
  local traceback = debug.traceback
  local neap = mode == "task" and require("neap")
  local file = assert(io.open(path))
  local source = file:read("a")
  file:close()
  local chunk = assert(load(source, "@" .. path))
  local ok, err
  if neap then
    local done = false
    neap.spawn(function() while not done do neap.sleep(0.001) end end)
    local task = neap.spawn(chunk)
    ok, err = task:wait()
    done = true
    neap.run()
  else
    local co = coroutine.create(chunk)
    repeat ok, err = coroutine.resume(co) until coroutine.status(co) == "dead"
  end
  io.stderr:write("RESULT ", tostring(ok), ok and "" or " " .. tostring(err), "\n")
]]

if support.soak then
  describe("the official test suite in a task", function()
    if not folder then
      pending("needs NEAP_LUA_SUITE, the folder of the suite's files")
      return
    end

    -- A copy without the lines that need the main chunk.
    local function prepare(dir)
      assert(os.execute(("cp -r %s/. %s"):format(support.quote(folder), dir.path)))
      for _, name in ipairs({ "coroutine", "errors" }) do
        local path = dir .. "/" .. name .. ".lua"
        local source = support.slurp(path)
        for _, line in ipairs(main_only) do
          local at, last = source:find("\n" .. line .. "\n", 1, true)
          if at then
            source = source:sub(1, at) .. "--" .. source:sub(at + 1, last) .. source:sub(last + 1)
          end
        end
        support.spit(path, source)
      end
    end

    local listing = support.sh("cd " .. support.quote(folder) .. " && ls *.lua")
    for name in listing:gmatch("(%w+)%.lua\n") do
      if not left_out[name] then
        it("does what it does in a coroutine: " .. name, function()
          local dir <close> = support.tempdir()
          prepare(dir)
          local results = {}
          for _, mode in ipairs({ "coroutine", "task" }) do
            local output = support.lua(driver, {
              dir = dir.path, args = { mode, name .. ".lua" }, env = "timeout 600",
            })
            results[mode] = output:match("RESULT [^\n]*") or output
          end
          assert.equal("RESULT true", results.coroutine)
          assert.equal("RESULT true", results.task)
        end)
      end
    end
  end)
end
