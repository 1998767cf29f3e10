/* fs_stat.h: what is known about a name in a folder, for pool threads. */
#ifndef NEAP_IO_FS_STAT_H
#define NEAP_IO_FS_STAT_H

#include "include/neap.h"

#include <sys/stat.h>

/*
 * What name in the folder dirfd is (AT_FDCWD: a path); "" is dirfd itself. With
 * follow a symbolic link is followed. May block: for pool threads. Returns 0 or
 * a negative code.
 */
int neap__fs_stat_at(int dirfd, const char *name, bool follow,
                     neap_fs_info *out);

struct statx;

/* Linux: the same of what statx(2) gave. */
void neap__fs_stat_fill(const struct statx *from, neap_fs_info *out);

/* The type in a mode as text, as in neap_fs_info. */
static inline const char *neap__fs_stat_type(uint64_t mode) {
  switch (mode & S_IFMT) {
  case S_IFREG:
    return "file";
  case S_IFDIR:
    return "directory";
  case S_IFLNK:
    return "link";
  case S_IFIFO:
    return "fifo";
  case S_IFSOCK:
    return "socket";
  case S_IFCHR:
    return "char";
  case S_IFBLK:
    return "block";
  default:
    return "unknown";
  }
}

#endif
