/* splice_linux.c: see splice.h. */
#include "io/splice.h"

#include "io/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int neap__splice_open(struct neap_io *io) {
  int fds[2];
  if (io->has_splice)
    return 0;
  if (io->no_splice)
    return UV_ENOTSUP;
  /* Out of descriptors: bytes are copied, the next time may be better. */
  if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0)
    return uv_translate_sys_error(errno);
  io->splice_out = fds[0];
  io->splice_in = fds[1];
  io->has_splice = true;
  return 0;
}

static int64_t move(int from, int to, size_t n) {
  ssize_t moved;
  do
    moved = splice(from, NULL, to, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  while (moved < 0 && errno == EINTR);
  return moved < 0 ? uv_translate_sys_error(errno) : moved;
}

int64_t neap__splice_fill(const struct neap_io *io, int fd, size_t n) {
  return move(fd, io->splice_in, n);
}

int64_t neap__splice_drain(const struct neap_io *io, int fd, size_t n) {
  return move(io->splice_out, fd, n);
}

void neap__splice_take(const struct neap_io *io, char *bytes, size_t n) {
  while (n > 0) {
    int64_t got = neap__fd_read(io->splice_out, bytes, n);
    assert(got > 0); /* they are there, and nobody else reads */
    if (got <= 0)
      return;
    bytes += got;
    n -= (size_t)got;
  }
}

void neap__splice_close(struct neap_io *io) {
  if (!io->has_splice)
    return;
  close(io->splice_in);
  close(io->splice_out);
  io->has_splice = false;
}
