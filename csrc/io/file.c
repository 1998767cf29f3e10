/* file.c: the life of an open file, and whose turn it is; see file.h. */
#include "io/file.h"

#include "core/waitq.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
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
  neap__inbuf_deinit(&file->spare, mem);
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
  int err = neap__file_behind_stop(file);
  if (err == 0 && file->out.len > 0)
    err = neap__fd_write_all(fd, neap__inbuf_bytes(&file->out), file->out.len,
                             true, &done);
  /* libuv must have let go of the descriptor before it is closed. */
  if (file->has_poll)
    uv_poll_stop(&file->poll);
  gone(file);
  int close_err = neap__fd_close(fd);
  file->shut_err = err < 0 ? err : close_err;
}

static void describe_fd(const struct neap_file *file, char *out, size_t size) {
  snprintf(out, size, "descriptor %d", file->fd);
}

static void describe(const struct neap_handle *handle, char *out, size_t size) {
  describe_fd(NEAP_LIST_ENTRY(handle, struct neap_file, handle), out, size);
}

static const struct neap_handle_kind kind = {.what = "file",
                                             .describe = describe};

void neap__file_release(struct neap_file *file) {
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
  neap__waitq_wake_all(&file->lockers, UV_ECANCELED);
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

/* The name of a temporary file goes while it is open: giving its blocks back is
   then left to the close. */
static void drop_name(struct neap_file *file) {
  char *name = file->temporary;
  if (name == NULL)
    return;
  file->temporary = NULL;
  unlink(name);
  neap__mem_free(&rt_of(file)->mem, name, strlen(name) + 1);
}

/* neap__handle_close: from __gc and at the runtime's end. */
static void on_end(struct neap_handle *handle) {
  struct neap_file *file = file_of(handle);
  if (file->state == NEAP_FILE_SHUT)
    return;
  neap__handle_ref(handle);
  file->state = NEAP_FILE_ENDING;
  drop_name(file);
  send_away(file);
  if (!file->in_pool && file->settler == NULL && file->state != NEAP_FILE_SHUT)
    shut_blocking(file);
  neap__handle_unref(handle);
}

int neap__file_new(struct neap_rt *rt, struct neap_file **out) {
  void *block;
  int err = neap__handle_new(rt, sizeof(struct neap_file), on_end, &block);
  if (err != 0)
    return err;
  struct neap_file *file = block;
  file->handle.kind = &kind;
  file->fd = -1;
  file->out_size = NEAP_FILE_OUT;
  file->fill = NEAP_IO_SCRATCH;
  file->gathers = true;
  neap__list_init(&file->waiters);
  neap__list_init(&file->lockers);
  *out = file;
  return 0;
}

/* --- turns ---------------------------------------------------------- */

static uint64_t my_id(const struct neap_file *file) {
  return rt_of(file)->sched.current->id;
}

bool neap__file_is_mine(const struct neap_file *file) {
  return file->owner == my_id(file);
}

void neap__file_take(struct neap_file *file) {
  neap__handle_ref(&file->handle);
  file->owner = my_id(file);
  file->quick_left = NEAP_GATHER_QUICK;
  neap__inbuf_rewind(&file->in);
}

/* Whoever waited for the turn was woken with err. */
static int take_turn(struct neap_file *file, int err) {
  if (err == 0 && file->state != NEAP_FILE_OPEN) {
    neap__file_release(file);
    err = UV_ECANCELED;
  }
  if (err == 0)
    neap__file_take(file);
  return err;
}

static void describe_turn(const struct neap_op *op, char *out, size_t size) {
  describe_fd(neap__waitq_object(op), out, size);
}

static uint64_t owner_of(const struct neap_op *op) {
  const struct neap_file *file = neap__waitq_object(op);
  return file->owner != NEAP_FILE_HELD ? file->owner : 0;
}

static const struct neap_op_kind turn_kind = {
    .what = "file", .describe = describe_turn, .waker = owner_of};

int neap__file_claim(struct neap_file *file) {
  struct neap_rt *rt = rt_of(file);
  int err = neap__handle_enter(rt);
  if (err < 0)
    return err;
  if (file->state != NEAP_FILE_OPEN)
    return UV_EBADF;
  if (file->owner == 0) {
    neap__file_take(file);
    return 0;
  }
  neap__handle_ref(&file->handle);
  /* Not an internal wait: a job that was let go may hold the file. */
  err = neap__waitq_wait_on(rt, &file->waiters, &turn_kind, file, NEAP_FOREVER,
                            false);
  err = take_turn(file, err);
  neap__handle_unref(&file->handle);
  return err;
}

/* The runtime ends while somebody waits for the turn: it ends the file. */
static enum neap_op_fate stay_in_queue(struct neap_op *op) {
  if (!op->rt->closing)
    return NEAP_OP_STAYS;
  neap__list_remove(&op->link);
  return NEAP_OP_GONE;
}

int neap__file_claim_shielded(struct neap_file *file) {
  if (file->state != NEAP_FILE_OPEN)
    return UV_EBADF;
  if (file->owner == 0) {
    neap__file_take(file);
    return 0;
  }
  struct neap_op *op;
  int err = neap__op_new(rt_of(file), "file", 0, &op);
  if (err < 0)
    return err;
  neap__handle_ref(&file->handle);
  neap__waitq_push(&file->waiters, op);
  op->cancel = stay_in_queue;
  err = take_turn(file, neap__op_await(op));
  neap__handle_unref(&file->handle);
  return err;
}

void neap_file_end(neap_file *file) {
  if (neap__file_is_mine(file))
    neap__file_release(file);
  neap__handle_unref(&file->handle);
}

/* --- closing -------------------------------------------------------- */

/* The runtime ends while close waits for its turn: the end will shut it. */
static enum neap_op_fate give_turn_up(struct neap_op *op) {
  if (!op->rt->closing)
    return NEAP_OP_STAYS;
  neap__file_wait_file(op)->closer = NULL;
  return NEAP_OP_GONE;
}

static int turn_to_close(struct neap_file *file) {
  if (file->owner == 0)
    return 0;
  struct neap_op *op;
  int err = neap__file_wait_new(file, "close", give_turn_up, &op);
  if (err != 0)
    return err;
  file->closer = op;
  return neap__op_await(op);
}

/* In the pool. */
static int write_and_close(struct neap_file_call *call) {
  size_t done;
  int err = neap__fd_write_all(call->fd, call->bytes, call->n, true, &done);
  int close_err = neap__fd_close(call->fd);
  return err < 0 ? err : close_err;
}

/* Writes out and closes, as the file's owner. */
static int shut_waiting(struct neap_file *file) {
  int err = neap__file_behind_settle(file, true);
  if (err == 0 && file->kind == NEAP_FD_REGULAR && file->wrote) {
    struct neap_file_call call = {.fn = write_and_close,
                                  .bytes = file->out.block + file->out.start,
                                  .n = file->out.len};
    bool ran;
    err = neap__file_wait_call(file, "close", NEAP_JOB_SHIELDED, &call, &ran);
    if (ran) {
      gone(file);
      return err;
    }
    err = 0; /* there is no job to be had: without one, then */
  }
  int write_err = neap__file_write_out(file, true);
  shut_blocking(file); /* with nothing, or little, to write */
  if (err == 0)
    err = write_err;
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
  drop_name(file);
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

bool neap_file_is_closed(const neap_file *file) {
  return file->state != NEAP_FILE_OPEN;
}

bool neap_file_has_waiters(const neap_file *file) {
  bool job_only = file->owner == NEAP_FILE_HELD && file->in_pool;
  return (file->owner != 0 && !job_only) || file->closer != NULL ||
         !neap__list_empty(&file->waiters) || !neap__list_empty(&file->lockers);
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
