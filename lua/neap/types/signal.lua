---@meta neap.signal

--- Signals by name: "SIGTERM". A name that is none, and a signal that can't be
--- caught, is misuse.
---@class neap.signal
local signal = {}

--- Listens to signals from now on; they do nothing else until the listener is
--- closed, and what they did before then. SIGINT, too: Ctrl-C does not interrupt
--- the script meanwhile. Does not wait.
---@param names string[]
---@return neap.listener
function signal.listen(names) end

--- Waits for one signal. Listens only meanwhile.
---@param name string
---@param timeout? number
---@return string? name
---@return string? message
---@return string? code
function signal.wait(name, timeout) end

--- Ignores a signal from now on; programs that are started then ignore it as
--- well. Listeners go on hearing it. Does not wait.
---@param name string
---@return true? ok
---@return string? message
---@return string? code
function signal.ignore(name) end

--- What hears signals; a to-be-closed value. `for name in listener do` goes on
--- until it is closed. Signals of one kind that nobody has taken yet are one: the
--- kernel keeps no count either.
---@class neap.listener
---@operator call: string?
local listener = {}

--- Waits for the next signal. With several tasks each signal is one task's.
---@param timeout? number
---@return string? name
---@return string? message
---@return string? code  "ECANCELED" when it is closed meanwhile
function listener:wait(timeout) end

--- Ends the listening. Does not wait.
---@return true
function listener:close() end
