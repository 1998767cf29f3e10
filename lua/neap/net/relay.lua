-- net.relay: two connections joined: what comes from the one goes to the other,
-- both ways, until both have ended. Loaded by neap.net at first use.
--
-- The end of one direction is passed on (half-close), and the other goes on. So
-- it does when a peer does not take any more: what it has sent before is still
-- delivered. Any other failure ends both directions.

local neap = require("neap")
local net = require("neap.net")

-- A peer that takes no more may still have said something.
local takes_no_more = { EPIPE = true, ECONNRESET = true }

local names = { "first", "second" }

---@class neap.net.relay.State
---@field scope neap.scope
---@field sent integer[] by source
---@field tell? fun(first: integer, second: integer)
---@field message? string of the first failure
---@field code? string

---@param state neap.net.relay.State
local function note(state, what, name, message, code)
  if not state.code then
    state.message, state.code = ("%s %s: %s"):format(what, name, message), code
  end
end

-- One direction, from ends[at] to the other.
---@param state neap.net.relay.State
local function carry(state, ends, at)
  local other = 3 - at
  local count, message, code, _, side = net.copy(ends[at], ends[other], {
    progress = function(n)
      state.sent[at] = n
      if state.tell then
        state.tell(state.sent[1], state.sent[2])
      end
    end,
  })
  local done
  if count then
    side = "write"
    done, message, code = ends[other]:shutdown()
    if done then
      return
    end
  end
  if side == "write" then
    note(state, "write to", names[other], message, code)
  else
    note(state, "read from", names[at], message, code)
  end
  if side == "read" or not takes_no_more[code] then
    state.scope:cancel("the relay has failed")
  end
end

return function(a, b, options)
  local state = { sent = { 0, 0 }, tell = options and options.progress }
  local ends = { a, b }
  neap.scope(function(scope)
    state.scope = scope
    scope:spawn(carry, state, ends, 2)
    carry(state, ends, 1)
  end)
  if state.code then
    return nil, state.message, state.code, state.sent[1], state.sent[2]
  end
  return state.sent[1], state.sent[2]
end
