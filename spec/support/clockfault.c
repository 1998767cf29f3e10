/*
 * clockfault.c: a preload library that moves the clocks. CLOCKFAULT in the
 * environment names a file of lines "monotonic SECONDS" and "realtime SECONDS":
 * each moves that clock by so much, from the moment it is written.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

/* How far clock ("monotonic", "realtime") is moved by now. */
static long moved(const char *clock) {
  const char *path = getenv("CLOCKFAULT");
  FILE *file = path != NULL ? fopen(path, "re") : NULL;
  char name[16];
  long seconds, sum = 0;
  if (file == NULL)
    return 0;
  while (fscanf(file, "%15s %ld", name, &seconds) == 2)
    if (strcmp(name, clock) == 0)
      sum += seconds;
  fclose(file);
  return sum;
}

int clock_gettime(clockid_t id, struct timespec *ts) {
  static int (*next)(clockid_t, struct timespec *);
  if (next == NULL)
    next = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT,
                                                        "clock_gettime");
  int result = next(id, ts);
  if (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE)
    ts->tv_sec += moved("monotonic");
  else if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
    ts->tv_sec += moved("realtime");
  return result;
}

time_t time(time_t *out) {
  struct timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  if (out != NULL)
    *out = ts.tv_sec;
  return ts.tv_sec;
}
