---@meta neap

--- Tasks that may wait anywhere. Seconds are numbers: negative ones count as 0,
--- `math.huge` is for ever, NaN is misuse. Misuse raises a Lua error that names
--- the argument. A function that says "Waits." suspends the task that calls it;
--- the main script is a task as well.
---@class neap
---@field version string  "major.minor.patch"
---@field fs neap.fs  files, loaded at first use
---@field net neap.net  networking, loaded at first use
---@field process neap.process  child processes, loaded at first use
---@field signal neap.signal  signals, loaded at first use
---@field tty neap.tty  terminals, loaded at first use
---@field stdin neap.file  the standard streams, whatever they are; other programs that
---@field stdout neap.file  share them see no change. Writes go out at once. Closing one
---@field stderr neap.file  puts /dev/null there.
local neap = {}

---@class neap.spawn_options
---@field name? string  for reports and dumps
---@field quiet? boolean  a failure is for those alone who join the task
---@field detached? boolean  it belongs to the runtime, not to its creator's scope
---@field stack? "shared"|"private"  private: its C frames stay where they are while it waits

--- Queues a new task that calls `fn(...)`; it runs when its creator waits. A table
--- as first argument that can't be called is options. Does not wait.
---@param options neap.spawn_options
---@param fn function
---@param ... any
---@return neap.task task
---@overload fun(fn: function, ...): neap.task
function neap.spawn(options, fn, ...) end

--- Waits for so many seconds, never less; 0 is a yield.
---@param seconds number
function neap.sleep(seconds) end

--- Waits until `neap.now()` is `t` or more.
---@param t number
function neap.sleep_until(t) end

--- Waits until the other ready tasks have run.
function neap.yield() end

--- The monotonic clock in seconds, read anew. Does not wait.
---@return number seconds
function neap.now() end

--- The monotonic clock in nanoseconds. Does not wait.
---@return integer ns
function neap.hrtime() end

--- Waits until `fn`, as a task, and all other tasks have ended; without `fn`
--- until all tasks have. For the main script alone. Raises fn's error, or the
--- failures that nobody has asked for: "2 tasks failed; first: …".
---@param fn? function
---@param ... any
---@return any ... fn's results
function neap.run(fn, ...) end

--- Waits until a descriptor can be read from ("r") or written to ("w"), for
--- libraries that have sockets of their own. It is left as it is; it must stay open.
---@param fd integer
---@param events "r"|"w"|"rw"
---@param timeout? number
---@return "r"|"w"|"rw"|nil events  what it is ready for; all of it after an error or a hang-up
---@return string? message
---@return string? code
function neap.wait_fd(fd, events, timeout) end

--- Runs a Lua function, or source code, in a thread, in a Lua state of its own with
--- the standard libraries. Arguments, results and upvalues are copied: nil,
--- booleans, numbers, strings and tables of these. An error comes back with its
--- traceback. Cancelled before it begins it never runs; after that it is stopped.
--- Waits.
---@param fn function|string
---@param ... any
---@return any ... its results
function neap.offload(fn, ...) end

--- The task that is running; the main script's is named "main". Does not wait.
---@return neap.task
function neap.current() end

--- The bridge to callbacks. Calls `start(done)` at once, then waits until
--- `done(...)` is called from anywhere. done returns whether it was the first
--- call and somebody waits. If start returns a function, that is called when the
--- wait ends without done. Waits.
---@param start fun(done: fun(...): boolean): function?
---@return any ... what done was called with
function neap.await(start) end

--- Calls `fn(...)` after so many seconds in a task of its own; `neap.run` waits
--- for it. Does not wait.
---@param seconds number
---@param fn function
---@param ... any
---@return neap.timer timer
function neap.after(seconds, fn, ...) end

--- `for n in neap.every(seconds) do`: waits for the next of a row of equally
--- spaced times, the first after `seconds`. n is how many have come since the
--- last round: more than 1 when the loop was late.
---@param seconds number
---@return fun(): integer n
function neap.every(seconds) end

--- Ends the process: waits up to `grace` seconds for the other tasks to end, then
--- cancels them, lets their clean-up run, flushes io's files and exits. Waits,
--- and never returns.
---@param code? integer|boolean  as os.exit's (default 0)
---@param grace? number  seconds (default 0)
function neap.exit(code, grace) end

--- Sets the function that gets the failures nobody waits for, in a task of its
--- own; nil: they go to stderr. Returns the one before. Does not wait.
---@param fn? fun(task: neap.task, err: any, traceback: string?)
---@return function? before
function neap.on_error(fn) end

--- Every live task, main first. Does not wait.
---@return neap.task[]
function neap.tasks() end

--- Writes what every task does, since when and where, to stderr or to anything
--- with a `write` method. Does not wait itself.
---@param file? {write: fun(self: any, text: string)}
function neap.dump(file) end

---@class neap.figures
---@field tasks integer  alive, main included
---@field spawned integer  ever
---@field switches integer  resumes of tasks
---@field turns integer  of the scheduler
---@field polls integer  of the loop
---@field slots integer  shared stacks mapped
---@field private_slots integer  private stacks in use
---@field copies integer  how often a task's frames were moved to the heap
---@field bytes_saved integer  of frames on the heap now
---@field memory integer  bytes in use by the runtime
---@field handles integer  open handles
---@field jobs integer  in the thread pool now
---@field busy number  share of the time not spent waiting for the system

--- Figures of the runtime. Does not wait.
---@return neap.figures
function neap.info() end

--- Runs `fn(scope, ...)` in a scope: it returns when `fn` and every task in the
--- scope have ended. The first error, of `fn` or of a task, cancels the rest and is
--- raised; later ones are reported. After `scope:cancel(reason)` the results of
--- `fn` if it returned, else nil, "scope cancelled: reason", "ECANCELED". Waits.
---
--- Without `fn`: a scope for a block, `local s <close> = neap.scope()`; its end
--- waits for the tasks. An error of a task is raised there, a cancellation by
--- `s:cancel()` becomes an error with `code = "ECANCELED"`.
---@param fn function
---@param ... any
---@return any ...
---@overload fun(): neap.scope
function neap.scope(fn, ...) end

--- Calls `fn(...)` with a time limit: every wait in it, and in the tasks that it
--- spawns, ends when the time is over. A scope as well: returns when they have all
--- ended. nil, "timed out after 2.5 s", "ETIMEDOUT", true then. With 0 seconds `fn`
--- starts, and its first wait ends. Waits.
---@param seconds number
---@param fn function
---@param ... any
---@return any ...
function neap.timeout(seconds, fn, ...) end

--- A time limit for a block: `local t <close> = neap.time_limit(2)`. A scope as
--- well. What runs out of time comes out of the block as an error with
--- `code = "ETIMEDOUT"`. Does not wait.
---@param seconds number
---@return neap.scope
function neap.time_limit(seconds) end

--- How many seconds the nearest time limit leaves, none: nil. Does not wait.
---@return number?
function neap.time_left() end

--- Calls `fn(...)`, whose waits are not cancelled by anything around. For cleanup.
--- A time limit inside it holds. Waits.
---@param fn function
---@param ... any
---@return any ...
function neap.shield(fn, ...) end

--- Whether an error is what cancels this very task, and the reason that somebody
--- gave. Such an error is to be raised again after cleanup. Does not wait.
---@param err any
---@return boolean
---@return any reason
function neap.is_cancelled(err) end

--- A table of values of this task; what it spawns starts with a copy. Does not
--- wait.
---@return table
function neap.context() end

--- Tells who called `scope:start` that this task is ready, with these values. Does
--- not wait.
---@param ... any
function neap.ready(...) end

--- Waits for all functions, each in a task; the first error cancels the others and
--- is raised. Waits.
---@param fns function[]
---@return any ...  the first result of each
function neap.all(fns) end

--- Waits for all functions, whatever becomes of them. Waits.
---@param fns function[]
---@return {ok: boolean, value: any, err: any}[]
function neap.all_settled(fns) end

--- The results of the function that ends first, or its error; the others are
--- cancelled. Waits.
---@param fns function[]  at least one
---@return any ...
function neap.race(fns) end

--- The results of the first function that succeeds; the others are cancelled. All
--- failed: the first error is raised. Waits.
---@param fns function[]  at least one
---@return any ...
function neap.any(fns) end

--- Calls `fn(item, index)` for each item, at most `limit` at a time. The first
--- error cancels the rest and is raised. Waits.
---@param list any[]
---@param fn fun(item: any, index: integer): any
---@param options? {limit?: integer}  default: all at once
---@return any[] results  in the order of the list
function neap.map(list, fn, options) end

--- A scope: tasks that end before it does.
---@class neap.scope
local scope = {}

--- `neap.spawn` into this scope, from wherever. An error when the scope has ended;
--- one that waits for its tasks takes what they spawn. Does not wait.
---@param options neap.spawn_options
---@param fn function
---@param ... any
---@return neap.task
---@overload fun(self: neap.scope, fn: function, ...): neap.task
function scope:spawn(options, fn, ...) end

--- Spawns `fn(...)` and waits until it calls `neap.ready(...)`; an error when it
--- ends before. Waits.
---@param fn function
---@param ... any
---@return any ...  what it is ready with
function scope:start(fn, ...) end

--- Cancels the scope's block and its tasks. False when that has happened before or
--- the scope has ended. Does not wait.
---@param reason? any
---@return boolean
function scope:cancel(reason) end

--- What the end of the block does. For the task that opened it. Waits.
---@return true
function scope:close() end

--- What a cancelled wait raises; `neap.is_cancelled` tells it, `tostring` explains it.
---@class neap.cancelled

--- What keeps a `scope:start` together; scripts never see one.
---@class neap.start

--- A task's handle. The task goes on whether or not anybody keeps it.
---@class neap.task
---@field id integer  no other task has or had it
---@field name? string
local task = {}

--- Waits for the task's end and returns its results; raises its error, the same
--- value. Of a cancelled task: an error table with `code = "ECANCELED"`. A join of
--- itself or in a circle raises. Waits.
---@param timeout? number  seconds; 0 tries once. nil, message, "ETIMEDOUT" then
---@return any ...
function task:join(timeout) end

--- Waits for the task's end: true and its results, or false and its error. Waits.
---@param timeout? number  seconds; 0 tries once. nil, message, "ETIMEDOUT" then
---@return boolean? ok
---@return any ...
function task:wait(timeout) end

--- What it is doing or what became of it. Does not wait.
---@return "ready"|"running"|"waiting"|"done"|"failed"|"cancelled"
function task:status() end

--- Where it stands; of a failed task where it failed; else nil. Does not wait.
---@return string?
function task:traceback() end

--- Cancels all that the task does: from now on each of its waits raises, until it
--- has ended. Does not wait for that. False when it has ended or was cancelled
--- before. Does not wait.
---@param reason? any  for `neap.is_cancelled` and the error that joining it gives
---@return boolean
function task:cancel(reason) end

---@class neap.task_stats
---@field switches integer  how often it was resumed
---@field age? number  seconds since its spawn; this and the others of a live task alone
---@field since? number  seconds in its present state
---@field frames? integer  bytes of its C stack
---@field waiting_for? string  "sleep", "join", …

--- Figures of the task. Does not wait.
---@return neap.task_stats
function task:stats() end

--- What `neap.after` returns; a to-be-closed variable.
---@class neap.timer
local timer = {}

--- The function is not called if it has not been yet. Does not wait.
---@return true
function timer:close() end

--- An error that neap raises as a value: `tostring` gives its message.
---@class neap.error
---@field code string  "ECANCELED", …
---@field message string
---@field reason? any

--- What keeps a `neap.await` together; scripts never see one.
---@class neap.await
