/* dns.c: names to addresses; see dns.h. */
#include "io/dns.h"

#include "core/mem.h"
#include "io/handle.h"
#include "io/job.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

/* So that a list stays a small block, which goes with the runtime should its
   task never run again. */
#define MAX_ADDRESSES 64

/* One look-up: the data of an op, which waits in io->dns_waiters for a place
   in the pool. */
struct lookup {
  uv_getaddrinfo_t req;
  struct addrinfo *result;
  char host[];
};

static void describe(const struct neap_op *op, char *out, size_t size) {
  const struct lookup *lookup = neap__op_data(op);
  snprintf(out, size, "%s", lookup->host);
}

static const struct neap_op_kind kind = {.what = "look-up of",
                                         .describe = describe};

static void on_resolved(uv_getaddrinfo_t *req, int status,
                        struct addrinfo *result) {
  struct lookup *lookup = NEAP_LIST_ENTRY(req, struct lookup, req);
  struct neap_op *op = neap__op_of(lookup);
  struct neap_rt *rt = op->rt;
  rt->io->dns_jobs--;
  rt->uv_handles--;
  neap__job_next(rt);
  if (neap__op_abandoned(op))
    uv_freeaddrinfo(result); /* NULL is harmless */
  else
    lookup->result = result;
  neap__op_wake(op, status);
}

static void submit(struct neap_rt *rt, struct neap_op *op) {
  struct lookup *lookup = neap__op_data(op);
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  int err = uv_getaddrinfo(rt->loop, &lookup->req, on_resolved, lookup->host,
                           NULL, &hints);
  if (err < 0) {
    neap__op_wake(op, err);
    return;
  }
  rt->io->dns_jobs++;
  rt->uv_handles++;
}

static void submit_queued(struct neap_rt *rt) {
  struct neap_io *io = rt->io;
  while (neap__job_has_room(io, NEAP_LANE_DNS)) {
    struct neap_list *link = neap__list_pop(&io->dns_waiters);
    if (link == NULL)
      return;
    submit(rt, NEAP_LIST_ENTRY(link, struct neap_op, link));
  }
}

static enum neap_op_fate call_off(struct neap_op *op) {
  struct lookup *lookup = neap__op_data(op);
  if (neap__list_linked(&op->link)) {
    neap__list_remove(&op->link);
    return NEAP_OP_GONE;
  }
  /* One that no thread has begun yet answers at once, others when the
     resolver does. */
  uv_cancel((uv_req_t *)&lookup->req);
  return NEAP_OP_LATE;
}

static int new_list(struct neap_rt *rt, uint32_t n, struct neap_addrs **out) {
  size_t size = sizeof(struct neap_addrs) + n * sizeof(union neap_addr);
  struct neap_addrs *addrs = neap__mem_alloc(&rt->mem, size);
  if (addrs == NULL)
    return UV_ENOMEM;
  addrs->n = n;
  *out = addrs;
  return 0;
}

void neap__dns_free(struct neap_rt *rt, struct neap_addrs *addrs) {
  if (addrs != NULL)
    neap__mem_free(&rt->mem, addrs,
                   sizeof *addrs + addrs->n * sizeof(union neap_addr));
}

static bool is_ip(const struct addrinfo *info) {
  return info->ai_family == AF_INET || info->ai_family == AF_INET6;
}

static int copy_list(struct neap_rt *rt, const struct addrinfo *result,
                     uint16_t port, struct neap_addrs **out) {
  uint32_t n = 0;
  const struct addrinfo *info;
  for (info = result; info != NULL; info = info->ai_next)
    n += is_ip(info) && n < MAX_ADDRESSES;
  if (n == 0)
    return UV_EAI_NODATA;
  struct neap_addrs *addrs;
  int err = new_list(rt, n, &addrs);
  if (err < 0)
    return err;
  uint32_t i = 0;
  for (info = result; info != NULL && i < n; info = info->ai_next) {
    if (is_ip(info))
      neap__addr_set(&addrs->list[i++], info->ai_addr, port);
  }
  *out = addrs;
  return 0;
}

static int numeric(struct neap_rt *rt, const union neap_addr *addr,
                   struct neap_addrs **out) {
  int err = new_list(rt, 1, out);
  if (err == 0)
    (*out)->list[0] = *addr;
  return err;
}

int neap__dns_lookup(struct neap_rt *rt, const char *host, uint16_t port,
                     uint64_t due_ns, struct neap_addrs **out) {
  union neap_addr addr;
  if (neap__addr_parse(host, port, &addr))
    return numeric(rt, &addr, out);
  int err = neap__job_pool(rt);
  if (err < 0)
    return err;
  struct neap_op *op;
  size_t len = strlen(host) + 1;
  err = neap__op_new_until(rt, kind.what, sizeof(struct lookup) + len, due_ns,
                           &op);
  if (err < 0)
    return err;
  neap__op_set_kind(op, &kind);
  struct lookup *lookup = neap__op_data(op);
  memcpy(lookup->host, host, len);
  op->cancel = call_off;
  rt->io->dns_next = submit_queued;
  neap__list_push(&rt->io->dns_waiters, &op->link);
  submit_queued(rt);
  err = neap__op_park(op);
  if (err == 0) {
    err = copy_list(rt, lookup->result, port, out);
    uv_freeaddrinfo(lookup->result);
  }
  neap__op_unref(op);
  return err;
}
