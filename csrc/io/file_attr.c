/*
 * file_attr.c: what an open file is: its length, times and permissions, and
 * whether the disk has it. Each comes after what is buffered.
 */
#include "io/file.h"

#include "io/fs_fast.h"
#include "io/fs_stat.h"

#include <sys/stat.h>

/* Writes out and runs the call, as one operation. */
static int call_on(struct neap_file *file, const char *what,
                   enum neap_job_effect effect, struct neap_file_call *call) {
  bool ran;
  int err = neap__file_claim(file);
  if (err < 0)
    return err;
  err = neap__file_write_out(file, false);
  if (err == 0)
    err = neap__file_wait_call(file, what, effect, call, &ran);
  neap_file_end(file);
  return err;
}

/* In the pool, as the next ones. */
static int call_stat(struct neap_file_call *call) {
  if (call->learns)
    neap__fs_fast_learn_fd(call->fd, &call->mount);
  return neap__fs_stat_at(call->fd, "", true, &call->info);
}

static int stat_in_pool(struct neap_file *file, bool learns,
                        neap_fs_info *out) {
  struct neap_file_call call = {.fn = call_stat, .learns = learns};
  bool ran;
  int err = neap__file_wait_call(file, "stat", NEAP_JOB_PURE, &call, &ran);
  if (err < 0)
    return err;
  neap__fs_fast_note(file->handle.rt->io, &call.mount);
  *out = call.info;
  return 0;
}

int neap_file_stat(neap_file *file, neap_fs_info *out) {
  int err = neap__file_claim(file);
  if (err < 0)
    return err;
  err = neap__file_write_out(file, false);
  if (err == 0) {
    err = neap__fs_fast_look(file->handle.rt->io, file->fd, out);
    if (err == UV_EAGAIN || err == UV_ENOTSUP)
      err = stat_in_pool(file, err == UV_ENOTSUP, out);
  }
  neap_file_end(file);
  return err;
}

static int call_sync(struct neap_file_call *call) {
  return neap__fd_sync(call->fd, call->mode != 0);
}

int neap_file_sync(neap_file *file, bool data_only) {
  struct neap_file_call call = {.fn = call_sync, .mode = data_only};
  return call_on(file, "sync", NEAP_JOB_EFFECT, &call);
}

static int call_chmod(struct neap_file_call *call) {
  return neap__fd_chmod(call->fd, call->mode);
}

int neap_file_chmod(neap_file *file, int mode) {
  struct neap_file_call call = {.fn = call_chmod, .mode = mode};
  return call_on(file, "chmod", NEAP_JOB_EFFECT, &call);
}

static int call_utime(struct neap_file_call *call) {
  return neap__fd_utime(call->fd, call->times);
}

static struct timespec timespec_of(const neap_fs_time *time) {
  if (time == NULL)
    return (struct timespec){.tv_nsec = UTIME_NOW};
  return (struct timespec){.tv_sec = (time_t)time->sec,
                           .tv_nsec = (long)time->nsec};
}

int neap_file_utime(neap_file *file, const neap_fs_time *atime,
                    const neap_fs_time *mtime) {
  struct neap_file_call call = {
      .fn = call_utime, .times = {timespec_of(atime), timespec_of(mtime)}};
  return call_on(file, "utime", NEAP_JOB_EFFECT, &call);
}

static int call_truncate(struct neap_file_call *call) {
  return neap__fd_truncate(call->fd, call->at);
}

int neap_file_truncate(neap_file *file, int64_t size) {
  int err = neap__file_claim(file);
  if (err < 0)
    return err;
  err = file->writable ? neap__file_write_out(file, false) : UV_EBADF;
  if (err == 0) /* what was read ahead may be cut off */
    err = neap__file_at_reader(file);
  if (err == 0) {
    bool ran;
    struct neap_file_call call = {.fn = call_truncate, .at = size};
    err = neap__file_wait_call(file, "truncate", NEAP_JOB_EFFECT, &call, &ran);
  }
  neap_file_end(file);
  return err;
}

int neap_file_fd(const neap_file *file) {
  return file->state == NEAP_FILE_OPEN ? file->fd : UV_EBADF;
}
