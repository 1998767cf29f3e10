/*
 * watch_scan.h: looking through a folder that is to be watched, for pool
 * threads. Each folder is put under watch before its names are read, so that a
 * name is either read or has an event, or both.
 */
#ifndef NEAP_IO_WATCH_SCAN_H
#define NEAP_IO_WATCH_SCAN_H

#include "io/tree.h"

/* Instead of a wd: of a folder that was found before. */
#define NEAP_WATCH_KNOWN (-2)

/* What was found: a folder (wd >= 0), a name (-1), or a failure with either. */
struct neap_watch_find {
  uint32_t size;  /* of all of it */
  uint32_t depth; /* 0: the folder itself that is looked through */
  int wd, err;
  char name[]; /* ended by NUL */
};

/* Shared memory. A job's while it runs, else the loop's. */
struct neap_watch_scan {
  struct neap_tree tree;
  /* Puts the folder dirfd under fd's watch. Returns its wd or a code. */
  int (*add)(int fd, int dirfd);
  int fd;
  bool deep;  /* go into folders */
  bool names; /* what is no folder is found, too */
  bool first; /* the watch is being opened: its root may be a link, and that
                 there is no room for more watches ends it */
  bool begun;
  char *finds; /* of the last step, packed */
  size_t len, capacity;
  char path[];
};

/* NULL: no memory. The caller sets the fields from `add` to `first`. */
struct neap_watch_scan *neap__watch_scan_new(const char *path);
void neap__watch_scan_free(struct neap_watch_scan *scan);

/* For neap__job_step: finds some more. Returns 1, 0 at the end, or a code. */
int neap__watch_scan_step(void *scan);

/* Whether err says that the system has no room for more. */
bool neap__watch_scan_is_limit(int err);

/* The first find (at NULL), or the one behind at; NULL: no more. */
const struct neap_watch_find *
neap__watch_scan_next(const struct neap_watch_scan *scan,
                      const struct neap_watch_find *at);

#endif
