/*
 * rt.h: a runtime is its modules' parts, in rank order. Each part is the
 * module's that it is named after; this header only composes them.
 */
#ifndef NEAP_CORE_RT_H
#define NEAP_CORE_RT_H

#include "core/cancel.h"
#include "core/clock.h"
#include "core/context.h"
#include "core/driver.h"
#include "core/info.h"
#include "core/mem.h"
#include "core/op.h"
#include "core/overflow.h"
#include "core/post.h"
#include "core/preempt.h"
#include "core/sched.h"
#include "core/select.h"
#include "core/sigint.h"
#include "core/slice.h"
#include "core/stack.h"
#include "core/step.h"
#include "core/sync.h"
#include "core/timer.h"
#include "core/trace.h"
#include "core/watchdog.h"
#include "include/neap.h"

#include <uv.h>

struct neap_io;

struct neap_rt {
  struct neap_mem mem;
  struct neap_clock clock;
  struct neap_trace trace;
  struct neap_stacks stacks;
  struct neap_slices slices;
  struct neap_sched sched;
  struct neap_timers timers;
  struct neap_cancels cancels;
  struct neap_contexts contexts;
  struct neap_syncs syncs;
  struct neap_selects selects;
  struct neap_preempt preempt;
  struct neap_posts posts;
  struct neap_sigint sigint;
  struct neap_overflow overflow;
  struct neap_watchdog watchdog;
  struct neap_info info;
  struct neap_driver driver;
  struct neap_guest guest;

  uv_loop_t *loop;
  bool owns_loop;
  uv_thread_t thread;
  int pid;              /* of the process whose loop it is */
  bool blocking;        /* in a poll that may block */
  uint32_t uv_handles;  /* of ours that are not closed yet */
  uint32_t max_handles; /* of the I/O layer's, open ones; 0: no limit */

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
  uint32_t (*io_active)(struct neap_rt *rt); /* of its handles in the loop */
  /* Tells a line about each open handle; false from line ends it. */
  void (*io_list)(struct neap_rt *rt, bool (*line)(void *ud, const char *text),
                  void *ud);

  /* Given by a binding; binding is its own word. on_main: main
     goes on after a wait in which tasks may have run; on_dropped: a task could
     not be unwound, its end is not told otherwise; on_exit: the driver has come
     to the end that neap__driver_exit asked for; on_deadlock: main's wait is
     about to end with NEAP_EDEADLK; on_free: neap_free has been called: the
     binding ends the runtime and lets go of it; on_sigint: instead of the end
     of main's wait at a SIGINT. */
  void *binding;
  void (*on_main)(struct neap_rt *rt, void *binding); /* main's wait is over */
  void (*on_dropped)(struct neap_task *task, void *binding);
  void (*on_exit)(struct neap_rt *rt, void *binding);
  void (*on_deadlock)(struct neap_rt *rt, void *binding);
  void (*on_free)(struct neap_rt *rt, void *binding);
  void (*on_sigint)(struct neap_rt *rt, void *binding);
};

/* Whether this is a child of the process whose runtime it is, made by fork: it
   has copies of the tasks, but the loop and the threads are the parent's. */
bool neap__rt_forked(const struct neap_rt *rt);

/* Ends everything but the memory: tasks, handles, loop. Later calls do
   nothing. From any stack; see neap_free. */
void neap__rt_close(struct neap_rt *rt);

#endif
