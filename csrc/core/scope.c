/* scope.c: joins. */
#include "core/scope.h"

#include "core/rt.h"
#include "core/waitq.h"

/* The request of a join: whose end is waited for, so that a cycle shows. */
struct join {
  struct neap_task *target;
};

static const char join_text[] = "join";

static void on_end(struct neap_task *task) {
  neap__waitq_wake_all(&task->joiners, 0);
}

void neap__scope_init(struct neap_rt *rt) {
  rt->sched.on_end = on_end;
}

/* Whether task waits, through a chain of unlimited joins, for `whom`. A join
   with a time limit ends by itself: no cycle. */
static bool waits_for(const struct neap_task *task,
                      const struct neap_task *whom) {
  while (task != whom) {
    struct neap_op *op = task->op;
    if (op == NULL || op->what != join_text || op->done || op->timer.place != 0)
      return false;
    task = ((struct join *)neap__op_data(op))->target;
  }
  return true;
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
      (due_ns == NEAP_FOREVER && waits_for(task, rt->sched.current)))
    return UV_ELOOP;
  err = neap__op_new_until(rt, join_text, sizeof(struct join), due_ns, &op);
  if (err < 0)
    return err;
  ((struct join *)neap__op_data(op))->target = task;
  op->internal = true;
  neap__waitq_push(&task->joiners, op);
  return neap__op_await(op);
}
