/*
 * connect.c: from a name to a connection: looks the name up and has its
 * addresses race (eyeballs.h).
 */
#include "io/dns.h"
#include "io/eyeballs.h"
#include "io/pipe.h"

static int connect_host(struct neap_rt *rt, const char *host, uint16_t port,
                        const union neap_addr *local, neap_connect_options *o,
                        uint64_t due_ns, neap_stream **out) {
  struct neap_addrs *addrs;
  const int family = local != NULL ? local->any.sa_family : AF_UNSPEC;
  int err = neap__dns_lookup(rt, host, port, family, due_ns, &addrs);
  if (err < 0)
    return err;
  err = neap__eyeballs_connect(rt, addrs, local, o, due_ns, out);
  neap_dns_free(addrs);
  return err;
}

int neap_connect(neap_rt *rt, const char *host, uint16_t port,
                 neap_connect_options *options, neap_stream **out) {
  neap_connect_options none = {.size = sizeof none};
  neap_connect_options *o = options != NULL ? options : &none;
  uint64_t due_ns = o->due_ns != 0 ? o->due_ns : NEAP_NEVER;
  o->nattempts = 0;
  union neap_addr local;
  const bool bound = o->bind != NULL;
  if (bound && !neap__addr_parse(o->bind, 0, &local))
    return UV_EADDRNOTAVAIL;
  int err = neap__handle_enter(rt);
  if (err < 0)
    return err;
  const char *path = neap__addr_unix(host);
  if (path != NULL)
    return neap__pipe_connect(rt, path, due_ns, out);
  return connect_host(rt, host, port, bound ? &local : NULL, o, due_ns, out);
}
