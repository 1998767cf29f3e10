/* fd_lock_linux.c: open file description locks, fcntl(2). */
#include "io/fd_lock.h"

#include <uv.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static short type_of(enum neap_fd_lock kind) {
  switch (kind) {
  case NEAP_FD_LOCK_SHARED:
    return F_RDLCK;
  case NEAP_FD_LOCK_ALONE:
    return F_WRLCK;
  default:
    return F_UNLCK;
  }
}

int neap__fd_lock(int fd, enum neap_fd_lock kind) {
  /* Length 0: to the end, wherever that will be. */
  struct flock lock = {.l_type = type_of(kind), .l_whence = SEEK_SET};
  int result;
  do {
    result = fcntl(fd, F_OFD_SETLK, &lock);
  } while (result < 0 && errno == EINTR);
  if (result == 0)
    return 0;
  return errno == EACCES ? UV_EAGAIN : uv_translate_sys_error(errno);
}
