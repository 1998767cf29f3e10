/* pipe.c: connections over unix sockets; see pipe.h. */
#include "io/pipe.h"

#include "io/retry.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int neap__pipe_address(const char *path, struct neap_pipe_address *out) {
  size_t len = strlen(path);
  const bool abstract = path[0] == '@';
  if (len == (abstract ? 1 : 0))
    return UV_EINVAL;
  if (len >= sizeof out->un.sun_path)
    return UV_ENAMETOOLONG;
  memset(out, 0, sizeof *out);
  out->un.sun_family = AF_UNIX;
  memcpy(out->un.sun_path, path, len);
  if (abstract) /* its name has no end but the address's */
    out->un.sun_path[0] = '\0';
  out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len +
                         (abstract ? 0 : 1));
  return 0;
}

/* A socket that is connected to address, or a negative UV_E*; UV_EAGAIN: so
   many wait to be accepted that there is no room for more. */
static int try_connect(const struct neap_pipe_address *address) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int result = fd;
  if (fd >= 0)
    result = connect(fd, (const struct sockaddr *)&address->un, address->len);
  if (result >= 0)
    return fd;
  int err = uv_translate_sys_error(errno);
  if (fd >= 0)
    close(fd);
  return err;
}

/* Unlike TCP's, a unix socket whose queue is full does not answer later: it is
   tried again after pauses. */
int neap__pipe_connect(struct neap_rt *rt, const char *path, uint64_t due_ns,
                       struct neap_stream **out) {
  struct neap_pipe_address address;
  uint64_t pause_ns = 0;
  int err = neap__pipe_address(path, &address);
  while (err == 0) {
    int fd = try_connect(&address);
    if (fd >= 0)
      return neap__pipe_open(rt, fd, out);
    err = fd == UV_EAGAIN
              ? neap__retry_wait(rt, "net.connect", NULL, due_ns, &pause_ns)
              : fd;
  }
  return err;
}

int neap__pipe_open(struct neap_rt *rt, int fd, struct neap_stream **out) {
  struct neap_stream *s;
  int err = neap__stream_new(rt, UV_NAMED_PIPE, &s);
  if (err < 0) {
    close(fd);
    return err;
  }
  err = uv_pipe_open(&s->uv.pipe, fd);
  if (err < 0) {
    close(fd);
    neap_stream_close(s);
    return err;
  }
  *out = s;
  return 0;
}

int neap_pair(neap_rt *rt, neap_stream **a, neap_stream **b) {
  uv_os_sock_t fds[2];
  neap_stream *first, *second;
  int err = neap__handle_enter(rt);
  if (err == 0)
    err =
        uv_socketpair(SOCK_STREAM, 0, fds, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE);
  if (err < 0)
    return err;
  err = neap__pipe_open(rt, fds[0], &first);
  if (err < 0) {
    close(fds[1]);
    return err;
  }
  err = neap__pipe_open(rt, fds[1], &second);
  if (err < 0) {
    neap_stream_close(first);
    return err;
  }
  *a = first;
  *b = second;
  return 0;
}
