-- neap.h alone, and every ```c block of docs/guide/c.md: each is a program that
-- is compiled as its reader would, and prints what its comments say.
local support = require("spec.support")

local folder = os.getenv("NEAP_VARIANT_DIR") or "build/test"
local root = support.root()

local function compile(command, ...)
  local output, status = support.sh(command:format(...))
  assert(status == 0, output)
  assert.equal("", output)
end

-- What the comments behind code say is printed: `printf(..); /* 49 */`, or one
-- in a line of its own right below.
local function expected(source)
  local lines, printing = {}, false
  for line in source:gmatch("[^\n]+") do
    local comment = line:match("/%*%s*(.-)%s*%*/%s*$")
    if comment and (line:find("printf", 1, true) or printing and line:match("^%s*/%*")) then
      lines[#lines + 1] = comment
    end
    printing = line:find("printf", 1, true) ~= nil
  end
  return table.concat(lines, "\n") .. "\n"
end

describe("docs/guide/c.md", function()
  local text = support.slurp("docs/guide/c.md")
  local number = 0
  for source in text:gmatch("\n```c\n(.-)```") do
    number = number + 1
    local name = "block " .. number
    it("compiles and runs " .. name, function()
      local dir <close> = support.tempdir()
      local path = support.spit(dir .. "/block.c", source)
      local flags = support.slurp(folder .. "/examples/flags"):gsub("\n", " ")
      compile("gcc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -I%s/csrc/include"
        .. " -o %s/block %s %s 2>&1", support.quote(root), support.quote(dir.path),
        support.quote(path), flags)
      local output, status = support.sh("timeout 30 " .. support.quote(dir .. "/block") .. " 2>&1")
      assert.equal(0, status)
      assert.equal(expected(source), output)
    end)
  end

  it("has them", function()
    assert(number >= 4, number)
  end)
end)

describe("neap.h", function()
  -- Without _GNU_SOURCE, and without libuv's header.
  for _, how in ipairs({ "gcc -x c -std=c11", "gcc -x c -std=c17", "g++ -x c++ -std=c++17" }) do
    it("compiles alone by " .. how, function()
      local dir <close> = support.tempdir()
      local path = support.spit(dir .. "/alone",
        "#include <neap.h>\nint main(void) { return !neap_version(); }\n")
      compile("%s -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I%s/csrc/include %s 2>&1", how,
        support.quote(root), support.quote(path))
    end)
  end

  it("is linked from C++ as it is", function()
    local dir <close> = support.tempdir()
    local path = support.spit(dir .. "/host.cpp", [[
#include <neap.h>
#include <cstdio>
static int task(neap_rt *rt, void *) {
  try {
    neap_yield(rt);
    throw 42;
  } catch (int caught) {
    return caught;
  }
}
int main() {
  neap_rt *rt;
  neap_task *first;
  int result = 0;
  if (neap_new(nullptr, &rt) < 0 || neap_spawn(rt, task, nullptr, nullptr, &first) < 0)
    return 1;
  neap_join(first, &result);
  neap_task_unref(first);
  neap_free(rt);
  std::printf("%d\n", result);
}
]])
    local flags = support.slurp(folder .. "/examples/flags"):gsub("\n", " ")
    compile("g++ -std=c++17 -Wall -Wextra -Werror -I%s/csrc/include -o %s/host %s %s 2>&1",
      support.quote(root), support.quote(dir.path), support.quote(path), flags)
    local output, status = support.sh(support.quote(dir .. "/host"))
    assert.equal(0, status)
    assert.equal("42\n", output)
  end)
end)
