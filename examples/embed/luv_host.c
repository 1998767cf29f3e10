/*
 * luv_host.c: luv's callbacks and neap's tasks on one loop, the host's. It is
 * given to both before either makes one of its own. The host runs it, luv's
 * callbacks run inside that, tasks after each of its polls.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <luv/luv.h>
#include <neap_lua.h>

#include <stdio.h>
#include <uv.h>

static const char script[] =
    "local neap, uv = require('neap'), require('luv')\n"
    "local function on_timer(timer, done)\n"
    "  timer:close()\n"
    "  print(\"luv's callback\")\n"
    /* it stands on the host's stack */
    "  local waited = pcall(neap.sleep, 0)\n"
    "  print(waited and 'may wait' or 'may not wait itself')\n"
    "  neap.spawn(function()\n"
    "    neap.sleep(0.01)\n"
    "    print('a task that the callback has started')\n"
    "  end)\n"
    "  done('a task that waited for it')\n"
    "end\n"
    "neap.spawn(function()\n"
    "  print(neap.await(function(done)\n"
    "    local timer = uv.new_timer()\n"
    "    timer:start(10, 0, function() on_timer(timer, done) end)\n"
    "  end))\n"
    "end)\n";

static int run(lua_State *L, uv_loop_t *loop) {
  neap_options runtime = {.size = sizeof runtime, .loop = loop};
  neap_lua_options options = {.size = sizeof options, .runtime = &runtime};
  luv_set_loop(L, loop); /* before luv makes one */
  luaL_requiref(L, "luv", luaopen_luv, 0);
  lua_pop(L, 1);
  int err = neap_lua_open(L, &options);
  if (err < 0) {
    fprintf(stderr, "luv_host: %s\n", uv_strerror(err));
    return 1;
  }
  if (luaL_dostring(L, script) != LUA_OK) {
    fprintf(stderr, "luv_host: %s\n", lua_tostring(L, -1));
    return 1;
  }
  /* Until neither luv's handles nor neap's tasks keep it. */
  uv_run(loop, UV_RUN_DEFAULT);
  return 0;
}

int main(void) {
  uv_loop_t loop;
  lua_State *L = luaL_newstate();
  if (L == NULL || uv_loop_init(&loop) < 0)
    return 1;
  luaL_openlibs(L);
  int status = run(L, &loop);
  lua_close(L); /* closes the handles of both */
  if (uv_loop_close(&loop) < 0) {
    fprintf(stderr, "luv_host: something was left open\n");
    status = 1;
  }
  return status;
}
