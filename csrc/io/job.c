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

/* One thread is left for what is not about files, and half of them for what
   is not a look-up: slow DNS must not hold files up. */
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
  io->dns_cap = threads > 1 ? threads / 2 : 1;
  return 0;
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

static void submit_queued(struct neap_rt *rt);

/* Whoever waits is woken; what is left of a job that was let go is freed. */
static void finish(struct neap_job *job, int status) {
  struct neap_op *op = neap__op_of(job);
  if (neap__op_abandoned(op) && job->drop != NULL)
    job->drop(job);
  neap__op_wake(op, status);
}

static void on_done(uv_work_t *req, int status) {
  struct neap_job *job = NEAP_LIST_ENTRY(req, struct neap_job, req);
  struct neap_rt *rt = neap__op_of(job)->rt;
  rt->io->fs_jobs--;
  rt->uv_handles--;
  submit_queued(rt);
  finish(job, status < 0 ? status : job->result);
}

static void submit(struct neap_rt *rt, struct neap_job *job) {
  int err = uv_queue_work(rt->loop, &job->req, on_work, on_done);
  assert(err == 0); /* it fails only without a function to run */
  (void)err;
  job->begun = true;
  rt->io->fs_jobs++;
  rt->uv_handles++;
}

static void submit_queued(struct neap_rt *rt) {
  struct neap_io *io = rt->io;
  while (io->fs_jobs < io->fs_cap) {
    struct neap_list *link = neap__list_pop(&io->fs_waiters);
    if (link == NULL)
      return;
    submit(rt, NEAP_LIST_ENTRY(link, struct neap_job, link));
  }
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
  if (begun && job->effect == NEAP_JOB_EFFECT)
    return NEAP_OP_STAYS;
  job->dropped = true;
  return NEAP_OP_LATE;
}

int neap__job_run(struct neap_job *job) {
  struct neap_op *op = neap__op_of(job);
  struct neap_rt *rt = op->rt;
  int err = neap__job_pool(rt);
  if (err < 0)
    return err;
  op->cancel = call_off;
  neap__list_push(&rt->io->fs_waiters, &job->link);
  submit_queued(rt);
  return neap__op_park(op);
}

int neap__job_detach(struct neap_job *job) {
  struct neap_op *op = neap__op_of(job);
  struct neap_rt *rt = op->rt;
  int err = neap__job_pool(rt);
  if (err < 0)
    return err;
  op->cancel = call_off;
  op->done = true; /* as if its wait had been called off */
  neap__list_push(&rt->io->fs_waiters, &job->link);
  submit_queued(rt);
  neap__op_unref(op);
  return 0;
}
