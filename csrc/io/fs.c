/*
 * fs.c: operations on paths: libuv's own functions, called synchronously in
 * one of our jobs, so that the caps of job.h hold for them.
 */
#include "io/handle.h"
#include "io/job.h"

#include <string.h>
#include <sys/stat.h>

struct path_job {
  struct neap_job job;
  uv_fs_t req;
  int mode;
  const char *second; /* rename: the new path, behind the first */
  char path[];
};

static struct path_job *path_job_of(struct neap_job *job) {
  return NEAP_LIST_ENTRY(job, struct path_job, job);
}

static void work_stat(struct neap_job *job) {
  struct path_job *on = path_job_of(job);
  job->result = uv_fs_stat(NULL, &on->req, on->path, NULL);
}

static void work_lstat(struct neap_job *job) {
  struct path_job *on = path_job_of(job);
  job->result = uv_fs_lstat(NULL, &on->req, on->path, NULL);
}

static void work_unlink(struct neap_job *job) {
  struct path_job *on = path_job_of(job);
  job->result = uv_fs_unlink(NULL, &on->req, on->path, NULL);
}

static void work_rmdir(struct neap_job *job) {
  struct path_job *on = path_job_of(job);
  job->result = uv_fs_rmdir(NULL, &on->req, on->path, NULL);
}

static void work_mkdir(struct neap_job *job) {
  struct path_job *on = path_job_of(job);
  job->result = uv_fs_mkdir(NULL, &on->req, on->path, on->mode, NULL);
}

static void work_rename(struct neap_job *job) {
  struct path_job *on = path_job_of(job);
  job->result = uv_fs_rename(NULL, &on->req, on->path, on->second, NULL);
}

static void work_mkdtemp(struct neap_job *job) {
  struct path_job *on = path_job_of(job);
  job->result = uv_fs_mkdtemp(NULL, &on->req, on->path, NULL);
}

static void drop_path(struct neap_job *job) {
  if (job->begun && job->result != UV_ECANCELED)
    uv_fs_req_cleanup(&path_job_of(job)->req);
}

static int new_job(struct neap_rt *rt, const char *what,
                   void (*work)(struct neap_job *), enum neap_job_effect effect,
                   const char *path, const char *second,
                   struct path_job **out) {
  struct path_job *on;
  size_t size = strlen(path) + 1;
  size_t second_size = second != NULL ? strlen(second) + 1 : 0;
  int err = neap__handle_enter(rt);
  if (err == 0)
    err = neap__job_new(rt, what, effect, sizeof *on + size + second_size,
                        (void **)&on);
  if (err != 0)
    return err;
  on->job.work = work;
  on->job.drop = drop_path;
  memcpy(on->path, path, size);
  if (second != NULL)
    memcpy(on->path + size, second, second_size);
  on->second = on->path + size;
  *out = on;
  return 0;
}

/* Runs and frees it. */
static int run(struct path_job *on) {
  int err = neap__job_run(&on->job);
  if (!on->job.dropped)
    drop_path(&on->job);
  neap__job_free(&on->job);
  return err;
}

static const char *type_of(uint64_t mode) {
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

static neap_fs_time time_of(const uv_timespec_t *time) {
  return (neap_fs_time){.sec = time->tv_sec, .nsec = time->tv_nsec};
}

static void fill_in(const uv_stat_t *from, neap_fs_info *out) {
  *out = (neap_fs_info){
      .type = type_of(from->st_mode),
      .dev = from->st_dev,
      .mode = from->st_mode,
      .nlink = from->st_nlink,
      .uid = from->st_uid,
      .gid = from->st_gid,
      .rdev = from->st_rdev,
      .ino = from->st_ino,
      .size = from->st_size,
      .blksize = from->st_blksize,
      .blocks = from->st_blocks,
      .atime = time_of(&from->st_atim),
      .mtime = time_of(&from->st_mtim),
      .ctime = time_of(&from->st_ctim),
      .birthtime = time_of(&from->st_birthtim),
  };
}

static int stat_with(struct neap_rt *rt, const char *what,
                     void (*work)(struct neap_job *), const char *path,
                     neap_fs_info *out) {
  struct path_job *on;
  int err = new_job(rt, what, work, NEAP_JOB_PURE, path, NULL, &on);
  if (err != 0)
    return err;
  err = neap__job_run(&on->job);
  if (!on->job.dropped) {
    if (err == 0)
      fill_in(&on->req.statbuf, out);
    drop_path(&on->job);
  }
  neap__job_free(&on->job);
  return err;
}

int neap_fs_stat(neap_rt *rt, const char *path, neap_fs_info *out) {
  return stat_with(rt, "stat", work_stat, path, out);
}

int neap_fs_lstat(neap_rt *rt, const char *path, neap_fs_info *out) {
  return stat_with(rt, "lstat", work_lstat, path, out);
}

int neap_fs_unlink(neap_rt *rt, const char *path) {
  struct path_job *on;
  int err =
      new_job(rt, "unlink", work_unlink, NEAP_JOB_EFFECT, path, NULL, &on);
  return err != 0 ? err : run(on);
}

int neap_fs_rmdir(neap_rt *rt, const char *path) {
  struct path_job *on;
  int err = new_job(rt, "rmdir", work_rmdir, NEAP_JOB_EFFECT, path, NULL, &on);
  return err != 0 ? err : run(on);
}

int neap_fs_mkdir(neap_rt *rt, const char *path, int mode) {
  struct path_job *on;
  int err = new_job(rt, "mkdir", work_mkdir, NEAP_JOB_EFFECT, path, NULL, &on);
  if (err != 0)
    return err;
  on->mode = mode;
  return run(on);
}

int neap_fs_rename(neap_rt *rt, const char *from, const char *to) {
  struct path_job *on;
  int err = new_job(rt, "rename", work_rename, NEAP_JOB_EFFECT, from, to, &on);
  return err != 0 ? err : run(on);
}

int neap_fs_mkdtemp(neap_rt *rt, const char *template_, neap_blob *out) {
  struct path_job *on;
  int err = new_job(rt, "mkdtemp", work_mkdtemp, NEAP_JOB_EFFECT, template_,
                    NULL, &on);
  if (err != 0)
    return err;
  neap_blob name = {.len = strlen(template_)};
  name.base = neap__mem_shared_alloc(name.len + 1); /* before there is one */
  err = name.base != NULL ? neap__job_run(&on->job) : UV_ENOMEM;
  if (err == 0) {
    memcpy(name.base, on->req.path, name.len + 1);
    *out = name;
  } else {
    neap_fs_free_blob(&name);
  }
  if (!on->job.dropped)
    drop_path(&on->job);
  neap__job_free(&on->job);
  return err;
}
