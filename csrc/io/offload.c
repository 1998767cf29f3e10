/* offload.c: a function of the caller's in the thread pool. */
#include "io/handle.h"
#include "io/job.h"

struct offload_job {
  struct neap_job job;
  int (*fn)(void *arg);
  void (*stop)(void *arg);
  void *arg;
};

static void work(struct neap_job *job) {
  struct offload_job *offload = NEAP_LIST_ENTRY(job, struct offload_job, job);
  job->result = offload->fn(offload->arg);
}

static void hurry(struct neap_job *job) {
  struct offload_job *offload = NEAP_LIST_ENTRY(job, struct offload_job, job);
  if (offload->stop != NULL)
    offload->stop(offload->arg);
}

int neap_offload(neap_rt *rt, int (*fn)(void *arg), void (*stop)(void *arg),
                 void *arg) {
  struct offload_job *offload;
  int err = neap__handle_enter(rt);
  if (err < 0)
    return err;
  err = neap__job_new(rt, "offload", NEAP_JOB_EFFECT, sizeof *offload,
                      (void **)&offload);
  if (err < 0)
    return err;
  offload->job.work = work;
  offload->job.hurry = hurry;
  offload->job.lane = NEAP_LANE_OFFLOAD;
  offload->fn = fn;
  offload->stop = stop;
  offload->arg = arg;
  int result = neap__job_run(&offload->job);
  neap__job_free(&offload->job);
  return result;
}
