/* rt.c: a runtime's beginning and end: its parts in rank order, and back. */
#include "core/rt.h"

#include "core/options.h"
#include "core/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *neap_version(void) {
  return NEAP_VERSION;
}

/* Closing one of the first three descriptors is a mistake for libuv, which it
   aborts on: where they are closed its own must not get their numbers. */
static void hold_std(void) {
  for (int fd = 0; fd < 3; fd++)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
      open("/dev/null", O_RDWR); /* the lowest number that is free */
}

static int open_loop(struct neap_rt *rt, struct uv_loop_s *loop) {
  if (loop != NULL) {
    rt->loop = loop;
    return 0;
  }
  uv_loop_t *own = neap__mem_zalloc(&rt->mem, sizeof *own);
  if (own == NULL)
    return UV_ENOMEM;
  hold_std();
  int err = uv_loop_init(own);
  if (err < 0) {
    neap__mem_free(&rt->mem, own, sizeof *own);
    return err;
  }
  rt->loop = own;
  rt->owns_loop = true;
  return 0;
}

static bool env_is(const char *name, const char *value) {
  const char *given = getenv(name);
  return given != NULL && strcmp(given, value) == 0;
}

/* The runtime's own block comes from the allocator below its pool: the pool
   is part of it. */
static struct neap_rt *rt_alloc(const neap_options *options) {
  neap_alloc_fn alloc =
      options->alloc != NULL ? options->alloc : neap__mem_libc;
  struct neap_rt *rt = alloc(options->alloc_ud, NULL, 0, sizeof *rt);
  if (rt == NULL)
    return NULL;
  memset(rt, 0, sizeof *rt);
  neap__mem_init(&rt->mem, alloc, options->alloc_ud);
  return rt;
}

static void rt_release(struct neap_rt *rt) {
  neap_alloc_fn alloc = rt->mem.alloc;
  void *ud = rt->mem.ud;
  neap__mem_deinit(&rt->mem);
  neap__fork_deinit(&rt->fork);
  alloc(ud, rt, sizeof *rt, 0);
}

int neap_new(const neap_options *options, neap_rt **out) {
  neap_options given = {0};
  int err = neap__options_read(&given, sizeof given, options);
  if (err < 0)
    return err;
  struct neap_rt *rt = rt_alloc(&given);
  if (rt == NULL)
    return UV_ENOMEM;
  neap__stack_init(&rt->stacks, &rt->mem, given.stack_size,
                   given.private_stacks || env_is("NEAP_STACKS", "private"));
  rt->thread = uv_thread_self();
  neap__fork_init(&rt->fork);
  neap__scope_init(rt);
  neap__sync_init(rt);
  neap__select_init(rt);
  neap__driver_init(rt);
  err = neap__sched_init(rt);
  if (err == 0 && env_is("NEAP_STATS", "1"))
    neap__slice_watch(rt, NEAP_WATCH_STATS, true);
  if (err == 0)
    err = open_loop(rt, given.loop);
  if (err == 0)
    err = neap__timer_init(rt);
  if (err == 0)
    err = neap__post_init(rt);
  if (err == 0)
    err = neap__step_init(rt);
  if (err == 0 && env_is("NEAP_DEBUG", "1") && !neap__sanitize_private())
    err = neap__overflow_watch(rt);
  if (err < 0) {
    neap_free(rt);
    return err;
  }
  *out = rt;
  return 0;
}

/* Main waits while another stack ends the runtime, and is not gone on with:
   what it waits for is nobody's. */
static void leave_main(struct neap_rt *rt) {
  struct neap_op *op = rt->sched.main != NULL ? rt->sched.main->op : NULL;
  if (op == NULL)
    return;
  neap__op_forget(op);
  neap__op_interrupt(op, NEAP_CLOSING);
  neap__op_unref(op);
}

/* On the driver's stack. */
static void close_all(struct neap_rt *rt) {
  leave_main(rt);
  neap__post_refuse(rt); /* what was posted may spawn: before the unwinding */
  if (rt->loop != NULL)
    neap__driver_unwind(rt);
  neap__preempt_stop(rt); /* till then it ends what does not wait */
  if (rt->io != NULL)
    rt->io_close(rt);
  neap__post_shutdown(rt);
  neap__timer_deinit(rt);
  neap__step_deinit(rt);
  if (rt->loop != NULL)
    neap__driver_drain(rt);
  if (rt->io != NULL)
    rt->io_free(rt);
  if (rt->owns_loop) {
    uv_loop_close(rt->loop); /* every handle and request of ours has ended */
    neap__mem_free(&rt->mem, rt->loop, sizeof *rt->loop);
  }
  rt->loop = NULL;
  neap__overflow_unwatch(rt);
  neap__sigint_unwatch(rt);
}

/* What libuv, its pool and our own threads have in flight would never end, and
   descriptors of the I/O layer are shared with the parent. */
static bool is_idle(struct neap_rt *rt) {
  neap_figures figures;
  neap_info(rt, &figures);
  return figures.handles == 0 && figures.jobs == 0 && rt->late == 0 &&
         !rt->watchdog.runs;
}

int neap_after_fork(neap_rt *rt) {
  if (!neap__fork_is_child(&rt->fork))
    return 0;
  if (rt->closing)
    return UV_ECANCELED;
  if (rt->sched.current != rt->sched.main || !is_idle(rt))
    return UV_EBUSY;
  int err = rt->owns_loop ? uv_loop_fork(rt->loop) : 0;
  if (err < 0)
    return err;
  rt->preempt.has_timer = false; /* timers are not inherited */
  rt->thread = uv_thread_self();
  neap__fork_adopt(&rt->fork);
  return 0;
}

void neap__rt_close(struct neap_rt *rt) {
  if (rt->closing)
    return;
  rt->closing = true;
  /* Running the loop would disturb the parent's. */
  if (neap__fork_is_child(&rt->fork)) {
    rt->closed = true;
    return;
  }
  neap__trace_set(rt, NULL);
  neap__clock_set_virtual(&rt->clock, false);
  neap__timer_rearm(rt);
  rt->closer = rt->sched.current;
  neap__watchdog_stop(rt);
  neap__sched_on_driver(rt, close_all);
  rt->closed = true;
}

void neap_free(neap_rt *rt) {
  if (rt == NULL)
    return;
  if (rt->on_free != NULL)
    rt->on_free(rt, rt->binding);
  neap__rt_close(rt);
  if (neap__fork_is_child(&rt->fork))
    return;
  struct neap_task *closer = rt->closer;
  if (closer != NULL && !closer->is_main) {
    /* We stand on its stack, which stays mapped until the process ends. */
    neap__list_remove(&closer->all);
    neap__stack_abandon(&rt->stacks, &closer->frames);
    neap__task_unref(&rt->mem, closer);
  }
  neap__post_deinit(rt);
  if (rt->sched.main != NULL)
    neap__cancel_end(rt->sched.main);
  neap__trace_deinit(rt);
  neap__context_deinit(rt);
  neap__sched_deinit(rt);
  neap__stack_deinit(&rt->stacks);
  rt_release(rt);
}

int neap_set_limits(neap_rt *rt, const neap_limits *limits) {
  neap_limits given = {0};
  int err = neap__options_read(&given, sizeof given, limits);
  if (err < 0)
    return err;
  rt->sched.max_tasks = given.tasks;
  rt->max_handles = given.handles;
  rt->mem.cap = given.memory;
  return 0;
}

struct uv_loop_s *neap_loop(neap_rt *rt) {
  return rt->loop;
}

neap_task *neap_task_ref(neap_task *task) {
  neap__task_ref(task);
  return task;
}

void neap_task_unref(neap_task *task) {
  if (task != NULL)
    neap__task_unref(&task->rt->mem, task);
}

neap_task *neap_current(neap_rt *rt) {
  return rt->sched.current;
}

uint64_t neap_task_id(const neap_task *task) {
  return task->id;
}

bool neap_task_ended(const neap_task *task) {
  return task->state == NEAP_TASK_ENDED;
}

bool neap_cancel(neap_task *task) {
  return neap__cancel_task(task);
}

int neap_join(neap_task *task, int *result) {
  return neap_join_until(task, NEAP_FOREVER, result);
}

int neap_join_until(neap_task *task, uint64_t due_ns, int *result) {
  int err = neap__scope_join(task, due_ns);
  if (err == 0 && result != NULL)
    *result = task->result;
  return err;
}

int neap_yield(neap_rt *rt) {
  int err = neap__op_check(rt);
  if (err == 0)
    neap__sched_yield(rt);
  return err;
}

int neap_sleep(neap_rt *rt, uint64_t ns) {
  return neap__op_sleep(rt, neap__timer_after(rt, ns));
}

int neap_sleep_until(neap_rt *rt, uint64_t due_ns) {
  return neap__op_sleep(rt, due_ns);
}
