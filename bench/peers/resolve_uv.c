/*
 * Looks a name up by libuv n times, one after the other. Prints the time of
 * one, in us.
 * usage: resolve_uv name n
 */
#include <uv.h>

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

static uv_loop_t *loop;
static uv_getaddrinfo_t req;
static const char *name;
static long left;

static void start(void);

static void on_resolved(uv_getaddrinfo_t *request, int status,
                        struct addrinfo *result) {
  (void)request;
  if (status != 0)
    abort();
  uv_freeaddrinfo(result);
  if (--left > 0)
    start();
}

static void start(void) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  if (uv_getaddrinfo(loop, &req, on_resolved, name, NULL, &hints) != 0)
    abort();
}

int main(int argc, char **argv) {
  if (argc != 3)
    return 1;
  loop = uv_default_loop();
  name = argv[1];
  long n = atol(argv[2]);
  left = 1; /* the first one starts the pool's threads */
  start();
  uv_run(loop, UV_RUN_DEFAULT);
  left = n;
  uint64_t begun = uv_hrtime();
  start();
  uv_run(loop, UV_RUN_DEFAULT);
  printf("%.4f\n", (double)(uv_hrtime() - begun) / (double)n / 1e3);
  return 0;
}
