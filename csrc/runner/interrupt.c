/* interrupt.c: signal handlers; what they do is told in interrupt.h. */
#include "runner/interrupt.h"

#include <errno.h>
#include <lauxlib.h>
#include <pthread.h>
#include <stddef.h>
#include <termios.h>
#include <unistd.h>

/* A shell's code for a program that SIGINT has ended. */
#define STATUS_INTERRUPTED 130

/* A handler has no argument of ours, so this is the one object of the command
   that is not on main's stack. */
static struct {
  lua_State *L;
  struct neapL_runner *runner;
  pthread_t thread;
  volatile sig_atomic_t interrupts; /* that were to end all */
  bool has_terminal;
  struct termios terminal; /* as it was */
} self;

/* The hook: clears itself, raises. */
static void on_hook(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted!");
}

/* The script may have made the terminal raw, and nothing of it will run any
   more. */
static void end_at_once(void) {
  if (self.has_terminal)
    tcsetattr(STDIN_FILENO, TCSANOW, &self.terminal);
  _exit(STATUS_INTERRUPTED);
}

/* A pool thread has got the signal: it is for the thread that runs Lua. */
static bool is_elsewhere(int signum) {
  if (pthread_equal(pthread_self(), self.thread))
    return false;
  pthread_kill(self.thread, signum);
  return true;
}

static void on_interrupt(int signum) {
  struct neapL_runner *runner = self.runner;
  if (is_elsewhere(signum))
    return;
  if (!runner->prompt && ++self.interrupts > 1)
    end_at_once();
  void (*due)(struct neapL_runner *, int) = runner->due;
  if (due != NULL)
    due(runner, NEAPL_RUNNER_INTERRUPT);
  else if (self.L != NULL)
    lua_sethook(self.L, on_hook,
                LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

static void on_dump(int signum) {
  struct neapL_runner *runner = self.runner;
  if (is_elsewhere(signum))
    return;
  void (*due)(struct neapL_runner *, int) = runner->due;
  if (due != NULL)
    due(runner, NEAPL_RUNNER_DUMP);
}

/* One of ours does not come into the midst of another. */
static int handle(int signum, void (*handler)(int)) {
  struct sigaction action = {.sa_flags = SA_RESTART};
  action.sa_handler = handler;
  sigfillset(&action.sa_mask);
  return sigaction(signum, &action, NULL) == 0 ? 0 : errno;
}

void runner_interrupt_open(lua_State *L, struct neapL_runner *runner) {
  struct sigaction now;
  self.runner = runner;
  self.thread = pthread_self();
  self.has_terminal = tcgetattr(STDIN_FILENO, &self.terminal) == 0;
  self.L = L;
  /* Ignored, it was so for a purpose: nohup, a shell's background job. */
  if (sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
    handle(SIGINT, on_interrupt);
}

void runner_interrupt_close(void) {
  self.L = NULL; /* its finalizers are not interrupted */
}

int runner_interrupt_dump_on(int signum) {
  return handle(signum, on_dump);
}

bool runner_interrupt_came(void) {
  return self.interrupts > 0;
}
