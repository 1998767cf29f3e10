/* stream_read.c: the readers' side of connections: waiting for so much, and
   looking at it; libuv's side is stream.c's. */
#include "io/stream.h"

static enum neap_op_fate leave(struct neap_op *op) {
  struct neap_stream **stream = neap__op_data(op);
  (*stream)->reader = NULL;
  return NEAP_OP_GONE;
}

static const struct neap_op_kind read_kind = {
    .what = "conn:read", .describe = neap__stream_describe_reader};

/* Waits until bytes can pass the filter. The reader is busy with it. */
static int wait_filter(struct neap_stream *s, uint64_t due) {
  s->claimed = true;
  neap__handle_ref(&s->handle);
  int err = (*s->filter)->ready(s, due);
  s->claimed = false;
  if (err == 0 && s->handle.closed)
    err = UV_ECANCELED;
  neap__handle_unref(&s->handle);
  return err;
}

/* The time is over already: what the kernel has is taken once, and not waited
   for. */
static int glance(struct neap_stream *s) {
  struct neap_rt *rt = s->handle.rt;
  int err = neap__stream_arm(s);
  if (err < 0)
    return err;
  s->claimed = true;
  neap__handle_ref(&s->handle);
  neap__sched_want_poll(rt);
  neap__sched_yield(rt);
  s->claimed = false;
  err = s->handle.closed ? UV_ECANCELED : 0;
  neap__handle_unref(&s->handle);
  return err;
}

/* Waits until `want` bytes are there, or the end. UV_ECANCELED: the stream was
   closed, and its memory may be gone. */
static int wait_bytes(struct neap_stream *s, size_t want, uint64_t due) {
  struct neap_op *op;
  int err = 0;
  if (s->read_ns == 0) {
    err = glance(s);
    if (err < 0 || s->in.len >= want || s->end != 0)
      return err;
  }
  if (s->filter != NULL) {
    err = wait_filter(s, due);
    if (err < 0 || s->in.len >= want || s->end != 0)
      return err;
  }
  err = neap__op_new_until(s->handle.rt, read_kind.what, sizeof s, due, &op);
  if (err < 0)
    return err;
  neap__op_set_kind(op, &read_kind);
  err = neap__stream_arm(s);
  if (err < 0) {
    neap__op_free(op);
    return err;
  }
  struct neap_stream **stream = neap__op_data(op);
  *stream = s;
  op->cancel = leave;
  s->reader = op;
  s->want = want;
  s->claimed = true;
  neap__handle_ref(&s->handle);
  err = neap__op_await(op);
  s->claimed = false;
  if (err == 0 && s->handle.closed)
    err = UV_ECANCELED;
  neap__handle_unref(&s->handle);
  return err;
}

int neap__stream_wait_readable(struct neap_stream *s, uint64_t due_ns) {
  return wait_bytes(s, s->in.len + 1, due_ns);
}

/* What every read does before it looks. Waits. */
static int begin(struct neap_stream *s, uint64_t *due) {
  int err = neap__handle_begin(&s->handle);
  if (err < 0)
    return err;
  if (s->claimed)
    return UV_EBUSY;
  *due = neap__stream_due(s, s->read_ns);
  return 0;
}

/* The stream has ended: the first max bytes of what is left. */
static int rest(struct neap_stream *s, size_t max, neap_view *out) {
  if (s->in.len == 0 || s->end != UV_EOF)
    return s->end;
  *out = (neap_view){.base = neap__inbuf_bytes(&s->in),
                     .len = s->in.len < max ? s->in.len : max};
  return 0;
}

int neap_stream_peek_until(neap_stream *s, const char *delim, size_t dlen,
                           size_t max, neap_view *out) {
  uint64_t due;
  size_t from = 0;
  neap_view view;
  int err = begin(s, &due);
  while (err == 0) {
    bool found = neap__inbuf_until(&s->in, delim, dlen, &from, &view);
    /* Not found: all but the last dlen - 1 bytes are the record's for sure. */
    size_t least = found               ? view.len
                   : s->end != 0       ? s->in.len
                   : s->in.len >= dlen ? s->in.len - dlen + 1
                                       : 0;
    if (least > max)
      return UV_EMSGSIZE;
    if (found) {
      *out = view;
      return 0;
    }
    if (s->end != 0)
      return rest(s, SIZE_MAX, out);
    err = wait_bytes(s, s->in.len + 1, due);
  }
  return err;
}

int neap_stream_peek_line(neap_stream *s, neap_view *out) {
  return neap_stream_peek_until(s, "\n", 1, SIZE_MAX, out);
}

int neap_stream_peek_count(neap_stream *s, size_t n, neap_view *out) {
  uint64_t due;
  size_t least = n > 0 ? n : 1;
  int err = begin(s, &due);
  while (err == 0 && s->in.len < least && s->end == 0)
    err = wait_bytes(s, least, due);
  if (err < 0)
    return err;
  if (s->in.len < least)
    return rest(s, n, out);
  *out = (neap_view){.base = neap__inbuf_bytes(&s->in), .len = n};
  return 0;
}

int neap_stream_peek_some(neap_stream *s, size_t max, neap_view *out) {
  uint64_t due;
  int err = begin(s, &due);
  while (err == 0 && s->in.len == 0 && s->end == 0)
    err = wait_bytes(s, 1, due);
  if (err < 0)
    return err;
  if (s->in.len == 0)
    return s->end;
  *out = (neap_view){.base = neap__inbuf_bytes(&s->in),
                     .len = s->in.len < max ? s->in.len : max};
  return 0;
}

int neap_stream_peek_all(neap_stream *s, neap_view *out) {
  uint64_t due;
  int err = begin(s, &due);
  while (err == 0 && s->end == 0)
    err = wait_bytes(s, SIZE_MAX, due);
  if (err == 0 && s->end != UV_EOF)
    err = s->end;
  if (err < 0)
    return err;
  *out = (neap_view){.base = neap__inbuf_bytes(&s->in), .len = s->in.len};
  return 0;
}

int neap_stream_peek_number(neap_stream *s, neap_view *out) {
  uint64_t due;
  int err = begin(s, &due);
  while (err == 0) {
    neap__inbuf_take(&s->in, neap__inbuf_space(&s->in));
    bool at_end = s->end != 0;
    if (s->end != 0 && (s->in.len == 0 || s->end != UV_EOF))
      return s->end;
    if (neap__inbuf_number(&s->in, at_end, out))
      return 0;
    err = wait_bytes(s, s->in.len + 1, due);
  }
  return err;
}

void neap_stream_take(neap_stream *s, size_t n) {
  neap__inbuf_take(&s->in, n);
}

/* An empty buffer that is as the shared one becomes that again, if there is
   none now. */
void neap_stream_commit(neap_stream *s) {
  struct neap_rt *rt = s->handle.rt;
  if (s->in.len == 0 && s->in.capacity == NEAP_IO_SCRATCH &&
      rt->io->scratch == NULL) {
    rt->io->scratch = s->in.block;
    s->in = (struct neap_inbuf){0};
    return;
  }
  neap__inbuf_commit(&s->in, &rt->mem);
}

/* What a reader that waits holds is its own: others can't bring it back. */
void neap_stream_rewind(neap_stream *s) {
  if (!s->claimed)
    neap__inbuf_rewind(&s->in);
}

void neap_stream_consume(neap_stream *s, size_t n) {
  neap_stream_take(s, n);
  neap_stream_commit(s);
}

size_t neap_stream_buffered(const neap_stream *s) {
  return s->in.len + s->in.held;
}
