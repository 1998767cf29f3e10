-- No writable globals, and no names of others in what hosts link with.
local support = require("spec.support")

local dir = os.getenv("NEAP_VARIANT_DIR") or "build"

-- Sections whose objects a running program may write to. .data.rel.ro is
-- written by the loader alone (addresses in constant tables).
local function is_writable(section)
  if section:match("^%.data%.rel%.ro") then
    return false
  end
  return section:match("^%.data") or section:match("^%.bss") or section == "*COM*"
end

local function lines_of(command)
  local output, status = support.sh(command)
  assert(status == 0, output)
  return output:gmatch("[^\n]+")
end

local function objects()
  local list = {}
  for _, layer in ipairs({ "core", "io", "lua" }) do
    local folder = ("%s/CMakeFiles/neap_%s.dir"):format(dir, layer)
    for path in lines_of("find " .. support.quote(folder) .. " -name '*.o'") do
      list[#list + 1] = support.quote(path)
    end
  end
  assert(#list > 0, "nothing is built in " .. dir)
  return table.concat(list, " ")
end

describe("the symbols", function()
  it("name no writable global, and one thread-local pointer at most", function()
    local writable, threadlocal, seen = {}, {}, 0
    local file
    for line in lines_of("objdump -t " .. objects()) do
      file = line:match("([^/]+%.o):") or file
      local flags, section, size, name =
        line:match("^%x+ (.......) (%S+)%s+(%x+)%s+([%w_.]+)$")
      if not flags then
        flags, section, size, name = line:match("^%x+ (.......) (%S+)%s+(%x+) %.hidden ([%w_.]+)$")
      end
      if flags then
        seen = seen + 1
        if section:match("^%.t[bd]") and name:sub(1, 1) ~= "." then
          threadlocal[#threadlocal + 1] = { file .. ": " .. name, tonumber(size, 16) }
        elseif flags:find("O", 1, true) and is_writable(section) then
          writable[#writable + 1] = file .. ": " .. name .. " in " .. section
        end
      end
    end
    assert(seen > 0, "objdump says nothing")
    assert.same({}, writable)
    assert(#threadlocal <= 1, "more than one thread-local")
    for _, variable in ipairs(threadlocal) do
      assert(variable[2] <= 8, variable[1] .. " is more than a pointer")
    end
  end)

  it("exports only neap_* and luaopen_neap* from neap.so", function()
    local opens = false
    for line in lines_of("nm -D --defined-only " .. support.quote(dir .. "/neap.so")) do
      local name = line:match("%S+$")
      assert(name:match("^neap_%l") or name:match("^luaopen_neap"), name)
      opens = opens or name == "luaopen_neap"
    end
    assert.is_true(opens)
  end)

  it("are neap_*, neap__*, neapL_* in the static libraries", function()
    local count = 0
    for _, library in ipairs({ "libneap.a", "libneap_lua.a" }) do
      for line in lines_of("nm -g --defined-only " .. support.quote(dir .. "/" .. library)) do
        local name = line:match("^%x+ %u (%S+)$")
        if name then
          count = count + 1
          local ours = name:match("^neap__?%l") or name:match("^neapL_")
          assert(ours or name:match("^luaopen_neap"), name .. " in " .. library)
        end
      end
    end
    assert(count > 0)
  end)
end)
