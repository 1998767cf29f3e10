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

/* Bytes that one read of libuv's may bring. */
#ifdef NEAP_HOSTILE
#define NEAP_IO_SCRATCH ((size_t)23)
#else
#define NEAP_IO_SCRATCH ((size_t)64 * 1024)
#endif

/* The I/O layer's part of a runtime. All-zero but the list heads. */
struct neap_io {
  struct neap_list handles; /* every one whose memory lives */
  uint32_t nopen;           /* of them, those whose resource has not ended */

  /* stream.c: what libuv reads into while a stream has nothing buffered, of
     NEAP_IO_SCRATCH bytes, or NULL; whether SIGPIPE was looked after. */
  char *scratch;
  bool sigpipe;

  /* job.c and dns.c: what is in libuv's thread pool now, and who waits for a
     place there (DESIGN 6: each kind has a cap). */
  uint32_t fs_jobs, dns_jobs;
  uint32_t fs_cap, dns_cap; /* 0: the pool was not looked at yet */
  struct neap_list fs_waiters, dns_waiters;

  /* fs_fast_linux.c: calls that this kernel lacks or a filter forbids. */
  bool no_fast_open, no_fast_read;

  /* tls.c: what all TLS streams share, or NULL; how it is freed. */
  struct neap_tls_shared *tls;
  void (*tls_free)(struct neap_rt *rt);
};

struct neap_handle {
  struct neap_list link; /* in io->handles */
  struct neap_rt *rt;
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

/*
 * A cleared block of size bytes that begins with a struct neap_handle, which
 * is not open yet. The caller owns a share. Returns 0 or UV_ENOMEM.
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

/* The same for a call on handle; UV_EBADF when it is closed (and its memory
   may be gone). */
int neap__handle_begin(struct neap_handle *handle);

#endif
