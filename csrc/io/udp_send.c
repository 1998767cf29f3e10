/*
 * udp_send.c: what goes out of a UDP socket, and to whom: sending, and one peer
 * for good.
 */
#include "io/udp.h"

#include "io/dns.h"
#include "io/udp_system.h"

#include <errno.h>
#include <string.h>

/* --- sending -------------------------------------------------------------- */

/* A datagram that libuv sends: the data of an op. */
struct sending {
  struct neap_udp *udp; /* first, for dumps */
  uv_udp_send_t req;
  char bytes[];
};

static const struct neap_op_kind send_kind = {.what = "udp:send",
                                              .describe = neap__udp_describe};

static void on_sent(uv_udp_send_t *req, int status) {
  struct sending *sending = NEAP_LIST_ENTRY(req, struct sending, req);
  neap__op_wake(neap__op_of(sending), status);
}

/* libuv can't be asked to forget a datagram, but it always answers. */
static enum neap_op_fate let_go(struct neap_op *op) {
  (void)op;
  return NEAP_OP_LATE;
}

/* Has libuv send, and waits. addr NULL: to the peer. */
static int send_later(struct neap_udp *udp, const char *base, size_t len,
                      const union neap_addr *addr, uint64_t due_ns) {
  struct neap_op *op;
  int err = neap__op_new_until(udp->handle.rt, send_kind.what,
                               sizeof(struct sending) + len, due_ns, &op);
  if (err < 0)
    return err;
  neap__op_set_kind(op, &send_kind);
  struct sending *sending = neap__op_data(op);
  sending->udp = udp;
  memcpy(sending->bytes, base, len);
  uv_buf_t buf = uv_buf_init(sending->bytes, (unsigned int)len);
  err = uv_udp_send(&sending->req, &udp->uv, &buf, 1,
                    addr != NULL ? &addr->any : NULL, on_sent);
  if (err < 0) {
    neap__op_free(op);
    return err;
  }
  op->cancel = let_go;
  udp->nwaiting++;
  neap__handle_ref(&udp->handle);
  err = neap__op_await(op);
  udp->nwaiting--;
  neap__handle_unref(&udp->handle);
  return err;
}

static int send_to(struct neap_udp *udp, const char *base, size_t len,
                   const union neap_addr *addr, uint64_t due_ns) {
#ifndef NEAP_HOSTILE
  uv_buf_t buf = uv_buf_init((char *)base, (unsigned int)len); /* only read */
  int sent =
      uv_udp_try_send(&udp->uv, &buf, 1, addr != NULL ? &addr->any : NULL);
  if (sent != UV_EAGAIN)
    return sent < 0 ? sent : 0;
#endif
  return send_later(udp, base, len, addr, due_ns);
}

/* The first of host's addresses that the socket can be given. Waits. */
static int look_up(struct neap_udp *udp, const char *host, uint16_t port,
                   uint64_t due_ns, union neap_addr *out) {
  struct neap_rt *rt = udp->handle.rt;
  struct neap_addrs *addrs;
  neap__handle_ref(&udp->handle);
  udp->nwaiting++;
  int err = neap__dns_lookup(rt, host, port, AF_UNSPEC, due_ns, &addrs);
  udp->nwaiting--;
  if (err == 0) {
    err = UV_EAFNOSUPPORT;
    for (uint32_t i = 0; i < addrs->n && err < 0; i++) {
      *out = addrs->list[i];
      err = neap__udp_map(udp, out);
    }
    neap_dns_free(addrs);
  }
  if (udp->handle.closed)
    err = err <= NEAP_CANCELLED ? err : UV_ECANCELED;
  neap__handle_unref(&udp->handle);
  return err;
}

/* Without a look-up where host is an IP address. */
static int resolve(struct neap_udp *udp, const char *host, uint16_t port,
                   uint64_t due_ns, union neap_addr *out) {
  if (neap__addr_parse(host, port, out))
    return neap__udp_map(udp, out);
  return look_up(udp, host, port, due_ns, out);
}

int neap_udp_send(neap_udp *udp, const char *base, size_t len, const char *host,
                  uint16_t port, uint64_t due_ns) {
  union neap_addr addr;
  int err = neap__handle_begin(&udp->handle);
  if (err < 0)
    return err;
  if (len > UINT16_MAX)
    return UV_EMSGSIZE;
  if (host == NULL)
    return send_to(udp, base, len, NULL, due_ns);
  err = resolve(udp, host, port, due_ns, &addr);
  return err < 0 ? err : send_to(udp, base, len, &addr, due_ns);
}

/* --- one peer ------------------------------------------------------------- */

/* Linux takes a port that it has chosen itself back together with the peer: the
   socket goes on where it was. */
static int keep_port(struct neap_udp *udp) {
  union neap_addr now;
  uv_os_fd_t fd;
  int len = sizeof now;
  int err = uv_udp_getsockname(&udp->uv, &now.any, &len);
  if (err < 0 || now.in.sin_port != 0)
    return err; /* IPv6 has its port at the same place */
  err = uv_fileno((const uv_handle_t *)&udp->uv, &fd);
  if (err == 0 && bind(fd, &udp->own.any, neap__addr_len(&udp->own)) != 0)
    err = uv_translate_sys_error(errno);
  return err;
}

/* What datagrams to the old peer have met is no news about another one. */
static void forget_errors(struct neap_udp *udp) {
  uv_os_fd_t fd;
  int error;
  socklen_t len = sizeof error;
  udp->error = 0;
  if (uv_fileno((const uv_handle_t *)&udp->uv, &fd) == 0)
    (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len); /* clears it */
}

static int disconnect(struct neap_udp *udp) {
  if (!neap__udp_connected(udp))
    return 0;
  int err = uv_udp_connect(&udp->uv, NULL);
  if (err < 0)
    return err;
  memset(&udp->remote, 0, sizeof udp->remote);
  forget_errors(udp);
  return keep_port(udp);
}

static int connect_to(struct neap_udp *udp, const union neap_addr *addr) {
  union neap_addr remote;
  int len = sizeof remote;
  int err = disconnect(udp);
  if (err == 0)
    err = uv_udp_connect(&udp->uv, &addr->any);
  if (err == 0)
    err = uv_udp_getpeername(&udp->uv, &remote.any, &len);
  if (err < 0)
    return err;
  neap__udp_unmap(&remote);
  udp->remote = remote;
  neap__udp_drop_strangers(udp);
  return 0;
}

int neap_udp_connect(neap_udp *udp, const char *host, uint16_t port,
                     uint64_t due_ns) {
  union neap_addr addr;
  int err = neap__handle_begin(&udp->handle);
  if (err < 0)
    return err;
  if (host == NULL)
    return disconnect(udp);
  err = resolve(udp, host, port, due_ns, &addr);
  return err < 0 ? err : connect_to(udp, &addr);
}
