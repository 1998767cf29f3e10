/*
 * watch_seen.h: names that looking through a new folder has told already. The
 * kernel may have queued an event for each of them as well; that one is then
 * passed over.
 */
#ifndef NEAP_IO_WATCH_SEEN_H
#define NEAP_IO_WATCH_SEEN_H

#include "core/mem.h"

struct neap_watch_name;

/* A hash table of names by the folder's wd; all-zero but mem is valid. */
struct neap_watch_seen {
  struct neap_mem *mem;
  struct neap_watch_name **buckets;
  uint32_t n, nbuckets;
};

/* Notes a name. Without memory it is not noted: it is told twice then. */
void neap__watch_seen_add(struct neap_watch_seen *seen, int wd,
                          const char *name);

/* Forgets a name; says whether it was noted. */
bool neap__watch_seen_take(struct neap_watch_seen *seen, int wd,
                           const char *name);

/* Forgets all. */
void neap__watch_seen_clear(struct neap_watch_seen *seen);

#endif
