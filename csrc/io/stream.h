/*
 * stream.h: a connection: any uv_stream_t that is read and written by tasks.
 *
 * Reading: one scratch buffer per loop, so that an idle connection owns none;
 * reading is armed at the first read and stays so, without a system call per
 * message, until more than a high-water mark lies here unread.
 *
 * Writing: tried at once; what the kernel does not take is copied, a piece at
 * a time, and waited for. The copy outlives the wait, should that be called
 * off.
 */
#ifndef NEAP_IO_STREAM_H
#define NEAP_IO_STREAM_H

#include "io/addr.h"
#include "io/handle.h"
#include "io/inbuf.h"

struct neap_stream;

/*
 * What stands between what is written and read and what goes over the wire:
 * TLS (tls.c). A stream without one is plain. Its functions are called by
 * stream.c and stream_write.c alone; those that don't wait may run in libuv's
 * callbacks.
 */
struct neap_filter {
  /* Waits until bytes can pass, until due_ns at most. Waits. Returns 0 or a
     code; the caller holds a share of the stream, which may be closed then. */
  int (*ready)(struct neap_stream *stream, uint64_t due_ns);
  /* n bytes came off the wire: puts what they say into stream->in. Returns 0
     or what the stream has ended with. */
  int (*received)(struct neap_stream *stream, const char *bytes, size_t n);
  /* The wire has ended with `end` (UV_EOF or an error): what that means. */
  int (*ended)(struct neap_stream *stream, int end);
  /* Turns n bytes into *wire, which is borrowed until the next wait. All of it
     must be sent, whatever becomes of the writer. Returns 0 or a code. */
  int (*encode)(struct neap_stream *stream, const char *bytes, size_t n,
                neap_bytes *wire);
  /* The same for the mark that no more will come. */
  int (*encode_end)(struct neap_stream *stream, neap_bytes *wire);
  /* Some of what was encoded can't be sent, for err: nothing can follow it. */
  void (*lost)(struct neap_stream *stream, int err);
  /* The stream is closing: the filter frees itself. */
  void (*close)(struct neap_stream *stream);
  /* Whether a task waits in ready. */
  bool (*waited)(const struct neap_stream *stream);
  /* Static text that says more than err does, or NULL. */
  const char *(*reason)(const struct neap_stream *stream, int err);
};

struct neap_stream {
  struct neap_handle handle;

  /* Reading. */
  struct neap_inbuf in;
  struct neap_op *reader; /* parked until `want` bytes are there, or NULL */
  size_t want;
  int end;      /* what comes behind the last byte: 0, UV_EOF or an error */
  bool claimed; /* a task is in the middle of a read that waits */
  bool armed;   /* libuv reads */
  bool probing; /* libuv only tells that there is something to be read */

  /* Connecting, writing and shutting down: one task at a time. */
  bool busy;
  bool shut;                /* nothing more will be written */
  bool reset;               /* is to end with a reset */
  struct neap_list writers; /* who waits for its turn */
  struct neap_op *request;  /* what libuv is asked for, if it is waited for */

  uint64_t read_ns, write_ns; /* how long each may take, or NEAP_NEVER */

  /* What the bytes pass through, a pointer to the constant functions that its
     own state begins with; or NULL. */
  const struct neap_filter **filter;
  union neap_addr remote; /* the peer's; all-zero: it has no IP address */

  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } uv;
};

/* A write to a dead peer must fail with EPIPE, not kill the process: gives
   SIGPIPE an empty handler where it has none, once. */
void neap__stream_handle_sigpipe(struct neap_io *io);

/* A stream of libuv's kind type (UV_TCP, UV_NAMED_PIPE) without a descriptor
   yet. The caller owns it. Returns 0 or a negative UV_E*. */
int neap__stream_new(struct neap_rt *rt, uv_handle_type type,
                     struct neap_stream **out);

/* Has libuv read. Returns 0 or a negative UV_E*. */
int neap__stream_arm(struct neap_stream *stream);

/*
 * Waits until the socket of a stream that is claimed and `probing` has
 * something to be read, and leaves it there. Waits, until due_ns at most; it is
 * not claimed after that. Returns 0 or a code; UV_ECANCELED: it was closed.
 */
int neap__stream_wait_readable(struct neap_stream *stream, uint64_t due_ns);

/* What a read of the socket that says "end" means: UV_EOF, or an error that has
   not been told yet. */
int neap__stream_true_end(struct neap_stream *stream);

/* Nothing more will be received: end is what comes behind the last byte. Wakes
   the reader. */
void neap__stream_finish(struct neap_stream *stream, int end);

/* When what may take ns from now on is due. */
uint64_t neap__stream_due(const struct neap_stream *stream, uint64_t ns);

/*
 * Writing in two steps, stream_write.c, for what must be done with the bytes
 * before anybody waits: they are handed over at once, then that is waited for.
 */
struct neap_handed {
  size_t sent;        /* the kernel has taken these */
  size_t rest;        /* libuv has these, behind them */
  struct neap_op *op; /* whoever waits for the rest; NULL: there is none */
};

/* Waits for the turn to write. Waits, until *due_ns at most, which is set.
   Returns 0, and neap__stream_end_write ends it; or a code. */
int neap__stream_begin_write(struct neap_stream *stream, uint64_t *due_ns);
void neap__stream_end_write(struct neap_stream *stream);

/* Hands some of the n > 0 bytes over, at least one. Does not wait. Returns 0,
   or a code: those of *out that were sent are gone all the same. */
int neap__stream_hand(struct neap_stream *stream, const char *bytes, size_t n,
                      uint64_t due_ns, struct neap_handed *out);

/* Waits for the rest, whose op it is. Waits. Returns 0; UV_ETIMEDOUT,
   or a NEAP_* code: it is on its way all the same; or how it failed. */
int neap__stream_settle(struct neap_stream *stream, struct neap_op *op);

/* Whether libuv has nothing of it that is still to be written. */
static inline bool neap__stream_is_clear(const struct neap_stream *stream) {
  return uv_stream_get_write_queue_size(&stream->uv.stream) == 0;
}

/* What dumps say: of connections; of waits whose request is one of libuv's
   about a stream; and of those whose request data is the stream's address. */
extern const struct neap_handle_kind neap__stream_kind;
void neap__stream_describe(const struct neap_op *op, char *out, size_t size);
void neap__stream_describe_reader(const struct neap_op *op, char *out,
                                  size_t size);

/*
 * Waits for op, a request that libuv has and will answer by waking it, whatever
 * happens here. Closing the stream ends the wait. Waits. Returns the answer or
 * the code that ended the wait, and gives the waiter's share of op up. The
 * caller holds a share of the stream.
 */
int neap__stream_await(struct neap_stream *stream, struct neap_op *op);

#endif
