/*
 * context.h: what a host notes about a task: pairs of a key and a value, which
 * the tasks that it spawns have as well. A task's pairs are one block that it
 * shares with them until one of them changes its own. The tasks that have some
 * are in a table, so that the others pay nothing.
 */
#ifndef NEAP_CORE_CONTEXT_H
#define NEAP_CORE_CONTEXT_H

#include "core/task.h"

struct neap_context;

struct neap_context_slot {
  const struct neap_task *task; /* NULL: free */
  struct neap_context *context;
};

struct neap_contexts {
  struct neap_context_slot *slots;
  uint32_t n, capacity; /* the latter a power of two, or 0 */
};

/* Makes sure that the next neap__context_inherit needs no memory. Returns 0 or
   UV_ENOMEM. */
int neap__context_reserve(struct neap_rt *rt);

/* task, which is new, has what the running task has. */
void neap__context_inherit(struct neap_rt *rt, const struct neap_task *task);

/* task has ended. */
void neap__context_end(const struct neap_task *task);

/* No task runs any more. */
void neap__context_deinit(struct neap_rt *rt);

#endif
