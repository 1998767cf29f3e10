/*
 * sync.h: what tasks wait for beside each other's values: mutex, semaphore,
 * event and condition. All are first come, first served: who gives a lock or a
 * unit up hands it to the first waiter, so nobody can get in between, and a
 * wait that is called off has got nothing.
 *
 * They lie in memory of the owner's, in which nobody waits any more when it
 * goes; there is nothing else to be freed, but for a mutex that is held.
 */
#ifndef NEAP_CORE_SYNC_H
#define NEAP_CORE_SYNC_H

#include "core/op.h"

struct neap_syncs {
  struct neap_list contended;             /* mutexes that somebody waits for */
  void (*on_end)(struct neap_task *task); /* the hook that was there before */
};

/* Adds to the hook of a task's end: after neap__scope_init. */
void neap__sync_init(struct neap_rt *rt);

/*
 * A mutex belongs to the task that has locked it. A task that ends without
 * unlocking it leaves what the mutex protects half done: the mutex stays
 * locked, and everybody who wants it is told with UV_ESRCH.
 */
struct neap_mutex {
  struct neap_rt *rt;
  struct neap_task *owner; /* a share of it; NULL: nobody's */
  struct neap_list waiters;
  struct neap_list link; /* in contended */
};

void neap__sync_mutex_init(struct neap_mutex *m, struct neap_rt *rt);

/* Before its memory goes. Nobody waits for it. */
void neap__sync_mutex_deinit(struct neap_mutex *m);

/*
 * Locks m for the current task, until due_ns at most. Waits. Returns 0;
 * UV_EALREADY when the task has it; UV_ESRCH when its owner has ended;
 * UV_ETIMEDOUT; UV_ENOMEM; or the code that ended the wait.
 */
int neap__sync_lock(struct neap_mutex *m, uint64_t due_ns);

/* Does not wait. As neap__sync_lock, or UV_EAGAIN when another task has it. */
int neap__sync_try_lock(struct neap_mutex *m);

/* Hands m to the first waiter. Does not wait. Returns 0, or UV_EPERM when the
   current task does not have it. */
int neap__sync_unlock(struct neap_mutex *m);

/* Whether the current task has m. Does not wait. */
bool neap__sync_owns(const struct neap_mutex *m);

/* Units that tasks take and give back. */
struct neap_semaphore {
  struct neap_rt *rt;
  uint64_t units, most; /* there are now; can be */
  struct neap_list waiters;
};

void neap__sync_semaphore_init(struct neap_semaphore *s, struct neap_rt *rt,
                               uint64_t units);

/* Takes a unit, until due_ns at most. Waits. Returns 0, UV_ETIMEDOUT, UV_ENOMEM
   or the code that ended the wait. */
int neap__sync_acquire(struct neap_semaphore *s, uint64_t due_ns);

/* Does not wait. Returns 0 or UV_EAGAIN. */
int neap__sync_try_acquire(struct neap_semaphore *s);

/* Hands a unit to the first waiter, or puts it back. Does not wait. Returns 0,
   or UV_EOVERFLOW when all are there. */
int neap__sync_release(struct neap_semaphore *s);

/* A flag to wait for. */
struct neap_event {
  struct neap_rt *rt;
  struct neap_list waiters;
  bool is_set;
};

void neap__sync_event_init(struct neap_event *e, struct neap_rt *rt);

/* Waits until e is set, until due_ns at most. Waits. Whoever waits when it is
   set goes on, even if it is cleared at once. Returns 0, UV_ETIMEDOUT,
   UV_ENOMEM or the code that ended the wait. */
int neap__sync_event_wait(struct neap_event *e, uint64_t due_ns);

/* Does not wait. */
void neap__sync_event_set(struct neap_event *e);

/* News that tasks wait for; it is not kept for those who come later. */
struct neap_condition {
  struct neap_rt *rt;
  struct neap_list waiters;
};

void neap__sync_condition_init(struct neap_condition *c, struct neap_rt *rt);

/*
 * Waits for a notify, until due_ns at most. Waits. With a mutex m, which the
 * current task has, others may have it meanwhile; the task has it again
 * afterwards, whatever ended the wait, but for UV_ESRCH, NEAP_EDEADLK and
 * NEAP_CLOSING.
 * Returns 0; UV_EPERM when it does not have m; UV_ESRCH when somebody has ended
 * with m; UV_ETIMEDOUT; UV_ENOMEM; or the code that ended the wait.
 */
int neap__sync_condition_wait(struct neap_condition *c, struct neap_mutex *m,
                              uint64_t due_ns);

/* Wakes the first n waiters. Does not wait. Returns how many there were. */
uint64_t neap__sync_notify(struct neap_condition *c, uint64_t n);

#endif
