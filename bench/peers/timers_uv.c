/*
 * timers_uv.c: what bench/concurrency.lua compares sleeping tasks with: as many
 * libuv timers, each of which is set again, for 1 ms, when it has fired. Prints
 * the CPU time per wake, in ns.
 * usage: timers_uv timers rounds
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

struct sleeper {
  uv_timer_t timer;
  long rounds; /* to go */
};

static void on_timer(uv_timer_t *timer) {
  struct sleeper *sleeper = timer->data;
  if (--sleeper->rounds > 0)
    uv_timer_start(timer, on_timer, 1, 0);
}

static double clock_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv) {
  long n = argc > 2 ? atol(argv[1]) : 0, rounds = n > 0 ? atol(argv[2]) : 0;
  struct sleeper *sleepers = n > 0 ? calloc(n, sizeof *sleepers) : NULL;
  uv_loop_t *loop = uv_default_loop();
  if (sleepers == NULL || rounds <= 0)
    return EXIT_FAILURE;
  for (long i = 0; i < n; i++) {
    uv_timer_init(loop, &sleepers[i].timer);
    sleepers[i].timer.data = &sleepers[i];
    sleepers[i].rounds = rounds;
    uv_timer_start(&sleepers[i].timer, on_timer, 1, 0);
  }
  double begun = clock_ns();
  uv_run(loop, UV_RUN_DEFAULT);
  printf("%.17g\n", (clock_ns() - begun) / ((double)n * rounds));
  return EXIT_SUCCESS;
}
