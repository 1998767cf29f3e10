/*
 * net.c: the network for C code that knows what it wants: one address, one
 * path, a descriptor, some bytes. All of it is in other files' more general
 * calls.
 */
#include "io/pipe.h"
#include "io/tcp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* --- TCP, by IP address */

int neap_tcp_connect(neap_rt *rt, const char *ip, uint16_t port,
                     uint64_t due_ns, neap_stream **out) {
  union neap_addr addr;
  if (!neap__addr_parse(ip, port, &addr))
    return UV_EINVAL;
  if (due_ns == 0)
    due_ns = 1; /* not "never" */
  neap_connect_options options = {.size = sizeof options, .due_ns = due_ns};
  return neap_connect(rt, ip, port, &options, out);
}

int neap_tcp_listen(neap_rt *rt, const char *ip, uint16_t port,
                    const neap_listen_options *options, neap_server **out) {
  union neap_addr addr;
  if (!neap__addr_parse(ip, port, &addr))
    return UV_EINVAL;
  return neap_listen(rt, ip, port, options, out);
}

int neap_tcp_open(neap_rt *rt, int fd, neap_stream **out) {
  union {
    struct sockaddr any;
    struct sockaddr_storage room;
  } peer;
  socklen_t len = sizeof peer;
  union neap_addr remote;
  if (getpeername(fd, &peer.any, &len) != 0)
    return uv_translate_sys_error(errno);
  if (peer.any.sa_family != AF_INET && peer.any.sa_family != AF_INET6)
    return UV_EINVAL;
  memset(&remote, 0, sizeof remote);
  memcpy(&remote, &peer, len < sizeof remote ? len : sizeof remote);
  return neap__tcp_open(rt, fd, &remote, out);
}

/* --- unix sockets, by path */

int neap_pipe_connect(neap_rt *rt, const char *path, uint64_t due_ns,
                      neap_stream **out) {
  int err = neap__handle_enter(rt);
  return err < 0 ? err : neap__pipe_connect(rt, path, due_ns, out);
}

int neap_pipe_listen(neap_rt *rt, const char *path,
                     const neap_listen_options *options, neap_server **out) {
  struct neap_pipe_address address;
  char host[sizeof "unix:" + sizeof address.un.sun_path];
  int err = neap__pipe_address(path, &address);
  if (err < 0)
    return err;
  snprintf(host, sizeof host, "unix:%s", path);
  return neap_listen(rt, host, 0, options, out);
}

int neap_pipe_open(neap_rt *rt, int fd, neap_stream **out) {
  struct stat st;
  if (fstat(fd, &st) != 0)
    return uv_translate_sys_error(errno);
  if (!S_ISSOCK(st.st_mode) && !S_ISFIFO(st.st_mode))
    return UV_EINVAL;
  return neap__pipe_open(rt, fd, out);
}

/* --- bytes */

int64_t neap_stream_recv(neap_stream *stream, void *bytes, size_t len) {
  neap_view view;
  if (len == 0)
    return 0;
  int err = neap_stream_peek_some(stream, len, &view);
  if (err < 0)
    return err == UV_EOF ? 0 : err;
  memcpy(bytes, view.base, view.len);
  neap_stream_consume(stream, view.len);
  return (int64_t)view.len;
}

int neap_stream_send(neap_stream *stream, const void *bytes, size_t len) {
  neap_bytes piece = {.base = bytes, .len = len};
  size_t sent;
  return neap_stream_write(stream, &piece, 1, &sent);
}
