/*
 * transfer_splice.c: a step of a transfer from stream to stream that the bytes
 * spend in the kernel: out of the one socket into a pipe, and on into the
 * other. What that does not take at once becomes bytes that the source has
 * received, and goes on as those do: so the pipe is empty before anybody waits.
 */
#include "io/transfer.h"

#include "io/splice.h"

static int fd_of(const struct neap_stream *s) {
  uv_os_fd_t fd = -1;
  uv_fileno(&s->uv.handle, &fd); /* fails for none that is open */
  return fd;
}

bool neap__transfer_can_splice(neap_transfer *t) {
  struct neap_stream *from = t->from_stream;
  struct neap_rt *rt = from->handle.rt;
  if (t->must_copy || from->filter != NULL || t->to_stream->filter != NULL ||
      from->claimed)
    return false;
  /* Where bytes go for which there is no memory. */
  if (rt->io->scratch == NULL)
    rt->io->scratch = neap__mem_alloc(&rt->mem, NEAP_IO_SCRATCH);
  return rt->io->scratch != NULL && neap__splice_open(rt->io) == 0;
}

/* The n bytes in the pipe are received ones. The buffer is empty. */
static void receive(struct neap_stream *s, size_t n) {
  struct neap_rt *rt = s->handle.rt;
  size_t size;
  char *room = neap__inbuf_reserve(&s->in, &rt->mem, n, &size);
  if (room != NULL) {
    neap__splice_take(rt->io, room, n);
    neap__inbuf_filled(&s->in, n);
    return;
  }
  neap__splice_take(rt->io, rt->io->scratch, n);
  neap__inbuf_adopt(&s->in, &rt->mem, rt->io->scratch, NEAP_IO_SCRATCH, n);
  rt->io->scratch = NULL;
}

/* n bytes are in the pipe, and the turn to write is ours. */
static int drain(neap_transfer *t, size_t n, uint64_t due) {
  struct neap_stream *from = t->from_stream, *to = t->to_stream;
  const struct neap_io *io = to->handle.rt->io;
  int64_t m = 0;
  t->writing = true;
  while (n > 0 && m >= 0 && neap__stream_is_clear(to)) {
    m = neap__splice_drain(io, fd_of(to), n);
    if (m > 0) {
      n -= (size_t)m;
      t->moved += (uint64_t)m;
    } else if (m == 0) {
      m = UV_EAGAIN;
    }
  }
  if (n == 0)
    return 0;
  receive(from, n);
  if (m < 0 && m != UV_EAGAIN && m != UV_EINVAL)
    return (int)m;
  t->must_copy = t->must_copy || m == UV_EINVAL;
  neap_bytes bytes = {.base = neap__inbuf_bytes(&from->in), .len = n};
  return neap__transfer_to_stream(t, bytes, due);
}

/* The source's socket has ended, or can't be read so. */
static int fill_failed(neap_transfer *t, int64_t n) {
  struct neap_stream *from = t->from_stream;
  if (n == UV_EINVAL || n == UV_ENOTSUP) {
    t->must_copy = true;
    return UV_ENOTSUP;
  }
  int end = n == 0 ? neap__stream_true_end(from) : (int)n;
  neap__stream_finish(from, end);
  return end;
}

/* Fills the pipe and drains it. UV_EAGAIN: the source has nothing. Waits for
   the target. */
static int try_step(neap_transfer *t, size_t most) {
  struct neap_stream *from = t->from_stream;
  uint64_t due;
  t->writing = true;
  int err = neap__stream_begin_write(t->to_stream, &due);
  if (err < 0)
    return err;
  t->writing = false;
  if (from->handle.closed) {
    err = UV_ECANCELED;
  } else if (t->to_stream->filter != NULL || from->filter != NULL) {
    err = UV_ENOTSUP;
  } else {
    int64_t n = neap__splice_fill(from->handle.rt->io, fd_of(from), most);
    if (n > 0)
      err = drain(t, (size_t)n, due);
    else
      err = n == UV_EAGAIN ? UV_EAGAIN : fill_failed(t, n);
  }
  neap__stream_end_write(t->to_stream);
  return err;
}

int neap__transfer_splice(neap_transfer *t, size_t most) {
  struct neap_stream *from = t->from_stream;
  int err = neap__handle_begin(&from->handle);
  uint64_t due = neap__stream_due(from, from->read_ns);
  while (err == 0) {
    if (from->claimed)
      return UV_EBUSY;
    if (neap_stream_buffered(from) > 0 || from->end != 0)
      return UV_ENOTSUP; /* this time */
    from->claimed = true;
    err = try_step(t, most);
    from->claimed = false;
    if (err != UV_EAGAIN || t->writing)
      break;
    err = neap__stream_wait_readable(from, due);
  }
  return err;
}
