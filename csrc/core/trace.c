/* trace.c: noting and delivering events; the idea is in trace.h. */
#include "core/trace.h"

#include "core/rt.h"

static bool has_room(struct neap_rt *rt) {
  struct neap_trace *trace = &rt->trace;
  if (trace->n < trace->capacity)
    return true;
  size_t old = trace->capacity, new = old == 0 ? 64 : 2 * old;
  if (new > UINT32_MAX)
    return false;
  void *events =
      neap__mem_realloc(&rt->mem, trace->events, old * sizeof *trace->events,
                        new * sizeof *trace->events);
  if (events == NULL)
    return false;
  trace->events = events;
  trace->capacity = (uint32_t) new;
  return true;
}

void neap__trace_add(struct neap_rt *rt, enum neap_event_kind kind,
                     struct neap_task *task, const char *what) {
  struct neap_trace *trace = &rt->trace;
  if (!trace->on || trace->delivering)
    return;
  if (!has_room(rt)) {
    trace->lost++;
    return;
  }
  trace->events[trace->n++] = (struct neap_trace_event){.at_ns = uv_hrtime(),
                                                        .kind = kind,
                                                        .task = task,
                                                        .by = rt->sched.current,
                                                        .what = what};
}

void neap__trace_flush(struct neap_rt *rt) {
  struct neap_trace *trace = &rt->trace;
  uint32_t n = trace->n;
  uint64_t lost = trace->lost;
  if (!trace->on || trace->delivering || (n == 0 && lost == 0))
    return;
  trace->n = 0;
  trace->lost = 0;
  trace->delivering = true; /* so nothing is noted into what is delivered */
  trace->deliver(rt, trace->events, n, lost);
  trace->delivering = false;
}

static void free_events(struct neap_rt *rt) {
  struct neap_trace *trace = &rt->trace;
  neap__mem_free(&rt->mem, trace->events,
                 trace->capacity * sizeof *trace->events);
  trace->events = NULL;
  trace->n = trace->capacity = 0;
  trace->lost = 0;
}

void neap__trace_set(struct neap_rt *rt,
                     void (*deliver)(struct neap_rt *rt,
                                     const struct neap_trace_event *events,
                                     uint32_t n, uint64_t lost)) {
  struct neap_trace *trace = &rt->trace;
  trace->deliver = deliver;
  trace->on = deliver != NULL;
  if (!trace->on && !trace->delivering)
    free_events(rt);
}

void neap__trace_deinit(struct neap_rt *rt) {
  rt->trace.on = false;
  free_events(rt);
}
