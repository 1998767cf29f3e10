/*
 * load_tls: the load on a TLS echo server. In rounds: a message of 16 KiB goes
 * out on each connection, then each answer is read and compared.
 *
 *   load_tls PORT CONNECTIONS MESSAGES    ends when MESSAGES answers are back
 */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE = 16 * 1024, CONNECTIONS_MAX = 1000 };

static char message[MESSAGE], answer[MESSAGE];

static void check(bool ok, const char *what) {
  if (ok)
    return;
  fprintf(stderr, "load_tls: %s: %s\n", what, strerror(errno));
  ERR_print_errors_fp(stderr);
  exit(EXIT_FAILURE);
}

static SSL *connect_to(SSL_CTX *ctx, uint16_t port) {
  struct sockaddr_in addr = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  check(fd >= 0, "socket");
  check(connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0, "connect");
  check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0,
        "nodelay");
  SSL *ssl = SSL_new(ctx);
  check(ssl != NULL && SSL_set_fd(ssl, fd) == 1, "SSL_new");
  check(SSL_connect(ssl) == 1, "handshake");
  return ssl;
}

static void receive(SSL *ssl) {
  size_t got = 0, n;
  while (got < MESSAGE) {
    check(SSL_read_ex(ssl, answer + got, MESSAGE - got, &n) == 1, "read");
    got += n;
  }
  check(memcmp(message, answer, MESSAGE) == 0, "answer");
}

static long number(const char *text, long max) {
  char *end;
  errno = 0;
  long value = strtol(text, &end, 10);
  if (*end != '\0' || value < 1 || value > max)
    errno = EINVAL;
  check(errno == 0, text);
  return value;
}

int main(int argc, char **argv) {
  SSL *conns[CONNECTIONS_MAX];
  size_t n;
  errno = EINVAL;
  check(argc == 4, "usage: load_tls PORT CONNECTIONS MESSAGES");
  uint16_t port = (uint16_t)number(argv[1], UINT16_MAX);
  long count = number(argv[2], CONNECTIONS_MAX);
  long left = number(argv[3], 1000000000);
  SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
  check(ctx != NULL, "SSL_CTX_new");
  for (long i = 0; i < count; i++)
    conns[i] = connect_to(ctx, port);

  for (size_t i = 0; i < MESSAGE; i++)
    message[i] = (char)(i * 7);
  for (; left > 0; left -= count) {
    memcpy(message, &left, sizeof left);
    for (long i = 0; i < count; i++)
      check(SSL_write_ex(conns[i], message, MESSAGE, &n) == 1, "write");
    for (long i = 0; i < count; i++)
      receive(conns[i]);
  }

  for (long i = 0; i < count; i++) {
    SSL_shutdown(conns[i]);
    close(SSL_get_fd(conns[i]));
    SSL_free(conns[i]);
  }
  SSL_CTX_free(ctx);
  return EXIT_SUCCESS;
}
