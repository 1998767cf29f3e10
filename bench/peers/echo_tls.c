/*
 * echo_tls: an echo server on libuv and OpenSSL, by memory BIOs, as echo_uv is
 * one on libuv alone. It is what neap's TLS is compared with.
 *
 *   echo_tls N CERT KEY    serves N connections, then ends. Prints its port,
 *                          and at the end the CPU time it took, in seconds.
 */
#include "peer.h"

#include <openssl/ssl.h>
#include <string.h>

struct server {
  uv_tcp_t listener;
  SSL_CTX *ctx;
  int awaited; /* connections that are still to come */
  char scratch[65536];
  char plain[65536];
};

struct conn {
  uv_tcp_t tcp; /* first: a handle is its connection */
  SSL *ssl;
  BIO *in, *out; /* what came off the wire, what goes there */
};

/* Bytes that the kernel did not take at once. */
struct answer {
  uv_write_t req;
  char bytes[];
};

static void on_close(uv_handle_t *handle) {
  struct conn *conn = (struct conn *)handle;
  SSL_free(conn->ssl);
  free(conn);
}

static void close_conn(struct conn *conn) {
  uv_close((uv_handle_t *)&conn->tcp, on_close);
}

static void on_written(uv_write_t *req, int err) {
  check(err, "write");
  free(req);
}

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *buf) {
  struct server *server = handle->loop->data;
  (void)hint;
  *buf = uv_buf_init(server->scratch, sizeof server->scratch);
}

static void write_later(uv_stream_t *stream, const char *bytes, size_t len) {
  struct answer *rest = allocate(sizeof *rest + len);
  memcpy(rest->bytes, bytes, len);
  uv_buf_t buf = uv_buf_init(rest->bytes, (unsigned int)len);
  check(uv_write(&rest->req, stream, &buf, 1, on_written), "write");
}

/* Sends what OpenSSL has made. */
static void flush(struct conn *conn) {
  char *bytes;
  long n = BIO_get_mem_data(conn->out, &bytes);
  if (n <= 0)
    return;
  uv_stream_t *stream = (uv_stream_t *)&conn->tcp;
  uv_buf_t buf = uv_buf_init(bytes, (unsigned int)n);
  int written = uv_try_write(stream, &buf, 1);
  if (written == UV_EAGAIN)
    written = 0;
  check(written, "write");
  if (written < n)
    write_later(stream, bytes + written, (size_t)(n - written));
  BIO_reset(conn->out);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  struct conn *conn = (struct conn *)stream;
  struct server *server = stream->loop->data;
  size_t got, put;
  if (n < 0) {
    check(n == UV_EOF || n == UV_ECONNRESET ? 0 : (int)n, "read");
    close_conn(conn);
    return;
  }
  if (BIO_write(conn->in, buf->base, (int)n) != n)
    check(UV_ENOMEM, "BIO_write");
  if (!SSL_is_init_finished(conn->ssl))
    SSL_do_handshake(conn->ssl);
  while (SSL_read_ex(conn->ssl, server->plain, sizeof server->plain, &got) == 1)
    if (SSL_write_ex(conn->ssl, server->plain, got, &put) != 1)
      check(UV_EPROTO, "SSL_write");
  flush(conn);
}

static void on_connection(uv_stream_t *listener, int err) {
  struct server *server = listener->loop->data;
  check(err, "listen");
  struct conn *conn = allocate(sizeof *conn);
  check(uv_tcp_init(listener->loop, &conn->tcp), "tcp");
  conn->ssl = SSL_new(server->ctx);
  conn->in = BIO_new(BIO_s_mem());
  conn->out = BIO_new(BIO_s_mem());
  SSL_set_bio(conn->ssl, conn->in, conn->out);
  SSL_set_accept_state(conn->ssl);
  check(uv_accept(listener, (uv_stream_t *)&conn->tcp), "accept");
  check(uv_tcp_nodelay(&conn->tcp, 1), "nodelay");
  check(uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read), "read");
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

static SSL_CTX *load(const char *cert, const char *key) {
  SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
  if (ctx == NULL ||
      SSL_CTX_use_certificate_file(ctx, cert, SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
    check(UV_EINVAL, "certificate");
  return ctx;
}

int main(int argc, char **argv) {
  uv_loop_t loop;
  static struct server server;
  struct sockaddr_in addr;
  if (argc == 4)
    server.awaited = (int)strtol(argv[1], NULL, 10);
  if (server.awaited <= 0)
    check(UV_EINVAL, "usage: echo_tls N CERT KEY");
  server.ctx = load(argv[2], argv[3]);

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
  SSL_CTX_free(server.ctx);
  return EXIT_SUCCESS;
}
