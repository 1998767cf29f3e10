-- The prompt of the neap command: through a pipe, and at a terminal with
-- readline.
local neap = require("neap")
local program = require("spec.support.program")
local pty = require("spec.support.pty")
local repl = require("neap.repl")
local support = require("spec.support")

local quote = support.quote
local runner = (os.getenv("NEAP_VARIANT_DIR") or "build") .. "/neap"
if runner:sub(1, 1) ~= "/" then
  runner = support.root() .. "/" .. runner
end

-- What `neap -i` prints for this input, without its version and prompts, and its
-- status.
local function answers(input)
  local dir <close> = support.tempdir()
  support.spit(dir .. "/in", input)
  local output, status = support.sh(("timeout 60 %s -i <%s"):format(quote(runner),
    quote(dir .. "/in")))
  local plain = output:gsub("^neap [^\n]*\n", ""):gsub("%f[>]>>? ", "")
  return plain:gsub("\n$", ""), status
end

describe("the prompt, through a pipe,", function()
  it("prints what expressions give", function()
    assert.equal("2\n4\na\tnil\t3\n", (answers('1+1\n=2+2\n"a", nil, 3\nx = 1\nnil()')
      :gsub("stdin.*", "")))
  end)

  it("goes on over lines", function()
    assert.equal("1\n2\n", (answers("for i = 1, 2 do\nprint(i)\nend\n")))
    assert.equal("a\nb\n", (answers("[[a\nb]]\n")))
  end)

  it("keeps globals, and has neap", function()
    assert.equal("5\ttrue\n", (answers('x = 5\nx, neap == require("neap")\n')))
  end)

  it("waits in a line while tasks go on", function()
    assert.equal("task\nline\n", (answers([[
      done = neap.channel()
      t = neap.spawn(function() print("task") done:send("line") end)
      done:recv()]]):gsub("^%s+", "")))
  end)

  it("runs what lines have left to its end", function()
    local output, status = answers(
      't = neap.spawn(function() neap.sleep(0.01) print("late") end)\n')
    assert.equal("\nlate", output)
    assert.equal(0, status)
  end)

  it("tells errors, with the line's own traceback, and goes on", function()
    local output, status = answers('error("boom")\nerror({})\nx = = 1\n1\n')
    assert.equal(table.concat({
      "stdin:1: boom", "stack traceback:", "\t[C]: in function 'error'",
      "\tstdin:1: in main chunk", "\t[C]: in ?",
      "(error object is a table value)", "stack traceback:", "\t[C]: in function 'error'",
      "\tstdin:1: in main chunk", "\t[C]: in ?",
      "stdin:1: unexpected symbol near '='", "1", "",
    }, "\n"), (output:gsub("in global 'error'", "in function 'error'"))) -- Lua 5.5's
    assert.equal(0, status)
  end)

  it("tells of an incomplete end", function()
    local output, status = answers("for i = 1, 2 do\n")
    assert(output:find("'end' expected (to close 'for' at line 1) near <eof>", 1, true), output)
    assert.equal(0, status)
  end)

  it("ends a line that nothing can end", function()
    local output = answers("neap.channel():recv()\n'on'\n")
    assert(output:find("deadlock: nothing can end this wait", 1, true), output)
    assert(output:find("\non\n", 1, true), output)
  end)

  it("follows -e, -l and a script, and _PROMPT", function()
    local dir <close> = support.tempdir()
    support.spit(dir .. "/script.lua", "y = 2")
    local output, status = support.sh(
      ("cd %s && echo 'x, y' | %s -e '_PROMPT=\"? \" x = 1' -i script.lua"):format(
        quote(dir.path), quote(runner)))
    assert(output:find("? 1\t2\n", 1, true), output)
    assert.equal(0, status)
  end)

  it("survives garbage, bytecode and a line of 1 MB", function()
    -- The hostile build reads a byte at a time.
    local size = support.variant == "hostile" and 20000 or 1000000
    local random = {}
    for i = 1, size // 50 do
      random[i] = string.char((i * 7919 + i // 13 * 104729) % 256)
    end
    local output, status = answers(table.concat(random) .. "\n" ..
      string.dump(function() end):gsub("\n", "") .. "\n" ..
      '#"' .. ("x"):rep(size) .. '"\n')
    assert.equal(0, status)
    assert(output:find("\n" .. size .. "\n$"), output:sub(-200))
    assert(output:find("attempt to load a binary chunk", 1, true))
  end)
end)

describe("the prompt, at a terminal,", function()
  local function start()
    -- env: a shell has its background jobs ignore SIGINT.
    local self = program.start(("exec env --default-signal=INT TERM=dumb INPUTRC=/dev/null " ..
      "timeout --foreground 60 %s 80 24 %s"):format(quote(pty.program()), quote(runner)))
    self:expect("^neap %d.*Lua")
    return self
  end

  it("reads on while tasks run, and lines wait", function()
    local self <close> = start()
    self:send('neap.spawn(function() neap.sleep(0.01) print("be" .. "hind") end)\n')
    self:expect("behind%s*$")
    self:send('neap.sleep(0.001) print("wai" .. "ted")\n')
    self:expect("^waited")
    -- The terminal is the line editor's when the prompt is there.
    self:send('_PROMPT = "ready\\n> "\n')
    self:expect("^ready")
    self:send("\4")
    local _, status = self:finish()
    assert.equal(0, status)
  end)

  it("knows several lines, history and completion", function()
    local self <close> = start()
    self:send("for i = 1, 2 do\n")
    self:send('print("n" .. i)\n')
    self:send("end\n")
    self:expect("^n2")
    self:send("count = (count or 40) + 1 print('count', count)\n")
    self:expect("^count\t*%s*41")
    self:send("\16\n") -- Ctrl-P: the line before
    self:expect("^count\t*%s*42")
    self:send("print(neap.hrt\t() > 0, 'comple' .. 'ted')\n")
    self:expect("^true%s+completed")
    self:send("os.exit(3)\n")
    local output = self:finish()
    assert(output:find("[exit 3, cooked]", 1, true), output)
  end)

  it("has Ctrl-C end the running line alone", function()
    local self <close> = start()
    self:send('t = neap.spawn(function() neap.sleep(3600) end)\n')
    self:send('print("be" .. "gun") neap.sleep(3600)\n')
    self:expect("^begun")
    self:send("\3")
    self:expect("interrupted")
    self:send('print("sp" .. "ins") while true do end\n')
    self:expect("^spins")
    self:send("\3")
    self:expect("interrupted")
    self:send("print('it', t:status())\n")
    self:expect("^it\t*%s*waiting")
    self:send("os.exit(0)\n")
    self:finish()
  end)

  it("has Ctrl-C clear the line that is being typed", function()
    local self <close> = start()
    self:send('_PROMPT = "ready\\n> "\n')
    self:expect("^ready")
    self:send("print('typed' .. ' in vain')\3")
    self:expect("%^C")
    self:send("print('st' .. 'ill')\n")
    self:expect("^still")
    self:expect("^ready")
    self:send("\4")
    local output = self:finish()
    assert.is_nil(output:find("typed in vain", 1, true))
    assert(output:find("[exit 0, cooked]", 1, true), output)
  end)

  it("leaves the terminal as it was when a task ends the process", function()
    local self <close> = start()
    self:send("neap.after(0.01, neap.exit, 4)\n")
    local output = self:finish()
    assert(output:find("[exit 4, cooked]", 1, true), output)
  end)
end)

describe("completion", function()
  it("knows globals, keywords and fields", function()
    assert.same({ "string" }, repl.complete("strin"))
    assert.same({ "repeat", "require", "return" }, repl.complete("re"))
    assert.same({ "string.gmatch", "string.gsub" }, repl.complete("string.g"))
    assert.same({}, repl.complete("nothing.at.all"))
    assert.same({}, repl.complete("string.format.x"))
  end)

  it("knows methods of userdata and what metatables have", function()
    assert.same({ "io.stdout:seek", "io.stdout:setvbuf" }, repl.complete("io.stdout:se"))
    _G.completed = setmetatable({ alpha = 1 }, { __index = { alphabet = print } })
    assert.same({ "completed.alpha", "completed.alphabet" }, repl.complete("completed.al"))
    assert.same({ "completed:alphabet" }, repl.complete("completed:al"))
    _G.completed = nil
  end)

  it("survives an __index that raises, and names that are none", function()
    _G.raising = setmetatable({ ["not a name"] = 1, fine = 2 }, { __index = error })
    assert.same({ "raising.fine" }, repl.complete("raising."))
    assert.same({}, repl.complete("raising.x.y"))
    _G.raising = nil
  end)

  it("knows the parts of neap that are there from their first use on", function()
    _G.neap = neap
    for _, name in ipairs({ "fs", "net", "process", "signal", "tty", "stdin", "map", "testing" }) do
      local found = false
      for _, word in ipairs(repl.complete("neap." .. name)) do
        found = found or word == "neap." .. name
      end
      assert.is_true(found, name)
      assert(neap[name], name)
    end
    _G.neap = nil
  end)
end)
