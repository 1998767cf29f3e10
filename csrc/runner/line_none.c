/* line_none.c: no readline: plain lines. */
#include "runner/line.h"

void runner_line_push(lua_State *L) {
  lua_pushnil(L);
}
