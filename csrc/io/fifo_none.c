/* fifo_none.c: no waiting for a FIFO's reader on this system; see fifo.h. */
#include "io/fifo.h"

int neap__fifo_open(struct neap_rt *rt, const char *path, int flags) {
  (void)rt;
  (void)path;
  (void)flags;
  return UV_ENXIO;
}
