/* ready_linux.c: an epoll below libuv's; see ready.h. */
#include "io/ready.h"

#include "io/fd.h"
#include "io/handle.h"

#include <errno.h>
#include <sys/epoll.h>

/* Events that are fetched by one call. */
#define BATCH 16

/* A power of two. */
#define BUCKETS 64

/* A descriptor that somebody waits for. */
struct watched {
  struct neap_list link;    /* in its bucket */
  struct neap_list waiters; /* of struct neap_ready */
  int fd;
  uint32_t serial; /* no other of this watcher has or had it */
};

/* The epoll of a runtime. */
struct neap_watcher {
  struct neap_handle handle;
  uv_poll_t poll;
  int epoll;
  uint32_t serial;
  uint32_t nwaiters;
  struct neap_list buckets[BUCKETS];
};

static struct neap_ready *ready_of(struct neap_list *link) {
  return NEAP_LIST_ENTRY(link, struct neap_ready, link);
}

/* --- the watcher ------------------------------------------------------ */

static void on_closed(uv_handle_t *uv) {
  struct neap_watcher *w = uv->data;
  neap__fd_close(w->epoll);
  neap__handle_on_closed(uv);
}

/* At the runtime's end: who waited has been unwound, and the memory goes with
   the runtime. */
static void end(struct neap_handle *handle) {
  struct neap_watcher *w = NEAP_LIST_ENTRY(handle, struct neap_watcher, handle);
  handle->rt->io->watcher = NULL;
  uv_close((uv_handle_t *)&w->poll, on_closed);
}

static void on_epoll(uv_poll_t *poll, int status, int events);

static int open_epoll(struct neap_rt *rt, struct neap_watcher *w) {
  w->epoll = epoll_create1(EPOLL_CLOEXEC);
  if (w->epoll < 0)
    return uv_translate_sys_error(errno);
  int err = uv_poll_init(rt->loop, &w->poll, w->epoll);
  if (err < 0) {
    neap__fd_close(w->epoll);
    return err;
  }
  neap__handle_opened_uv(&w->handle, (uv_handle_t *)&w->poll);
  return uv_poll_start(&w->poll, UV_READABLE, on_epoll);
}

static const struct neap_handle_kind kind = {.what = "wait_fd's epoll"};

static int get_watcher(struct neap_rt *rt, struct neap_watcher **out) {
  struct neap_io *io;
  void *block;
  int err = neap__handle_io(rt, &io);
  if (err < 0 || io->watcher != NULL) {
    *out = err < 0 ? NULL : io->watcher;
    return err;
  }
  if (rt->closing)
    return NEAP_CLOSING;
  err = neap__handle_new(rt, sizeof(struct neap_watcher), end, &block);
  if (err < 0)
    return err;
  struct neap_watcher *w = block;
  w->handle.kind = &kind;
  for (int i = 0; i < BUCKETS; i++)
    neap__list_init(&w->buckets[i]);
  err = open_epoll(rt, w);
  if (err < 0) {
    neap__handle_close(&w->handle);
    neap__handle_unref(&w->handle);
    return err;
  }
  /* A host's loop may end while nobody waits. */
  uv_unref((uv_handle_t *)&w->poll);
  io->watcher = *out = w;
  return 0;
}

/* --- descriptors ------------------------------------------------------ */

static struct neap_list *bucket_of(struct neap_watcher *w, int fd) {
  return &w->buckets[(unsigned)fd % BUCKETS];
}

static struct watched *find(struct neap_watcher *w, int fd) {
  struct neap_list *head = bucket_of(w, fd), *link;
  for (link = head->next; link != head; link = link->next) {
    struct watched *watched = NEAP_LIST_ENTRY(link, struct watched, link);
    if (watched->fd == fd)
      return watched;
  }
  return NULL;
}

static int add(struct neap_watcher *w, int fd, struct watched **out) {
  struct neap_mem *mem = &w->handle.rt->mem;
  struct watched *watched = neap__mem_zalloc(mem, sizeof *watched);
  if (watched == NULL)
    return UV_ENOMEM;
  watched->fd = fd;
  watched->serial = ++w->serial;
  neap__list_init(&watched->waiters);
  neap__list_push(bucket_of(w, fd), &watched->link);
  *out = watched;
  return 0;
}

/* Nobody waits for it any more. It may have been closed meanwhile, and then the
   kernel has forgotten it. */
static void forget(struct neap_watcher *w, struct watched *watched) {
  epoll_ctl(w->epoll, EPOLL_CTL_DEL, watched->fd, NULL);
  neap__list_remove(&watched->link);
  neap__mem_free(&w->handle.rt->mem, watched, sizeof *watched);
}

static uint32_t wanted(const struct watched *watched) {
  const struct neap_list *link;
  uint32_t events = EPOLLONESHOT;
  for (link = watched->waiters.next; link != &watched->waiters;
       link = link->next) {
    int asked = ready_of((struct neap_list *)link)->events;
    events |= (asked & NEAP_READABLE) != 0 ? EPOLLIN | EPOLLRDHUP : 0;
    events |= (asked & NEAP_WRITABLE) != 0 ? EPOLLOUT : 0;
  }
  return events;
}

/*
 * Tells the kernel what is waited for. One shot: a descriptor that its owner
 * closes, while a copy of it lives on elsewhere, can't be taken out any more
 * (epoll(7), "Will closing a file descriptor ..."), and must not go on
 * reporting. The number may stand for another file since.
 */
static int arm(struct neap_watcher *w, struct watched *watched) {
  struct epoll_event event = {.events = wanted(watched)};
  event.data.u64 = (uint64_t)watched->serial << 32 | (uint32_t)watched->fd;
  if (epoll_ctl(w->epoll, EPOLL_CTL_MOD, watched->fd, &event) == 0)
    return 0;
  if (errno == ENOENT &&
      epoll_ctl(w->epoll, EPOLL_CTL_ADD, watched->fd, &event) == 0)
    return 0;
  return uv_translate_sys_error(errno);
}

static void remove_waiter(struct neap_watcher *w, struct neap_ready *ready) {
  neap__list_remove(&ready->link);
  if (--w->nwaiters == 0)
    uv_unref((uv_handle_t *)&w->poll);
}

int neap__ready_start(struct neap_rt *rt, struct neap_ready *ready) {
  struct neap_watcher *w;
  int err = get_watcher(rt, &w);
  if (err < 0)
    return err;
  struct watched *watched = find(w, ready->fd);
  if (watched == NULL)
    err = add(w, ready->fd, &watched);
  if (err < 0)
    return err;
  neap__list_push(&watched->waiters, &ready->link);
  if (w->nwaiters++ == 0)
    uv_ref((uv_handle_t *)&w->poll);
  err = arm(w, watched);
  if (err < 0) {
    neap__ready_stop(rt, ready);
    return err;
  }
  return 0;
}

void neap__ready_stop(struct neap_rt *rt, struct neap_ready *ready) {
  if (!neap__list_linked(&ready->link))
    return;
  struct neap_watcher *w = rt->io->watcher;
  struct watched *watched = find(w, ready->fd);
  remove_waiter(w, ready);
  if (neap__list_empty(&watched->waiters))
    forget(w, watched);
}

/* --- events ----------------------------------------------------------- */

/* An error or a hang-up makes every call on the descriptor return at once. */
static int translate(uint32_t events) {
  int result = 0;
  if ((events & (EPOLLERR | EPOLLHUP)) != 0)
    return NEAP_READABLE | NEAP_WRITABLE;
  if ((events & (EPOLLIN | EPOLLRDHUP)) != 0)
    result |= NEAP_READABLE;
  if ((events & EPOLLOUT) != 0)
    result |= NEAP_WRITABLE;
  return result;
}

/* on_ready may stop other waits, also the next in the list: each round looks
   at it anew. */
static bool tell_one(struct neap_watcher *w, struct watched *watched,
                     int events) {
  struct neap_list *link;
  for (link = watched->waiters.next; link != &watched->waiters;
       link = link->next) {
    struct neap_ready *ready = ready_of(link);
    int got = ready->events & events;
    if (got == 0)
      continue;
    neap__ready_stop(w->handle.rt, ready);
    ready->on_ready(ready, got);
    return true;
  }
  return false;
}

static void on_event(struct neap_watcher *w, const struct epoll_event *event) {
  int fd = (int)(uint32_t)event->data.u64;
  uint32_t serial = (uint32_t)(event->data.u64 >> 32);
  struct watched *watched;
  do {
    watched = find(w, fd);
    if (watched == NULL || watched->serial != serial)
      return;
  } while (tell_one(w, watched, translate(event->events)));
  arm(w, watched); /* for those who wait for something else */
}

static void on_epoll(uv_poll_t *poll, int status, int events) {
  struct neap_watcher *w = poll->data;
  struct epoll_event batch[BATCH];
  (void)status; /* epoll_wait itself tells */
  (void)events;
  int n = epoll_wait(w->epoll, batch, BATCH, 0);
  for (int i = 0; i < n; i++)
    on_event(w, &batch[i]);
}
