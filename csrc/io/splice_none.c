/* splice_none.c: this system has no splice(2). */
#include "io/splice.h"

int neap__splice_open(struct neap_io *io) {
  (void)io;
  return UV_ENOTSUP;
}

int64_t neap__splice_fill(const struct neap_io *io, int fd, size_t n) {
  (void)io;
  (void)fd;
  (void)n;
  return UV_ENOTSUP;
}

int64_t neap__splice_drain(const struct neap_io *io, int fd, size_t n) {
  (void)io;
  (void)fd;
  (void)n;
  return UV_ENOTSUP;
}

void neap__splice_take(const struct neap_io *io, char *bytes, size_t n) {
  (void)io;
  (void)bytes;
  (void)n;
}

void neap__splice_close(struct neap_io *io) {
  (void)io;
}
