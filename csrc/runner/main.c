/*
 * main.c: the `neap` command: lua's, for programs that wait. It has nothing of
 * neap in it: the neap.so that the script finds is the only one there is, and a
 * script that asks for none starts as quickly as under lua. What differs from
 * lua is in lua/neap/cli.lua: when the script has ended, its tasks go on.
 */
#include "runner/interrupt.h"
#include "runner/line.h"
#include "runner/options.h"

#include "include/neap.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_INTERRUPTED 130

#define INIT           "LUA_INIT"
#define INIT_VERSIONED INIT LUA_VERSUFFIX

struct command {
  int argc;
  char **argv;
  const char *name; /* before messages */
  struct runner_options options;
  struct neapL_runner runner;
};

/* --- messages --------------------------------------------------------- */

static void say(const char *name, const char *message) {
  if (name != NULL)
    fprintf(stderr, "%s: ", name);
  fprintf(stderr, "%s\n", message);
  fflush(stderr);
}

static void print_usage(const char *name, FILE *to) {
  fprintf(
      to,
      "usage: %s [options] [script [args]]\n"
      "       %s [options] test [busted's options] [dir]\n"
      "Available options are:\n"
      "  -e stat          execute string 'stat'\n"
      "  -i               enter interactive mode after executing 'script'\n"
      "  -l mod           require library 'mod' into global 'mod'\n"
      "  -l g=mod         require library 'mod' into global 'g'\n"
      "  -v               show version information\n"
      "  -E               ignore environment variables\n"
      "  -W               turn warnings on\n"
      "  --dump-on SIG    write what all tasks do when this signal comes\n"
      "  --preempt TIME   stop tasks that have run for so long, as 10ms\n"
      "  --watchdog TIME  tell who holds the loop for so long, as 100ms\n"
      "  --trace FILE     write what happens to a file for ui.perfetto.dev\n"
      "  --help           show this\n"
      "  --               stop handling options\n"
      "  -                stop handling options and execute stdin\n",
      name, name);
  fflush(to);
}

static void print_version(void) {
  fputs("neap " NEAP_VERSION "  " LUA_COPYRIGHT "\n", stdout);
  fflush(stdout);
}

/* Whether the error at 1 is the cancellation that Ctrl-C has asked for. */
static bool is_interruption(lua_State *L) {
  if (!runner_interrupt_came())
    return false;
  bool is = false;
  lua_getglobal(L, "require");
  lua_pushliteral(L, "neap");
  if (lua_pcall(L, 1, 1, 0) == LUA_OK && lua_istable(L, -1) &&
      lua_getfield(L, -1, "is_cancelled") == LUA_TFUNCTION) {
    lua_pushvalue(L, 1);
    is = lua_pcall(L, 1, 1, 0) == LUA_OK && lua_toboolean(L, -1);
  }
  lua_settop(L, 1);
  return is;
}

/* The message handler: a text with its traceback; false: there is nothing to
   tell. */
static int on_error(lua_State *L) {
  const char *message = lua_tostring(L, 1);
  if (message == NULL) {
    if (is_interruption(L)) {
      lua_pushboolean(L, false);
      return 1;
    }
    if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING)
      return 1;
    message =
        lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  }
  luaL_traceback(L, L, message, 1);
  return 1;
}

/* Tells the error on the top, if status is one, and pops it. */
static bool report(lua_State *L, const struct command *c, int status) {
  if (status == LUA_OK)
    return true;
  if (lua_type(L, -1) == LUA_TSTRING)
    say(c->name, lua_tostring(L, -1));
  lua_pop(L, 1);
  return false;
}

/* --- calling ---------------------------------------------------------- */

static int call(lua_State *L, int nargs, int nresults) {
  int base = lua_gettop(L) - nargs;
  lua_pushcfunction(L, on_error);
  lua_insert(L, base);
  int status = lua_pcall(L, nargs, nresults, base);
  lua_remove(L, base);
  return status;
}

/* Runs what a load has left on the top: a chunk, or the message. */
static bool run_loaded(lua_State *L, const struct command *c, int status) {
  if (status == LUA_OK)
    status = call(L, 0, 0);
  return report(L, c, status);
}

static bool run_string(lua_State *L, const struct command *c, const char *code,
                       const char *name) {
  return run_loaded(L, c, luaL_loadbuffer(L, code, strlen(code), name));
}

static bool run_file(lua_State *L, const struct command *c, const char *path) {
  return run_loaded(L, c, luaL_loadfile(L, path));
}

/* -l mod, -l name=mod */
static bool run_library(lua_State *L, const struct command *c,
                        const char *word) {
  const char *equals = strchr(word, '=');
  lua_getglobal(L, "require");
  lua_pushstring(L, equals != NULL ? equals + 1 : word);
  int status = call(L, 1, 1);
  if (status == LUA_OK) {
    lua_pushlstring(L, word,
                    equals != NULL ? (size_t)(equals - word) : strlen(word));
    lua_insert(L, -2);
    lua_pushglobaltable(L);
    lua_insert(L, -3);
    lua_settable(L, -3);
    lua_pop(L, 1);
  }
  return report(L, c, status);
}

/* --- what runs before the script -------------------------------------- */

/* A descriptor 0 to 2 that is closed would be given to the next file that is
   opened. What stands there instead fails as a closed one does. */
static void keep_standard_descriptors(void) {
  for (int fd = 0; fd <= STDERR_FILENO; fd++)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
      if (open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
        return;
}

static void push_arg(lua_State *L, const struct command *c) {
  /* Without a script the command itself is arg[0]. */
  int zero = c->options.script < c->argc ? c->options.script : 0;
  lua_createtable(L, c->argc - zero, zero + 1);
  for (int i = 0; i < c->argc; i++) {
    lua_pushstring(L, c->argv[i]);
    lua_rawseti(L, -2, i - zero);
  }
  lua_setglobal(L, "arg");
}

static bool run_init(lua_State *L, const struct command *c) {
  const char *name = "=" INIT_VERSIONED;
  const char *init = getenv(INIT_VERSIONED);
  if (init == NULL) {
    name = "=" INIT;
    init = getenv(INIT);
  }
  if (init == NULL)
    return true;
  return init[0] == '@' ? run_file(L, c, init + 1)
                        : run_string(L, c, init, name);
}

/* -e, -l and -W, in their order. */
static bool run_options(lua_State *L, const struct command *c) {
  const char *value;
  char letter;
  int at = 1;
  lua_warning(L, "@off", 0); /* Lua 5.5 begins with them on; lua.c does so */
  while ((letter = runner_options_next(c->argv, c->options.script, &at,
                                       &value)) != 0) {
    bool ok = true;
    if (letter == 'W')
      lua_warning(L, "@on", 0);
    else if (letter == 'e')
      ok = run_string(L, c, value, "=(command line)");
    else
      ok = run_library(L, c, value);
    if (!ok)
      return false;
  }
  return true;
}

/* --- neap ------------------------------------------------------------- */

/* Pushes a function of lua/neap/cli.lua, or a message. */
static int push_cli(lua_State *L, const char *function) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "neap.cli");
  int status = call(L, 1, 1);
  if (status == LUA_OK) {
    lua_getfield(L, -1, function);
    lua_remove(L, -2);
  }
  return status;
}

static int came(lua_State *L) {
  lua_pushboolean(L, runner_interrupt_came());
  return 1;
}

static void set_seconds(lua_State *L, const char *name, double seconds) {
  if (seconds > 0) {
    lua_pushnumber(L, seconds);
    lua_setfield(L, -2, name);
  }
}

/* --preempt and the others. */
static bool begin_watching(lua_State *L, const struct command *c) {
  const struct runner_options *o = &c->options;
  if (o->preempt == 0 && o->watchdog == 0 && o->trace == NULL &&
      o->dump_signal == 0)
    return true;
  int err = o->dump_signal != 0 ? runner_interrupt_dump_on(o->dump_signal) : 0;
  if (err != 0) {
    say(c->name, strerror(err));
    return false;
  }
  int status = push_cli(L, "watch");
  if (status == LUA_OK) {
    lua_createtable(L, 0, 3);
    set_seconds(L, "preempt", o->preempt);
    set_seconds(L, "watchdog", o->watchdog);
    lua_pushstring(L, o->trace);
    lua_setfield(L, -2, "trace");
    status = call(L, 1, 0);
  }
  return report(L, c, status);
}

/* The script has ended: its tasks go on, or clean up. Whether all went well. */
static bool finish(lua_State *L, const struct command *c, bool failed) {
  if (c->runner.due == NULL)
    return true;              /* no runtime */
  lua_sethook(L, NULL, 0, 0); /* of a script that swallowed its end */
  int status = push_cli(L, "finish");
  if (status == LUA_OK) {
    lua_pushboolean(L, failed);
    lua_pushcfunction(L, came);
    status = call(L, 2, 1);
  }
  if (status == LUA_OK && lua_isboolean(L, -1)) {
    bool ok = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return ok;
  }
  return report(L, c, status != LUA_OK ? status : LUA_ERRRUN);
}

/* --- the script ------------------------------------------------------- */

/* Pushes what stands in the global table arg, as lua does. */
static int push_arguments(lua_State *L) {
  if (lua_getglobal(L, "arg") != LUA_TTABLE)
    luaL_error(L, "'arg' is not a table");
  int n = (int)luaL_len(L, -1);
  luaL_checkstack(L, n + 3, "too many arguments to script");
  for (int i = 1; i <= n; i++)
    lua_rawgeti(L, -i, i);
  lua_remove(L, -n - 1);
  return n;
}

static bool run_script(lua_State *L, const struct command *c) {
  const struct runner_options *o = &c->options;
  int status = luaL_loadfile(L, o->by_stdin ? NULL : c->argv[o->script]);
  if (status == LUA_OK)
    status = call(L, push_arguments(L), 0);
  return report(L, c, status);
}

/* A function of cli.lua, called with a value that is on the top. */
static bool run_cli(lua_State *L, const struct command *c,
                    const char *function) {
  int status = push_cli(L, function);
  if (status == LUA_OK) {
    lua_insert(L, -2);
    status = call(L, 1, 1);
  } else {
    lua_remove(L, -2);
  }
  if (!report(L, c, status))
    return false;
  bool ok = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return ok;
}

static bool run_prompt(lua_State *L, struct command *c) {
  c->runner.prompt = true;
  runner_line_push(L);
  bool ok = run_cli(L, c, "prompt");
  c->runner.prompt = false;
  return ok;
}

/* What the command line names last: a script, the prompt, stdin. */
static bool run_main(lua_State *L, struct command *c) {
  const struct runner_options *o = &c->options;
  if (o->script < c->argc) {
    if (!o->by_stdin && strcmp(c->argv[o->script], "test") == 0) {
      lua_getglobal(L, "arg");
      return run_cli(L, c, "test");
    }
    if (!run_script(L, c))
      return false;
  }
  if (o->interactive)
    return run_prompt(L, c);
  if (o->script < c->argc || o->executes || o->version)
    return true;
  if (!isatty(STDIN_FILENO))
    return run_file(L, c, NULL);
  print_version();
  return run_prompt(L, c);
}

/* (command) -> whether all went well. */
static int run(lua_State *L) {
  struct command *c = lua_touserdata(L, 1);
  luaL_checkversion(L);
  if (c->options.no_env) {
    lua_pushboolean(L, true);
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV"); /* Lua's own name */
  }
  luaL_openlibs(L);
  push_arg(L, c);
  lua_pushlightuserdata(L, &c->runner);
  lua_setfield(L, LUA_REGISTRYINDEX, NEAPL_RUNNER);
  bool ok = (c->options.no_env || run_init(L, c)) && begin_watching(L, c) &&
            run_options(L, c) && run_main(L, c);
  ok = finish(L, c, !ok) && ok;
  lua_pushboolean(L, ok);
  return 1;
}

/* What was written is told to be lost when it is: nobody has looked. */
static bool flush(const struct command *c) {
  errno = 0;
  if (fflush(stdout) == 0 && !ferror(stdout))
    return true;
  fprintf(stderr, "%s: cannot write to standard output%s%s\n", c->name,
          errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
  return false;
}

static int run_state(struct command *c) {
  lua_State *L = luaL_newstate();
  if (L == NULL) {
    say(c->name, "cannot create state: not enough memory");
    return EXIT_FAILURE;
  }
  runner_interrupt_open(L, &c->runner);
  lua_pushcfunction(L, run);
  lua_pushlightuserdata(L, c);
  int status = lua_pcall(L, 1, 1, 0);
  bool ok = status == LUA_OK && lua_toboolean(L, -1);
  report(L, c, status);
  runner_interrupt_close();
  lua_close(L);
  ok = flush(c) && ok;
  if (runner_interrupt_came())
    return STATUS_INTERRUPTED;
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
  struct command c = {.argc = argc, .argv = argv, .name = "neap"};
  if (argc > 0 && argv[0][0] != 0)
    c.name = argv[0];
  keep_standard_descriptors();
  if (!runner_options_read(argc, argv, &c.options)) {
    const struct runner_options *o = &c.options;
    if (o->problem == NULL)
      fprintf(stderr, "%s: unrecognized option '%s'\n", c.name, o->bad);
    else
      fprintf(stderr, "%s: '%s' %s\n", c.name, o->bad, o->problem);
    print_usage(c.name, stderr);
    return EXIT_FAILURE;
  }
  if (c.options.help) {
    print_usage(c.name, stdout);
    return flush(&c) ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  if (c.options.version)
    print_version();
  return run_state(&c);
}
