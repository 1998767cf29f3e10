/*
 * waitq.h: waiters in the order they came: the base of joins, locks, channels
 * and streams. A waiter that is called off leaves the queue by itself.
 */
#ifndef NEAP_CORE_WAITQ_H
#define NEAP_CORE_WAITQ_H

#include "core/op.h"

/* The head is a plain struct neap_list, set up with neap__list_init. */

/* Makes op a waiter of queue, the last one. Its waker is whoever wakes the
   queue; it must be parked next. */
void neap__waitq_push(struct neap_list *queue, struct neap_op *op);

/* Wakes the first waiter with status; false when there is none. */
bool neap__waitq_wake_one(struct neap_list *queue, int status);

/* Wakes all waiters with status. */
void neap__waitq_wake_all(struct neap_list *queue, int status);

/*
 * Waits in queue until woken. Waits. due_ns limits it (NEAP_FOREVER: no
 * limit). Returns the waker's status, UV_ETIMEDOUT, UV_ENOMEM, NEAP_CANCELLED
 * or NEAP_CLOSING. internal: only another task's doing can wake it.
 */
int neap__waitq_wait(struct neap_rt *rt, struct neap_list *queue,
                     const char *what, uint64_t due_ns, bool internal);

/* The same for a kind of wait that can say which object it is on. */
int neap__waitq_wait_on(struct neap_rt *rt, struct neap_list *queue,
                        const struct neap_op_kind *kind, void *object,
                        uint64_t due_ns, bool internal);

/* That object; for the kind's describe and waker. */
void *neap__waitq_object(const struct neap_op *op);

#endif
