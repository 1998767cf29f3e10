-- The figures of a host that owns the frame loop.
-- usage: lua5.4 bench/embed.lua [name...]    see README.md

package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local harness = require("harness")

local SLEEPING, WOKEN = 10000, 1000

local function side(...)
  return harness.program(harness.command(harness.peers .. "embed", ...))
end

harness.main({
  {
    name = "idle",
    title = "a frame, 10,000 asleep, nothing due",
    unit = "ns",
    neap = side("idle", "neap", SLEEPING),
    peer = side("idle", "poll"),
    peer_name = "uv_run that polls",
    most = 1.5,
  },
  {
    name = "idle-empty",
    title = "the same beside a loop without a handle",
    unit = "ns",
    neap = side("idle", "neap", SLEEPING),
    peer = side("idle", "uv"),
    peer_name = "empty uv_run",
    most = 1.5,
  },
  {
    name = "wake",
    title = "waking one of 1,000 tasks in a frame",
    unit = "ns",
    neap = side("wake", "neap", WOKEN),
    peer = side("wake", "lua", WOKEN),
    peer_name = "lua_resume",
    most = 1.6,
  },
}, arg)
