/*
 * cancel.h: level-triggered cancellation. Entries form a tree: the root of a
 * task, and in it the scopes and shields that it has opened; a scope's children
 * have their roots in it. A wait raises while any entry around it, up to the
 * innermost shield, is cancelled, whatever the task swallows.
 *
 * Each entry knows its cause, the outermost cancelled entry around it, so that
 * a wait looks at one word (task->interrupt) and opening an entry costs the
 * same at any depth; cancelling walks down and tells the tasks that stand
 * there.
 *
 * A task without scopes or shields that is in no scope has no entry at all:
 * its own cancellation is a bit in it.
 */
#ifndef NEAP_CORE_CANCEL_H
#define NEAP_CORE_CANCEL_H

#include "core/task.h"
#include "core/timer.h"

enum neap_entry_kind {
  NEAP_ENTRY_ROOT, /* of a task; around it the scope it is in, or nothing */
  NEAP_ENTRY_SCOPE,
  NEAP_ENTRY_SHIELD
};

/* Why an entry is cancelled. */
enum neap_why {
  NEAP_WHY_ASKED = 1, /* somebody has called for it */
  NEAP_WHY_TIMEOUT,   /* its deadline has come */
  NEAP_WHY_CHILD,     /* a task in it has failed */
  NEAP_WHY_BODY,      /* its block has failed */
  NEAP_WHY_ABANDONED  /* its block was collected */
};

/* Lies on the heap: others write there while the task is away. */
struct neap_entry {
  struct neap_entry *outer;
  struct neap_list link;    /* in outer->inner; none: linked to nothing */
  struct neap_list inner;   /* the entries directly in it */
  struct neap_entry *cause; /* why waits in it raise, or NULL */
  struct neap_task *task;   /* whose current entry it is, or NULL */
  const void *stack;        /* the opener's: which of a task's entry stacks */
  struct neap_timer timer;  /* its deadline */
  uint64_t due_ns;          /* NEAP_FOREVER: none */
  uint64_t serial;          /* no other entry of the runtime has or had it */
  uint8_t kind;             /* enum neap_entry_kind */
  uint8_t why;              /* enum neap_why; 0: not cancelled */
};

struct neap_cancels {
  uint64_t serial;
  void (*interrupt)(struct neap_task *task); /* ends its wait */
};

/*
 * Opens entry, whose memory is the caller's, inside outer (NULL: around it is
 * nothing). It is not yet anybody's current entry. Does not wait.
 */
void neap__cancel_open(struct neap_rt *rt, struct neap_entry *entry,
                       enum neap_entry_kind kind, struct neap_entry *outer);

/* Gives an open entry its deadline; one in the past cancels it at once. Returns
   0 or UV_ENOMEM. */
int neap__cancel_limit(struct neap_rt *rt, struct neap_entry *entry,
                       uint64_t due_ns);

/* Takes entry out of the tree: what stands in it stands in what is around it
   from now on. In any order with others. */
void neap__cancel_leave(struct neap_rt *rt, struct neap_entry *entry);

/* Moves an open entry, with all that is in it, into another one. */
void neap__cancel_move(struct neap_entry *entry, struct neap_entry *outer);

/* The task waits in entry from now on (NULL: in none). */
void neap__cancel_stand(struct neap_task *task, struct neap_entry *entry);

/* Cancels entry. False when it was. Does not wait. */
bool neap__cancel_entry(struct neap_entry *entry, enum neap_why why);

/* Cancels all that task does. False when it was or has ended. Does not wait. */
bool neap__cancel_task(struct neap_task *task);

/* Makes sure that a task which is in no scope has a root. Returns 0 or
   UV_ENOMEM. */
int neap__cancel_root(struct neap_task *task);

/* A new task is in scope: root, cleared and from the runtime's memory, is its
   root from now on, and neap__cancel_end frees it. */
void neap__cancel_begin(struct neap_task *task, struct neap_entry *root,
                        struct neap_entry *scope);

/* The root of task, or NULL while it needs none. */
struct neap_entry *neap__cancel_root_of(const struct neap_task *task);

/* The task has ended: its root leaves the tree. Returns the scope that the task
   was in, or NULL. */
struct neap_entry *neap__cancel_end(struct neap_task *task);

/* The innermost scope around entry, itself included, or NULL. */
struct neap_entry *neap__cancel_scope(struct neap_entry *entry);

/* The nearest deadline around entry, up to the innermost shield. */
uint64_t neap__cancel_due(const struct neap_entry *entry);

#endif
