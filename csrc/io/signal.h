/*
 * signal.h: signals for the rest of io. A signal that somebody watches is
 * libuv's; when nobody does any more, it gets back the disposition that it had
 * before: signals that are the host's stay the host's.
 */
#ifndef NEAP_IO_SIGNAL_H
#define NEAP_IO_SIGNAL_H

#include "core/list.h"
#include "core/rt.h"

/* Part of who watches a signal; all-zero: does not. */
struct neap_signal_hook {
  struct neap_list link;
  /* On the driver's stack, once for one or more signals. */
  void (*on_signal)(struct neap_signal_hook *hook, int signum);
};

/* Begins. Does not wait. Returns 0 or a negative code. */
int neap__signal_watch(struct neap_rt *rt, int signum,
                       struct neap_signal_hook *hook);

/* Ends it; harmless when it has not begun. Does not wait. */
void neap__signal_unwatch(struct neap_rt *rt, int signum,
                          struct neap_signal_hook *hook);

#endif
