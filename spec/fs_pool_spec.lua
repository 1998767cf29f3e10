-- The specs of files once more with everything left to the thread pool.
local support = require("spec.support")

describe("NEAP_FS=pool", function()
  local names = {
    "fs", "fs_atomic", "file", "file_at", "file_behind", "file_end", "file_lock",
  }
  for _, name in ipairs(names) do
    it("changes nothing for spec/" .. name .. "_spec.lua", function()
      local output, status = support.sh(
        (support.in_memory .. "NEAP_FS=pool %s $(command -v busted) --output=plainTerminal"
          .. " spec/%s_spec.lua"):format(
          os.getenv("LUA") or "lua5.4", name))
      assert(status == 0, output)
    end)
  end
end)
