/* file.c: the life of an open file, and whose turn it is; see file.h. */
#include "io/file.h"

#include "core/waitq.h"

#include <errno.h>
#include <unistd.h>

static struct neap_rt *rt_of(const struct neap_file *file) {
  return file->handle.rt;
}

static struct neap_file *file_of(struct neap_handle *handle) {
  return NEAP_LIST_ENTRY(handle, struct neap_file, handle);
}

/* --- the end -------------------------------------------------------- */

static void on_poll_closed(uv_handle_t *uv) {
  struct neap_file *file = NEAP_LIST_ENTRY(uv, struct neap_file, poll);
  rt_of(file)->uv_handles--;
  neap__handle_gone(&file->handle);
}

/* The descriptor is closed, or about to be: nothing else is left of it. */
static void gone(struct neap_file *file) {
  struct neap_mem *mem = &rt_of(file)->mem;
  file->state = NEAP_FILE_SHUT;
  file->fd = -1;
  neap__inbuf_deinit(&file->in, mem);
  neap__inbuf_deinit(&file->out, mem);
  file->handle.closed = true;
  if (file->has_poll)
    uv_close((uv_handle_t *)&file->poll, on_poll_closed);
  else
    neap__handle_gone(&file->handle);
}

/* Writes out and closes where nobody may wait. */
static void shut_blocking(struct neap_file *file) {
  size_t done;
  int fd = file->fd;
  int err = 0;
  if (file->out.len > 0)
    err = neap__fd_write_all(fd, neap__inbuf_bytes(&file->out), file->out.len,
                             true, &done);
  /* libuv must have let go of the descriptor before it is closed. */
  if (file->has_poll)
    uv_poll_stop(&file->poll);
  gone(file);
  int close_err = neap__fd_close(fd);
  file->shut_err = err < 0 ? err : close_err;
}

/* The turn is over: the next one's. */
static void release(struct neap_file *file) {
  file->owner = 0;
  if (file->closer != NULL) {
    struct neap_op *op = file->closer;
    file->closer = NULL;
    file->owner = NEAP_FILE_HELD;
    neap__op_wake(op, 0);
  } else if (file->state == NEAP_FILE_ENDING) {
    shut_blocking(file);
  } else if (file->state == NEAP_FILE_OPEN &&
             neap__waitq_wake_one(&file->waiters, 0)) {
    file->owner = NEAP_FILE_HELD;
  }
}

/* Whoever waits for the file or in it is sent away. */
static void send_away(struct neap_file *file) {
  neap__waitq_wake_all(&file->waiters, UV_ECANCELED);
  if (file->op == NULL)
    return;
  struct neap_op *op = file->op;
  neap__op_interrupt(op, UV_ECANCELED);
  /* A wait for readiness is over for good; who waited needs the file no more,
     and may even never run again (main, at the runtime's end). */
  if (!file->in_pool && neap__op_abandoned(op)) {
    file->op = NULL;
    file->owner = 0;
  }
}

/* neap__handle_close: from __gc and at the runtime's end. */
static void on_end(struct neap_handle *handle) {
  struct neap_file *file = file_of(handle);
  if (file->state == NEAP_FILE_SHUT)
    return;
  neap__handle_ref(handle);
  file->state = NEAP_FILE_ENDING;
  send_away(file);
  if (!file->in_pool && file->state != NEAP_FILE_SHUT)
    shut_blocking(file);
  neap__handle_unref(handle);
}

int neap__file_new(struct neap_rt *rt, struct neap_file **out) {
  void *block;
  int err = neap__handle_new(rt, sizeof(struct neap_file), on_end, &block);
  if (err != 0)
    return err;
  struct neap_file *file = block;
  file->fd = -1;
  file->out_size = file->fill = NEAP_IO_SCRATCH;
  neap__list_init(&file->waiters);
  *out = file;
  return 0;
}

/* --- turns ---------------------------------------------------------- */

static uint64_t my_id(const struct neap_file *file) {
  return neap_task_id(neap_current(rt_of(file)));
}

bool neap__file_is_mine(const struct neap_file *file) {
  return file->owner == my_id(file);
}

int neap__file_claim(struct neap_file *file) {
  struct neap_rt *rt = rt_of(file);
  int err = neap__handle_enter(rt);
  if (err < 0)
    return err;
  if (file->state != NEAP_FILE_OPEN)
    return UV_EBADF;
  neap__handle_ref(&file->handle);
  if (file->owner != 0) {
    /* Not an internal wait: a job that was let go may hold the file. */
    err = neap__waitq_wait(rt, &file->waiters, "file", NEAP_FOREVER, false);
    if (err == 0 && file->state != NEAP_FILE_OPEN) {
      release(file);
      err = UV_ECANCELED;
    }
    if (err < 0) {
      neap__handle_unref(&file->handle);
      return err;
    }
  }
  file->owner = my_id(file);
  neap__inbuf_rewind(&file->in);
  return 0;
}

void neap_file_end(neap_file *file) {
  if (neap__file_is_mine(file))
    release(file);
  neap__handle_unref(&file->handle);
}

/* --- waiting -------------------------------------------------------- */

static void on_poll(uv_poll_t *uv, int status, int events) {
  struct neap_file *file = NEAP_LIST_ENTRY(uv, struct neap_file, poll);
  (void)status; /* the call that is tried again tells what is wrong */
  (void)events;
  uv_poll_stop(uv);
  struct neap_op *op = file->op;
  file->op = NULL;
  neap__op_wake(op, 0);
}

/* The data of a wait for a file. */
struct wait {
  struct neap_file *file;
};

static int new_wait(struct neap_file *file, const char *what,
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

static enum neap_op_fate stop_polling(struct neap_op *op) {
  struct wait *wait = neap__op_data(op);
  uv_poll_stop(&wait->file->poll);
  return NEAP_OP_GONE;
}

static enum neap_op_fate stays(struct neap_op *op) {
  (void)op;
  return NEAP_OP_STAYS;
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
  err = new_wait(file, "file", shielded ? stays : stop_polling, &op);
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

static void work_io(struct neap_job *job) {
  struct neap_file_job *io = NEAP_LIST_ENTRY(job, struct neap_file_job, job);
  int64_t result = 0;
  size_t done;
  if (job->effect == NEAP_JOB_PURE)
    result = neap__fd_read(io->fd, io->bytes, io->n);
  else
    result = neap__fd_write_all(io->fd, io->bytes, io->n, true, &done);
  if (io->then_close) {
    int err = neap__fd_close(io->fd);
    result = result < 0 ? result : err;
  }
  job->result = (int)result; /* a read is of less than 2 GiB */
}

/* A job that was let go has come to its end: what it read is the file's. */
static void on_dropped(struct neap_job *job) {
  struct neap_file_job *io = NEAP_LIST_ENTRY(job, struct neap_file_job, job);
  struct neap_file *file = io->file;
  if (job->effect == NEAP_JOB_PURE && job->result > 0)
    neap__inbuf_filled(&file->in, (size_t)job->result);
  file->in_pool = false;
  file->op = NULL;
  release(file);
  neap__handle_unref(&file->handle);
}

int neap__file_run(struct neap_file *file, const char *what,
                   enum neap_job_effect effect, const struct neap_file_job *job,
                   bool *ran) {
  struct neap_file_job *io = NULL;
  *ran = false;
  int err = neap__job_new(rt_of(file), what, effect, sizeof *io, (void **)&io);
  if (err < 0)
    return err;
  io->job.work = work_io;
  io->job.drop = on_dropped;
  io->file = file;
  io->bytes = job->bytes;
  io->n = job->n;
  io->fd = file->fd;
  io->then_close = job->then_close;
  neap__handle_ref(&file->handle);
  file->in_pool = true;
  file->op = neap__job_op(&io->job);
  int result = neap__job_run(&io->job);
  *ran = io->job.begun && !io->job.dropped;
  if (io->job.dropped) {
    if (neap__file_is_mine(file)) /* the pool still has it */
      file->owner = NEAP_FILE_HELD;
  } else {
    file->in_pool = false;
    file->op = NULL;
    neap__handle_unref(&file->handle);
  }
  neap__job_free(&io->job);
  return result;
}

/* --- closing -------------------------------------------------------- */

/* The runtime ends while close waits for its turn: the end will shut it. */
static enum neap_op_fate give_turn_up(struct neap_op *op) {
  struct wait *wait = neap__op_data(op);
  if (!op->rt->closing)
    return NEAP_OP_STAYS;
  wait->file->closer = NULL;
  return NEAP_OP_GONE;
}

static int turn_to_close(struct neap_file *file) {
  if (file->owner == 0)
    return 0;
  struct neap_op *op;
  int err = new_wait(file, "close", give_turn_up, &op);
  if (err != 0)
    return err;
  file->closer = op;
  return neap__op_await(op);
}

/* Writes out and closes, as the file's owner. */
static int shut_waiting(struct neap_file *file) {
  int err;
  if (file->kind == NEAP_FD_REGULAR && file->wrote) {
    struct neap_file_job job = {.bytes = file->out.block + file->out.start,
                                .n = file->out.len,
                                .then_close = true};
    bool ran;
    err = neap__file_run(file, "close", NEAP_JOB_SHIELDED, &job, &ran);
    if (ran) {
      gone(file);
      return err;
    }
  }
  err = neap__file_write_out(file, true);
  shut_blocking(file); /* with nothing, or little, to write */
  return err < 0 ? err : file->shut_err;
}

int neap_file_close(neap_file *file) {
  if (file->state != NEAP_FILE_OPEN)
    return 0;
  if (rt_of(file)->closing) {
    neap__handle_close(&file->handle);
    return file->shut_err;
  }
  neap__handle_ref(&file->handle);
  file->state = NEAP_FILE_CLOSING;
  send_away(file);
  int err = turn_to_close(file);
  if (err == 0) {
    file->owner = my_id(file);
    err = shut_waiting(file);
    file->owner = 0;
  } else {
    file->state = NEAP_FILE_ENDING; /* shut when the turn is over */
    err = err == UV_ENOMEM ? err : 0;
  }
  neap__handle_unref(&file->handle);
  return err;
}

int neap_file_fd(const neap_file *file) {
  return file->state == NEAP_FILE_OPEN ? file->fd : UV_EBADF;
}

bool neap_file_is_closed(const neap_file *file) {
  return file->state != NEAP_FILE_OPEN;
}

bool neap_file_has_waiters(const neap_file *file) {
  bool job_only = file->owner == NEAP_FILE_HELD && file->in_pool;
  return (file->owner != 0 && !job_only) || file->closer != NULL ||
         !neap__list_empty(&file->waiters);
}

int neap_file_free(neap_file *file) {
  if (file == NULL)
    return 0;
  neap__handle_ref(&file->handle);
  bool was_open = file->state == NEAP_FILE_OPEN;
  neap__handle_close(&file->handle);
  int err = was_open ? file->shut_err : 0;
  neap__handle_unref(&file->handle);
  neap__handle_unref(&file->handle);
  return err;
}

/* --- position ------------------------------------------------------- */

int neap__file_unread(struct neap_file *file) {
  struct neap_inbuf *in = &file->in;
  if (in->len == 0)
    return 0;
  if (lseek(file->fd, -(off_t)in->len, SEEK_CUR) < 0)
    return uv_translate_sys_error(errno);
  neap__inbuf_deinit(in, &rt_of(file)->mem);
  return 0;
}

/* lseek does not wait for the disk, so it needs no thread. */
static int64_t move(struct neap_file *file, int64_t offset, int whence) {
  struct neap_inbuf *in = &file->in;
  int64_t ahead = (int64_t)in->len;
  if (whence == SEEK_CUR && offset == 0) {
    off_t at = lseek(file->fd, 0, SEEK_CUR);
    return at < 0 ? uv_translate_sys_error(errno) : at - ahead;
  }
  if (whence == SEEK_CUR) {
    if (offset < INT64_MIN + ahead)
      return UV_EINVAL;
    offset -= ahead;
  }
  off_t at = lseek(file->fd, (off_t)offset, whence);
  if (at < 0)
    return uv_translate_sys_error(errno);
  neap__inbuf_deinit(in, &rt_of(file)->mem);
  return at;
}

int64_t neap_file_seek(neap_file *file, int64_t offset, int whence) {
  int64_t result = neap__file_claim(file);
  if (result < 0)
    return result;
  result = neap__file_write_out(file, false);
  if (result == 0)
    result = move(file, offset, whence);
  neap_file_end(file);
  return result;
}
