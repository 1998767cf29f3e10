/* watch_events_none.c: where there is no inotify, a watch looks again and
   again. */
#include "io/watch.h"

#define INTERVAL_NS ((uint64_t)1000 * 1000 * 1000)

int neap__watch_events_begin(struct neap_watch *watch, const char **limit) {
  (void)limit;
  return neap__watch_poll_begin(watch, INTERVAL_NS);
}
