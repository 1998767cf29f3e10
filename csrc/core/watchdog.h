/*
 * watchdog.h: who holds the loop. A thread of its own looks whether tasks are
 * switched or the loop sleeps; when neither happens for too long, it pokes the
 * loop's thread (preempt.h), whose signal handler says which task it is. A
 * binding then tells, at the next step of its code, where that is. If no step
 * comes, since the loop is held in C, the thread itself says what is known.
 */
#ifndef NEAP_CORE_WATCHDOG_H
#define NEAP_CORE_WATCHDOG_H

#include "core/task.h"

#include <uv.h>

/* What is known of the hold that goes on. */
enum neap_hold {
  NEAP_HOLD_NONE,
  NEAP_HOLD_ASKED, /* by a poke: who is it? */
  NEAP_HOLD_NOTED, /* the loop's thread has said who */
  NEAP_HOLD_SAID,  /* on stderr, as nobody came to tell more */
  NEAP_HOLD_TOLD   /* with all that is to be told */
};

/* A hold that was over before it was told. */
struct neap_held {
  uint64_t task;    /* its id; 0: it was no task, or it is not known which */
  uint64_t held_ns; /* for how long */
  bool said;        /* on stderr */
};

struct neap_watchdog {
  uint64_t limit_ns;
  bool runs; /* the thread does */
  bool stop; /* held by lock */
  uv_thread_t thread;
  uv_mutex_t lock;
  uv_cond_t wake;

  /* Written and read by both threads, atomically. */
  int hold;          /* enum neap_hold */
  uint64_t since_ns; /* when the hold was first seen */
  uint64_t switches; /* asked about: sched.switches then */

  /* Of the handler, before hold becomes NOTED. */
  uint64_t task;
  char text[200];

  /* Upward. describe: in the signal handler, says who task (NULL: the driver)
     is and sees to it that it tells more at its next step; on_missed: on the
     driver's stack. */
  void (*describe)(struct neap_rt *rt, const struct neap_task *task, char *out,
                   size_t size);
  void (*on_missed)(struct neap_rt *rt, const struct neap_held *held);
};

/* The loop is watched from now on: limit_ns > 0 is too long. Returns 0 or a
   negative UV_E*, with nothing watched. For the loop's thread. */
int neap__watchdog_start(struct neap_rt *rt, uint64_t limit_ns);

/* Harmless when nobody watches. */
void neap__watchdog_stop(struct neap_rt *rt);

/* For preempt.on_poke. */
void neap__watchdog_on_poke(struct neap_rt *rt);

/* The loop's thread is about to tell: for how long the loop has been held, or 0
   when there is nothing to tell any more. */
uint64_t neap__watchdog_take(struct neap_rt *rt);

#endif
