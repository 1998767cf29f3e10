/* udp.c: UDP sockets: opening and receiving; the idea is in udp.h. */
#include "io/udp.h"

#include "core/mem.h"
#include "io/bind.h"
#include "io/udp_system.h"

#include <errno.h>
#include <string.h>

/* As much as libuv takes for one datagram when it reads several. */
#define CHUNK ((size_t)64 * 1024)

/* Datagrams that one system call may bring. Of each chunk only the pages that
   are written to exist. */
#ifdef NEAP_HOSTILE
#define CHUNKS 1
#else
#define CHUNKS 16
#endif
static_assert(CHUNK * CHUNKS == NEAP_IO_DATAGRAMS, "handle.c frees it");

/* Reading pauses while so many bytes lie unread, few as the datagrams may be.
 */
#define HIGH_WATER ((size_t)256 * 1024)

#define QUEUE_LIMIT 64

/* A datagram in the queue. */
struct datagram {
  struct neap_list link;
  union neap_addr from;
  bool truncated;
  uint32_t len;
  char bytes[];
};

static struct neap_udp *udp_of(struct neap_handle *handle) {
  return NEAP_LIST_ENTRY(handle, struct neap_udp, handle);
}

static struct datagram *first(const struct neap_udp *udp) {
  return NEAP_LIST_ENTRY(udp->queue.next, struct datagram, link);
}

/* --- the queue ------------------------------------------------------------ */

static bool is_full(const struct neap_udp *udp) {
  return udp->n >= udp->limit || udp->bytes >= HIGH_WATER;
}

static void drop(struct neap_udp *udp, struct datagram *d) {
  neap__list_remove(&d->link);
  udp->n--;
  udp->bytes -= d->len;
  neap__mem_free(&udp->handle.rt->mem, d, sizeof *d + d->len);
}

static bool same_address(const union neap_addr *a, const union neap_addr *b) {
  if (a->any.sa_family != b->any.sa_family)
    return false;
  if (a->any.sa_family == AF_INET)
    return a->in.sin_port == b->in.sin_port &&
           a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
  return a->in6.sin6_port == b->in6.sin6_port &&
         a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
         memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr,
                sizeof a->in6.sin6_addr) == 0;
}

/* The kernel passes what came before the socket was connected on. */
static bool is_stranger(const struct neap_udp *udp,
                        const union neap_addr *from) {
  return neap__udp_connected(udp) && !same_address(from, &udp->remote);
}

void neap__udp_drop_strangers(struct neap_udp *udp) {
  struct neap_list *link = udp->queue.next;
  while (link != &udp->queue) {
    struct datagram *d = NEAP_LIST_ENTRY(link, struct datagram, link);
    link = link->next;
    if (is_stranger(udp, &d->from)) {
      drop(udp, d);
      udp->lost++;
    }
  }
}

static void wake_reader(struct neap_udp *udp, int status) {
  struct neap_op *op = udp->reader;
  udp->reader = NULL;
  if (op != NULL)
    neap__op_wake(op, status);
}

/* A datagram has come. Without memory it is one more that is lost; who waits is
   told so. */
static void receive(struct neap_udp *udp, const char *base, size_t n,
                    const struct sockaddr *addr, bool truncated) {
  union neap_addr from;
  memset(&from, 0, sizeof from);
  memcpy(&from, addr,
         addr->sa_family == AF_INET6 ? sizeof from.in6 : sizeof from.in);
  neap__udp_unmap(&from);
  if (is_stranger(udp, &from)) {
    udp->lost++;
    return;
  }
  size_t len = n < udp->max ? n : udp->max;
  struct datagram *d = neap__mem_alloc(&udp->handle.rt->mem, sizeof *d + len);
  if (d == NULL) {
    udp->lost++;
    wake_reader(udp, UV_ENOMEM);
    return;
  }
  d->link = (struct neap_list){0};
  d->from = from;
  d->truncated = truncated || len < n;
  d->len = (uint32_t)len;
  memcpy(d->bytes, base, len);
  neap__list_push(&udp->queue, &d->link);
  udp->n++;
  udp->bytes += len;
  wake_reader(udp, 0);
}

/* --- libuv's side of receiving -------------------------------------------- */

static void disarm(struct neap_udp *udp) {
  uv_udp_recv_stop(&udp->uv);
  udp->armed = false;
}

/* Where n > 0 datagrams fit, or NULL. */
static char *buffer(struct neap_rt *rt) {
  if (rt->io->datagrams == NULL)
    rt->io->datagrams = neap__mem_alloc(&rt->mem, NEAP_IO_DATAGRAMS);
  return rt->io->datagrams;
}

/* No more chunks than the queue has room: once libuv has read a datagram it
   can't be left to the kernel. A full queue gets none at all, which libuv
   reports as UV_ENOBUFS. */
static void on_alloc(uv_handle_t *uv, size_t suggested, uv_buf_t *buf) {
  struct neap_udp *udp = uv->data;
  (void)suggested;
  *buf = uv_buf_init(NULL, 0);
  if (is_full(udp))
    return;
  uint32_t room = udp->limit - udp->n;
  char *base = buffer(udp->handle.rt);
  if (base != NULL)
    *buf = uv_buf_init(base, (unsigned int)(room < CHUNKS ? room : CHUNKS) *
                                 (unsigned int)CHUNK);
}

/* An error of the socket: what an earlier datagram has met, as a rule. */
static void fail(struct neap_udp *udp, int err) {
  if (err == UV_ENOBUFS) { /* on_alloc's answer: nothing was read */
    disarm(udp);
    if (!is_full(udp))
      wake_reader(udp, UV_ENOMEM);
  } else if (udp->reader != NULL) {
    wake_reader(udp, err);
  } else {
    disarm(udp); /* should it stay, it is met again when somebody waits */
    udp->error = err;
  }
}

static void on_recv(uv_udp_t *uv, ssize_t n, const uv_buf_t *buf,
                    const struct sockaddr *addr, unsigned int flags) {
  struct neap_udp *udp = uv->data;
  if (n < 0)
    fail(udp, (int)n);
  else if (addr != NULL) /* else no more is there, or a batch has ended */
    receive(udp, buf->base, (size_t)n, addr, (flags & UV_UDP_PARTIAL) != 0);
}

static int arm(struct neap_udp *udp) {
  if (udp->armed)
    return 0;
  int err = uv_udp_recv_start(&udp->uv, on_alloc, on_recv);
  udp->armed = err == 0;
  return err;
}

/* Takes what the kernel has, without libuv: for who may not wait until that
   polls. Returns 0, UV_EAGAIN when there is nothing, or a negative code. */
static int receive_now(struct neap_udp *udp) {
  union neap_addr from;
  char *base = buffer(udp->handle.rt);
  uv_os_fd_t fd;
  if (base == NULL)
    return UV_ENOMEM;
  int err = uv_fileno((uv_handle_t *)&udp->uv, &fd);
  if (err < 0)
    return err;
  struct iovec iov = {.iov_base = base, .iov_len = CHUNK};
  struct msghdr msg = {.msg_name = &from,
                       .msg_namelen = sizeof from,
                       .msg_iov = &iov,
                       .msg_iovlen = 1};
  ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);
  if (n < 0)
    return uv_translate_sys_error(errno);
  receive(udp, base, (size_t)n, &from.any, (msg.msg_flags & MSG_TRUNC) != 0);
  return 0;
}

/* --- opening and closing -------------------------------------------------- */

static void end(struct neap_handle *handle) {
  struct neap_udp *udp = udp_of(handle);
  while (!neap__list_empty(&udp->queue))
    drop(udp, first(udp));
  wake_reader(udp, UV_ECANCELED);
  /* Who waits to send is told by libuv. */
  uv_close((uv_handle_t *)&udp->uv, neap__handle_on_closed);
}

static int new_udp(struct neap_rt *rt, int family, const neap_udp_options *o,
                   struct neap_udp **out) {
  void *block;
  int err = neap__handle_new(rt, sizeof(struct neap_udp), end, &block);
  if (err < 0)
    return err;
  struct neap_udp *udp = block;
  udp->handle.kind = &neap__udp_kind;
  neap__list_init(&udp->queue);
  udp->family = family;
  udp->dual = family == AF_INET6 && !o->ipv6only;
  udp->limit = o->queue > 0 ? o->queue : QUEUE_LIMIT;
  udp->max = o->max > 0 ? o->max : CHUNK;
  err = uv_udp_init_ex(rt->loop, &udp->uv,
                       (unsigned int)family | UV_UDP_RECVMMSG);
  if (err < 0) {
    neap__handle_unref(&udp->handle);
    return err;
  }
  neap__handle_opened_uv(&udp->handle, (uv_handle_t *)&udp->uv);
  *out = udp;
  return 0;
}

/* What must be set before the socket is bound. Returns 0 or a negative UV_E*.
 */
static int set_options(const struct neap_udp *udp, const neap_udp_options *o) {
  uv_os_fd_t fd;
  int err = uv_fileno((const uv_handle_t *)&udp->uv, &fd);
  if (err == 0)
    err =
        neap__bind_options(fd, udp->family,
                           (struct neap_bind_options){.reuseaddr = o->reuseaddr,
                                                      .reuseport = o->reuseport,
                                                      .v6only = !udp->dual});
  if (err == 0 && neap__udp_system_own_groups(fd, udp->family) != 0)
    err = uv_translate_sys_error(errno);
  return err;
}

/* What open_at is to do. */
struct opening {
  const neap_udp_options *options;
  struct neap_udp **out;
};

static int open_at(struct neap_rt *rt, const union neap_addr *addr, void *arg) {
  const struct opening *to = arg;
  const neap_udp_options *o = to->options;
  struct neap_udp *udp;
  int err = new_udp(rt, addr->any.sa_family, o, &udp);
  if (err < 0)
    return err;
  int len = sizeof udp->own;
  err = set_options(udp, o);
  if (err == 0)
    err = uv_udp_bind(&udp->uv, &addr->any, 0);
  if (err == 0)
    err = uv_udp_getsockname(&udp->uv, &udp->own.any, &len);
  if (err < 0) {
    neap_udp_close(udp);
    return err;
  }
  *to->out = udp;
  return 0;
}

int neap_udp_open(neap_rt *rt, const char *host, uint16_t port,
                  const neap_udp_options *options, neap_udp **out) {
  static const neap_udp_options none = {.size = sizeof none};
  const neap_udp_options *o = options != NULL ? options : &none;
  int err = neap__handle_enter(rt);
  if (err < 0)
    return err;
  struct opening to = {.options = o, .out = out};
  return neap__bind_host(rt, host, port, o->ipv6only, open_at, &to);
}

void neap_udp_close(neap_udp *udp) {
  if (udp == NULL)
    return;
  neap__handle_close(&udp->handle);
  neap__handle_unref(&udp->handle);
}

/* --- receiving ------------------------------------------------------------ */

static enum neap_op_fate leave(struct neap_op *op) {
  struct neap_udp **udp = neap__op_data(op);
  (*udp)->reader = NULL;
  return NEAP_OP_GONE;
}

static const struct neap_op_kind recv_kind = {.what = "udp:recv",
                                              .describe = neap__udp_describe};

/* The time of a wait is over; what it was for may have come all the same.
   Returns 0, UV_ETIMEDOUT, or a negative code. */
static int look_again(struct neap_udp *udp) {
  int err = udp->n > 0 ? 0 : receive_now(udp);
  return err == UV_EAGAIN || (err == 0 && udp->n == 0) ? UV_ETIMEDOUT : err;
}

/* Waits for a datagram. UV_ECANCELED: the socket was closed, and its memory may
   be gone. */
static int wait_datagram(struct neap_udp *udp, uint64_t due_ns) {
  struct neap_op *op;
  int err = neap__op_new_until(udp->handle.rt, recv_kind.what, sizeof udp,
                               due_ns, &op);
  if (err < 0)
    return err;
  neap__op_set_kind(op, &recv_kind);
  err = arm(udp);
  if (err < 0) {
    neap__op_free(op);
    return err;
  }
  struct neap_udp **data = neap__op_data(op);
  *data = udp;
  op->cancel = leave;
  udp->reader = op;
  udp->claimed = true;
  neap__handle_ref(&udp->handle);
  err = neap__op_await(op);
  udp->claimed = false;
  if (udp->handle.closed)
    err = err <= NEAP_CANCELLED ? err : UV_ECANCELED;
  else if (err == UV_ETIMEDOUT)
    err = look_again(udp);
  neap__handle_unref(&udp->handle);
  return err;
}

int neap_udp_peek(neap_udp *udp, uint64_t due_ns, neap_datagram *out) {
  int err = neap__handle_begin(&udp->handle);
  if (err == 0 && udp->claimed)
    err = UV_EBUSY;
  while (err == 0 && udp->n == 0) {
    err = udp->error;
    udp->error = 0;
    if (err == 0)
      err = wait_datagram(udp, due_ns);
  }
  if (err < 0)
    return err;
  const struct datagram *d = first(udp);
  *out = (neap_datagram){
      .base = d->bytes, .len = d->len, .truncated = d->truncated};
  return 0;
}

void neap_udp_from(const neap_udp *udp, neap_address *out) {
  assert(udp->n > 0);
  neap__addr_describe(&first(udp)->from, out);
}

void neap_udp_consume(neap_udp *udp) {
  if (udp->n > 0)
    drop(udp, first(udp));
}
