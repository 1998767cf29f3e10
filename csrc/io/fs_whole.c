/*
 * fs_whole.c: whole files. What is cached is read at once; else one job in the
 * pool does it all, opening and closing included.
 */
#include "io/fd.h"
#include "io/fifo.h"
#include "io/file.h"
#include "io/fs_fast.h"
#include "io/gather.h"
#include "io/handle.h"
#include "io/job.h"

#include <fcntl.h>
#include <string.h>

/* A file that is being read. */
struct reading {
  int fd;     /* -1: not open yet */
  size_t max; /* more bytes than this are UV_EFBIG */
  enum neap_fd_kind kind;
  struct neap_gather gather; /* its limit is one byte more */
};

static void forget(struct reading *reading) {
  neap__gather_free(&reading->gather);
  if (reading->fd >= 0)
    neap__fd_close(reading->fd);
  reading->fd = -1;
}

static int look(struct reading *reading) {
  uint64_t *expected = &reading->gather.expected;
  int err = neap__fd_look(reading->fd, &reading->kind, expected);
  if (err == 0 && *expected > reading->max)
    err = UV_EFBIG;
  return err;
}

static int check_length(const struct reading *reading) {
  return reading->gather.len > reading->max ? UV_EFBIG : 0;
}

static int try_cached(struct neap_io *io, const char *path,
                      struct reading *reading) {
  int fd = neap__fs_fast_open(io, path, O_RDONLY);
  if (fd < 0)
    return fd;
  reading->fd = fd;
  int err = look(reading);
  if (err == 0 && reading->kind == NEAP_FD_REGULAR)
    err = neap__gather_read_cached(&reading->gather, io, fd, -1);
  return err < 0 ? err : check_length(reading);
}

struct read_job {
  struct neap_job job;
  struct reading reading;
  char path[];
};

static void work_read(struct neap_job *job) {
  struct reading *reading =
      &NEAP_LIST_ENTRY(job, struct read_job, job)->reading;
  int err = 0;
  if (reading->fd < 0) {
    const char *path = NEAP_LIST_ENTRY(job, struct read_job, job)->path;
    reading->fd = neap__fd_open(path, O_RDONLY, 0);
    err = reading->fd < 0 ? reading->fd : look(reading);
  }
  if (err == 0 && reading->kind == NEAP_FD_REGULAR) {
    err = neap__fd_set_blocking(reading->fd);
    if (err == 0)
      err = neap__gather_read(&reading->gather, reading->fd, -1);
    if (err == 0)
      err = check_length(reading);
  }
  job->result = err;
}

static void drop_read(struct neap_job *job) {
  forget(&NEAP_LIST_ENTRY(job, struct read_job, job)->reading);
}

static int read_in_pool(struct neap_rt *rt, const char *path,
                        struct reading *reading) {
  struct read_job *read;
  size_t size = strlen(path) + 1;
  int err = neap__job_new(rt, "readfile", NEAP_JOB_PURE, sizeof *read + size,
                          (void **)&read);
  if (err < 0)
    return err;
  read->job.work = work_read;
  read->job.drop = drop_read;
  read->reading = *reading;
  memcpy(read->path, path, size);
  /* The job owns them now. */
  reading->gather = (struct neap_gather){0};
  reading->fd = -1;
  err = neap__job_run(&read->job);
  if (!read->job.dropped)
    *reading = read->reading;
  neap__job_free(&read->job);
  return err;
}

/* What is not a regular file is read as an open file is: polled. */
static int read_stream(struct neap_rt *rt, struct reading *reading) {
  struct neap_file *file;
  int fd = reading->fd;
  reading->fd = -1; /* adopt takes it over, or closes it */
  int err = neap__file_adopt(rt, fd, O_RDONLY, reading->kind, &file);
  if (err < 0)
    return err;
  neap_view view = {0};
  err = neap_file_begin_read(file);
  if (err == 0) {
    if (reading->max < SIZE_MAX)
      err = neap_file_peek_count(file, reading->max + 1, &view);
    else
      err = neap_file_peek_all(file, &view);
    err = err == UV_EOF ? 0 : err;
    if (err == 0 && view.len > reading->max)
      err = UV_EFBIG;
    if (err == 0 && view.len > 0)
      err = neap__gather_reserve(&reading->gather, view.len);
    if (err == 0 && view.len > 0) {
      memcpy(reading->gather.data, view.base, view.len);
      reading->gather.len = view.len;
    }
    neap_file_end(file);
  }
  neap_file_free(file);
  return err;
}

int neap_fs_readfile(neap_rt *rt, const char *path, size_t max,
                     neap_blob *out) {
  struct neap_io *io;
  int err = neap__handle_enter(rt);
  if (err == 0)
    err = neap__handle_io(rt, &io);
  if (err != 0)
    return err;
  struct reading reading = {.fd = -1, .max = max};
  reading.gather.limit = max < SIZE_MAX ? max + 1 : SIZE_MAX;
  err = try_cached(io, path, &reading);
  neap__handle_charge(rt, 0); /* for opening it */
  neap__handle_charge(rt, reading.gather.len);
  if (err == UV_EAGAIN)
    err = read_in_pool(rt, path, &reading);
  if (err == 0 && reading.fd >= 0 && reading.kind != NEAP_FD_REGULAR)
    err = read_stream(rt, &reading);
  if (err == 0)
    neap__gather_give(&reading.gather, out);
  forget(&reading);
  return err;
}

void neap_fs_free_blob(neap_blob *blob) {
  neap__mem_shared_free(blob->base);
  *blob = (neap_blob){0};
}

/* --- writing -------------------------------------------------------- */

/* Has an effect: once begun it is waited for. So the data can stay where it
   is, the caller's. */
struct write_job {
  struct neap_job job;
  int flags, mode;
  int fd; /* what is not a regular file is handed back open, else -1 */
  enum neap_fd_kind kind;
  const char *data;
  size_t len;
  char path[];
};

static void work_write(struct neap_job *job) {
  struct write_job *write = NEAP_LIST_ENTRY(job, struct write_job, job);
  size_t done;
  int fd = neap__fd_open(write->path, write->flags, write->mode);
  job->result = fd;
  if (fd < 0)
    return;
  int err = neap__fd_look(fd, &write->kind, NULL);
  if (err == 0 && write->kind != NEAP_FD_REGULAR) {
    write->fd = fd;
    job->result = 0;
    return;
  }
  if (err == 0)
    err = neap__fd_set_blocking(fd);
  if (err == 0)
    err = neap__fd_write_all(fd, write->data, write->len, true, &done);
  int close_err = neap__fd_close(fd);
  job->result = err < 0 ? err : close_err;
}

static void drop_write(struct neap_job *job) {
  struct write_job *write = NEAP_LIST_ENTRY(job, struct write_job, job);
  if (write->fd >= 0)
    neap__fd_close(write->fd);
}

/* The whole of a regular file. What is none is left open in *fd. */
static int write_in_pool(struct neap_rt *rt, const char *path, neap_bytes data,
                         int flags, int mode, int *fd,
                         enum neap_fd_kind *kind) {
  struct write_job *write;
  size_t size = strlen(path) + 1;
  int err = neap__job_new(rt, "writefile", NEAP_JOB_EFFECT,
                          sizeof *write + size, (void **)&write);
  if (err < 0)
    return err;
  write->job.work = work_write;
  write->job.drop = drop_write;
  write->flags = flags;
  write->mode = mode;
  write->fd = -1;
  write->data = data.base;
  write->len = data.len;
  memcpy(write->path, path, size);
  err = neap__job_run(&write->job);
  if (!write->job.dropped) {
    *fd = write->fd;
    *kind = write->kind;
  }
  neap__job_free(&write->job);
  return err;
}

static int write_stream(struct neap_rt *rt, int fd, int flags,
                        enum neap_fd_kind kind, neap_bytes data) {
  struct neap_file *file;
  int err = neap__file_adopt(rt, fd, flags, kind, &file);
  if (err < 0)
    return err;
  err = neap_file_write(file, data.base, data.len);
  if (err == 0)
    err = neap_file_flush(file);
  if (err == 0)
    err = neap_file_close(file);
  neap_file_free(file);
  return err;
}

int neap_fs_writefile(neap_rt *rt, const char *path, const void *data,
                      size_t len, int mode, bool append) {
  int err = neap__handle_enter(rt);
  if (err < 0)
    return err;
  neap_bytes bytes = {.base = data, .len = len};
  int flags = O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC);
  int fd = -1;
  enum neap_fd_kind kind = NEAP_FD_REGULAR;
  err = write_in_pool(rt, path, bytes, flags, mode, &fd, &kind);
  if (err == UV_ENXIO) {
    fd = neap__fifo_open(rt, path, flags);
    kind = NEAP_FD_FIFO;
    err = fd < 0 ? fd : 0;
  }
  if (err == 0 && fd >= 0)
    err = write_stream(rt, fd, flags, kind, bytes);
  return err;
}
