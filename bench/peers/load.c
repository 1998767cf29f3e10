/*
 * load: the load on an echo server. Each connection has one message of 64
 * bytes on its way at any time; the next goes out when the whole answer is
 * back and was what had been sent.
 *
 *   load PORT CONNECTIONS MESSAGES    ends when MESSAGES answers are back
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE = 64, EVENTS = 64 };

struct conn {
  int fd;
  size_t received; /* of the answer that is under way */
  char sent[MESSAGE];
  char answer[MESSAGE];
};

struct load {
  int epoll;
  long to_send;   /* messages not sent yet */
  long to_answer; /* answers not received yet */
};

static void check(bool ok, const char *what) {
  if (ok)
    return;
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(EXIT_FAILURE);
}

static void connect_to(struct load *load, struct conn *conn, uint16_t port) {
  struct sockaddr_in addr = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
  int on = 1;

  conn->fd = socket(AF_INET, SOCK_STREAM, 0);
  check(conn->fd >= 0, "socket");
  check(connect(conn->fd, (struct sockaddr *)&addr, sizeof addr) == 0,
        "connect");
  check(setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0,
        "nodelay");
  check(epoll_ctl(load->epoll, EPOLL_CTL_ADD, conn->fd, &event) == 0,
        "epoll_ctl");
}

/* The message carries a number, so that no other's answer passes for its. */
static void send_next(struct load *load, struct conn *conn) {
  if (load->to_send == 0)
    return;
  memset(conn->sent, 'x', MESSAGE);
  memcpy(conn->sent, &load->to_send, sizeof load->to_send);
  load->to_send--;
  conn->received = 0;
  /* The socket is empty: the kernel takes 64 bytes at once. */
  check(send(conn->fd, conn->sent, MESSAGE, MSG_NOSIGNAL) == MESSAGE, "send");
}

static void receive(struct load *load, struct conn *conn) {
  ssize_t n = recv(conn->fd, conn->answer + conn->received,
                   MESSAGE - conn->received, 0);
  check(n >= 0, "recv");
  if (n == 0)
    errno = ECONNRESET; /* no call failed, but the server hung up */
  check(n > 0, "server");
  conn->received += (size_t)n;
  if (conn->received < MESSAGE)
    return;
  if (memcmp(conn->sent, conn->answer, MESSAGE) != 0)
    errno = EBADMSG;
  check(memcmp(conn->sent, conn->answer, MESSAGE) == 0, "answer");
  load->to_answer--;
  send_next(load, conn);
}

static void run(struct load *load) {
  struct epoll_event events[EVENTS];
  while (load->to_answer > 0) {
    int n = epoll_wait(load->epoll, events, EVENTS, -1);
    check(n >= 0 || errno == EINTR, "epoll_wait");
    for (int i = 0; i < n; i++)
      receive(load, events[i].data.ptr);
  }
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
  errno = EINVAL;
  check(argc == 4, "usage: load PORT CONNECTIONS MESSAGES");
  uint16_t port = (uint16_t)number(argv[1], UINT16_MAX);
  size_t count = (size_t)number(argv[2], 10000);
  struct load load = {.epoll = epoll_create1(0)};
  load.to_send = load.to_answer = number(argv[3], 1000000000);
  check(load.epoll >= 0, "epoll_create1");

  struct conn *conns = calloc(count, sizeof *conns);
  check(conns != NULL, "calloc");
  for (size_t i = 0; i < count; i++)
    connect_to(&load, &conns[i], port);
  for (size_t i = 0; i < count; i++)
    send_next(&load, &conns[i]);
  run(&load);

  for (size_t i = 0; i < count; i++)
    close(conns[i].fd);
  free(conns);
  close(load.epoll);
  return EXIT_SUCCESS;
}
