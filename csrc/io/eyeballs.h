/*
 * eyeballs.h: a connection to one of several addresses: Happy Eyeballs version
 * 2 (RFC 8305). The attempts race: each begins when the one before it has
 * failed, or has been silent for the Connection Attempt Delay, and goes on
 * beside the others. The first that connects is taken, the rest is closed.
 *
 * The Resolution Delay (section 3) does not occur: it is for a resolver that is
 * asked for AAAA and A separately; the system's answers with both at once.
 */
#ifndef NEAP_IO_EYEBALLS_H
#define NEAP_IO_EYEBALLS_H

#include "io/dns.h"
#include "io/stream.h"

/*
 * Connects to one of addrs, from local if that is not NULL. Waits, until due_ns
 * at most. Returns 0 and an open stream in *out, which the caller closes; or a
 * negative code with nothing left open: that of the last address that failed,
 * UV_ETIMEDOUT, or what ended the wait. Notes in o what failed.
 */
int neap__eyeballs_connect(struct neap_rt *rt, struct neap_addrs *addrs,
                           const union neap_addr *local,
                           neap_connect_options *o, uint64_t due_ns,
                           struct neap_stream **out);

/* Has the families take turns, the first address staying the first; within a
   family the order stays (section 4). */
void neap__eyeballs_sort(struct neap_addrs *addrs);

#endif
