-- Every ```lua block of README.md and docs/ runs, each in a process and an
-- empty folder of its own; a block marked ```lua norun is compiled only. A ```c
-- block is a program with Lua in it: it is built against the libraries and runs.
local support = require("spec.support")

local root = support.root()
local quote = support.quote

local function blocks_of(path)
  local blocks, block = {}, nil
  local number = 0
  for line in io.lines(path) do
    number = number + 1
    local info = line:match("^```%s*(.*)$")
    if block and info then
      blocks[#blocks + 1] = block
      block = nil
    elseif block then
      block.lines[#block.lines + 1] = line
    elseif info then
      block = { info = info, line = number, lines = {} }
    end
  end
  assert(not block, path .. ": a code block has no end")
  return blocks
end

local function is_in(block, language)
  return block.info:match("^%S*") == language
end

local function run_lua(block, source, name)
  assert(load(source, "=" .. name, "t"))
  if not block.info:match("%f[%w]norun%f[%W]") then
    local dir <close> = support.tempdir()
    local output, status = support.lua(source, { dir = dir.path, limit = 30 })
    assert(status == 0, ("%s ends with %d:\n%s"):format(name, status, output))
  end
end

-- What a host is built with: the shared libraries of the build under test.
local function compile(source, dir)
  local build = os.getenv("NEAP_VARIANT_DIR") or root .. "/build"
  local words = {
    "cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror",
    "-I" .. quote(root .. "/csrc/include"),
    "-o", quote(dir .. "/host"), quote(support.spit(dir .. "/host.c", source)),
    "-L" .. quote(build), "-Wl,-rpath," .. quote(build), "-lneap_lua -lneap",
    ("$(pkg-config --cflags --libs %s libuv) -pthread"):format(os.getenv("LUA") or "lua5.4"),
  }
  return support.sh(table.concat(words, " "))
end

local function run_c(source, name)
  local dir <close> = support.tempdir()
  local output, status = compile(source, dir.path)
  assert(status == 0, ("%s is not compiled:\n%s"):format(name, output))
  output, status = support.sh(("cd %s && timeout 30 ./host </dev/null"):format(quote(dir.path)))
  assert(status == 0, ("%s ends with %d:\n%s"):format(name, status, output))
end

describe("the documentation", function()
  local listing = support.sh("ls README.md; find docs -name '*.md' | sort")
  local count = 0
  for path in listing:gmatch("[^\n]+") do
    for _, block in ipairs(blocks_of(path)) do
      local source = table.concat(block.lines, "\n") .. "\n"
      local name = ("%s:%d"):format(path, block.line)
      if is_in(block, "lua") then
        count = count + 1
        it("runs at " .. name, function()
          run_lua(block, source, name)
        end)
      elseif is_in(block, "c") then
        it("is a host at " .. name, function()
          run_c(source, name)
        end)
      end
    end
  end

  it("has code blocks in README.md", function()
    assert(count > 0, "no lua block found below " .. root)
  end)
end)
