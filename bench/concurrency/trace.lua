-- What tracing costs while it is off, for bench/concurrency.lua: beside a build of
-- our own source in which nobody can watch, as the tests for it are replaced by
-- their answer.

local harness = require("harness")

local SWITCHES = 200000

local switches = harness.lua("core/switch.lua", "neap", 2, SWITCHES)

local dir = harness.peers .. "unwatched"

local script = [[
set -e
rm -rf '%DIR%/src'
mkdir -p '%DIR%/src'
cp -r '%ROOT%/CMakeLists.txt' '%ROOT%/csrc' '%ROOT%/lua' '%DIR%/src'
grep -q 'slices.watching != 0' '%DIR%/src/csrc/core/sched.c'
sed -i 's/[a-zA-Z>-]*slices\.watching != 0/false/' '%DIR%'/src/csrc/core/*.c
cmake -S '%DIR%/src' -B '%DIR%'
cmake --build '%DIR%' -j 2
]]

-- Built when it is first run.
local function unwatched(run)
  return function()
    if run.side == nil then
      local values = { DIR = dir, ROOT = harness.folder .. ".." }
      local command = script:gsub("%%(%u+)%%", values)
      assert(os.execute(("(%s) >'%s.log' 2>&1"):format(command, dir)), dir .. ".log has the reason")
      run.side = harness.instructions(switches, ("LUA_CPATH_5_4='%s/?.so'"):format(dir))
    end
    return run.side()
  end
end

---@type bench.Figure[]
return {
  {
    name = "trace-off",
    title = ("%d switches of 2 tasks, tracing off"):format(SWITCHES),
    unit = "M instr.",
    rounds = 1,
    neap = harness.instructions(switches),
    peer = unwatched({}),
    peer_name = "without tracing",
    most = 1.02,
  },
}
