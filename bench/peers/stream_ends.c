/*
 * stream_ends: the two ends of a stream of bytes over TCP, for the hops between
 * them: a source that writes as fast as it can, and a sink that reads to the
 * end.
 *
 *   stream_ends sink           prints its port, then how many bytes came
 *   stream_ends source PORT N  writes N bytes to PORT on the loopback
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char buffer[262144];

static void check(long result, const char *what) {
  if (result >= 0)
    return;
  perror(what);
  exit(EXIT_FAILURE);
}

static int run_sink(void) {
  struct sockaddr_in addr = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof addr;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  check(listener, "socket");
  check(bind(listener, (struct sockaddr *)&addr, len), "bind");
  check(listen(listener, 1), "listen");
  check(getsockname(listener, (struct sockaddr *)&addr, &len), "getsockname");
  printf("%d\n", ntohs(addr.sin_port));
  fflush(stdout);
  int conn = accept(listener, NULL, NULL);
  check(conn, "accept");
  long long sum = 0;
  ssize_t n;
  while ((n = read(conn, buffer, sizeof buffer)) > 0)
    sum += n;
  check(n, "read");
  printf("%lld\n", sum);
  return EXIT_SUCCESS;
}

static int run_source(const char *port, long long left) {
  struct sockaddr_in addr = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)atoi(port))};
  int conn = socket(AF_INET, SOCK_STREAM, 0);
  check(conn, "socket");
  check(connect(conn, (struct sockaddr *)&addr, sizeof addr), "connect");
  while (left > 0) {
    size_t size =
        left < (long long)sizeof buffer ? (size_t)left : sizeof buffer;
    ssize_t n = write(conn, buffer, size);
    check(n, "write");
    left -= n;
  }
  return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "sink") == 0)
    return run_sink();
  if (argc == 4 && strcmp(argv[1], "source") == 0)
    return run_source(argv[2], strtoll(argv[3], NULL, 10));
  fprintf(stderr, "usage: stream_ends sink | source PORT N\n");
  return EXIT_FAILURE;
}
