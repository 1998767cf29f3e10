/*
 * handle.h: the head of everything that is opened: the runtime it belongs to,
 * who still holds a share of its memory, and how it is ended. Shares are held
 * by whoever opened it (a script's object), by each task that waits on it, and
 * by the resource itself until it has ended (libuv writes into its handle
 * until the close callback). The memory goes with the last share, or with the
 * runtime, whose list holds every handle.
 */
#ifndef NEAP_IO_HANDLE_H
#define NEAP_IO_HANDLE_H

#include "core/list.h"
#include "core/op.h"
#include "core/rt.h"

#include <assert.h>
#include <uv.h>

struct neap_handle;

/* Bytes that one read of libuv's may bring. */
#ifdef NEAP_HOSTILE
#define NEAP_IO_SCRATCH ((size_t)23)
#else
#define NEAP_IO_SCRATCH ((size_t)64 * 1024)
#endif

/* Bytes that one read of a UDP socket's may bring: several datagrams, each with
   64 KiB of room, as libuv wants it (udp.c). */
#ifdef NEAP_HOSTILE
#define NEAP_IO_DATAGRAMS ((size_t)64 * 1024)
#else
#define NEAP_IO_DATAGRAMS ((size_t)16 * 64 * 1024)
#endif

/* A file system that was met. */
struct neap_mount {
  uint64_t id, dev; /* that of the mount; 0: none */
  bool local;       /* it tells at once what a file is */
};

/* A name that was found in the kernel's cache. */
struct neap_seen {
  uint64_t hash;
  uint64_t until_ns; /* sure to be there still */
};
/* Signals have smaller numbers. */
#define NEAP_SIGNALS 65

/* The I/O layer's part of a runtime. All-zero but the list heads. */
struct neap_io {
  struct neap_list handles; /* every one whose memory lives */
  uint32_t nopen;           /* of them, those whose resource has not ended */

  /* stream.c: what libuv reads into while a stream has nothing buffered, of
     NEAP_IO_SCRATCH bytes, or NULL; whether SIGPIPE was looked after. */
  char *scratch;
  bool sigpipe;

  /* udp.c: what libuv reads datagrams into, NEAP_IO_DATAGRAMS bytes, or NULL.
   */
  char *datagrams;

  /* job.c and dns.c: what is in libuv's thread pool now, and who waits for a
     place there: each kind has a cap. */
  uint32_t fs_jobs, dns_jobs, offload_jobs;
  uint32_t fs_cap, dns_cap, offload_cap; /* 0: the pool was not looked at yet */
  uint32_t other_cap;                    /* on dns and offload together */
  struct neap_list fs_waiters, dns_waiters, offload_waiters;
  void (*dns_next)(struct neap_rt *rt); /* NULL: nobody has looked a name up */

  /* dns_query_channel.c: those that are waited for. */
  struct neap_dns_channel *dns_channels;

  /* splice_linux.c: the ends of a pipe that is empty whenever a task waits;
     that it can't be had. */
  bool has_splice, no_splice;
  int splice_in, splice_out;

  struct neap_watcher *watcher; /* ready_linux.c: its epoll, or NULL */

  /* Active handles of libuv's that are ours and in no struct neap_handle. */
  uint32_t bare_uv;

  /* signal.c: by number, those that are listened to. */
  struct neap_signal_watch *signals[NEAP_SIGNALS];

  struct neap_tty *tty; /* tty.c: it is raw, or NULL */
  bool at_exit;         /* and is given back there */

  /* watch_events_linux.c: what all watches that are not recursive share. */
  struct neap_watch_events *watch_events;

  /* fs_fast_linux.c: calls that this kernel lacks or a filter forbids; file
     systems that were met, the next one goes to mounts[next_mount]. */
  bool no_fast_open, no_fast_read;
  uint8_t next_mount;
  struct neap_mount mounts[8];
  struct neap_seen
      *seen; /* NEAP_IO_SEEN names that were found cached, or NULL */

  /* tls.c: what all TLS streams share, or NULL; how it is freed. */
  struct neap_tls_shared *tls;
  void (*tls_free)(struct neap_rt *rt);
};

#define NEAP_IO_SEEN ((size_t)1024)
/* Static, and the same for all handles of a kind: what dumps say of them. */
struct neap_handle_kind {
  const char *what; /* "conn" */
  /* Writes which one it is ("127.0.0.1:80") to size > 0 bytes at out, or
     nothing. NULL: there is no more to say. */
  void (*describe)(const struct neap_handle *handle, char *out, size_t size);
};

/* What a call into the kernel's file system costs, and one more for how many
   bytes, in units of the budget: it is 128, and a call that copies nothing and
   waits for nothing costs one. */
#define NEAP_IO_COST       16
#define NEAP_IO_COST_BYTES ((size_t)2048)

struct neap_handle {
  struct neap_list link; /* in io->handles */
  struct neap_rt *rt;
  const struct neap_handle_kind *kind; /* NULL: just a handle */
  uv_handle_t *uv; /* libuv's, while that is open; NULL: none, or none that
                      keeps the loop alive by itself */
  /* Wakes the waiters with UV_ECANCELED and starts ending the resource;
     neap__handle_gone follows when it has ended, at once or later. Called
     once, never waits. */
  void (*end)(struct neap_handle *handle);
  uint32_t size; /* of the whole block */
  uint32_t refs;
  bool open;   /* the resource holds a share */
  bool closed; /* nothing new may be begun */
};

/* The I/O part, made at the first call. Returns 0 or UV_ENOMEM. */
int neap__handle_io(struct neap_rt *rt, struct neap_io **out);

/* Whether as many handles are open as may be. */
bool neap__handle_full(const struct neap_rt *rt);

/*
 * A cleared block of size bytes that begins with a struct neap_handle, which
 * is not open yet. The caller owns a share. Returns 0, UV_ENOMEM or
 * NEAP_ELIMIT.
 */
int neap__handle_new(struct neap_rt *rt, size_t size,
                     void (*end)(struct neap_handle *), void **out);

/* The resource is there (after uv_*_init, open): it takes a share. */
void neap__handle_opened(struct neap_handle *handle);

/* The same for libuv's handle uv, which is closed with
   neap__handle_on_closed; uv->data is the handle from now on. */
void neap__handle_opened_uv(struct neap_handle *handle, uv_handle_t *uv);

/* The resource has ended: gives its share up. */
void neap__handle_gone(struct neap_handle *handle);

/* What uv_close calls: libuv has let go, the handle is gone. */
void neap__handle_on_closed(uv_handle_t *uv);

/* Ends the resource, if nobody has; the caller keeps its share. NULL is
   harmless. Does not wait. */
void neap__handle_close(struct neap_handle *handle);

static inline void neap__handle_ref(struct neap_handle *handle) {
  handle->refs++;
}

/* Nobody holds a share any more. */
void neap__handle_free(struct neap_handle *handle);

/* Frees the memory with the last share. */
static inline void neap__handle_unref(struct neap_handle *handle) {
  assert(handle->refs > 0);
  if (--handle->refs == 0)
    neap__handle_free(handle);
}

/*
 * What a call that can wait does first: yields when the task's budget is used
 * up, then looks whether the task is cancelled. Waits. Returns 0 or the code
 * that the wait would have ended with.
 */
int neap__handle_enter(struct neap_rt *rt);

/*
 * Has the current task pay for a call that took longer than most and copied so
 * many bytes: the sooner one of its next calls yields. So that 64 tasks that
 * read cached files have a turn of a millisecond or two, as others have.
 */
static inline void neap__handle_charge(struct neap_rt *rt, size_t bytes) {
  rt->sched.budget -= NEAP_IO_COST + (int32_t)(bytes / NEAP_IO_COST_BYTES);
}

/*
 * The kernel's buffer for one direction of a socket: bytes > 0 asks for so much
 * first. size is uv_send_buffer_size or uv_recv_buffer_size. Returns what there
 * is, in bytes, or a negative UV_E*.
 */
int neap__handle_buffer(uv_handle_t *uv, int bytes,
                        int (*size)(uv_handle_t *uv, int *value));

/* The same for a call on handle; UV_EBADF when it is closed (and its memory
   may be gone). */
int neap__handle_begin(struct neap_handle *handle);

#endif
