/* scope.c: scopes and joins; what they are is told in scope.h. */
#include "core/scope.h"

#include "core/rt.h"
#include "core/waitq.h"

#include <stdio.h>
#include <string.h>

/* The request of a join: whose end is waited for, so that a cycle shows. */
struct join {
  struct neap_task *target;
};

static uint64_t joined(const struct neap_op *op) {
  return ((const struct join *)neap__op_data(op))->target->id;
}

static const struct neap_op_kind join_kind = {.what = "join", .waker = joined};

static struct neap_scope *scope_of_end(const struct neap_op *op) {
  return NEAP_LIST_ENTRY(op, struct neap_scope, end);
}

static void describe_end(const struct neap_op *op, char *out, size_t size) {
  const struct neap_scope *scope = scope_of_end(op);
  snprintf(out, size, "%llu, %u task%s in it",
           (unsigned long long)scope->entry.serial, (unsigned)scope->nchildren,
           scope->nchildren == 1 ? "" : "s");
}

static const struct neap_op_kind end_kind = {.what = "end of scope",
                                             .describe = describe_end};

static void leave(struct neap_rt *rt, struct neap_scope *scope) {
  neap__cancel_leave(rt, &scope->entry);
  neap__task_unref(&rt->mem, scope->owner);
  scope->owner = NULL;
}

static void end_orphan(struct neap_scope *scope) {
  leave(scope->owner->rt, scope);
  scope->on_orphan_end(scope);
}

/* A task that was in scope has ended. */
static void child_ended(struct neap_scope *scope,
                        const struct neap_task *task) {
  if (scope->on_child_end != NULL)
    scope->on_child_end(scope, task);
  if (--scope->nchildren > 0)
    return;
  if (scope->orphaned)
    end_orphan(scope);
  else if (scope->end.task != NULL)
    neap__op_wake(&scope->end, 0);
}

static void on_end(struct neap_task *task) {
  struct neap_entry *scope = neap__cancel_end(task);
  neap__waitq_wake_all(&task->joiners, 0);
  neap__context_end(task);
  if (scope != NULL)
    child_ended(neap__scope_of(scope), task);
}

void neap__scope_init(struct neap_rt *rt) {
  rt->sched.on_end = on_end;
}

int neap__scope_spawn(struct neap_rt *rt, struct neap_scope *scope,
                      neap_task_fn fn, void *arg, size_t stack, size_t extra,
                      struct neap_task **out) {
  struct neap_entry *root = NULL;
  if (neap__context_reserve(rt) < 0)
    return UV_ENOMEM;
  if (scope != NULL) {
    root = neap__mem_zalloc(&rt->mem, sizeof *root);
    if (root == NULL)
      return UV_ENOMEM;
  }
  int err = neap__sched_spawn(rt, fn, arg, stack, extra, out);
  if (err < 0) {
    neap__mem_free(&rt->mem, root, sizeof *root);
    return err;
  }
  neap__context_inherit(rt, *out);
  if (scope != NULL) {
    scope->nchildren++;
    neap__cancel_begin(*out, root, &scope->entry);
  }
  return 0;
}

void neap__scope_own(struct neap_rt *rt, struct neap_scope *scope) {
  if (scope->owner != NULL)
    neap__task_unref(&rt->mem, scope->owner);
  scope->owner = rt->sched.current;
  neap__task_ref(scope->owner);
}

void neap__scope_open(struct neap_rt *rt, struct neap_scope *scope,
                      struct neap_entry *outer) {
  neap__scope_own(rt, scope);
  neap__cancel_open(rt, &scope->entry, NEAP_ENTRY_SCOPE, outer);
}

/* The end of a scope is waited for, come what may: but not when nothing can
   come any more. */
static enum neap_op_fate stays(struct neap_op *op) {
  return op->rt->sched.deadlocked ? NEAP_OP_GONE : NEAP_OP_STAYS;
}

int neap__scope_close(struct neap_rt *rt, struct neap_scope *scope) {
  int err = 0;
  if (scope->nchildren > 0) {
    struct neap_op *op = &scope->end;
    neap__op_init(rt, end_kind.what, op);
    neap__op_set_kind(op, &end_kind);
    op->cancel = stays;
    op->internal = true;
    err = neap__op_park(op);
    memset(op, 0, sizeof *op); /* for another wait */
  }
  if (err == 0)
    leave(rt, scope);
  return err;
}

/* What the block has opened and not ended stands in what is around it: only the
   tasks in the scope are left in it. */
static void move_blocks(struct neap_scope *scope) {
  struct neap_list *head = &scope->entry.inner, *link = head->next;
  while (link != head) {
    struct neap_entry *inner = NEAP_LIST_ENTRY(link, struct neap_entry, link);
    link = link->next;
    if (inner->kind != NEAP_ENTRY_ROOT)
      neap__cancel_move(inner, scope->entry.outer);
  }
}

void neap__scope_orphan(struct neap_scope *scope) {
  scope->orphaned = true;
  move_blocks(scope);
  if (scope->entry.task != NULL)
    neap__cancel_stand(scope->entry.task, scope->entry.outer);
  if (scope->nchildren == 0)
    end_orphan(scope);
}

/* Whether task waits, through a chain of unlimited joins, for `whom`. A join
   with a time limit ends by itself: no cycle. */
static bool waits_for(const struct neap_task *task,
                      const struct neap_task *whom) {
  while (task != whom) {
    struct neap_op *op = task->op;
    if (op == NULL || op->what != join_kind.what || op->done ||
        op->timer.place != 0)
      return false;
    task = ((struct join *)neap__op_data(op))->target;
  }
  return true;
}

/* Whether task is in a scope, at whatever depth, whose end whom waits for. */
static bool is_below(const struct neap_task *task,
                     const struct neap_task *whom) {
  struct neap_entry *entry = neap__cancel_root_of(task);
  for (; entry != NULL && entry->outer != NULL; entry = entry->outer)
    if (entry->kind == NEAP_ENTRY_ROOT &&
        neap__scope_of(entry->outer)->owner == whom)
      return true;
  return false;
}

int neap__scope_join(struct neap_task *task, uint64_t due_ns) {
  struct neap_rt *rt = task->rt;
  struct neap_op *op;
  int err = neap__op_check(rt);
  if (err < 0)
    return err;
  if (task->state == NEAP_TASK_ENDED)
    return 0;
  if (task == rt->sched.current ||
      (due_ns == NEAP_FOREVER && (waits_for(task, rt->sched.current) ||
                                  is_below(rt->sched.current, task))))
    return UV_ELOOP;
  err =
      neap__op_new_until(rt, join_kind.what, sizeof(struct join), due_ns, &op);
  if (err < 0)
    return err;
  neap__op_set_kind(op, &join_kind);
  ((struct join *)neap__op_data(op))->target = task;
  op->internal = true;
  neap__waitq_push(&task->joiners, op);
  return neap__op_await(op);
}
