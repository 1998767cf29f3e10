/*
 * watch_list.h: all that is at a path at one time, for a watch that looks again
 * and again, and what is different the next time. For pool threads; shared
 * memory.
 */
#ifndef NEAP_IO_WATCH_LIST_H
#define NEAP_IO_WATCH_LIST_H

#include "io/tree.h"
#include "io/watch.h"

/* What is kept of a name: enough to see that it is another or has changed. */
struct neap_watch_entry {
  union {
    size_t at; /* of its path in the text, while that grows */
    const char *path;
  };
  uint64_t dev, ino, size, mode;
  neap_fs_time mtime, ctime;
};

/* All-zero is valid. */
struct neap_watch_list {
  struct neap_watch_entry *entries; /* sorted by path when it is done */
  size_t n, capacity;
  char *text;
  size_t len, text_capacity;

  /* While it is made. */
  struct neap_tree tree;
  bool begun;
};

/* For neap__job_step's kind of steps: lists some more of what is at root, with
   recursive also what is in its folders. Returns 1; 0: it is done; UV_ENOENT:
   there is nothing at root; or another code. */
int neap__watch_list_step(struct neap_watch_list *list, const char *root,
                          bool recursive, uint64_t until_ns);

/* A difference; its path is one of the two lists'. */
struct neap_watch_diff {
  enum neap_watch_kind kind;
  const char *path;
};

/* Shared memory; all-zero is valid. */
struct neap_watch_diffs {
  struct neap_watch_diff *list;
  size_t n, capacity;
};

/* Adds each difference, in the order of the paths. Returns 0 or UV_ENOMEM. */
int neap__watch_list_compare(const struct neap_watch_list *before,
                             const struct neap_watch_list *now,
                             struct neap_watch_diffs *out);

void neap__watch_list_free(struct neap_watch_list *list);

#endif
