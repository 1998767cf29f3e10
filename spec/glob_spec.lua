-- fs.glob, held against bash.
local support = require("spec.support")

local fs = require("neap.fs")

local quote, sh = support.quote, support.sh

local names = {
  "a.c", "b.c", "b.h", "ab.c", "A.c", ".hidden", ".h/x", "dir/a.c", "dir/sub/a.c",
  "dir/sub/deep/b.h",
  "dir/.git/a.c", "x[1]", "x{1,2}", "x*", "x?y", "back\\slash", "tr ee/a.c", "tr ee/-b",
  "]", "-", "^a",
  "café", "n1", "n22", "n3x",
}

local function make(dir)
  for _, name in ipairs(names) do
    local folder = name:match("^(.*)/")
    if folder then
      assert(fs.mkdir(dir .. "/" .. folder, { parents = true }))
    end
    support.spit(dir .. "/" .. name, "")
  end
  sh(("cd %s && ln -s dir link && ln -s nowhere broken && mkdir empty"):format(quote(dir.path)))
end

-- What bash makes of a pattern in dir.
local function bash(dir, pattern)
  local list = {}
  local output = sh(("cd %s && LC_ALL=C bash -O globstar -O nullglob -c %s"):format(quote(dir.path),
    quote("printf '%s\\0' " .. pattern)))
  for name in output:gmatch("([^\0]+)\0") do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

local patterns = {
  "*", "*.c", "?.c", "*.[ch]", "[a-b].c", "[!a].c", "[^a].c", "[]-]", "[a-]", "[[:upper:]].c",
  "[[:digit:]n]*", "n[0-9]", "n[0-9]*", "*a*", "*.*", ".*h*", ".h/*", "{a,b}.[c]", "{a,b}*.{c,h}",
  "*{.c,.h}", "{{a,b},n*}[.1]*", "n{1,2{2,3}}*", "{a}*", "{*", "a{*", "x\\[1\\]*",
  "x[[]1*", "x\\**",
  "x\\?*", "back\\\\*", "dir/*", "*/*", "*/*/*", "*/", "dir/*/", "link/*", "*/a.c",
  "dir/**", "**/a.c",
  "**/*.h", "dir/**/a.c", "**/sub/**/*.h", "**/", "**/**/a.c", "tr\\ ee/*", "nothing*", "[z-a]*",
  "*[", "[*", "[a*", "**c", "d*/s*/d*/*", "./*.c", "./**/b.h", "*//a.c", "*/../*.h", "caf*",
  "link/**/b.h",
  "n[![:digit:]]*", "[[:bad:]]*", "?", "??", "\\*", "x{1,2}",
}

describe("fs.glob", function()
  it("finds what bash finds", function()
    local dir <close> = support.tempdir()
    make(dir)
    local wrong = {}
    for _, pattern in ipairs(patterns) do
      local found = {}
      local prefix = dir .. "/"
      -- Alternatives may begin with a slash of their own: all are below dir.
      for _, path in ipairs(assert(fs.glob(prefix .. pattern))) do
        found[#found + 1] = path:sub(#prefix + 1)
      end
      table.sort(found)
      local theirs = {}
      for _, name in ipairs(bash(dir, pattern)) do
        -- bash leaves words without special characters as they are, lists the
        -- folder itself for a last `**`, names twice that are found two ways.
        local exists = sh(("cd %s && ls -d %s 2>/dev/null"):format(quote(dir.path), quote(name)))
        local itself = pattern:match("^(.-)%*%*$")
        if exists ~= "" and name ~= itself and theirs[#theirs] ~= name then
          theirs[#theirs + 1] = name
        end
      end
      for i, name in ipairs(theirs) do
        theirs[i] = pattern:find("//") and name:gsub("//", "/") or name
      end
      if table.concat(found, "\n") ~= table.concat(theirs, "\n") then
        wrong[#wrong + 1] = ("%s: %s, but bash: %s"):format(pattern, table.concat(found, " | "),
          table.concat(theirs, " | "))
      end
    end
    assert.equal("", table.concat(wrong, "\n"))
  end)

  it("begins at the current folder, or at the root", function()
    local dir <close> = support.tempdir()
    make(dir)
    local output = support.lua([[
      local fs = require("neap.fs")
      print(table.concat(fs.glob("*.c"), " "))
      print(table.concat(fs.glob("**/b.h"), " "))
      print(table.concat(fs.glob("a.c"), " "), #fs.glob("nothing"), #fs.glob(""))
      print(table.concat(fs.glob("/et[c]"), " "), table.concat(fs.glob("/"), " "))
    ]], { dir = dir.path })
    assert.equal("A.c a.c ab.c b.c\nb.h dir/sub/deep/b.h\na.c\t0\t0\n/etc\t/\n", output)
  end)

  it("gives a sorted list that is an iterator, too", function()
    local dir <close> = support.tempdir()
    make(dir)
    local list = assert(fs.glob(dir .. "/{b,a}.c"))
    assert.same({ dir .. "/a.c", dir .. "/b.c" }, list)
    for _ = 1, 2 do
      local found = {}
      for path in list do
        found[#found + 1] = path
      end
      assert.same(list, found)
    end
  end)

  it("takes no pattern for long", function()
    local dir <close> = support.tempdir()
    support.spit(dir .. "/" .. ("a"):rep(200), "")
    assert.equal(0, #fs.glob(dir .. "/" .. ("*a"):rep(100) .. "*b"))
    assert.equal(1, #fs.glob(dir .. "/" .. ("*a"):rep(100) .. "*"))
  end)

  it("passes over what can't be read, and fails when something is wrong", function()
    local dir <close> = support.tempdir()
    make(dir)
    sh("ln -s loop " .. quote(dir .. "/loop"))
    assert.same({ dir .. "/dir/a.c", dir .. "/link/a.c", dir .. "/tr ee/a.c" },
      fs.glob(dir .. "/*/a.c"))
    assert.same({}, fs.glob(dir .. "/a.c/*"))
    local output = support.lua([[
      local fs = require("neap.fs")
      fs.glob("x")
      local files = {}
      repeat
        files[#files + 1] = io.open("/dev/null")
      until not io.open("/dev/null")
      print(fs.glob("/et*/*"))
    ]], { env = "ulimit -n 64;" })
    assert.equal("nil\t/: Too many open files\tEMFILE\n", output)
    assert.has_error(function()
      fs.glob({})
    end)
  end)
end)
