/*
 * bind.h: making sockets at an address of this machine's, to listen or for
 * datagrams: which addresses a host stands for, and what is set before.
 */
#ifndef NEAP_IO_BIND_H
#define NEAP_IO_BIND_H

#include "core/rt.h"
#include "io/addr.h"

/* Makes a socket at addr. Does not wait. Returns 0 or a negative code. */
typedef int (*neap_bind_fn)(struct neap_rt *rt, const union neap_addr *addr,
                            void *arg);

/*
 * Has make make a socket at the first of host's addresses that will do; "*" is
 * every address, of both families where the system has both (and v6only is
 * false). Waits. Returns 0, or what the look-up or the last try has met. What
 * another address could not help with (no memory, no descriptors) ends the
 * tries.
 */
int neap__bind_host(struct neap_rt *rt, const char *host, uint16_t port,
                    bool v6only, neap_bind_fn make, void *arg);

/* Who else may have a socket's address, and whether IPv4 comes in as well. */
struct neap_bind_options {
  bool reuseaddr, reuseport, v6only;
};

/* Sets that for a socket of a family that is not bound yet. Returns 0 or a
   negative UV_E*. */
int neap__bind_options(int fd, int family, struct neap_bind_options options);

#endif
