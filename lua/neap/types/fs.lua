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
---@field parents? boolean  make what is missing around it; one that is there is fine

---@class neap.fs.removeoptions
---@field recursive? boolean  a folder with all in it

---@class neap.fs.copyoptions
---@field recursive? boolean  a folder with all in it; links as links
---@field progress? fun(bytes: integer, path: string)  called now and then

---@class neap.fs.walkoptions
---@field follow? boolean  links are what they lead to, except into a circle
---@field stat? boolean  each entry with what fs.lstat knows (with follow: fs.stat)
---@field depth? integer  1: only the folder's own entries; 2: theirs as well; ...

---@class neap.fs.watchoptions
---@field recursive? boolean  what is in its folders, too, also in later ones
---@field poll? number  look again after so many seconds, where events don't reach

--- What is known about a file system; blocks are of bsize bytes.
---@class neap.fs.space
---@field type integer
---@field bsize integer
---@field blocks integer
---@field bfree integer
---@field bavail integer  free for everybody
---@field files integer
---@field ffree integer

--- What has happened to what is watched.
---@class neap.fs.event
---@field path string
---@field name string  below the path that is watched, or its last name
---@field kind "create"|"change"|"remove"|"rename"|"overflow"|"error"
---@field from? string  of a rename: the path it had
---@field overflow? true  events were lost: look at what is there
---@field message? string  of an error: why what is at path can't be watched
---@field code? string

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

--- Removes a file, a link or an empty folder; with recursive a folder and all in
--- it, but never what a link leads to. What can't be removed is passed over, and
--- the first of it is the failure. Waits; a cancelled task stops between two
--- names.
---@param path string
---@param options? neap.fs.removeoptions
---@return true?
---@return string? message
---@return string? code
function fs.remove(path, options) end

--- Copies a file: bytes, holes, and for a new one permissions. With recursive
--- whatever it is, as cp -a does: links as links, owners, times, permissions,
--- files of several names; what is at `to` is replaced, a folder there is added
--- to. Waits; a cancelled task stops, and leaves no half file.
---@param from string
---@param to string
---@param options? neap.fs.copyoptions
---@return true?
---@return string? message
---@return string? code
function fs.copy(from, to, options) end

--- Iterates over all that is below a folder, each folder before what is in it:
--- `for path, type, info in assert(fs.walk(root)) do`. What can't be read is
--- path, nil, message, code. Memory does not grow with the tree. Several tasks
--- may share the iterator. Waits, and so does the iterator.
---@param root string
---@param options? neap.fs.walkoptions
---@return (fun(): string?, string?, neap.fs.info|string|nil, string?)?
---@return string? message
---@return string? code
---@return neap.walk? closing
function fs.walk(root, options) end

--- The paths that match a pattern, sorted: `*` `?` `[a-z]` `[!a-z]` within a
--- name, `{a,b}` for either, `**` for any number of folders, `\` before a
--- character that is meant itself. A dot at a name's beginning must be asked for.
--- The list can be called as well: `for path in assert(fs.glob("*.lua")) do`.
--- Waits.
---@param pattern string
---@return (string[]|fun(): string?)?
---@return string? message
---@return string? code
function fs.glob(pattern) end

--- Whether there is something at path; links are followed. Waits.
---@param path string
---@return boolean?
---@return string? message
---@return string? code
function fs.exists(path) end

--- Whether path is a regular file. Waits.
---@param path string
---@return boolean?
---@return string? message
---@return string? code
function fs.isfile(path) end

--- Whether path is a folder. Waits.
---@param path string
---@return boolean?
---@return string? message
---@return string? code
function fs.isdir(path) end

--- Whether path may be used so: letters of "rwx". Waits.
---@param path string
---@param mode? string
---@return true?
---@return string? message
---@return string? code
function fs.access(path, mode) end

--- What is known about the file system that path is on. Waits.
---@param path string
---@return neap.fs.space?
---@return string? message
---@return string? code
function fs.statfs(path) end

--- Gives a file another name. Waits.
---@param from string
---@param to string
---@return true?
---@return string? message
---@return string? code
function fs.link(from, to) end

--- Makes a symbolic link at path. Waits.
---@param target string
---@param path string
---@return true?
---@return string? message
---@return string? code
function fs.symlink(target, path) end

--- Where a symbolic link leads. Waits.
---@param path string
---@return string? target
---@return string? message
---@return string? code
function fs.readlink(path) end

--- The absolute path without links, "." and "..". Waits.
---@param path string
---@return string? path
---@return string? message
---@return string? code
function fs.realpath(path) end

--- Sets the permission bits. Waits.
---@param path string
---@param mode integer
---@return true?
---@return string? message
---@return string? code
function fs.chmod(path, mode) end

--- Sets user and group by their numbers; -1 leaves one as it is. Waits.
---@param path string
---@param uid integer
---@param gid integer
---@return true?
---@return string? message
---@return string? code
function fs.chown(path, uid, gid) end

--- The same of a symbolic link itself. Waits.
---@param path string
---@param uid integer
---@param gid integer
---@return true?
---@return string? message
---@return string? code
function fs.lchown(path, uid, gid) end

--- Sets the times of the last read and the last change. Without both: now;
--- without mtime: atime. Waits.
---@param path string
---@param atime? number  seconds since 1970
---@param mtime? number
---@return true?
---@return string? message
---@return string? code
function fs.utime(path, atime, mtime) end

--- Sets both times to now; makes an empty file if there is none. Waits.
---@param path string
---@return true?
---@return string? message
---@return string? code
function fs.touch(path) end

--- Makes a folder of a new name: that of template with its last six characters,
--- "XXXXXX", replaced. Waits.
---@param template string
---@return string? path
---@return string? message
---@return string? code
function fs.mkdtemp(template) end

--- Makes and opens a file of a new name in the same way. Waits.
---@param template string
---@return neap.file?
---@return string? path  or the message
---@return string? code
function fs.mkstemp(template) end

--- A temporary file, open for reading and writing; its name is removed when it
--- is closed. Waits.
---@return neap.file?
---@return string? path  or the message
---@return string? code
function fs.tempfile() end

--- A temporary folder, which is removed with all in it when it is closed:
--- `local dir <close> = assert(fs.tempdir())`, then dir.path and dir .. "/name".
--- Waits.
---@return neap.tempdir?
---@return string? message
---@return string? code
function fs.tempdir() end

--- Watches a folder, or a file by its name:
--- `for event in assert(fs.watch(path)) do`. Waits until it is watched.
---@param path string
---@param options? neap.fs.watchoptions
---@return neap.watcher?
---@return string? message
---@return string? code
function fs.watch(path, options) end

return fs
