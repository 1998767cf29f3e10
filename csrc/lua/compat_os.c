/* compat_os.c: os's functions that may take long, as tasks need them. */
#include "lua/compat.h"

#include "lua/file.h"
#include "lua/process.h"

#include <unistd.h>
#include <uv.h>

#define SHELL "/bin/sh"

/* As os's: true or nil, message, number. */
static int done(lua_State *L, int err, const char *path) {
  if (err < 0)
    return neapL_compat_fail(L, err, path);
  lua_pushboolean(L, true);
  return 1;
}

/* remove(path) -> true | nil, message, number. Waits. As remove(3). */
static int compat_remove(lua_State *L) {
  const char *path = neapL_checkpath(L, 1);
  neap_rt *rt = neapL_waitrt(L);
  int err = neap_fs_unlink(rt, path);
  if (err == UV_EISDIR || err == UV_EPERM) { /* Linux, POSIX: a folder */
    int folder_err = neap_fs_rmdir(rt, path);
    if (folder_err != UV_ENOTDIR)
      err = folder_err;
  }
  return done(L, err, path);
}

/* rename(from, to) -> true | nil, message, number. Waits. */
static int compat_rename(lua_State *L) {
  const char *from = neapL_checkpath(L, 1);
  const char *to = neapL_checkpath(L, 2);
  return done(L, neap_fs_rename(neapL_waitrt(L), from, to), NULL);
}

/* tmpname() -> path. Waits. */
static int compat_tmpname(lua_State *L) {
  neap_rt *rt = neapL_waitrt(L);
  struct neapL_file *box = neapL_compat_newfile(L);
  neap_blob name;
  neap_file *file;
  int err = neap_fs_mkstemp(rt, "/tmp/lua_XXXXXX", &name, &file);
  neapL_raise(L, err);
  if (err < 0)
    return luaL_error(L, "unable to generate a unique filename");
  box->file = file;
  box->blob = name;
  lua_pushlstring(L, name.base, name.len);
  neap_fs_free_blob(&box->blob);
  neapL_file_shut(L, box); /* nothing was written: nothing can fail */
  return 1;
}

/* Waits for its end; a cancelled task does not leave it behind. */
static int finish_process(neap_process *process, neap_status *status) {
  int err = neap_process_wait(process, NEAP_NEVER, status);
  if (err <= NEAP_CANCELLED)
    neap_process_close(process); /* without memory it ends without us */
  neap_process_free(process);
  return err;
}

/* execute([command]) -> as os's. Waits. */
static int compat_execute(lua_State *L) {
  if (lua_isnoneornil(L, 1)) {
    lua_pushboolean(L, access(SHELL, X_OK) == 0);
    return 1;
  }
  const char *command = neapL_checkpath(L, 1);
  neap_rt *rt = neapL_waitrt(L);
  char *const argv[] = {"sh", "-c", (char *)command, NULL};
  neap_process_options *o = lua_newuserdatauv(L, sizeof *o, 0);
  *o = (neap_process_options){.size = sizeof *o, .file = SHELL, .argv = argv};
  neap_process *process;
  neap_status status;
  int err = neap_process_spawn(rt, o, &process);
  if (err == 0)
    err = finish_process(process, &status);
  if (err < 0)
    return neapL_compat_fail(L, err, NULL);
  return neapL_popen_pushstatus(L, status);
}

static const luaL_Reg functions[] = {
    {"execute", compat_execute},
    {"remove", compat_remove},
    {"rename", compat_rename},
    {"tmpname", compat_tmpname},
    {NULL, NULL},
};

void neapL_compat_pushos(lua_State *L, struct neapL *N) {
  lua_newtable(L);
  neapL_setfuncs(L, N, functions);
}
