/* stream.c: reading and closing connections; the idea is in stream.h. */
#include "io/stream.h"

#include "core/mem.h"
#include "core/waitq.h"

#include <signal.h>

/* Reading pauses while more lies unread and nobody waits for it. */
#define HIGH_WATER NEAP_IO_SCRATCH

/* The least room for a read that goes on behind bytes that are there. */
#ifdef NEAP_HOSTILE
#define ROOM ((size_t)1)
#else
#define ROOM ((size_t)1024)
#endif

static struct neap_stream *stream_of(struct neap_handle *handle) {
  return NEAP_LIST_ENTRY(handle, struct neap_stream, handle);
}

/* --- opening and closing -------------------------------------------------- */

static void on_sigpipe(int signum) {
  (void)signum;
}

/*
 * A write to a dead peer must fail with EPIPE, not kill the process. libuv
 * writes without MSG_NOSIGNAL, so the signal needs a handler, where nobody has
 * one; ignoring it would be passed on to every child.
 */
void neap__stream_handle_sigpipe(struct neap_io *io) {
  struct sigaction now;
  if (io->sigpipe)
    return;
  io->sigpipe = true;
  if (sigaction(SIGPIPE, NULL, &now) != 0 || (now.sa_flags & SA_SIGINFO) != 0 ||
      now.sa_handler != SIG_DFL)
    return;
  struct sigaction action = {.sa_flags = SA_RESTART};
  action.sa_handler = on_sigpipe;
  sigemptyset(&action.sa_mask);
  sigaction(SIGPIPE, &action, NULL); /* fails for no signal that exists */
}

static void wake_reader(struct neap_stream *s, int status) {
  struct neap_op *op = s->reader;
  s->reader = NULL;
  if (op != NULL)
    neap__op_wake(op, status);
}

/* Closing: neap_handle's end. */
static void end(struct neap_handle *handle) {
  struct neap_stream *s = stream_of(handle);
  neap__inbuf_deinit(&s->in, &handle->rt->mem);
  wake_reader(s, UV_ECANCELED);
  neap__waitq_wake_all(&s->writers, UV_ECANCELED);
  if (s->request != NULL)
    neap__op_interrupt(s->request, UV_ECANCELED);
  if (s->filter != NULL)
    (*s->filter)->close(s);
  if (s->reset && uv_tcp_close_reset(&s->uv.tcp, neap__handle_on_closed) == 0)
    return;
  uv_close(&s->uv.handle, neap__handle_on_closed);
}

int neap__stream_new(struct neap_rt *rt, uv_handle_type type,
                     struct neap_stream **out) {
  void *block;
  int err = neap__handle_new(rt, sizeof(struct neap_stream), end, &block);
  if (err < 0)
    return err;
  struct neap_stream *s = block;
  s->handle.kind = &neap__stream_kind;
  neap__stream_handle_sigpipe(rt->io);
  neap__list_init(&s->writers);
  s->read_ns = s->write_ns = NEAP_NEVER;
  if (type == UV_TCP)
    err = uv_tcp_init(rt->loop, &s->uv.tcp);
  else
    err = uv_pipe_init(rt->loop, &s->uv.pipe, 0);
  if (err < 0) {
    neap__handle_unref(&s->handle);
    return err;
  }
  neap__handle_opened_uv(&s->handle, &s->uv.handle);
  *out = s;
  return 0;
}

void neap_stream_close(neap_stream *stream) {
  if (stream == NULL)
    return;
  neap__handle_close(&stream->handle);
  neap__handle_unref(&stream->handle);
}

void neap_stream_reset(neap_stream *stream) {
  if (stream == NULL)
    return;
  stream->reset = stream->uv.handle.type == UV_TCP;
  neap_stream_close(stream);
}

/* --- waiting for libuv ---------------------------------------------------- */

uint64_t neap__stream_due(const struct neap_stream *s, uint64_t ns) {
  /* Most have no limit: they pay for no look at the clock. */
  return ns == NEAP_NEVER ? ns : neap__timer_after(s->handle.rt, ns);
}

/* libuv can't be asked to forget a request, but it always answers. */
static enum neap_op_fate let_go(struct neap_op *op) {
  (void)op;
  return NEAP_OP_LATE;
}

int neap__stream_await(struct neap_stream *s, struct neap_op *op) {
  op->cancel = let_go;
  s->request = op;
  int err = neap__op_park(op);
  s->request = NULL;
  neap__op_unref(op);
  return err;
}

/* --- libuv's side of reading ---------------------------------------------- */

static void disarm(struct neap_stream *s) {
  uv_read_stop(&s->uv.stream);
  s->armed = false;
}

/* What libuv reads into: the shared buffer, or, behind bytes that are there and
   came as they are, room next to them. Without memory it reports UV_ENOBUFS and
   reads nothing. */
static void on_alloc(uv_handle_t *uv, size_t suggested, uv_buf_t *buf) {
  struct neap_stream *s = uv->data;
  struct neap_rt *rt = s->handle.rt;
  char *base;
  size_t size = NEAP_IO_SCRATCH;
  (void)suggested;
  if (s->probing) { /* reported as UV_ENOBUFS: there is something */
    *buf = uv_buf_init(NULL, 0);
    return;
  }
  if (s->in.len + s->in.held > 0 && s->filter == NULL) {
    base = neap__inbuf_reserve(&s->in, &rt->mem, ROOM, &size);
  } else {
    if (rt->io->scratch == NULL)
      rt->io->scratch = neap__mem_alloc(&rt->mem, NEAP_IO_SCRATCH);
    base = rt->io->scratch;
  }
#ifdef NEAP_HOSTILE
  size = 1;
#endif
  *buf = uv_buf_init(base, base == NULL ? 0 : (unsigned int)size);
}

/* From so many bytes on the shared buffer itself is handed over: that costs
   less than copying them. */
#define ADOPTED (NEAP_IO_SCRATCH / 2)

/* n bytes stand where on_alloc said. When there is no memory to copy them to,
   the shared buffer is handed over, too: nothing received is lost. */
static void keep(struct neap_stream *s, const char *base, size_t n) {
  struct neap_rt *rt = s->handle.rt;
  char *scratch = rt->io->scratch;
  if (base != scratch) {
    neap__inbuf_filled(&s->in, n);
  } else if (n >= ADOPTED ||
             neap__inbuf_append(&s->in, &rt->mem, scratch, n) < 0) {
    neap__inbuf_adopt(&s->in, &rt->mem, scratch, NEAP_IO_SCRATCH, n);
    rt->io->scratch = NULL;
  }
}

/*
 * What libuv calls the end may be a reset: when a connection is reset right
 * behind its last bytes, libuv (1.44) reads those, sees POLLHUP and reports
 * UV_EOF without asking. The socket still knows.
 */
int neap__stream_true_end(struct neap_stream *s) {
  uv_os_fd_t fd;
  int error = 0;
  socklen_t len = sizeof error;
  if (uv_fileno(&s->uv.handle, &fd) == 0 &&
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error != 0)
    return uv_translate_sys_error(error);
  return UV_EOF;
}

void neap__stream_finish(struct neap_stream *s, int end) {
  disarm(s);
  s->end = end;
  wake_reader(s, 0);
}

/* Bytes have come. */
static void receive(struct neap_stream *s, const char *base, size_t n) {
  int end = 0;
  if (s->filter == NULL)
    keep(s, base, n);
  else
    end = (*s->filter)->received(s, base, n);
  if (end != 0) {
    neap__stream_finish(s, end);
    return;
  }
  if (s->in.len >= s->want)
    wake_reader(s, 0);
  if (s->in.len > HIGH_WATER && s->reader == NULL)
    disarm(s);
}

static void on_read(uv_stream_t *uv, ssize_t n, const uv_buf_t *buf) {
  struct neap_stream *s = uv->data;
  if (n == 0) /* as EAGAIN */
    return;
  if (n > 0) {
    receive(s, buf->base, (size_t)n);
    return;
  }
  if (n == UV_ENOBUFS && s->probing) {
    if (s->reader == NULL) /* it would be told again and again */
      disarm(s);
    wake_reader(s, 0);
    return;
  }
  int end = n == UV_EOF       ? neap__stream_true_end(s)
            : n == UV_ENOBUFS ? UV_ENOMEM
                              : (int)n;
  if (s->filter != NULL) {
    neap__stream_finish(s, (*s->filter)->ended(s, end));
  } else if (n == UV_ENOBUFS) { /* this read fails, the stream is whole */
    disarm(s);
    wake_reader(s, UV_ENOMEM);
  } else {
    neap__stream_finish(s, end);
  }
}

int neap__stream_arm(struct neap_stream *s) {
  if (s->armed)
    return 0;
  int err = uv_read_start(&s->uv.stream, on_alloc, on_read);
  s->armed = err == 0;
  return err;
}
