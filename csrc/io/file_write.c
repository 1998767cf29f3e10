/*
 * file_write.c: writing an open file. Bytes are put into the buffer, which may
 * grow beyond its usual size within one operation, and go out all at once.
 */
#include "io/file.h"

#include <string.h>

static struct neap_mem *mem_of(const struct neap_file *file) {
  return &file->handle.rt->mem;
}

void neap__file_write_clear(struct neap_file *file) {
  struct neap_inbuf *out = &file->out;
  file->marked = 0;
  if (out->capacity > 2 * NEAP_FILE_OUT)
    neap__inbuf_deinit(out, mem_of(file));
  out->start = out->len = 0;
}

/* In the pool. */
static int write_all(struct neap_file_call *call) {
  size_t done;
  return neap__fd_write_all(call->fd, call->bytes, call->n, true, &done);
}

/* In the pool, as much as it takes at once. */
static int write_piece(struct neap_file *file, bool shielded) {
  struct neap_inbuf *out = &file->out;
  struct neap_file_call call = {
      .fn = write_all, .bytes = out->block + out->start, .n = out->len};
  if (call.n > NEAP_FILE_PIECE)
    call.n = NEAP_FILE_PIECE;
  size_t n = call.n;
  bool ran; /* if not (cancelled, no memory for the job) the bytes stay */
  int err = neap__file_wait_call(file, "write",
                                 shielded ? NEAP_JOB_SHIELDED : NEAP_JOB_EFFECT,
                                 &call, &ran);
  if (ran && err < 0) {
    neap__file_write_clear(file);
  } else if (ran) {
    neap__inbuf_take(out, n);
    neap__inbuf_commit(out, mem_of(file));
  }
  return err;
}

static int write_polled(struct neap_file *file, bool shielded) {
  struct neap_inbuf *out = &file->out;
  while (out->len > 0 && file->kind != NEAP_FD_REGULAR) {
    int64_t n = neap__file_std_write(file, neap__inbuf_bytes(out), out->len);
    if (n == UV_EAGAIN) {
      int err = neap__file_wait_ready(file, UV_WRITABLE, shielded);
      if (err == 0 && file->shared == NEAP_FILE_POOLED)
        err = write_piece(file, shielded);
      if (err < 0)
        return err;
    } else if (n < 0) {
      neap__file_write_clear(file);
      return (int)n;
    } else {
      neap__inbuf_take(out, (size_t)n);
      neap__inbuf_commit(out, mem_of(file));
    }
  }
  return 0;
}

int neap__file_write_out(struct neap_file *file, bool shielded) {
  int err = neap__file_behind_settle(file, shielded);
  if (err == 0)
    err = write_polled(file, shielded);
  if (err < 0 || file->out.len == 0)
    return err;
  struct neap_file_call call = {.fn = write_all,
                                .bytes = file->out.block + file->out.start,
                                .n = file->out.len};
  bool ran; /* if not (cancelled, no memory for the job) the bytes stay */
  err = neap__file_wait_call(file, "write",
                             shielded ? NEAP_JOB_SHIELDED : NEAP_JOB_EFFECT,
                             &call, &ran);
  if (ran)
    neap__file_write_clear(file);
  return err;
}

int neap_file_try_write(neap_file *file) {
  int err = neap__handle_enter(file->handle.rt);
  if (err < 0)
    return err;
  if (file->state != NEAP_FILE_OPEN)
    return UV_EBADF;
  if (!file->writable || file->owner != 0 || file->in.len > 0 ||
      file->behind_err < 0)
    return UV_EAGAIN;
  file->marked = file->out.len;
  return 0;
}

int neap_file_begin_write(neap_file *file) {
  int err = neap__file_claim(file);
  if (err < 0)
    return err;
  err = file->writable ? neap__file_at_reader(file) : 0;
  if (err == UV_ESPIPE) /* a terminal's input is another's */
    err = 0;
  if (err == 0 && file->behind == NULL)
    err = neap__file_behind_settle(file, false); /* tells how it went */
  file->marked = file->out.len;
  if (err < 0)
    neap_file_end(file);
  return err;
}

int neap_file_append(neap_file *file, const void *bytes, size_t len) {
  size_t size, wanted = len;
  if (len == 0)
    return 0;
  if (!file->writable)
    return UV_EBADF;
  if (file->out.capacity - file->out.start - file->out.len >= len) {
    memcpy(file->out.block + file->out.start + file->out.len, bytes, len);
    neap__inbuf_filled(&file->out, len);
    file->wrote = true;
    return 0;
  }
  if (file->out.block == NULL && len < NEAP_IO_SCRATCH)
    wanted =
        file->out_size < NEAP_IO_SCRATCH ? file->out_size : NEAP_IO_SCRATCH;
  if (wanted < len)
    wanted = len;
  char *room = neap__inbuf_reserve(&file->out, mem_of(file), wanted, &size);
  if (room == NULL) {
    file->out.len = file->marked;
    return UV_ENOMEM;
  }
  memcpy(room, bytes, len);
  neap__inbuf_filled(&file->out, len);
  file->wrote = true;
  return 0;
}

/* Whether the bytes in the buffer are to go out now. */
static bool is_due(const struct neap_file *file) {
  const struct neap_inbuf *out = &file->out;
  if (out->len >= file->out_size)
    return true;
  if (file->buffering == NEAP_FILE_FULL || out->len == file->marked)
    return false;
  return file->buffering == NEAP_FILE_UNBUFFERED ||
         memchr(neap__inbuf_bytes(out) + file->marked, '\n',
                out->len - file->marked) != NULL;
}

/* Writes the buffer out, as the file's owner: behind where it may. */
static int put(struct neap_file *file) {
  if (!file->gathers || file->buffering != NEAP_FILE_FULL ||
      file->kind != NEAP_FD_REGULAR)
    return neap__file_write_out(file, false);
  int err = neap__file_behind_settle(file, false);
  return err < 0 ? err : neap__file_behind_start(file);
}

int neap_file_put(neap_file *file) {
  if (!is_due(file))
    return 0;
  if (neap__file_is_mine(file))
    return put(file);
  neap__file_take(file);
  int err = put(file);
  neap_file_end(file);
  return err;
}

int neap_file_write(neap_file *file, const void *bytes, size_t len) {
  int err = neap_file_begin_write(file);
  if (err < 0)
    return err;
  err = neap_file_append(file, bytes, len);
  if (err == 0)
    err = neap_file_put(file);
  neap_file_end(file);
  return err;
}

int neap_file_flush(neap_file *file) {
  int err = neap__file_claim(file);
  if (err < 0)
    return err;
  err = neap__file_write_out(file, false);
  neap_file_end(file);
  return err;
}

bool neap_file_has_output(const neap_file *file) {
  return file->state == NEAP_FILE_OPEN && file->owner == 0 &&
         (file->out.len > 0 || file->behind != NULL);
}

int neap_file_setvbuf(neap_file *file, neap_file_buffering buffering,
                      size_t size) {
  int err = neap__file_claim(file);
  if (err < 0)
    return err;
  err = neap__file_write_out(file, false);
  if (err == 0) {
    neap__inbuf_deinit(&file->out, mem_of(file));
    file->buffering = (uint8_t)buffering;
    file->out_size = size > 0 ? size : NEAP_FILE_OUT;
    file->gathers = size == 0;
  }
  neap_file_end(file);
  return err;
}
