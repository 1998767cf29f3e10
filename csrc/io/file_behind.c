/*
 * file_behind.c: writing behind. A full buffer is handed to the pool and the
 * script goes on with another one, so that the disk and the script work at the
 * same time. One job per file, so that bytes go out in their order; how it
 * failed is told by the next call on the file, or by its close.
 */
#include "io/file.h"

struct behind_job {
  struct neap_job job;
  struct neap_file *file;
  uv_sem_t over; /* the pool is through with it */
  int fd;
};

static struct behind_job *behind_job_of(struct neap_job *job) {
  return NEAP_LIST_ENTRY(job, struct behind_job, job);
}

static int write_spare(int fd, const struct neap_inbuf *spare) {
  size_t done;
  return neap__fd_write_all(fd, spare->block + spare->start, spare->len, true,
                            &done);
}

/* The file's spare buffer is left alone until the job is over. */
static void work_behind(struct neap_job *job) {
  struct behind_job *on = behind_job_of(job);
  job->result = write_spare(on->fd, &on->file->spare);
  uv_sem_post(&on->over);
}

/* How it went is noted; with what comes behind it, if it failed. */
static void note(struct neap_file *file, int result) {
  file->spare.start = file->spare.len = 0;
  if (result < 0) {
    file->behind_err = result;
    neap__file_write_clear(file);
  }
}

static void on_done(struct neap_job *job) {
  struct behind_job *on = behind_job_of(job);
  struct neap_file *file = on->file;
  uv_sem_destroy(&on->over);
  if (file->behind == job) {
    struct neap_op *settler = file->settler;
    file->behind = NULL;
    file->settler = NULL;
    note(file, job->result);
    if (settler != NULL) {
      file->op = NULL; /* it goes on: the turn can't be taken from it now */
      neap__op_wake(settler, 0);
    }
  }
  neap__handle_unref(&file->handle);
}

int neap__file_behind_start(struct neap_file *file) {
  struct behind_job *on = NULL;
  int err = neap__job_new(file->handle.rt, "write", NEAP_JOB_SHIELDED,
                          sizeof *on, (void **)&on);
  if (err < 0)
    return err;
  err = uv_sem_init(&on->over, 0);
  if (err < 0) {
    neap__job_free(&on->job);
    return err;
  }
  on->job.work = work_behind;
  on->job.done = on_done;
  on->file = file;
  on->fd = file->fd;
  struct neap_inbuf full = file->out;
  file->out = file->spare;
  file->spare = full;
  file->behind = &on->job;
  neap__handle_ref(&file->handle);
  err = neap__job_start(&on->job);
  if (err < 0) {
    file->spare = file->out;
    file->out = full;
    file->behind = NULL;
    neap__handle_unref(&file->handle);
    uv_sem_destroy(&on->over);
    neap__job_free(&on->job);
    return err;
  }
  file->marked = 0;
  return 0;
}

static int take_err(struct neap_file *file) {
  int err = file->behind_err;
  file->behind_err = 0;
  return err;
}

static enum neap_op_fate leave(struct neap_op *op) {
  neap__file_wait_file(op)->settler = NULL;
  return NEAP_OP_GONE;
}

int neap__file_behind_settle(struct neap_file *file, bool shielded) {
  if (file->behind != NULL) {
    struct neap_op *op;
    int err = neap__file_wait_new(
        file, "write", shielded ? neap__file_wait_stays : leave, &op);
    if (err < 0)
      return err;
    file->settler = file->op = op;
    err = neap__op_park(op);
    if (file->op == op)
      file->op = NULL;
    neap__op_unref(op);
    if (err == 0 && file->state == NEAP_FILE_SHUT)
      err = UV_ECANCELED; /* the file's end did not wait for who was woken */
    if (err < 0)
      return err;
  }
  return take_err(file);
}

int neap__file_behind_stop(struct neap_file *file) {
  struct neap_job *job = file->behind;
  if (job != NULL) {
    struct behind_job *on = behind_job_of(job);
    file->behind = NULL; /* on_done will only clear up */
    if (neap__job_retract(job)) {
      note(file, write_spare(file->fd, &file->spare));
    } else {
      uv_sem_wait(&on->over);
      note(file, job->result);
    }
  }
  return take_err(file);
}
