/* fd_lock_none.c: no locks of open descriptions on this system. */
#include "io/fd_lock.h"

#include <uv.h>

int neap__fd_lock(int fd, enum neap_fd_lock kind) {
  (void)fd;
  (void)kind;
  return UV_ENOTSUP;
}
