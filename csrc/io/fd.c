/* fd.c: system calls on descriptors; see fd.h. */
#include "io/fd.h"

#include <uv.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The most that one call is asked for: POSIX leaves more than SSIZE_MAX open,
   and the hostile build takes and gives bytes one by one. */
#ifdef NEAP_HOSTILE
#define AT_ONCE ((size_t)1)
#else
#define AT_ONCE ((size_t)1 << 30)
#endif

static int last_error(void) {
  return uv_translate_sys_error(errno);
}

static int open_again(const char *path, int flags, int mode) {
  int fd;
  do {
    fd = open(path, flags, mode);
  } while (fd < 0 && errno == EINTR);
  return fd < 0 ? last_error() : fd;
}

int neap__fd_open(const char *path, int flags, int mode) {
  int fd = open_again(path, flags | O_CLOEXEC | O_NONBLOCK, mode);
  /* Somebody holds a lease on the file (fcntl(2), F_SETLEASE) and is asked to
     give it up: a short wait, for regular files only. */
  if (fd == UV_EAGAIN)
    fd = open_again(path, flags | O_CLOEXEC, mode);
  return fd;
}

int neap__fd_again(int fd, bool blocking) {
  char path[40];
  int flags;
  do {
    flags = fcntl(fd, F_GETFL);
  } while (flags < 0 && errno == EINTR);
  if (flags < 0)
    return last_error();
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  int again = open_again(
      path,
      (flags & (O_ACCMODE | O_APPEND)) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
  if (again < 0 || !blocking)
    return again;
  int err = neap__fd_set_blocking(again);
  if (err < 0)
    neap__fd_close(again);
  return err < 0 ? err : again;
}

static enum neap_fd_kind kind_of(mode_t mode) {
  if (S_ISFIFO(mode))
    return NEAP_FD_FIFO;
  if (S_ISREG(mode) || S_ISDIR(mode) || S_ISBLK(mode))
    return NEAP_FD_REGULAR;
  return NEAP_FD_OTHER;
}

int neap__fd_look(int fd, enum neap_fd_kind *kind, uint64_t *size) {
  struct stat st;
  int result;
  do {
    result = fstat(fd, &st);
  } while (result < 0 && errno == EINTR);
  if (result < 0)
    return last_error();
  *kind = kind_of(st.st_mode);
  if (size != NULL)
    *size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
  return 0;
}

int neap__fd_set_blocking(int fd) {
  int flags;
  do {
    flags = fcntl(fd, F_GETFL);
  } while (flags < 0 && errno == EINTR);
  if (flags < 0)
    return last_error();
  int result;
  do {
    result = fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? last_error() : 0;
}

int64_t neap__fd_read(int fd, char *bytes, size_t n) {
  ssize_t result;
  do {
    result = read(fd, bytes, n < AT_ONCE ? n : AT_ONCE);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? last_error() : result;
}

int64_t neap__fd_read_at(int fd, char *bytes, size_t n, int64_t at) {
  if (at < 0)
    return neap__fd_read(fd, bytes, n);
  ssize_t result;
  do {
    result = pread(fd, bytes, n < AT_ONCE ? n : AT_ONCE, (off_t)at);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? last_error() : result;
}

int64_t neap__fd_write(int fd, const char *bytes, size_t n) {
  ssize_t result;
  do {
    result = write(fd, bytes, n < AT_ONCE ? n : AT_ONCE);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? last_error() : result;
}

int64_t neap__fd_recv(int fd, char *bytes, size_t n) {
  ssize_t result;
  do {
    result = recv(fd, bytes, n < AT_ONCE ? n : AT_ONCE, MSG_DONTWAIT);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? last_error() : result;
}

int64_t neap__fd_send(int fd, const char *bytes, size_t n) {
  ssize_t result;
  do {
    result =
        send(fd, bytes, n < AT_ONCE ? n : AT_ONCE, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? last_error() : result;
}

/* Blocks until fd takes bytes; what then fails, the write itself reports. */
static void wait_writable(int fd) {
  struct pollfd ready = {.fd = fd, .events = POLLOUT};
  while (poll(&ready, 1, -1) < 0 && errno == EINTR) {
  }
}

int neap__fd_write_all(int fd, const char *bytes, size_t n, bool wait,
                       size_t *done) {
  *done = 0;
  while (*done < n) {
    int64_t written = neap__fd_write(fd, bytes + *done, n - *done);
    if (written == UV_EAGAIN && wait)
      wait_writable(fd);
    else if (written < 0)
      return (int)written;
    else
      *done += (size_t)written;
  }
  return 0;
}

int neap__fd_write_at(int fd, const char *bytes, size_t n, int64_t at) {
  size_t done = 0;
  while (done < n) {
    size_t part = n - done < AT_ONCE ? n - done : AT_ONCE;
    ssize_t result = pwrite(fd, bytes + done, part, (off_t)at + (off_t)done);
    if (result >= 0)
      done += (size_t)result;
    else if (errno != EINTR)
      return last_error();
  }
  return 0;
}

int neap__fd_sync(int fd, bool data_only) {
  int result;
  do {
    result = data_only ? fdatasync(fd) : fsync(fd);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? last_error() : 0;
}

int neap__fd_truncate(int fd, int64_t size) {
  int result;
  do {
    result = ftruncate(fd, (off_t)size);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? last_error() : 0;
}

int neap__fd_chmod(int fd, int mode) {
  int result;
  do {
    result = fchmod(fd, (mode_t)mode);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? last_error() : 0;
}

int neap__fd_utime(int fd, const struct timespec times[2]) {
  int result;
  do {
    result = futimens(fd, times);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? last_error() : 0;
}

bool neap__fd_hung_up(int fd) {
  struct pollfd ready = {.fd = fd, .events = POLLIN};
  int result;
  do {
    result = poll(&ready, 1, 0);
  } while (result < 0 && errno == EINTR);
  return result > 0 && (ready.revents & POLLHUP) != 0;
}

int neap__fd_close(int fd) {
  /* Linux has closed it even when it says EINTR: close(2), "Dealing with error
     returns from close()". */
  if (close(fd) < 0 && errno != EINTR && errno != EINPROGRESS)
    return last_error();
  return 0;
}
