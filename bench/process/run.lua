-- Prints the time to run a program to its end, its output collected, in us.
-- usage: run.lua neap|luv n in_flight program

local hrtime = require("luv").hrtime

local n, in_flight, program = tonumber(arg[2]), tonumber(arg[3]), arg[4]

local sides = {}

function sides.neap()
  local neap = require("neap")
  local process = require("neap.process")
  local left = n
  local function work()
    while left > 0 do
      left = left - 1
      assert(process.run({ program }).code == 0)
    end
  end
  for _ = 1, in_flight do
    neap.spawn(work)
  end
  neap.run()
end

function sides.luv()
  local uv = require("luv")
  local left = n
  local function start()
    if left == 0 then
      return
    end
    left = left - 1
    local out, err = uv.new_pipe(false), uv.new_pipe(false)
    local open, process = 3, nil
    local function closed()
      open = open - 1
      if open == 0 then
        start()
      end
    end
    process = uv.spawn(program, { stdio = { nil, out, err } }, function(code)
      assert(code == 0)
      process:close(closed)
    end)
    assert(process)
    for _, pipe in ipairs({ out, err }) do
      local text = {}
      pipe:read_start(function(failure, data)
        assert(not failure, failure)
        text[#text + 1] = data
        if not data then
          pipe:close(closed)
        end
      end)
    end
  end
  for _ = 1, in_flight do
    start()
  end
  uv.run()
end

local begun = hrtime()
sides[arg[1]]()
print((hrtime() - begun) / n / 1e3)
