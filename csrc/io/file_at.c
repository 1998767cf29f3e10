/*
 * file_at.c: places in a file: where it is read and written next, and reading
 * and writing anywhere else.
 */
#include "io/file.h"

#include "io/fs_fast.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* What a device is asked for at once, by a call that does not block. */
#define DEVICE_MAX ((size_t)1024 * 1024)

static struct neap_mem *mem_of(const struct neap_file *file) {
  return &file->handle.rt->mem;
}

int neap__file_at_reader(struct neap_file *file) {
  struct neap_inbuf *in = &file->in;
  if (in->len == 0)
    return 0;
  if (lseek(file->fd, -(off_t)in->len, SEEK_CUR) < 0)
    return uv_translate_sys_error(errno);
  neap__inbuf_deinit(in, mem_of(file));
  return 0;
}

/* lseek does not wait for the disk, so it needs no thread. */
static int64_t move(struct neap_file *file, int64_t offset, int whence) {
  struct neap_inbuf *in = &file->in;
  int64_t ahead = (int64_t)in->len;
  if (whence == SEEK_CUR && offset == 0) {
    off_t at = lseek(file->fd, 0, SEEK_CUR);
    return at < 0 ? uv_translate_sys_error(errno) : at - ahead;
  }
  if (whence == SEEK_CUR) {
    if (offset < INT64_MIN + ahead)
      return UV_EINVAL;
    offset -= ahead;
  }
  off_t at = lseek(file->fd, (off_t)offset, whence);
  if (at < 0)
    return uv_translate_sys_error(errno);
  neap__inbuf_deinit(in, mem_of(file));
  return at;
}

int64_t neap_file_seek(neap_file *file, int64_t offset, int whence) {
  int64_t result = neap__file_claim(file);
  if (result < 0)
    return result;
  result = neap__file_write_out(file, false);
  if (result == 0)
    result = move(file, offset, whence);
  neap_file_end(file);
  return result;
}

/* In the pool. */
static int read_on(struct neap_file_call *call) {
  return neap__gather_read(&call->gather, call->fd, call->at);
}

static void drop_gathered(struct neap_file_call *call) {
  neap__gather_free(&call->gather);
}

/* How much there is behind the place `at`, as far as anybody knows. */
static uint64_t expect(const struct neap_file *file, int64_t at) {
  enum neap_fd_kind kind;
  uint64_t size;
  if (neap__fd_look(file->fd, &kind, &size) < 0 || size <= (uint64_t)at)
    return 0;
  return size - (uint64_t)at;
}

static int read_regular(struct neap_file *file, size_t n, int64_t at,
                        neap_blob *out) {
  struct neap_file_call call = {
      .fn = read_on,
      .drop = drop_gathered,
      .at = at,
      .gather = {.limit = n, .expected = expect(file, at)}};
  bool ran;
  int err =
      neap__gather_read_cached(&call.gather, file->handle.rt->io, file->fd, at);
  neap__handle_charge(file->handle.rt, call.gather.len);
  if (err == UV_EAGAIN)
    err = neap__file_wait_call(file, "read", NEAP_JOB_PURE, &call, &ran);
  if (err == 0)
    neap__gather_give(&call.gather, out);
  neap__gather_free(&call.gather);
  return err;
}

/* A device, or what has no places at all. */
static int read_device(struct neap_file *file, size_t n, int64_t at,
                       neap_blob *out) {
  struct neap_gather gather = {.limit = n};
  size_t room = n < DEVICE_MAX ? n : DEVICE_MAX;
  int err = neap__gather_reserve(&gather, room);
  if (err < 0)
    return err;
  int64_t got = neap__fd_read_at(file->fd, gather.data, room, at);
  if (got >= 0) {
    gather.len = (size_t)got;
    neap__gather_give(&gather, out);
  }
  neap__gather_free(&gather);
  return got < 0 ? (int)got : 0;
}

int neap_file_pread(neap_file *file, size_t n, int64_t at, neap_blob *out) {
  int err = neap__file_claim(file);
  if (err < 0)
    return err;
  err = file->readable ? neap__file_write_out(file, false) : UV_EBADF;
  if (err == 0 && n == 0)
    *out = (neap_blob){0};
  else if (err == 0 && file->kind == NEAP_FD_REGULAR)
    err = read_regular(file, n, at, out);
  else if (err == 0)
    err = read_device(file, n, at, out);
  neap_file_end(file);
  return err;
}

/* In the pool. */
static int write_on(struct neap_file_call *call) {
  return neap__fd_write_at(call->fd, call->bytes, call->n, call->at);
}

int neap_file_pwrite(neap_file *file, const void *bytes, size_t len,
                     int64_t at) {
  int err = neap__file_claim(file);
  if (err < 0)
    return err;
  err = file->writable ? neap__file_write_out(file, false) : UV_EBADF;
  if (err == 0) /* what was read ahead may be what is written now */
    err = neap__file_at_reader(file);
  if (err == 0 && len > 0) {
    bool ran;
    struct neap_file_call call = {
        .fn = write_on, .bytes = (char *)(uintptr_t)bytes, .n = len, .at = at};
    file->wrote = true;
    err = neap__file_wait_call(file, "write", NEAP_JOB_EFFECT, &call, &ran);
  }
  neap_file_end(file);
  return err;
}
