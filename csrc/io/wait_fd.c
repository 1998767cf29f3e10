/* wait_fd.c: waiting for a descriptor that another library reads and writes. */
#include "io/handle.h"
#include "io/ready.h"

#include <stdio.h>

/* The data of an op. */
struct wait {
  struct neap_ready ready;
};

static struct neap_op *op_of(struct neap_ready *ready) {
  return neap__op_of(NEAP_LIST_ENTRY(ready, struct wait, ready));
}

static void on_ready(struct neap_ready *ready, int events) {
  neap__op_wake(op_of(ready), events);
}

static void describe(const struct neap_op *op, char *out, size_t size) {
  const struct wait *wait = neap__op_data((struct neap_op *)op);
  snprintf(out, size, "descriptor %d", wait->ready.fd);
}

static const struct neap_op_kind kind = {.what = "wait_fd",
                                         .describe = describe};

static enum neap_op_fate call_off(struct neap_op *op) {
  struct wait *wait = neap__op_data(op);
  neap__ready_stop(op->rt, &wait->ready);
  return NEAP_OP_GONE;
}

int neap_wait_fd(neap_rt *rt, int fd, int events, uint64_t due_ns) {
  struct neap_op *op;
  int err = neap__handle_enter(rt);
  if (err < 0)
    return err;
  err = neap__op_new_until(rt, kind.what, sizeof(struct wait), due_ns, &op);
  if (err < 0)
    return err;
  neap__op_set_kind(op, &kind);
  struct wait *wait = neap__op_data(op);
  wait->ready.fd = fd;
  wait->ready.events = events;
  wait->ready.on_ready = on_ready;
  err = neap__ready_start(rt, &wait->ready);
  if (err < 0) {
    neap__op_free(op);
    return err == UV_EPERM ? events : err;
  }
  op->cancel = call_off;
  return neap__op_await(op);
}
