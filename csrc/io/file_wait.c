/*
 * file_wait.c: what the owner of a file waits for: that a polled file is
 * ready, or a call in the pool.
 */
#include "io/file.h"

static struct neap_rt *rt_of(const struct neap_file *file) {
  return file->handle.rt;
}

/* The data of a wait for a file. */
struct wait {
  struct neap_file *file;
};

int neap__file_wait_new(struct neap_file *file, const char *what,
                        enum neap_op_fate (*cancel)(struct neap_op *),
                        struct neap_op **out) {
  struct neap_op *op;
  int err = neap__op_new(rt_of(file), what, sizeof(struct wait), &op);
  if (err != 0)
    return err;
  struct wait *wait = neap__op_data(op);
  wait->file = file;
  op->cancel = cancel;
  *out = op;
  return 0;
}

struct neap_file *neap__file_wait_file(struct neap_op *op) {
  struct wait *wait = neap__op_data(op);
  return wait->file;
}

enum neap_op_fate neap__file_wait_stays(struct neap_op *op) {
  (void)op;
  return NEAP_OP_STAYS;
}

/* --- until it is ready ---------------------------------------------- */

static void on_poll(uv_poll_t *uv, int status, int events) {
  struct neap_file *file = NEAP_LIST_ENTRY(uv, struct neap_file, poll);
  (void)status; /* the call that is tried again tells what is wrong */
  (void)events;
  uv_poll_stop(uv);
  struct neap_op *op = file->op;
  file->op = NULL;
  neap__op_wake(op, 0);
}

static enum neap_op_fate stop_polling(struct neap_op *op) {
  uv_poll_stop(&neap__file_wait_file(op)->poll);
  return NEAP_OP_GONE;
}

static int init_poll(struct neap_file *file) {
  struct neap_rt *rt = rt_of(file);
  if (file->has_poll)
    return 0;
  int err = uv_poll_init(rt->loop, &file->poll, file->fd);
  if (err < 0)
    return err;
  file->has_poll = true;
  rt->uv_handles++;
  return 0;
}

int neap__file_wait_ready(struct neap_file *file, int events, bool shielded) {
  if (file->shared != NEAP_FILE_OWN)
    return neap__file_std_wait(file, events, shielded);
  int err = init_poll(file);
  if (err == UV_EPERM) { /* epoll_ctl(2): "does not support epoll" */
    file->kind = NEAP_FD_REGULAR;
    return neap__fd_set_blocking(file->fd);
  }
  if (err < 0)
    return err;
  struct neap_op *op;
  err = neap__file_wait_new(
      file, "file", shielded ? neap__file_wait_stays : stop_polling, &op);
  if (err != 0)
    return err;
  err = uv_poll_start(&file->poll, events, on_poll);
  if (err < 0) {
    neap__op_free(op);
    return err;
  }
  file->op = op;
  err = neap__op_park(op);
  if (file->op == op)
    file->op = NULL;
  neap__op_unref(op);
  return err;
}

/* --- for a call in the pool ----------------------------------------- */

struct call_job {
  struct neap_job job;
  struct neap_file *file;
  struct neap_file_call call;
};

static struct call_job *call_job_of(struct neap_job *job) {
  return NEAP_LIST_ENTRY(job, struct call_job, job);
}

static void work_call(struct neap_job *job) {
  struct neap_file_call *call = &call_job_of(job)->call;
  job->result = call->fn(call);
}

/* One that was let go has come to its end: what it read is the file's. */
static void drop_call(struct neap_job *job) {
  struct call_job *on = call_job_of(job);
  struct neap_file *file = on->file;
  if (on->call.fills && job->result > 0)
    neap__inbuf_filled(&file->in, (size_t)job->result);
  if (on->call.drop != NULL)
    on->call.drop(&on->call);
  file->in_pool = false;
  file->op = NULL;
  neap__file_release(file);
  neap__handle_unref(&file->handle);
}

int neap__file_wait_call(struct neap_file *file, const char *what,
                         enum neap_job_effect effect,
                         struct neap_file_call *call, bool *ran) {
  struct call_job *on = NULL;
  *ran = false;
  int err = neap__job_new(rt_of(file), what, effect, sizeof *on, (void **)&on);
  if (err < 0)
    return err;
  on->job.work = work_call;
  on->job.drop = drop_call;
  on->file = file;
  on->call = *call;
  on->call.fd = file->fd;
  neap__handle_ref(&file->handle);
  file->in_pool = true;
  file->op = neap__job_op(&on->job);
  int result = neap__job_run(&on->job);
  if (on->job.dropped) {
    if (neap__file_is_mine(file)) /* the pool still has it */
      file->owner = NEAP_FILE_HELD;
    *call = (struct neap_file_call){0};
  } else {
    *ran = on->job.begun;
    *call = on->call;
    file->in_pool = false;
    file->op = NULL;
    neap__handle_unref(&file->handle);
  }
  neap__job_free(&on->job);
  return result;
}
