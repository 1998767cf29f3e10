/* fs_range_none.c: no copying within the kernel here; see fs_range.h. */
#include "io/fs_range.h"

#include <uv.h>

int neap__fs_range_clone(int in, int out) {
  (void)in;
  (void)out;
  return UV_ENOTSUP;
}

int64_t neap__fs_range_copy(int in, int out, uint64_t at, size_t n) {
  (void)in;
  (void)out;
  (void)at;
  (void)n;
  return UV_ENOTSUP;
}

int neap__fs_range_data(int fd, uint64_t at, uint64_t *begin, uint64_t *end) {
  (void)fd;
  (void)at;
  (void)begin;
  (void)end;
  return UV_ENOTSUP;
}

int neap__fs_range_attributes(int from, int to) {
  (void)from;
  (void)to;
  return 0;
}
