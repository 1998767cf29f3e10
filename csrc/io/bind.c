/* bind.c: the addresses at which a socket may be made; see bind.h. */
#include "io/bind.h"

#include "io/dns.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static int bind_any(struct neap_rt *rt, uint16_t port, bool v6only,
                    neap_bind_fn make, void *arg) {
  union neap_addr addr;
  neap__addr_parse("::", port, &addr);
  int err = make(rt, &addr, arg);
  if ((err == UV_EAFNOSUPPORT || err == UV_EADDRNOTAVAIL) && !v6only) {
    neap__addr_parse("0.0.0.0", port, &addr);
    err = make(rt, &addr, arg);
  }
  return err;
}

/* Whether it is the address that err is about. */
static bool is_of_address(int err) {
  return err > NEAP_CANCELLED && err != UV_ENOMEM && err != UV_EMFILE &&
         err != UV_ENFILE && err != UV_ENOBUFS;
}

int neap__bind_host(struct neap_rt *rt, const char *host, uint16_t port,
                    bool v6only, neap_bind_fn make, void *arg) {
  struct neap_addrs *addrs;
  if (strcmp(host, "*") == 0)
    return bind_any(rt, port, v6only, make, arg);
  int err = neap__dns_lookup(rt, host, port, AF_UNSPEC, NEAP_NEVER, &addrs);
  if (err < 0)
    return err;
  for (uint32_t i = 0; i < addrs->n; i++) {
    err = make(rt, &addrs->list[i], arg);
    if (err == 0 || !is_of_address(err))
      break;
  }
  neap_dns_free(addrs);
  return err;
}

static int set_option(int fd, int level, int name, int on) {
  return setsockopt(fd, level, name, &on, sizeof on);
}

int neap__bind_options(int fd, int family, struct neap_bind_options options) {
  if ((options.reuseaddr && set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) != 0) ||
      (options.reuseport && set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) != 0) ||
      (family == AF_INET6 &&
       set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, options.v6only) != 0))
    return uv_translate_sys_error(errno);
  return 0;
}
