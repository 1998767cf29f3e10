---@meta neap.compat

--- io and os as tasks need them, in the place of Lua's own.
---@class neap.compat
local compat = {}

---@class neap.compat.options
---@field io? boolean  open lines read write flush popen tmpfile input output close type, stdin
---                    stdout stderr, and os.exit, which writes their files out first
---@field os? boolean  execute remove rename tmpname

--- Swaps these functions of io and os for ones that suspend their task, and that
--- return and raise what Lua's own do: failures have the system's number. Files
--- that were open before stay as they are. Loading the module swaps nothing.
--- Does not wait.
---@param options neap.compat.options
---@return fun() undo  a function that others have replaced meanwhile stays
function compat.patch(options) end

return compat
