/*
 * What the peers on libuv have in common: they end at the first failure, and
 * tell the CPU time that they took.
 */
#ifndef NEAP_BENCH_PEER_H
#define NEAP_BENCH_PEER_H

#include <uv.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static inline void check(int err, const char *what) {
  if (err >= 0)
    return;
  fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
          uv_strerror(err));
  exit(EXIT_FAILURE);
}

static inline void *allocate(size_t size) {
  void *block = malloc(size);
  check(block ? 0 : UV_ENOMEM, "malloc");
  return block;
}

static inline double cpu_seconds(void) {
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0)
    check(UV_EINVAL, "getrusage");
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

#endif
