/*
 * line_readline.c: line.h by GNU readline or libedit, whose callback interface
 * reads one key per call and keeps everything of its own in globals: so does
 * this file, as readline's callbacks have no argument.
 */
#include "runner/line.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef NEAP_LIBEDIT
#include <editline/readline.h>
#else
#include <readline/history.h>
#include <readline/readline.h>
#endif

static struct {
  lua_State *L;     /* while a key is looked at */
  int complete_ref; /* the function */
  bool active;      /* between begin and the line's end */
  bool done;        /* line is there; NULL: the end of the input */
  char *line;
} self;

static void on_line(char *line) {
  self.line = line;
  self.done = true;
  self.active = false;
  rl_callback_handler_remove(); /* the terminal is the script's meanwhile */
}

/* The process ends while the line is being typed: a task has called exit. */
static void on_exit_of_process(void) {
  if (self.active)
    rl_callback_handler_remove();
}

/* readline asks for one word after the other, and frees each. The list is on
   the top of the stack; nil ends it. */
static char *next_word(const char *text, int state) {
  lua_State *L = self.L;
  (void)text;
  lua_rawgeti(L, -1, (lua_Integer)state + 1);
  const char *word = lua_tostring(L, -1);
  char *copy = word != NULL ? strdup(word) : NULL;
  lua_pop(L, 1);
  return copy;
}

static char **on_complete(const char *text, int start, int end) {
  lua_State *L = self.L;
  char **words = NULL;
  (void)start, (void)end;
  rl_attempted_completion_over = 1; /* no file names */
#ifndef NEAP_LIBEDIT
  rl_completion_suppress_append = 1;
#endif
  lua_rawgeti(L, LUA_REGISTRYINDEX, self.complete_ref);
  lua_pushstring(L, text);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK && lua_istable(L, -1))
    words = rl_completion_matches(text, next_word);
  lua_pop(L, 1);
  return words;
}

static int line_begin(lua_State *L) {
  const char *prompt = luaL_checkstring(L, 1);
  self.active = true;
  rl_callback_handler_install(prompt, on_line);
  return 0;
}

/* The line, which readline has allocated, becomes a string. */
static int push_line(lua_State *L) {
  lua_pushboolean(L, true);
  if (self.line == NULL)
    return 1;
  lua_pushstring(L, self.line);
  free(self.line);
  self.line = NULL;
  return 2;
}

static int line_feed(lua_State *L) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  self.L = L;
  rl_callback_read_char();
  self.L = NULL;
  if (self.done) {
    self.done = false;
    return push_line(L);
  }
  lua_pushboolean(L, false);
  return 1;
}

static int line_abort(lua_State *L) {
  (void)L;
  if (!self.active)
    return 0;
#ifndef NEAP_LIBEDIT
  rl_free_line_state();
  rl_callback_sigcleanup();
#endif
  self.active = false;
  rl_callback_handler_remove();
  fputs("^C\n", stdout);
  fflush(stdout);
  return 0;
}

static int line_remember(lua_State *L) {
  add_history(luaL_checkstring(L, 1));
  return 0;
}

static int line_complete(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  self.complete_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  rl_attempted_completion_function = on_complete;
  return 0;
}

void runner_line_push(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"begin", line_begin},       {"feed", line_feed},
      {"abort", line_abort},       {"remember", line_remember},
      {"complete", line_complete}, {NULL, NULL}};
  static char breaks[] = " \t\r\n\"\\'`@$><=;|&{}()[]+-*/%^~#,?";
  if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
      atexit(on_exit_of_process) != 0) {
    lua_pushnil(L);
    return;
  }
  rl_readline_name = "neap";
  rl_completer_word_break_characters = breaks;
#ifndef NEAP_LIBEDIT
  rl_catch_signals = 0; /* Ctrl-C is ours */
#endif
  luaL_newlib(L, functions);
}
