/*
 * ready.h: waiting until a descriptor that is somebody else's is ready. libuv's
 * polls make what they poll non-blocking, for everybody who shares it, and
 * there is but one per descriptor; so these descriptors stand in an epoll of
 * their own, which libuv polls. Where there is none they are libuv's.
 */
#ifndef NEAP_IO_READY_H
#define NEAP_IO_READY_H

#include "core/list.h"
#include "core/rt.h"

/* One wait, part of what waits; all-zero: it has not begun. */
struct neap_ready {
  struct neap_list link; /* among those of its descriptor */
  int fd;
  int events; /* NEAP_READABLE, NEAP_WRITABLE: what is waited for */
  /* What has come, at least one of events: an error or a hang-up is all of
     them. Called once, on the driver's stack, when the wait is over. */
  void (*on_ready)(struct neap_ready *ready, int events);
  void *poll; /* the platform's */
};

/*
 * Begins the wait; fd must stay open meanwhile. Does not wait. Returns 0;
 * UV_EPERM for what is always ready, as regular files are; or a negative code.
 */
int neap__ready_start(struct neap_rt *rt, struct neap_ready *ready);

/* Calls it off. Harmless when it is over or has not begun. */
void neap__ready_stop(struct neap_rt *rt, struct neap_ready *ready);

#endif
