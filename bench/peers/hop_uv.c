/*
 * hop_uv: a one-way TCP proxy on libuv alone, as lean as libuv allows: what is
 * read is written at once; what the kernel does not take is copied and written
 * by libuv, and reading pauses meanwhile. It is what net.copy is compared with.
 *
 *   hop_uv PORT    connects to PORT on the loopback, prints its own port, then
 *                  passes one connection's bytes on to their end. Prints the
 * CPU time that took, in seconds.
 */
#include "peer.h"

#include <string.h>

static struct {
  uv_tcp_t listener, from, to;
  uv_connect_t connect;
  uv_shutdown_t shutdown;
  char scratch[65536];
} hop;

/* Bytes that the kernel did not take at once. */
struct rest {
  uv_write_t req;
  char bytes[];
};

static void on_read(uv_stream_t *from, ssize_t n, const uv_buf_t *buf);

static void on_alloc(uv_handle_t *from, size_t hint, uv_buf_t *buf) {
  (void)from;
  (void)hint;
  *buf = uv_buf_init(hop.scratch, sizeof hop.scratch);
}

static void on_written(uv_write_t *req, int err) {
  check(err, "write");
  free(req);
  check(uv_read_start((uv_stream_t *)&hop.from, on_alloc, on_read), "read");
}

static void on_shutdown(uv_shutdown_t *req, int err) {
  (void)req;
  check(err, "shutdown");
  uv_close((uv_handle_t *)&hop.from, NULL);
  uv_close((uv_handle_t *)&hop.to, NULL);
}

static void write_later(const char *bytes, size_t len) {
  struct rest *rest = allocate(sizeof *rest + len);
  memcpy(rest->bytes, bytes, len);
  uv_buf_t buf = uv_buf_init(rest->bytes, (unsigned int)len);
  check(uv_write(&rest->req, (uv_stream_t *)&hop.to, &buf, 1, on_written),
        "write");
  check(uv_read_stop((uv_stream_t *)&hop.from), "stop");
}

static void on_read(uv_stream_t *from, ssize_t n, const uv_buf_t *buf) {
  if (n < 0) {
    check(n == UV_EOF ? 0 : (int)n, "read");
    check(uv_read_stop(from), "stop");
    check(uv_shutdown(&hop.shutdown, (uv_stream_t *)&hop.to, on_shutdown),
          "shutdown");
    return;
  }
  uv_buf_t bytes = uv_buf_init(buf->base, (unsigned int)n);
  int written = uv_try_write((uv_stream_t *)&hop.to, &bytes, 1);
  if (written == UV_EAGAIN)
    written = 0;
  check(written, "write");
  if (written < n)
    write_later(buf->base + written, (size_t)(n - written));
}

static void on_connection(uv_stream_t *listener, int err) {
  check(err, "listen");
  check(uv_tcp_init(listener->loop, &hop.from), "tcp");
  check(uv_accept(listener, (uv_stream_t *)&hop.from), "accept");
  check(uv_read_start((uv_stream_t *)&hop.from, on_alloc, on_read), "read");
  uv_close((uv_handle_t *)listener, NULL);
}

static void on_connect(uv_connect_t *req, int err) {
  struct sockaddr_in addr;
  int len = sizeof addr;
  (void)req;
  check(err, "connect");
  check(uv_listen((uv_stream_t *)&hop.listener, 1, on_connection), "listen");
  check(uv_tcp_getsockname(&hop.listener, (struct sockaddr *)&addr, &len),
        "name");
  printf("%d\n", ntohs(addr.sin_port));
  fflush(stdout);
}

int main(int argc, char **argv) {
  uv_loop_t loop;
  struct sockaddr_in addr;
  int port = argc == 2 ? (int)strtol(argv[1], NULL, 10) : 0;
  check(port > 0 ? 0 : UV_EINVAL, "usage: hop_uv PORT");
  check(uv_loop_init(&loop), "loop");
  check(uv_ip4_addr("127.0.0.1", 0, &addr), "address");
  check(uv_tcp_init(&loop, &hop.listener), "tcp");
  check(uv_tcp_bind(&hop.listener, (struct sockaddr *)&addr, 0), "bind");
  check(uv_ip4_addr("127.0.0.1", port, &addr), "address");
  check(uv_tcp_init(&loop, &hop.to), "tcp");
  check(uv_tcp_connect(&hop.connect, &hop.to, (struct sockaddr *)&addr,
                       on_connect),
        "connect");
  double begun = cpu_seconds();
  uv_run(&loop, UV_RUN_DEFAULT);
  printf("%.6f\n", cpu_seconds() - begun);
  check(uv_loop_close(&loop), "close");
  return EXIT_SUCCESS;
}
