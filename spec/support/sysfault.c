/*
 * sysfault.c: a preload library that makes system calls fail. Specs build and
 * use it through support/sysfault.lua. SYSFAULT in the environment:
 *
 *   eintr            every second call is interrupted by a signal
 *   short            reads and writes of regular files move one byte each
 *   CALL:CODE[:N]    the N-th call of CALL (1: the first) and all later ones
 *                    fail with the errno CODE
 *   CALL:CODE:-N     the first N calls fail
 *   CALL:KILL[:N]    the process is killed at its N-th call
 *   CALL:HOLD[:N]    from the N-th on, calls wait until there is a file of the
 *                    name in SYSFAULT_HOLD
 *
 * several of them separated by commas. SYSFAULT_COUNTS names a file that gets
 * "CALL count" lines at exit.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum call {
  OPEN,
  OPENAT,
  READ,
  WRITE,
  PREAD,
  PWRITE,
  FSTAT,
  FCNTL,
  FSYNC,
  FDATASYNC,
  FTRUNCATE,
  FCHMOD,
  FUTIMENS,
  RENAMEAT,
  CLOSE,
  STATX,
  OPENAT2,
  PREADV2,
  GETADDRINFO,
  THREAD,
  TIMER,
  SETSOCKOPT,
  GETSOCKNAME,
  GETPEERNAME,
  CALLS
};

static const char *const names[CALLS] = {
    "open",      "openat",  "read",     "write",       "pread",
    "pwrite",    "fstat",   "fcntl",    "fsync",       "fdatasync",
    "ftruncate", "fchmod",  "futimens", "renameat",    "close",
    "statx",     "openat2", "preadv2",  "getaddrinfo", "pthread_create",
    "timer_create", "setsockopt", "getsockname", "getpeername"};

static atomic_long counts[CALLS];
static atomic_long interrupts[CALLS];

/* The function that this one stands before. */
#define NEXT(name)                                                             \
  static __typeof__(name) *next;                                               \
  if (next == NULL)                                                            \
  next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static const char *config(void) {
  const char *faults = getenv("SYSFAULT");
  return faults != NULL ? faults : "";
}

static int has(const char *word) {
  return strstr(config(), word) != NULL;
}

/* The codes that stand for a killed process and for a call that waits. */
#define KILL 9999
#define HOLD 9998

static void hold(void) {
  const struct timespec pause = {.tv_nsec = 1000000};
  while (access(getenv("SYSFAULT_HOLD"), F_OK) != 0)
    nanosleep(&pause, NULL);
}

/* The errno that this call is to fail with, or 0. */
static int fault(enum call call) {
  long n = ++counts[call];
  if (call != THREAD && call != TIMER && has("eintr") &&
      ++interrupts[call] % 2 == 1)
    return EINTR;
  char key[40];
  snprintf(key, sizeof key, "%s:", names[call]);
  const char *at = strstr(config(), key);
  if (at == NULL || (at > config() && at[-1] != ','))
    return 0;
  char *end;
  long code = strtol(at + strlen(key), &end, 10);
  long from = *end == ':' ? strtol(end + 1, NULL, 10) : 1;
  if (from < 0 ? n > -from : n < from)
    return 0;
  if (code == KILL)
    kill(getpid(), SIGKILL);
  if (code == HOLD) {
    hold();
    return 0;
  }
  return (int)code;
}

static int is_regular(int fd) {
  NEXT(fstat);
  struct stat st;
  return next(fd, &st) == 0 && S_ISREG(st.st_mode);
}

#define FAIL(call)                                                             \
  do {                                                                         \
    int code_ = fault(call);                                                   \
    if (code_ != 0) {                                                          \
      errno = code_;                                                           \
      return -1;                                                               \
    }                                                                          \
  } while (0)

int open(const char *path, int flags, ...) {
  va_list args;
  va_start(args, flags);
  mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
  va_end(args);
  NEXT(open);
  FAIL(OPEN);
  return next(path, flags, mode);
}

ssize_t read(int fd, void *bytes, size_t n) {
  NEXT(read);
  if (!is_regular(fd))
    return next(fd, bytes, n);
  FAIL(READ);
  return next(fd, bytes, has("short") && n > 1 ? 1 : n);
}

ssize_t write(int fd, const void *bytes, size_t n) {
  NEXT(write);
  if (!is_regular(fd))
    return next(fd, bytes, n);
  FAIL(WRITE);
  return next(fd, bytes, has("short") && n > 1 ? 1 : n);
}

int openat(int folder, const char *path, int flags, ...) {
  va_list args;
  va_start(args, flags);
  mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
  va_end(args);
  NEXT(openat);
  FAIL(OPENAT);
  return next(folder, path, flags, mode);
}

ssize_t pread(int fd, void *bytes, size_t n, off_t at) {
  NEXT(pread);
  FAIL(PREAD);
  return next(fd, bytes, has("short") && n > 1 ? 1 : n, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) {
  NEXT(pwrite);
  FAIL(PWRITE);
  return next(fd, bytes, has("short") && n > 1 ? 1 : n, at);
}

int fsync(int fd) {
  NEXT(fsync);
  FAIL(FSYNC);
  return next(fd);
}

int fdatasync(int fd) {
  NEXT(fdatasync);
  FAIL(FDATASYNC);
  return next(fd);
}

int ftruncate(int fd, off_t size) {
  NEXT(ftruncate);
  FAIL(FTRUNCATE);
  return next(fd, size);
}

int fchmod(int fd, mode_t mode) {
  NEXT(fchmod);
  FAIL(FCHMOD);
  return next(fd, mode);
}

int futimens(int fd, const struct timespec times[2]) {
  NEXT(futimens);
  FAIL(FUTIMENS);
  return next(fd, times);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
  NEXT(renameat);
  FAIL(RENAMEAT);
  return next(from_folder, from, to_folder, to);
}

/* Linux has closed it even when it says that it failed. */
int close(int fd) {
  NEXT(close);
  int regular = is_regular(fd);
  int result = next(fd);
  if (regular)
    FAIL(CLOSE);
  return result;
}

int statx(int folder, const char *restrict path, int flags, unsigned mask,
          struct statx *restrict out) {
  NEXT(statx);
  FAIL(STATX);
  return next(folder, path, flags, mask, out);
}

int fstat(int fd, struct stat *st) {
  NEXT(fstat);
  FAIL(FSTAT);
  return next(fd, st);
}

int fcntl(int fd, int command, ...) {
  va_list args;
  va_start(args, command);
  long arg = va_arg(args, long);
  va_end(args);
  NEXT(fcntl);
  if (command == F_GETFL || command == F_SETFL || command == F_OFD_SETLK)
    FAIL(FCNTL);
  return next(fd, command, arg);
}

long syscall(long number, ...) {
  va_list args;
  va_start(args, number);
  long a[6];
  for (int i = 0; i < 6; i++)
    a[i] = va_arg(args, long);
  va_end(args);
  NEXT(syscall);
  if (number == SYS_openat2)
    FAIL(OPENAT2);
  if (number == SYS_preadv2) {
    FAIL(PREADV2);
    struct iovec *part = (struct iovec *)a[1];
    if (has("short") && part->iov_len > 1)
      part->iov_len = 1;
  }
  return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int getaddrinfo(const char *restrict host, const char *restrict service,
                const struct addrinfo *restrict hints,
                struct addrinfo **restrict out) {
  NEXT(getaddrinfo);
  FAIL(GETADDRINFO);
  return next(host, service, hints, out);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*run)(void *), void *arg) {
  NEXT(pthread_create);
  int code = fault(THREAD);
  return code != 0 ? code : next(thread, attr, run, arg);
}

int timer_create(clockid_t clock, struct sigevent *event, timer_t *timer) {
  NEXT(timer_create);
  FAIL(TIMER);
  return next(clock, event, timer);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len) {
  NEXT(setsockopt);
  FAIL(SETSOCKOPT);
  return next(fd, level, name, value, len);
}

/* glibc declares the address as a union of pointers. */
int getsockname(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len) {
  NEXT(getsockname);
  FAIL(GETSOCKNAME);
  return next(fd, addr, len);
}

int getpeername(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len) {
  NEXT(getpeername);
  FAIL(GETPEERNAME);
  return next(fd, addr, len);
}

__attribute__((destructor)) static void report(void) {
  const char *path = getenv("SYSFAULT_COUNTS");
  FILE *file = path != NULL ? fopen(path, "w") : NULL;
  if (file == NULL)
    return;
  for (int i = 0; i < CALLS; i++)
    fprintf(file, "%s %ld\n", names[i], (long)counts[i]);
  fclose(file);
}
