-- Sums up files with a few workers, and stops gracefully: on Ctrl-C or SIGTERM
-- each worker ends the file that it has begun; a second one ends them all at once.
-- usage: lua5.4 examples/workers.lua WORKERS FILE...
--
-- The files go to the workers over one channel, what they find comes back over
-- another. Nobody counts anybody: closing the first channel ends the workers, and
-- their end closes the second one.
local neap = require("neap")
local fs = require("neap.fs")
local signal = require("neap.signal")

-- Hands out the files until all are, or until it is told to stop: how many are
-- left.
local function hand_out(files, jobs, stop)
  local _ <close> = jobs -- closed at the end
  for i, file in ipairs(files) do
    if neap.select({ { stop }, { jobs, "send", file } }) == 1 then
      return #files - i + 1
    end
  end
  return 0
end

-- Adler-32, as in RFC 1950; a yield now and then, so that nobody is held up.
local function checksum(data)
  local a, b = 1, 0
  for i = 1, #data do
    a = (a + data:byte(i)) % 65521
    b = (b + a) % 65521
    if i % 0x10000 == 0 then
      neap.yield()
    end
  end
  return b << 16 | a
end

local function work(jobs, results)
  for file in jobs do
    local data, message = fs.readfile(file)
    results:send(data and ("%08x  %s"):format(checksum(data), file) or message)
  end
end

local function work_all(workers, jobs, results)
  neap.scope(function(team)
    for _ = 1, workers do
      team:spawn(work, jobs, results)
    end
  end)
  results:close()
end

local function main(scope, workers, files)
  local jobs, results, stop = neap.channel(), neap.channel(), neap.event()
  local signals <close> = assert(signal.listen({ "SIGINT", "SIGTERM" }))
  local handing = scope:spawn(hand_out, files, jobs, stop)
  scope:spawn(work_all, workers, jobs, results)
  while true do
    local case, result = neap.select({ { results }, { signals } })
    if case == 2 and not stop:is_set() then
      print("stopping")
      stop:set()
    elseif case == 2 then
      scope:cancel("stopped twice")
    elseif result then
      print(result)
    else
      return handing:join()
    end
  end
end

local workers = math.tointeger(tonumber(arg[1]))
if not workers or workers < 1 or #arg < 2 then
  io.stderr:write("usage: workers.lua WORKERS FILE...\n")
  os.exit(2)
end
io.stdout:setvbuf("line")
local left, message = neap.scope(main, workers, table.move(arg, 2, #arg, 1, {}))
if left ~= 0 then
  print(left and left .. " files are left" or message)
end
