-- docs/reference is what .ci/reference.lua makes of the annotations, and has
-- everything in it that scripts can call.
local support = require("spec.support")
local surface = require("spec.support.surface")

local lua = os.getenv("LUA") or "lua5.4"

-- class -> the text about it, of all pages that have some.
local function described()
  local texts = {}
  for path in support.sh("ls docs/reference/*.md"):gmatch("[^\n]+") do
    local class
    for line in io.lines(path) do
      class = line:match("^#+ class ([%w_.]+)$") or line:match("^# ([%w_.]+)$") or class
      if class then
        texts[class] = (texts[class] or "") .. line .. "\n"
      end
    end
  end
  return texts
end

describe("the reference", function()
  it("is what the annotations say", function()
    local dir <close> = support.tempdir()
    local output, status = support.sh(
      ("%s .ci/reference.lua %s && diff -r docs/reference %s"):format(lua, dir, dir))
    assert(status == 0, "run ./dev reference:\n" .. output)
  end)

  it("takes every file of annotations", function()
    for name in support.sh("ls lua/neap/types"):gmatch("([%w_]+)%.lua\n") do
      local text = support.slurp(("docs/reference/%s.md"):format(name))
      assert(text:find("lua/neap/types/" .. name, 1, true), name)
    end
  end)

  it("describes every function that scripts can call", function()
    local texts = described()
    local missing, count = {}, 0
    for class, members in pairs(surface.present()) do
      local text = assert(texts[class], class)
      for name, value in pairs(members) do
        if surface.is_public(name) and type(value) == "function" then
          count = count + 1
          if not text:find(("\n### `%%l+[.:]%s%%("):format(name)) then
            missing[#missing + 1] = class .. ": " .. name
          end
        end
      end
    end
    table.sort(missing)
    assert.same({}, missing)
    assert(count > 150, "the functions were not found")
  end)

  it("says of C that its headers are the reference", function()
    local index = support.slurp("docs/reference/index.md")
    assert(index:find("csrc/include/neap.h", 1, true))
    assert(index:find("csrc/include/neap_lua.h", 1, true))
  end)
end)
