---@meta

-- What the functions of neap.fs open.

--- An open file, with the methods of Lua's own files. Buffered; operations of
--- several tasks are done one after the other, each one whole. A to-be-closed
--- variable.
---@class neap.file
local file = {}

--- Reads by io's formats: "l", "L", "a", "n", counts. Waits.
---@param ... string|integer
---@return string|number|nil ...
function file:read(...) end

--- Iterates over what read(...) gives; raises what fails. The file stays open.
--- The iterator waits.
---@param ... string|integer
---@return fun(): ...
function file:lines(...) end

--- Writes strings and numbers: one operation, into the buffer. A full buffer is
--- written while the script goes on; how that failed is what the next call on the
--- file returns, or close. Waits when the next buffer is full, too.
---@param ... string|number
---@return neap.file?
---@return string? message
---@return string? code
function file:write(...) end

--- Moves the position, as io's; returns it. Waits, if there is something to be
--- written out first.
---@param whence? "set"|"cur"|"end"
---@param offset? integer
---@return integer?
---@return string? message
---@return string? code
function file:seek(whence, offset) end

--- Writes out what is in the buffer. Waits.
---@return true?
---@return string? message
---@return string? code
function file:flush() end

--- When writes go out: at once, when the buffer (of size bytes) is full, with
--- each line. Waits.
---@param mode "no"|"full"|"line"
---@param size? integer
---@return true?
---@return string? message
---@return string? code
function file:setvbuf(mode, size) end

--- Writes out what is in the buffer and closes; whoever waits on the file gets
--- the failure "ECANCELED". Waits, but no cancellation ends it. The first call
--- may fail; the file is closed all the same.
---@return true?
---@return string? message
---@return string? code
function file:close() end

--- Up to n bytes from the place offset, fewer only at the end of the file, nil there.
--- Where the file is read and written next does not change. Waits, unless the system
--- has them in its cache.
---@param n integer
---@param offset integer
---@return string?
---@return string? message
---@return string? code
function file:pread(n, offset) end

--- Writes data at the place offset, past the buffer; in a file opened for appending at
--- its end. Waits.
---@param data string|number
---@param offset integer
---@return neap.file?
---@return string? message
---@return string? code
function file:pwrite(data, offset) end

--- What the file is, with what is buffered. Waits, unless the system tells at once.
---@return neap.fs.info?
---@return string? message
---@return string? code
function file:stat() end

--- Writes out what is in the buffer and has the disk take it. Waits.
---@return true?
---@return string? message
---@return string? code
function file:sync() end

--- The same without times and permissions. Waits.
---@return true?
---@return string? message
---@return string? code
function file:datasync() end

--- Cuts the file off at length, or lengthens it by zeros. Waits.
---@param length integer
---@return true?
---@return string? message
---@return string? code
function file:truncate(length) end

--- Sets the permissions. Waits.
---@param mode integer
---@return true?
---@return string? message
---@return string? code
function file:chmod(mode) end

--- Sets the times of access and modification, in seconds since 1970: now without the
--- first, the first without the second. Waits.
---@param atime? number
---@param mtime? number
---@return true?
---@return string? message
---@return string? code
function file:utime(atime, mtime) end

--- Locks the whole file against others that lock it, in this process or another
--- (advisory; Linux's open file description locks). The lock ends when what this
--- returns is closed, or the file is. A further lock of the same file changes it.
--- Waits.
---@param options? neap.fs.lockoptions
---@return neap.lock?
---@return string? message
---@return string? code
function file:lock(options) end

--- The descriptor, which stays the file's: nothing of what is buffered is there.
---@return integer?
---@return string? message
---@return string? code
function file:fd() end

--- A file's lock: a to-be-closed value. One that is forgotten lasts as long as the
--- file is open.
---@class neap.lock
local lock = {}

--- Writes out what is in the file's buffer and ends the lock. Waits, but no
--- cancellation ends it.
---@return true?
---@return string? message
---@return string? code
function lock:close() end

--- A watch over a path, and an iterator over what happens there, until it is
--- closed or the path itself is gone. Several tasks may take events from it. A
--- to-be-closed variable.
---@class neap.watcher
local watcher = {}

--- The next event. "EOF": the path is gone. Waits.
---@param timeout? number
---@return neap.fs.event?
---@return string? message
---@return string? code
function watcher:wait(timeout) end

--- Ends it; whoever waits gets the failure "ECANCELED".
---@return true
function watcher:close() end

--- A temporary folder; a string where one is wanted: tostring(dir), dir .. "/x".
---@class neap.tempdir
---@field path string
local tempdir = {}

--- Removes it. Waits, but no cancellation ends it.
---@return true?
---@return string? message
---@return string? code
function tempdir:close() end

--- What walk reads from, for a for loop to close.
---@class neap.walk
local walk = {}

---@return true
function walk:close() end

--- What scandir reads from, for a for loop to close.
---@class neap.dir
local dir = {}

---@return true
function dir:close() end
