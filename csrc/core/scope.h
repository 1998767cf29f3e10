/*
 * scope.h: tasks that belong together: waiting for the end of one (a join), and
 * of all in a scope. A scope is an entry (cancel.h) that counts the tasks in
 * it; it ends when the last of them has.
 */
#ifndef NEAP_CORE_SCOPE_H
#define NEAP_CORE_SCOPE_H

#include "core/cancel.h"
#include "core/op.h"

struct neap_scope {
  struct neap_entry entry;
  struct neap_task *owner; /* who opened it and waits for its end: a share */
  uint32_t nchildren;      /* tasks in it that have not ended */
  bool orphaned;           /* nobody waits for its end */
  struct neap_op end;      /* the owner's wait; part of this block */
  /* A task in it has ended, and is still counted; or NULL. */
  void (*on_child_end)(struct neap_scope *scope, const struct neap_task *task);
  /* Frees an orphaned scope, whose last child has ended. */
  void (*on_orphan_end)(struct neap_scope *scope);
};

/* The scope that entry, of that kind, is part of. */
static inline struct neap_scope *neap__scope_of(struct neap_entry *entry) {
  return NEAP_LIST_ENTRY(entry, struct neap_scope, entry);
}

/* Sets the hook that tells joiners and the scope of a task's end. */
void neap__scope_init(struct neap_rt *rt);

/*
 * As neap__sched_spawn, into scope (NULL: none), which has not ended.
 */
int neap__scope_spawn(struct neap_rt *rt, struct neap_scope *scope,
                      neap_task_fn fn, void *arg, size_t stack, size_t extra,
                      struct neap_task **out);

/* Opens a cleared scope, the owner of which is the current task, inside outer
   (NULL: none). Nobody stands in it yet. Does not wait. */
void neap__scope_open(struct neap_rt *rt, struct neap_scope *scope,
                      struct neap_entry *outer);

/* The current task is the one that will close scope. */
void neap__scope_own(struct neap_rt *rt, struct neap_scope *scope);

/* Waits until every task in scope has ended, whatever is cancelled meanwhile,
   and closes it. Waits. Returns 0, or NEAP_EDEADLK with scope still open: its
   tasks can't go on. */
int neap__scope_close(struct neap_rt *rt, struct neap_scope *scope);

/* Closes scope without a wait: its children, which somebody has cancelled, end
   some time. on_orphan_end frees it then, at once if it has none. */
void neap__scope_orphan(struct neap_scope *scope);

/*
 * Waits until task has ended. due_ns limits it. Returns 0, UV_ELOOP when
 * the task is the caller or waits (through others) for the caller, or has
 * opened a scope that the caller is in; UV_ETIMEDOUT, UV_ENOMEM, NEAP_CANCELLED
 * or NEAP_CLOSING. The caller holds a share of task, or does not touch it
 * afterwards.
 */
int neap__scope_join(struct neap_task *task, uint64_t due_ns);

#endif
