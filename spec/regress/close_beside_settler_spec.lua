-- A writer waited until the full buffer before its own was written. It was woken,
-- and before it ran another task closed the file: the close took the turn from
-- the writer, which then wrote beside it, the same bytes again, from a buffer
-- that the close had freed.
local support = require("spec.support")

-- Goes out in pieces of some bytes in the hostile build.
local size = support.variant == "hostile" and 4096 or 1 << 20

describe("a file that is closed when its writer has just been woken", function()
  it("is closed after the write", function()
    local dir <close> = support.tempdir()
    -- Both jobs are over before the loop looks: it wakes the closer and the
    -- writer in one go. In which order they are over is the pool's business.
    local output, status = support.lua(([[
      local neap = require("neap")
      local fs = require("neap.fs")
      local path = %q
      local full, more = ("x"):rep(%d), ("y"):rep(%d)
      for round = 1, %d do
        local file = assert(fs.open(path, "w"))
        local closer = neap.spawn(function()
          neap.offload("return 1")
          assert(file:close())
        end)
        neap.yield()
        assert(file:write(full))
        local writer = neap.spawn(function()
          return file:write(more)
        end)
        neap.yield()
        local busy = os.clock() + 0.004
        while os.clock() < busy do end
        closer:join()
        local wrote = writer:join()
        local want = wrote and full .. more or full
        local got = assert(fs.readfile(path))
        -- A write that was called off may have left its bytes all the same.
        assert(got == want or got == full .. more, ("round %%d: %%d bytes"):format(round, #got))
      end
    ]]):format(dir .. "/file", size, size, support.count(20, 200)))
    assert.equal("", output)
    assert.equal(0, status)
  end)
end)
