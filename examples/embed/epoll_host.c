/*
 * epoll_host.c: a host with an epoll loop of its own. neap has a descriptor
 * that becomes readable when there is something to be done, and says how long
 * the host may sleep; the host steps it, and that never blocks.
 *
 *   printf '30\n10\n' | epoll_host      sleeps 30 and 10 ms, at the same time
 *
 * The host reads numbers from stdin, by itself; each one starts a task.
 */
#include <neap.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <uv.h>

#define STEP_NS ((uint64_t)5 * 1000 * 1000) /* a step's share of a round */

struct host {
  neap_rt *rt;
  int epoll;
  bool ended; /* stdin has */
  char input[256];
  size_t len;
  unsigned done, rounds;
};

struct nap {
  struct host *host;
  unsigned long ms;
};

static int take_nap(neap_rt *rt, void *arg) {
  struct nap *nap = arg;
  int err = neap_sleep(rt, nap->ms * 1000 * 1000);
  if (err == 0) {
    printf("slept %lu ms\n", nap->ms);
    nap->host->done++;
  }
  free(nap);
  return err;
}

static void start_nap(struct host *host, const char *line) {
  struct nap *nap = malloc(sizeof *nap);
  if (nap == NULL)
    return;
  *nap = (struct nap){host, strtoul(line, NULL, 10)};
  if (neap_spawn(host->rt, take_nap, nap, NULL, NULL) < 0)
    free(nap);
}

/* stdin can be read. */
static void read_input(struct host *host) {
  char *line = host->input, *end;
  ssize_t n = read(STDIN_FILENO, host->input + host->len,
                   sizeof host->input - 1 - host->len);
  if (n <= 0) {
    host->ended = true;
    epoll_ctl(host->epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
    return;
  }
  host->len += (size_t)n;
  host->input[host->len] = '\0';
  while ((end = strchr(line, '\n')) != NULL) {
    *end = '\0';
    start_nap(host, line);
    line = end + 1;
  }
  host->len = strlen(line);
  memmove(host->input, line, host->len + 1);
  if (host->len == sizeof host->input - 1)
    host->len = 0; /* a line that long is no number */
}

static bool any_task(struct host *host) {
  neap_figures figures;
  neap_info(host->rt, &figures);
  return figures.tasks > 1; /* the host itself counts as one */
}

static int watch(struct host *host, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  return epoll_ctl(host->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int run(struct host *host) {
  if (watch(host, neap_backend_fd(host->rt)) < 0 ||
      watch(host, STDIN_FILENO) < 0)
    return -errno;
  while (!host->ended || any_task(host)) {
    struct epoll_event events[8];
    int n = epoll_wait(host->epoll, events, 8, neap_next_timeout(host->rt));
    if (n < 0 && errno != EINTR)
      return -errno;
    for (int i = 0; i < n; i++)
      if (events[i].data.fd == STDIN_FILENO)
        read_input(host);
    host->rounds++;
    int err = neap_step(host->rt, STEP_NS);
    if (err < 0)
      return err;
  }
  return 0;
}

int main(void) {
  struct host host = {.epoll = epoll_create1(EPOLL_CLOEXEC)};
  int err = neap_new(NULL, &host.rt);
  if (err == 0)
    err = run(&host);
  if (err < 0)
    fprintf(stderr, "epoll_host: %s\n", uv_strerror(err));
  neap_free(host.rt);
  close(host.epoll);
  printf("%u naps, %u rounds\n", host.done, host.rounds);
  return err < 0;
}
