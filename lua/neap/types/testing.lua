---@meta neap.testing

--- Tests of concurrent code that take no time and leave nothing behind. No test
--- framework is needed: what goes wrong is a Lua error.
---@class neap.testing
local testing = {}

---@class neap.testing.options
---@field clock? "real"|"virtual"  virtual: time jumps when nobody can go on
---@field timeout? number  seconds of that clock, after which the test has failed
---@field seed? integer  shuffles the ready tasks; 0 or nil: first come, first served

--- Calls `fn(...)` in a task of its own and waits for it; returns its results,
--- raises its error. It is an error as well if a task failed that nobody has
--- asked for, or if tasks or handles that the test has made are left when it has
--- ended and all others wait: with their dump. What is left is cancelled then.
--- Failures are strings that name the seed; other error values stay as they are.
---
--- With a virtual clock sleeps, timeouts and `neap.now` cost no time; while
--- somebody waits for the world (a connection, a file, a process), time passes as
--- it does there. Waits.
---@param fn fun(): any ...
---@param options? neap.testing.options
---@return any ... fn's results
function testing.run(fn, options) end

--- Waits until every other task waits: until nothing more will happen by itself.
--- No time passes. It is an error when they never do. Waits.
function testing.settle() end
