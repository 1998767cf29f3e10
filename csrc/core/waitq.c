/* waitq.c: queues of waiters; the idea is in waitq.h. */
#include "core/waitq.h"

#include "core/rt.h"

static struct neap_op *op_of_link(struct neap_list *link) {
  return NEAP_LIST_ENTRY(link, struct neap_op, link);
}

static enum neap_op_fate leave_queue(struct neap_op *op) {
  neap__list_remove(&op->link);
  return NEAP_OP_GONE;
}

void neap__waitq_push(struct neap_list *queue, struct neap_op *op) {
  op->cancel = leave_queue;
  neap__list_push(queue, &op->link);
}

bool neap__waitq_wake_one(struct neap_list *queue, int status) {
  struct neap_list *link = neap__list_pop(queue);
  if (link == NULL)
    return false;
  neap__op_wake(op_of_link(link), status);
  return true;
}

void neap__waitq_wake_all(struct neap_list *queue, int status) {
  while (neap__waitq_wake_one(queue, status)) {
  }
}

void *neap__waitq_object(const struct neap_op *op) {
  void **object = neap__op_data(op);
  return *object;
}

int neap__waitq_wait_on(struct neap_rt *rt, struct neap_list *queue,
                        const struct neap_op_kind *kind, void *object,
                        uint64_t due_ns, bool internal) {
  struct neap_op *op;
  int err = neap__op_new_until(rt, kind->what, sizeof object, due_ns, &op);
  if (err < 0)
    return err;
  *(void **)neap__op_data(op) = object;
  neap__op_set_kind(op, kind);
  op->internal = internal;
  neap__waitq_push(queue, op);
  return neap__op_await(op);
}

int neap__waitq_wait(struct neap_rt *rt, struct neap_list *queue,
                     const char *what, uint64_t due_ns, bool internal) {
  struct neap_op *op;
  int err = neap__op_new_until(rt, what, 0, due_ns, &op);
  if (err < 0)
    return err;
  op->internal = internal;
  neap__waitq_push(queue, op);
  return neap__op_await(op);
}
