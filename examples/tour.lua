-- A guided tour of neap, in a few seconds:   ./dev run     or   lua5.4 examples/tour.lua
local neap = require("neap")
local fs, net = neap.fs, neap.net

local began = neap.now()

local function chapter(title)
  print(("\n\27[1m%s\27[0m"):format(title))
end

local function since(start)
  return ("%.2f s"):format(neap.now() - start)
end

print("neap " .. neap.version .. ": straight-line code that waits for many things at once.")

-- ---------------------------------------------------------------------------
chapter("1. Ten thousand sleepers")

local start = neap.now()
local woken = 0
for _ = 1, 10000 do
  neap.spawn(function()
    neap.sleep(0.5)
    woken = woken + 1
  end)
end
neap.run() -- until every task has ended
print(("10,000 tasks slept half a second each; all %d woke after %s."):format(woken, since(start)))

local figures = neap.info()
print(("They shared %d stacks; their frames waited on the heap, %d copies were made.")
  :format(figures.slots, figures.copies))

-- ---------------------------------------------------------------------------
chapter("2. A wait stands anywhere")

-- Each of these is a place where a Lua coroutine dies of "attempt to yield
-- across a C-call boundary". A neap task has a C stack of its own.
local words = { "water", "moon", "tide", "neap" }
table.sort(words, function(a, b)
  neap.sleep(0.001) -- in a comparator, called from C
  return a < b
end)
print("table.sort, sleeping in its comparator:  ", table.concat(words, " "))

local shouted = string.gsub("the moon moves the water", "%a+", function(word)
  neap.sleep(0.001) -- in a gsub callback
  return word:upper()
end)
print("string.gsub, sleeping in its callback:   ", shouted)

local depths = setmetatable({}, {
  __index = function(_, place)
    neap.sleep(0.001) -- in a metamethod
    return #place * 10
  end,
})
print("a metamethod that sleeps:                ", "depth at Brest = " .. depths.Brest)

local tides = coroutine.wrap(function()
  for _, name in ipairs({ "spring", "neap", "spring" }) do
    neap.sleep(0.001) -- in the script's own coroutine
    coroutine.yield(name)
  end
end)
local seen = {}
for name in tides do
  seen[#seen + 1] = name
end
print("a generator that sleeps between yields:  ", table.concat(seen, ", "))

-- ---------------------------------------------------------------------------
chapter("3. Every file of a folder, at once")

local here = arg and arg[0] and arg[0]:match("^(.*)/[^/]*$") or "."
start = neap.now()
local tasks, bytes, lines = {}, 0, 0
for name, kind in assert(fs.scandir(here)) do
  if kind == "file" then
    tasks[#tasks + 1] = neap.spawn({ name = name }, function()
      local text = assert(fs.readfile(here .. "/" .. name))
      bytes = bytes + #text
      lines = lines + select(2, text:gsub("\n", ""))
    end)
  end
end
for i, task in ipairs(tasks) do
  task:join() -- raises what the task raised
  io.write(("\r%d of %d files read"):format(i, #tasks))
end
print((": %d bytes, %d lines, in %s."):format(bytes, lines, since(start)))

-- ---------------------------------------------------------------------------
chapter("4. An echo server and 100 clients, in one process")

start = neap.now()
local server = assert(net.listen("127.0.0.1", 0)) -- port 0: any free one
local _, port = server:address()

neap.spawn({ name = "server" }, function()
  for conn in server do
    neap.spawn(function()
      for line in conn:lines("L") do
        conn:write(line)
      end
      conn:close()
    end)
  end
end)

local answers = 0
local clients = {}
for i = 1, 100 do
  clients[i] = neap.spawn({ name = "client " .. i }, function()
    local conn <close> = assert(net.connect("127.0.0.1", port))
    for round = 1, 10 do
      local said = ("client %d, round %d"):format(i, round)
      assert(conn:write(said, "\n"))
      assert(conn:read("l") == said)
      answers = answers + 1
    end
  end)
end
for _, client in ipairs(clients) do
  client:join()
end
server:close() -- ends the server's loop
print(("%d lines went there and back over TCP in %s."):format(answers, since(start)))

-- ---------------------------------------------------------------------------
chapter("5. No error is lost")

local failing = neap.spawn({ name = "unlucky" }, function()
  neap.sleep(0.01)
  error({ code = 42 })
end)
local ok, err = failing:wait() -- as pcall
print(("%s: ok = %s; the error is the same table: code = %d"):format(failing, ok, err.code))

neap.run()
print(("\nThat was it, in %s. Next: examples/chat.lua, and docs/guide/."):format(since(began)))
