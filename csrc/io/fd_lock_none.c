/* fd_lock_none.c: flock(2), whose locks are the description's as well. */
#include "io/fd_lock.h"

#include <uv.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

/* flock(2) does not ask what the file was opened for. */
static int check_access(int fd, enum neap_fd_lock kind) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0)
    return uv_translate_sys_error(errno);
  int missing = kind == NEAP_FD_LOCK_ALONE ? O_RDONLY : O_WRONLY;
  return (flags & O_ACCMODE) == missing ? UV_EBADF : 0;
}

int neap__fd_lock(int fd, enum neap_fd_lock kind) {
  static const int operations[] = {[NEAP_FD_LOCK_NONE] = LOCK_UN,
                                   [NEAP_FD_LOCK_SHARED] = LOCK_SH | LOCK_NB,
                                   [NEAP_FD_LOCK_ALONE] = LOCK_EX | LOCK_NB};
  int err = kind == NEAP_FD_LOCK_NONE ? 0 : check_access(fd, kind);
  if (err < 0)
    return err;
  int result;
  do {
    result = flock(fd, operations[kind]);
  } while (result < 0 && errno == EINTR);
  return result == 0 ? 0 : uv_translate_sys_error(errno);
}
