-- Every ```lua block of README.md and docs/ runs, each in a process and an
-- empty folder of its own; a block marked ```lua norun is compiled only.
local support = require("spec.support")

local root = support.root()

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

local function is_lua(block)
  return block.info == "lua" or block.info:match("^lua%s") ~= nil
end

describe("the documentation", function()
  local listing = support.sh("ls README.md; find docs -name '*.md' | sort")
  local count = 0
  for path in listing:gmatch("[^\n]+") do
    for _, block in ipairs(blocks_of(path)) do
      if is_lua(block) then
        count = count + 1
        local source = table.concat(block.lines, "\n") .. "\n"
        local name = ("%s:%d"):format(path, block.line)
        it("runs at " .. name, function()
          assert(load(source, "=" .. name, "t"))
          if not block.info:match("%f[%w]norun%f[%W]") then
            local dir <close> = support.tempdir()
            local output, status = support.lua(source, { dir = dir.path, limit = 30 })
            assert(status == 0, ("%s ends with %d:\n%s"):format(name, status, output))
          end
        end)
      end
    end
  end

  it("has code blocks in README.md", function()
    assert(count > 0, "no lua block found below " .. root)
  end)
end)
