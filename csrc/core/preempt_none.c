/* preempt_none.c: no tick here; who asks for one counts instructions instead.
   What it is elsewhere: preempt.h. */
#include "core/preempt.h"

#include "core/rt.h"

int neap__preempt_start(struct neap_rt *rt, uint64_t slice_ns) {
  (void)rt, (void)slice_ns;
  return UV_ENOSYS;
}

void neap__preempt_stop(struct neap_rt *rt) {
  (void)rt;
}

int neap__preempt_listen(struct neap_rt *rt) {
  (void)rt;
  return UV_ENOSYS;
}

void neap__preempt_poke(struct neap_rt *rt) {
  (void)rt;
}

void neap__preempt_hush(struct neap_rt *rt) {
  (void)rt;
}
