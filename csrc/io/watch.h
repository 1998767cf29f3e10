/*
 * watch.h: a watch over a path, for the files that make it up: watch.c (its
 * queue of events, its life), watch_node.c (the folders under watch),
 * watch_scan.c (looking through a folder), watch_events_linux.c (inotify) and
 * watch_poll.c (looking again and again).
 *
 * Where events come from is behind struct neap_watch_source: libuv's own
 * uv_fs_event knows no trees on Linux, nor the two halves of a rename, nor that
 * events were lost.
 */
#ifndef NEAP_IO_WATCH_H
#define NEAP_IO_WATCH_H

#include "io/handle.h"

enum neap_watch_kind {
  NEAP_WATCH_CREATE,
  NEAP_WATCH_CHANGE,
  NEAP_WATCH_REMOVE,
  NEAP_WATCH_RENAME,
  NEAP_WATCH_OVERFLOW, /* events were lost here */
  NEAP_WATCH_ERROR     /* what is there can't be watched */
};

/* An event in the queue; rt->mem. */
struct neap_watch_item {
  struct neap_list link;
  uint32_t size; /* of the whole block */
  uint32_t len;  /* of the path */
  uint8_t kind;  /* enum neap_watch_kind */
  bool has_from; /* a second path behind the first */
  int err;
  const char *limit; /* static text, or NULL */
  char path[];       /* ended by NUL */
};

struct neap_watch;
struct neap_watch_node;

struct neap_watch_source {
  /* Lets go of the watch: tells it nothing any more. Called once. */
  void (*end)(struct neap_watch *watch);
};

struct neap_watch {
  struct neap_handle handle;
  const struct neap_watch_source *source; /* NULL: none yet, or no more */
  void *state;                            /* the source's */
  struct neap_watch_node *node;           /* its root, of inotify's */
  bool recursive;
  bool ended; /* the path is gone: no more events will come */
  bool lost;  /* no room for events: told when there is again */

  struct neap_list items, waiters;
  uint32_t nitems;
  struct neap_watch_item *shown; /* the last one that was taken */

  /* What paths begin with, and how long that is with the slash behind it; the
     only name below it that is of interest, or NULL: all. */
  char *root;
  uint32_t root_size, prefix_len;
  char *only;
};

/*
 * Queues an event of path, and for a rename where that was before (NULL: no
 * rename). What there is no room for is noted as lost. Wakes who waits. Does
 * not wait.
 */
void neap__watch_tell(struct neap_watch *watch, enum neap_watch_kind kind,
                      const char *path, const char *from);

/* The same of a failure. */
void neap__watch_fail(struct neap_watch *watch, const char *path, int err,
                      const char *limit);

/* Events were lost. */
void neap__watch_overflow(struct neap_watch *watch);

/* The root is gone: after what is queued comes the end. */
void neap__watch_end(struct neap_watch *watch);

/*
 * Begins to watch: sets source and state. Waits. Returns 0, or a negative code
 * with *limit (static text) naming the limit that was met, or left as it is.
 */
int neap__watch_events_begin(struct neap_watch *watch, const char **limit);
int neap__watch_poll_begin(struct neap_watch *watch, uint64_t interval_ns);

#endif
