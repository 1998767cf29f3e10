/*
 * fs.c: operations on paths: libuv's own functions, called synchronously in
 * one of our jobs, so that the caps of job.h hold for them.
 */
#include "io/fs_fast.h"
#include "io/fs_stat.h"
#include "io/handle.h"
#include "io/job.h"

#include <fcntl.h>
#include <string.h>

struct path_job {
  struct neap_job job;
  uv_fs_t req;
  int mode;
  bool follow, learns; /* stat: links; the file's mount as well */
  struct neap_mount mount;
  neap_fs_info info;
  const char *second; /* rename: the new path, behind the first */
  char path[];
};

static struct path_job *path_job_of(struct neap_job *job) {
  return NEAP_LIST_ENTRY(job, struct path_job, job);
}

static void work_stat(struct neap_job *job) {
  struct path_job *on = path_job_of(job);
  job->result = UV_ENOENT; /* of "", which below stands for a descriptor */
  if (on->path[0] != '\0')
    job->result = neap__fs_stat_at(AT_FDCWD, on->path, on->follow, &on->info);
  if (job->result == 0 && on->learns)
    neap__fs_fast_learn(on->path, on->follow, &on->mount);
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

static int stat_in_pool(struct neap_rt *rt, const char *path, bool follow,
                        bool learns, neap_fs_info *out) {
  struct path_job *on;
  int err = new_job(rt, follow ? "stat" : "lstat", work_stat, NEAP_JOB_PURE,
                    path, NULL, &on);
  if (err != 0)
    return err;
  on->follow = follow;
  on->learns = learns;
  err = neap__job_run(&on->job);
  if (!on->job.dropped) {
    if (err == 0)
      *out = on->info;
    if (err == 0 && learns)
      neap__fs_fast_note(rt->io, &on->mount);
  }
  neap__job_free(&on->job);
  return err;
}

static int stat_path(struct neap_rt *rt, const char *path, bool follow,
                     neap_fs_info *out) {
  struct neap_io *io;
  int err = neap__handle_enter(rt);
  if (err == 0)
    err = neap__handle_io(rt, &io);
  if (err < 0)
    return err;
  err = neap__fs_fast_stat(rt, path, follow, out);
  neap__handle_charge(rt, 0);
  if (err != UV_EAGAIN && err != UV_ENOTSUP)
    return err;
  return stat_in_pool(rt, path, follow, err == UV_ENOTSUP, out);
}

int neap_fs_stat(neap_rt *rt, const char *path, neap_fs_info *out) {
  return stat_path(rt, path, true, out);
}

int neap_fs_lstat(neap_rt *rt, const char *path, neap_fs_info *out) {
  return stat_path(rt, path, false, out);
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
