/* addr.c: text and socket addresses; see addr.h. */
#include "io/addr.h"

#include <uv.h>

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

/* The interface of "fe80::1%2": libuv knows names only. */
static uint32_t scope_number(const char *text) {
  const char *scope = strchr(text, '%');
  uint32_t n = 0;
  if (scope == NULL)
    return 0;
  for (scope++; *scope >= '0' && *scope <= '9' && n < 100000000; scope++)
    n = 10 * n + (uint32_t)(*scope - '0');
  return *scope == '\0' ? n : 0;
}

bool neap__addr_parse(const char *text, uint16_t port, union neap_addr *out) {
  union neap_addr addr;
  memset(&addr, 0, sizeof addr);
  if (uv_ip4_addr(text, port, &addr.in) != 0) {
    memset(&addr, 0, sizeof addr);
    if (uv_ip6_addr(text, port, &addr.in6) != 0)
      return false;
    if (addr.in6.sin6_scope_id == 0)
      addr.in6.sin6_scope_id = scope_number(text);
  }
  *out = addr;
  return true;
}

void neap__addr_set(union neap_addr *addr, const struct sockaddr *from,
                    uint16_t port) {
  if (from->sa_family == AF_INET6) {
    memcpy(&addr->in6, from, sizeof addr->in6);
    addr->in6.sin6_port = htons(port);
  } else {
    memcpy(&addr->in, from, sizeof addr->in);
    addr->in.sin_port = htons(port);
  }
}

socklen_t neap__addr_len(const union neap_addr *addr) {
  return addr->any.sa_family == AF_INET6 ? sizeof addr->in6 : sizeof addr->in;
}

/* A link-local address means nothing without its interface. */
static void add_scope(const struct sockaddr_in6 *in6, char *text, size_t size) {
  char name[IF_NAMESIZE];
  size_t len = strlen(text);
  if (in6->sin6_scope_id != 0 && if_indextoname(in6->sin6_scope_id, name))
    snprintf(text + len, size - len, "%%%s", name);
}

void neap__addr_describe(const union neap_addr *addr, neap_address *out) {
  memset(out, 0, sizeof *out);
  if (addr->any.sa_family == AF_INET) {
    out->family = "inet";
    out->port = ntohs(addr->in.sin_port);
    uv_ip4_name(&addr->in, out->text, sizeof out->text);
  } else {
    out->family = "inet6";
    out->port = ntohs(addr->in6.sin6_port);
    uv_ip6_name(&addr->in6, out->text, sizeof out->text);
    add_scope(&addr->in6, out->text, sizeof out->text);
  }
}

/* An unnamed socket has no path; an abstract one begins with a NUL, which is
   shown as "@", as ss and lsof do. */
static void describe_unix(const struct sockaddr_un *un, socklen_t len,
                          neap_address *out) {
  size_t n = len > offsetof(struct sockaddr_un, sun_path)
                 ? len - offsetof(struct sockaddr_un, sun_path)
                 : 0;
  bool abstract = n > 0 && un->sun_path[0] == '\0';
  out->family = "unix";
  if (!abstract)
    n = strnlen(un->sun_path, n);
  n = n < sizeof out->text ? n : sizeof out->text - 1;
  memcpy(out->text, un->sun_path, n);
  out->text[n] = '\0';
  if (abstract)
    out->text[0] = '@';
}

int neap__addr_of_fd(int fd, bool peer, neap_address *out) {
  union {
    struct sockaddr any;
    struct sockaddr_un un;
    union neap_addr ip;
  } addr;
  socklen_t len = sizeof addr;
  int err = peer ? getpeername(fd, &addr.any, &len)
                 : getsockname(fd, &addr.any, &len);
  if (err != 0)
    return uv_translate_sys_error(errno);
  memset(out, 0, sizeof *out);
  out->family = "";
  if (addr.any.sa_family == AF_UNIX)
    describe_unix(&addr.un, len, out);
  else if (addr.any.sa_family == AF_INET || addr.any.sa_family == AF_INET6)
    neap__addr_describe(&addr.ip, out);
  return 0;
}

void neap__addr_format(const union neap_addr *addr, char *out, size_t size) {
  neap_address text;
  if (addr->any.sa_family == AF_UNSPEC) {
    snprintf(out, size, "unix socket");
    return;
  }
  neap__addr_describe(addr, &text);
  bool six = addr->any.sa_family == AF_INET6;
  snprintf(out, size, six ? "[%s]:%d" : "%s:%d", text.text, text.port);
}

bool neap__addr_localhost(const char *host, uint16_t port,
                          union neap_addr out[2]) {
  static const char name[] = "localhost";
  const size_t n = sizeof name - 1;
  size_t len = strlen(host);
  if (len > 0 && host[len - 1] == '.')
    len--;
  if (len < n || strncasecmp(host + len - n, name, n) != 0 ||
      (len > n && (host[len - n - 1] != '.' || !neap__addr_is_name(host))))
    return false;
  neap__addr_parse("127.0.0.1", port, &out[0]);
  neap__addr_parse("::1", port, &out[1]);
  return true;
}

/* RFC 1035 section 2.3.4. Of what is not ASCII libuv makes labels of another
   length, and sees to it. */
#define MAX_NAME  253
#define MAX_LABEL 63

bool neap__addr_is_name(const char *text) {
  size_t label = 0, n = 0;
  bool ascii = true, label_ok = true;
  for (; text[n] != '\0'; n++) {
    unsigned char c = (unsigned char)text[n];
    if (c <= ' ' || c == 0x7f)
      return false;
    if (c == '.' && label == 0)
      return false;
    label = c == '.' ? 0 : label + 1;
    label_ok = label_ok && label <= MAX_LABEL;
    ascii = ascii && c < 0x80;
  }
  size_t most = label == 0 ? MAX_NAME + 1 : MAX_NAME; /* the root's dot */
  return n > 0 && (!ascii || (label_ok && n <= most)) && strcmp(text, "*") != 0;
}

const char *neap__addr_unix(const char *host) {
  return strncmp(host, "unix:", 5) == 0 ? host + 5 : NULL;
}
