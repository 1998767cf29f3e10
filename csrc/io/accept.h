/*
 * accept.h: what else is done with a connection that a server accepts.
 */
#ifndef NEAP_IO_ACCEPT_H
#define NEAP_IO_ACCEPT_H

#include "io/stream.h"

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
