/*
 * transfer.c: from end to end. One rule makes it simple: nothing that was read
 * is held over a wait. First the source is waited for, then the turn to write;
 * then, at once, bytes are handed from the one to the other (what the kernel
 * does not take, libuv or the file's buffer gets), and only after that the
 * target is waited for. So neither end can be pulled away under the other, and
 * no buffer belongs to the transfer.
 */
#include "io/transfer.h"

#include "io/file.h"

/* The most that one step moves. */
#define STEP NEAP_IO_SCRATCH

/* --- the source ----------------------------------------------------------- */

/* Waits until there is something. Waits. Returns 0, UV_EOF or a code. */
static int wait_source(neap_transfer *t, size_t most) {
  neap_view view;
  if (t->from_stream != NULL)
    return neap_stream_peek_some(t->from_stream, most, &view);
  int err = neap_file_begin_read(t->from_file);
  if (err < 0)
    return err;
  err = neap_file_peek_count(t->from_file, 1, &view);
  neap_file_end(t->from_file);
  return err;
}

/* What is there now, up to most bytes. Returns 0; UV_EAGAIN: another task has
   taken it meanwhile; or a code. */
static int look(neap_transfer *t, size_t most, neap_bytes *out) {
  const struct neap_inbuf *in;
  int err = 0;
  if (t->from_stream != NULL) {
    in = &t->from_stream->in;
    err = t->from_stream->handle.closed ? UV_ECANCELED : 0;
  } else {
    neap_view view;
    in = &t->from_file->in;
    err = neap_file_try_read(t->from_file);
    if (err == 0)
      err = neap_file_peek_count(t->from_file, 1, &view);
    if (err == UV_EBADF) /* it was open a moment ago */
      err = UV_ECANCELED;
  }
  if (err < 0)
    return err;
  out->base = neap__inbuf_bytes(in);
  out->len = in->len < most ? in->len : most;
  return out->len > 0 ? 0 : UV_EAGAIN;
}

/* n of them are being handed over. A stream holds them until that is done: it
   is claimed. A file's next reader may come at once. */
static void take(neap_transfer *t, size_t n) {
  if (t->from_stream != NULL) {
    neap_stream_take(t->from_stream, n);
  } else {
    neap_file_take(t->from_file, n);
    neap_file_commit(t->from_file);
  }
}

/* n of those that were taken went. */
static void went(neap_transfer *t, size_t n) {
  t->moved += n;
  if (t->from_stream == NULL || t->from_stream->handle.closed)
    return;
  neap__inbuf_rewind(&t->from_stream->in);
  neap_stream_consume(t->from_stream, n);
}

/* --- the target ----------------------------------------------------------- */

/* Whether a wait was merely ended: what was handed over goes on its way. */
static bool goes_on(int err) {
  return err <= NEAP_CANCELLED || err == UV_ETIMEDOUT;
}

static int begin_target(neap_transfer *t, uint64_t *due) {
  return t->to_stream != NULL ? neap__stream_begin_write(t->to_stream, due)
                              : neap_file_begin_write(t->to_file);
}

static void end_target(neap_transfer *t) {
  if (t->to_stream != NULL)
    neap__stream_end_write(t->to_stream);
  else
    neap_file_end(t->to_file);
}

int neap__transfer_to_stream(neap_transfer *t, neap_bytes bytes, uint64_t due) {
  struct neap_handed handed;
  int err =
      neap__stream_hand(t->to_stream, bytes.base, bytes.len, due, &handed);
  take(t, handed.sent + handed.rest);
  if (handed.op != NULL)
    err = neap__stream_settle(t->to_stream, handed.op);
  went(t, handed.sent + (err == 0 || goes_on(err) ? handed.rest : 0));
  return err;
}

static int to_file(neap_transfer *t, neap_bytes bytes) {
  int err = neap_file_append(t->to_file, bytes.base, bytes.len);
  if (err < 0)
    return err;
  take(t, bytes.len);
  err = neap_file_put(t->to_file);
  went(t, err == 0 || goes_on(err) ? bytes.len : 0);
  return err;
}

/* --- a step --------------------------------------------------------------- */

/* By hand: the source's bytes are in its buffer. */
static int pass(neap_transfer *t, size_t most) {
  int err;
  do {
    uint64_t due = NEAP_NEVER;
    neap_bytes bytes;
    t->writing = false;
    err = wait_source(t, most);
    if (err < 0)
      return err;
    if (t->from_stream != NULL)
      t->from_stream->claimed = true;
    t->writing = true;
    err = begin_target(t, &due);
    if (err == 0) {
      err = look(t, most, &bytes);
      t->writing = err == 0;
      if (err == 0)
        err = t->to_stream != NULL ? neap__transfer_to_stream(t, bytes, due)
                                   : to_file(t, bytes);
      end_target(t);
    }
    if (t->from_stream != NULL)
      t->from_stream->claimed = false;
  } while (err == UV_EAGAIN && !t->writing);
  return err;
}

/* In the kernel where that can be had. Meanwhile libuv leaves what comes where
   it is; but for who waits for received bytes. */
static int step(neap_transfer *t, size_t most) {
  struct neap_stream *from = t->from_stream;
  int err = UV_ENOTSUP;
  if (from != NULL && t->to_stream != NULL && neap__transfer_can_splice(t)) {
    from->probing = true;
    err = neap__transfer_splice(t, most);
    if (err == UV_ENOTSUP && neap_stream_buffered(from) > 0)
      err = pass(t, most);
    from->probing = false;
  }
  return err == UV_ENOTSUP ? pass(t, most) : err;
}

static void share(const neap_transfer *t, bool hold) {
  struct neap_handle *ends[4] = {
      t->from_stream != NULL ? &t->from_stream->handle : NULL,
      t->to_stream != NULL ? &t->to_stream->handle : NULL,
      t->from_file != NULL ? &t->from_file->handle : NULL,
      t->to_file != NULL ? &t->to_file->handle : NULL,
  };
  for (int i = 0; i < 4; i++) {
    if (ends[i] != NULL && hold)
      neap__handle_ref(ends[i]);
    else if (ends[i] != NULL)
      neap__handle_unref(ends[i]);
  }
}

/* Whether both ends are there and open. */
static int check_ends(neap_transfer *t) {
  const neap_stream *from = t->from_stream, *to = t->to_stream;
  t->writing = false;
  if (from != NULL ? from->handle.closed
                   : t->from_file == NULL || neap_file_is_closed(t->from_file))
    return UV_EBADF;
  t->writing = true;
  if (to != NULL ? to->handle.closed
                 : t->to_file == NULL || neap_file_is_closed(t->to_file))
    return UV_EBADF;
  return 0;
}

int64_t neap_transfer_step(neap_rt *rt, neap_transfer *t) {
  uint64_t before = t->moved;
  int err = check_ends(t);
  if (err < 0)
    return err;
  if (t->moved >= t->limit) {
    err = neap__handle_enter(rt);
    return err < 0 ? err : 0;
  }
  size_t most = t->limit - t->moved < STEP ? t->limit - t->moved : STEP;
  share(t, true);
  err = step(t, most);
  share(t, false);
  if (err == UV_EOF)
    err = 0;
  return err < 0 ? err : (int64_t)(t->moved - before);
}
