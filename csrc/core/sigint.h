/*
 * sigint.h: Ctrl-C while the main script waits. libuv retries a poll that a
 * signal interrupts, so a handler that only sets a hook, as lua.c's does,
 * would show when the wait is over. While main waits, our handler stands in
 * front of one that is a function: it calls that one, then wakes the loop.
 */
#ifndef NEAP_CORE_SIGINT_H
#define NEAP_CORE_SIGINT_H

#include "core/task.h"

#include <signal.h>

struct neap_sigint {
  struct sigaction old; /* whom our handler stands in front of */
  /* Set before it is, so that the handler finds it set. */
  volatile sig_atomic_t installed;
  volatile sig_atomic_t pending; /* it came while main waits */
  uint32_t listeners; /* who have asked for SIGINT: it is theirs, not main's */
};

/* The runtime that signal handlers on this thread find, or NULL; and the wish
   to be that one, which the first to come gets. */
struct neap_rt *neap__sigint_rt(void);
void neap__sigint_claim(struct neap_rt *rt);

/* What a SIGINT does, of a handler that is not ours: the driver takes it, as
   soon as it can. Async-signal-safe. */
void neap__sigint_poke(struct neap_rt *rt);

/* Main is about to wait in a poll: puts our handler in front, if SIGINT has a
   handler function that isn't ours. */
void neap__sigint_watch(struct neap_rt *rt);

/*
 * Somebody listens to SIGINT from now on (by = 1), or does no longer (-1). It
 * does not end main's wait meanwhile, and our handler stands in nobody's way.
 */
void neap__sigint_listen(struct neap_rt *rt, int by);

/* Takes our handler away again, if it is still there, and forgets rt. */
void neap__sigint_unwatch(struct neap_rt *rt);

/* Whether a SIGINT came since the last call. One that came while main ran Lua
   code may have been heard already: a binding takes it before main waits. */
bool neap__sigint_take(struct neap_rt *rt);

#endif
