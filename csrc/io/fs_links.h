/*
 * fs_links.h: which files with several names were copied already, so that the
 * copies are names of one file, too. For pool threads.
 */
#ifndef NEAP_IO_FS_LINKS_H
#define NEAP_IO_FS_LINKS_H

#include <stdint.h>

struct neap_fs_link {
  uint64_t dev, ino;           /* the original */
  uint64_t copy_dev, copy_ino; /* its copy, */
  char *path;                  /* and that one's path in shared memory */
};

/* A hash table with open addressing; all-zero is valid. */
struct neap_fs_links {
  struct neap_fs_link *slots; /* capacity of them; path NULL: free */
  uint32_t n, capacity;
};

/* What was noted of an original, or NULL. */
const struct neap_fs_link *
neap__fs_links_find(const struct neap_fs_links *links, uint64_t dev,
                    uint64_t ino);

/* Notes a link, whose path is copied; an earlier one of the same original is
   replaced. Returns 0 or UV_ENOMEM. */
int neap__fs_links_add(struct neap_fs_links *links,
                       const struct neap_fs_link *link);

void neap__fs_links_free(struct neap_fs_links *links);

#endif
