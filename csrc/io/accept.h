/*
 * accept.h: servers, as listen.c makes them; what else is done with a
 * connection that one accepts.
 */
#ifndef NEAP_IO_ACCEPT_H
#define NEAP_IO_ACCEPT_H

#include "io/pipe.h"
#include "io/stream.h"

/*
 * A server on fd, which listens on an address of family, and has file (may be
 * NULL). Does not wait. Returns 0, and both are the server's, or a negative
 * UV_E* with both still the caller's.
 */
int neap__accept_new(struct neap_rt *rt, int fd, int family,
                     const struct neap_pipe_file *file,
                     struct neap_server **out);

/* Whether a server of the runtime has that descriptor. */
bool neap__accept_has(const struct neap_rt *rt, int fd);

/* What accepted connections pass before they are handed out. */
struct neap_wrap {
  /* Prepares a stream; does not wait. Returns 0 or a negative UV_E*. */
  int (*open)(struct neap_wrap *wrap, struct neap_stream *stream);
  /* The server's share of it is given up. */
  void (*free)(struct neap_wrap *wrap);
};

/* From now on server's connections pass wrap, of which it owns a share; the
   share of the one before is given up. Returns 0, or UV_EBADF with the share
   still the caller's. */
int neap__accept_wrap(neap_server *server, struct neap_wrap *wrap);

/* What they pass, or NULL. */
const struct neap_wrap *neap__accept_wrapped(const neap_server *server);

#endif
