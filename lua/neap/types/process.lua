---@meta neap.process

--- Child processes. A program that can't be started is `nil, message, code`;
--- misuse raises.
---@class neap.process
local process = {}

--- What one of a child's three descriptors is: a pipe to us, what we have,
--- nothing, an open file from where it stands, or a connection, which is the
--- child's from then on and closed here (also the pipe of another process).
---@alias neap.process.stdio "pipe"|"inherit"|"null"|neap.file|neap.conn|file*

--- The words of the command line, without a shell: the program first, a path or
--- to be found in PATH.
---@class neap.process.command
---@field [integer] string|number
---@field cwd? string  the folder that it starts in
---@field env? table<string, string|number>  its environment, instead of ours
---@field setenv? table<string, string|number|false>  added to it; false: taken out
---@field uid? integer  the user that it runs as
---@field gid? integer
---@field stdin? neap.process.stdio
---@field stdout? neap.process.stdio
---@field stderr? neap.process.stdio
---@field detached? boolean  a session of its own; it may outlive us and is not ended by close
---@field grace? number  seconds between TERM and KILL when it is ended (default 2)

--- Starts a program. Its three descriptors are ours unless the table says
--- otherwise; it gets no others. It has a process group of its own, unless its
--- stdin is our terminal. Waits for a file in the table to be written out.
---@param command neap.process.command
---@return neap.child? process
---@return string? message
---@return string? code
function process.spawn(command) end

---@class neap.process.run_command: neap.process.command
---@field input? string  what it reads; else its stdin is empty
---@field timeout? number  seconds for the whole of it
---@field check? boolean  a program that does not end with 0 is a failure, "EXIT"
---@field max? integer  more bytes of stdout or stderr are a failure, "EMSGSIZE"

---@class neap.process.result
---@field code? integer  its exit code
---@field signal? string  the signal that killed it, instead
---@field stdout? string  unless it went elsewhere
---@field stderr? string

--- Runs a program to its end, and collects what it writes. When it is cancelled
--- or its time is over, the whole process group is ended: TERM, after the grace
--- KILL. Waits until it has ended and its pipes are closed.
---@param command neap.process.run_command
---@return neap.process.result? result
---@return string? message
---@return string? code
---@return neap.process.result? result  with the code "EXIT"
function process.run(command) end

--- As io.popen: a file that reads what the shell command writes ("r"), or writes
--- what it reads ("w"). Closing it waits for the command, and returns what
--- io.popen's does. Does not wait.
---@param command string
---@param mode? "r"|"w"
---@return neap.file? file
---@return string? message
---@return string? code
function process.popen(command, mode) end

--- Sends a process that may not be ours a signal; a negative number is a process
--- group. Does not wait.
---@param pid integer
---@param signal? string|integer  "SIGTERM" is the default; 0 asks whether it is there
---@return true? ok
---@return string? message
---@return string? code
function process.kill(pid, signal) end

--- A child process; a to-be-closed value.
---@class neap.child
---@field pid integer
---@field stdin neap.conn?  our ends of its pipes
---@field stdout neap.conn?
---@field stderr neap.conn?
local child = {}

--- Waits until it has ended. Any number of tasks may wait.
---@param timeout? number
---@return integer? code
---@return string? signal  that killed it, or the message of a failure
---@return string? code
function child:wait(timeout) end

--- Sends it a signal, or with `group` its whole process group. Once it has ended
--- that is "ESRCH": never is another process hit. Does not wait.
---@param signal? string|integer  "SIGTERM" is the default
---@param group? boolean
---@return true? ok
---@return string? message
---@return string? code
function child:kill(signal, group) end

--- Closes our ends of its pipes and, if it still runs and is not detached, ends
--- its process group: TERM, after the grace KILL. Waits until it has ended; is not
--- cancelled. Who waits for it gets "ECANCELED".
---@return true
function child:close() end
