/* fs_fast_none.c: no such way on this system; see fs_fast.h. */
#include "io/fs_fast.h"

int neap__fs_fast_open(struct neap_io *io, const char *path, int flags) {
  (void)io;
  (void)path;
  (void)flags;
  return UV_EAGAIN;
}

int64_t neap__fs_fast_read(struct neap_io *io, int fd, char *bytes, size_t n) {
  (void)io;
  (void)fd;
  (void)bytes;
  (void)n;
  return UV_ENOTSUP;
}
