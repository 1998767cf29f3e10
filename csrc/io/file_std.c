/*
 * file_std.c: stdin, stdout and stderr as open files. Other processes have the
 * same descriptions, the shell and our children, and don't expect calls on them
 * to fail with EAGAIN; so FIFOs and terminals are opened anew, as descriptions
 * of our own. A socket can't be, and is told with each call not to wait. What
 * must not be opened (another user's terminal) is used by the pool when it is
 * ready.
 */
#include "io/file.h"

#include "io/ready.h"
#include "io/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- opening -------------------------------------------------------- */

static int copy_of(int fd) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  return copy < 0 ? uv_translate_sys_error(errno) : copy;
}

static int open_fd(int which, enum neap_fd_kind kind,
                   enum neap_file_shared *shared) {
  struct stat st;
  *shared = NEAP_FILE_OWN;
  if (kind == NEAP_FD_REGULAR)
    return copy_of(which);
  int fd = neap__fd_again(which, false);
  if (fd >= 0)
    return fd;
  bool is_socket = fstat(which, &st) == 0 && S_ISSOCK(st.st_mode);
  *shared = is_socket ? NEAP_FILE_SOCKET : NEAP_FILE_POOLED;
  return copy_of(which);
}

int neap_file_std(neap_rt *rt, int which, neap_file **out) {
  enum neap_fd_kind kind;
  enum neap_file_shared shared;
  struct neap_io *io;
  struct neap_file *file;
  int err = neap__handle_io(rt, &io);
  if (err == 0)
    err = neap__fd_look(which, &kind, NULL);
  if (err < 0)
    return err;
  int fd = open_fd(which, kind, &shared);
  if (fd < 0)
    return fd;
  err = neap__file_adopt(rt, fd, which == 0 ? O_RDONLY : O_WRONLY, kind, &file);
  if (err < 0)
    return err;
  file->std = (uint8_t)(which + 1);
  file->shared = (uint8_t)shared;
  /* What waits in a buffer is lost when the script calls os.exit. */
  if (which > 0)
    file->buffering = NEAP_FILE_UNBUFFERED;
  *out = file;
  return 0;
}

int neap_file_end_std(int which) {
  int null = neap__fd_open("/dev/null", O_RDWR, 0);
  if (null < 0)
    return null;
  int err = dup2(null, which) < 0 ? uv_translate_sys_error(errno) : 0;
  if (null != which)
    neap__fd_close(null);
  return err;
}

/* --- calls ---------------------------------------------------------- */

int64_t neap__file_std_read(const struct neap_file *file, char *bytes,
                            size_t n) {
  switch (file->shared) {
  case NEAP_FILE_SOCKET:
    return neap__fd_recv(file->fd, bytes, n);
  case NEAP_FILE_POOLED:
    return UV_EAGAIN;
  default:
    return neap__fd_read(file->fd, bytes, n);
  }
}

int64_t neap__file_std_write(const struct neap_file *file, const char *bytes,
                             size_t n) {
  switch (file->shared) {
  case NEAP_FILE_SOCKET:
    return neap__fd_send(file->fd, bytes, n);
  case NEAP_FILE_POOLED:
    return UV_EAGAIN;
  default:
    return neap__fd_write(file->fd, bytes, n);
  }
}

/* A description that was opened when all writers of a named FIFO had gone does
   not know that there were any; that of the process does. */
bool neap__file_std_hung_up(const struct neap_file *file) {
  return neap__fd_hung_up(file->std > 0 ? file->std - 1 : file->fd);
}

/* --- waiting -------------------------------------------------------- */

/* The data of an op. */
struct wait {
  struct neap_ready ready;
  struct neap_file *file;
};

static void on_ready(struct neap_ready *ready, int events) {
  struct wait *wait = NEAP_LIST_ENTRY(ready, struct wait, ready);
  (void)events; /* the call that is tried again tells what there is */
  wait->file->op = NULL;
  neap__op_wake(neap__op_of(wait), 0);
}

static enum neap_op_fate call_off(struct neap_op *op) {
  struct wait *wait = neap__op_data(op);
  neap__ready_stop(op->rt, &wait->ready);
  return NEAP_OP_GONE;
}

static enum neap_op_fate stays(struct neap_op *op) {
  (void)op;
  return NEAP_OP_STAYS;
}

int neap__file_std_wait(struct neap_file *file, int events, bool shielded) {
  struct neap_op *op;
  int err = neap__op_new(file->handle.rt, "file", sizeof(struct wait), &op);
  if (err < 0)
    return err;
  struct wait *wait = neap__op_data(op);
  wait->file = file;
  wait->ready.fd = file->fd;
  wait->ready.events = events;
  wait->ready.on_ready = on_ready;
  err = neap__ready_start(file->handle.rt, &wait->ready);
  if (err < 0) {
    neap__op_free(op);
    return err == UV_EPERM ? 0 : err;
  }
  op->cancel = shielded ? stays : call_off;
  file->op = op;
  err = neap__op_park(op);
  if (file->op == op)
    file->op = NULL;
  neap__op_unref(op);
  return err;
}
