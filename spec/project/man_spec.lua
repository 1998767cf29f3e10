-- docs/neap.1 is a man page without mistakes that names each option there is.
local support = require("spec.support")

local runner = support.quote((os.getenv("NEAP_VARIANT_DIR") or "build") .. "/neap")

-- The page as plain text: macros, fonts and escapes taken off.
local function plain()
  local text = support.slurp("docs/neap.1")
  text = text:gsub("\n%.%u+ ?", "\n"):gsub("\\f%u", ""):gsub("\\%-", "-"):gsub('"', "")
  return text
end

describe("the man page", function()
  it("is formatted without a warning", function()
    local _, missing = support.sh("command -v man && command -v groff")
    if missing ~= 0 then
      pending("no man or groff here")
    end
    local warnings, status = support.sh(
      "env LC_ALL=C.UTF-8 MANROFFSEQ= man -l --warnings -E UTF-8 docs/neap.1 2>&1 >/dev/null")
    assert.equal("", warnings)
    assert.equal(0, status)
  end)

  it("names each option that the help names", function()
    local page = plain()
    local help, status = support.sh(runner .. " --help")
    assert.equal(0, status)
    local count = 0
    for option in help:gmatch("\n  (%-[%w-]*)") do
      count = count + 1
      assert(page:find("\n" .. option:gsub("%-", "%%-") .. "%f[^%w-]"), option)
    end
    assert(count > 10, help)
  end)
end)
