/* timer.c: the heap of due times; the idea is in timer.h. */
#include "core/timer.h"

#include "core/rt.h"

#include <assert.h>

#define NS_PER_MS ((uint64_t)1000 * 1000)

static bool before(const struct neap_timer_due *a,
                   const struct neap_timer_due *b) {
  if (a->due_ns != b->due_ns)
    return a->due_ns < b->due_ns;
  return (int32_t)(a->timer->order - b->timer->order) < 0;
}

static void put(struct neap_timers *timers, uint32_t i,
                struct neap_timer_due due) {
  timers->heap[i] = due;
  due.timer->place = i + 1;
}

static void sift_up(struct neap_timers *timers, uint32_t i,
                    struct neap_timer_due due) {
  while (i > 0 && before(&due, &timers->heap[(i - 1) / 2])) {
    put(timers, i, timers->heap[(i - 1) / 2]);
    i = (i - 1) / 2;
  }
  put(timers, i, due);
}

static void sift_down(struct neap_timers *timers, uint32_t i,
                      struct neap_timer_due due) {
  for (;;) {
    uint32_t child = 2 * i + 1;
    if (child >= timers->n)
      break;
    if (child + 1 < timers->n &&
        before(&timers->heap[child + 1], &timers->heap[child]))
      child++;
    if (!before(&timers->heap[child], &due))
      break;
    put(timers, i, timers->heap[child]);
    i = child;
  }
  put(timers, i, due);
}

static void on_timer(uv_timer_t *uv) {
  struct neap_rt *rt = uv->data;
  rt->timers.armed_ns = 0;
  neap__timer_fire_due(rt);
}

/* Sets the uv timer for the first due time, if it is not set for it or for an
   earlier one: an early callback costs less than setting it each time. */
static void arm(struct neap_rt *rt) {
  struct neap_timers *timers = &rt->timers;
  if (timers->n == 0) {
    if (timers->armed_ns != 0)
      uv_timer_stop(timers->uv);
    timers->armed_ns = 0;
    return;
  }
  uint64_t due = timers->heap[0].due_ns;
  if (due == NEAP_FOREVER || (timers->armed_ns != 0 && timers->armed_ns <= due))
    return;
  uv_update_time(rt->loop);
  uint64_t now = neap__clock_now(&rt->clock);
  uint64_t ms = due > now ? (due - now + NS_PER_MS - 1) / NS_PER_MS : 0;
  uv_timer_start(timers->uv, on_timer, ms, 0); /* fails without a callback */
  timers->armed_ns = due;
}

int neap__timer_init(struct neap_rt *rt) {
  uv_timer_t *uv = neap__mem_zalloc(&rt->mem, sizeof *uv);
  if (uv == NULL)
    return UV_ENOMEM;
  uv_timer_init(rt->loop, uv); /* always 0: libuv's documentation of timers */
  uv->data = rt;
  rt->timers.uv = uv;
  rt->uv_handles++;
  return 0;
}

static void on_closed(uv_handle_t *handle) {
  struct neap_rt *rt = handle->data;
  neap__mem_free(&rt->mem, handle, sizeof(uv_timer_t));
  rt->uv_handles--;
}

void neap__timer_deinit(struct neap_rt *rt) {
  struct neap_timers *timers = &rt->timers;
  neap__mem_free(&rt->mem, timers->heap,
                 timers->capacity * sizeof *timers->heap);
  timers->heap = NULL;
  timers->n = timers->capacity = 0;
  if (timers->uv != NULL)
    uv_close((uv_handle_t *)timers->uv, on_closed);
  timers->uv = NULL;
}

static int grow(struct neap_rt *rt) {
  struct neap_timers *timers = &rt->timers;
  if (timers->n < timers->capacity)
    return 0;
  size_t old = timers->capacity, new = old == 0 ? 16 : old * 2;
  if (new > UINT32_MAX / 2)
    return UV_ENOMEM;
  void *heap =
      neap__mem_realloc(&rt->mem, timers->heap, old * sizeof *timers->heap,
                        new * sizeof *timers->heap);
  if (heap == NULL)
    return UV_ENOMEM;
  timers->heap = heap;
  timers->capacity = (uint32_t) new;
  return 0;
}

int neap__timer_start(struct neap_rt *rt, struct neap_timer *timer,
                      uint64_t due_ns) {
  struct neap_timers *timers = &rt->timers;
  assert(timer->place == 0);
  int err = grow(rt);
  if (err < 0)
    return err;
  timer->order = timers->order++;
  sift_up(timers, timers->n++,
          (struct neap_timer_due){.due_ns = due_ns, .timer = timer});
  if (timer->place == 1)
    arm(rt);
  return 0;
}

void neap__timer_stop(struct neap_rt *rt, struct neap_timer *timer) {
  struct neap_timers *timers = &rt->timers;
  if (timer->place == 0)
    return;
  uint32_t i = timer->place - 1;
  timer->place = 0;
  struct neap_timer_due last = timers->heap[--timers->n];
  if (i != timers->n) {
    if (i > 0 && before(&last, &timers->heap[(i - 1) / 2]))
      sift_up(timers, i, last);
    else
      sift_down(timers, i, last);
  }
  if (timers->n == 0)
    arm(rt);
}

void neap__timer_fire_due(struct neap_rt *rt) {
  neap__timer_fire_until(rt, neap__clock_now(&rt->clock));
}

void neap__timer_fire_until(struct neap_rt *rt, uint64_t now) {
  struct neap_timers *timers = &rt->timers;
  while (timers->n > 0 && timers->heap[0].due_ns <= now) {
    struct neap_timer *timer = timers->heap[0].timer;
    neap__timer_stop(rt, timer);
    timer->fire(timer);
  }
  arm(rt);
}

uint64_t neap__timer_next(const struct neap_rt *rt) {
  return rt->timers.n > 0 ? rt->timers.heap[0].due_ns : NEAP_FOREVER;
}

uint64_t neap__timer_due(const struct neap_rt *rt,
                         const struct neap_timer *timer) {
  return rt->timers.heap[timer->place - 1].due_ns;
}

void neap__timer_rearm(struct neap_rt *rt) {
  rt->timers.armed_ns = 0;
  if (rt->timers.uv != NULL)
    arm(rt);
}

uint64_t neap__timer_after(const struct neap_rt *rt, uint64_t ns) {
  uint64_t now = neap__clock_now(&rt->clock);
  return ns < NEAP_FOREVER - now ? now + ns : NEAP_FOREVER;
}
