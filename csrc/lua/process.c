/* process.c: the module neap.process. */
#include "lua/process.h"

#include "include/neap_lua.h"
#include "lua/select.h"
#include "lua/signal.h"
#include "lua/stream.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <uv.h>

#define TYPE   "neap.child"
#define OUTPUT "neap.output"

static const char *const stdio_names[] = {"stdin", "stdout", "stderr"};

/* What the userdata holds; its user values are our ends of the pipes. */
struct box {
  neap_process *process; /* NULL: not started yet, or given up */
  int pid;
};

/* --- a process -------------------------------------------------------- */

static struct box *check_box(lua_State *L) {
  return neapL_checkself(L, TYPE);
}

/* Pushes a process that is not started yet. */
static struct box *new_box(lua_State *L) {
  struct box *box = lua_newuserdatauv(L, sizeof *box, 3);
  *box = (struct box){0};
  luaL_setmetatable(L, TYPE);
  return box;
}

static int fail_closed(lua_State *L) {
  lua_pushnil(L);
  lua_pushliteral(L, "process is closed");
  lua_pushliteral(L, "EBADF");
  return 3;
}

static int fail_process(lua_State *L, const struct box *box, int err) {
  char what[40];
  if (err == UV_EBADF)
    return fail_closed(L);
  snprintf(what, sizeof what, "process %d", box->pid);
  return neapL_fail(L, err, what);
}

/* process.spawn{...} -> process | nil, message, code. Waits, if a file that it
   is given has to be written out first. */
static int process_spawn(lua_State *L) {
  static const neap_stdio_kind def[] = {NEAP_STDIO_INHERIT, NEAP_STDIO_INHERIT,
                                        NEAP_STDIO_INHERIT};
  lua_settop(L, 1);
  neap_process_options *o = neapL_command_check(L, 1, def);
  neap_rt *rt = neapL_waitrt(L);
  struct box *box = new_box(L);
  struct neapL_conn *conns[3];
  for (int i = 0; i < 3; i++) {
    conns[i] = NULL;
    if (o->stdio[i].kind != NEAP_STDIO_PIPE)
      continue;
    conns[i] = neapL_newconn(L);
    lua_setiuservalue(L, -2, i + 1);
  }
  int err = neap_process_spawn(rt, o, &box->process);
  if (err < 0)
    return neapL_command_fail(L, o, err);
  box->pid = neap_process_pid(box->process);
  for (int i = 0; i < 3; i++)
    if (conns[i] != NULL)
      conns[i]->stream = o->pipes[i];
  neapL_command_started(L, 1);
  return 1;
}

/* Pushes code | nil, name of a signal. */
static int push_status(lua_State *L, neap_status status) {
  if (status.signal == 0) {
    lua_pushinteger(L, status.code);
    return 1;
  }
  lua_pushnil(L);
  neapL_pushsignal(L, status.signal);
  return 2;
}

/* process:wait([timeout]) -> code | nil, signal | nil, message, code. Waits. */
static int process_wait(lua_State *L) {
  struct box *box = check_box(L);
  uint64_t limit_ns = neapL_optseconds(L, 2, NEAP_FOREVER);
  const neap_rt *rt = neapL_waitrt(L);
  if (box->process == NULL)
    return fail_closed(L);
  uint64_t due = neap__timer_after(rt, limit_ns);
  neap_status status;
  int err = neap_process_wait(box->process, due, &status);
  if (err == 0)
    return push_status(L, status);
  if (err == UV_ETIMEDOUT)
    return neapL_timedout(L, (double)limit_ns / 1e9);
  return fail_process(L, box, err);
}

/* For neap.select: as wait. */
static int process_select(lua_State *L) {
  struct box *box = check_box(L);
  neap_status status;
  int err = lua_toboolean(L, 2) ? UV_ECANCELED : UV_EBADF;
  if (box->process != NULL)
    err = neap_process_result(box->process, &status);
  if (err == UV_EAGAIN)
    return neapL_select_later(L, neap_process_queue(box->process), false,
                              "process:wait");
  lua_pushboolean(L, true);
  return 1 + (err == 0 ? push_status(L, status) : fail_process(L, box, err));
}

/* process:kill([signal [, group]]) -> true | nil, message, code. */
static int process_kill_self(lua_State *L) {
  struct box *box = check_box(L);
  int signum = neapL_optsignal(L, 2, SIGTERM);
  bool group = lua_toboolean(L, 3);
  if (neapL_peekrt(L) == NULL || box->process == NULL)
    return fail_closed(L);
  int err = neap_process_kill(box->process, signum, group);
  if (err < 0)
    return fail_process(L, box, err);
  lua_pushboolean(L, true);
  return 1;
}

/* Our ends of its pipes. */
static void close_pipes(lua_State *L) {
  for (int i = 1; i <= 3; i++) {
    if (lua_getiuservalue(L, 1, i) == LUA_TUSERDATA &&
        luaL_callmeta(L, -1, "__close"))
      lua_pop(L, 1);
    lua_pop(L, 1);
  }
}

/* In a finalizer and on the driver's stack nobody can wait. */
static bool can_wait(lua_State *L, const neap_rt *rt) {
  return rt->sched.current != NULL && lua_gc(L, LUA_GCISRUNNING) != -1;
}

/* process:close() -> true. Waits until a process that still ran has been
   ended; not cancellable. */
static int process_close(lua_State *L) {
  struct box *box = check_box(L);
  neap_process *process = box->process;
  neap_rt *rt = neapL_peekrt(L);
  close_pipes(L);
  box->process = NULL;
  if (process != NULL && rt != NULL) {
    if (can_wait(L, rt))
      neap_process_close(process); /* without memory it ends without us */
    neap_process_free(process);
  }
  lua_pushboolean(L, true);
  return 1;
}

static int process_gc(lua_State *L) {
  struct box *box = check_box(L);
  if (box->process == NULL || neapL_peekrt(L) == NULL)
    return 0;
  neapL_gc_enter(L, neap_process_waited(box->process));
  if (box->process == NULL || neapL_peekrt(L) == NULL)
    return 0;
  bool ended = neap_process_free(box->process);
  box->process = NULL;
  if (ended)
    neapL_warn(L, "a process was not closed, and is ended");
  return 0;
}

/* Upvalues: the neapL, the methods. */
static int process_index(lua_State *L) {
  const struct box *box = luaL_checkudata(L, 1, TYPE);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(key, "pid") == 0) {
    lua_pushinteger(L, box->pid);
    return 1;
  }
  for (int i = 0; i < 3; i++) {
    if (strcmp(key, stdio_names[i]) != 0)
      continue;
    lua_getiuservalue(L, 1, i + 1);
    return 1;
  }
  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(2));
  return 1;
}

static int process_tostring(lua_State *L) {
  const struct box *box = check_box(L);
  const char *state = "closed";
  if (box->process != NULL && neapL_peekrt(L) != NULL)
    state = neap_process_runs(box->process) ? "running" : "ended";
  lua_pushfstring(L, "process %d (%s)", box->pid, state);
  return 1;
}

/* --- running to the end ----------------------------------------------- */

struct output_box {
  neap_output *output; /* NULL: none yet, or freed */
};

/* Pushes what holds the output while it is made into strings. */
static struct output_box *new_output_box(lua_State *L) {
  struct output_box *box = lua_newuserdatauv(L, sizeof *box, 0);
  box->output = NULL;
  luaL_setmetatable(L, OUTPUT);
  return box;
}

static int output_free(lua_State *L) {
  struct output_box *box = luaL_checkudata(L, 1, OUTPUT);
  if (box->output != NULL && neapL_peekrt(L) != NULL)
    neap_output_free(box->output);
  box->output = NULL;
  return 0;
}

/* Pushes {code=, signal=, stdout=, stderr=}. */
static void push_output(lua_State *L, struct output_box *box) {
  neap_status status = neap_output_status(box->output);
  lua_createtable(L, 0, 4);
  if (status.signal == 0) {
    lua_pushinteger(L, status.code);
    lua_setfield(L, -2, "code");
  } else {
    neapL_pushsignal(L, status.signal);
    lua_setfield(L, -2, "signal");
  }
  for (int i = 1; i < 3; i++) {
    neap_view bytes = neap_output_bytes(box->output, i);
    if (bytes.base == NULL)
      continue;
    lua_pushlstring(L, bytes.base, bytes.len);
    lua_setfield(L, -2, stdio_names[i]);
  }
  neap_output_free(box->output);
  box->output = NULL;
}

/* The result on the top of a program that did not end well: nil, message,
   "EXIT", result. */
static int fail_exit(lua_State *L, const char *program, neap_status status) {
  lua_pushnil(L);
  if (status.signal == 0) {
    lua_pushfstring(L, "%s: exit code %d", program, status.code);
  } else {
    neapL_pushsignal(L, status.signal);
    lua_pushfstring(L, "%s: killed by %s", program, lua_tostring(L, -1));
    lua_remove(L, -2);
  }
  lua_pushliteral(L, "EXIT");
  lua_pushvalue(L, -4);
  return 4;
}

static int fail_run(lua_State *L, const neap_process_options *o,
                    const neap_run_options *how, uint64_t limit_ns, int err) {
  if (err == UV_ETIMEDOUT && limit_ns != NEAP_FOREVER)
    return neapL_timedout(L, (double)limit_ns / 1e9);
  if (err != UV_EMSGSIZE)
    return neapL_command_fail(L, o, err);
  lua_pushnil(L);
  lua_pushfstring(L, "%s: more than %I bytes of output", o->argv[0],
                  (LUAI_UACINT)how->max);
  lua_pushliteral(L, "EMSGSIZE");
  return 3;
}

/* process.run{...} -> result | nil, message, code. Waits. */
static int process_run(lua_State *L) {
  neap_stdio_kind def[] = {NEAP_STDIO_NULL, NEAP_STDIO_PIPE, NEAP_STDIO_PIPE};
  neap_run_options how = {.size = sizeof how};
  lua_settop(L, 1);
  luaL_checktype(L, 1, LUA_TTABLE);
  if (neapL_optfieldstring(L, 1, "input", NULL) != NULL) {
    how.input.base = lua_tolstring(L, -1, &how.input.len);
    def[0] = NEAP_STDIO_PIPE;
  }
  how.max = neapL_optfieldsize(L, 1, "max", 0);
  bool check = neapL_optfieldbool(L, 1, "check", false);
  uint64_t limit_ns = neapL_optfieldseconds(L, 1, "timeout", NEAP_FOREVER);
  neap_process_options *o = neapL_command_check(L, 1, def);
  neap_rt *rt = neapL_waitrt(L);
  struct output_box *box = new_output_box(L);
  how.due_ns = neap__timer_after(rt, limit_ns);
  int err = neap_process_run(rt, o, &how, &box->output);
  if (err < 0)
    return fail_run(L, o, &how, limit_ns, err);
  neap_status status = neap_output_status(box->output);
  push_output(L, box);
  neapL_command_started(L, 1);
  if (check && (status.code != 0 || status.signal != 0))
    return fail_exit(L, o->argv[0], status);
  return 1;
}

/* --- others ----------------------------------------------------------- */

/* process.kill(pid [, signal]) -> true | nil, message, code. A negative number
   stands for a group; 0 and -1 stand for so many that they are a mistake. */
static int process_kill(lua_State *L) {
  lua_Integer pid = luaL_checkinteger(L, 1);
  luaL_argcheck(L, pid <= INT_MAX && pid > INT_MIN, 1, "out of range");
  luaL_argcheck(L, pid > 0 || pid < -1, 1, "not the number of a process");
  int signum = neapL_optsignal(L, 2, SIGTERM);
  int err = uv_kill((int)pid, signum);
  if (err < 0) {
    char what[40];
    snprintf(what, sizeof what, "process %d", (int)pid);
    return neapL_fail(L, err, what);
  }
  lua_pushboolean(L, true);
  return 1;
}

static const luaL_Reg methods[] = {
    {"wait", process_wait},
    {"kill", process_kill_self},
    {"close", process_close},
    {NULL, NULL},
};

static const luaL_Reg meta[] = {
    {"__close", process_close},
    {"__gc", process_gc},
    {"__select", process_select},
    {"__tostring", process_tostring},
    {NULL, NULL},
};

static const luaL_Reg output_meta[] = {{"__gc", output_free}, {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"spawn", process_spawn}, {"run", process_run}, {"popen", neapL_popen},
    {"kill", process_kill},   {NULL, NULL},
};

static void new_types(lua_State *L, struct neapL *N) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  neapL_newtype(L, N, OUTPUT, none, output_meta);
  neapL_newtype(L, N, TYPE, methods, meta);
  luaL_getmetatable(L, TYPE);
  lua_pushlightuserdata(L, N);
  lua_getfield(L, -2, "__index");
  lua_pushcclosure(L, process_index, 2);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

int luaopen_neap_process(lua_State *L) {
  struct neapL *N = neapL_require(L);
  /* The types of what it makes. */
  luaL_requiref(L, "neap.fs", luaopen_neap_fs, false);
  luaL_requiref(L, "neap.net", luaopen_neap_net, false);
  lua_pop(L, 2);
  new_types(L, N);
  lua_newtable(L);
  neapL_setfuncs(L, N, functions);
  return 1;
}
