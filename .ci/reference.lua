-- Writes the reference, docs/reference/*.md, from the annotations in
-- lua/neap/types, the one place where the surface is described: a page for each
-- file there, and an index. Run from the project's folder: ./dev reference.
-- reference_spec.lua holds the committed pages against what this makes.

local source_folder = "lua/neap/types"
local sources = {
  "neap", "fs", "file", "net", "udp", "ip", "dns", "tls", "process", "signal", "tty", "compat",
  "testing",
}

-- --- reading ----------------------------------------------------------------

-- "integer? n  how many" -> "integer? n", "how many": two spaces stand between.
local function split_comment(text)
  local head, comment = text:match("^(.-)  +(.*)$")
  return head or text, comment or ""
end

local function named(text)
  local name, rest = text:match("^(%S+)%s+(.*)$")
  assert(name, "no type in: " .. text)
  local type, comment = split_comment(rest)
  return { name = name, type = type, comment = comment }
end

local read_tag = {
  field = function(item, text)
    item.fields[#item.fields + 1] = named(text)
    return item.fields[#item.fields]
  end,
  param = function(item, text)
    local param = named(text)
    if param.name ~= "self" then -- which is there for its type, for editors
      item.params[#item.params + 1] = param
    end
    return param
  end,
  ["return"] = function(item, text)
    local type, comment = split_comment(text)
    local plain, more = type:match("^(.-%.%.%.) (.*)$") -- "any ... its results"
    item.returns[#item.returns + 1] = { type = plain or type, comment = more or comment }
    return item.returns[#item.returns]
  end,
  overload = function(item, text)
    item.overloads[#item.overloads + 1] = text
  end,
  class = function(item, text)
    item.class, item.parents = text:match("^([%w_.]+)[^:]*:?%s*(.*)$")
  end,
  alias = function(item, text)
    item.class, item.parents, item.is = text:match("^([%w_.]+)"), "", text:match(" (.*)$")
  end,
  operator = function(item, text)
    item.call = text:match("^call: (.*)$")
  end,
  generic = function() end, -- for editors; the types say T
  meta = function() end,
}

local function new_item()
  return { text = {}, fields = {}, params = {}, returns = {}, overloads = {}, members = {} }
end

local function read_annotation(item, line, last)
  local tag, rest = line:match("^%-%-%-@(%l+)%s*(.*)$")
  if tag then
    return assert(read_tag[tag], "no such tag: " .. line)(item, rest)
  end
  local more = last and line:match("^%-%-%-  +(.*)$")
  if more then
    last.comment = last.comment .. " " .. more
    return last
  end
  item.text[#item.text + 1] = line:match("^%-%-%- ?(.*)$")
end

-- A file's classes in their order, each with its functions in theirs.
local function read_source(name)
  local page = { name = name, classes = {} }
  local by_name, of_variable = {}, {}
  local item, last, class = new_item(), nil, nil
  for line in io.lines(("%s/%s.lua"):format(source_folder, name)) do
    local variable = line:match("^local ([%w_]+) = {}")
    local head, owner, params = line:match("^function (([%w_]+)[.:][%w_]+)%((.-)%) end")
    if line:match("^%-%-%-") then
      last = read_annotation(item, line, last)
      page.title = page.title or line:match("^%-%-%-@meta ([%w_.]+)")
    elseif head then
      item.head, item.names = head, params
      table.insert(of_variable[owner].members, item)
      item, last = new_item(), nil
    elseif variable then
      of_variable[variable] = class
    end
    if item.class and not by_name[item.class] then
      by_name[item.class] = item
      page.classes[#page.classes + 1] = item
    end
    if item.class then
      class = item
      if not line:match("^%-%-%-") then
        item, last = new_item(), nil
      end
    end
  end
  if not by_name[page.title] then
    page.title = page.classes[1].class
  end
  return page
end

-- --- writing ----------------------------------------------------------------

local link_of = {} -- class -> "fs.md#class-neapfsinfo"

local function type_text(type)
  local plain, name = type:match("^(([%w_.]+)[^ ]*)")
  local link = link_of[name]
  if link and (plain == type or type:match("^%S+ [%w_]+$")) then
    return ("[`%s`](%s)"):format(type, link)
  end
  return ("`%s`"):format(type)
end

local function add_list(out, title, list)
  if #list == 0 then
    return
  end
  out[#out + 1] = title and title .. "\n" or nil
  for _, entry in ipairs(list) do
    local comment = entry.comment ~= "" and ": " .. entry.comment or ""
    local name = entry.name and ("`%s` "):format(entry.name) or ""
    out[#out + 1] = ("- %s%s%s"):format(name, type_text(entry.type), comment)
  end
  out[#out + 1] = ""
end

local function add_text(out, item)
  if #item.text > 0 then
    out[#out + 1] = table.concat(item.text, "\n") .. "\n"
  end
end

-- "path, options" -> "path, options?": as the parameters' annotations say.
local function signature(item)
  local optional = {}
  for _, param in ipairs(item.params) do
    optional[param.name:gsub("%?$", "")] = param.name:match("%?$")
  end
  local names = item.names:gsub("[%w_]+", function(name)
    return name .. (optional[name] or "")
  end)
  return ("%s(%s)"):format(item.head, names)
end

local function add_function(out, item)
  out[#out + 1] = ("### `%s`\n"):format(signature(item))
  add_text(out, item)
  add_list(out, "Takes:", item.params)
  add_list(out, "Returns:", item.returns)
  for _, overload in ipairs(item.overloads) do
    out[#out + 1] = ("Also: `%s`\n"):format(overload)
  end
end

local function add_class(out, item, is_module)
  if not is_module then
    out[#out + 1] = ("## class %s\n"):format(item.class)
  end
  add_text(out, item)
  if item.parents ~= "" then
    local parents = {}
    for name in item.parents:gmatch("[%w_.]+") do
      parents[#parents + 1] = type_text(name)
    end
    out[#out + 1] = ("With the fields of %s.\n"):format(table.concat(parents, " and "))
  end
  add_list(out, nil, item.fields)
  if item.is then
    out[#out + 1] = ("One of `%s`.\n"):format(item.is)
  end
  if item.call then
    out[#out + 1] = ("Can be called, as by a `for` loop; gives %s.\n"):format(type_text(item.call))
  end
  for _, member in ipairs(item.members) do
    add_function(out, member)
  end
end

local function page_text(page)
  local out = {
    ("<!-- Made by ./dev reference from %s/%s.lua: edit that. -->\n"):format(
      source_folder, page.name),
    ("# %s\n"):format(page.title),
    "[All of the reference](index.md). `name?` may be left out; what has a type with `?` may",
    "be nil.\n",
  }
  for _, item in ipairs(page.classes) do
    add_class(out, item, item.class == page.title)
  end
  return (table.concat(out, "\n"):gsub("\n+$", "") .. "\n")
end

local function index_text(pages)
  local out = {
    ("<!-- Made by ./dev reference from %s: edit that. -->\n"):format(source_folder),
    "# Reference\n",
    "Every function that scripts can call, made from the annotations that editors with LuaLS read",
    "(lua/neap/types). For C the headers are the reference, with a contract at each function:",
    "[neap.h](../../csrc/include/neap.h), and [neap_lua.h](../../csrc/include/neap_lua.h) for",
    "hosts with Lua.\n",
  }
  for _, page in ipairs(pages) do
    local names = {}
    for _, item in ipairs(page.classes) do
      for _, member in ipairs(item.members) do
        names[#names + 1] = ("`%s`"):format(member.head)
      end
    end
    local line = table.concat(names, ", ")
    out[#out + 1] = ("- [%s](%s.md): %s"):format(page.title, page.name, line)
  end
  return table.concat(out, "\n") .. "\n"
end

local function write(path, text)
  local file = assert(io.open(path, "w"))
  assert(file:write(text))
  assert(file:close())
end

local folder = ... or "docs/reference"
local pages = {}
for i, name in ipairs(sources) do
  local page = read_source(name)
  pages[i] = page
  for _, item in ipairs(page.classes) do
    local anchor = item.class == page.title and "" or "#class-" .. item.class:gsub("%.", "")
    link_of[item.class] = link_of[item.class] or name .. ".md" .. anchor
  end
end
for _, page in ipairs(pages) do
  write(("%s/%s.md"):format(folder, page.name), page_text(page))
end
write(folder .. "/index.md", index_text(pages))
