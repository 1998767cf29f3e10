/*
 * file_read.c: reading an open file. Peeks ask for more until the buffer has
 * what they look for; bytes come from the kernel's cache at once, or from the
 * pool or a poll while the task waits.
 */
#include "io/file.h"

#include "io/fs_fast.h"

#include <string.h>

/* What is read ahead when it goes on and on. */
#define FILL_ON (2 * NEAP_IO_SCRATCH)

/* The most that one read asks for. */
#define FILL_MAX ((size_t)1024 * 1024)

static struct neap_mem *mem_of(const struct neap_file *file) {
  return &file->handle.rt->mem;
}

int neap_file_begin_read(neap_file *file) {
  if (file->state == NEAP_FILE_OPEN && !file->readable)
    return UV_EBADF;
  int err = neap__file_claim(file);
  if (err < 0)
    return err;
  err = neap__file_write_out(file, false);
  if (err < 0)
    neap_file_end(file);
  return err;
}

int neap_file_try_read(neap_file *file) {
  int err = neap__handle_enter(file->handle.rt);
  if (err < 0)
    return err;
  if (file->state != NEAP_FILE_OPEN || !file->readable)
    return UV_EBADF;
  if (file->owner != 0 || file->out.len > 0 || file->behind != NULL ||
      file->behind_err < 0)
    return UV_EAGAIN;
  file->quick_left = NEAP_GATHER_QUICK;
  return 0;
}

/* What can be had at once; but after much of it others come first. A FIFO that
   nobody has opened for writing yet is not at its end: only a hang-up is that.
 */
static int64_t fill_now(struct neap_file *file, char *room, size_t size) {
  if (file->kind != NEAP_FD_REGULAR) {
    int64_t n = neap__file_std_read(file, room, size);
    if (n == 0 && file->kind == NEAP_FD_FIFO && !neap__file_std_hung_up(file))
      return UV_EAGAIN;
    return n;
  }
  if (file->no_fast || file->quick_left == 0)
    return UV_EAGAIN;
  int64_t n = neap__fs_fast_read(file->handle.rt->io, file->fd, room, size, -1);
  if (n > 0) {
    size_t quick = (size_t)n < file->quick_left ? (size_t)n : file->quick_left;
    file->quick_left -= quick;
    neap__handle_charge(file->handle.rt, quick);
  }
  if (n != UV_ENOTSUP)
    return n;
  file->no_fast = true;
  return UV_EAGAIN;
}

/* In the pool: a read is of less than 2 GiB. */
static int read_some(struct neap_file_call *call) {
  return (int)neap__fd_read(call->fd, call->bytes, call->n);
}

/* The same, by waiting for it. On a cancel the room is still the pool's. */
static int64_t fill_waiting(struct neap_file *file, char *room, size_t size) {
  while (file->kind != NEAP_FD_REGULAR) {
    int err = neap__file_wait_ready(file, UV_READABLE, false);
    if (err < 0)
      return err;
    if (file->shared == NEAP_FILE_POOLED)
      break;
    int64_t n = fill_now(file, room, size);
    if (n != UV_EAGAIN)
      return n;
  }
  struct neap_file_call call = {
      .fn = read_some, .fills = true, .bytes = room, .n = size};
  bool ran;
  return neap__file_wait_call(file, "read", NEAP_JOB_PURE, &call, &ran);
}

/* Brings more bytes into the buffer, about `wanted`. Returns how many, 0 at
   the end, UV_EAGAIN when it would take a wait and the file is not claimed. */
static int64_t more(struct neap_file *file, size_t wanted) {
  size_t size;
  size_t spare = file->in.capacity - file->in.start - file->in.len;
  if (wanted > FILL_MAX)
    wanted = FILL_MAX;
  if (wanted < file->fill)
    wanted = file->fill;
  /* What room there is will do: often all that is left to see is the end, and
     moving what is there costs more than a call. */
  if (spare > 0)
    wanted = spare;
  char *room = neap__inbuf_reserve(&file->in, mem_of(file), wanted, &size);
  if (room == NULL)
    return UV_ENOMEM;
  int64_t n = fill_now(file, room, size);
  if (n == UV_EAGAIN && neap__file_is_mine(file))
    n = fill_waiting(file, room, size);
  if (n > 0) {
    neap__inbuf_filled(&file->in, (size_t)n);
    /* Whoever reads on and on is given more at a time. */
    file->fill = (size_t)n == size ? FILL_ON : NEAP_IO_SCRATCH;
  } else if (n == 0 && file->in.len + file->in.held == 0) {
    neap__inbuf_deinit(&file->in, mem_of(file));
  }
  return n;
}

static void show(const struct neap_inbuf *in, size_t n, neap_view *out) {
  *out = (neap_view){.base = n > 0 ? neap__inbuf_bytes(in) : "", .len = n};
}

int neap_file_peek_line(neap_file *file, neap_view *out) {
  const struct neap_inbuf *in = &file->in;
  size_t from = 0;
  for (;;) {
    if (in->len > 0 && neap__inbuf_line(in, &from, out))
      return 0;
    int64_t n = more(file, in->len);
    if (n < 0)
      return (int)n;
    if (n > 0)
      continue;
    if (in->len == 0)
      return UV_EOF;
    show(in, in->len, out);
    return 0;
  }
}

int neap_file_peek_count(neap_file *file, size_t n, neap_view *out) {
  const struct neap_inbuf *in = &file->in;
  size_t least = n > 0 ? n : 1; /* 0 asks whether there is anything */
  for (;;) {
    int64_t got = 1;
    if (in->len < least)
      got = more(file, least - in->len);
    if (got < 0)
      return (int)got;
    if (got > 0 && in->len < least)
      continue;
    if (in->len == 0)
      return UV_EOF;
    show(in, in->len < n ? in->len : n, out);
    return 0;
  }
}

int neap_file_peek_all(neap_file *file, neap_view *out) {
  const struct neap_inbuf *in = &file->in;
  for (;;) {
    int64_t n = more(file, in->len);
    if (n < 0)
      return (int)n;
    if (n > 0)
      continue;
    show(in, in->len, out);
    return 0;
  }
}

/* Takes white space; returns 0, or a negative code. */
static int skip_space(struct neap_file *file) {
  struct neap_inbuf *in = &file->in;
  for (;;) {
    size_t space = in->len > 0 ? neap__inbuf_space(in) : 0;
    neap__inbuf_take(in, space);
    if (in->len > 0)
      return 0;
    int64_t n = more(file, 0);
    if (n <= 0)
      return (int)n;
  }
}

int neap_file_peek_number(neap_file *file, neap_view *out) {
  const struct neap_inbuf *in = &file->in;
  int err = skip_space(file);
  bool at_end = false;
  while (err == 0) {
    if (neap__inbuf_number(in, at_end, out)) {
      if (in->len == 0)
        show(in, 0, out);
      return 0;
    }
    int64_t n = more(file, 0);
    at_end = n == 0;
    err = n < 0 ? (int)n : 0;
  }
  return err;
}

void neap_file_take(neap_file *file, size_t n) {
  neap__inbuf_take(&file->in, n);
}

/* A call that was called off may go on when the file is another's already. */
static bool may_take(const struct neap_file *file) {
  return file->owner == 0 || neap__file_is_mine(file);
}

void neap_file_commit(neap_file *file) {
  if (may_take(file))
    neap__inbuf_commit(&file->in, mem_of(file));
}

void neap_file_rewind(neap_file *file) {
  if (may_take(file))
    neap__inbuf_rewind(&file->in);
}

int64_t neap_file_read(neap_file *file, void *bytes, size_t len) {
  int err = neap_file_begin_read(file);
  if (err < 0)
    return err;
  neap_view view = {.base = "", .len = 0};
  err = neap_file_peek_count(file, len, &view);
  if (err == 0 && view.base != NULL) {
    memcpy(bytes, view.base, view.len);
    neap_file_take(file, view.len);
  }
  neap_file_commit(file);
  neap_file_end(file);
  return err < 0 && err != UV_EOF ? err : (int64_t)view.len;
}
