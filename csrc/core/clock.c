/* clock.c: the time that tasks see; the idea is in clock.h. */
#include "core/clock.h"

#include "core/rt.h"

#include <assert.h>

#define NS_PER_S ((uint64_t)1000 * 1000 * 1000)

void neap__clock_set_virtual(struct neap_clock *clock, bool on) {
  uint64_t now = neap__clock_now(clock);
  if (on && !clock->is_virtual)
    clock->still_ns = (now + NS_PER_S - 1) / NS_PER_S * NS_PER_S;
  if (clock->is_virtual && !on) {
    uint64_t real = uv_hrtime();
    /* Slower than the real one: what is left is made up for at once. */
    clock->offset_ns = now > real ? now - real : 0;
  }
  clock->is_virtual = on;
}

void neap__clock_pass(struct neap_clock *clock, uint64_t ns) {
  if (clock->is_virtual)
    clock->still_ns += ns;
}

void neap__clock_jump(struct neap_clock *clock, uint64_t at_ns) {
  assert(clock->is_virtual);
  if (at_ns > clock->still_ns)
    clock->still_ns = at_ns;
}

uint64_t neap_now(const neap_rt *rt) {
  return neap__clock_now(&rt->clock);
}
