/*
 * pipe_listen.c: listening on unix sockets: the file that one leaves behind
 * when its process dies is removed, that of one that lives is not, and our own
 * goes with us.
 */
#include "io/pipe.h"

#include "io/retry.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder that path is in, as a descriptor, or -1. */
static int open_folder(const char *path) {
  char folder[sizeof(((struct neap_pipe_file *)NULL)->path)] = ".";
  const char *slash = strrchr(path, '/');
  if (slash != NULL) {
    size_t len = slash == path ? 1 : (size_t)(slash - path);
    memcpy(folder, path, len);
    folder[len] = '\0';
  }
  return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/*
 * Locks the folder, as between its bind and its listen a socket refuses as a
 * stale one does: two that start at once must not take each other for dead. A
 * folder that can't be read, or locked, is gone on with as it is: what is wrong
 * with it bind will tell. Waits. Returns 0 and a descriptor to be closed, or
 * -1, in *lock; or the code that ended the wait.
 */
static int lock_folder(struct neap_rt *rt, const char *path, int *lock) {
  int fd = open_folder(path), err = 0;
  uint64_t pause_ns = 0;
  while (fd >= 0 && err == 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      err = neap__retry_wait(rt, "net.listen", NULL, NEAP_NEVER, &pause_ns);
    else if (errno != EINTR)
      break;
  }
  if (err < 0)
    close(fd);
  else
    *lock = fd;
  return err;
}

/* Whether the file in the way is what a socket has left behind. Who listens
   there sees a connection that ends at once. */
static bool is_stale(const struct neap_pipe_address *address) {
  struct stat st;
  if (lstat(address->un.sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
    return false;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return false;
  bool refused =
      connect(fd, (const struct sockaddr *)&address->un, address->len) != 0 &&
      errno == ECONNREFUSED;
  close(fd);
  return refused;
}

static int bind_to(int fd, const struct neap_pipe_address *address) {
  return bind(fd, (const struct sockaddr *)&address->un, address->len);
}

/* The file is there; nobody can connect before the socket listens, so nobody
   can before the file has its mode. */
static int set_up_file(const char *path, int mode,
                       struct neap_pipe_file *file) {
  struct stat st;
  if ((mode != 0 && chmod(path, (mode_t)mode) != 0) || lstat(path, &st) != 0)
    return -1;
  memcpy(file->path, path, strlen(path) + 1);
  file->dev = st.st_dev;
  file->ino = st.st_ino;
  return 0;
}

/* Returns 0, or -1 and errno with no file left. */
static int bind_path(int fd, const struct neap_pipe_address *address,
                     int backlog, int mode, struct neap_pipe_file *file) {
  const char *path = address->un.sun_path;
  if (bind_to(fd, address) != 0) {
    if (errno != EADDRINUSE)
      return -1;
    if (!is_stale(address) || unlink(path) != 0) {
      errno = EADDRINUSE;
      return -1;
    }
    if (bind_to(fd, address) != 0)
      return -1;
  }
  if (set_up_file(path, mode, file) == 0 && listen(fd, backlog) == 0)
    return 0;
  int error = errno;
  unlink(path);
  errno = error;
  return -1;
}

static int bind_abstract(int fd, const struct neap_pipe_address *address,
                         int backlog) {
  return bind_to(fd, address) == 0 ? listen(fd, backlog) : -1;
}

int neap__pipe_listen(struct neap_rt *rt, const char *path,
                      const neap_listen_options *options,
                      struct neap_pipe_file *file) {
  struct neap_pipe_address address;
  struct neap_pipe_file made = {.path = ""};
  const bool abstract = path[0] == '@';
  int lock = -1;
  int err = neap__pipe_address(path, &address);
  if (err == 0 && !abstract)
    err = lock_folder(rt, path, &lock);
  if (err < 0)
    return err;
  int backlog = options->backlog > 0 ? options->backlog : SOMAXCONN;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int done = fd;
  if (fd >= 0)
    done = abstract ? bind_abstract(fd, &address, backlog)
                    : bind_path(fd, &address, backlog, options->mode, &made);
  int error = errno;
  if (lock >= 0)
    close(lock);
  if (done >= 0) {
    *file = made;
    return fd;
  }
  if (fd >= 0)
    close(fd);
  return uv_translate_sys_error(error);
}

void neap__pipe_remove(const struct neap_pipe_file *file) {
  struct stat st;
  if (file->path[0] != '\0' && lstat(file->path, &st) == 0 &&
      st.st_dev == file->dev && st.st_ino == file->ino)
    unlink(file->path);
}
