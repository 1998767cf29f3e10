/* pipe.c: connections over unix sockets; see pipe.h. */
#include "io/pipe.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int neap__pipe_address(const char *path, struct sockaddr_un *out) {
  size_t len = strlen(path);
  if (len >= sizeof out->sun_path)
    return UV_ENAMETOOLONG;
  memset(out, 0, sizeof *out);
  out->sun_family = AF_UNIX;
  memcpy(out->sun_path, path, len);
  return 0;
}

static void on_connect(uv_connect_t *req, int status) {
  neap__op_wake(neap__op_of(req), status);
}

static int connect_stream(struct neap_stream *s, const char *path,
                          uint64_t due_ns) {
  struct neap_op *op;
  int err = neap__op_new_until(s->handle.rt, "net.connect",
                               sizeof(uv_connect_t), due_ns, &op);
  if (err < 0)
    return err;
  uv_pipe_connect(neap__op_data(op), &s->uv.pipe, path, on_connect);
  return neap__stream_await(s, op);
}

int neap__pipe_connect(struct neap_rt *rt, const char *path, uint64_t due_ns,
                       struct neap_stream **out) {
  struct sockaddr_un un; /* libuv would cut a path that is too long */
  struct neap_stream *s;
  int err = neap__pipe_address(path, &un);
  if (err == 0)
    err = neap__stream_new(rt, UV_NAMED_PIPE, &s);
  if (err < 0)
    return err;
  err = connect_stream(s, path, due_ns);
  if (err < 0) {
    neap_stream_close(s);
    return err;
  }
  *out = s;
  return 0;
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
