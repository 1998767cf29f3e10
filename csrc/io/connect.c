/*
 * connect.c: from a name to a connection: looks the name up and tries its
 * addresses one after the other, in the resolver's order (RFC 6724).
 */
#include "io/dns.h"
#include "io/pipe.h"
#include "io/tcp.h"

/* Codes that end the whole of it, not one address. */
static bool ends_all(const struct neap_rt *rt, int err, uint64_t due_ns) {
  return err <= NEAP_CANCELLED || err == UV_ENOMEM ||
         (err == UV_ETIMEDOUT && neap_now(rt) >= due_ns);
}

static void note(neap_connect_options *o, const union neap_addr *addr,
                 int err) {
  if (o->attempts == NULL || o->nattempts == o->max_attempts)
    return;
  neap_attempt *attempt = &o->attempts[o->nattempts++];
  attempt->err = err;
  neap__addr_format(addr, attempt->address, sizeof attempt->address);
}

static int set_options(struct neap_stream *s, const neap_connect_options *o) {
  /* It only makes small writes faster: not worth losing a connection for. */
  if (!o->nagle)
    neap_stream_nodelay(s, true);
  return o->keepalive > 0 ? neap_stream_keepalive(s, o->keepalive) : 0;
}

static int try_one(struct neap_rt *rt, const union neap_addr *addr,
                   const union neap_addr *local, const neap_connect_options *o,
                   uint64_t due_ns, neap_stream **out) {
  struct neap_stream *s;
  int err = neap__tcp_connect(rt, addr, local, due_ns, &s);
  if (err < 0)
    return err;
  err = set_options(s, o);
  if (err < 0) {
    neap_stream_close(s);
    return err;
  }
  *out = s;
  return 0;
}

/* Tries each of host's addresses. */
static int try_all(struct neap_rt *rt, const char *host, uint16_t port,
                   const union neap_addr *local, neap_connect_options *o,
                   uint64_t due_ns, neap_stream **out) {
  struct neap_addrs *addrs;
  int err = neap__dns_lookup(rt, host, port, due_ns, &addrs);
  if (err < 0)
    return err;
  for (uint32_t i = 0; i < addrs->n; i++) {
    err = try_one(rt, &addrs->list[i], local, o, due_ns, out);
    if (err == 0 || ends_all(rt, err, due_ns))
      break;
    note(o, &addrs->list[i], err);
  }
  neap__dns_free(rt, addrs);
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
  return try_all(rt, host, port, bound ? &local : NULL, o, due_ns, out);
}
