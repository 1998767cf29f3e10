-- Every relative link of README.md, CHANGELOG.md and docs/ leads to a file, and
-- its anchor to a heading there, as a forge makes anchors of headings.
local support = require("spec.support")

-- The lines of a page without its code blocks.
local function lines_of(path)
  local lines, inside = {}, false
  for line in io.lines(path) do
    if line:match("^%s*```") then
      inside = not inside
    elseif not inside and not line:match("^    ") then
      lines[#lines + 1] = line
    end
  end
  return lines
end

-- "What can, and can't `x`?" -> "what-can-and-cant-x"
local function anchor_of(heading)
  local text = heading:gsub("%[([^%]]*)%]%([^)]*%)", "%1")
  text = text:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-")
  return text
end

local function anchors_of(path)
  local anchors, seen = {}, {}
  for _, line in ipairs(lines_of(path)) do
    local heading = line:match("^#+%s+(.-)%s*$")
    if heading then
      local anchor = anchor_of(heading)
      local before = seen[anchor] or 0
      seen[anchor] = before + 1
      anchors[before == 0 and anchor or anchor .. "-" .. before] = true
    end
  end
  return anchors
end

local function is_there(path)
  local _, status = support.sh("test -e " .. support.quote(path))
  return status == 0
end

local function links_of(path)
  local links = {}
  for _, line in ipairs(lines_of(path)) do
    local plain = line:gsub("`[^`]*`", "") -- code is no link
    for target in plain:gmatch("%]%(([^)%s]+)%)") do
      links[#links + 1] = target
    end
  end
  return links
end

-- What is wrong with a link of a page, or nil.
local function problem_of(page, target)
  if target:match("^%a[%w+.-]*:") then
    return nil -- another server's
  end
  local file, anchor = target:match("^([^#]*)#?(.*)$")
  local folder = page:match("^(.*/)") or ""
  local path = file == "" and page or folder .. file
  if not is_there(path) then
    return ("%s: no such file: %s"):format(page, target)
  elseif anchor ~= "" and not anchors_of(path)[anchor] then
    return ("%s: no such heading: %s"):format(page, target)
  end
end

describe("the links", function()
  it("of the documentation lead somewhere", function()
    local listing = support.sh(
      "ls README.md CHANGELOG.md bench/README.md; find docs -name '*.md' | sort")
    local problems, count = {}, 0
    for page in listing:gmatch("[^\n]+") do
      for _, target in ipairs(links_of(page)) do
        count = count + 1
        problems[#problems + 1] = problem_of(page, target)
      end
    end
    assert(count > 20, "the links were not found")
    assert.same({}, problems)
  end)

  it("reach every page of docs/ from its index", function()
    local reached, queue = { ["docs/index.md"] = true }, { "docs/index.md" }
    while #queue > 0 do
      local page = table.remove(queue)
      for _, target in ipairs(links_of(page)) do
        local file = target:match("^([^#:]+%.md)")
        local path = file and page:match("^(.*/)") .. file
        while path and path:find("/%.%./") do
          path = path:gsub("[^/]+/%.%./", "", 1)
        end
        if path and path:match("^docs/") and not reached[path] then
          reached[path] = true
          queue[#queue + 1] = path
        end
      end
    end
    local lost = {}
    for page in support.sh("find docs -name '*.md' | sort"):gmatch("[^\n]+") do
      if not reached[page] then
        lost[#lost + 1] = page
      end
    end
    assert.same({}, lost)
  end)

  it("would be found broken", function()
    assert.equal("a-heading-with-code-and-its-mark",
      anchor_of("A heading, with `code` and its mark?"))
    assert(problem_of("docs/index.md", "guide/nothing.md"):find("no such file", 1, true))
    assert(problem_of("docs/index.md", "guide/files.md#nothing"):find("no such heading", 1, true))
    assert.is_nil(problem_of("docs/guide/faq.md", "#do-i-need-locks"))
  end)
end)
