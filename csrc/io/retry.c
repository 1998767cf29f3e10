/* retry.c: pauses between tries; see retry.h. */
#include "io/retry.h"

#include "core/op.h"
#include "core/waitq.h"

#define FIRST_NS ((uint64_t)1000 * 1000)
#define LAST_NS  (32 * FIRST_NS)

int neap__retry_wait(struct neap_rt *rt, const char *what,
                     struct neap_list *queue, uint64_t due_ns,
                     uint64_t *pause_ns) {
  struct neap_op *op;
  uint64_t now_ns = neap_now(rt);
  if (now_ns >= due_ns)
    return UV_ETIMEDOUT;
  if (*pause_ns == 0)
    *pause_ns = FIRST_NS;
  else if (*pause_ns < LAST_NS)
    *pause_ns *= 2;
  uint64_t left_ns = due_ns - now_ns;
  uint64_t for_ns = *pause_ns < left_ns ? *pause_ns : left_ns;
  int err = neap__op_new_until(rt, what, 0, now_ns + for_ns, &op);
  if (err < 0)
    return err;
  if (queue != NULL)
    neap__waitq_push(queue, op);
  err = neap__op_await(op);
  return err == UV_ETIMEDOUT ? 0 : err;
}
