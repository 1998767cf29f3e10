---@meta neap.tty

--- Terminals. Where a file is wanted: neap.stdout and its like, one of io's, or
--- the number of a descriptor; without one stdout.
---@class neap.tty
local tty = {}

--- Whether it is a terminal. Does not wait.
---@param file? neap.file|file*|integer
---@return boolean
function tty.isatty(file) end

--- How big the terminal is. Does not wait.
---@param file? neap.file|file*|integer
---@return integer? columns
---@return integer|string rows  or the message, "ENOTTY" when it is none
---@return string? code
function tty.size(file) end

--- Has the terminal behind stdin give every key at once, unseen, Ctrl-C among
--- them; or gives it back. It is given back in any case at the end: of the script,
--- by an error, by os.exit, by a signal that nobody handles. Does not wait.
---@param on boolean
---@return true? ok
---@return string? message
---@return string? code
function tty.raw(on) end

--- Calls fn with the new size after each change, in a task, until what it
--- returns is closed. Does not wait.
---@param fn fun(columns: integer, rows: integer)
---@return neap.listener
function tty.on_resize(fn) end
