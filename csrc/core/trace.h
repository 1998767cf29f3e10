/*
 * trace.h: what happens to tasks, as events. They are noted where they happen,
 * which may be inside a callback of libuv's, and delivered on the driver's
 * stack between two resumes, where a binding may run a script's functions.
 * So whoever gets an event finds the task as it was: nobody has run meanwhile.
 */
#ifndef NEAP_CORE_TRACE_H
#define NEAP_CORE_TRACE_H

#include "core/task.h"

enum neap_event_kind {
  NEAP_EVENT_SPAWN, /* by: its creator */
  NEAP_EVENT_RUN,   /* goes on */
  NEAP_EVENT_STOP,  /* has stopped running: waits, is ready or has ended */
  NEAP_EVENT_WAIT,  /* is about to wait */
  NEAP_EVENT_WAKE,  /* its wait is over; by: who ended it */
  NEAP_EVENT_POLL,  /* the loop is looked at; no task */
  NEAP_EVENT_POLLED
};

struct neap_trace_event {
  uint64_t at_ns; /* on uv_hrtime's clock */
  struct neap_task *task;
  struct neap_task *by; /* NULL: the driver or a callback */
  const char *what;     /* of a wait: static text */
  enum neap_event_kind kind;
};

struct neap_trace {
  bool on;         /* somebody wants events */
  bool delivering; /* what happens in deliver is not noted */
  struct neap_trace_event *events;
  uint32_t n, capacity;
  uint64_t lost; /* for want of memory, and not yet told */
  /* Upward, and set while it is on. lost: before the first of them. Neither
     waits nor raises. */
  void (*deliver)(struct neap_rt *rt, const struct neap_trace_event *events,
                  uint32_t n, uint64_t lost);
};

void neap__trace_deinit(struct neap_rt *rt);

/* Has deliver called with what happens from now on; NULL: nobody wants to
   know any more. What was noted before is delivered or forgotten by then. */
void neap__trace_set(struct neap_rt *rt,
                     void (*deliver)(struct neap_rt *rt,
                                     const struct neap_trace_event *events,
                                     uint32_t n, uint64_t lost));

/* Notes an event, if somebody wants to know. Does not wait, does not fail. */
void neap__trace_add(struct neap_rt *rt, enum neap_event_kind kind,
                     struct neap_task *task, const char *what);

/* Delivers what was noted. On the driver's stack, or on a task's that has
   noted the last of it and is still there. */
void neap__trace_flush(struct neap_rt *rt);

#endif
