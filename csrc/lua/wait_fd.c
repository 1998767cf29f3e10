/* wait_fd.c: neap.wait_fd. */
#include "lua/wait_fd.h"

#include <limits.h>
#include <stdio.h>
#include <uv.h>

/* neap.wait_fd(fd, "r"|"w"|"rw" [, timeout]) -> events | nil, message, code.
   Waits. */
static int neap_wait_fd_function(lua_State *L) {
  static const char *const names[] = {"r", "w", "rw", NULL};
  lua_Integer fd = luaL_checkinteger(L, 1);
  luaL_argcheck(L, fd >= 0 && fd <= INT_MAX, 1, "descriptor out of range");
  int events = luaL_checkoption(L, 2, NULL, names) + 1;
  uint64_t limit_ns = neapL_optseconds(L, 3, NEAP_FOREVER);
  neap_rt *rt = neapL_waitrt(L);
  uint64_t due = neap__timer_after(rt, limit_ns);
  int got = neap_wait_fd(rt, (int)fd, events, due);
  if (got > 0) {
    lua_pushstring(L, names[got - 1]);
    return 1;
  }
  if (got == UV_ETIMEDOUT)
    return neapL_timedout(L, (double)limit_ns / 1e9);
  char what[40];
  snprintf(what, sizeof what, "descriptor %d", (int)fd);
  return neapL_fail(L, got, what);
}

void neapL_wait_fd_open(lua_State *L, struct neapL *N) {
  static const luaL_Reg functions[] = {{"wait_fd", neap_wait_fd_function},
                                       {NULL, NULL}};
  neapL_setfuncs(L, N, functions);
}
