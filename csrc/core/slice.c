/* slice.c: how long tasks run; the idea is in slice.h. */
#include "core/slice.h"

#include "core/rt.h"

void neap__slice_begin(struct neap_rt *rt, struct neap_task *task) {
  neap__trace_add(rt, NEAP_EVENT_RUN, task, NULL);
  if (!task->is_main) /* main stands on the driver's stack, and has it back */
    neap__trace_flush(rt);
  rt->slices.since_ns = uv_hrtime();
}

void neap__slice_end(struct neap_rt *rt, struct neap_task *task) {
  uint64_t since_ns = rt->slices.since_ns;
  if (since_ns != 0 && task->state != NEAP_TASK_ENDED)
    task->ran_ns += uv_hrtime() - since_ns;
  rt->slices.since_ns = 0;
  neap__trace_add(rt, NEAP_EVENT_STOP, task, NULL);
  neap__trace_flush(rt);
}

void neap__slice_watch(struct neap_rt *rt, enum neap_watching user, bool on) {
  struct neap_slices *slices = &rt->slices;
  if (slices->watching == 0 && on)
    slices->since_ns = rt->sched.current != NULL ? uv_hrtime() : 0;
  if (on)
    slices->watching |= user;
  else
    slices->watching &= ~(uint32_t)user;
}
