/*
 * overflow.h: a task that runs into its guard. The process dies of
 * SIGSEGV all the same, but says first which task it was. Only on request
 * (NEAP_DEBUG=1, or the runner): a library does not take a signal by itself.
 */
#ifndef NEAP_CORE_OVERFLOW_H
#define NEAP_CORE_OVERFLOW_H

#include "core/task.h"

#include <signal.h>

struct neap_overflow {
  struct sigaction old;
  void *alternate; /* the stack that the handler runs on */
  /* Upward: the task's name, or NULL. Called in the signal handler. */
  const char *(*name_of)(const struct neap_task *task);
};

/* Installs the handler for this thread and process. Returns 0 or a negative
   UV_E*. Not for sanitized builds: those tell it themselves. */
int neap__overflow_watch(struct neap_rt *rt);

/* Takes it away again. Harmless when it was never installed. */
void neap__overflow_unwatch(struct neap_rt *rt);

#endif
