---@meta neap.fs

--- Files and folders. Every function may be called from a task, from the main
--- script and from any frame inside either; while it waits, other tasks run.
--- A failure is `nil, message, code`: the message as Lua's io writes it, the
--- code libuv's name ("ENOENT").
---@class neap.fs
local fs = {}

---@class neap.fs.readoptions
---@field max? integer  a file of more bytes is the failure "EFBIG"

---@class neap.fs.writeoptions
---@field mode? integer  what a new file may be used for (0666), less the umask
---@field append? boolean  add to what is there

---@class neap.fs.mkdiroptions
---@field mode? integer  what the folder may be used for (0777), less the umask

--- What is known about a file. Times are seconds since 1970.
---@class neap.fs.info
---@field type "file"|"directory"|"link"|"fifo"|"socket"|"char"|"block"|"unknown"
---@field size integer
---@field mode integer  type and permission bits
---@field mtime number
---@field atime number
---@field ctime number
---@field birthtime number
---@field dev integer
---@field ino integer
---@field nlink integer
---@field uid integer
---@field gid integer
---@field rdev integer
---@field blksize integer
---@field blocks integer

--- A whole file as a string. Waits, unless the system has it in its cache.
---@param path string
---@param options? neap.fs.readoptions
---@return string? contents
---@return string? message
---@return string? code
function fs.readfile(path, options) end

--- Makes a file of data, or replaces what is in it. Waits.
---@param path string
---@param data string|number
---@param options? neap.fs.writeoptions
---@return true?
---@return string? message
---@return string? code
function fs.writefile(path, data, options) end

--- Adds data to the end of a file, which is made if need be. Waits.
---@param path string
---@param data string|number
---@param options? neap.fs.writeoptions
---@return true?
---@return string? message
---@return string? code
function fs.appendfile(path, data, options) end

--- What path is; a symbolic link is followed. Waits.
---@param path string
---@return neap.fs.info?
---@return string? message
---@return string? code
function fs.stat(path) end

--- The same of a symbolic link itself. Waits.
---@param path string
---@return neap.fs.info?
---@return string? message
---@return string? code
function fs.lstat(path) end

--- Iterates over the names in a folder, sorted by byte, without "." and "..":
--- `for name, type in assert(fs.scandir(path)) do`. Waits; the iterator does
--- not. Types are those of stat.
---@param path string
---@return (fun(): string?, string?)?
---@return string? message
---@return string? code
---@return neap.dir? closing
function fs.scandir(path) end

--- Opens a file. Modes are io.open's: "r" (default), "w", "a", with "+" and "b";
--- "x" after "w" or "a": fails with "EEXIST" when the file is there. Waits.
---@param path string
---@param mode? string
---@return neap.file?
---@return string? message
---@return string? code
function fs.open(path, mode) end

--- Removes a file. Waits.
---@param path string
---@return true?
---@return string? message
---@return string? code
function fs.unlink(path) end

--- Moves a file within its file system, over what is there. Waits.
---@param from string
---@param to string
---@return true?
---@return string? message
---@return string? code
function fs.rename(from, to) end

--- Makes a folder. Waits.
---@param path string
---@param options? neap.fs.mkdiroptions
---@return true?
---@return string? message
---@return string? code
function fs.mkdir(path, options) end

--- Removes an empty folder. Waits.
---@param path string
---@return true?
---@return string? message
---@return string? code
function fs.rmdir(path) end

--- Makes a folder of a new name: that of template with its last six characters,
--- "XXXXXX", replaced. Waits.
---@param template string
---@return string? path
---@return string? message
---@return string? code
function fs.mkdtemp(template) end

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

--- Writes strings and numbers: one operation, into the buffer. Waits when that
--- is full.
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

--- What scandir reads from, for a for loop to close.
---@class neap.dir
local dir = {}

---@return true
function dir:close() end

return fs
