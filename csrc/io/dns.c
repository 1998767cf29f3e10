/* dns.c: names to addresses and back; see dns.h. */
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

/* --- a place in the pool -------------------------------------------------- */

/* What a request to libuv's resolver begins with: the data of an op, which
   waits in io->dns_waiters for a place in the pool. */
struct request {
  int (*submit)(struct request *request, uv_loop_t *loop);
  uv_req_t *req;
};

static void submit(struct neap_rt *rt, struct neap_op *op) {
  struct request *request = neap__op_data(op);
  int err = request->submit(request, rt->loop);
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

/* The pool has let go of it. */
static void give_back_place(struct neap_rt *rt) {
  rt->io->dns_jobs--;
  rt->uv_handles--;
  neap__job_next(rt);
}

static enum neap_op_fate call_off(struct neap_op *op) {
  struct request *request = neap__op_data(op);
  if (neap__list_linked(&op->link)) {
    neap__list_remove(&op->link);
    return NEAP_OP_GONE;
  }
  /* One that no thread has begun yet answers at once, others when the
     resolver does. */
  uv_cancel(request->req);
  return NEAP_OP_LATE;
}

/* Queues op, whose data begins with a struct request. */
static void hand_out(struct neap_rt *rt, struct neap_op *op) {
  op->cancel = call_off;
  rt->io->dns_next = submit_queued;
  neap__list_push(&rt->io->dns_waiters, &op->link);
  submit_queued(rt);
}

/* --- names to addresses --------------------------------------------------- */

struct lookup {
  struct request head;
  uv_getaddrinfo_t req;
  struct addrinfo *result;
  int family;
  char host[];
};

static void describe_lookup(const struct neap_op *op, char *out, size_t size) {
  const struct lookup *lookup = neap__op_data(op);
  snprintf(out, size, "%s", lookup->host);
}

static const struct neap_op_kind lookup_kind = {.what = "look-up of",
                                                .describe = describe_lookup};

static void on_resolved(uv_getaddrinfo_t *req, int status,
                        struct addrinfo *result) {
  struct lookup *lookup = NEAP_LIST_ENTRY(req, struct lookup, req);
  struct neap_op *op = neap__op_of(lookup);
  give_back_place(op->rt);
  if (neap__op_abandoned(op))
    uv_freeaddrinfo(result); /* NULL is harmless */
  else
    lookup->result = result;
  neap__op_wake(op, status);
}

static int submit_lookup(struct request *request, uv_loop_t *loop) {
  struct lookup *lookup = NEAP_LIST_ENTRY(request, struct lookup, head);
  struct addrinfo hints = {.ai_family = lookup->family,
                           .ai_socktype = SOCK_STREAM};
  return uv_getaddrinfo(loop, &lookup->req, on_resolved, lookup->host, NULL,
                        &hints);
}

static int new_list(struct neap_rt *rt, uint32_t n, struct neap_addrs **out) {
  size_t size = sizeof(struct neap_addrs) + n * sizeof(union neap_addr);
  struct neap_addrs *addrs = neap__mem_alloc(&rt->mem, size);
  if (addrs == NULL)
    return UV_ENOMEM;
  addrs->rt = rt;
  addrs->n = n;
  *out = addrs;
  return 0;
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

/* What host stands for by itself, if it is of family: how many in addrs; 0: it
   has to be looked up; or UV_EAI_ADDRFAMILY. */
static int known(const char *host, uint16_t port, int family,
                 union neap_addr addrs[2]) {
  int n = 0;
  if (neap__addr_parse(host, port, &addrs[0]))
    n = 1;
  else if (neap__addr_localhost(host, port, addrs))
    n = 2;
  if (n == 0 || family == AF_UNSPEC || addrs[0].any.sa_family == family)
    return family == AF_UNSPEC || n == 0 ? n : 1;
  if (n == 1)
    return UV_EAI_ADDRFAMILY;
  addrs[0] = addrs[1];
  return 1;
}

static int copy_known(struct neap_rt *rt, const union neap_addr *addrs, int n,
                      struct neap_addrs **out) {
  int err = new_list(rt, (uint32_t)n, out);
  if (err == 0)
    memcpy((*out)->list, addrs, (size_t)n * sizeof addrs[0]);
  return err;
}

static int look_up(struct neap_rt *rt, const char *host, uint16_t port,
                   int family, uint64_t due_ns, struct neap_addrs **out) {
  struct neap_op *op;
  size_t len = strlen(host) + 1;
  int err = neap__op_new_until(rt, lookup_kind.what,
                               sizeof(struct lookup) + len, due_ns, &op);
  if (err < 0)
    return err;
  neap__op_set_kind(op, &lookup_kind);
  struct lookup *lookup = neap__op_data(op);
  lookup->head.submit = submit_lookup;
  lookup->head.req = (uv_req_t *)&lookup->req;
  lookup->family = family;
  memcpy(lookup->host, host, len);
  hand_out(rt, op);
  err = neap__op_park(op);
  if (err == 0) {
    err = copy_list(rt, lookup->result, port, out);
    uv_freeaddrinfo(lookup->result);
  }
  neap__op_unref(op);
  return err;
}

int neap__dns_lookup(struct neap_rt *rt, const char *host, uint16_t port,
                     int family, uint64_t due_ns, struct neap_addrs **out) {
  union neap_addr addrs[2];
  int n = known(host, port, family, addrs);
  if (n != 0)
    return n < 0 ? n : copy_known(rt, addrs, n, out);
  if (!neap__addr_is_name(host))
    return UV_EAI_NONAME;
  int err = neap__job_pool(rt);
  return err < 0 ? err : look_up(rt, host, port, family, due_ns, out);
}

static int family_of(neap_family family) {
  static const int families[] = {AF_UNSPEC, AF_INET, AF_INET6};
  return families[family];
}

int neap_dns_known(const char *host, neap_family family, neap_address out[2]) {
  union neap_addr addrs[2];
  int n = known(host, 0, family_of(family), addrs);
  for (int i = 0; i < n; i++)
    neap__addr_describe(&addrs[i], &out[i]);
  return n;
}

int neap_dns_resolve(neap_rt *rt, const char *host, neap_family family,
                     uint64_t due_ns, neap_addrs **out) {
  int err = neap__handle_enter(rt);
  if (err < 0)
    return err;
  return neap__dns_lookup(rt, host, 0, family_of(family), due_ns, out);
}

size_t neap_dns_count(const neap_addrs *addrs) {
  return addrs->n;
}

void neap_dns_address(const neap_addrs *addrs, size_t i, neap_address *out) {
  neap__addr_describe(&addrs->list[i], out);
}

void neap_dns_free(neap_addrs *addrs) {
  if (addrs != NULL)
    neap__mem_free(&addrs->rt->mem, addrs,
                   sizeof *addrs + addrs->n * sizeof(union neap_addr));
}

/* --- addresses to names --------------------------------------------------- */

struct reversal {
  struct request head;
  uv_getnameinfo_t req; /* it holds the name, too */
  union neap_addr addr;
};

static void describe_reversal(const struct neap_op *op, char *out,
                              size_t size) {
  const struct reversal *reversal = neap__op_data(op);
  neap_address address;
  neap__addr_describe(&reversal->addr, &address);
  snprintf(out, size, "%s", address.text);
}

static const struct neap_op_kind reversal_kind = {
    .what = "reverse look-up of", .describe = describe_reversal};

static void on_named(uv_getnameinfo_t *req, int status, const char *host,
                     const char *service) {
  struct reversal *reversal = NEAP_LIST_ENTRY(req, struct reversal, req);
  struct neap_op *op = neap__op_of(reversal);
  (void)host;
  (void)service;
  give_back_place(op->rt);
  neap__op_wake(op, status);
}

static int submit_reversal(struct request *request, uv_loop_t *loop) {
  struct reversal *reversal = NEAP_LIST_ENTRY(request, struct reversal, head);
  return uv_getnameinfo(loop, &reversal->req, on_named, &reversal->addr.any,
                        NI_NAMEREQD);
}

int neap_dns_reverse(neap_rt *rt, const char *ip, uint64_t due_ns, char *out,
                     size_t size) {
  union neap_addr addr;
  struct neap_op *op;
  if (!neap__addr_parse(ip, 0, &addr))
    return UV_EINVAL;
  int err = neap__handle_enter(rt);
  if (err == 0)
    err = neap__job_pool(rt);
  if (err == 0)
    err = neap__op_new_until(rt, reversal_kind.what, sizeof(struct reversal),
                             due_ns, &op);
  if (err < 0)
    return err;
  neap__op_set_kind(op, &reversal_kind);
  struct reversal *reversal = neap__op_data(op);
  reversal->head.submit = submit_reversal;
  reversal->head.req = (uv_req_t *)&reversal->req;
  reversal->addr = addr;
  hand_out(rt, op);
  err = neap__op_park(op);
  if (err == 0)
    snprintf(out, size, "%s", reversal->req.host);
  neap__op_unref(op);
  return err;
}
