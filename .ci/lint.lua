-- Part of ./dev lint: sizes and banned calls of csrc, and sizes of lua/. Prints
-- each finding with its place, and fails if there is one that .ci/lint-allow
-- does not give a reason for.

local max_function, max_file = 80, 450

-- A call that has no place in csrc, and what to use, or where it may stand.
local banned = {
  malloc = "neap__mem_*", calloc = "neap__mem_*", realloc = "neap__mem_*", free = "neap__mem_*",
  strdup = "neap__mem_*", strndup = "neap__mem_*", asprintf = "snprintf", vasprintf = "vsnprintf",
  alloca = "heap: frames of waiting tasks are copied",
  sprintf = "snprintf", vsprintf = "vsnprintf", strcpy = "memcpy", strcat = "memcpy",
  strncpy = "memcpy", strncat = "memcpy", gets = "fgets", atoi = "strtol", atol = "strtol",
  atof = "strtod", strtok = "strchr", printf = "a stream the caller names",
  puts = "a stream the caller names",
  abort = "assert, or an error code", exit = "an error code", _exit = "an error code",
  sleep = "a timer", usleep = "a timer", nanosleep = "a timer",
  getenv = "an option", setenv = "an option", system = "uv_spawn", popen = "uv_spawn",
  fork = "uv_spawn", signal = "sigaction", rand = "the runtime's own numbers",
  strerror = "neapL_strerror",
  localtime = "localtime_r", gmtime = "gmtime_r", setjmp = "error codes", longjmp = "error codes",
  uv_run = "parking: only the driver runs the loop",
  uv_queue_work = "neap__job_run, which holds the caps",
}

-- Files that may use a call: the one place its job is done.
local homes = {
  ["csrc/core/mem.c"] = { "malloc", "calloc", "realloc", "free" },
  ["csrc/core/driver.c"] = { "uv_run", "exit" },
  ["csrc/core/step.c"] = { "uv_run" }, -- a step of our own loop, which never blocks
  ["csrc/io/spawn.c"] = { "_exit" }, -- of a child that could not run its program
  ["csrc/core/rt.c"] = { "getenv", "uv_run" },
  ["csrc/io/job.c"] = { "uv_queue_work", "getenv" }, -- libuv's UV_THREADPOOL_SIZE
  ["csrc/io/listen.c"] = { "getenv" }, -- systemd's LISTEN_FDS
  ["csrc/io/tls_load.c"] = { "getenv" }, -- OpenSSL's SSL_CERT_FILE
  ["csrc/lua/neapl.c"] = { "strerror" }, -- as Lua's own io does
  ["csrc/core/overflow.c"] = { "signal" }, -- in a signal handler, back to the default
  ["csrc/lua/open.c"] = { "exit" }, -- where the driver carries out neap.exit
  ["csrc/runner/main.c"] = { "getenv", "strerror" }, -- LUA_INIT; no binding there
  ["csrc/runner/interrupt.c"] = { "_exit" }, -- the second Ctrl-C
  -- readline frees what we give it, and we what it gives us.
  ["csrc/runner/line_readline.c"] = { "strdup", "free" },
}

local allowed, used = {}, {}
for line in io.lines(".ci/lint-allow") do
  if line:match("%S") and line:sub(1, 1) ~= "#" then
    local kind, place, reason = line:match("^(%l+) (%S+) (.+)$")
    assert(reason, ".ci/lint-allow: no reason in: " .. line)
    allowed[kind .. " " .. place] = true
  end
end

local findings = 0

local function found(kind, place, line, what)
  local key = kind .. " " .. place
  if allowed[key] then
    used[key] = true
    return
  end
  findings = findings + 1
  print(("%s:%d: %s"):format(place:match("^[^:]+"), line, what))
end

local function lines_of(path)
  local list = {}
  for line in io.lines(path) do
    list[#list + 1] = line
  end
  return list
end

-- The same number of lines, without comments, strings and character constants.
local function code_lines(path)
  local file <close> = assert(io.open(path))
  local text = file:read("a")
  local function blank(part)
    return (part:gsub("[^\n]", ""))
  end
  text = text:gsub("\\[\"'\\]", ""):gsub('"[^"\n]*"', '""'):gsub("'[^'\n]*'", "''")
  text = text:gsub("/%*.-%*/", blank):gsub("//[^\n]*", "")
  local list = {}
  for line in (text .. "\n"):gmatch("(.-)\n") do
    list[#list + 1] = line
  end
  return list
end

local function check_file_size(path, count)
  if count > max_file then
    found("size", path, 1, ("%d lines, more than %d"):format(count, max_file))
  end
end

-- clang-format puts a function's name and its closing brace at the margin.
local function check_c(path)
  local home = {}
  for _, name in ipairs(homes[path] or {}) do
    home[name] = true
  end
  check_file_size(path, #lines_of(path))
  local name, start, inside
  for number, line in ipairs(code_lines(path)) do
    if not inside and line:match("^[%a_]") then
      name = line:match("([%w_]+)%(") or name
      start = number
    end
    if not inside and line:match("%)%s*{$") then
      inside = true
    elseif inside and line:match("^}") then
      inside = false
      local length = number - start + 1
      if length > max_function then
        found("size", path .. ":" .. name, start, ("%s has %d lines"):format(name, length))
      end
    end
    for before, call in line:gmatch("(.?.?)%f[%w_]([%a_][%w_]*)%s*%(") do
      local member = before:match("%.$") or before == "->"
      if inside and banned[call] and not home[call] and not member then
        found("call", path .. ":" .. name, number, ("%s: use %s"):format(call, banned[call]))
      end
    end
  end
end

local function each(command, visit)
  local pipe = assert(io.popen(command))
  for path in pipe:lines() do
    visit(path)
  end
  assert(pipe:close())
end

each("find csrc -name '*.[ch]' | sort", check_c)
each("find lua csrc -name '*.lua' -o -name '*.S' | sort", function(path)
  check_file_size(path, #lines_of(path))
end)

for key in pairs(allowed) do
  if not used[key] then
    findings = findings + 1
    print(".ci/lint-allow: no longer needed: " .. key)
  end
end
os.exit(findings == 0)
