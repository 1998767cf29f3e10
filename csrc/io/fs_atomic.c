/*
 * fs_atomic.c: replacing a file's contents so that whoever looks, and whatever
 * is left after a crash, has the old ones or the new ones, whole: a new file in
 * the same folder is written, given to the disk (fsync), renamed over the old
 * one, and the folder given to the disk. Without the first fsync some file
 * systems keep the name and lose the bytes; without the second the rename may
 * be lost, though nothing else.
 *
 * One job does it all; it has an effect, so once begun it is waited for.
 */
#include "io/acl.h"
#include "io/fd.h"
#include "io/handle.h"
#include "io/job.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As many links as Linux follows, path_resolution(7). */
#define LINKS_MAX 40

/* Names that are tried for the new file. */
#define NAMES_MAX 100

struct atomic_job {
  struct neap_job job;
  const char *data; /* the caller's: the job is waited for */
  size_t len;
  int mode; /* of a file that was not there */

  /* In the pool thread. */
  int folder, fd;   /* descriptors of the folder and of the new file, or -1 */
  const char *name; /* in path, what follows the folder */
  bool exists;
  struct stat old;
  char temp[32];
  char link[PATH_MAX];
  char path[PATH_MAX];
};

static int last_error(void) {
  return uv_translate_sys_error(errno);
}

/* Where the name begins in path. */
static size_t name_at(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

/* Puts the link's n bytes in the place of the name that was the link. */
static int step_over(struct atomic_job *on, size_t n) {
  size_t at = on->link[0] == '/' ? 0 : name_at(on->path);
  if (at + n >= sizeof on->path)
    return UV_ENAMETOOLONG;
  memcpy(on->path + at, on->link, n);
  on->path[at + n] = '\0';
  return 0;
}

/* Links to a file are followed, so that they stay links; also where there is
   no file yet, as open(2) does. */
static int follow(struct atomic_job *on) {
  for (int i = 0; i < LINKS_MAX; i++) {
    ssize_t n = readlink(on->path, on->link, sizeof on->link);
    if (n < 0 && (errno == EINVAL || errno == ENOENT))
      return 0;
    if (n < 0)
      return last_error();
    int err = step_over(on, (size_t)n);
    if (err < 0)
      return err;
  }
  return UV_ELOOP;
}

static int open_folder(struct atomic_job *on) {
  size_t at = name_at(on->path);
  if (on->path[0] == '\0')
    return UV_ENOENT;
  if (on->path[at] == '\0')
    return UV_EISDIR;
  on->name = on->path + at;
  size_t n = at > 1 ? at - 1 : at; /* without the slash, but for "/" */
  memcpy(on->link, at > 0 ? on->path : ".", at > 0 ? n : 1);
  on->link[at > 0 ? n : 1] = '\0';
  on->folder = neap__fd_open(on->link, O_RDONLY | O_DIRECTORY, 0);
  return on->folder < 0 ? on->folder : 0;
}

/* What a plain write would fail with, this one fails with, too. */
static int look_at_old(struct atomic_job *on) {
  if (fstatat(on->folder, on->name, &on->old, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT ? 0 : last_error();
  on->exists = true;
  if (S_ISDIR(on->old.st_mode))
    return UV_EISDIR;
  if (!S_ISREG(on->old.st_mode)) /* a device replaced by a file: never */
    return UV_ENOTSUP;
  if (faccessat(on->folder, on->name, W_OK, AT_EACCESS) < 0)
    return last_error();
  return 0;
}

static int open_temp(struct atomic_job *on) {
  /* Nobody else looks into it before it has the old one's permissions. */
  mode_t mode = on->exists ? S_IRUSR | S_IWUSR : (mode_t)on->mode;
  int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  for (int i = 0; i < NAMES_MAX; i++) {
    uint64_t number;
    int err = uv_random(NULL, NULL, &number, sizeof number, 0, NULL);
    if (err < 0)
      return err;
    snprintf(on->temp, sizeof on->temp, ".neap-%016llx",
             (unsigned long long)number);
    do {
      on->fd = openat(on->folder, on->temp, flags, mode);
    } while (on->fd < 0 && errno == EINTR);
    if (on->fd >= 0)
      return 0;
    if (errno != EEXIST)
      return last_error();
  }
  return UV_EEXIST;
}

/* Owner and group of the old file, as far as we may give them; returns which
   permissions that leaves: what a stranger gets from "group" and from the
   set-id bits, nobody gets. */
static mode_t keep_owner(struct atomic_job *on) {
  mode_t mode = on->old.st_mode & 07777;
  if (fchown(on->fd, on->old.st_uid, on->old.st_gid) == 0)
    return mode;
  if (fchown(on->fd, (uid_t)-1, on->old.st_gid) == 0)
    return mode & ~(mode_t)S_ISUID;
  mode &= ~(mode_t)(S_ISUID | S_ISGID | S_IRWXG);
  return mode | (mode & S_IRWXO) << 3;
}

static int keep_permissions(struct atomic_job *on) {
  if (!on->exists)
    return 0;
  mode_t mode = keep_owner(on);
  int err = neap__acl_copy(on->path, on->fd);
  return err < 0 ? err : neap__fd_chmod(on->fd, (int)mode);
}

/* All of the new file but its name. */
static int write_temp(struct atomic_job *on) {
  size_t done;
  int err = neap__fd_write_all(on->fd, on->data, on->len, true, &done);
  if (err == 0)
    err = keep_permissions(on);
  if (err == 0)
    err = neap__fd_sync(on->fd, false);
  int close_err = neap__fd_close(on->fd);
  on->fd = -1;
  return err < 0 ? err : close_err;
}

static int put_in_place(struct atomic_job *on) {
  int result;
  do {
    result = renameat(on->folder, on->temp, on->folder, on->name);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? last_error() : 0;
}

/* EINVAL: some file systems have nothing to be done for a folder. */
static int sync_folder(struct atomic_job *on) {
  int err = neap__fd_sync(on->folder, false);
  return err == UV_EINVAL ? 0 : err;
}

static int replace(struct atomic_job *on) {
  int err = follow(on);
  if (err == 0)
    err = open_folder(on);
  if (err == 0)
    err = look_at_old(on);
  if (err == 0)
    err = open_temp(on);
  if (err < 0)
    return err;
  err = write_temp(on);
  if (err == 0)
    err = put_in_place(on);
  if (err == 0)
    return sync_folder(on);
  unlinkat(on->folder, on->temp, 0);
  return err;
}

static void work_atomic(struct neap_job *job) {
  struct atomic_job *on = NEAP_LIST_ENTRY(job, struct atomic_job, job);
  job->result = replace(on);
  if (on->folder >= 0)
    neap__fd_close(on->folder);
}

int neap_fs_replacefile(neap_rt *rt, const char *path, const void *data,
                        size_t len, int mode) {
  struct atomic_job *on;
  size_t size = strlen(path) + 1;
  int err = neap__handle_enter(rt);
  if (err < 0)
    return err;
  if (size > sizeof on->path)
    return UV_ENAMETOOLONG;
  err =
      neap__job_new(rt, "writefile", NEAP_JOB_EFFECT, sizeof *on, (void **)&on);
  if (err < 0)
    return err;
  on->job.work = work_atomic;
  on->data = data;
  on->len = len;
  on->mode = mode;
  on->folder = on->fd = -1;
  memcpy(on->path, path, size);
  err = neap__job_run(&on->job);
  neap__job_free(&on->job);
  return err;
}
