-- lua_close finalizes the newest object first: an expat parser that a waiting
-- task stands in was freed before the task was unwound, and the process died.
local support = require("spec.support")

local script = [[
  local neap = require("neap")
  local lxp = require("lxp")
  neap.spawn(function()
    local parser = lxp.new({
      StartElement = function()
        local c <close> = setmetatable({}, { __close = function() print("unwound") end })
        neap.sleep(100)
      end,
    })
    parser:parse("<a><b/></a>")
  end)
  %s
]]

describe("a task that waits in a parser's callback", function()
  for how, last in pairs({
    ["the script's end"] = "neap.sleep(0.001)",
    ["os.exit in main"] = "neap.sleep(0.001) os.exit(0, true)",
    ["os.exit in a task"] = [[
      neap.spawn(function() neap.sleep(0.001) os.exit(0, true) end)
      neap.run()
    ]],
  }) do
    it("is unwound before the parser goes, at " .. how, function()
      local dir <close> = support.tempdir()
      local path = support.spit(dir .. "/script.lua", script:format(last))
      local output, status = support.sh((os.getenv("LUA") or "lua5.4") .. " " .. path)
      assert.equal("unwound\n", output)
      assert.equal(0, status)
    end)
  end
end)
