/*
 * tcp.h: TCP connections to and from one address.
 */
#ifndef NEAP_IO_TCP_H
#define NEAP_IO_TCP_H

#include "io/addr.h"
#include "io/stream.h"

/*
 * Connects to addr, from local if that is not NULL. Waits, until due_ns at
 * most. Returns 0 and an open stream in *out, which the caller closes; or a
 * negative code with nothing left open.
 */
int neap__tcp_connect(struct neap_rt *rt, const union neap_addr *addr,
                      const union neap_addr *local, uint64_t due_ns,
                      struct neap_stream **out);

/* A stream on the connected socket fd, which is the stream's from now on, or
   closed on failure. Does not wait. Returns 0 or a negative UV_E*. */
int neap__tcp_open(struct neap_rt *rt, int fd, struct neap_stream **out);

#endif
