---@meta neap

--- Tasks that may wait anywhere. Seconds are numbers: negative ones count as 0,
--- `math.huge` is for ever, NaN is misuse. Misuse raises a Lua error that names
--- the argument. A function that says "Waits." suspends the task that calls it;
--- the main script is a task as well.
---@class neap
---@field version string  "major.minor.patch"
---@field fs neap.fs  files, loaded at first use
---@field net neap.net  networking, loaded at first use
---@field dns neap.dns  names and addresses, loaded at first use
---@field testing neap.testing  test aids, loaded at first use
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
---@generic T
---@param options neap.spawn_options
---@param fn fun(...): T, ...
---@param ... any
---@return neap.task<T> task
---@overload fun(fn: (fun(...): T, ...), ...): neap.task<T>
function neap.spawn(options, fn, ...) end

--- Waits for so many seconds, never less; 0 is a yield.
---@param seconds number
function neap.sleep(seconds) end

--- Waits until `neap.now()` is `t` or more.
---@param t number
function neap.sleep_until(t) end

--- Waits until the other ready tasks have run.
function neap.yield() end

--- Waits for the next step of the host that this script runs in: a game's next
--- frame, say. In a program of its own nobody steps: it waits for ever.
function neap.frame() end

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
--- In Lua code that a C task of a host runs: nil.
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

--- Writes the tree of scopes and tasks to stderr or to anything with a `write`
--- method: what each waits for, since when, where, and who could end that. Tasks
--- that are alike share an entry when there are many; at most 64 KiB. Does not
--- wait itself.
---@param file? {write: fun(self: any, text: string)}
function neap.dump(file) end

--- Functions that are told what happens to tasks. `at` is in nanoseconds, on the
--- system's monotonic clock. They may not wait.
---@class neap.trace_hooks
---@field on_spawn? fun(task: neap.task, at: integer, by: neap.task?)
---@field on_switch? fun(task: neap.task, at: integer)  it goes on
---@field on_wait? fun(task: neap.task, at: integer, what: string)
---@field on_wake? fun(task: neap.task, at: integer, by: neap.task?)  its wait is over
---@field on_end? fun(task: neap.task, at: integer)  its status says how

--- Has functions called with what happens to tasks from now on, instead of those
--- before; nil: no more. They are called between two tasks' turns, in the order
--- of events. One that raises ends the tracing, with a warning. Does not wait.
---@param hooks? neap.trace_hooks
function neap.trace(hooks) end

--- Writes what happens from now on to a file that chrome://tracing and
--- ui.perfetto.dev open; nil ends it, as does the end of the state. Does not wait
--- as a task does: it writes by plain blocking calls.
---@param path? string
---@return true? ok
---@return string? message
---@return string? code
function neap.trace_file(path) end

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
---@generic T
---@param seconds number
---@param fn fun(...): T, ...
---@param ... any
---@return T?
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
---@generic T
---@param fn fun(...): T, ...
---@param ... any
---@return T
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
---@generic T
---@param fns (fun(): T, ...)[]
---@return T ...  the first result of each
function neap.all(fns) end

--- Waits for all functions, whatever becomes of them. Waits.
---@generic T
---@param fns (fun(): T, ...)[]
---@return {ok: boolean, value: T?, err: any}[]
function neap.all_settled(fns) end

--- The results of the function that ends first, or its error; the others are
--- cancelled. Waits.
---@generic T
---@param fns (fun(): T, ...)[]  at least one
---@return T
---@return any ...
function neap.race(fns) end

--- The results of the first function that succeeds; the others are cancelled. All
--- failed: the first error is raised. Waits.
---@generic T
---@param fns (fun(): T, ...)[]  at least one
---@return T
---@return any ...
function neap.any(fns) end

--- Calls `fn(item, index)` for each item, at most `limit` at a time. The first
--- error cancels the rest and is raised. Waits.
---@generic T, R
---@param list T[]
---@param fn fun(item: T, index: integer): R
---@param options? {limit?: integer}  default: all at once
---@return R[] results  in the order of the list
function neap.map(list, fn, options) end

---@class neap.preempt_options
---@field mode? "yield"|"report"  report: who runs for a slice is told on stderr, not stopped

--- From now on Lua code that does not wait gives way when it has used up its slice
--- of CPU time: others run, wherever it stands, in the main script and in its own
--- coroutines as well. nil, or `math.huge`: no longer. A cancelled task that goes on
--- for more than a slice without waiting is raised at. Not in C functions, hooks and
--- finalizers, nor in `neap.nopreempt`. While it is on, `coroutine.resume`, `wrap`,
--- `close` and `debug.gethook`, `sethook` are neap's own, which do the same. Does not
--- wait.
---@param slice number?  seconds of CPU time; 0.01 is a good one
---@param options? neap.preempt_options
function neap.preempt(slice, options) end

--- Calls `fn(...)` without preemption: between two waits nobody else runs. Does not
--- wait itself.
---@generic T
---@param fn fun(...): T, ...
---@param ... any
---@return T  fn's results
---@return any ...
function neap.nopreempt(fn, ...) end

--- Watches from a thread of its own whether the loop is held for longer than that, by
--- Lua code or in C, and tells which task it is and, at the next Lua instruction, where:
--- to `fn(task, traceback)`, which must not wait, or on stderr. Once for each hold.
--- While the loop is still held in C, a line on stderr says who it is. A hold that came
--- to no Lua code is told when it is over, without a traceback, and without the task if
--- that has ended. nil, or `math.huge`: no longer. Does not wait.
---@param seconds number?
---@param fn? fun(task: neap.task?, traceback: string?)
---@return true? ok
---@return string? message
---@return string? code
function neap.watchdog(seconds, fn) end

--- A scope: tasks that end before it does.
---@class neap.scope
local scope = {}

--- `neap.spawn` into this scope, from wherever. An error when the scope has ended;
--- one that waits for its tasks takes what they spawn. Does not wait.
---@generic T
---@param options neap.spawn_options
---@param fn fun(...): T, ...
---@param ... any
---@return neap.task<T>
---@overload fun(self: neap.scope, fn: (fun(...): T, ...), ...): neap.task<T>
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
---@class neap.task<T>
---@field id integer  no other task has or had it
---@field name? string
local task = {}

--- Waits for the task's end and returns its results; raises its error, the same
--- value. Of a cancelled task: an error table with `code = "ECANCELED"`. A join of
--- itself or in a circle raises. Waits.
---@generic T
---@param self neap.task<T>
---@param timeout? number  seconds; 0 tries once. nil, message, "ETIMEDOUT" then
---@return T
---@return any ...
function task:join(timeout) end

--- Waits for the task's end: true and its results, or false and its error. Waits.
---@generic T
---@param self neap.task<T>
---@param timeout? number  seconds; 0 tries once. nil, message, "ETIMEDOUT" then
---@return boolean? ok
---@return T|any  or the error, or the message
---@return any ...
function task:wait(timeout) end

--- What it is doing or what became of it. Does not wait.
---@return "ready"|"running"|"waiting"|"done"|"failed"|"cancelled"
function task:status() end

--- Where it stands, coroutines inside it included; of a failed task where it
--- failed; else nil. Does not wait.
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
---@field detail? string  the same and on what: "conn:read 127.0.0.1:5000"
---@field ran? number  seconds that it ran; where that is counted (NEAP_STATS=1, tracing)

--- Figures of the task. Does not wait.
---@return neap.task_stats
function task:stats() end

--- What `neap.after` returns; a to-be-closed variable.
---@class neap.timer
local timer = {}

--- The function is not called if it has not been yet. Does not wait.
---@return true
function timer:close() end

--- Makes a channel for up to `capacity` values; with 0 (the default) each send
--- meets a receive. `for value in channel do` receives until it is closed; `#channel`
--- is how many values are in it; a to-be-closed variable. What its values are, an
--- annotation says: `---@type neap.channel<string>`. Does not wait.
---@param capacity? integer
---@return neap.channel<any>
function neap.channel(capacity) end

--- Waits for one of several things and does that one; the others have no effect.
--- Cases are `{channel}` (a receive), `{channel, "send", value}`, `{task}`,
--- `{event}`, `{timer}`, `{process}`, `{listener}` (of signals), `{watcher}`, or
--- `{object}` with a metamethod `__select`; one that is `false` is left out. Fair
--- among the ready ones. Returns the number of the case and what its own call
--- returns (of a timer: true when its time has come, or nil, message,
--- "ECANCELED"). With `timeout` (seconds; 0 tries once) nil, message, "ETIMEDOUT".
--- Waits.
---
--- `__select(object, woken)` must not wait. When the object is ready it takes what
--- it gives and returns true and the results; else false and a condition, or an
--- event that is not set, after whose next `notify` or `set` it is asked again (then
--- woken is true).
---@param cases {timeout?: number, [integer]: table|false}
---@return integer? index
---@return any ...
function neap.select(cases) end

--- Makes a mutex. Does not wait.
---@return neap.mutex
function neap.mutex() end

--- Makes a semaphore of `n` units (at least 1), all there. Does not wait.
---@param n integer
---@return neap.semaphore
function neap.semaphore(n) end

--- Makes an event, which is not set. Does not wait.
---@return neap.event
function neap.event() end

--- Makes a condition. With a mutex, whoever waits has locked that. Does not wait.
---@param mutex? neap.mutex
---@return neap.condition
function neap.condition(mutex) end

--- Values from task to task, in the order of the sends.
---@class neap.channel<T>
local channel = {}

--- Hands a value other than nil to a receiver, or puts it into the channel if there
--- is room. nil, "channel is closed", "EPIPE"; it has not been sent then. Waits.
---@generic T
---@param self neap.channel<T>
---@param value T
---@param timeout? number  seconds; 0 tries once. nil, message, "ETIMEDOUT" then
---@return true?
---@return string? message
---@return string? code
function channel:send(value, timeout) end

--- Takes the next value. nil, "channel is closed", "EOF" when there is none and none
--- will come. Waits.
---@generic T
---@param self neap.channel<T>
---@param timeout? number  seconds; 0 tries once. nil, message, "ETIMEDOUT" then
---@return T? value
---@return string? message
---@return string? code
function channel:recv(timeout) end

--- As send, or nil, "channel is full", "EAGAIN". Does not wait.
---@generic T
---@param self neap.channel<T>
---@param value T
---@return true?
---@return string? message
---@return string? code
function channel:try_send(value) end

--- As recv, or nil, "channel is empty", "EAGAIN". Does not wait.
---@generic T
---@param self neap.channel<T>
---@return T? value
---@return string? message
---@return string? code
function channel:try_recv() end

--- Nothing can be sent any more; what is in the channel can still be received. Wakes
--- all that wait on it. May be called again. Does not wait.
---@return true
function channel:close() end

--- A lock that one task has at a time. A task that ends without unlocking it leaves
--- it locked for ever: all who want it get an error that names the task.
---@class neap.mutex
local mutex = {}

--- Locks it, first come, first served. A to-be-closed variable holds it for a block:
--- `local guard <close> = mutex:lock()`. An error if this task has it. Waits.
---@param timeout? number  seconds; 0 tries once. nil, message, "ETIMEDOUT" then
---@return neap.mutex? guard  the mutex itself
---@return string? message
---@return string? code
function mutex:lock(timeout) end

--- As lock, or nil, "mutex is locked by task …", "EAGAIN". Does not wait.
---@return neap.mutex? guard
---@return string? message
---@return string? code
function mutex:try_lock() end

--- Hands it to the first that waits. An error unless this task has it. Does not wait.
---@return true
function mutex:unlock() end

--- A number of units that tasks take and give back.
---@class neap.semaphore
local semaphore = {}

--- Takes a unit, first come, first served. The permit is a to-be-closed variable that
--- gives it back. Waits.
---@param timeout? number  seconds; 0 tries once. nil, message, "ETIMEDOUT" then
---@return neap.permit?
---@return string? message
---@return string? code
function semaphore:acquire(timeout) end

--- As acquire, or nil, "semaphore is used up", "EAGAIN". Does not wait.
---@return neap.permit?
---@return string? message
---@return string? code
function semaphore:try_acquire() end

--- Gives a unit back that was taken without keeping the permit. An error when all are
--- there. Does not wait.
---@return true
function semaphore:release() end

--- A unit of a semaphore; a to-be-closed variable.
---@class neap.permit
local permit = {}

--- Gives the unit back. Only the first time counts. Does not wait.
---@return true
function permit:release() end

--- A flag to wait for.
---@class neap.event
local event = {}

--- Sets it: all that wait go on, even if it is cleared at once. Does not wait.
function event:set() end

--- Does not wait.
function event:clear() end

--- Waits until it is set.
---@param timeout? number  seconds; 0 tries once. nil, message, "ETIMEDOUT" then
---@return true?
---@return string? message
---@return string? code
function event:wait(timeout) end

--- Does not wait.
---@return boolean
function event:is_set() end

--- News to wait for. They are for those who wait already, and not kept.
---@class neap.condition
local condition = {}

--- Waits for a notify. A mutex that came with the condition is free meanwhile, and
--- locked again afterwards, whatever ends the wait; so look again at what you wait for.
---@param timeout? number  seconds; 0 tries once. nil, message, "ETIMEDOUT" then
---@return true?
---@return string? message
---@return string? code
function condition:wait(timeout) end

--- Wakes the first `n` (default 1) that wait. Does not wait.
---@param n? integer
---@return integer woken
function condition:notify(n) end

--- Wakes all that wait. Does not wait.
---@return integer woken
function condition:notify_all() end

--- An error that neap raises as a value: `tostring` gives its message.
---@class neap.error
---@field code string  "ECANCELED", …
---@field message string
---@field reason? any

--- What keeps a `neap.await` together; scripts never see one.
---@class neap.await
