/*
 * block.c: blocks of C code that cancellation knows: scopes, whose tasks end
 * with them, and shields. They are entries (cancel.h) on the heap, as those of
 * scripts; what a task's function returns tells whether it has failed.
 */
#include "core/options.h"
#include "core/rt.h"
#include "core/scope.h"

/* A scope that C code has opened. */
struct block {
  struct neap_scope core;
  struct neap_rt *rt;
  struct neap_entry *root; /* the task's, made for this block, or NULL */
  int failed;       /* what the first task that failed in it returned, or 0 */
  bool body_failed; /* before any of them: what they return is its doing */
  bool cut_short;   /* a task in it has ended by a cancellation */
};

struct neap_shield {
  struct neap_entry entry;
  struct neap_entry *root;
  struct neap_task *task;
};

static struct block *block_of(neap_scope *scope) {
  return NEAP_LIST_ENTRY(scope, struct block, core);
}

/* --- entering and leaving */

/* What a block is opened in must be there: the task's root, which is in *made
   if it was not. */
static int prepare(struct neap_task *task, struct neap_entry **made) {
  if (task->entry != NULL)
    return 0;
  int err = neap__cancel_root(task);
  if (err == 0)
    *made = task->entry;
  return err;
}

/* The block that root was made for has ended. If nothing else stands there the
   task is again as if it had opened none: a binding relies on that. */
static void drop_root(struct neap_task *task, struct neap_entry *root) {
  if (root == NULL || !neap__list_empty(&root->inner))
    return;
  const uint16_t swallowed = task->swallowed; /* nothing it fell for is over */
  neap__cancel_leave(task->rt, root);
  task->swallowed = swallowed & NEAP_MAX_SWALLOWED;
  neap__mem_free(&task->rt->mem, root, sizeof *root);
}

static void free_block(struct neap_rt *rt, struct neap_task *task,
                       struct block *block) {
  drop_root(task, block->root);
  neap__mem_free(&rt->mem, block, sizeof *block);
}

/* --- scopes */

static bool is_cancellation(int result) {
  return result <= NEAP_CANCELLED;
}

/* A task in scope has ended. One of a script tells of a failure and of its
   cancellation by one code. */
static void on_child_end(struct neap_scope *scope,
                         const struct neap_task *task) {
  struct block *block = block_of(scope);
  if (task->result >= 0)
    return;
  if (is_cancellation(task->result) ||
      (task->result == UV_ECANCELED && scope->entry.cause != NULL)) {
    block->cut_short = true;
    return;
  }
  if (block->failed != 0 || block->body_failed || scope->orphaned)
    return;
  block->failed = task->result;
  neap__cancel_entry(&scope->entry, NEAP_WHY_CHILD);
}

static void on_orphan_end(struct neap_scope *scope) {
  struct block *block = block_of(scope);
  /* Its root stays the task's: who has left it is not known here. */
  neap__mem_free(&block->rt->mem, block, sizeof *block);
}

int neap_scope_open(neap_rt *rt, uint64_t due_ns, neap_scope **out) {
  struct neap_task *task = rt->sched.current;
  if (task == NULL)
    return UV_EPERM;
  struct block *block = neap__mem_zalloc(&rt->mem, sizeof *block);
  if (block == NULL)
    return UV_ENOMEM;
  int err = prepare(task, &block->root);
  if (err < 0) {
    neap__mem_free(&rt->mem, block, sizeof *block);
    return err;
  }
  struct neap_scope *scope = &block->core;
  block->rt = rt;
  scope->on_child_end = on_child_end;
  scope->on_orphan_end = on_orphan_end;
  neap__scope_open(rt, scope, task->entry);
  neap__cancel_stand(task, &scope->entry);
  err = neap__cancel_limit(rt, &scope->entry, due_ns);
  if (err < 0) {
    neap__scope_close(rt, scope); /* it has no tasks: does not wait */
    free_block(rt, task, block);
    return err;
  }
  *out = scope;
  return 0;
}

bool neap_scope_cancel(neap_scope *scope) {
  return neap__cancel_entry(&scope->entry, NEAP_WHY_ASKED);
}

/* What comes out of a scope that has ended, in which everybody has: its block
   came to result. own: that was its cancellation, and why. */
static int outcome(const struct block *block, const struct neap_task *task,
                   int result, bool own, enum neap_why why) {
  if (block->failed != 0)
    return block->failed;
  if (own)
    return why == NEAP_WHY_TIMEOUT ? UV_ETIMEDOUT : UV_ECANCELED;
  if (result >= 0 && block->cut_short && task->interrupt != 0)
    return task->interrupt;
  return result;
}

int neap_scope_close(neap_scope *scope, int result) {
  struct neap_task *task = scope->owner;
  struct neap_rt *rt = task->rt;
  struct neap_entry *entry = &scope->entry;
  struct block *block = block_of(scope);
  if (task != rt->sched.current)
    return UV_EPERM;
  const bool own = result == NEAP_CANCELLED && entry->cause == entry;
  if (result < 0 && !own) {
    block->body_failed = true;
    neap__cancel_entry(entry, NEAP_WHY_BODY);
  }
  int err = neap__scope_close(rt, scope);
  if (err < 0) {
    neap__scope_orphan(scope);
    return err;
  }
  err = outcome(block, task, result, own, (enum neap_why)entry->why);
  free_block(rt, task, block);
  return err;
}

/* --- shields */

int neap_shield_open(neap_rt *rt, neap_shield **out) {
  struct neap_task *task = rt->sched.current;
  if (task == NULL)
    return UV_EPERM;
  struct neap_shield *shield = neap__mem_zalloc(&rt->mem, sizeof *shield);
  if (shield == NULL)
    return UV_ENOMEM;
  int err = prepare(task, &shield->root);
  if (err < 0) {
    neap__mem_free(&rt->mem, shield, sizeof *shield);
    return err;
  }
  shield->task = task;
  neap__cancel_open(rt, &shield->entry, NEAP_ENTRY_SHIELD, task->entry);
  neap__cancel_stand(task, &shield->entry);
  *out = shield;
  return 0;
}

void neap_shield_close(neap_shield *shield) {
  if (shield == NULL)
    return;
  struct neap_task *task = shield->task;
  struct neap_rt *rt = task->rt;
  neap__cancel_leave(rt, &shield->entry);
  drop_root(task, shield->root);
  neap__mem_free(&rt->mem, shield, sizeof *shield);
}

/* --- what holds where the running task stands */

uint64_t neap_deadline(neap_rt *rt) {
  const struct neap_task *task = rt->sched.current;
  return task != NULL ? neap__cancel_due(task->entry) : NEAP_NEVER;
}

int neap_pending(neap_rt *rt) {
  const struct neap_task *task = rt->sched.current;
  return task != NULL ? task->interrupt : 0;
}

/* --- tasks in them */

static int spawn(struct neap_rt *rt, struct neap_scope *scope, neap_task_fn fn,
                 void *arg, const neap_spawn_options *given, neap_task **out) {
  if (given->shared_stack && given->stack_size > 0)
    return UV_EINVAL;
  size_t stack = NEAP_STACK_PRIVATE;
  if (given->shared_stack)
    stack = NEAP_STACK_SHARED;
  else if (given->stack_size > 0)
    stack = given->stack_size;
  struct neap_task *task;
  size_t extra = given->name != NULL ? strlen(given->name) + 1 : 0;
  int err = neap__scope_spawn(rt, scope, fn, arg, stack, extra, &task);
  if (err < 0)
    return err;
  if (extra > 0) /* neap__task_c_name */
    memcpy(neap__task_data(task), given->name, extra);
  if (out != NULL) {
    neap__task_ref(task);
    *out = task;
  }
  return 0;
}

int neap_spawn(neap_rt *rt, neap_task_fn fn, void *arg,
               const neap_spawn_options *options, neap_task **out) {
  neap_spawn_options given = {0};
  int err = neap__options_read(&given, sizeof given, options);
  if (err < 0)
    return err;
  const struct neap_task *task = rt->sched.current;
  struct neap_entry *around = NULL;
  if (task != NULL && !given.detached)
    around = neap__cancel_scope(task->entry);
  return spawn(rt, around != NULL ? neap__scope_of(around) : NULL, fn, arg,
               &given, out);
}

int neap_scope_spawn(neap_scope *scope, neap_task_fn fn, void *arg,
                     const neap_spawn_options *options, neap_task **out) {
  neap_spawn_options given = {0};
  int err = neap__options_read(&given, sizeof given, options);
  if (err == 0 && given.detached)
    err = UV_EINVAL;
  if (err < 0)
    return err;
  return spawn(scope->owner->rt, scope, fn, arg, &given, out);
}
