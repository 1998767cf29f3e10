/* sched.c: the ready queue, turns and switches; the idea is in sched.h. */
#include "core/sched.h"

#include "core/rt.h"
#include "core/shuffle.h"
#include "core/slice.h"
#include "core/switch.h"

#include <uv.h>

#include <assert.h>

/* The clock is looked at once in so many resumes at most: a look costs 22 ns,
   a resume 45. */
#define MAX_RESUMES_PER_LOOK 16

/* From so many ready tasks on their memory is asked for in advance. */
#define MANY 64

/* Calls that a task may complete without waiting per resume. */
#ifdef NEAP_HOSTILE
#define BUDGET 1
#else
#define BUDGET 128
#endif

int neap__sched_init(struct neap_rt *rt) {
  struct neap_sched *sched = &rt->sched;
  neap__list_init(&sched->tasks);
  struct neap_task *task = neap__task_new(&rt->mem, 0);
  if (task == NULL)
    return UV_ENOMEM;
  task->rt = rt;
  task->is_main = true;
  task->state = NEAP_TASK_RUNNING;
  task->id = ++sched->next_id;
  sched->looked_ns = sched->polled_ns = uv_hrtime();
  sched->now_ns = neap__clock_now(&rt->clock);
  task->born_ns = task->since_ns = sched->now_ns;
  neap__list_push(&sched->tasks, &task->all);
  sched->main = sched->current = task;
  sched->budget = BUDGET;
  sched->look_after = 1;
  sched->left = &sched->driver_sanitize;
#ifdef NEAP_HOSTILE
  neap__sched_seed(sched, 1);
#endif
  return 0;
}

void neap__sched_deinit(struct neap_rt *rt) {
  neap__cxx_deinit(&rt->sched.cxx);
  if (rt->sched.main == NULL)
    return;
  neap__list_remove(&rt->sched.main->all);
  neap__task_unref(&rt->mem, rt->sched.main);
}

/* The task is over: tells it and leaves its stack for good. Apart from
   first_entry, whose frame is part of every waiting task. */
__attribute__((noinline)) static void leave(struct neap_task *task) {
  struct neap_sched *sched = &task->rt->sched;
  task->state = NEAP_TASK_ENDED;
  sched->on_end(task);
  sched->left = &task->frames.slot->sanitize;
  neap__sanitize_leave(sched->left, &sched->driver_sanitize, true);
  neap__switch(&task->frames.sp, sched->driver_sp);
  assert(!"an ended task was resumed");
}

/* The first frame of every task. Runs on the task's own stack. */
static void first_entry(void *arg) {
  struct neap_task *task = arg;
  neap__sanitize_arrive(&task->frames.slot->sanitize, task->rt->sched.left,
                        true);
  task->result = task->fn(task->rt, task->arg);
  leave(task);
}

int neap__sched_spawn(struct neap_rt *rt, neap_task_fn fn, void *arg,
                      size_t stack, size_t extra, struct neap_task **out) {
  struct neap_sched *sched = &rt->sched;
  if (neap__sched_full(sched))
    return NEAP_ELIMIT;
  struct neap_task *task = neap__task_new(&rt->mem, extra);
  if (task == NULL)
    return UV_ENOMEM;
  int err = neap__stack_reserve(&rt->stacks, &task->frames, stack);
  if (err < 0) {
    neap__task_unref(&rt->mem, task);
    return err;
  }
  task->rt = rt;
  task->fn = fn;
  task->arg = arg;
  task->interrupt = rt->closing ? NEAP_CLOSING : 0;
  task->id = ++sched->next_id;
  task->born_ns = sched->now_ns;
  neap__list_push(&sched->tasks, &task->all);
  sched->ntasks++;
  sched->spawned++;
  if (rt->slices.watching != 0)
    neap__trace_add(rt, NEAP_EVENT_SPAWN, task, NULL);
  task->state = NEAP_TASK_WAITING;
  neap__sched_ready(task);
  *out = task;
  return 0;
}

void neap__sched_ready(struct neap_task *task) {
  struct neap_sched *sched = &task->rt->sched;
  assert(task->state == NEAP_TASK_WAITING || task->state == NEAP_TASK_RUNNING);
  task->state = NEAP_TASK_READY;
  task->since_ns = sched->now_ns;
  neap__taskq_push(&sched->ready, task);
  sched->nready++;
  if (sched->on_ready != NULL)
    sched->on_ready(task->rt);
}

/*
 * Asks for what the next resumes will touch while this one runs: the frames of
 * the next task, and the words of the one behind it. Among many tasks a switch
 * is mostly waiting for memory: 10,000 tasks, 290 ns a switch without, 146
 * with.
 */
static void prefetch(const struct neap_task *next) {
  const char *frames = next->frames.saved;
  if (frames != NULL) {
    size_t size = neap__stack_used(&next->frames);
    for (size_t at = 0; at < size && at < 1024; at += 64)
      __builtin_prefetch(frames + at);
    __builtin_prefetch(frames + size - 1); /* memcpy begins at both ends */
  }
  const char *arg = next->arg; /* of a Lua task: its lua_State */
  for (size_t at = 0; at < 192; at += 64)
    __builtin_prefetch(arg + at);
  if (next->next != NULL) {
    const char *words = (const char *)next->next;
    for (size_t at = 0; at < sizeof *next; at += 64)
      __builtin_prefetch(words + at);
  }
}

static struct neap_task *pop_ready(struct neap_sched *sched) {
  if (sched->seed != 0)
    neap__shuffle_front(&sched->ready, sched->turn_left, &sched->seed);
  struct neap_task *task = neap__taskq_pop(&sched->ready);
  sched->nready--;
  if (sched->nready >= MANY && sched->ready.head != NULL)
    prefetch(sched->ready.head);
  return task;
}

/* Inline, as neap__switch_into wants it. */
static inline __attribute__((always_inline)) void
switch_to(struct neap_sched *sched, struct neap_task *task) {
  struct neap_sanitize *sanitize = &task->frames.slot->sanitize;
  sched->current = task;
  neap__cxx_swap(&sched->cxx, &sched->driver_exceptions, &task->exceptions);
  sched->left = &sched->driver_sanitize;
  neap__sanitize_leave(&sched->driver_sanitize, sanitize, false);
  neap__switch_into(&sched->driver_sp, task->frames.sp);
  neap__sanitize_arrive(&sched->driver_sanitize, sched->left, false);
  neap__cxx_swap(&sched->cxx, &task->exceptions, &sched->driver_exceptions);
  sched->current = NULL;
}

/* A task has come to its end and is back on the driver's stack. */
static void bury(struct neap_rt *rt, struct neap_task *task) {
  neap__stack_leave(&rt->stacks, &task->frames);
  neap__list_remove(&task->all);
  rt->sched.ntasks--;
  neap__task_unref(&rt->mem, task);
}

/* Whose frames stand in the way of task. */
static struct neap_task *holder_of_slot(const struct neap_task *task) {
  struct neap_slot *slot = task->frames.slot;
  if (slot == NULL || slot->holder == NULL)
    return NULL;
  return NEAP_LIST_ENTRY(slot->holder, struct neap_task, frames);
}

/*
 * There was no memory to save somebody's frames, so this task can't run. It
 * tries again in the next turn; when a whole turn could run nobody, the one
 * who stands in the way has its wait ended with UV_ENOMEM: it can run, where
 * it is, and so unwinds and makes room.
 */
static void no_room(struct neap_sched *sched, struct neap_task *task) {
  struct neap_task *holder = holder_of_slot(task);
  task->state = NEAP_TASK_WAITING;
  neap__sched_ready(task);
  if (sched->starved && holder != NULL && holder->op != NULL)
    sched->on_no_memory(holder);
  sched->stuck++;
}

/* A task that was left wants the driver's stack, or is watched. */
__attribute__((noinline)) static void look_after(struct neap_rt *rt,
                                                 struct neap_task *task) {
  struct neap_sched *sched = &rt->sched;
  while (sched->hop != NULL) {
    void (*hop)(struct neap_rt *) = sched->hop;
    sched->hop = NULL;
    rt->slices.watching &= ~(uint32_t)NEAP_WATCH_HOP;
    hop(rt);
    /* Cannot fail: whoever holds the slot by now has been forgotten. */
    int err = neap__stack_enter(&rt->stacks, &task->frames);
    assert(err == 0);
    (void)err;
    switch_to(sched, task);
  }
  if (rt->slices.watching != 0)
    neap__slice_end(rt, task);
}

/* The task goes on. Another thread looks at the sum now and then. */
static void count_switch(struct neap_sched *sched, struct neap_task *task) {
  task->state = NEAP_TASK_RUNNING;
  task->switches++;
  __atomic_store_n(&sched->switches, sched->switches + 1, __ATOMIC_RELAXED);
  sched->budget = BUDGET;
}

static inline __attribute__((always_inline)) void
resume(struct neap_rt *rt, struct neap_task *task) {
  struct neap_sched *sched = &rt->sched;
  if (neap__stack_enter(&rt->stacks, &task->frames) < 0) {
    no_room(sched, task);
    return;
  }
  sched->ran++;
  if (task->frames.sp == NULL)
    task->frames.sp =
        neap__switch_init(task->frames.slot->top, first_entry, task);
  count_switch(sched, task);
  if (rt->slices.watching != 0)
    neap__slice_begin(rt, task);
  switch_to(sched, task);
  if (rt->slices.watching != 0)
    look_after(rt, task);
  if (task->state == NEAP_TASK_ENDED)
    bury(rt, task);
#ifdef NEAP_HOSTILE
  else
    neap__stack_evict(&rt->stacks, &task->frames);
#endif
}

/* The end of a turn is told once, when the next one begins at the latest. */
static void end_turn(struct neap_rt *rt) {
  struct neap_sched *sched = &rt->sched;
  if (!sched->turn_open)
    return;
  sched->turn_open = false;
  if (sched->on_turn_end != NULL)
    sched->on_turn_end(rt, sched->on_turn_end_ud);
}

/* Short resumes are looked at by the dozen, long ones one by one. */
bool neap__sched_poll_due(struct neap_rt *rt) {
  struct neap_sched *sched = &rt->sched;
  if (sched->deadline_ns != 0 && sched->deadline_ns != UINT64_MAX) {
    sched->looked_ns = uv_hrtime();
    sched->now_ns = neap__clock_at(&rt->clock, sched->looked_ns);
    return sched->looked_ns >= sched->deadline_ns;
  }
  if (++sched->resumes < sched->look_after)
    return false;
  uint64_t now = uv_hrtime();
  if (now - sched->looked_ns >= NEAP_POLL_NS)
    sched->look_after = 1;
  else if (sched->look_after < MAX_RESUMES_PER_LOOK)
    sched->look_after *= 2;
  sched->resumes = 0;
  sched->looked_ns = now;
  sched->now_ns = neap__clock_at(&rt->clock, now);
  return now - sched->polled_ns >= NEAP_POLL_NS && sched->deadline_ns == 0;
}

void neap__sched_want_poll(struct neap_rt *rt) {
  rt->sched.polled_ns = 0;
  rt->sched.look_after = 1;
}

/* The first of the preempted tasks is ready like any other, if there is one. */
static void admit_preempted(struct neap_sched *sched) {
  if (sched->npreempted == 0)
    return;
  sched->npreempted--;
  neap__taskq_push(&sched->ready, neap__taskq_pop(&sched->preempted));
}

/* A new turn, unless one was interrupted. */
static void begin_turn(struct neap_rt *rt) {
  struct neap_sched *sched = &rt->sched;
  if (sched->turn_left > 0)
    return;
  end_turn(rt);
  admit_preempted(sched);
  sched->turn_left = sched->nready - sched->npreempted;
  sched->turn_open = sched->turn_left > 0;
  sched->starved = sched->stuck > 0 && sched->ran == 0;
  sched->ran = sched->stuck = 0;
  sched->turns++;
}

enum neap_turn neap__sched_turn(struct neap_rt *rt) {
  struct neap_sched *sched = &rt->sched;
  assert(sched->current == NULL);
  bool poll = false;
  do {
    begin_turn(rt);
    while (sched->turn_left > 0) {
      struct neap_task *task = pop_ready(sched);
      sched->turn_left--;
      if (task->is_main)
        return NEAP_TURN_MAIN;
      resume(rt, task);
      poll = neap__sched_poll_due(rt);
      if (poll && sched->turn_left > 0)
        return NEAP_TURN_POLL;
    }
    end_turn(rt);
  } while (sched->nready > 0 && sched->ran > 0 && !poll);
  return poll ? NEAP_TURN_POLL : NEAP_TURN_DONE;
}

/* Leaves a task's stack for the driver's and comes back some time. */
static void to_driver(struct neap_sched *sched, struct neap_task *task) {
  sched->left = &task->frames.slot->sanitize;
  neap__sanitize_leave(sched->left, &sched->driver_sanitize, false);
  neap__switch(&task->frames.sp, sched->driver_sp);
  neap__sanitize_arrive(&task->frames.slot->sanitize, sched->left, false);
}

/* Main waits: its stack is the driver's. Apart from neap__sched_suspend, which
   so needs no frame of its own in the stack of a waiting task. */
__attribute__((noinline)) static void drive_main(struct neap_rt *rt) {
  struct neap_sched *sched = &rt->sched;
  struct neap_task *task = sched->current;
  sched->current = NULL;
  neap__cxx_look(&sched->cxx);
  if (rt->slices.watching != 0)
    neap__slice_end(rt, task);
  sched->drive(rt);
  sched->current = task;
  if (rt->slices.watching != 0)
    neap__slice_begin(rt, task);
  count_switch(sched, task);
  if (sched->ntasks > 0 && rt->on_main != NULL)
    rt->on_main(rt, rt->binding);
}

void neap__sched_suspend(struct neap_rt *rt) {
  struct neap_task *task = rt->sched.current;
  assert(task != NULL);
  if (task->is_main)
    drive_main(rt);
  else
    to_driver(&rt->sched, task);
}

void neap__sched_yield(struct neap_rt *rt) {
  neap__sched_ready(rt->sched.current);
  neap__sched_suspend(rt);
}

void neap__sched_preempt(struct neap_rt *rt) {
  struct neap_sched *sched = &rt->sched;
  struct neap_task *task = sched->current;
  task->state = NEAP_TASK_READY;
  task->since_ns = sched->now_ns;
  neap__taskq_push(&sched->preempted, task);
  sched->npreempted++;
  sched->nready++;
  sched->look_after = 1; /* the loop has waited for long as well */
  neap__sched_suspend(rt);
}

void neap__sched_spend(struct neap_rt *rt) {
  if (--rt->sched.budget >= 0)
    return;
  neap__sched_yield(rt);
}

void neap__sched_on_driver(struct neap_rt *rt, void (*fn)(struct neap_rt *rt)) {
  struct neap_sched *sched = &rt->sched;
  struct neap_task *task = sched->current;
  if (task != NULL && !task->is_main) {
    sched->hop = fn;
    rt->slices.watching |= NEAP_WATCH_HOP;
    to_driver(sched, task);
    return;
  }
  sched->current = NULL;
  fn(rt);
  sched->current = task;
}

_Noreturn void neap__sched_drop(struct neap_rt *rt) {
  struct neap_task *task = rt->sched.current;
  task->state = NEAP_TASK_WAITING;
  for (;;)
    to_driver(&rt->sched, task);
}

void neap__sched_forget(struct neap_task *task) {
  struct neap_rt *rt = task->rt;
  struct neap_frames *frames = &task->frames;
  if (frames->saved != NULL) {
    neap__mem_free(&rt->mem, frames->saved, neap__stack_used(frames));
    frames->saved = NULL;
    frames->slot->bound--;
    frames->slot = NULL;
  }
  task->state = NEAP_TASK_ENDED;
  bury(rt, task);
}
