/*
 * post.h: work that comes from other threads: a queue and a uv_async_t. The
 * only part of a runtime that another thread may touch.
 */
#ifndef NEAP_CORE_POST_H
#define NEAP_CORE_POST_H

#include "core/op.h"

struct neap_post_item;

struct neap_posts {
  uv_mutex_t lock; /* holds for head, tail, ops and open */
  struct neap_post_item *head, *tail;
  struct neap_list ops; /* to be woken; status is set already */
  bool open;
  bool has_lock;
  uv_async_t *uv;
};

/* Returns 0 or a negative UV_E*. */
int neap__post_init(struct neap_rt *rt);

/* No more posts are taken from here on; what was posted and not yet run is
   run. Wakes go on coming. On the driver's stack. */
void neap__post_refuse(struct neap_rt *rt);

/* Starts closing the uv handle. No wake will come any more. */
void neap__post_shutdown(struct neap_rt *rt);

/* After the uv handle is closed, when no thread posts any more: until then
   posts are refused. */
void neap__post_deinit(struct neap_rt *rt);

/* Makes the loop return from its poll. Async-signal-safe (uv_async_send). */
void neap__post_poke(struct neap_rt *rt);

/* Whether the loop is kept alive for what is posted. It must be while we run
   it; a host's own run may end. */
void neap__post_keep(struct neap_rt *rt, bool alive);

#endif
