/*
 * watch_tree.h: what the kernel's events mean for the watches: the folders they
 * watch (watch_node.h), those that come and go, renames whose two halves find
 * each other. Events come one by one; while a new folder is looked through the
 * tree is busy, and the kernel keeps the rest.
 */
#ifndef NEAP_IO_WATCH_TREE_H
#define NEAP_IO_WATCH_TREE_H

#include "io/watch.h"
#include "io/watch_node.h"
#include "io/watch_scan.h"
#include "io/watch_seen.h"

/* The first half of a rename; name NULL: none. */
struct neap_watch_half {
  int wd;
  uint32_t cookie;
  char *name;
  size_t name_size;
};

struct neap_watch_tree {
  struct neap_rt *rt;
  struct neap_watch_nodes nodes;

  /* Given by the owner: the system's calls, and what to do when the tree is no
     longer busy. */
  int fd;
  int (*add)(int fd, int dirfd);
  void (*remove)(int fd, int wd);
  const char *(*limit)(int err); /* the name of the limit behind err */
  void (*on_idle)(struct neap_watch_tree *tree);

  /* How many are looking through a folder. Meanwhile no watch is removed: they
     may just have been given its number. */
  uint32_t nscans;
  bool has_orphans; /* nodes without a watch, to be removed then */
  bool ended;       /* nothing is to be told any more */

  struct neap_watch_half half;
  struct neap_watch_seen seen;

  /* A scan: whose watch it is for, where it has come to: the nodes from its
     folder's parent on; which round of scans it is, if of the whole. */
  struct neap_watch_scan *scan;
  struct neap_watch *scanned;
  struct neap_watch_node **stack;
  uint32_t stack_capacity;
  char *scan_name; /* of the folder in stack[0], or NULL: the root */
  size_t scan_name_size;
  bool telling;   /* what is found is new */
  bool rescan;    /* the whole must be looked through once more */
  uint32_t round; /* nodes of an older one were not found in this one */
};

/* A cleared tree but for what the owner gives. */
void neap__watch_tree_init(struct neap_watch_tree *tree, struct neap_rt *rt);

/* Frees all; the watches have been ended, no scan is under way. */
void neap__watch_tree_deinit(struct neap_watch_tree *tree);

/* Tells of name in node's folder; from, for a rename, is where it was. */
void neap__watch_tree_tell(struct neap_watch_tree *tree,
                           enum neap_watch_kind kind,
                           const struct neap_watch_node *node, const char *name,
                           const char *from);

/* The same of a failure. */
void neap__watch_tree_fail(struct neap_watch_tree *tree,
                           const struct neap_watch_node *node, const char *name,
                           int err);

/* The node of watch for that number, or NULL. */
struct neap_watch_node *
neap__watch_tree_node(const struct neap_watch_tree *tree, int wd,
                      const struct neap_watch *watch);

/* Frees the nodes that are stale, with all below them. */
void neap__watch_tree_sweep(struct neap_watch_tree *tree,
                            bool (*is_stale)(const struct neap_watch_tree *,
                                             const struct neap_watch_node *));

/* One of nscans is over. */
void neap__watch_tree_scan_over(struct neap_watch_tree *tree);

/* A copy of text in the runtime's memory, of *size bytes, or NULL; and its
   end. */
char *neap__watch_tree_copy(struct neap_watch_tree *tree, const char *text,
                            size_t *size);
void neap__watch_tree_drop(struct neap_watch_tree *tree, char **text,
                           size_t size);

/* Lets go of watch. */
void neap__watch_tree_end(struct neap_watch_tree *tree,
                          struct neap_watch *watch);

/* Whether events are to be left where they are. */
bool neap__watch_tree_is_busy(const struct neap_watch_tree *tree);

/* Events, of name in the folder wd. */
void neap__watch_tree_created(struct neap_watch_tree *tree, int wd,
                              const char *name, bool is_folder);
void neap__watch_tree_changed(struct neap_watch_tree *tree, int wd,
                              const char *name);
void neap__watch_tree_removed(struct neap_watch_tree *tree, int wd,
                              const char *name);

/* The two halves of a rename, of which either may be missing. */
void neap__watch_tree_moved_from(struct neap_watch_tree *tree, int wd,
                                 const char *name, uint32_t cookie);
void neap__watch_tree_moved_to(struct neap_watch_tree *tree, int wd,
                               const char *name, bool is_folder,
                               uint32_t cookie);

/* The first half of a rename is alone: what was there is gone. To be called
   before any other event, and when none has come for a while. */
void neap__watch_tree_settle(struct neap_watch_tree *tree);

/* The folder itself was removed or renamed. */
void neap__watch_tree_gone(struct neap_watch_tree *tree, int wd);

/* There will be no more events of this number. */
void neap__watch_tree_forget(struct neap_watch_tree *tree, int wd);

/* Events were lost. */
void neap__watch_tree_lost(struct neap_watch_tree *tree);

/* All events that had been queued have been told. */
void neap__watch_tree_drained(struct neap_watch_tree *tree);

#endif
