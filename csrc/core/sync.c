/* sync.c: mutex, semaphore, event and condition; what they promise is in
   sync.h. */
#include "core/sync.h"

#include "core/rt.h"
#include "core/scope.h"
#include "core/waitq.h"

#include <assert.h>

/* Kept out of the frames of a waiting task. */
#define NOT_IN_FRAME __attribute__((noinline))

/* --- mutex ---------------------------------------------------------------- */

/* The request of a lock. */
struct lock {
  struct neap_mutex *mutex;
};

static struct neap_op *op_of(struct neap_list *link) {
  return NEAP_LIST_ENTRY(link, struct neap_op, link);
}

static struct neap_mutex *mutex_of(struct neap_op *op) {
  return ((struct lock *)neap__op_data(op))->mutex;
}

static uint64_t owner_of(const struct neap_op *op) {
  const struct lock *lock = neap__op_data(op);
  return lock->mutex->owner != NULL ? lock->mutex->owner->id : 0;
}

static const struct neap_op_kind lock_kind = {.what = "mutex:lock",
                                              .waker = owner_of};

/* A task has ended; those who wait for a mutex of its can stop. Rarely one is
   contended, and who owns one has a share given out. */
static void on_end(struct neap_task *task) {
  struct neap_syncs *syncs = &task->rt->syncs;
  struct neap_list *head = &syncs->contended, *link = head->next;
  while (task->refs > 1 && link != head) {
    struct neap_mutex *m = NEAP_LIST_ENTRY(link, struct neap_mutex, link);
    link = link->next;
    if (m->owner == task) {
      neap__list_remove(&m->link);
      neap__waitq_wake_all(&m->waiters, UV_ESRCH);
    }
  }
  syncs->on_end(task);
}

void neap__sync_init(struct neap_rt *rt) {
  neap__list_init(&rt->syncs.contended);
  rt->syncs.on_end = rt->sched.on_end;
  rt->sched.on_end = on_end;
}

void neap__sync_mutex_init(struct neap_mutex *m, struct neap_rt *rt) {
  *m = (struct neap_mutex){.rt = rt};
  neap__list_init(&m->waiters);
}

static void own(struct neap_mutex *m, struct neap_task *task) {
  m->owner = task;
  neap__task_ref(task);
}

static void disown(struct neap_mutex *m) {
  struct neap_task *owner = m->owner;
  m->owner = NULL;
  neap__task_unref(&m->rt->mem, owner);
}

void neap__sync_mutex_deinit(struct neap_mutex *m) {
  assert(neap__list_empty(&m->waiters));
  if (m->owner != NULL)
    disown(m);
}

bool neap__sync_owns(const struct neap_mutex *m) {
  return m->owner != NULL && m->owner == m->rt->sched.current;
}

int neap__sync_try_lock(struct neap_mutex *m) {
  struct neap_task *current = m->rt->sched.current;
  if (m->owner == NULL) {
    own(m, current);
    return 0;
  }
  if (m->owner == current)
    return UV_EALREADY;
  return m->owner->state == NEAP_TASK_ENDED ? UV_ESRCH : UV_EAGAIN;
}

/* Takes a waiter out, the last of which ends the contention. */
static void leave(struct neap_mutex *m, struct neap_op *op) {
  neap__list_remove(&op->link);
  if (neap__list_empty(&m->waiters))
    neap__list_remove(&m->link);
}

static enum neap_op_fate give_up(struct neap_op *op) {
  leave(mutex_of(op), op);
  return NEAP_OP_GONE;
}

static void enqueue(struct neap_mutex *m, struct neap_op *op) {
  if (neap__list_empty(&m->waiters))
    neap__list_push(&m->rt->syncs.contended, &m->link);
  neap__list_push(&m->waiters, &op->link);
}

static int new_lock(struct neap_mutex *m, uint64_t due_ns,
                    struct neap_op **out) {
  int err = neap__op_new_until(m->rt, lock_kind.what, sizeof(struct lock),
                               due_ns, out);
  if (err == 0) {
    neap__op_set_kind(*out, &lock_kind);
    (*out)->internal = true;
    ((struct lock *)neap__op_data(*out))->mutex = m;
  }
  return err;
}

NOT_IN_FRAME static int begin_lock(struct neap_mutex *m, uint64_t due_ns,
                                   struct neap_op **out) {
  if (due_ns == NEAP_ONCE)
    return UV_ETIMEDOUT;
  int err = new_lock(m, due_ns, out);
  if (err == 0) {
    (*out)->cancel = give_up;
    enqueue(m, *out);
  }
  return err;
}

int neap__sync_lock(struct neap_mutex *m, uint64_t due_ns) {
  struct neap_op *op = NULL;
  int err = neap__op_begin(m->rt);
  if (err == 0)
    err = neap__sync_try_lock(m);
  if (err == UV_EAGAIN)
    err = begin_lock(m, due_ns, &op);
  return op != NULL ? neap__op_await(op) : err;
}

int neap__sync_unlock(struct neap_mutex *m) {
  if (!neap__sync_owns(m))
    return UV_EPERM;
  disown(m);
  if (neap__list_empty(&m->waiters))
    return 0;
  struct neap_op *op = op_of(m->waiters.next);
  leave(m, op);
  own(m, op->task);
  neap__op_wake(op, 0);
  return 0;
}

/* --- semaphore ------------------------------------------------------------ */

void neap__sync_semaphore_init(struct neap_semaphore *s, struct neap_rt *rt,
                               uint64_t units) {
  *s = (struct neap_semaphore){.rt = rt, .units = units, .most = units};
  neap__list_init(&s->waiters);
}

int neap__sync_try_acquire(struct neap_semaphore *s) {
  if (s->units == 0)
    return UV_EAGAIN;
  s->units--;
  return 0;
}

/* Waits in a queue of somebody's, until due_ns at most. */
static int wait_in(struct neap_rt *rt, struct neap_list *queue,
                   const char *what, uint64_t due_ns) {
  if (due_ns == NEAP_ONCE)
    return UV_ETIMEDOUT;
  return neap__waitq_wait(rt, queue, what, due_ns, true);
}

int neap__sync_acquire(struct neap_semaphore *s, uint64_t due_ns) {
  int err = neap__op_begin(s->rt);
  if (err == 0)
    err = neap__sync_try_acquire(s);
  if (err == UV_EAGAIN)
    err = wait_in(s->rt, &s->waiters, "semaphore:acquire", due_ns);
  return err;
}

int neap__sync_release(struct neap_semaphore *s) {
  if (s->units == s->most)
    return UV_EOVERFLOW;
  if (!neap__waitq_wake_one(&s->waiters, 0))
    s->units++;
  return 0;
}

/* --- event ---------------------------------------------------------------- */

void neap__sync_event_init(struct neap_event *e, struct neap_rt *rt) {
  *e = (struct neap_event){.rt = rt};
  neap__list_init(&e->waiters);
}

int neap__sync_event_wait(struct neap_event *e, uint64_t due_ns) {
  int err = neap__op_begin(e->rt);
  if (err == 0 && !e->is_set)
    err = wait_in(e->rt, &e->waiters, "event:wait", due_ns);
  return err;
}

void neap__sync_event_set(struct neap_event *e) {
  e->is_set = true;
  neap__waitq_wake_all(&e->waiters, 0);
}

/* --- condition ------------------------------------------------------------ */

void neap__sync_condition_init(struct neap_condition *c, struct neap_rt *rt) {
  *c = (struct neap_condition){.rt = rt};
  neap__list_init(&c->waiters);
}

/* But not when nobody can unlock it any more: main can't, when all ends. */
static enum neap_op_fate stays(struct neap_op *op) {
  const struct neap_rt *rt = op->rt;
  return rt->closing || rt->sched.deadlocked ? give_up(op) : NEAP_OP_STAYS;
}

/* Locks m again, whatever is cancelled meanwhile. op was made for that. */
static int lock_again(struct neap_mutex *m, struct neap_op *op) {
  int err = neap__sync_try_lock(m);
  if (err != UV_EAGAIN) {
    neap__op_free(op);
    return err;
  }
  op->cancel = stays;
  enqueue(m, op);
  return neap__op_await(op);
}

int neap__sync_condition_wait(struct neap_condition *c, struct neap_mutex *m,
                              uint64_t due_ns) {
  struct neap_op *again = NULL;
  int err = neap__op_check(c->rt);
  if (err == 0 && m != NULL)
    err = neap__sync_owns(m) ? new_lock(m, NEAP_FOREVER, &again) : UV_EPERM;
  if (err < 0)
    return err;
  if (m != NULL)
    neap__sync_unlock(m);
  err = wait_in(c->rt, &c->waiters, "condition:wait", due_ns);
  if (m != NULL) {
    int lock_err = lock_again(m, again);
    err = lock_err < 0 ? lock_err : err;
  }
  return err;
}

uint64_t neap__sync_notify(struct neap_condition *c, uint64_t n) {
  uint64_t woken = 0;
  while (woken < n && neap__waitq_wake_one(&c->waiters, 0))
    woken++;
  return woken;
}
