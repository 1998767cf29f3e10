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
---@field atomic? boolean  the old contents or the new ones, whole, also after a crash

---@class neap.fs.openoptions
---@field flags? string  one of io's modes ("r"), or open(2)'s flags: "wronly creat excl"
---@field perm? integer  what a new file may be used for (0666), less the umask

---@class neap.fs.lockoptions
---@field shared? boolean  beside others that are shared
---@field wait? boolean|number  false: "EAGAIN" at once; seconds: "ETIMEDOUT" after them

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

--- Makes a file of data, or replaces what is in it. With `atomic` a new file in
--- the same folder is written, given to the disk and renamed over the old one, which
--- keeps its permissions; a failure leaves the old contents, and nothing beside
--- them. For regular files ("ENOTSUP"), and not with `append`. Waits.
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
--- "x" after "w" or "a": fails with "EEXIST" when the file is there. Flags are
--- rdonly wronly rdwr append creat excl trunc sync dsync nofollow nonblock directory
--- noatime tmpfile, with spaces, commas or "|" between them. A FIFO that nobody reads
--- is waited for when it is opened for writing, unless nonblock is set ("ENXIO").
--- Waits, unless the system has the name in its cache.
---@param path string
---@param mode? string|neap.fs.openoptions
---@return neap.file?
---@return string? message
---@return string? code
function fs.open(path, mode) end

--- Iterates over what `file:read(...)` gives, a line without formats, and closes the
--- file at the end or when the loop is left: `for line in fs.lines(path) do`. The
--- iterator raises what fails on the way. Waits, as the iterator does.
---@param path string
---@param ... string|integer
---@return (fun(): ...)?
---@return string? message
---@return string? code
---@return neap.file? closing
function fs.lines(path, ...) end

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

--- What scandir reads from, for a for loop to close.
---@class neap.dir
local dir = {}

---@return true
function dir:close() end

return fs
