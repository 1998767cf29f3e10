/*
 * dns.h: names to addresses and back, by the system's resolver in libuv's
 * thread pool. What needs no resolver is answered at once.
 */
#ifndef NEAP_IO_DNS_H
#define NEAP_IO_DNS_H

#include "core/rt.h"
#include "io/addr.h"

/* Addresses in the order in which they are to be tried. */
struct neap_addrs {
  struct neap_rt *rt;
  uint32_t n;
  union neap_addr list[];
};

/*
 * The addresses of host, at least one, each with port; of one family
 * (AF_INET, AF_INET6) or of both (AF_UNSPEC), which the system is asked for at
 * once. IP addresses stand for themselves, and names of the loopback interface
 * (RFC 6761) for 127.0.0.1 and ::1: they cost no thread. What can't be a name
 * is UV_EAI_NONAME. Waits, until due_ns at most. Returns 0 and a list that the
 * caller frees with neap_dns_free; a negative UV_E* (UV_EAI_*: the resolver's),
 * or the code that ended the wait. A look-up that is let go ends some time;
 * what it brings is freed.
 */
int neap__dns_lookup(struct neap_rt *rt, const char *host, uint16_t port,
                     int family, uint64_t due_ns, struct neap_addrs **out);

#endif
