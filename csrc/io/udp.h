/*
 * udp.h: a UDP socket.
 *
 * Receiving: libuv reads several datagrams with one system call into a buffer
 * that all sockets of the loop share, so an idle socket owns none; each is
 * copied into a block of its own and waits in a queue. Reading is armed by the
 * first who waits and stays so, until the queue is full: then datagrams stay
 * with the kernel, whose own limit says when the next one is dropped, and which
 * counts those. So there is one place where datagrams are lost, and one figure.
 *
 * Sending: the kernel is tried first; what it does not take at once is copied
 * and left to libuv.
 */
#ifndef NEAP_IO_UDP_H
#define NEAP_IO_UDP_H

#include "io/addr.h"
#include "io/handle.h"

struct neap_udp {
  struct neap_handle handle;

  /* Receiving. Invariant: n is the length of queue, bytes the sum in it. */
  struct neap_list queue;
  uint32_t n, limit; /* datagrams; reading stops at the limit */
  size_t bytes;
  size_t max;    /* what is longer is cut */
  uint64_t lost; /* dropped here, not by the kernel */
  int error;     /* that came while nobody waited, or 0 */
  struct neap_op *reader;
  bool claimed; /* a task is in the middle of a wait for a datagram */
  bool armed;   /* libuv reads */

  uint32_t nwaiting; /* tasks that wait for a look-up, or for libuv to send */

  bool dual;              /* IPv6, and stands for IPv4 addresses as well */
  int family;             /* of the socket */
  union neap_addr own;    /* where it was bound */
  union neap_addr remote; /* the peer's; all-zero: it is not connected */
  uv_udp_t uv;
};

static inline bool neap__udp_connected(const struct neap_udp *udp) {
  return udp->remote.any.sa_family != AF_UNSPEC;
}

/* Makes addr one that the socket can be given: an IPv4 address becomes one of
   IPv6 on a socket for both. Returns 0 or UV_EAFNOSUPPORT. */
int neap__udp_map(const struct neap_udp *udp, union neap_addr *addr);

/* The other way round: what the kernel says becomes what scripts see. */
void neap__udp_unmap(union neap_addr *addr);

/* The socket has a peer now: drops what others have sent. */
void neap__udp_drop_strangers(struct neap_udp *udp);

/* What dumps say: of sockets, and of waits whose request begins with the
   socket's address. */
extern const struct neap_handle_kind neap__udp_kind;
void neap__udp_describe(const struct neap_op *op, char *out, size_t size);

#endif
