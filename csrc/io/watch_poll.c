/*
 * watch_poll.c: a watch that looks again and again: for where the kernel's
 * events don't reach, as on network mounts. Each time jobs in the pool make a
 * list of all that is there, which is then compared with the last one.
 */
#include "io/job.h"
#include "io/watch_list.h"

#include <string.h>

#define NS_PER_MS ((uint64_t)1000 * 1000)

/* What is looked at. A job's while it runs, else the source's. Shared
   memory. */
struct look {
  struct neap_watch_list before, now;
  struct neap_watch_diffs diffs;
  bool recursive;
  bool first; /* there is nothing to compare with yet */
  char root[];
};

/* The source's state. */
struct poll {
  struct neap_handle handle;
  uv_timer_t timer;
  uint64_t interval_ms;
  struct neap_watch *watch; /* NULL: it has let go */
  struct look *look;        /* NULL: a job has it */
  struct look_job *job;     /* under way, or NULL */
};

struct look_job {
  struct neap_job job;
  struct poll *poll; /* NULL: it has ended */
  struct look *look;
};

static void free_look(struct look *look) {
  if (look == NULL)
    return;
  neap__watch_list_free(&look->before);
  neap__watch_list_free(&look->now);
  neap__mem_shared_free(look->diffs.list);
  neap__mem_shared_free(look);
}

static int step(void *state) {
  struct look *look = state;
  int more = neap__watch_list_step(&look->now, look->root, look->recursive,
                                   uv_hrtime() + NEAP_JOB_STEP_NS);
  if (more == 0 && !look->first)
    more = neap__watch_list_compare(&look->before, &look->now, &look->diffs);
  return more;
}

/* The new list is the old one from now on. */
static void turn_over(struct look *look) {
  neap__watch_list_free(&look->before);
  look->before = look->now;
  memset(&look->now, 0, sizeof look->now);
  look->diffs.n = 0;
  look->first = false;
}

static void tell(const struct look *look, struct neap_watch *watch) {
  for (size_t i = 0; i < look->diffs.n; i++)
    neap__watch_tell(watch, look->diffs.list[i].kind, look->diffs.list[i].path,
                     NULL);
}

/* --- looking again -------------------------------------------------- */

static void on_timer(uv_timer_t *uv);

static void wait_again(struct poll *poll) {
  uv_timer_start(&poll->timer, on_timer, poll->interval_ms, 0);
}

/* All has been looked at, or it failed. */
static void looked(struct poll *poll, int err) {
  struct neap_watch *watch = poll->watch;
  struct look *look = poll->look;
  if (err == 0) {
    tell(look, watch);
    turn_over(look);
  } else if (err == UV_ENOENT) {
    neap__watch_tell(watch, NEAP_WATCH_REMOVE, watch->root, NULL);
    neap__watch_end(watch);
    return;
  } else {
    neap__watch_list_free(&look->now);
    look->diffs.n = 0;
    neap__watch_fail(watch, watch->root, err, NULL);
  }
  wait_again(poll);
}

static int start_job(struct poll *poll);

static void on_done(struct neap_job *job) {
  struct look_job *on = NEAP_LIST_ENTRY(job, struct look_job, job);
  struct poll *poll = on->poll;
  if (poll == NULL) {
    free_look(on->look);
    return;
  }
  poll->job = NULL;
  poll->look = on->look;
  int result = job->result;
  if (result == 1)
    result = start_job(poll);
  if (result != 1)
    looked(poll, result);
}

static void work_look(struct neap_job *job) {
  job->result = step(NEAP_LIST_ENTRY(job, struct look_job, job)->look);
}

/* Returns 1 or a negative code. */
static int start_job(struct poll *poll) {
  struct look_job *on;
  int err = neap__job_new(poll->handle.rt, "watch", NEAP_JOB_PURE, sizeof *on,
                          (void **)&on);
  if (err < 0)
    return err;
  on->job.work = work_look;
  on->job.done = on_done;
  on->poll = poll;
  on->look = poll->look;
  err = neap__job_start(&on->job);
  if (err < 0) {
    neap__job_free(&on->job);
    return err;
  }
  poll->look = NULL;
  poll->job = on;
  return 1;
}

static void on_timer(uv_timer_t *uv) {
  struct poll *poll = uv->data;
  int err = start_job(poll);
  if (err < 0)
    looked(poll, err);
}

/* --- life ----------------------------------------------------------- */

static void on_end(struct neap_handle *handle) {
  struct poll *poll = NEAP_LIST_ENTRY(handle, struct poll, handle);
  if (poll->watch != NULL)
    poll->watch->source = NULL;
  poll->watch = NULL;
  if (poll->job != NULL) {
    poll->job->poll = NULL;
    neap__job_retract(&poll->job->job);
  }
  poll->job = NULL;
  free_look(poll->look);
  poll->look = NULL;
  uv_close((uv_handle_t *)&poll->timer, neap__handle_on_closed);
}

static void end_watch(struct neap_watch *watch) {
  struct poll *poll = watch->state;
  poll->watch = NULL;
  neap__handle_close(&poll->handle);
  neap__handle_unref(&poll->handle);
}

static const struct neap_watch_source source = {.end = end_watch};

static struct look *new_look(const struct neap_watch *watch) {
  size_t size = strlen(watch->root) + 1;
  struct look *look = neap__mem_shared_alloc(sizeof *look + size);
  if (look == NULL)
    return NULL;
  memset(look, 0, sizeof *look);
  memcpy(look->root, watch->root, size);
  look->recursive = watch->recursive;
  look->first = true;
  return look;
}

/* The first list, with which the next one is compared. */
static int look_first(const struct neap_watch *watch, struct look **out) {
  struct look *look = new_look(watch);
  if (look == NULL)
    return UV_ENOMEM;
  int err =
      neap__job_repeat(watch->handle.rt, "watch", NEAP_JOB_EFFECT, step, look);
  if (err == 0 && watch->handle.closed)
    err = UV_ECANCELED;
  if (err < 0) {
    free_look(look);
    return err;
  }
  turn_over(look);
  *out = look;
  return 0;
}

int neap__watch_poll_begin(struct neap_watch *watch, uint64_t interval_ns) {
  struct neap_rt *rt = watch->handle.rt;
  struct look *look;
  void *block;
  int err = look_first(watch, &look);
  if (err < 0)
    return err;
  err = neap__handle_new(rt, sizeof(struct poll), on_end, &block);
  if (err < 0) {
    free_look(look);
    return err;
  }
  struct poll *poll = block;
  poll->look = look;
  poll->watch = watch;
  poll->interval_ms = (interval_ns + NS_PER_MS - 1) / NS_PER_MS;
  uv_timer_init(rt->loop, &poll->timer);
  neap__handle_opened_uv(&poll->handle, (uv_handle_t *)&poll->timer);
  watch->source = &source;
  watch->state = poll;
  wait_again(poll);
  return 0;
}
