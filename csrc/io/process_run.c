/*
 * process_run.c: a program that is run to its end. The task feeds and drains
 * all its pipes itself, whichever is ready, so none of them can fill up while
 * another one is waited for.
 */
#include "io/process.h"

#include "io/fd.h"
#include "io/inbuf.h"
#include "io/ready.h"
#include "io/stream.h"

#include <errno.h>
#include <fcntl.h>

/* The least that a read asks for, and bytes that are moved before others get
   their turn. */
#define ROOM ((size_t)16 * 1024)
#define LOT  ((size_t)1024 * 1024)

struct neap_output {
  struct neap_handle handle; /* open: it has memory */
  struct neap_process *process;
  struct neap_inbuf bytes[3]; /* of stdout and stderr */
  bool wanted[3];             /* they were pipes */
  int fds[3];                 /* our ends, or -1 */
  neap_bytes input;           /* what is left of it: the caller's */
  size_t max;
  neap_status exit;
};

/* --- moving bytes ----------------------------------------------------- */

static void close_end(struct neap_output *run, int which) {
  if (run->fds[which] >= 0)
    neap__fd_close(run->fds[which]);
  run->fds[which] = -1;
}

static void close_ends(struct neap_output *run) {
  for (int i = 0; i < 3; i++)
    close_end(run, i);
}

/* A program may end, or close its stdin, before it has read everything: it says
   by its exit status whether that was wrong. */
static int feed(struct neap_output *run) {
  size_t moved = 0;
  while (run->input.len > 0 && moved < LOT) {
    int64_t n = neap__fd_write(run->fds[0], run->input.base, run->input.len);
    if (n == UV_EAGAIN)
      return 0;
    if (n < 0) {
      close_end(run, 0);
      return n == UV_EPIPE ? 0 : (int)n;
    }
    run->input.base += n;
    run->input.len -= (size_t)n;
    moved += (size_t)n;
  }
  if (run->input.len == 0)
    close_end(run, 0);
  return 0;
}

static int drain(struct neap_output *run, int which) {
  struct neap_inbuf *in = &run->bytes[which];
  size_t moved = 0;
  while (moved < LOT) {
    size_t size;
    char *room = neap__inbuf_reserve(in, &run->handle.rt->mem, ROOM, &size);
    if (room == NULL)
      return UV_ENOMEM;
    int64_t n = neap__fd_read(run->fds[which], room, size);
    if (n == UV_EAGAIN)
      return 0;
    if (n <= 0) {
      close_end(run, which);
      return (int)n;
    }
    neap__inbuf_filled(in, (size_t)n);
    if (in->len > run->max)
      return UV_EMSGSIZE;
    moved += (size_t)n;
  }
  return 0;
}

static int move(struct neap_output *run) {
  int err = 0;
  if (run->fds[0] >= 0)
    err = feed(run);
  for (int i = 1; err == 0 && i < 3; i++)
    if (run->fds[i] >= 0)
      err = drain(run, i);
  return err;
}

/* --- waiting ---------------------------------------------------------- */

/* The data of an op: one wait for all pipes, the first of which ends it. */
struct wait {
  struct one {
    struct neap_ready ready;
    struct neap_op *op;
  } pipes[3];
};

static void stop_all(struct neap_op *op) {
  struct wait *wait = neap__op_data(op);
  for (int i = 0; i < 3; i++)
    neap__ready_stop(op->rt, &wait->pipes[i].ready);
}

static void on_ready(struct neap_ready *ready, int events) {
  struct neap_op *op = NEAP_LIST_ENTRY(ready, struct one, ready)->op;
  (void)events;
  stop_all(op);
  neap__op_wake(op, 0);
}

static enum neap_op_fate call_off(struct neap_op *op) {
  stop_all(op);
  return NEAP_OP_GONE;
}

static int start_all(const struct neap_output *run, struct neap_op *op) {
  struct wait *wait = neap__op_data(op);
  for (int i = 0; i < 3; i++) {
    struct one *one = &wait->pipes[i];
    if (run->fds[i] < 0)
      continue;
    one->op = op;
    one->ready.fd = run->fds[i];
    one->ready.events = i == 0 ? NEAP_WRITABLE : NEAP_READABLE;
    one->ready.on_ready = on_ready;
    int err = neap__ready_start(op->rt, &one->ready);
    if (err < 0)
      return err;
  }
  return 0;
}

/* Waits until one of the pipes is ready. Waits. */
static int wait_any(const struct neap_output *run, uint64_t due_ns) {
  struct neap_op *op;
  int err = neap__op_new_until(run->handle.rt, "process", sizeof(struct wait),
                               due_ns, &op);
  if (err < 0)
    return err;
  err = start_all(run, op);
  if (err < 0) {
    stop_all(op);
    neap__op_free(op);
    return err;
  }
  op->cancel = call_off;
  return neap__op_await(op);
}

static int transfer(struct neap_output *run, uint64_t due_ns) {
  for (;;) {
    int err = move(run);
    if (err < 0)
      return err;
    if (run->fds[0] < 0 && run->fds[1] < 0 && run->fds[2] < 0)
      return 0;
    err = wait_any(run, due_ns);
    if (err < 0)
      return err;
  }
}

/* --- the whole of it -------------------------------------------------- */

static struct neap_output *output_of(struct neap_handle *handle) {
  return NEAP_LIST_ENTRY(handle, struct neap_output, handle);
}

/* At the latest at the runtime's end: neap_handle's end. */
static void end(struct neap_handle *handle) {
  struct neap_output *run = output_of(handle);
  close_ends(run);
  for (int i = 1; i < 3; i++)
    neap__inbuf_deinit(&run->bytes[i], &handle->rt->mem);
  neap__handle_gone(handle);
}

static int new_output(struct neap_rt *rt, const neap_run_options *how,
                      struct neap_output **out) {
  void *block;
  int err = neap__handle_new(rt, sizeof(struct neap_output), end, &block);
  if (err < 0)
    return err;
  struct neap_output *run = block;
  run->fds[0] = run->fds[1] = run->fds[2] = -1;
  run->max = how->max > 0 ? how->max : SIZE_MAX;
  run->input = how->input;
  neap__stream_handle_sigpipe(rt->io);
  neap__handle_opened(&run->handle);
  *out = run;
  return 0;
}

/* Our ends only: the child has its own descriptions. */
static int start(struct neap_output *run, neap_process_options *options) {
  int err =
      neap__process_start(run->handle.rt, options, run->fds, &run->process);
  for (int i = 0; err == 0 && i < 3; i++) {
    run->wanted[i] = run->fds[i] >= 0;
    if (run->wanted[i] && fcntl(run->fds[i], F_SETFL, O_NONBLOCK) < 0)
      err = uv_translate_sys_error(errno);
  }
  return err;
}

int neap_process_run(neap_rt *rt, neap_process_options *options,
                     const neap_run_options *how, neap_output **out) {
  struct neap_output *run;
  uint64_t due_ns = how->due_ns > 0 ? how->due_ns : NEAP_NEVER;
  int err = new_output(rt, how, &run);
  if (err < 0)
    return err;
  err = start(run, options);
  if (err == 0)
    err = transfer(run, due_ns);
  if (err == 0)
    err = neap_process_wait(run->process, due_ns, &run->exit);
  close_ends(run);
  if (err < 0 && run->process != NULL)
    neap_process_close(run->process);
  neap_process_free(run->process);
  run->process = NULL;
  if (err < 0) {
    neap_output_free(run);
    return err;
  }
  *out = run;
  return 0;
}

neap_status neap_output_status(const neap_output *output) {
  return output->exit;
}

neap_view neap_output_bytes(const neap_output *output, int which) {
  const struct neap_inbuf *in = &output->bytes[which];
  if (!output->wanted[which])
    return (neap_view){0};
  return (neap_view){.base = in->len > 0 ? neap__inbuf_bytes(in) : "",
                     .len = in->len};
}

void neap_output_free(neap_output *output) {
  if (output == NULL)
    return;
  neap__handle_close(&output->handle);
  neap__handle_unref(&output->handle);
}
