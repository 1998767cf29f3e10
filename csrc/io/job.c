/* job.c: functions in libuv's thread pool; the idea is in job.h. */
#include "io/job.h"

#include "io/handle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* libuv's own: its default and its limit (threadpool.c). */
#define POOL_THREADS     4
#define POOL_THREADS_MAX 1024

bool neap__job_pool_only(void) {
  const char *fs = getenv("NEAP_FS");
  return fs != NULL && strcmp(fs, "pool") == 0;
}

/* How many threads libuv's pool has, read as libuv reads it. */
static uint32_t pool_threads(void) {
  const char *size = getenv("UV_THREADPOOL_SIZE");
  long n = size != NULL ? strtol(size, NULL, 10) : POOL_THREADS;
  if (n < 1)
    return 1;
  return n < POOL_THREADS_MAX ? (uint32_t)n : POOL_THREADS_MAX;
}

static void stand_by(void *arg) {
  uv_sem_wait(arg);
}

/*
 * libuv starts all its threads at the first job and aborts the process when
 * one can't be started. So as many threads are tried first, at the same time.
 */
static int try_threads(struct neap_rt *rt, uint32_t n) {
  uv_sem_t go;
  int err = uv_sem_init(&go, 0);
  if (err < 0)
    return err;
  size_t size = n * sizeof(uv_thread_t);
  uv_thread_t *threads = neap__mem_alloc(&rt->mem, size);
  if (threads == NULL)
    err = UV_ENOMEM;
  uint32_t started = 0;
  while (err == 0 && started < n) {
    err = uv_thread_create(&threads[started], stand_by, &go);
    started += err == 0;
  }
  for (uint32_t i = 0; i < started; i++)
    uv_sem_post(&go);
  for (uint32_t i = 0; i < started; i++)
    uv_thread_join(&threads[i]);
  neap__mem_free(&rt->mem, threads, size);
  uv_sem_destroy(&go);
  return err;
}

/* One thread is left for what is not about files, half of them for what is not
   a look-up or the script's own, and one for files: none of the three can hold
   another one up. */
int neap__job_pool(struct neap_rt *rt) {
  struct neap_io *io;
  int err = neap__handle_io(rt, &io);
  if (err < 0 || io->fs_cap > 0)
    return err;
  uint32_t threads = pool_threads();
  err = try_threads(rt, threads);
  if (err < 0)
    return err;
#ifdef NEAP_HOSTILE
  threads = 1;
#endif
  io->fs_cap = threads > 1 ? threads - 1 : 1;
  io->dns_cap = io->offload_cap = threads > 1 ? threads / 2 : 1;
  io->other_cap = io->fs_cap;
  return 0;
}

bool neap__job_has_room(const struct neap_io *io, enum neap_job_lane lane) {
  uint32_t others = io->dns_jobs + io->offload_jobs;
  switch (lane) {
  case NEAP_LANE_FS:
    return io->fs_jobs < io->fs_cap;
  case NEAP_LANE_DNS:
    return io->dns_jobs == 0 ||
           (io->dns_jobs < io->dns_cap && others < io->other_cap);
  default:
    return io->offload_jobs == 0 ||
           (io->offload_jobs < io->offload_cap && others < io->other_cap);
  }
}

int neap__job_new(struct neap_rt *rt, const char *what,
                  enum neap_job_effect effect, size_t size, void **out) {
  struct neap_op *op;
  int err = neap__op_new(rt, what, size, &op);
  if (err < 0)
    return err;
  struct neap_job *job = neap__op_data(op);
  job->effect = effect;
  job->result = UV_ECANCELED;
  *out = job;
  return 0;
}

void neap__job_free(struct neap_job *job) {
  if (job == NULL)
    return;
  struct neap_op *op = neap__op_of(job);
  if (op->cancel == NULL) /* it was never handed out */
    neap__op_free(op);
  else
    neap__op_unref(op);
}

struct neap_op *neap__job_op(struct neap_job *job) {
  return neap__op_of(job);
}

static void on_work(uv_work_t *req) {
  struct neap_job *job = NEAP_LIST_ENTRY(req, struct neap_job, req);
  job->work(job);
}

/* Whoever waits is woken; what is left of a job that was let go is freed. */
static void finish(struct neap_job *job, int status) {
  struct neap_op *op = neap__op_of(job);
  if (neap__op_abandoned(op) && job->drop != NULL)
    job->drop(job);
  if (job->done != NULL)
    job->done(job);
  neap__op_wake(op, status);
}

static uint32_t *count_of(struct neap_io *io, const struct neap_job *job) {
  return job->lane == NEAP_LANE_OFFLOAD ? &io->offload_jobs : &io->fs_jobs;
}

static void on_done(uv_work_t *req, int status) {
  struct neap_job *job = NEAP_LIST_ENTRY(req, struct neap_job, req);
  struct neap_rt *rt = neap__op_of(job)->rt;
  --*count_of(rt->io, job);
  rt->uv_handles--;
  neap__job_next(rt);
  finish(job, status < 0 ? status : job->result);
}

static void submit(struct neap_rt *rt, struct neap_job *job) {
  int err = uv_queue_work(rt->loop, &job->req, on_work, on_done);
  assert(err == 0); /* it fails only without a function to run */
  (void)err;
  job->begun = true;
  ++*count_of(rt->io, job);
  rt->uv_handles++;
}

static void submit_queued(struct neap_rt *rt, enum neap_job_lane lane,
                          struct neap_list *queue) {
  while (neap__job_has_room(rt->io, lane)) {
    struct neap_list *link = neap__list_pop(queue);
    if (link == NULL)
      return;
    submit(rt, NEAP_LIST_ENTRY(link, struct neap_job, link));
  }
}

void neap__job_next(struct neap_rt *rt) {
  struct neap_io *io = rt->io;
  submit_queued(rt, NEAP_LANE_FS, &io->fs_waiters);
  submit_queued(rt, NEAP_LANE_OFFLOAD, &io->offload_waiters);
  if (io->dns_next != NULL)
    io->dns_next(rt);
}

/* The waiter is cancelled. */
static enum neap_op_fate call_off(struct neap_op *op) {
  struct neap_job *job = neap__op_data(op);
  if (job->effect == NEAP_JOB_SHIELDED)
    return NEAP_OP_STAYS;
  if (neap__list_linked(&job->link)) {
    neap__list_remove(&job->link);
    job->dropped = true;
    if (job->drop != NULL)
      job->drop(job);
    return NEAP_OP_GONE;
  }
  /* One that no thread has begun yet comes back to on_done at once. */
  bool begun = uv_cancel((uv_req_t *)&job->req) < 0;
  if (begun && job->effect == NEAP_JOB_EFFECT) {
    if (job->hurry != NULL)
      job->hurry(job);
    return NEAP_OP_STAYS;
  }
  job->dropped = true;
  return NEAP_OP_LATE;
}

/* Queues it; see neap__job_run. */
static int hand_out(struct neap_job *job) {
  struct neap_op *op = neap__op_of(job);
  struct neap_rt *rt = op->rt;
  int err = neap__job_pool(rt);
  if (err < 0)
    return err;
  op->cancel = call_off;
  neap__list_push(job->lane == NEAP_LANE_OFFLOAD ? &rt->io->offload_waiters
                                                 : &rt->io->fs_waiters,
                  &job->link);
  neap__job_next(rt);
  return 0;
}

int neap__job_run(struct neap_job *job) {
  int err = hand_out(job);
  return err < 0 ? err : neap__op_park(neap__op_of(job));
}

int neap__job_start(struct neap_job *job) {
  int err = hand_out(job);
  if (err == 0)
    neap__op_unref(neap__op_of(job));
  return err;
}

bool neap__job_retract(struct neap_job *job) {
  if (neap__list_linked(&job->link)) {
    neap__list_remove(&job->link);
    finish(job, UV_ECANCELED);
    return true;
  }
  return uv_cancel((uv_req_t *)&job->req) == 0;
}

struct step_job {
  struct neap_job job;
  int (*step)(void *state);
  void *state;
};

static void work_step(struct neap_job *job) {
  struct step_job *step = NEAP_LIST_ENTRY(job, struct step_job, job);
  job->result = step->step(step->state);
}

int neap__job_step(struct neap_rt *rt, const char *what,
                   enum neap_job_effect effect, int (*step)(void *state),
                   void *state) {
  struct step_job *job = NULL;
  assert(effect != NEAP_JOB_PURE);
  int err = effect == NEAP_JOB_SHIELDED ? 0 : neap__handle_enter(rt);
  if (err == 0)
    err = neap__job_new(rt, what, effect, sizeof *job, (void **)&job);
  if (err < 0)
    return err;
  job->job.work = work_step;
  job->step = step;
  job->state = state;
  int result = neap__job_run(&job->job);
  neap__job_free(&job->job);
  return result;
}

int neap__job_repeat(struct neap_rt *rt, const char *what,
                     enum neap_job_effect effect, int (*step)(void *state),
                     void *state) {
  int result;
  do {
    result = neap__job_step(rt, what, effect, step, state);
  } while (result == 1);
  return result;
}
