/*
 * task.h: a task, the unit that waits: a stack of C frames, an entry function
 * and the few words that every other module keeps about it. One exists per
 * waiting task, so its size is held.
 */
#ifndef NEAP_CORE_TASK_H
#define NEAP_CORE_TASK_H

#include "core/cxx.h"
#include "core/list.h"
#include "core/mem.h"
#include "core/stack.h"
#include "include/neap.h"

#include <assert.h>
#include <stdint.h>

struct neap_op;
struct neap_entry;

enum neap_task_state {
  NEAP_TASK_READY,
  NEAP_TASK_RUNNING,
  NEAP_TASK_WAITING,
  NEAP_TASK_ENDED
};

#define NEAP_MAX_SWALLOWED 2047

struct neap_task {
  /* Written at every switch. */
  struct neap_task *next; /* in the ready queue */
  struct neap_frames frames;
  struct neap_op *op;   /* what it waits for, or NULL */
  uint16_t state : 3;   /* enum neap_task_state */
  uint16_t is_main : 1; /* on the driver's stack: no frames of its own */

  /* Cancellation (cancel.h): of the task itself, by name; how often it went on
     all the same (at most NEAP_MAX_SWALLOWED); what its waits return at once,
     or 0; the entry it stands in, NULL: none. */
  uint16_t cancelled : 1;
  uint16_t swallowed : 11;
  int16_t interrupt;
  uint32_t switches; /* times it was resumed */
  struct neap_entry *entry;

  uint32_t refs; /* the runtime's until it has ended, handles' */
  uint32_t size; /* of the whole block: the task and the extra bytes */
  union {
    uint64_t ran_ns; /* while it lives: how long it ran, where that is counted
                        (neap__slice_watch) */
    int result;      /* when it has ended: what fn returned */
  };
  uint64_t since_ns; /* when its state last changed, to the turn */
  struct neap_exceptions exceptions;

  /* Set once. */
  struct neap_rt *rt;
  neap_task_fn fn;
  void *arg;
  uint64_t id;
  uint64_t born_ns;

  struct neap_list all;     /* in the list of live tasks */
  struct neap_list joiners; /* ops that wait for its end */
};

static_assert(sizeof(struct neap_task) <= 168, "a million of these");

/* A task that is not yet known to any queue, or NULL, with extra cleared bytes
   behind it. refs is 1. */
struct neap_task *neap__task_new(struct neap_mem *mem, size_t extra);

/* The extra bytes behind a task: whoever spawned it keeps words there. */
static inline void *neap__task_data(const struct neap_task *task) {
  return (void *)(uintptr_t)(task + 1);
}

/* The name of a task that neap_spawn has made, or of main: NULL, if it has
   none. It is the extra bytes. */
static inline const char *neap__task_c_name(const struct neap_task *task) {
  return task->size > sizeof *task ? (const char *)neap__task_data(task) : NULL;
}

void neap__task_ref(struct neap_task *task);

/* Frees it with the last share. */
void neap__task_unref(struct neap_mem *mem, struct neap_task *task);

/* "ready", "running", "waiting" or "ended"; for dumps. */
const char *neap__task_state_name(const struct neap_task *task);

#endif
