/* ready_none.c: waiting by libuv's polls; see ready.h. A descriptor becomes
   non-blocking, and can be waited for once at a time. */
#include "io/ready.h"

#include "io/handle.h"

struct polled {
  struct neap_handle handle;
  uv_poll_t poll;
  struct neap_ready *ready; /* NULL: the wait is over */
};

static void end(struct neap_handle *handle) {
  struct polled *polled = NEAP_LIST_ENTRY(handle, struct polled, handle);
  uv_close((uv_handle_t *)&polled->poll, neap__handle_on_closed);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  struct polled *polled = poll->data;
  struct neap_ready *ready = polled->ready;
  int got = status < 0 ? ready->events : events & ready->events;
  neap__ready_stop(polled->handle.rt, ready);
  ready->on_ready(ready, got);
}

static void finish(struct polled *polled) {
  neap__handle_close(&polled->handle);
  neap__handle_unref(&polled->handle);
}

int neap__ready_start(struct neap_rt *rt, struct neap_ready *ready) {
  void *block;
  int err = neap__handle_new(rt, sizeof(struct polled), end, &block);
  if (err < 0)
    return err;
  struct polled *polled = block;
  err = uv_poll_init(rt->loop, &polled->poll, ready->fd);
  if (err < 0) {
    neap__handle_unref(&polled->handle);
    return err;
  }
  neap__handle_opened_uv(&polled->handle, (uv_handle_t *)&polled->poll);
  err = uv_poll_start(&polled->poll, ready->events, on_poll);
  if (err < 0) {
    finish(polled);
    return err;
  }
  polled->ready = ready;
  ready->poll = polled;
  return 0;
}

void neap__ready_stop(struct neap_rt *rt, struct neap_ready *ready) {
  struct polled *polled = ready->poll;
  (void)rt;
  if (polled == NULL)
    return;
  ready->poll = NULL;
  polled->ready = NULL;
  finish(polled);
}
