/*
 * sched.h: who runs next. One FIFO ready queue; a turn runs every task that
 * was ready at its start once. The driver (the main C stack) runs turns; a
 * task that suspends goes back to the driver, which resumes the next one. The
 * main script is a task as well, whose stack is the driver's: its turn has
 * come when the driver returns to it.
 */
#ifndef NEAP_CORE_SCHED_H
#define NEAP_CORE_SCHED_H

#include "core/taskq.h"

struct neap_sched {
  struct neap_taskq ready;
  uint32_t nready;    /* preempted ones included */
  uint32_t turn_left; /* how many of them this turn still runs */
  bool turn_open;     /* a turn has begun and its end was not yet told */
  struct neap_taskq preempted; /* they wait for a turn, one in each */
  uint32_t npreempted;

  /* Whose C stack is running; NULL: the driver itself, where nobody waits. */
  struct neap_task *current;
  struct neap_task *main;
  void *driver_sp;
  struct neap_sanitize driver_sanitize;
  struct neap_sanitize *left; /* whose stack was left by the last switch */
  struct neap_exceptions driver_exceptions;
  struct neap_cxx cxx;

  int32_t budget;     /* calls the current task may still complete at once */
  uint64_t now_ns;    /* when this turn (or its part since a poll) began, on
                         the tasks' clock */
  uint64_t looked_ns; /* the same by uv_hrtime: for pacing the polls */
  uint64_t polled_ns;
  uint32_t resumes;    /* since the clock was last looked at */
  uint32_t look_after; /* so many resumes */
  bool deadlocked;     /* while main's wait is ended because nothing else is */
  uint32_t external;   /* waits that something outside the runtime ends */
  uint32_t timed;      /* of them, those that only time ends */

  struct neap_list tasks; /* every live task, main first */
  uint32_t ntasks;        /* of them, without main */
  uint32_t max_tasks;     /* ntasks may not pass it; 0: no limit */
  uint64_t next_id;
  uint64_t spawned, turns;
  uint64_t switches; /* main's included; watchdog.c reads it */
  uint32_t seed;     /* state of the shuffle; 0: first come, first served */
  /* Tasks of this turn that ran, and that could not for want of memory to save
     the frames in their way; in the turn before, nobody could. */
  uint32_t ran, stuck;
  bool starved;

  /* Upward: given by the modules that rank below, or by the binding. */
  void (*drive)(struct neap_rt *rt);            /* until it is main's turn */
  void (*on_end)(struct neap_task *task);       /* joins, scopes */
  void (*on_no_memory)(struct neap_task *task); /* its frames can't be saved */
  void (*on_turn_end)(struct neap_rt *rt, void *ud); /* or NULL */
  void *on_turn_end_ud;

  /* Somebody is ready while nobody runs; or NULL: nobody wants to know. */
  void (*on_ready)(struct neap_rt *rt);
  /* A turn is left off then, and not for a poll; UINT64_MAX: it is not left
     off at all; 0: for polls. */
  uint64_t deadline_ns;

  void (*hop)(struct neap_rt *rt); /* what the driver is to run for a task */
};

enum neap_turn {
  NEAP_TURN_DONE, /* nobody is ready, or none of those could run */
  NEAP_TURN_POLL, /* maybe not finished; the loop is to be polled */
  NEAP_TURN_MAIN  /* main is next: the driver returns to it */
};

/* How long tasks may run before libuv is polled. */
#define NEAP_POLL_NS ((uint64_t)100 * 1000)

/* Makes the main task; returns 0 or UV_ENOMEM. */
int neap__sched_init(struct neap_rt *rt);
void neap__sched_deinit(struct neap_rt *rt);

/*
 * A new task that runs fn(rt, arg) in a turn to come, on a stack as
 * neap__stack_reserve takes it, with extra cleared bytes of the caller's behind
 * it (neap__task_data). Does not wait.
 * Returns 0, or UV_ENOMEM or NEAP_ELIMIT with nothing made. *out is borrowed:
 * it is valid until the task has ended, or for as long as a share of it is
 * held.
 */
int neap__sched_spawn(struct neap_rt *rt, neap_task_fn fn, void *arg,
                      size_t stack, size_t extra, struct neap_task **out);

/* Whether a spawn would return NEAP_ELIMIT. */
static inline bool neap__sched_full(const struct neap_sched *sched) {
  return sched->max_tasks != 0 && sched->ntasks >= sched->max_tasks;
}

/* Runs tasks: the rest of a turn that was interrupted, or new turns until
   nobody is ready or could run, or the loop is to be polled. On the driver's
   stack only. */
enum neap_turn neap__sched_turn(struct neap_rt *rt);

/* Counts a resume; says whether it is time to poll libuv. */
bool neap__sched_poll_due(struct neap_rt *rt);

/* Has libuv polled before much else runs. */
void neap__sched_want_poll(struct neap_rt *rt);

/*
 * From now on the next task is any of those that the turn still runs, as the
 * numbers that follow seed say; 0: the first. Each of them still runs once.
 */
static inline void neap__sched_seed(struct neap_sched *sched, uint32_t seed) {
  sched->seed = seed;
}

/* Waits until somebody calls neap__sched_ready on the current task; that is
   op.c's business alone. */
void neap__sched_suspend(struct neap_rt *rt);

/* Puts a waiting task behind the ready ones. */
void neap__sched_ready(struct neap_task *task);

/* Waits for the other ready tasks to run. Not cancellable. */
void neap__sched_yield(struct neap_rt *rt);

/*
 * The current task, which has run for long without waiting, waits for the
 * others. From each turn on one such task is ready, behind those who wait for
 * less: who is woken waits for one slice at most, however many take theirs. Not
 * cancellable.
 */
void neap__sched_preempt(struct neap_rt *rt);

/*
 * Spends from the current task's budget of calls that complete at once, and
 * yields when it is used up, so that a loop of them can't hold the others up.
 * Waits. To be called at the start of a call, before anything is taken; not
 * cancellable.
 */
void neap__sched_spend(struct neap_rt *rt);

/* Runs fn on the driver's stack, from whichever stack this is. */
void neap__sched_on_driver(struct neap_rt *rt, void (*fn)(struct neap_rt *rt));

/* The current task is not gone on with any more: it stays as it is until the
   runtime is freed. Does not return. */
__attribute__((noreturn)) void neap__sched_drop(struct neap_rt *rt);

/* Forgets a suspended task that will not be gone on with: its frames go, its
   end is not told. */
void neap__sched_forget(struct neap_task *task);

#endif
