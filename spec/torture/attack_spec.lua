-- Random programs that call everything with anything (spec/support/attacker.lua).
-- None may crash the process or hang it. ATTACK_SEED=n runs the one alone that
-- a failure has named, ATTACK_TRAIL=1 tells what it calls.
local support = require("spec.support")

local given = math.tointeger(tonumber(os.getenv("ATTACK_SEED") or ""))
local programs = support.count(4, 400)
local steps = 150

-- Signals are a crash, and what sanitizers and the library's asserts say.
-- An error that nobody has caught may be all there is of a program.
local function is_crash(output, status)
  return status > 1 or output:find("AddressSanitizer", 1, true) or
    output:find("runtime error:", 1, true) or output:find("Assertion", 1, true)
end

local function run(seed)
  local dir <close> = support.memdir()
  -- Files end at 10 MB, with an error. Names are given up after a second.
  local output, status = support.lua(([[
    package.path = %q .. "/?.lua;" .. %q .. "/?/init.lua;" .. package.path
    require("spec.support.attacker").run(%d, %d)
  ]]):format(support.root(), support.root(), seed, steps), {
    dir = dir.path,
    env = "trap '' XFSZ; ulimit -c 0; ulimit -f 20000; RES_OPTIONS='timeout:1 attempts:1' " ..
      "timeout -s KILL " .. (support.soak and 120 or 60),
  })
  if is_crash(output, status) then
    error(("ATTACK_SEED=%d ended with status %d:\n%s"):format(seed, status, output:sub(-6000)), 0)
  end
end

describe("a program that calls everything with anything", function()
  it("ends, and by itself", function()
    if given then
      return run(given)
    end
    local first = support.soak and os.time() * 1000 or 0
    for seed = first + 1, first + programs do
      run(seed)
    end
  end)
end)
