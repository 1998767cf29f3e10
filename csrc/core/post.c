/* post.c: functions and wakes from other threads; the idea is in post.h. */
#include "core/post.h"

#include "core/rt.h"

struct neap_post_item {
  struct neap_post_item *next;
  neap_post_fn fn;
  void *arg;
};

/* Runs on the driver's stack, in the order of posting. */
static void run_all(struct neap_rt *rt) {
  struct neap_posts *posts = &rt->posts;
  uv_mutex_lock(&posts->lock);
  struct neap_post_item *item = posts->head;
  posts->head = posts->tail = NULL;
  struct neap_list ops;
  neap__list_init(&ops);
  for (struct neap_list *link; (link = neap__list_pop(&posts->ops)) != NULL;)
    neap__list_push(&ops, link);
  uv_mutex_unlock(&posts->lock);
  for (struct neap_list *link; (link = neap__list_pop(&ops)) != NULL;) {
    struct neap_op *op = NEAP_LIST_ENTRY(link, struct neap_op, link);
    neap_wake(op, op->posted_status);
  }
  while (item != NULL) {
    struct neap_post_item *next = item->next;
    item->fn(rt, item->arg);
    neap__mem_shared_free(item);
    item = next;
  }
}

static void on_async(uv_async_t *uv) {
  run_all(uv->data);
}

int neap__post_init(struct neap_rt *rt) {
  struct neap_posts *posts = &rt->posts;
  neap__list_init(&posts->ops);
  int err = uv_mutex_init(&posts->lock);
  if (err < 0)
    return err;
  posts->has_lock = true;
  uv_async_t *uv = neap__mem_zalloc(&rt->mem, sizeof *uv);
  if (uv == NULL)
    return UV_ENOMEM;
  err = uv_async_init(rt->loop, uv, on_async);
  if (err < 0) {
    neap__mem_free(&rt->mem, uv, sizeof *uv);
    return err;
  }
  uv->data = rt;
  posts->uv = uv;
  posts->open = true;
  rt->uv_handles++;
  return 0;
}

static void on_closed(uv_handle_t *handle) {
  struct neap_rt *rt = handle->data;
  neap__mem_free(&rt->mem, handle, sizeof(uv_async_t));
  rt->uv_handles--;
}

void neap__post_refuse(struct neap_rt *rt) {
  struct neap_posts *posts = &rt->posts;
  if (posts->uv == NULL)
    return;
  uv_mutex_lock(&posts->lock);
  posts->open = false;
  uv_mutex_unlock(&posts->lock);
  run_all(rt);
}

void neap__post_shutdown(struct neap_rt *rt) {
  struct neap_posts *posts = &rt->posts;
  uv_async_t *uv = posts->uv;
  if (uv == NULL)
    return;
  posts->uv = NULL; /* no signal handler pokes it any more */
  uv_close((uv_handle_t *)uv, on_closed);
}

void neap__post_deinit(struct neap_rt *rt) {
  if (rt->posts.has_lock)
    uv_mutex_destroy(&rt->posts.lock);
}

void neap__post_poke(struct neap_rt *rt) {
  uv_async_t *uv = rt->posts.uv;
  if (uv != NULL)
    uv_async_send(uv); /* documented to be async-signal-safe */
}

int neap_post(neap_rt *rt, neap_post_fn fn, void *arg) {
  struct neap_posts *posts = &rt->posts;
  struct neap_post_item *item = neap__mem_shared_alloc(sizeof *item);
  if (item == NULL)
    return UV_ENOMEM;
  item->next = NULL;
  item->fn = fn;
  item->arg = arg;
  uv_mutex_lock(&posts->lock);
  bool open = posts->open;
  if (open) {
    if (posts->tail != NULL)
      posts->tail->next = item;
    else
      posts->head = item;
    posts->tail = item;
    neap__post_poke(rt);
  }
  uv_mutex_unlock(&posts->lock);
  if (!open)
    neap__mem_shared_free(item);
  return open ? 0 : UV_ECANCELED;
}

void neap_wake_post(neap_wait *op, int status) {
  struct neap_posts *posts = &op->rt->posts;
  uv_mutex_lock(&posts->lock);
  op->posted_status = status;
  neap__list_push(&posts->ops, &op->link);
  neap__post_poke(op->rt);
  uv_mutex_unlock(&posts->lock);
}

void neap__post_keep(struct neap_rt *rt, bool alive) {
  uv_handle_t *uv = (uv_handle_t *)rt->posts.uv;
  if (uv == NULL)
    return;
  if (alive)
    uv_ref(uv);
  else
    uv_unref(uv);
}
