/*
 * popen.c: process.popen: a file at the other end of which a shell command
 * reads or writes. What closing it returns is io.popen's.
 */
#include "lua/process.h"

#include "lua/compat.h"
#include "lua/file.h"

#include <string.h>
#include <uv.h>

/* Waits for its end; a cancelled task does not leave it behind. */
static int end_process(neap_process *process, neap_status *status) {
  int err = neap_process_wait(process, NEAP_NEVER, NULL);
  if (err <= NEAP_CANCELLED)
    err = neap_process_close(process);
  return err < 0 ? err : neap_process_result(process, status);
}

int neapL_popen_pushstatus(lua_State *L, neap_status status) {
  if (status.code == 0 && status.signal == 0)
    lua_pushboolean(L, true);
  else
    lua_pushnil(L);
  lua_pushstring(L, status.signal == 0 ? "exit" : "signal");
  lua_pushinteger(L, status.signal == 0 ? status.code : status.signal);
  return 3;
}

static int closed(lua_State *L, struct neapL_file *box, int err) {
  neap_process *process = box->process;
  neap_status status;
  box->process = NULL;
  int end_err = end_process(process, &status);
  neap_process_free(process);
  if (err == 0)
    err = end_err;
  return err < 0 ? neapL_file_fail(L, box, err)
                 : neapL_popen_pushstatus(L, status);
}

static void dropped(struct neapL_file *box) {
  neap_process_free(box->process);
  box->process = NULL;
}

static const struct neapL_file_tail popen_tail = {.closed = closed,
                                                  .dropped = dropped};

int neapL_popen_with(lua_State *L,
                     struct neapL_file *(*new_file)(lua_State *L)) {
  const char *command = neapL_checkpath(L, 1);
  const char *mode = luaL_optstring(L, 2, "r");
  luaL_argcheck(L, strcmp(mode, "r") == 0 || strcmp(mode, "w") == 0, 2,
                "invalid mode");
  neap_rt *rt = neapL_waitrt(L);
  int piped = mode[0] == 'r' ? 1 : 0;
  char *const argv[] = {"sh", "-c", (char *)command, NULL};
  neap_process_options *o = lua_newuserdatauv(L, sizeof *o, 0);
  *o = (neap_process_options){
      .size = sizeof *o, .file = "/bin/sh", .argv = argv};
  o->stdio[piped].kind = NEAP_STDIO_BUFFERED;
  struct neapL_file *box = new_file(L);
  int err = neap_process_spawn(rt, o, &box->process);
  if (err < 0)
    return box->stock ? neapL_compat_fail(L, err, command)
                      : neapL_fail(L, err, command);
  box->file = o->files[piped];
  box->tail = &popen_tail;
  return 1;
}

/* process.popen(command [, mode]) -> file | nil, message, code. Waits, but not
   for the command. */
int neapL_popen(lua_State *L) {
  return neapL_popen_with(L, neapL_file_new);
}
