/*
 * hook.h: a debug hook of ours in front of whatever hook a Lua thread has. A
 * signal handler puts it there (lua_sethook is made for that), so it allocates
 * nothing. At the thread's next event it takes itself away, gives the hook that
 * was there the event if it asked for such, and calls what the binding wants.
 *
 * Whom it stands in front of is told by which of a few functions it is, not by
 * a table of threads: so a new thread, which copies the hook of its creator,
 * goes back to the right one as well.
 *
 * A foreign hook that counts instructions is another matter: lua_sethook lets
 * the count begin anew. So in front of one of those ours stays, with its count,
 * and does its work when that one is due.
 */
#ifndef NEAP_LUA_HOOK_H
#define NEAP_LUA_HOOK_H

#include "lua/neapl.h"

#include <signal.h>

/* So many different hooks are stood in front of in a state; threads with
   another one are left alone. */
#define NEAPL_HOOKS 16

struct neapL_foreign {
  lua_Hook hook; /* NULL: none */
  int mask;
  int count; /* 0 for one that counts: its thread has the count */
};

struct neapL_hooks {
  struct neapL_foreign foreign[NEAPL_HOOKS];
  volatile int n; /* of them in use */
  /* Ours stays in front, and fires after so many instructions; 0: at once, and
     goes. Where no signal can put it there again. */
  int every;
  bool keeps; /* it stays in front of a hook that counts */
  /* Somebody is just changing or reading a hook: the signal handler leaves it
     alone, so many times at most: an error on the way leaves this set. */
  volatile sig_atomic_t busy;
};

/* Puts ours in front of L's hook, if it isn't there. It fires with
   neapL_preempt_fired then. */
void neapL_hook_arm(struct neapL_hooks *hooks, lua_State *L);

/* The same in a signal handler; not done when that comes in the midst of a
   change of hooks. L is alive. */
void neapL_hook_signal(struct neapL_hooks *hooks, lua_State *L);

/* debug.gethook and debug.sethook that see the hooks of others alone; upvalues:
   the neapL, the stock function. */
int neapL_hook_gethook(lua_State *L);
int neapL_hook_sethook(lua_State *L);

/* Gives L back the hook that ours stands in front of, if it does. */
void neapL_hook_disarm(struct neapL_hooks *hooks, lua_State *L);

#endif
