-- Each fault that a user may rely on being handled has a spec that carries its
-- number, `-- fault 24`. Here stand the numbers that must be answered by now.
local support = require("spec.support")

local answered = {
  { 1, 52 }, { 55, 67 }, { 77, 85 }, { 87, 90 },
}

describe("the faults", function()
  it("have a spec each", function()
    local marked = {}
    local listing = support.sh("find spec -name '*_spec.lua' -o -name 'test_*.c' | sort")
    for path in listing:gmatch("[^\n]+") do
      if not path:match("/faults_spec%.lua$") then
        for line in support.slurp(path):gmatch("[^\n]+") do
          -- `-- fault 24`, `-- fault 24, 25`, or in C a comment of the same words
          local numbers = line:match("[-*] [Ff]aults? (%d[%d, ]*)")
          for number in (numbers or ""):gmatch("%d+") do
            marked[tonumber(number)] = path
          end
        end
      end
    end
    local missing = {}
    for _, range in ipairs(answered) do
      for number = range[1], range[2] do
        if not marked[number] then
          missing[#missing + 1] = number
        end
      end
    end
    assert.same({}, missing)
  end)
end)
