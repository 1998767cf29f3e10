/* watch.c: a watch's queue and its life; the idea is in watch.h. */
#include "io/watch.h"

#include "core/waitq.h"

#include <string.h>

/* Events that wait to be taken; those that come then are lost. As many as the
   kernel queues by default. */
#ifdef NEAP_HOSTILE
#define ITEMS_MOST 64
#else
#define ITEMS_MOST 16384
#endif

static const char *const kind_names[] = {"create", "change",   "remove",
                                         "rename", "overflow", "error"};

static struct neap_watch *watch_of(struct neap_handle *handle) {
  return NEAP_LIST_ENTRY(handle, struct neap_watch, handle);
}

static struct neap_watch_item *item_of(struct neap_list *link) {
  return NEAP_LIST_ENTRY(link, struct neap_watch_item, link);
}

static void free_item(struct neap_watch *watch, struct neap_watch_item *item) {
  if (item != NULL)
    neap__mem_free(&watch->handle.rt->mem, item, item->size);
}

/* --- telling -------------------------------------------------------- */

/* Writing a file is many changes in a row: one event is enough. */
static bool is_told(const struct neap_watch *watch, enum neap_watch_kind kind,
                    const char *path) {
  if (kind != NEAP_WATCH_CHANGE || neap__list_empty(&watch->items))
    return false;
  const struct neap_watch_item *last = item_of(watch->items.prev);
  return last->kind == kind && strcmp(last->path, path) == 0;
}

/* NULL: no memory. */
static struct neap_watch_item *new_item(struct neap_watch *watch,
                                        enum neap_watch_kind kind,
                                        const char *path, const char *from) {
  size_t path_size = strlen(path) + 1;
  size_t from_size = from != NULL ? strlen(from) + 1 : 0;
  size_t size = sizeof(struct neap_watch_item) + path_size + from_size;
  struct neap_watch_item *item = neap__mem_alloc(&watch->handle.rt->mem, size);
  if (item == NULL)
    return NULL;
  *item = (struct neap_watch_item){.size = (uint32_t)size,
                                   .len = (uint32_t)path_size - 1,
                                   .kind = (uint8_t)kind,
                                   .has_from = from != NULL};
  memcpy(item->path, path, path_size);
  if (from != NULL)
    memcpy(item->path + path_size, from, from_size);
  return item;
}

/* Queues an event; NULL when there is no room for it. */
static struct neap_watch_item *add(struct neap_watch *watch,
                                   enum neap_watch_kind kind, const char *path,
                                   const char *from) {
  struct neap_watch_item *item = NULL;
  if (watch->nitems < ITEMS_MOST && !watch->lost)
    item = new_item(watch, kind, path, from);
  if (item == NULL) {
    watch->lost = true;
  } else {
    neap__list_push(&watch->items, &item->link);
    watch->nitems++;
  }
  neap__waitq_wake_one(&watch->waiters, 0);
  return item;
}

void neap__watch_tell(struct neap_watch *watch, enum neap_watch_kind kind,
                      const char *path, const char *from) {
  if (!watch->ended && !is_told(watch, kind, path))
    add(watch, kind, path, from);
}

void neap__watch_fail(struct neap_watch *watch, const char *path, int err,
                      const char *limit) {
  if (watch->ended)
    return;
  struct neap_watch_item *item = add(watch, NEAP_WATCH_ERROR, path, NULL);
  if (item != NULL) {
    item->err = err;
    item->limit = limit;
  }
}

void neap__watch_overflow(struct neap_watch *watch) {
  watch->lost = true;
  neap__waitq_wake_one(&watch->waiters, 0);
}

void neap__watch_end(struct neap_watch *watch) {
  watch->ended = true;
  neap__waitq_wake_all(&watch->waiters, 0);
}

/* --- life ----------------------------------------------------------- */

static void on_end(struct neap_handle *handle) {
  struct neap_watch *watch = watch_of(handle);
  struct neap_list *link;
  if (watch->source != NULL)
    watch->source->end(watch);
  watch->source = NULL;
  while ((link = neap__list_pop(&watch->items)) != NULL)
    free_item(watch, item_of(link));
  free_item(watch, watch->shown);
  watch->shown = NULL;
  neap__mem_free(&handle->rt->mem, watch->root, watch->root_size);
  watch->root = NULL;
  if (watch->only != NULL)
    neap__mem_free(&handle->rt->mem, watch->only, strlen(watch->only) + 1);
  watch->only = NULL;
  neap__waitq_wake_all(&watch->waiters, UV_ECANCELED);
  neap__handle_gone(handle);
}

/* root is told without the slashes at its end. */
static int set_root(struct neap_watch *watch, const char *path) {
  size_t len = strlen(path);
  while (len > 1 && path[len - 1] == '/')
    len--;
  if (len == 0)
    return UV_ENOENT;
  char *root = neap__mem_alloc(&watch->handle.rt->mem, len + 1);
  if (root == NULL)
    return UV_ENOMEM;
  memcpy(root, path, len);
  root[len] = '\0';
  watch->root = root;
  watch->root_size = (uint32_t)len + 1;
  watch->prefix_len = (uint32_t)(root[len - 1] == '/' ? len : len + 1);
  return 0;
}

int neap_watch_open(neap_rt *rt, const char *path, neap_watch_options *options,
                    neap_watch **out) {
  neap_watch_options none = {.size = sizeof none};
  neap_watch_options *o = options != NULL ? options : &none;
  void *block;
  int err = neap__handle_enter(rt);
  if (err == 0)
    err = neap__handle_new(rt, sizeof(struct neap_watch), on_end, &block);
  if (err != 0)
    return err;
  struct neap_watch *watch = block;
  neap__list_init(&watch->items);
  neap__list_init(&watch->waiters);
  watch->recursive = o->recursive;
  neap__handle_opened(&watch->handle);
  err = set_root(watch, path);
  if (err == 0 && o->poll_ns > 0)
    err = neap__watch_poll_begin(watch, o->poll_ns);
  else if (err == 0)
    err = neap__watch_events_begin(watch, &o->limit);
  if (err < 0)
    neap_watch_close(watch);
  else
    *out = watch;
  return err;
}

/* Whether there is something to be told at once. */
static bool has_news(const struct neap_watch *watch) {
  return watch->nitems > 0 || watch->lost || watch->ended;
}

static void show(struct neap_watch *watch, neap_watch_event *out) {
  const struct neap_watch_item *item = watch->shown;
  bool is_below = item->len > watch->prefix_len && watch->only == NULL;
  const char *slash = strrchr(item->path, '/');
  const char *last = slash != NULL && slash[1] != '\0' ? slash + 1 : item->path;
  *out = (neap_watch_event){
      .kind = kind_names[item->kind],
      .path = item->path,
      .name = is_below ? item->path + watch->prefix_len : last,
      .from = item->has_from ? item->path + item->len + 1 : NULL,
      .err = item->err,
      .limit = item->limit,
      .overflow = item->kind == NEAP_WATCH_OVERFLOW,
  };
}

/* The next item, made if it is about what was lost. NULL: no memory even for
   that. */
static struct neap_watch_item *take(struct neap_watch *watch) {
  struct neap_list *link = neap__list_pop(&watch->items);
  if (link != NULL) {
    watch->nitems--;
    return item_of(link);
  }
  struct neap_watch_item *item =
      new_item(watch, NEAP_WATCH_OVERFLOW, watch->root, NULL);
  if (item != NULL)
    watch->lost = false;
  return item;
}

/* Takes what there is to tell: 1, 0 at the end, or UV_ENOMEM. */
static int take_news(struct neap_watch *watch, neap_watch_event *out) {
  int result = 0;
  if (watch->nitems > 0 || watch->lost) {
    struct neap_watch_item *item = take(watch);
    free_item(watch, watch->shown);
    watch->shown = item;
    if (item != NULL)
      show(watch, out);
    result = item != NULL ? 1 : UV_ENOMEM;
  }
  return result;
}

/* What is left is for the next one who waits. */
static void pass_on(struct neap_watch *watch) {
  if (watch->nitems > 0)
    neap__waitq_wake_one(&watch->waiters, 0);
}

int neap_watch_next(neap_watch *watch, uint64_t due_ns, neap_watch_event *out) {
  int err = neap__handle_begin(&watch->handle);
  if (err < 0)
    return err;
  neap__handle_ref(&watch->handle);
  while (err == 0 && !has_news(watch))
    err = neap__waitq_wait(watch->handle.rt, &watch->waiters, "watch", due_ns,
                           false);
  if (err == 0 && watch->handle.closed)
    err = UV_ECANCELED;
  int result = err == 0 ? take_news(watch, out) : err;
  pass_on(watch);
  neap__handle_unref(&watch->handle);
  return result;
}

int neap_watch_try(neap_watch *watch, bool woken, neap_watch_event *out) {
  if (watch->handle.closed)
    return woken ? UV_ECANCELED : UV_EBADF;
  if (!has_news(watch))
    return UV_EAGAIN;
  int result = take_news(watch, out);
  pass_on(watch);
  return result;
}

struct neap_list *neap_watch_queue(neap_watch *watch) {
  return &watch->waiters;
}

bool neap_watch_waited(const neap_watch *watch) {
  return !neap__list_empty(&watch->waiters);
}

void neap_watch_close(neap_watch *watch) {
  if (watch == NULL)
    return;
  neap__handle_close(&watch->handle);
  neap__handle_unref(&watch->handle);
}
