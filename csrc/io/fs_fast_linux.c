/*
 * fs_fast_linux.c: openat2(2) with RESOLVE_CACHED (Linux 5.12) fails with
 * EAGAIN instead of going to the disk for a name, preadv2(2) with RWF_NOWAIT
 * (4.14) instead of waiting for bytes. Both go through syscall(2): the C
 * library has no openat2, and its preadv2 hides that the kernel has none.
 */
#include "io/fs_fast.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437 /* the same number on every machine */
#endif
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x08
#endif
#define CACHED_ONLY 0x20 /* RESOLVE_CACHED of <linux/openat2.h> */

#ifdef NEAP_HOSTILE
#define AT_ONCE ((size_t)1)
#else
#define AT_ONCE ((size_t)1 << 30)
#endif

/* struct open_how of <linux/openat2.h>, which older headers lack. */
struct how {
  uint64_t flags, mode, resolve;
};

int neap__fs_fast_open(struct neap_io *io, const char *path, int flags) {
  /* What creates or cuts off changes the disk: the kernel refuses it here. */
  if (io->no_fast_open || (flags & (O_CREAT | O_TRUNC)) != 0)
    return UV_EAGAIN;
  struct how how = {.flags = (uint64_t)flags | O_CLOEXEC | O_NONBLOCK,
                    .resolve = CACHED_ONLY};
  long fd;
  do {
    fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
  } while (fd < 0 && errno == EINTR);
  if (fd >= 0)
    return (int)fd;
  switch (errno) {
  case EAGAIN:
    return UV_EAGAIN;
  case ENOSYS: /* no openat2, a filter against it, or no RESOLVE_CACHED */
  case EPERM:
  case EINVAL:
    io->no_fast_open = true;
    return UV_EAGAIN;
  default:
    return uv_translate_sys_error(errno);
  }
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the kernel writes there */
int64_t neap__fs_fast_read(struct neap_io *io, int fd, char *bytes, size_t n) {
  if (io->no_fast_read)
    return UV_ENOTSUP;
  struct iovec part = {.iov_base = bytes, .iov_len = n < AT_ONCE ? n : AT_ONCE};
  long result;
  do {
    /* Position -1, in both halves: where fd stands, and move it. */
    result = syscall(SYS_preadv2, fd, &part, 1L, -1L, -1L, RWF_NOWAIT);
  } while (result < 0 && errno == EINTR);
  if (result >= 0)
    return result;
  switch (errno) {
  case EAGAIN:
    return UV_EAGAIN;
  case EOPNOTSUPP: /* this file system does not */
  case EINVAL:
    return UV_ENOTSUP;
  case ENOSYS:
  case EPERM:
    io->no_fast_read = true;
    return UV_ENOTSUP;
  default:
    return uv_translate_sys_error(errno);
  }
}
