/*
 * dns.h: names to addresses, by the system's resolver in libuv's thread pool.
 */
#ifndef NEAP_IO_DNS_H
#define NEAP_IO_DNS_H

#include "core/rt.h"
#include "io/addr.h"

/* Addresses in the order in which they are to be tried. */
struct neap_addrs {
  uint32_t n;
  union neap_addr list[];
};

/*
 * The addresses of host, at least one, each with port. An IP address stands
 * for itself and costs no thread. Waits, until due_ns at most. Returns 0 and a
 * list that the caller frees with neap__dns_free; a negative UV_E* (UV_EAI_*:
 * the resolver's), or the code that ended the wait. A look-up that is let go
 * ends some time; what it brings is freed.
 */
int neap__dns_lookup(struct neap_rt *rt, const char *host, uint16_t port,
                     uint64_t due_ns, struct neap_addrs **out);

/* NULL is harmless. */
void neap__dns_free(struct neap_rt *rt, struct neap_addrs *addrs);

#endif
