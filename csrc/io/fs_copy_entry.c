/*
 * fs_copy_entry.c: one name of a tree that is copied: it is made anew in the
 * copy and then becomes what the original is; see fs_copy.h.
 */
#include "io/fs_copy.h"

#include "io/fd.h"
#include "io/fs_range.h"
#include "io/fs_stat.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PERMISSIONS 07777

/* New names are for nobody else until they are whole. */
#define FILE_MODE   0600
#define FOLDER_MODE 0700

/* How often a name that comes back is removed again. */
#define SWAPS 100

/* --- attributes ----------------------------------------------------- */

static void times_of(const neap_fs_info *info, struct timespec out[2]) {
  out[0] = (struct timespec){.tv_sec = (time_t)info->atime.sec,
                             .tv_nsec = (long)info->atime.nsec};
  out[1] = (struct timespec){.tv_sec = (time_t)info->mtime.sec,
                             .tv_nsec = (long)info->mtime.nsec};
}

/* Only root may give files away. Whoever can't keeps them, as with cp -a. */
static bool keeps_owner(int result) {
  return result < 0 && (errno == EPERM || errno == EINVAL);
}

int neap__fs_copy_entry_attributes(int from, int to, const neap_fs_info *info) {
  mode_t mode = (mode_t)info->mode & PERMISSIONS;
  int result = fchown(to, (uid_t)info->uid, (gid_t)info->gid);
  if (keeps_owner(result))
    mode &= ~(mode_t)(S_ISUID | S_ISGID); /* they would be another's */
  else if (result < 0)
    return neap__fs_copy_result(result);
  int err = neap__fs_range_attributes(from, to);
  struct timespec times[2];
  times_of(info, times);
  if (err == 0)
    err = neap__fs_copy_result(fchmod(to, mode));
  if (err == 0)
    err = neap__fs_copy_result(futimens(to, times));
  return err;
}

/* The same of a name that can't be opened: a link, a device. */
static int set_attributes(int dirfd, const char *name,
                          const neap_fs_info *info) {
  mode_t mode = (mode_t)info->mode;
  int result = fchownat(dirfd, name, (uid_t)info->uid, (gid_t)info->gid,
                        AT_SYMLINK_NOFOLLOW);
  if (result < 0 && !keeps_owner(result))
    return neap__fs_copy_result(result);
  struct timespec times[2];
  times_of(info, times);
  if (!S_ISLNK(mode) && fchmodat(dirfd, name, mode & PERMISSIONS, 0) < 0)
    return neap__fs_copy_result(-1);
  return neap__fs_copy_result(
      utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW));
}

/* --- one name of a tree --------------------------------------------- */

/*
 * Makes the entry's copy by make, after removing what has its name, unless that
 * is a folder. Returns what make returned, or a negative code.
 */
static int make_anew(struct neap_copy *copy,
                     int (*make)(struct neap_copy *copy)) {
  int result = make(copy);
  for (int i = 0; i < SWAPS && result == UV_EEXIST; i++) {
    int err =
        unlinkat(neap__tree_fd(&copy->to), neap__tree_entry(&copy->to), 0);
    err = neap__fs_copy_result(err);
    if (err < 0 && err != UV_ENOENT)
      return err;
    result = make(copy);
  }
  return result;
}

static int make_file(struct neap_copy *copy) {
  return neap__fs_copy_open(
      neap__tree_fd(&copy->to), neap__tree_entry(&copy->to),
      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, FILE_MODE);
}

static int make_folder(struct neap_copy *copy) {
  return neap__fs_copy_result(mkdirat(
      neap__tree_fd(&copy->to), neap__tree_entry(&copy->to), FOLDER_MODE));
}

static int make_node(struct neap_copy *copy) {
  return neap__fs_copy_result(mknodat(
      neap__tree_fd(&copy->to), neap__tree_entry(&copy->to),
      ((mode_t)copy->info.mode & S_IFMT) | FILE_MODE, (dev_t)copy->info.rdev));
}

static int make_link(struct neap_copy *copy) {
  return neap__fs_copy_result(symlinkat(copy->link, neap__tree_fd(&copy->to),
                                        neap__tree_entry(&copy->to)));
}

/* Another name for a copy that was made before. */
static int make_name(struct neap_copy *copy) {
  const struct neap_fs_link *link =
      neap__fs_links_find(&copy->links, copy->info.dev, copy->info.ino);
  return neap__fs_copy_result(linkat(AT_FDCWD, link->path,
                                     neap__tree_fd(&copy->to),
                                     neap__tree_entry(&copy->to), 0));
}

/* Whether the entry is a name of a file whose copy was made, and got a name
   now. The way to the copy may have been swapped: what it led to is looked
   at. */
static bool was_linked(struct neap_copy *copy) {
  const struct neap_fs_link *link =
      neap__fs_links_find(&copy->links, copy->info.dev, copy->info.ino);
  neap_fs_info info;
  if (link == NULL || make_anew(copy, make_name) < 0)
    return false;
  if (neap__fs_stat_at(neap__tree_fd(&copy->to), neap__tree_entry(&copy->to),
                       false, &info) < 0)
    return false;
  return info.dev == link->copy_dev && info.ino == link->copy_ino;
}

/* The file that is under way has further names. */
static int note_links(struct neap_copy *copy, int out) {
  neap_fs_info info;
  int err = neap__fs_stat_at(out, "", false, &info);
  if (err < 0)
    return err;
  struct neap_fs_link link = {.dev = copy->info.dev,
                              .ino = copy->info.ino,
                              .copy_dev = info.dev,
                              .copy_ino = info.ino,
                              .path = copy->to.path};
  return neap__fs_links_add(&copy->links, &link);
}

static int copy_file(struct neap_copy *copy) {
  int in = neap__fs_copy_open(neap__tree_fd(&copy->from),
                              neap__tree_entry(&copy->from),
                              O_RDONLY | O_NOFOLLOW, 0);
  int err = in < 0 ? in : neap__fs_stat_at(in, "", false, &copy->info);
  if (err == 0 && !S_ISREG((mode_t)copy->info.mode))
    err = UV_ENOENT; /* swapped since it was looked at */
  if (err < 0) {
    if (in >= 0)
      neap__fd_close(in);
    return neap__fs_copy_at_source(copy, err);
  }
  if (copy->info.nlink > 1 && was_linked(copy)) {
    neap__fd_close(in);
    return 1;
  }
  int out = make_anew(copy, make_file);
  if (out < 0) {
    neap__fd_close(in);
    return neap__fs_copy_at_target(copy, out);
  }
  err = copy->info.nlink > 1 ? note_links(copy, out) : 0;
  int result = neap__fs_copy_file_take(copy, in, out, true);
  return err < 0 ? neap__fs_copy_at_target(copy, err) : result;
}

int neap__fs_copy_entry_enter(struct neap_copy *copy) {
  int err = make_folder(copy);
  if (err == 0 || err == UV_EEXIST)
    err = neap__tree_enter(&copy->to, false);
  if (err == UV_ENOTDIR) { /* something else was there */
    err = make_anew(copy, make_folder);
    if (err == 0)
      err = neap__tree_enter(&copy->to, false);
  }
  return err < 0 ? neap__fs_copy_at_target(copy, err) : 1;
}

static int copy_folder(struct neap_copy *copy) {
  int err = neap__tree_enter(&copy->from, false);
  if (err < 0)
    return neap__fs_copy_at_source(copy, err);
  return neap__fs_copy_entry_enter(copy);
}

/* Finds out where the entry, a link, leads. */
static int read_link(struct neap_copy *copy) {
  ssize_t len =
      readlinkat(neap__tree_fd(&copy->from), neap__tree_entry(&copy->from),
                 copy->link, sizeof copy->link - 1);
  if (len < 0)
    return neap__fs_copy_result(-1);
  copy->link[len] = '\0';
  return 0;
}

/* Whatever is not opened. */
static int copy_special(struct neap_copy *copy) {
  bool is_link = S_ISLNK((mode_t)copy->info.mode);
  int err = is_link ? read_link(copy) : 0;
  if (err < 0)
    return neap__fs_copy_at_source(copy, err);
  err = make_anew(copy, is_link ? make_link : make_node);
  if (err == 0)
    err = set_attributes(neap__tree_fd(&copy->to), neap__tree_entry(&copy->to),
                         &copy->info);
  return err < 0 ? neap__fs_copy_at_target(copy, err) : 1;
}

int neap__fs_copy_entry(struct neap_copy *copy) {
  int err = neap__fs_stat_at(neap__tree_fd(&copy->from),
                             neap__tree_entry(&copy->from), false, &copy->info);
  if (err < 0)
    return neap__fs_copy_at_source(copy, err);
  switch ((mode_t)copy->info.mode & S_IFMT) {
  case S_IFREG:
    return copy_file(copy);
  case S_IFDIR:
    return copy_folder(copy);
  default:
    return copy_special(copy);
  }
}
