/* tcp.c: TCP connections and their options; see tcp.h. */
#include "io/tcp.h"

#include <unistd.h>

int neap__tcp_connect(struct neap_rt *rt, const union neap_addr *addr,
                      const union neap_addr *local, uv_connect_t *req,
                      uv_connect_cb on_connect, struct neap_stream **out) {
  struct neap_stream *s;
  int err = neap__stream_new(rt, UV_TCP, &s);
  if (err < 0)
    return err;
  s->remote = *addr;
  if (local != NULL)
    err = uv_tcp_bind(&s->uv.tcp, &local->any, 0);
  if (err == 0)
    err = uv_tcp_connect(req, &s->uv.tcp, &addr->any, on_connect);
  if (err < 0) {
    neap_stream_close(s);
    return err;
  }
  *out = s;
  return 0;
}

int neap__tcp_open(struct neap_rt *rt, int fd, const union neap_addr *remote,
                   struct neap_stream **out) {
  struct neap_stream *s;
  int err = neap__stream_new(rt, UV_TCP, &s);
  if (err < 0) {
    close(fd);
    return err;
  }
  s->remote = *remote;
  err = uv_tcp_open(&s->uv.tcp, fd);
  if (err < 0) {
    close(fd);
    neap_stream_close(s);
    return err;
  }
  *out = s;
  return 0;
}

/* Options and addresses of a stream of another kind don't exist. */
static int check_tcp(const struct neap_stream *s) {
  if (s->handle.closed)
    return UV_EBADF;
  return s->uv.handle.type == UV_TCP ? 0 : UV_ENOTSUP;
}

int neap_stream_nodelay(neap_stream *s, bool on) {
  int err = check_tcp(s);
  return err < 0 ? err : uv_tcp_nodelay(&s->uv.tcp, on);
}

int neap_stream_keepalive(neap_stream *s, uint32_t seconds) {
  int err = check_tcp(s);
  return err < 0 ? err : uv_tcp_keepalive(&s->uv.tcp, seconds > 0, seconds);
}
