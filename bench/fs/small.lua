-- Prints the CPU time of a small write to a buffered file, in ns, the pool's
-- threads and the kernel included.
-- usage: small.lua neap|io

local WRITES = 4000000

local open = arg[1] == "neap" and require("neap.fs").open or io.open
local path = os.tmpname()

local function run(count)
  local file = assert(open(path, "wb"))
  for _ = 1, count do
    file:write("hello world\n")
  end
  assert(file:close())
end

run(WRITES // 10)
local begun = os.clock()
run(WRITES)
print((os.clock() - begun) / WRITES * 1e9)
os.remove(path)
