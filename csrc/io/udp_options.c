/*
 * udp_options.c: what can be set and asked about a UDP socket, groups included.
 * Groups go by the protocol-independent calls of RFC 3678 and the index of an
 * interface, so that IPv4 and IPv6 are alike; what is set for a socket of both
 * families is set for both.
 */
#include "io/udp.h"
#include "io/udp_system.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

/* --- IPv4 on a socket of both families ------------------------------------ */

int neap__udp_map(const struct neap_udp *udp, union neap_addr *addr) {
  if (addr->any.sa_family == udp->family)
    return 0;
  if (!udp->dual || addr->any.sa_family != AF_INET)
    return UV_EAFNOSUPPORT;
  union neap_addr mapped;
  memset(&mapped, 0, sizeof mapped);
  mapped.in6.sin6_family = AF_INET6;
  mapped.in6.sin6_port = addr->in.sin_port;
  memset(&mapped.in6.sin6_addr.s6_addr[10], 0xff, 2);
  memcpy(&mapped.in6.sin6_addr.s6_addr[12], &addr->in.sin_addr, 4);
  *addr = mapped;
  return 0;
}

void neap__udp_unmap(union neap_addr *addr) {
  if (addr->any.sa_family != AF_INET6 ||
      !IN6_IS_ADDR_V4MAPPED(&addr->in6.sin6_addr))
    return;
  union neap_addr plain;
  memset(&plain, 0, sizeof plain);
  plain.in.sin_family = AF_INET;
  plain.in.sin_port = addr->in6.sin6_port;
  memcpy(&plain.in.sin_addr, &addr->in6.sin6_addr.s6_addr[12], 4);
  *addr = plain;
}

/* --- options -------------------------------------------------------------- */

/* The descriptor of an open socket, or UV_EBADF. */
static int fd_of(const struct neap_udp *udp) {
  uv_os_fd_t fd;
  if (udp->handle.closed)
    return UV_EBADF;
  int err = uv_fileno((const uv_handle_t *)&udp->uv, &fd);
  return err < 0 ? err : fd;
}

static int set(const struct neap_udp *udp, int level, int name,
               const void *value, socklen_t len) {
  int fd = fd_of(udp);
  if (fd < 0)
    return fd;
  return setsockopt(fd, level, name, value, len) != 0
             ? uv_translate_sys_error(errno)
             : 0;
}

/* An option that each family has under a name of its own. */
static int set_both(const struct neap_udp *udp, int name4, int name6,
                    int value) {
  int err = 0;
  if (udp->family == AF_INET6)
    err = set(udp, IPPROTO_IPV6, name6, &value, sizeof value);
  if (err == 0 && (udp->family == AF_INET || udp->dual))
    err = set(udp, IPPROTO_IP, name4, &value, sizeof value);
  return err;
}

int neap_udp_ttl(neap_udp *udp, int ttl) {
  return set_both(udp, IP_TTL, IPV6_UNICAST_HOPS, ttl);
}

int neap_udp_multicast_ttl(neap_udp *udp, int ttl) {
  return set_both(udp, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, ttl);
}

int neap_udp_multicast_loop(neap_udp *udp, bool on) {
  return set_both(udp, IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, on);
}

int neap_udp_broadcast(neap_udp *udp, bool on) {
  int value = on;
  return set(udp, SOL_SOCKET, SO_BROADCAST, &value, sizeof value);
}

int neap_udp_rcvbuf(neap_udp *udp, int bytes) {
  if (udp->handle.closed)
    return UV_EBADF;
  return neap__handle_buffer((uv_handle_t *)&udp->uv, bytes,
                             uv_recv_buffer_size);
}

int neap_udp_sndbuf(neap_udp *udp, int bytes) {
  if (udp->handle.closed)
    return UV_EBADF;
  return neap__handle_buffer((uv_handle_t *)&udp->uv, bytes,
                             uv_send_buffer_size);
}

/* --- groups --------------------------------------------------------------- */

static bool same_host(const struct sockaddr *a, const union neap_addr *b) {
  if (a == NULL || a->sa_family != b->any.sa_family)
    return false;
  const union neap_addr *addr = (const void *)a;
  if (a->sa_family == AF_INET)
    return addr->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
  return memcmp(&addr->in6.sin6_addr, &b->in6.sin6_addr,
                sizeof b->in6.sin6_addr) == 0;
}

/* Returns the index of the interface that has an address, or a negative code.
 */
static int interface_with(const union neap_addr *addr) {
  struct ifaddrs *all, *one;
  unsigned int index = 0;
  if (addr->any.sa_family == AF_INET6 && addr->in6.sin6_scope_id != 0)
    return (int)addr->in6.sin6_scope_id;
  if (getifaddrs(&all) != 0)
    return uv_translate_sys_error(errno);
  for (one = all; one != NULL && index == 0; one = one->ifa_next) {
    if (same_host(one->ifa_addr, addr))
      index = if_nametoindex(one->ifa_name);
  }
  freeifaddrs(all);
  return index > 0 ? (int)index : UV_ENODEV;
}

/* Returns the index of the interface that text names, 0 for NULL, or a negative
   code. */
static int index_of(const char *text) {
  union neap_addr addr;
  if (text == NULL)
    return 0;
  if (neap__addr_parse(text, 0, &addr))
    return interface_with(&addr);
  unsigned int index = if_nametoindex(text);
  return index > 0 ? (int)index : uv_translate_sys_error(errno);
}

static void store(struct sockaddr_storage *to, const union neap_addr *addr) {
  memset(to, 0, sizeof *to);
  memcpy(to, addr, neap__addr_len(addr));
}

static int join_all(const struct neap_udp *udp, const union neap_addr *group,
                    int index, bool join) {
  struct group_req req = {.gr_interface = (uint32_t)index};
  store(&req.gr_group, group);
  return set(udp, group->any.sa_family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
             join ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP, &req, sizeof req);
}

static int join_source(const struct neap_udp *udp, const union neap_addr *group,
                       const union neap_addr *source, int index, bool join) {
  struct group_source_req req = {.gsr_interface = (uint32_t)index};
  store(&req.gsr_group, group);
  store(&req.gsr_source, source);
  return set(udp, group->any.sa_family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
             join ? MCAST_JOIN_SOURCE_GROUP : MCAST_LEAVE_SOURCE_GROUP, &req,
             sizeof req);
}

static int change(const struct neap_udp *udp, const char *group,
                  const char *interface_, const char *source, bool join) {
  union neap_addr group_addr, source_addr, mapped;
  if (!neap__addr_parse(group, 0, &group_addr) ||
      (source != NULL && !neap__addr_parse(source, 0, &source_addr)))
    return UV_EINVAL;
  mapped = group_addr;
  int err = neap__udp_map(udp, &mapped); /* can it be heard at all? */
  if (err < 0)
    return err;
  int index = index_of(interface_);
  if (index < 0)
    return index;
  if (index == 0 && group_addr.any.sa_family == AF_INET6)
    index = (int)group_addr.in6.sin6_scope_id;
  return source == NULL
             ? join_all(udp, &group_addr, index, join)
             : join_source(udp, &group_addr, &source_addr, index, join);
}

int neap_udp_join(neap_udp *udp, const char *group, const char *interface_,
                  const char *source) {
  return change(udp, group, interface_, source, true);
}

int neap_udp_leave(neap_udp *udp, const char *group, const char *interface_,
                   const char *source) {
  return change(udp, group, interface_, source, false);
}

int neap_udp_multicast_interface(neap_udp *udp, const char *interface_) {
  int err = 0, index = index_of(interface_);
  if (index < 0)
    return index;
  if (udp->family == AF_INET6)
    err = set(udp, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof index);
  if (err == 0 && (udp->family == AF_INET || udp->dual)) {
    struct ip_mreqn req = {.imr_ifindex = index};
    err = set(udp, IPPROTO_IP, IP_MULTICAST_IF, &req, sizeof req);
  }
  return err;
}

/* --- what can be asked ---------------------------------------------------- */

int neap_udp_address(neap_udp *udp, neap_address *out) {
  union neap_addr addr;
  int len = sizeof addr;
  if (udp->handle.closed)
    return UV_EBADF;
  int err = uv_udp_getsockname(&udp->uv, &addr.any, &len);
  if (err < 0)
    return err;
  neap__udp_unmap(&addr); /* connected to an IPv4 address */
  neap__addr_describe(&addr, out);
  return 0;
}

int neap_udp_peer(neap_udp *udp, neap_address *out) {
  if (udp->handle.closed)
    return UV_EBADF;
  if (!neap__udp_connected(udp))
    return UV_ENOTCONN;
  neap__addr_describe(&udp->remote, out);
  return 0;
}

void neap_udp_name(const neap_udp *udp, char *out, size_t size) {
  neap__addr_format(neap__udp_connected(udp) ? &udp->remote : &udp->own, out,
                    size);
}

size_t neap_udp_queued(const neap_udp *udp) {
  return udp->n;
}

uint64_t neap_udp_dropped(const neap_udp *udp) {
  int fd = fd_of(udp);
  return udp->lost + (fd < 0 ? 0 : neap__udp_system_drops(fd));
}

bool neap_udp_waited(const neap_udp *udp) {
  return udp->claimed || udp->nwaiting > 0;
}

static void describe(const struct neap_handle *handle, char *out, size_t size) {
  neap_udp_name(NEAP_LIST_ENTRY(handle, struct neap_udp, handle), out, size);
}

const struct neap_handle_kind neap__udp_kind = {.what = "udp",
                                                .describe = describe};

void neap__udp_describe(const struct neap_op *op, char *out, size_t size) {
  struct neap_udp *const *udp = neap__op_data(op);
  neap_udp_name(*udp, out, size);
}
