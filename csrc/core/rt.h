/*
 * rt.h: a runtime is its modules' parts, in rank order. Each part is the
 * module's that it is named after; this header only composes them.
 */
#ifndef NEAP_CORE_RT_H
#define NEAP_CORE_RT_H

#include "core/cancel.h"
#include "core/driver.h"
#include "core/mem.h"
#include "core/op.h"
#include "core/overflow.h"
#include "core/post.h"
#include "core/preempt.h"
#include "core/sched.h"
#include "core/sigint.h"
#include "core/stack.h"
#include "core/timer.h"
#include "core/watchdog.h"
#include "include/neap.h"

#include <uv.h>

struct neap_io;

struct neap_rt {
  struct neap_mem mem;
  struct neap_stacks stacks;
  struct neap_sched sched;
  struct neap_timers timers;
  struct neap_cancels cancels;
  struct neap_preempt preempt;
  struct neap_posts posts;
  struct neap_sigint sigint;
  struct neap_overflow overflow;
  struct neap_watchdog watchdog;
  struct neap_driver driver;

  uv_loop_t *loop;
  bool owns_loop;
  bool blocking;       /* in a poll that may block: a wake must end it */
  uint32_t uv_handles; /* of ours that are not closed yet */

  /* The end. */
  bool closing;             /* waits return NEAP_CLOSING */
  bool closed;              /* only the memory is left */
  struct neap_task *closer; /* on whose stack it ends */
  uint32_t late;            /* ops whose waker must still come */

  /* The I/O layer's part, made at its first use; how it is ended. */
  struct neap_io *io;
  void (*io_close)(struct neap_rt *rt); /* starts closing every handle */
  void (*io_free)(struct neap_rt *rt);  /* after the last one has closed */
  void (*io_info)(struct neap_rt *rt, neap_figures *out);

  /* Given by a binding; binding is its own word. on_main: main
     goes on after a wait in which tasks may have run; on_dropped: a task could
     not be unwound, its end is not told otherwise; on_exit: the driver has come
     to the end that neap__driver_exit asked for. */
  void *binding;
  void (*on_main)(struct neap_rt *rt, void *binding); /* main's wait is over */
  void (*on_dropped)(struct neap_task *task, void *binding);
  void (*on_exit)(struct neap_rt *rt, void *binding);
};

/* Ends everything but the memory: tasks, handles, loop. Later calls do
   nothing. From any stack; see neap_free. */
void neap__rt_close(struct neap_rt *rt);

#endif
