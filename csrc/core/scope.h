/*
 * scope.h: waiting for tasks to end.
 */
#ifndef NEAP_CORE_SCOPE_H
#define NEAP_CORE_SCOPE_H

#include "core/task.h"

/* Sets the hook that tells a task's joiners of its end. */
void neap__scope_init(struct neap_rt *rt);

/*
 * Waits until task has ended. due_ns limits it. Returns 0, UV_ELOOP when
 * the task is the caller or waits (through others) for the caller,
 * UV_ETIMEDOUT, UV_ENOMEM, NEAP_CANCELLED or NEAP_CLOSING. The caller holds a
 * share of task, or does not touch it afterwards.
 */
int neap__scope_join(struct neap_task *task, uint64_t due_ns);

#endif
