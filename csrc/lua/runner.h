/*
 * runner.h: what the `neap` command and the neap.so of its state know of each
 * other. The command is a host without neap in it: a script that asks for no
 * neap pays for none. When neap is opened in a state whose registry has this
 * struct, signals of the command reach the tasks from then on.
 */
#ifndef NEAP_LUA_RUNNER_H
#define NEAP_LUA_RUNNER_H

#include <lua.h>

#include <signal.h>
#include <stdbool.h>

/* The registry's key, with the version of the struct: a light userdata. */
#define NEAPL_RUNNER "neap.runner.1"

struct neapL;

/* What a signal asks for. */
enum {
  NEAPL_RUNNER_INTERRUPT = 1, /* Ctrl-C */
  NEAPL_RUNNER_DUMP = 2
};

/* Lies in the command's main; outlives the state. */
struct neapL_runner {
  /* The command's: Ctrl-C ends main's wait, or its next one, or the task that
     runs, and no more. Without it, it cancels all tasks, main included. */
  bool prompt;

  /* Ours, while there is a runtime, else NULL: what is to happen as soon as
     that can be. On the runtime's thread; async-signal-safe. */
  void (*volatile due)(struct neapL_runner *runner, int what);
  struct neapL *N;
  volatile sig_atomic_t what; /* is due */
};

/* Looks for the registry's runner. May raise. */
void neapL_runner_open(lua_State *L, struct neapL *N);

/* N is whole: signals reach it from now on. The runtime ends: no longer. */
void neapL_runner_attach(struct neapL *N);
void neapL_runner_detach(struct neapL *N);

/* Does what is due, on a stack where Lua may be called. May raise. */
void neapL_runner_fired(lua_State *L, struct neapL *N);

/* The same; false, without a runner, when a signal is for others to heed. */
bool neapL_runner_heed(lua_State *L, struct neapL *N);

#endif
