/* step.c: stepping and turning for a host; the idea is in step.h. */
#include "core/step.h"

#include "core/rt.h"
#include "core/waitq.h"

/* Nothing of the runtime runs on this stack: a host may run it from here. */
static bool at_rest(const struct neap_rt *rt) {
  return !rt->closing && rt->sched.current == rt->sched.main &&
         rt->sched.main->op == NULL;
}

static void on_idle(uv_idle_t *idle) {
  (void)idle; /* that it is active keeps the poll from blocking */
}

/* The idle handle is active while there is something to run, and the host's run
   goes on while a wake from another thread is to come. */
static void keep_awake(struct neap_rt *rt) {
  struct neap_guest *guest = &rt->guest;
  if (guest->check == NULL)
    return;
  neap__post_keep(rt, rt->late > 0);
  if (rt->sched.nready > 0)
    uv_idle_start(guest->idle, on_idle); /* fails without a callback */
  else
    uv_idle_stop(guest->idle);
}

/* Runs a turn, or what is left of one, until it is deadline_ns. On the host's
   stack. */
static void run_turn(struct neap_rt *rt, uint64_t deadline_ns) {
  struct neap_sched *sched = &rt->sched;
  const uint64_t switches = sched->switches;
  sched->deadline_ns = deadline_ns;
  sched->on_ready = NULL;
  sched->current = NULL;
  neap__cxx_look(&sched->cxx);
  while (neap__sched_turn(rt) == NEAP_TURN_POLL &&
         sched->looked_ns < deadline_ns)
    sched->polled_ns = sched->looked_ns;
  if (sched->ntasks == 0)
    neap__waitq_wake_all(&rt->driver.idle, 0);
  neap__trace_flush(rt);
  sched->current = sched->main;
  sched->on_ready = rt->guest.check != NULL ? keep_awake : NULL;
  sched->deadline_ns = 0;
  keep_awake(rt);
  if (sched->ntasks > 0 && sched->switches != switches && rt->on_main != NULL)
    rt->on_main(rt, rt->binding);
}

/* The time is now, and what is due is ready. */
static void begin_turn(struct neap_rt *rt) {
  struct neap_sched *sched = &rt->sched;
  sched->looked_ns = sched->polled_ns = uv_hrtime();
  sched->now_ns = neap__clock_at(&rt->clock, sched->looked_ns);
  neap__timer_fire_until(rt, sched->now_ns);
}

/* After each of the host's polls. How long a turn takes there is what the tasks
   make of it, as with any callback. */
static void on_check(uv_check_t *check) {
  struct neap_rt *rt = check->data;
  if (!at_rest(rt))
    return;
  rt->guest.steps++;
  begin_turn(rt);
  run_turn(rt, UINT64_MAX); /* and keeps awake */
}

static void on_closed(uv_handle_t *uv) {
  struct neap_rt *rt = uv->data;
  size_t size = uv->type == UV_CHECK ? sizeof(uv_check_t) : sizeof(uv_idle_t);
  rt->uv_handles--;
  neap__mem_free(&rt->mem, uv, size);
}

int neap__step_init(struct neap_rt *rt) {
  struct neap_guest *guest = &rt->guest;
  neap__list_init(&guest->frames);
  if (rt->owns_loop)
    return 0;
  uv_check_t *check = neap__mem_zalloc(&rt->mem, sizeof *check);
  uv_idle_t *idle = neap__mem_zalloc(&rt->mem, sizeof *idle);
  if (check == NULL || idle == NULL) {
    neap__mem_free(&rt->mem, check, sizeof *check);
    neap__mem_free(&rt->mem, idle, sizeof *idle);
    return UV_ENOMEM;
  }
  uv_check_init(rt->loop, check); /* these can't fail: uv/unix/loop-watcher.c */
  uv_idle_init(rt->loop, idle);
  check->data = idle->data = rt;
  rt->uv_handles += 2;
  guest->check = check;
  guest->idle = idle;
  uv_check_start(check, on_check);
  rt->sched.on_ready = keep_awake;
  keep_awake(rt);
  uv_unref((uv_handle_t *)check); /* the host's run may end without us */
  return 0;
}

void neap__step_deinit(struct neap_rt *rt) {
  struct neap_guest *guest = &rt->guest;
  if (guest->check == NULL)
    return;
  uv_close((uv_handle_t *)guest->check, on_closed);
  uv_close((uv_handle_t *)guest->idle, on_closed);
  guest->check = NULL;
  guest->idle = NULL;
}

int neap_frame(neap_rt *rt) {
  int err = neap__op_check(rt);
  if (err < 0)
    return err;
  /* Internal: a host that waits in neap_run does not step. */
  return neap__waitq_wait(rt, &rt->guest.frames, "frame", NEAP_FOREVER, true);
}

int neap_step(neap_rt *rt, uint64_t budget_ns) {
  struct neap_sched *sched = &rt->sched;
  uv_thread_t self = uv_thread_self();
  if (!uv_thread_equal(&self, &rt->thread) || neap__fork_is_child(&rt->fork))
    return UV_EPERM;
  if (rt->closing)
    return UV_ECANCELED;
  if (!at_rest(rt))
    return UV_EBUSY;
  uint64_t deadline = UINT64_MAX;
  if (budget_ns < UINT64_MAX / 2) /* more is no limit: no clock is read */
    deadline = uv_hrtime() + budget_ns;
  rt->guest.steps++;
  neap__waitq_wake_all(&rt->guest.frames, 0);
  do {
    if (rt->owns_loop)
      uv_run(rt->loop, UV_RUN_NOWAIT);
    begin_turn(rt);
    run_turn(rt, deadline);
  } while (sched->nready > 0 && sched->looked_ns < deadline);
  return sched->nready > 0;
}

int neap_next_timeout(neap_rt *rt) {
  if (rt->loop == NULL)
    return -1;
  if (rt->sched.nready > 0)
    return 0;
  if (!uv_loop_alive(rt->loop))
    return -1;
  uv_update_time(rt->loop);
  return uv_backend_timeout(rt->loop);
}

int neap_backend_fd(neap_rt *rt) {
  return rt->loop != NULL ? uv_backend_fd(rt->loop) : UV_ECANCELED;
}
