-- neap.cli: what the `neap` command (csrc/runner/main.c) does with neap: the
-- options that watch tasks, the prompt, `neap test`, and the end of a script.
local neap = require("neap")

local cli = {}

--- Begins what the options ask for.
---@param options {preempt?: number, watchdog?: number, trace?: string}
function cli.watch(options)
  if options.preempt then
    neap.preempt(options.preempt)
  end
  if options.watchdog then
    assert(neap.watchdog(options.watchdog))
  end
  if options.trace then
    assert(neap.trace_file(options.trace))
  end
end

local function cancel_others(reason)
  local me = neap.current().id
  for _, task in ipairs(neap.tasks()) do
    if task.id ~= me then
      task:cancel(reason)
    end
  end
end

--- The main script has ended. Its tasks go on to their ends; after a failure, and
--- after Ctrl-C, they clean up. Waits.
---@param failed boolean
---@param interrupted fun(): boolean
---@return boolean|string ok  or the message for stderr
function cli.finish(failed, interrupted)
  if failed then
    cancel_others("the main script has failed")
  end
  local ok, err
  if not interrupted() then
    ok, err = pcall(neap.run)
  end
  if interrupted() then
    -- Main is cancelled as well, and for good: only a shield lets it wait.
    ok, err = pcall(neap.shield, neap.run)
  end
  return ok or interrupted() or tostring(err)
end

--- The interactive mode. Waits.
---@param line table?  csrc/runner/line.h
---@return boolean
function cli.prompt(line)
  require("neap.repl").run(line)
  return true
end

--- `neap test`: see neap.testing.command. Waits.
---@param arguments string[]
---@return boolean
function cli.test(arguments)
  return require("neap.testing.command")(arguments)
end

return cli
