/*
 * tcp.h: TCP connections to and from one address.
 */
#ifndef NEAP_IO_TCP_H
#define NEAP_IO_TCP_H

#include "io/addr.h"
#include "io/stream.h"

/*
 * Begins to connect to addr, from local if that is not NULL. Does not wait.
 * Returns 0 and a stream in *out, which the caller closes: on_connect is then
 * called once, with UV_ECANCELED if that comes before. Or a negative UV_E* with
 * nothing left open.
 */
int neap__tcp_connect(struct neap_rt *rt, const union neap_addr *addr,
                      const union neap_addr *local, uv_connect_t *req,
                      uv_connect_cb on_connect, struct neap_stream **out);

/* A stream on the connected socket fd, whose peer is remote. fd is the stream's
   from now on, or closed on failure. Does not wait. Returns 0 or a negative
   UV_E*. */
int neap__tcp_open(struct neap_rt *rt, int fd, const union neap_addr *remote,
                   struct neap_stream **out);

#endif
