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

/* Each kind has a cap on what it has in the pool; see neap__job_has_room. */
enum neap_job_lane { NEAP_LANE_FS, NEAP_LANE_DNS, NEAP_LANE_OFFLOAD };

/* The head of a job; what the function needs and brings comes behind it. */
struct neap_job {
  uv_work_t req;
  struct neap_list link; /* in the queue, until the pool gets it */
  /* In a pool thread. Sets result. */
  void (*work)(struct neap_job *job);
  /* On the loop's thread: nobody will look at the job any more, and the pool
     has let go of it. Frees what it brought. NULL: nothing to free. */
  void (*drop)(struct neap_job *job);
  /* On the loop's thread, of a job that was started: it has come to its end. */
  void (*done)(struct neap_job *job);
  /* On the loop's thread: the waiter of a job with an effect that has begun is
     cancelled, and wants it to end. May come again. NULL: it can't be hurried.
   */
  void (*hurry)(struct neap_job *job);
  int result; /* 0 or more, or a negative code; UV_ECANCELED until work ran */
  uint8_t effect;
  uint8_t lane; /* enum neap_job_lane: files, unless set before it runs */
  bool begun;   /* it was given to the pool */
  bool dropped; /* the waiter was sent away: drop is called, or was */
};

/*
 * To be called before anything of ours goes into libuv's pool: is there one?
 * Sets the caps in rt->io. Does not wait. Returns 0 or a negative UV_E*.
 */
int neap__job_pool(struct neap_rt *rt);

/* Whether one more of that kind may go into the pool. For look-ups, which are
   libuv's jobs and not ours; then neap__job_next when one has come back. */
bool neap__job_has_room(const struct neap_io *io, enum neap_job_lane lane);

/* Gives the pool what waits for a place. */
void neap__job_next(struct neap_rt *rt);

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
 * Has it run while nobody waits, and gives it up: job->done is called once,
 * later. Does not wait. Returns 0, or a negative code with nothing changed.
 */
int neap__job_start(struct neap_job *job);

/* Takes back a job that was started. False: the pool is at work on it, or was.
   Else work will not run; done is called now or later. */
bool neap__job_retract(struct neap_job *job);

/*
 * Runs step(state) in a job. Waits. Unless effect is NEAP_JOB_SHIELDED the task
 * may be cancelled before it has begun; then it is waited for, so that state is
 * the caller's alone when this returns. Returns what step did, or the code that
 * ended the wait.
 */
int neap__job_step(struct neap_rt *rt, const char *what,
                   enum neap_job_effect effect, int (*step)(void *state),
                   void *state);

/* The same again and again, as long as step returns 1. */
int neap__job_repeat(struct neap_rt *rt, const char *what,
                     enum neap_job_effect effect, int (*step)(void *state),
                     void *state);

/* For how long such a step should work: the pool is for others, too, and a
   cancelled task waits for the step's end. */
#define NEAP_JOB_STEP_NS ((uint64_t)10 * 1000 * 1000)

/* Gives the caller's share up. */
void neap__job_free(struct neap_job *job);

/* The wait object of a job: to end its wait from outside. */
struct neap_op *neap__job_op(struct neap_job *job);

/* Whether what can be done without a thread is to be left to the pool all the
   same (NEAP_FS=pool in the environment). */
bool neap__job_pool_only(void);

#endif
