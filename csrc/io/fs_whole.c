/*
 * fs_whole.c: whole files. What is cached is read at once; else one job in the
 * pool does it all, opening and closing included.
 */
#include "io/fd.h"
#include "io/file.h"
#include "io/fs_fast.h"
#include "io/handle.h"
#include "io/job.h"

#include <fcntl.h>
#include <string.h>

/* What a file without a known size (as those in /proc) is first read with. */
#define GUESS ((size_t)4096)

/* A file that is being read. */
struct reading {
  int fd;     /* -1: not open yet */
  size_t max; /* more bytes than this are UV_EFBIG */
  char *data; /* len of capacity bytes are filled in */
  size_t len, capacity;
  uint64_t expected; /* how long the file says it is */
  enum neap_fd_kind kind;
};

static void forget(struct reading *reading) {
  neap__mem_shared_free(reading->data);
  reading->data = NULL;
  if (reading->fd >= 0)
    neap__fd_close(reading->fd);
  reading->fd = -1;
}

static int look(struct reading *reading) {
  int err = neap__fd_look(reading->fd, &reading->kind, &reading->expected);
  if (err == 0 && reading->expected > reading->max)
    err = UV_EFBIG;
  return err;
}

static int reserve(struct reading *reading, size_t capacity) {
  char *data = neap__mem_shared_alloc(capacity);
  if (data == NULL)
    return UV_ENOMEM;
  if (reading->len > 0)
    memcpy(data, reading->data, reading->len);
  neap__mem_shared_free(reading->data);
  reading->data = data;
  reading->capacity = capacity;
  return 0;
}

/* Room for the next read: one byte more than there should be, so that the end
   shows. */
static int make_room(struct reading *reading) {
  if (reading->len < reading->capacity)
    return 0;
  size_t capacity = GUESS;
  if (reading->capacity > 0)
    capacity = reading->capacity * 2;
  else if (reading->expected > 0)
    capacity = (size_t)reading->expected + 1;
  return reserve(reading, capacity);
}

/* In a pool thread. */
static int read_all(struct reading *reading) {
  for (;;) {
    int err = make_room(reading);
    if (err < 0)
      return err;
    int64_t n = neap__fd_read(reading->fd, reading->data + reading->len,
                              reading->capacity - reading->len);
    if (n <= 0)
      return (int)n;
    reading->len += (size_t)n;
    if (reading->len > reading->max)
      return UV_EFBIG;
  }
}

/*
 * What is cached. UV_EAGAIN: the pool must go on from here. A read that brings
 * less than was asked for ends at the file's length or where the cache ends;
 * the length tells which.
 */
static int read_cached(struct neap_io *io, struct reading *reading) {
  for (;;) {
    int err = make_room(reading);
    if (err < 0)
      return err;
    int64_t n =
        neap__fs_fast_read(io, reading->fd, reading->data + reading->len,
                           reading->capacity - reading->len);
    if (n == UV_ENOTSUP)
      return UV_EAGAIN;
    if (n <= 0)
      return (int)n;
    reading->len += (size_t)n;
    if (reading->len > reading->max)
      return UV_EFBIG;
    if (reading->len == reading->expected && reading->len < reading->capacity)
      return 0;
  }
}

static int try_cached(struct neap_io *io, const char *path,
                      struct reading *reading) {
  int fd = neap__fs_fast_open(io, path, O_RDONLY);
  if (fd < 0)
    return fd;
  reading->fd = fd;
  int err = look(reading);
  if (err == 0 && reading->kind == NEAP_FD_REGULAR)
    err = read_cached(io, reading);
  return err;
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
      err = read_all(reading);
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
  reading->data = NULL;
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
      err = reserve(reading, view.len);
    if (err == 0 && view.len > 0) {
      memcpy(reading->data, view.base, view.len);
      reading->len = view.len;
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
  err = try_cached(io, path, &reading);
  if (err == UV_EAGAIN)
    err = read_in_pool(rt, path, &reading);
  if (err == 0 && reading.fd >= 0 && reading.kind != NEAP_FD_REGULAR)
    err = read_stream(rt, &reading);
  if (err == 0) {
    *out = (neap_blob){.base = reading.data, .len = reading.len};
    reading.data = NULL;
  }
  forget(&reading);
  return err;
}

void neap_fs_free_blob(neap_blob *blob) {
  neap__mem_shared_free(blob->base);
  *blob = (neap_blob){0};
}

/* --- writing -------------------------------------------------------- */

struct write_job {
  struct neap_job job;
  const char *path; /* behind the data */
  int flags, mode;
  int fd; /* what is not a regular file is handed back open, else -1 */
  enum neap_fd_kind kind;
  size_t len;
  char data[];
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

static int write_stream(struct neap_rt *rt, const struct write_job *write) {
  struct neap_file *file;
  int err = neap__file_adopt(rt, write->fd, write->flags, write->kind, &file);
  if (err < 0)
    return err;
  err = neap_file_write(file, write->data, write->len);
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
  struct write_job *write;
  size_t size = strlen(path) + 1;
  if (len > UINT32_MAX / 2 || size > UINT32_MAX / 4)
    return UV_EFBIG;
  err = neap__job_new(rt, "writefile", NEAP_JOB_EFFECT,
                      sizeof *write + len + size, (void **)&write);
  if (err < 0)
    return err;
  write->job.work = work_write;
  write->job.drop = drop_write;
  write->flags = O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC);
  write->mode = mode;
  write->fd = -1;
  write->len = len;
  if (len > 0)
    memcpy(write->data, data, len);
  memcpy(write->data + len, path, size);
  write->path = write->data + len;
  err = neap__job_run(&write->job);
  if (!write->job.dropped && err == 0 && write->fd >= 0)
    err = write_stream(rt, write);
  neap__job_free(&write->job);
  return err;
}
