-- A crawler over local files: follows the links between pages, a bounded number
-- at a time, until all are read or the time is up.
--
--   lua5.4 examples/crawler.lua [seconds] [folder start-page]
--
-- Without a folder it makes a small site of its own.
local neap = require("neap")
local fs = require("neap.fs")

local seconds = tonumber(arg and arg[1]) or 5

-- A site of 40 pages, each with links to three others; one link leads nowhere.
local function make_site()
  local dir = assert(fs.mkdtemp("/tmp/neap-site-XXXXXX"))
  neap.map(neap.context().numbers, function(n)
    local links = {}
    for step = 1, 3 do
      links[step] = ('<a href="%d.html">'):format((n * step + step) % 40)
    end
    if n == 7 then
      links[4] = '<a href="missing.html">'
    end
    assert(fs.writefile(dir .. "/" .. n .. ".html", table.concat(links, "\n")))
  end, { limit = 8 })
  return dir
end

local function remove_site(dir)
  for name in fs.scandir(dir) do
    fs.unlink(dir .. "/" .. name)
  end
  fs.rmdir(dir)
end

-- Reads pages wave by wave: those that the last wave has found.
local function crawl(dir, start)
  local seen, broken, wave = { [start] = true }, {}, { start }
  local read = 0
  while #wave > 0 do
    local found = neap.map(wave, function(page)
      local text, message = fs.readfile(dir .. "/" .. page)
      read = read + 1
      if not text then
        broken[#broken + 1] = message
        return {}
      end
      local links = {}
      for link in text:gmatch('href="([^"]+)"') do
        links[#links + 1] = link
      end
      return links
    end, { limit = 8 })
    wave = {}
    for _, links in ipairs(found) do
      for _, link in ipairs(links) do
        if not seen[link] then
          seen[link] = true
          wave[#wave + 1] = link
        end
      end
    end
    print(("%3d pages read, %3d to go, %.1f s left"):format(read, #wave, neap.time_left()))
  end
  return read, broken
end

local numbers = {}
for n = 0, 39 do
  numbers[n + 1] = n
end
neap.context().numbers = numbers

local own = not (arg and arg[2])
local dir = own and make_site() or arg[2]
local read, broken = neap.timeout(seconds, crawl, dir, own and "0.html" or arg[3])
if read then
  print(("%d pages, %d broken links"):format(read, #broken))
  for _, message in ipairs(broken) do
    print("  " .. message)
  end
else
  print("gave up: " .. broken) -- nil, "timed out after 5 s"
end
if own then
  remove_site(dir)
end
