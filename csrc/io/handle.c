/* handle.c: shares and ends of what is opened; the idea is in handle.h. */
#include "io/handle.h"

#include "core/mem.h"
#include "core/sched.h"
#include "io/job.h"
#include "io/splice.h"

#include <assert.h>
#include <stdio.h>

static struct neap_handle *handle_of(struct neap_list *link) {
  return NEAP_LIST_ENTRY(link, struct neap_handle, link);
}

/* At the runtime's end: starts ending all that is open. */
static void close_all(struct neap_rt *rt) {
  struct neap_list *head = &rt->io->handles, *link = head->next;
  while (link != head) {
    struct neap_handle *handle = handle_of(link);
    link = link->next;
    neap__handle_close(handle);
  }
}

/* At the runtime's end, after the last close callback: shares that scripts
   and unwound tasks still hold don't count any more. */
static void free_all(struct neap_rt *rt) {
  struct neap_io *io = rt->io;
  struct neap_list *link;
  while ((link = neap__list_pop(&io->handles)) != NULL) {
    struct neap_handle *handle = handle_of(link);
    neap__mem_free(&rt->mem, handle, handle->size);
  }
  if (io->tls != NULL)
    io->tls_free(rt);
  neap__splice_close(io);
  neap__mem_free(&rt->mem, io->scratch, NEAP_IO_SCRATCH);
  neap__mem_free(&rt->mem, io->datagrams, NEAP_IO_DATAGRAMS);
  neap__mem_free(&rt->mem, io->seen, NEAP_IO_SEEN * sizeof *io->seen);
  neap__mem_free(&rt->mem, io, sizeof *io);
  rt->io = NULL;
}

static void info(struct neap_rt *rt, neap_figures *out) {
  const struct neap_io *io = rt->io;
  out->handles = io->nopen;
  out->jobs = (uint64_t)io->fs_jobs + io->dns_jobs + io->offload_jobs;
}

/* The runtime's io_active. */
static uint32_t count_active(struct neap_rt *rt) {
  struct neap_list *head = &rt->io->handles, *link;
  uint32_t n = rt->io->bare_uv;
  for (link = head->next; link != head; link = link->next) {
    const uv_handle_t *uv = handle_of(link)->uv;
    n += uv != NULL && uv_is_active(uv) && uv_has_ref(uv) && !uv_is_closing(uv);
  }
  return n;
}

/* The runtime's io_list. */
static void list(struct neap_rt *rt, bool (*line)(void *ud, const char *text),
                 void *ud) {
  struct neap_list *head = &rt->io->handles, *link;
  for (link = head->next; link != head; link = link->next) {
    const struct neap_handle *handle = handle_of(link);
    const struct neap_handle_kind *kind = handle->kind;
    char text[128], which[96] = "";
    if (!handle->open || handle->closed)
      continue;
    if (kind != NULL && kind->describe != NULL)
      kind->describe(handle, which, sizeof which);
    snprintf(text, sizeof text, "%s%s%s", kind != NULL ? kind->what : "handle",
             which[0] != '\0' ? " " : "", which);
    if (!line(ud, text))
      return;
  }
}

int neap__handle_io(struct neap_rt *rt, struct neap_io **out) {
  if (rt->io == NULL) {
    struct neap_io *io = neap__mem_zalloc(&rt->mem, sizeof *io);
    if (io == NULL)
      return UV_ENOMEM;
    neap__list_init(&io->handles);
    neap__list_init(&io->fs_waiters);
    neap__list_init(&io->dns_waiters);
    neap__list_init(&io->offload_waiters);
    io->no_fast_open = io->no_fast_read = neap__job_pool_only();
    rt->io = io;
    rt->io_close = close_all;
    rt->io_free = free_all;
    rt->io_info = info;
    rt->io_active = count_active;
    rt->io_list = list;
  }
  *out = rt->io;
  return 0;
}

bool neap__handle_full(const struct neap_rt *rt) {
  return rt->max_handles != 0 && rt->io != NULL &&
         rt->io->nopen >= rt->max_handles;
}

int neap__handle_new(struct neap_rt *rt, size_t size,
                     void (*end)(struct neap_handle *), void **out) {
  struct neap_io *io;
  int err = neap__handle_io(rt, &io);
  if (err < 0)
    return err;
  if (neap__handle_full(rt))
    return NEAP_ELIMIT;
  struct neap_handle *handle = neap__mem_zalloc(&rt->mem, size);
  if (handle == NULL)
    return UV_ENOMEM;
  handle->rt = rt;
  handle->end = end;
  handle->size = (uint32_t)size;
  handle->refs = 1;
  neap__list_push(&io->handles, &handle->link);
  *out = handle;
  return 0;
}

void neap__handle_opened(struct neap_handle *handle) {
  assert(!handle->open);
  handle->open = true;
  handle->rt->io->nopen++;
  neap__handle_ref(handle);
}

void neap__handle_opened_uv(struct neap_handle *handle, uv_handle_t *uv) {
  neap__handle_opened(handle);
  handle->rt->uv_handles++;
  handle->uv = uv;
  uv->data = handle;
}

void neap__handle_gone(struct neap_handle *handle) {
  assert(handle->open);
  handle->open = false;
  handle->rt->io->nopen--;
  neap__handle_unref(handle);
}

void neap__handle_on_closed(uv_handle_t *uv) {
  struct neap_handle *handle = uv->data;
  handle->uv = NULL;
  handle->rt->uv_handles--;
  neap__handle_gone(handle);
}

void neap__handle_close(struct neap_handle *handle) {
  if (handle == NULL || handle->closed)
    return;
  handle->closed = true;
  if (handle->open)
    handle->end(handle);
}

void neap__handle_free(struct neap_handle *handle) {
  neap__list_remove(&handle->link);
  neap__mem_free(&handle->rt->mem, handle, handle->size);
}

int neap__handle_enter(struct neap_rt *rt) {
  neap__sched_spend(rt);
  if (neap__op_check(rt) == 0)
    return 0;
  return neap__op_sleep(rt, 0); /* counts that the task went on all the same */
}

int neap__handle_buffer(uv_handle_t *uv, int bytes,
                        int (*size)(uv_handle_t *uv, int *value)) {
  int now = 0; /* asks */
  int err = bytes > 0 ? size(uv, &bytes) : 0;
  if (err == 0)
    err = size(uv, &now);
  return err < 0 ? err : now;
}

int neap__handle_begin(struct neap_handle *handle) {
  neap__handle_ref(handle); /* it may be closed while we yield */
  int err = neap__handle_enter(handle->rt);
  if (err == 0 && handle->closed)
    err = UV_EBADF;
  neap__handle_unref(handle);
  return err;
}
