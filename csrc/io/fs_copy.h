/*
 * fs_copy.h: a copy under way, for the files that make it up: fs_copy.c (its
 * steps), fs_copy_file.c (a file's bytes), fs_copy_entry.c (one name of a
 * tree). For pool threads, but for the public functions.
 */
#ifndef NEAP_IO_FS_COPY_H
#define NEAP_IO_FS_COPY_H

#include "io/fs_data.h"
#include "io/fs_links.h"
#include "io/tree.h"

#include <errno.h>
#include <limits.h>
#include <uv.h>

/* Shared memory. */
struct neap_copy {
  struct neap_tree from, to;
  uint32_t depth_least; /* of `from`, before it is left */
  bool recursive, begun;

  /* What is being copied, and if it is a file, its bytes. */
  neap_fs_info info;
  struct neap_fs_data data;
  bool in_file, made; /* made: it is new, and removed if it fails */

  struct neap_fs_links links;
  uint64_t bytes;            /* copied so far */
  const char *where;         /* the path of a failure: one of those here */
  char *source, *target;     /* behind each other, behind this struct */
  char *from_name, *to_name; /* last names in these, NULL: none */
  char link[PATH_MAX];       /* a link's target */
};

/* Notes where err, if it is one, happened: with the copy, or the original.
   Returns err. */
int neap__fs_copy_at_target(struct neap_copy *copy, int err);
int neap__fs_copy_at_source(struct neap_copy *copy, int err);

/* Begins to copy one file, as cp does it. Returns 1 or a negative code. */
int neap__fs_copy_file_begin(struct neap_copy *copy);

/* Both, of which copy->info is known, are the copy's from now on. Returns 1 or
   a negative code. */
int neap__fs_copy_file_take(struct neap_copy *copy, int in, int out, bool made);

/* Goes on with it. Returns 1 or a negative code. */
int neap__fs_copy_file_step(struct neap_copy *copy, uint64_t until_ns);

/* Leaves a file off that is not whole. */
void neap__fs_copy_file_undo(struct neap_copy *copy);

/* Copies the entry of `from` to that of `to`; a folder is made and entered, a
   file begun. Returns 1 or a negative code. */
int neap__fs_copy_entry(struct neap_copy *copy);

/* Makes the innermost folder's copy, or takes the one that is there, and enters
   it. Returns 1 or a negative code. */
int neap__fs_copy_entry_enter(struct neap_copy *copy);

/* Makes the open `to` what the open `from` is, of which info is known: owner,
   permissions, times. Returns 0 or a negative code. */
int neap__fs_copy_entry_attributes(int from, int to, const neap_fs_info *info);

/* A system call's result, and errno, as a code. */
static inline int neap__fs_copy_result(int result) {
  return result < 0 ? uv_translate_sys_error(errno) : result;
}

/* Opens name without waiting for anybody. */
int neap__fs_copy_open(int dirfd, const char *name, int flags, int mode);

#endif
