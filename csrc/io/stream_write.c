/*
 * stream_write.c: writing: the kernel is tried first; of what it does not take
 * one piece is copied and left to libuv, and the writer waits until that is
 * gone, then tries again. So a writer whose peer does not read costs a piece
 * of memory, and a wait that is called off leaves a piece to libuv that owns
 * its bytes.
 */
#include "io/stream.h"

#include "core/waitq.h"

#include <string.h>

/* Bytes copied for libuv at a time. */
#ifdef NEAP_HOSTILE
#define PIECE ((size_t)23)
#else
#define PIECE ((size_t)64 * 1024)
#endif

/* Pieces handed to the kernel by one call: the array lies in a frame. */
#define VECTOR 8

/* How far a record has been written. */
struct record {
  const neap_bytes *pieces;
  size_t n;      /* pieces that are left */
  size_t offset; /* of the first one, already sent */
  size_t sent;
};

static void advance(struct record *r, size_t sent) {
  r->sent += sent;
  r->offset += sent;
  while (r->n > 0 && r->offset >= r->pieces->len) {
    r->offset -= r->pieces->len;
    r->pieces++;
    r->n--;
  }
}

/* --- one record at a time ------------------------------------------------- */

static void describe_turn(const struct neap_op *op, char *out, size_t size) {
  neap_stream_name(neap__waitq_object(op), out, size);
}

static const struct neap_op_kind turn_kind = {.what = "turn to write",
                                              .describe = describe_turn};

/* Waits for the stream's writers before us. Returns 0: it's our turn, and
   give_turn must follow. */
static int take_turn(struct neap_stream *s, uint64_t due) {
  if (!s->busy) {
    s->busy = true;
    return 0;
  }
  return neap__waitq_wait_on(s->handle.rt, &s->writers, &turn_kind, s, due,
                             true);
}

/* The first who waits is next; the turn is handed to it. */
static void give_turn(struct neap_stream *s) {
  s->busy = neap__waitq_wake_one(&s->writers, 0);
}

/* --- the kernel and libuv ------------------------------------------------- */

/* Sends what the kernel takes at once. Returns 0 or a negative UV_E*. */
static int try_now(struct neap_stream *s, struct record *r) {
  uv_buf_t bufs[VECTOR];
  unsigned int n = 0;
  for (; n < r->n && n < VECTOR; n++) {
    bufs[n].base = (char *)r->pieces[n].base; /* only read from */
    bufs[n].len = r->pieces[n].len;
  }
  bufs[0].base += r->offset;
  bufs[0].len -= r->offset;
#ifdef NEAP_HOSTILE
  bufs[0].len = 1;
  n = 1;
#endif
  int sent = uv_try_write(&s->uv.stream, bufs, n);
  if (sent >= 0)
    advance(r, (size_t)sent);
  return sent >= 0 || sent == UV_EAGAIN ? 0 : sent;
}

/* A copy on its way out: the data of an op. */
struct piece {
  uv_write_t req;
  char bytes[];
};

static void on_written(uv_write_t *req, int status) {
  neap__op_wake(neap__op_of(req), status);
}

static size_t copy_out(struct record r, char *to, size_t room) {
  size_t copied = 0;
  while (r.n > 0 && copied < room) {
    size_t n = r.pieces->len - r.offset;
    n = n < room - copied ? n : room - copied;
    memcpy(to + copied, r.pieces->base + r.offset, n);
    copied += n;
    advance(&r, n);
  }
  return copied;
}

static size_t left(const struct record *r, size_t at_most) {
  size_t sum = 0;
  for (size_t i = 0; i < r->n && sum < at_most + r->offset; i++)
    sum += r->pieces[i].len;
  sum -= r->offset;
  return sum < at_most ? sum : at_most;
}

static const struct neap_op_kind write_kind = {
    .what = "conn:write", .describe = neap__stream_describe};

/* Has libuv send the next size bytes of the record: *out is woken when they are
   gone. Returns 0 or a negative code. */
static int start_piece(struct neap_stream *s, const struct record *r,
                       size_t size, uint64_t due, struct neap_op **out) {
  struct neap_op *op;
  int err = neap__op_new_until(s->handle.rt, write_kind.what,
                               sizeof(struct piece) + size, due, &op);
  if (err < 0)
    return err;
  neap__op_set_kind(op, &write_kind);
  struct piece *piece = neap__op_data(op);
  copy_out(*r, piece->bytes, size);
  uv_buf_t buf = uv_buf_init(piece->bytes, (unsigned int)size);
  err = uv_write(&piece->req, &s->uv.stream, &buf, 1, on_written);
  if (err < 0)
    neap__op_free(op);
  else
    *out = op;
  return err;
}

static int await_piece(struct neap_stream *s, struct neap_op *op) {
  int err = neap__stream_await(s, op);
  return err == 0 && s->handle.closed ? UV_ECANCELED : err;
}

/* Has libuv send the next piece, of at_most bytes, and waits until it is gone.
   Waits. */
static int send_piece(struct neap_stream *s, struct record *r, size_t at_most,
                      uint64_t due) {
  struct neap_op *op;
  size_t size = left(r, at_most);
  int err = start_piece(s, r, size, due, &op);
  if (err < 0)
    return err;
  err = await_piece(s, op);
  /* A wait that ran out of time leaves the piece on its way. */
  if (err == 0 || err == UV_ETIMEDOUT)
    advance(r, size);
  return err;
}

/* The rest of a record: pieces by libuv, and what fits behind each. */
static int write_rest(struct neap_stream *s, struct record *r, uint64_t due) {
  int err = 0;
  while (err == 0 && r->n > 0) {
    err = send_piece(s, r, PIECE, due);
    if (err == 0 && r->n > 0)
      err = try_now(s, r);
  }
  return err;
}

/* --- through a filter ----------------------------------------------------- */

/* Whether a wait was merely ended: what libuv has been given goes out. */
static bool goes_on(int err) {
  return err <= NEAP_CANCELLED || err == UV_ETIMEDOUT || err == UV_ECANCELED;
}

/*
 * Sends what a filter has made. What the kernel does not take at once is left
 * to libuv whole: it must go out even if the writer's wait is called off. wire
 * is copied before anybody waits. Waits.
 */
static int send_wire(struct neap_stream *s, neap_bytes wire, uint64_t due) {
  struct record r = {.pieces = &wire, .n = 1};
  if (wire.len == 0)
    return 0;
  int err = try_now(s, &r);
  if (err == 0 && r.n > 0)
    err = send_piece(s, &r, wire.len, due);
  if (err < 0 && !goes_on(err) && !s->handle.closed)
    (*s->filter)->lost(s, err);
  return err;
}

/* The next plain bytes of a record, as many as one step takes: in place, or
   several small pieces side by side in the buffer that reads begin in. */
static neap_bytes next_plain(struct neap_stream *s, const struct record *r) {
  struct neap_rt *rt = s->handle.rt;
  size_t size = r->pieces->len - r->offset;
  neap_bytes plain = {.base = r->pieces->base + r->offset};
  if (size < NEAP_IO_SCRATCH && r->n > 1) {
    if (rt->io->scratch == NULL)
      rt->io->scratch = neap__mem_alloc(&rt->mem, NEAP_IO_SCRATCH);
    if (rt->io->scratch != NULL) { /* else a piece at a time will do */
      size = copy_out(*r, rt->io->scratch, NEAP_IO_SCRATCH);
      plain.base = rt->io->scratch;
    }
  }
  plain.len = size < PIECE ? size : PIECE;
  return plain;
}

static int write_filtered(struct neap_stream *s, struct record *r,
                          uint64_t due) {
  int err = (*s->filter)->ready(s, due);
  while (err == 0 && r->n > 0) {
    if (s->handle.closed)
      return UV_ECANCELED;
    neap_bytes plain = next_plain(s, r), wire;
    err = (*s->filter)->encode(s, plain.base, plain.len, &wire);
    if (err < 0)
      return err;
    err = send_wire(s, wire, due);
    if (err == 0 || err == UV_ETIMEDOUT)
      advance(r, plain.len);
  }
  return err;
}

/* The mark that no more will come. */
static int end_filtered(struct neap_stream *s, uint64_t due) {
  neap_bytes wire;
  int err = (*s->filter)->ready(s, due);
  if (err == 0 && s->handle.closed)
    err = UV_ECANCELED;
  if (err == 0)
    err = (*s->filter)->encode_end(s, &wire);
  if (err < 0)
    return err;
  err = send_wire(s, wire, due);
  return err == 0 && s->handle.closed ? UV_ECANCELED : err;
}

/* --- records -------------------------------------------------------------- */

/* The record, when others may be before it or the kernel takes only some. */
static int write_slowly(struct neap_stream *s, struct record *r) {
  uint64_t due = neap__stream_due(s, s->write_ns);
  neap__handle_ref(&s->handle);
  int err = take_turn(s, due);
  if (err == 0) {
    err = s->handle.closed    ? UV_ECANCELED
          : s->filter != NULL ? write_filtered(s, r, due)
                              : write_rest(s, r, due);
    give_turn(s);
  }
  neap__handle_unref(&s->handle);
  return err;
}

int neap_stream_write(neap_stream *s, const neap_bytes *pieces, size_t n,
                      size_t *sent) {
  struct record r = {.pieces = pieces, .n = n};
  *sent = 0;
  int err = neap__handle_begin(&s->handle);
  if (err < 0)
    return err;
  advance(&r, 0); /* past empty pieces */
  if (!s->busy && r.n > 0 && s->filter == NULL)
    err = try_now(s, &r);
  if (err == 0 && r.n > 0)
    err = write_slowly(s, &r);
  *sent = r.sent;
  return err;
}

/* --- in two steps --------------------------------------------------------- */

int neap__stream_begin_write(struct neap_stream *s, uint64_t *due_ns) {
  *due_ns = neap__stream_due(s, s->write_ns);
  neap__handle_ref(&s->handle);
  int err = take_turn(s, *due_ns);
  if (err < 0) {
    neap__handle_unref(&s->handle);
    return err;
  }
  if (!s->handle.closed && s->filter != NULL)
    err = (*s->filter)->ready(s, *due_ns);
  if (err == 0 && s->handle.closed)
    err = UV_ECANCELED;
  if (err < 0)
    neap__stream_end_write(s);
  return err;
}

void neap__stream_end_write(struct neap_stream *s) {
  give_turn(s);
  neap__handle_unref(&s->handle);
}

/* Through the filter: it takes all of a piece, or nothing. */
static int hand_filtered(struct neap_stream *s, neap_bytes plain, uint64_t due,
                         struct neap_handed *out) {
  neap_bytes wire;
  int err = (*s->filter)->encode(s, plain.base, plain.len, &wire);
  struct record r = {.pieces = &wire, .n = 1};
  if (err < 0)
    return err;
  if (wire.len > 0)
    err = try_now(s, &r);
  if (err == 0 && r.sent < wire.len)
    err = start_piece(s, &r, wire.len - r.sent, due, &out->op);
  if (err < 0) {
    (*s->filter)->lost(s, err);
    return err;
  }
  *(out->op != NULL ? &out->rest : &out->sent) = plain.len;
  return 0;
}

int neap__stream_hand(struct neap_stream *s, const char *bytes, size_t n,
                      uint64_t due_ns, struct neap_handed *out) {
  neap_bytes plain = {.base = bytes, .len = n};
  struct record r = {.pieces = &plain, .n = 1};
  *out = (struct neap_handed){0};
  if (s->filter != NULL) {
    plain.len = n < PIECE ? n : PIECE;
    return hand_filtered(s, plain, due_ns, out);
  }
  int err = try_now(s, &r);
  out->sent = r.sent;
  if (err < 0 || r.n == 0)
    return err;
  size_t rest = left(&r, PIECE);
  err = start_piece(s, &r, rest, due_ns, &out->op);
  if (err == 0)
    out->rest = rest;
  return err;
}

int neap__stream_settle(struct neap_stream *s, struct neap_op *op) {
  int err = await_piece(s, op);
  if (err < 0 && s->filter != NULL && !goes_on(err) && !s->handle.closed)
    (*s->filter)->lost(s, err);
  return err;
}

/* --- shutdown ------------------------------------------------------------- */

static void on_shutdown(uv_shutdown_t *req, int status) {
  neap__op_wake(neap__op_of(req), status);
}

static const struct neap_op_kind shutdown_kind = {
    .what = "conn:shutdown", .describe = neap__stream_describe};

static int shut_down(struct neap_stream *s, uint64_t due) {
  struct neap_op *op;
  if (s->shut)
    return 0;
  int err = s->filter != NULL ? end_filtered(s, due) : 0;
  if (err < 0)
    return err;
  err = neap__op_new_until(s->handle.rt, shutdown_kind.what,
                           sizeof(uv_shutdown_t), due, &op);
  if (err < 0)
    return err;
  neap__op_set_kind(op, &shutdown_kind);
  err = uv_shutdown(neap__op_data(op), &s->uv.stream, on_shutdown);
  if (err < 0) {
    neap__op_free(op);
    return err;
  }
  s->shut = true;
  err = neap__stream_await(s, op);
  if (err != UV_ENOTSOCK)
    return err;
  neap__handle_close(&s->handle); /* a pipe: it has no other direction */
  return 0;
}

int neap_stream_shutdown(neap_stream *s) {
  int err = neap__handle_begin(&s->handle);
  if (err < 0)
    return err;
  uint64_t due = neap__stream_due(s, s->write_ns);
  neap__handle_ref(&s->handle);
  err = take_turn(s, due);
  if (err == 0) {
    err = s->handle.closed ? UV_ECANCELED : shut_down(s, due);
    give_turn(s);
  }
  neap__handle_unref(&s->handle);
  return err;
}
