/* fs_data.c: copying a regular file's bytes; see fs_data.h. */
#include "io/fs_data.h"

#include "core/mem.h"
#include "io/fd.h"
#include "io/fs_range.h"

#include <errno.h>
#include <unistd.h>
#include <uv.h>

/* Bytes between two looks at the clock, and of the buffer where the kernel does
   not copy by itself. */
#define RANGE  ((uint64_t)8 * 1024 * 1024)
#define BUFFER ((size_t)256 * 1024)

int neap__fs_data_begin(struct neap_fs_data *data, int in, int out,
                        uint64_t size) {
  *data = (struct neap_fs_data){.in = in, .out = out, .size = size};
  if (size == 0 || neap__fs_range_clone(in, out) < 0)
    return 1;
  data->at = size;
  return 0;
}

static int64_t read_at(int fd, char *bytes, size_t n, uint64_t at) {
  ssize_t result;
  do {
    result = pread(fd, bytes, n, (off_t)at);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? uv_translate_sys_error(errno) : result;
}

static int write_at(int fd, const char *bytes, size_t n, uint64_t at) {
  while (n > 0) {
    ssize_t done = pwrite(fd, bytes, n, (off_t)at);
    if (done < 0 && errno != EINTR)
      return uv_translate_sys_error(errno);
    if (done > 0) {
      bytes += done;
      at += (uint64_t)done;
      n -= (size_t)done;
    }
  }
  return 0;
}

/* Up to n bytes through the buffer. Returns how many, 0 at the end. */
static int64_t copy_by_hand(struct neap_fs_data *data, uint64_t n) {
  if (data->buffer == NULL)
    data->buffer = neap__mem_shared_alloc(BUFFER);
  if (data->buffer == NULL)
    return UV_ENOMEM;
  size_t most = n < BUFFER ? (size_t)n : BUFFER;
  int64_t got = read_at(data->in, data->buffer, most, data->at);
  if (got <= 0)
    return got;
  int err = write_at(data->out, data->buffer, (size_t)got, data->at);
  return err < 0 ? err : got;
}

/* The same, in the kernel if it does it. Its "end" is not believed: for files
   in /proc and the like it says so at once. */
static int64_t copy_some(struct neap_fs_data *data, uint64_t n) {
  if (!data->no_range) {
    int64_t got = neap__fs_range_copy(data->in, data->out, data->at,
                                      (size_t)(n < RANGE ? n : RANGE));
    if (got != 0 && got != UV_ENOTSUP)
      return got;
    data->no_range = true;
  }
  return copy_by_hand(data, n);
}

/* Moves over a hole, to where bytes are. */
static void skip_hole(struct neap_fs_data *data) {
  uint64_t begin = data->at, end = data->size;
  int found = UV_ENOTSUP;
  if (!data->no_holes)
    found = neap__fs_range_data(data->in, data->at, &begin, &end);
  if (found == UV_ENOTSUP) {
    data->no_holes = true;
    data->end = data->size;
    return;
  }
  if (found == 0 || begin > data->size)
    begin = data->size;
  data->at = begin;
  data->end = end < data->size ? end : data->size;
}

/* A piece. Returns 1, 0 when all is done, or a negative code. */
static int copy_piece(struct neap_fs_data *data, uint64_t *bytes) {
  if (data->at < data->size && data->at >= data->end) {
    skip_hole(data);
    return 1;
  }
  /* Behind what was its size: it has grown, or it does not know it (/proc). */
  bool behind = data->at >= data->size;
  int64_t got = behind ? copy_by_hand(data, BUFFER)
                       : copy_some(data, data->end - data->at);
  if (got <= 0)
    return (int)got; /* the end, maybe earlier than it was */
  data->at += (uint64_t)got;
  *bytes += (uint64_t)got;
  return 1;
}

/* A hole at the end has no byte that makes the file so long. */
static int set_size(const struct neap_fs_data *data) {
  int result;
  do {
    result = ftruncate(data->out, (off_t)data->at);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? uv_translate_sys_error(errno) : 0;
}

int neap__fs_data_step(struct neap_fs_data *data, uint64_t until_ns,
                       uint64_t *bytes) {
  int more;
  do {
    more = copy_piece(data, bytes);
  } while (more == 1 && uv_hrtime() < until_ns);
  return more == 0 ? set_size(data) : more;
}

int neap__fs_data_end(struct neap_fs_data *data) {
  int err = 0;
  if (data->in >= 0)
    neap__fd_close(data->in);
  if (data->out >= 0)
    err = neap__fd_close(data->out);
  neap__mem_shared_free(data->buffer);
  *data = (struct neap_fs_data){.in = -1, .out = -1};
  return err;
}
