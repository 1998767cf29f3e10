/*
 * listen.c: making sockets that listen: on addresses, on paths (pipe_listen.c),
 * and those that whoever started the process has made already. What comes in is
 * accept.c's.
 */
#include "io/accept.h"
#include "io/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A socket that listens on addr, or a negative UV_E*. */
static int open_socket(const union neap_addr *addr,
                       const neap_listen_options *o) {
  int family = addr->any.sa_family;
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return uv_translate_sys_error(errno);
  int backlog = o->backlog > 0 ? o->backlog : SOMAXCONN;
  int err = neap__bind_options(
      fd, family,
      (struct neap_bind_options){.reuseaddr = true, /* as all servers do */
                                 .reuseport = o->reuseport,
                                 .v6only = o->ipv6only});
  if (err == 0 && (bind(fd, &addr->any, neap__addr_len(addr)) != 0 ||
                   listen(fd, backlog) != 0))
    err = uv_translate_sys_error(errno);
  if (err < 0) {
    close(fd);
    return err;
  }
  return fd;
}

static int listen_unix(struct neap_rt *rt, const char *path,
                       const neap_listen_options *o, struct neap_server **out) {
  struct neap_pipe_file file;
  int fd = neap__pipe_listen(rt, path, o, &file);
  if (fd < 0)
    return fd;
  int err = neap__accept_new(rt, fd, AF_UNIX, &file, out);
  if (err < 0) {
    neap__pipe_remove(&file);
    close(fd);
  }
  return err;
}

/* What listen_ip is to do. */
struct listening {
  const neap_listen_options *options;
  struct neap_server **out;
};

static int listen_ip(struct neap_rt *rt, const union neap_addr *addr,
                     void *arg) {
  const struct listening *to = arg;
  int fd = open_socket(addr, to->options);
  if (fd < 0)
    return fd;
  int err = neap__accept_new(rt, fd, addr->any.sa_family, NULL, to->out);
  if (err < 0)
    close(fd);
  return err;
}

/* --- sockets that were inherited ------------------------------------------ */

/* The family of a stream socket that listens, or a negative UV_E*. */
static int look_at(int fd) {
  int listens = 0, type = 0;
  socklen_t len = sizeof listens;
  struct sockaddr_storage addr = {0};
  socklen_t addr_len = sizeof addr;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0 ||
      getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 ||
      getsockname(fd, (struct sockaddr *)&addr, &addr_len) != 0)
    return uv_translate_sys_error(errno);
  if (!listens || type != SOCK_STREAM)
    return UV_EINVAL;
  int family = addr.ss_family;
  bool known = family == AF_INET || family == AF_INET6 || family == AF_UNIX;
  return known ? family : UV_EAFNOSUPPORT;
}

static int adopt(struct neap_rt *rt, int fd, struct neap_server **out) {
  int family = look_at(fd);
  if (family < 0)
    return family;
  if (neap__accept_has(rt, fd))
    return UV_EEXIST;
  int err = neap__accept_new(rt, fd, family, NULL, out);
  if (err == 0)
    fcntl(fd, F_SETFD, FD_CLOEXEC); /* fails for no descriptor that is open */
  return err;
}

int neap_listen(neap_rt *rt, const char *host, uint16_t port,
                const neap_listen_options *options, neap_server **out) {
  neap_listen_options none = {.size = sizeof none};
  const neap_listen_options *o = options != NULL ? options : &none;
  int err = neap__handle_enter(rt);
  if (err < 0)
    return err;
  if (o->inherited)
    return adopt(rt, o->fd, out);
  const char *path = neap__addr_unix(host);
  if (path != NULL)
    return listen_unix(rt, path, o, out);
  struct listening to = {.options = o, .out = out};
  return neap__bind_host(rt, host, port, o->ipv6only, listen_ip, &to);
}

/* The number that the variable of the environment is, or -1. */
static int64_t number_in(const char *name) {
  char *end;
  const char *text = getenv(name);
  if (text == NULL || *text < '0' || *text > '9')
    return -1;
  errno = 0;
  long long n = strtoll(text, &end, 10);
  return errno == 0 && *end == '\0' ? n : -1;
}

int neap_listen_fds(const char **names) {
  int64_t n = number_in("LISTEN_FDS");
  if (n <= 0 || number_in("LISTEN_PID") != getpid())
    return 0;
  if (n > INT16_MAX)
    return UV_EINVAL;
  for (int fd = NEAP_LISTEN_FDS_FIRST; fd < NEAP_LISTEN_FDS_FIRST + n; fd++)
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
      return uv_translate_sys_error(errno);
  *names = getenv("LISTEN_FDNAMES");
  return (int)n;
}
