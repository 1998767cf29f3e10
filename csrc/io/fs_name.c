/*
 * fs_name.c: what is done to a name: links, permissions, owners, times, and
 * names that are made up. Plain system calls, each in one job.
 */
#include "io/fd.h"
#include "io/file.h"
#include "io/handle.h"
#include "io/job.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* What a new file may be used for, less the process's umask. */
#define FILE_MODE 0666

struct name_job {
  struct neap_job job;
  /* In a pool thread: as a system call, -1 and errno. */
  int (*call)(struct name_job *name);
  int flags; /* a mode, or what call makes of it */
  uint32_t uid, gid;
  struct timespec times[2]; /* atime, mtime */
  neap_fs_space space;
  char *text; /* shared memory: a name that was found out */
  size_t text_len;
  int fd;             /* opened by call, or -1 */
  const char *second; /* another path, behind the first */
  char path[];
};

static struct name_job *name_of(struct neap_job *job) {
  return NEAP_LIST_ENTRY(job, struct name_job, job);
}

static void work_name(struct neap_job *job) {
  struct name_job *name = name_of(job);
  int result;
  do {
    result = name->call(name);
  } while (result < 0 && errno == EINTR);
  job->result = result < 0 ? uv_translate_sys_error(errno) : 0;
}

static void drop_name(struct neap_job *job) {
  struct name_job *name = name_of(job);
  neap__mem_shared_free(name->text);
  if (name->fd >= 0)
    neap__fd_close(name->fd);
}

static int new_name(struct neap_rt *rt, const char *what,
                    enum neap_job_effect effect, int (*call)(struct name_job *),
                    const char *path, const char *second,
                    struct name_job **out) {
  struct name_job *name;
  size_t size = strlen(path) + 1;
  size_t second_size = second != NULL ? strlen(second) + 1 : 0;
  int err = neap__handle_enter(rt);
  if (err == 0)
    err = neap__job_new(rt, what, effect, sizeof *name + size + second_size,
                        (void **)&name);
  if (err != 0)
    return err;
  name->job.work = work_name;
  name->job.drop = drop_name;
  name->call = call;
  name->fd = -1;
  memcpy(name->path, path, size);
  if (second != NULL)
    memcpy(name->path + size, second, second_size);
  name->second = name->path + size;
  *out = name;
  return 0;
}

/* Runs and frees it; what it found out is left in *out (may be NULL). */
static int run(struct name_job *name, neap_blob *out) {
  int err = neap__job_run(&name->job);
  if (err == 0 && out != NULL) {
    *out = (neap_blob){.base = name->text, .len = name->text_len};
    name->text = NULL;
  }
  if (!name->job.dropped)
    drop_name(&name->job);
  neap__job_free(&name->job);
  return err;
}

/* --- looking -------------------------------------------------------- */

static int call_access(struct name_job *name) {
  return access(name->path, name->flags);
}

int neap_fs_access(neap_rt *rt, const char *path, int mode) {
  struct name_job *name;
  int err =
      new_name(rt, "access", NEAP_JOB_PURE, call_access, path, NULL, &name);
  if (err != 0)
    return err;
  name->flags = mode;
  return run(name, NULL);
}

static int call_statfs(struct name_job *name) {
  struct statfs at;
  if (statfs(name->path, &at) < 0)
    return -1;
  name->space = (neap_fs_space){.type = (uint64_t)at.f_type,
                                .bsize = (uint64_t)at.f_bsize,
                                .blocks = at.f_blocks,
                                .bfree = at.f_bfree,
                                .bavail = at.f_bavail,
                                .files = at.f_files,
                                .ffree = at.f_ffree};
  return 0;
}

int neap_fs_statfs(neap_rt *rt, const char *path, neap_fs_space *out) {
  struct name_job *name;
  int err =
      new_name(rt, "statfs", NEAP_JOB_PURE, call_statfs, path, NULL, &name);
  if (err != 0)
    return err;
  err = neap__job_run(&name->job);
  if (err == 0)
    *out = name->space;
  neap__job_free(&name->job);
  return err;
}

/* --- links ---------------------------------------------------------- */

static int call_link(struct name_job *name) {
  return link(name->path, name->second);
}

int neap_fs_link(neap_rt *rt, const char *from, const char *to) {
  struct name_job *name;
  int err = new_name(rt, "link", NEAP_JOB_EFFECT, call_link, from, to, &name);
  return err != 0 ? err : run(name, NULL);
}

static int call_symlink(struct name_job *name) {
  return symlink(name->path, name->second);
}

int neap_fs_symlink(neap_rt *rt, const char *target, const char *path) {
  struct name_job *name;
  int err = new_name(rt, "symlink", NEAP_JOB_EFFECT, call_symlink, target, path,
                     &name);
  return err != 0 ? err : run(name, NULL);
}

/* Room for a name in name->text. -1 and errno. */
static int make_text(struct name_job *name, size_t size) {
  neap__mem_shared_free(name->text);
  name->text = neap__mem_shared_alloc(size);
  if (name->text != NULL)
    return 0;
  errno = ENOMEM;
  return -1;
}

/* A link's target may be longer than lstat says, or than PATH_MAX (/proc). */
static int call_readlink(struct name_job *name) {
  for (size_t size = 256;; size *= 2) {
    if (make_text(name, size) < 0)
      return -1;
    ssize_t n = readlink(name->path, name->text, size);
    if (n < 0)
      return -1;
    name->text_len = (size_t)n;
    if ((size_t)n < size)
      return 0;
  }
}

int neap_fs_readlink(neap_rt *rt, const char *path, neap_blob *out) {
  struct name_job *name;
  int err =
      new_name(rt, "readlink", NEAP_JOB_PURE, call_readlink, path, NULL, &name);
  return err != 0 ? err : run(name, out);
}

static int call_realpath(struct name_job *name) {
  if (make_text(name, PATH_MAX) < 0 || realpath(name->path, name->text) == NULL)
    return -1;
  name->text_len = strlen(name->text);
  return 0;
}

int neap_fs_realpath(neap_rt *rt, const char *path, neap_blob *out) {
  struct name_job *name;
  int err =
      new_name(rt, "realpath", NEAP_JOB_PURE, call_realpath, path, NULL, &name);
  return err != 0 ? err : run(name, out);
}

/* --- permissions, owners, times ------------------------------------- */

static int call_chmod(struct name_job *name) {
  return chmod(name->path, (mode_t)name->flags);
}

int neap_fs_chmod(neap_rt *rt, const char *path, int mode) {
  struct name_job *name;
  int err =
      new_name(rt, "chmod", NEAP_JOB_EFFECT, call_chmod, path, NULL, &name);
  if (err != 0)
    return err;
  name->flags = mode;
  return run(name, NULL);
}

static int call_chown(struct name_job *name) {
  return fchownat(AT_FDCWD, name->path, name->uid, name->gid, name->flags);
}

static int chown_with(struct neap_rt *rt, const char *what, const char *path,
                      uint32_t uid, uint32_t gid, int flags) {
  struct name_job *name;
  int err = new_name(rt, what, NEAP_JOB_EFFECT, call_chown, path, NULL, &name);
  if (err != 0)
    return err;
  name->uid = uid;
  name->gid = gid;
  name->flags = flags;
  return run(name, NULL);
}

int neap_fs_chown(neap_rt *rt, const char *path, uint32_t uid, uint32_t gid) {
  return chown_with(rt, "chown", path, uid, gid, 0);
}

int neap_fs_lchown(neap_rt *rt, const char *path, uint32_t uid, uint32_t gid) {
  return chown_with(rt, "lchown", path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

/* NULL: now. */
static struct timespec timespec_of(const neap_fs_time *time) {
  if (time == NULL)
    return (struct timespec){.tv_nsec = UTIME_NOW};
  return (struct timespec){.tv_sec = (time_t)time->sec,
                           .tv_nsec = (long)time->nsec};
}

static int call_utime(struct name_job *name) {
  return utimensat(AT_FDCWD, name->path, name->times, 0);
}

int neap_fs_utime(neap_rt *rt, const char *path, const neap_fs_time *atime,
                  const neap_fs_time *mtime) {
  struct name_job *name;
  int err =
      new_name(rt, "utime", NEAP_JOB_EFFECT, call_utime, path, NULL, &name);
  if (err != 0)
    return err;
  name->times[0] = timespec_of(atime);
  name->times[1] = timespec_of(mtime);
  return run(name, NULL);
}

/* What can't be opened for writing (a folder, a running program) has its times
   set by name. */
static int call_touch(struct name_job *name) {
  int fd = neap__fd_open(name->path, O_WRONLY | O_CREAT | O_NOCTTY, FILE_MODE);
  if (fd < 0)
    return utimensat(AT_FDCWD, name->path, NULL, 0);
  int result = futimens(fd, NULL);
  int code = errno;
  neap__fd_close(fd);
  errno = code;
  return result;
}

int neap_fs_touch(neap_rt *rt, const char *path) {
  struct name_job *name;
  int err =
      new_name(rt, "touch", NEAP_JOB_EFFECT, call_touch, path, NULL, &name);
  return err != 0 ? err : run(name, NULL);
}

/* --- names that are made up ----------------------------------------- */

/* glibc's tries again on its own when a name is taken. */
static int call_mkstemp(struct name_job *name) {
  size_t len = strlen(name->path);
  if (make_text(name, len + 1) < 0)
    return -1;
  memcpy(name->text, name->path, len + 1);
  name->text_len = len;
  name->fd = mkostemp(name->text, O_CLOEXEC);
  return name->fd < 0 ? -1 : 0;
}

int neap_fs_mkstemp(neap_rt *rt, const char *template_, neap_blob *name_out,
                    neap_file **out) {
  struct name_job *name;
  int err = new_name(rt, "mkstemp", NEAP_JOB_EFFECT, call_mkstemp, template_,
                     NULL, &name);
  if (err != 0)
    return err;
  err = neap__job_run(&name->job);
  if (err == 0) {
    int fd = name->fd;
    name->fd = -1; /* adopt takes it over, or closes it */
    err = neap__file_adopt(rt, fd, O_RDWR, NEAP_FD_REGULAR, out);
    if (err == 0) {
      *name_out = (neap_blob){.base = name->text, .len = name->text_len};
      name->text = NULL;
    } else {
      unlink(name->text);
    }
  }
  if (!name->job.dropped)
    drop_name(&name->job);
  neap__job_free(&name->job);
  return err;
}
