/*
 * fs_copy.c: copying a file, or a folder with all in it: what is done to one
 * name after the other, in steps of some milliseconds, each a job in the pool.
 * Between two of them the task may be cancelled; a file that is then not whole
 * is removed. Both trees are gone through folder by folder (tree.h), so nobody
 * can lead the copy out of either by swapping a folder for a link.
 */
#include "io/fs_copy.h"

#include "core/mem.h"
#include "io/fd.h"
#include "io/fs_stat.h"
#include "io/job.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define OPEN_FLAGS (O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

int neap__fs_copy_at_target(struct neap_copy *copy, int err) {
  if (err < 0)
    copy->where = copy->to.depth > 0 ? copy->to.path : copy->target;
  return err;
}

int neap__fs_copy_at_source(struct neap_copy *copy, int err) {
  if (err < 0)
    copy->where = copy->from.depth > 0 ? copy->from.path : copy->source;
  return err;
}

int neap__fs_copy_open(int dirfd, const char *name, int flags, int mode) {
  int fd;
  do {
    fd = openat(dirfd, name, flags | OPEN_FLAGS, mode);
  } while (fd < 0 && errno == EINTR);
  return neap__fs_copy_result(fd);
}

/* --- the beginning of a tree ---------------------------------------- */

/* Opens the folder around name, the last one in path, and makes it the
   entry. */
static int open_around(struct neap_tree *tree, char *path, char *name) {
  char cut = *name;
  *name = '\0';
  bool is_here = name == path;
  int err = neap__tree_open(tree, is_here ? "." : path, true, path);
  *name = cut;
  return err < 0 ? err : neap__tree_name(tree, name);
}

/* The originals: what is in a folder that has no name of its own ("/", ".."),
   or a single name. */
static int open_from(struct neap_copy *copy) {
  struct neap_tree *from = &copy->from;
  if (copy->from_name == NULL) {
    int err = neap__tree_open(from, copy->source, true, copy->source);
    return err < 0
               ? err
               : neap__fs_stat_at(neap__tree_fd(from), "", false, &copy->info);
  }
  copy->depth_least = 1;
  int err = open_around(from, copy->source, copy->from_name);
  if (err < 0)
    return err;
  return neap__fs_stat_at(neap__tree_fd(from), neap__tree_entry(from), false,
                          &copy->info);
}

/* Whether the folder dirfd is the original, or in it at whatever depth: its
   copy would have a copy of itself in it, and so on. */
static int check_outside(const struct neap_copy *copy, int dirfd) {
  neap_fs_info info, inner = {0};
  int fd = dirfd;
  int err = neap__fs_stat_at(fd, "", false, &info);
  while (err == 0 && (info.ino != inner.ino || info.dev != inner.dev)) {
    if (info.ino == copy->info.ino && info.dev == copy->info.dev) {
      err = UV_EINVAL;
      break;
    }
    int around = neap__fs_copy_open(fd, "..", O_RDONLY | O_DIRECTORY, 0);
    if (fd != dirfd)
      neap__fd_close(fd);
    fd = around;
    inner = info;
    err = fd < 0 ? fd : neap__fs_stat_at(fd, "", false, &info);
  }
  if (fd != dirfd && fd >= 0)
    neap__fd_close(fd);
  return err == UV_EACCES ? 0 : err; /* what we may not read is not ours */
}

/* The copy must not be the original. */
static int check_other(const struct neap_copy *copy) {
  const struct neap_tree *to = &copy->to;
  neap_fs_info info;
  int err =
      neap__fs_stat_at(neap__tree_fd(to), neap__tree_entry(to), false, &info);
  if (err < 0)
    return 0; /* there is none yet */
  return info.ino == copy->info.ino && info.dev == copy->info.dev ? UV_EINVAL
                                                                  : 0;
}

static int begin_tree(struct neap_copy *copy) {
  int err = neap__fs_copy_at_source(copy, open_from(copy));
  if (err < 0)
    return err;
  err = copy->to_name == NULL
            ? UV_EINVAL
            : open_around(&copy->to, copy->target, copy->to_name);
  if (err == 0)
    err = check_other(copy);
  if (err == 0 && S_ISDIR((mode_t)copy->info.mode))
    err = check_outside(copy, neap__tree_fd(&copy->to));
  if (err < 0)
    return neap__fs_copy_at_target(copy, err);
  return copy->from_name == NULL ? neap__fs_copy_entry_enter(copy)
                                 : neap__fs_copy_entry(copy);
}

/* --- steps ---------------------------------------------------------- */

/* The innermost folder has been read to its end. Its copy could not have its
   permissions and times before. */
static int leave_folder(struct neap_copy *copy) {
  int from = neap__tree_fd(&copy->from), to = neap__tree_fd(&copy->to);
  int err = neap__fs_stat_at(from, "", false, &copy->info);
  if (err < 0)
    return neap__fs_copy_at_source(copy, err);
  err = neap__fs_copy_entry_attributes(from, to, &copy->info);
  if (err < 0) {
    neap__tree_folder(&copy->to);
    return neap__fs_copy_at_target(copy, err);
  }
  err = neap__fs_copy_at_source(copy, neap__tree_leave(&copy->from));
  if (err == 0)
    err = neap__fs_copy_at_target(copy, neap__tree_leave(&copy->to));
  return err < 0 ? err : 1;
}

static int next_entry(struct neap_copy *copy) {
  int found = neap__tree_next(&copy->from);
  if (found == 0)
    return leave_folder(copy);
  if (found < 0) {
    neap__tree_folder(&copy->from);
    return neap__fs_copy_at_source(copy, found);
  }
  int err = neap__tree_name(&copy->to, neap__tree_entry(&copy->from));
  if (err < 0)
    return neap__fs_copy_at_target(copy, err);
  return neap__fs_copy_entry(copy);
}

/* A piece of a file, or a name. Returns 1, 0 when all is done, or a code. */
static int go_on(struct neap_copy *copy, uint64_t until_ns) {
  if (copy->in_file)
    return neap__fs_copy_file_step(copy, until_ns);
  if (!copy->begun) {
    copy->begun = true;
    return copy->recursive ? begin_tree(copy) : neap__fs_copy_file_begin(copy);
  }
  if (!copy->recursive || copy->from.depth <= copy->depth_least)
    return 0;
  return next_entry(copy);
}

static int step(void *state) {
  struct neap_copy *copy = state;
  uint64_t until = uv_hrtime() + NEAP_JOB_STEP_NS;
  int more;
  do {
    more = go_on(copy, until);
  } while (more == 1 && uv_hrtime() < until);
  if (more < 0)
    neap__fs_copy_file_undo(copy);
  return more;
}

static int undo(void *state) {
  neap__fs_copy_file_undo(state);
  return 0;
}

/* --- the public functions ------------------------------------------- */

int neap_copy_new(const char *from, const char *to, bool recursive,
                  neap_copy **out) {
  size_t from_size = strlen(from) + 1, to_size = strlen(to) + 1;
  struct neap_copy *copy =
      neap__mem_shared_alloc(sizeof *copy + from_size + to_size);
  if (copy == NULL)
    return UV_ENOMEM;
  memset(copy, 0, sizeof *copy);
  copy->data.in = copy->data.out = -1;
  copy->recursive = recursive;
  copy->source = (char *)(copy + 1);
  copy->target = copy->source + from_size;
  memcpy(copy->source, from, from_size);
  memcpy(copy->target, to, to_size);
  if (recursive) {
    copy->from_name = neap__tree_last_name(copy->source);
    copy->to_name = neap__tree_last_name(copy->target);
  }
  *out = copy;
  return 0;
}

int neap_copy_step(neap_rt *rt, neap_copy *copy) {
  int result = neap__job_step(rt, "copy", NEAP_JOB_EFFECT, step, copy);
  if (result < 0)
    neap_copy_undo(rt, copy); /* it may have been called off before the job */
  return result;
}

int neap_copy_undo(neap_rt *rt, neap_copy *copy) {
  if (!copy->in_file)
    return 0;
  return neap__job_step(rt, "copy", NEAP_JOB_SHIELDED, undo, copy);
}

uint64_t neap_copy_bytes(const neap_copy *copy) {
  return copy->bytes;
}

const char *neap_copy_path(const neap_copy *copy) {
  return copy->from.depth > 0 ? copy->from.path : copy->source;
}

const char *neap_copy_failed(const neap_copy *copy) {
  return copy->where;
}

void neap_copy_free(neap_copy *copy) {
  if (copy == NULL)
    return;
  neap__fs_copy_file_undo(copy);
  neap__tree_close(&copy->from);
  neap__tree_close(&copy->to);
  neap__fs_links_free(&copy->links);
  neap__mem_shared_free(copy);
}

int neap_fs_copy(neap_rt *rt, const char *from, const char *to,
                 bool recursive) {
  neap_copy *copy;
  int err = neap_copy_new(from, to, recursive, &copy);
  if (err < 0)
    return err;
  do {
    err = neap_copy_step(rt, copy);
  } while (err == 1);
  neap_copy_free(copy);
  return err;
}
