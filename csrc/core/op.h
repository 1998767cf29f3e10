/*
 * op.h: the wait object. All waiting goes through one: it lies on the heap and
 * carries the request, because the frames of a waiting task may be elsewhere.
 * It has two owners, the waiter and the waker, and is freed when both have let
 * go. There is no wake by task, so a late completion can't wake what the task
 * waits for next.
 *
 * The life of an op: neap__op_new makes it with both shares. The waiter hands
 * the request out and parks; the waker calls neap__op_wake exactly once, which
 * gives its share up, whether or not somebody still waits. The waiter reads
 * the results and gives its share up with neap__op_unref (neap__op_await does
 * both). If the request could not even be handed out, neap__op_free drops both.
 */
#ifndef NEAP_CORE_OP_H
#define NEAP_CORE_OP_H

#include "core/task.h"
#include "core/timer.h"

/* How often a task may swallow the runtime's end before it is made to end. More
   than the 220 times that Lua calls a message handler which waits, and so fails
   in its turn, until its C levels are used up: that ends by itself. */
#define NEAP_STUBBORN 250

/* What became of a request that was called off. */
enum neap_op_fate {
  NEAP_OP_GONE, /* called off: the waker will not come, its share is given up */
  NEAP_OP_LATE, /* let go: the waker comes some time and only frees */
  NEAP_OP_STAYS /* can't be called off: the wait goes on to its end */
};

/* Static, and the same for all waits of a kind: what dumps say beyond its
   text. A wait pays nothing for it. */
struct neap_op_kind {
  char what[20]; /* "conn:read" */
  /* Writes what op waits on ("127.0.0.1:80") to size > 0 bytes at out, or
     nothing. op is parked. NULL: there is no more to say. */
  void (*describe)(const struct neap_op *op, char *out, size_t size);
  /* The id of the task that could end the wait (it holds the lock, or is
     joined); 0: nobody in particular. May be NULL. */
  uint64_t (*waker)(const struct neap_op *op);
};

struct neap_op {
  struct neap_list link; /* for whoever holds it: a wait queue, a post queue */
  struct neap_rt *rt;
  struct neap_task *task; /* parked on it, or NULL */
  const char *what; /* static text for dumps: "sleep"; has_kind: a kind's */
  union {
    /* Calls the request off; NULL: nothing to do, the waker's share is then
       given up (NEAP_OP_GONE). Never waits. */
    enum neap_op_fate (*cancel)(struct neap_op *op);
    /* Of a relay, on which nobody parks: passes the wake on. */
    void (*relay)(struct neap_op *op);
  };
  struct neap_timer timer; /* its time limit, or the sleep itself */
  int status;
  int posted_status; /* of a wake that comes from another thread */
  uint32_t size;     /* of the whole block */
  uint8_t refs;
  bool done : 1;     /* woken or called off: status is set */
  bool internal : 1; /* only another task can end it */
  bool external : 1; /* parked, and counted as a wait that ends from outside */
  bool timed : 1;    /* of those, counted as one that only time ends */
  bool relays : 1;   /* it is a relay */
  bool has_kind : 1; /* what is the text of a struct neap_op_kind */
};

static_assert(sizeof(struct neap_op) <= 80, "one per waiting task");

/* The request behind an op; aligned to 16. */
#define NEAP_OP_HEAD                                                           \
  ((sizeof(struct neap_op) + NEAP_MEM_STEP - 1) / NEAP_MEM_STEP * NEAP_MEM_STEP)

static inline void *neap__op_data(const struct neap_op *op) {
  return (void *)((uintptr_t)op + NEAP_OP_HEAD);
}

/* Makes op a wait of that kind. */
static inline void neap__op_set_kind(struct neap_op *op,
                                     const struct neap_op_kind *kind) {
  op->what = kind->what;
  op->has_kind = true;
}

/* The kind of op, or NULL. */
static inline const struct neap_op_kind *
neap__op_kind_of(const struct neap_op *op) {
  return op->has_kind ? (const struct neap_op_kind *)(const void *)op->what
                      : NULL;
}

/* The op whose request data is. */
static inline struct neap_op *neap__op_of(void *data) {
  return (struct neap_op *)(void *)((char *)data - NEAP_OP_HEAD);
}

/*
 * A new op with size bytes of cleared request data, owned by both the waiter
 * and the waker. Does not wait. Returns 0 or UV_ENOMEM.
 */
int neap__op_new(struct neap_rt *rt, const char *what, size_t size,
                 struct neap_op **out);

/* The same of a cleared op without request data that is part of something of
   the caller's, who frees that when the wait is over. */
void neap__op_init(struct neap_rt *rt, const char *what, struct neap_op *op);

/*
 * A new op that stands in for another one in somebody's queue: when it is woken
 * it calls relay, which finds its status there. Does not wait. Whoever made it
 * takes it back with neap__op_free, or with neap__op_unref once it is woken.
 * Returns 0 or UV_ENOMEM.
 */
int neap__op_new_relay(struct neap_rt *rt, size_t size,
                       void (*relay)(struct neap_op *op), struct neap_op **out);

/* Drops both shares of an op whose request was never handed out. NULL is
   harmless. */
void neap__op_free(struct neap_op *op);

/* Gives one share up. */
void neap__op_unref(struct neap_op *op);

/*
 * Waits for op to be woken; returns the waker's status. When the task is
 * cancelled, the request is called off and the result is NEAP_CANCELLED or
 * NEAP_CLOSING; the waiter must not touch the request data then, unless the
 * fate was NEAP_OP_STAYS. Keeps the waiter's share.
 */
int neap__op_park(struct neap_op *op);

/* neap__op_park, then gives the waiter's share up. */
int neap__op_await(struct neap_op *op);

/*
 * Completes op, on the loop's thread, and gives the waker's share up. Does not
 * wait, does not switch. False when nobody waits any more: who has put a
 * resource into the request must look with neap__op_abandoned first.
 */
bool neap__op_wake(struct neap_op *op, int status);

/* Whether the wait was called off: what the request brings is nobody's. */
bool neap__op_abandoned(const struct neap_op *op);

/* The wait of a task that is not gone on with: takes it out of the figures and
   out of the task. */
void neap__op_forget(struct neap_op *op);

/* Ends the wait from outside with status, if it can be called off. */
void neap__op_interrupt(struct neap_op *op, int status);

/* neap__op_new for a wait that is limited: at due_ns it ends with UV_ETIMEDOUT,
   with NEAP_FOREVER never. */
int neap__op_new_until(struct neap_rt *rt, const char *what, size_t size,
                       uint64_t due_ns, struct neap_op **out);

/* Waits until due_ns on the tasks' clock; NEAP_FOREVER: until cancelled.
   Returns 0, UV_ENOMEM, NEAP_CANCELLED or NEAP_CLOSING. */
int neap__op_sleep(struct neap_rt *rt, uint64_t due_ns);

/* What the current task's waits return at once (NEAP_CANCELLED, NEAP_CLOSING),
   or 0. For what takes something without waiting. */
int neap__op_check(struct neap_rt *rt);

/* neap__sched_spend and neap__op_check: what a call that may wait, or take
   something without, begins with. Waits. */
int neap__op_begin(struct neap_rt *rt);

#endif
