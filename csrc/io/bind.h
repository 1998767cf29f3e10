/*
 * bind.h: which addresses a host stands for when a socket is made at one of
 * them: to listen or for datagrams.
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

#endif
