/*
 * job.h: a function that runs in libuv's thread pool while a task waits. The
 * pool is shared with whoever else uses libuv in the process, so what neap has
 * there at a time is capped, and the rest queues here.
 *
 * A job is the request data of a wait object: its memory lives until both the
 * waiter and the pool have let go, and the function touches nothing else. When
 * the waiter is cancelled, a job that has not begun is dropped; one that has
 * begun is let go, or, when it has an effect, waited for.
 */
#ifndef NEAP_IO_JOB_H
#define NEAP_IO_JOB_H

#include "core/op.h"
#include "core/rt.h"

#include <uv.h>

enum neap_job_effect {
  NEAP_JOB_PURE,    /* nobody sees that it ran: let go on a cancel */
  NEAP_JOB_EFFECT,  /* changes something: once begun it is waited for */
  NEAP_JOB_SHIELDED /* waited for in any case */
};

/* The head of a job; what the function needs and brings comes behind it. */
struct neap_job {
  uv_work_t req;
  struct neap_list link; /* in the queue, until the pool gets it */
  /* In a pool thread. Sets result. */
  void (*work)(struct neap_job *job);
  /* On the loop's thread: nobody will look at the job any more, and the pool
     has let go of it. Frees what it brought. NULL: nothing to free. */
  void (*drop)(struct neap_job *job);
  int result; /* 0 or more, or a negative code; UV_ECANCELED until work ran */
  uint8_t effect;
  bool begun;   /* it was given to the pool */
  bool dropped; /* the waiter was sent away: drop is called, or was */
};

/*
 * To be called before anything of ours goes into libuv's pool: is there one?
 * Sets the caps in rt->io. Does not wait. Returns 0 or a negative UV_E*.
 */
int neap__job_pool(struct neap_rt *rt);

/*
 * A cleared job of size bytes, which begins with a struct neap_job. Does not
 * wait. The caller sets work and drop, runs it or not, and then gives it up
 * with neap__job_free. Returns 0 or UV_ENOMEM.
 */
int neap__job_new(struct neap_rt *rt, const char *what,
                  enum neap_job_effect effect, size_t size, void **out);

/*
 * Runs it. Waits. Returns what work left in result, or the code that ended the
 * wait: job->dropped says which, and then the job is not the caller's any more
 * but to free.
 */
int neap__job_run(struct neap_job *job);

/*
 * Runs it with nobody waiting: drop is called when it is done, and frees what
 * belongs to it. Does not wait. Returns 0, and the job is not the caller's any
 * more; or a negative code with nothing begun.
 */
int neap__job_detach(struct neap_job *job);

/* Gives the caller's share up. */
void neap__job_free(struct neap_job *job);

/* The wait object of a job: to end its wait from outside. */
struct neap_op *neap__job_op(struct neap_job *job);

/* Whether what can be done without a thread is to be left to the pool all the
   same (NEAP_FS=pool in the environment). */
bool neap__job_pool_only(void);

#endif
