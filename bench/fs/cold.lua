-- Prints the time to read a file whose bytes are not in the page cache, in us of
-- wall time. dd's nocache flag has the system drop them.
-- usage: cold.lua file...

local hrtime = require("luv").hrtime
local fs = require("neap.fs")

local words = {}
for i, path in ipairs(arg) do
  words[i] = "'" .. path .. "'"
end
assert(os.execute(("for f in %s; do dd of=$f oflag=nocache conv=notrunc,fdatasync count=0 " ..
  "2>/dev/null || exit 1; done"):format(table.concat(words, " "))))
assert(fs.readfile(arg[0])) -- the pool's threads are there
assert(fs.stat("/"))
local begun = hrtime()
for _, path in ipairs(arg) do
  assert(fs.readfile(path))
end
print((hrtime() - begun) / #arg / 1e3)
