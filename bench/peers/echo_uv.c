/*
 * echo_uv: an echo server on libuv alone, as lean as libuv allows: reading
 * stays armed, an answer is tried at once, all connections share one buffer.
 * It is what neap's echo is compared with.
 *
 *   echo_uv N    serves N connections, then ends. Prints its port, and at the
 *                end the CPU time it took to serve them, in seconds.
 */
#include "peer.h"

#include <string.h>

struct server {
  uv_tcp_t listener;
  int awaited; /* connections that are still to come */
  char scratch[65536];
};

/* An answer that the kernel did not take at once. */
struct answer {
  uv_write_t req;
  char bytes[];
};

static void on_close(uv_handle_t *conn) {
  free(conn);
}

static void on_written(uv_write_t *req, int err) {
  check(err, "write");
  free(req);
}

static void on_alloc(uv_handle_t *conn, size_t hint, uv_buf_t *buf) {
  struct server *server = conn->loop->data;
  (void)hint;
  *buf = uv_buf_init(server->scratch, sizeof server->scratch);
}

static void write_later(uv_stream_t *conn, const char *bytes, size_t len) {
  struct answer *rest = allocate(sizeof *rest + len);
  memcpy(rest->bytes, bytes, len);
  uv_buf_t buf = uv_buf_init(rest->bytes, (unsigned int)len);
  check(uv_write(&rest->req, conn, &buf, 1, on_written), "write");
}

static void on_read(uv_stream_t *conn, ssize_t n, const uv_buf_t *buf) {
  if (n < 0) {
    check(n == UV_EOF ? 0 : (int)n, "read");
    uv_close((uv_handle_t *)conn, on_close);
    return;
  }
  uv_buf_t answer = uv_buf_init(buf->base, (unsigned int)n);
  int written = uv_try_write(conn, &answer, 1);
  if (written == UV_EAGAIN)
    written = 0;
  check(written, "write");
  if (written < n)
    write_later(conn, buf->base + written, (size_t)(n - written));
}

static void on_connection(uv_stream_t *listener, int err) {
  struct server *server = listener->loop->data;
  check(err, "listen");
  uv_tcp_t *conn = allocate(sizeof *conn);
  check(uv_tcp_init(listener->loop, conn), "tcp");
  check(uv_accept(listener, (uv_stream_t *)conn), "accept");
  check(uv_tcp_nodelay(conn, 1), "nodelay");
  check(uv_read_start((uv_stream_t *)conn, on_alloc, on_read), "read");
  if (--server->awaited == 0)
    uv_close((uv_handle_t *)listener, NULL);
}

static void print_port(const uv_tcp_t *listener) {
  struct sockaddr_in addr;
  int len = sizeof addr;
  check(uv_tcp_getsockname(listener, (struct sockaddr *)&addr, &len), "name");
  printf("%d\n", ntohs(addr.sin_port));
  fflush(stdout);
}

int main(int argc, char **argv) {
  uv_loop_t loop;
  struct server server = {.awaited =
                              argc == 2 ? (int)strtol(argv[1], NULL, 10) : 0};
  struct sockaddr_in addr;
  if (server.awaited <= 0)
    check(UV_EINVAL, "usage: echo_uv N");

  check(uv_loop_init(&loop), "loop");
  loop.data = &server;
  check(uv_ip4_addr("127.0.0.1", 0, &addr), "address");
  check(uv_tcp_init(&loop, &server.listener), "tcp");
  check(uv_tcp_bind(&server.listener, (struct sockaddr *)&addr, 0), "bind");
  check(uv_listen((uv_stream_t *)&server.listener, 128, on_connection),
        "listen");
  print_port(&server.listener);

  double begun = cpu_seconds();
  uv_run(&loop, UV_RUN_DEFAULT);
  printf("%.6f\n", cpu_seconds() - begun);
  check(uv_loop_close(&loop), "close");
  return EXIT_SUCCESS;
}
