/*
 * file_open.c: opening. A path that is cached is opened at once, others in the
 * pool; both without blocking, and what it is that was opened decides how it
 * is waited for from then on.
 */
#include "io/file.h"

#include "io/fifo.h"
#include "io/fs_fast.h"
#include "io/stream.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* --- opening -------------------------------------------------------- */

int neap__file_adopt(struct neap_rt *rt, int fd, int flags,
                     enum neap_fd_kind kind, struct neap_file **out) {
  struct neap_file *file;
  int err = kind == NEAP_FD_REGULAR ? neap__fd_set_blocking(fd) : 0;
  if (err == 0)
    err = neap__file_new(rt, &file);
  if (err != 0) {
    neap__fd_close(fd);
    return err;
  }
  int access = flags & O_ACCMODE;
  file->fd = fd;
  file->kind = (uint8_t)kind;
  file->readable = access != O_WRONLY;
  file->writable = access != O_RDONLY;
  if (kind == NEAP_FD_OTHER && isatty(fd))
    file->buffering = NEAP_FILE_LINE;
  if (kind != NEAP_FD_REGULAR && file->writable)
    neap__stream_handle_sigpipe(rt->io);
  neap__handle_opened(&file->handle);
  *out = file;
  return 0;
}

struct open_job {
  struct neap_job job;
  int flags, mode;
  enum neap_fd_kind kind;
  uint64_t size;
  char path[];
};

/* What fd is; it is closed when that can't be known. Returns fd or a code. */
static int look(int fd, enum neap_fd_kind *kind, uint64_t *size) {
  int err = neap__fd_look(fd, kind, size);
  if (err == 0)
    return fd;
  neap__fd_close(fd);
  return err;
}

static void work_open(struct neap_job *job) {
  struct open_job *open = NEAP_LIST_ENTRY(job, struct open_job, job);
  int fd = neap__fd_open(open->path, open->flags, open->mode);
  job->result = fd < 0 ? fd : look(fd, &open->kind, &open->size);
}

/* An open that comes too late. */
static void drop_open(struct neap_job *job) {
  if (job->result >= 0)
    neap__fd_close(job->result);
}

static int open_in_pool(struct neap_rt *rt, const char *path, int flags,
                        int mode, enum neap_fd_kind *kind, uint64_t *size) {
  struct open_job *open;
  size_t path_size = strlen(path) + 1;
  /* Making or cutting off a file can't be taken back. */
  bool effect = (flags & (O_CREAT | O_TRUNC)) != 0;
  int err = neap__job_new(rt, "open", effect ? NEAP_JOB_EFFECT : NEAP_JOB_PURE,
                          sizeof *open + path_size, (void **)&open);
  if (err < 0)
    return err;
  open->job.work = work_open;
  open->job.drop = drop_open;
  open->flags = flags;
  open->mode = mode;
  memcpy(open->path, path, path_size);
  int fd = neap__job_run(&open->job);
  if (fd >= 0) {
    *kind = open->kind;
    *size = open->size;
  }
  neap__job_free(&open->job);
  return fd;
}

/* Opens and looks what it is. */
static int open_somehow(struct neap_rt *rt, struct neap_io *io,
                        const char *path, int flags, int mode,
                        enum neap_fd_kind *kind, uint64_t *size) {
  int fd = neap__fs_fast_open(io, path, flags);
  neap__handle_charge(rt, 0);
  if (fd == UV_EAGAIN)
    fd = open_in_pool(rt, path, flags, mode, kind, size);
  else if (fd >= 0)
    fd = look(fd, kind, size);
  if (fd == UV_ENXIO && (flags & O_ACCMODE) == O_WRONLY &&
      (flags & O_NONBLOCK) == 0) {
    fd = neap__fifo_open(rt, path, flags);
    *kind = NEAP_FD_FIFO;
    *size = 0;
  }
  return fd;
}

int neap_file_open(neap_rt *rt, const char *path, int flags, int mode,
                   neap_file **out) {
  struct neap_io *io;
  int err = neap__handle_enter(rt);
  if (err == 0)
    err = neap__handle_io(rt, &io);
  if (err != 0)
    return err;
  enum neap_fd_kind kind;
  uint64_t size;
  int fd = open_somehow(rt, io, path, flags, mode, &kind, &size);
  if (fd < 0)
    return fd;
  /* Writes go to the end by themselves; stdio shows it before the first. */
  if ((flags & O_APPEND) != 0 && (flags & O_ACCMODE) == O_WRONLY)
    lseek(fd, 0, SEEK_END); /* a FIFO has no such place */
  err = neap__file_adopt(rt, fd, flags, kind, out);
  /* A small file needs a small buffer, and one byte more shows the end. */
  if (err == 0 && size > 0 && size < (*out)->fill)
    (*out)->fill = (size_t)size + 1;
  return err;
}
