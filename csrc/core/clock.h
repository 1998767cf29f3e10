/*
 * clock.h: the time that tasks see: sleeps, time limits and neap.now. Really
 * it is uv_hrtime. A test may have it stand still instead and jump from one due
 * time to the next; afterwards it goes on from there, so it never goes back.
 * What is measured for people (how busy, how long it ran) is uv_hrtime always.
 */
#ifndef NEAP_CORE_CLOCK_H
#define NEAP_CORE_CLOCK_H

#include <uv.h>

#include <stdbool.h>
#include <stdint.h>

/* All-zero: the real time. */
struct neap_clock {
  uint64_t offset_ns; /* how far jumps have brought it ahead of uv_hrtime */
  uint64_t still_ns;  /* virtual: where it stands */
  bool is_virtual;
};

/* The time when uv_hrtime was real_ns a moment ago. */
static inline uint64_t neap__clock_at(const struct neap_clock *clock,
                                      uint64_t real_ns) {
  return clock->is_virtual ? clock->still_ns : real_ns + clock->offset_ns;
}

static inline uint64_t neap__clock_now(const struct neap_clock *clock) {
  return clock->is_virtual ? clock->still_ns : uv_hrtime() + clock->offset_ns;
}

/* From here on the time stands still, at the next whole second, so that what is
   reckoned with it in floating point comes out even; or goes on from there. */
void neap__clock_set_virtual(struct neap_clock *clock, bool on);

/* Virtual: so much time has passed. Nothing else: it passes by itself. */
void neap__clock_pass(struct neap_clock *clock, uint64_t ns);

/* Virtual: it is at_ns now, unless it is later already. */
void neap__clock_jump(struct neap_clock *clock, uint64_t at_ns);

#endif
