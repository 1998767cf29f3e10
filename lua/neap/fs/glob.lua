-- fs.glob: the paths that match a pattern, as a shell without locale does it:
-- bytes, not characters. Loaded by neap.fs at first use.
--
-- A pattern is cut at its slashes into segments. One without special characters
-- is only appended; others are held against the names in the folder that was
-- come to. A name is compared by walking along both, going back to the last `*`
-- at most, so no pattern takes more than the product of the two lengths.

local fs = require("neap.fs")

local classes = {
  alnum = "%w", alpha = "%a", cntrl = "%c", digit = "%d", lower = "%l", punct = "%p",
  space = "%s", upper = "%u", xdigit = "%x", graph = "%g", print = "[%g ]", blank = "[ \t]",
}

-- What says that there is nothing to be found, not that something is wrong.
local no_match = { ENOENT = true, ENOTDIR = true, EACCES = true, ELOOP = true, ENAMETOOLONG = true }

-- --- braces ---------------------------------------------------------------

-- The places of the commas and the end of the group that opens at `first`, or
-- nil when there is no comma or no end: then the brace stands for itself.
local function group_at(pattern, first)
  local depth, commas = 0, {}
  local at = first
  while at <= #pattern do
    local char = pattern:sub(at, at)
    if char == "\\" then
      at = at + 1
    elseif char == "{" then
      depth = depth + 1
    elseif char == "," and depth == 1 then
      commas[#commas + 1] = at
    elseif char == "}" then
      depth = depth - 1
      if depth == 0 then
        return #commas > 0 and commas or nil, at
      end
    end
    at = at + 1
  end
end

-- Adds the patterns without braces that `pattern` stands for to list.
local function expand_braces(pattern, from, list)
  local at = from
  while at <= #pattern do
    local char = pattern:sub(at, at)
    local commas, last
    if char == "\\" then
      at = at + 1
    elseif char == "{" then
      commas, last = group_at(pattern, at)
    end
    if commas then
      local head, tail = pattern:sub(1, at - 1), pattern:sub(last + 1)
      local begin = at + 1
      commas[#commas + 1] = last
      for _, comma in ipairs(commas) do
        -- What comes before is done with; the alternative may have groups.
        expand_braces(head .. pattern:sub(begin, comma - 1) .. tail, #head + 1, list)
        begin = comma + 1
      end
      return list
    end
    at = at + 1
  end
  list[#list + 1] = pattern
  return list
end

-- --- segments -------------------------------------------------------------

-- The set of bytes of a bracket that opens at `first`, and where it ends; nil
-- when it has no end.
local function parse_set(text, first)
  local at = first + 1
  local negated = text:find("^[!^]", at) ~= nil
  if negated then
    at = at + 1
  end
  local set, begun = {}, at
  while true do
    local char = text:sub(at, at)
    local class = text:match("^%[:(%l+):%]", at)
    if char == "" then
      return nil
    elseif char == "]" and at > begun then
      break
    elseif class and classes[class] then
      for byte = 0, 255 do
        set[byte] = set[byte] or string.char(byte):find(classes[class]) ~= nil
      end
      at = at + #class + 4
    else
      if char == "\\" and at < #text then
        at = at + 1
      end
      local low, high = text:byte(at), text:match("^%-([^%]])", at + 1)
      if high then
        at = at + 2
      end
      for byte = low, high and high:byte() or low do
        set[byte] = true
      end
      at = at + 1
    end
  end
  if negated then
    for byte = 0, 255 do
      set[byte] = not set[byte]
    end
  end
  return set, at
end

-- A segment as a list of "*", "?", bytes and sets of bytes; or, without any of
-- the first two or the last, as the plain string it stands for.
local function compile(text)
  local items, magic = {}, false
  local at = 1
  while at <= #text do
    local char = text:sub(at, at)
    local set, last
    if char == "[" then
      set, last = parse_set(text, at)
    end
    if set then
      items[#items + 1], at, magic = set, last, true
    elseif char == "*" or char == "?" then
      items[#items + 1], magic = char, true
    else
      if char == "\\" and at < #text then
        at = at + 1
      end
      items[#items + 1] = text:byte(at)
    end
    at = at + 1
  end
  if magic then
    return items
  end
  for i, byte in ipairs(items) do
    items[i] = string.char(byte)
  end
  return table.concat(items)
end

local function fits(item, byte)
  return item == byte or item == "?" or type(item) == "table" and item[byte] == true
end

local function matches(items, name)
  -- A leading dot must be asked for by a dot.
  if name:byte(1) == 46 and items[1] ~= 46 then
    return false
  end
  local at, item = 1, 1
  local star, resume -- the last `*`, and where the name goes on behind it
  while at <= #name do
    if items[item] == "*" then
      star, resume = item, at
      item = item + 1
    elseif items[item] and fits(items[item], name:byte(at)) then
      at, item = at + 1, item + 1
    elseif star then
      resume = resume + 1
      at, item = resume, star + 1
    else
      return false
    end
  end
  while items[item] == "*" do
    item = item + 1
  end
  return item > #items
end

-- --- searching ------------------------------------------------------------

---@class neap.fs.glob.search
---@field segments (string|table)[]  "**" is itself; other strings are names
---@field folders boolean  the pattern ends with a slash
---@field found table<string, true>
---@field message? string  what went wrong, and its code
---@field code? string

local function cut(pattern)
  local search = { segments = {}, folders = pattern:find("./$") ~= nil }
  for text in pattern:gmatch("[^/]+") do
    local segments = search.segments
    if text ~= "**" then
      segments[#segments + 1] = compile(text)
    elseif segments[#segments] ~= true then
      segments[#segments + 1] = true -- several in a row are one
    end
  end
  return search
end

-- Notes a failure that is not just "no match". True: the search ends.
local function fails(search, message, code)
  if message and not no_match[code] then
    search.message, search.code = message, code
  end
  return search.code ~= nil
end

local function is_folder(path, kind)
  return kind == "directory" or kind == "link" and fs.isdir(path) == true
end

local function add(search, path, kind)
  if not search.folders then
    search.found[path] = true
  elseif is_folder(path, kind) then
    search.found[path .. "/"] = true
  end
end

-- Iterates over a folder's names; over none when it can't be read.
local function names_in(search, prefix)
  local names, message, code, closing = fs.scandir(prefix == "" and "." or prefix)
  if not names then
    fails(search, message, code)
    return function() end
  end
  return names, nil, nil, closing
end

local seek

-- `**`: this folder and all below it, but not through links.
local function seek_below(search, prefix, i)
  local is_last = i == #search.segments
  if not is_last then
    seek(search, prefix, i + 1)
  end
  for name, kind in names_in(search, prefix) do
    if search.code then
      return
    elseif name:byte(1) ~= 46 then
      if is_last then
        add(search, prefix .. name, kind)
      end
      if kind == "directory" then
        seek_below(search, prefix .. name .. "/", i)
      end
    end
  end
end

-- Finds what segments i and on match below prefix, which is "" or ends with a
-- slash.
function seek(search, prefix, i)
  local segment, is_last = search.segments[i], i == #search.segments
  if segment == true then
    return seek_below(search, prefix, i)
  elseif type(segment) == "string" then
    if not is_last then
      return seek(search, prefix .. segment .. "/", i + 1)
    end
    local info, message, code = fs.lstat(prefix .. segment)
    if info then
      add(search, prefix .. segment, info.type)
    else
      fails(search, message, code)
    end
    return
  end
  for name, kind in names_in(search, prefix) do
    if search.code then
      return
    elseif matches(segment, name) then
      if is_last then
        add(search, prefix .. name, kind)
      elseif kind == "directory" or kind == "link" then
        seek(search, prefix .. name .. "/", i + 1)
      end
    end
  end
end

-- --- the function ---------------------------------------------------------

-- The list is an iterator as well: `for path in fs.glob("*.lua") do`.
local function new_list(found)
  local list = {}
  for path in pairs(found) do
    list[#list + 1] = path
  end
  table.sort(list)
  local at = 0
  return setmetatable(list, {
    __call = function()
      at = list[at + 1] and at + 1 or 0
      return list[at]
    end,
  })
end

---@param pattern string
---@return string[]? paths
---@return string? message
---@return string? code
local function glob(pattern)
  local found = {}
  for _, plain in ipairs(expand_braces(pattern, 1, {})) do
    local search = cut(plain)
    search.found = found
    local root = plain:find("^/") and "/" or ""
    if #search.segments > 0 then
      seek(search, root, 1)
    elseif root == "/" then
      found["/"] = true
    end
    if search.code then
      return nil, search.message, search.code
    end
  end
  return new_list(found)
end

return glob
