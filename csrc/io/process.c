/*
 * process.c: the life of a child process. SIGCHLD says that some child may
 * have ended, and often once for several; so each process then asks for itself.
 * Its number is its own until it has been reaped here, so whoever signals it
 * looks first whether it has.
 */
#include "io/process.h"

#include "core/waitq.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#define GRACE_NS ((uint64_t)2 * 1000 * 1000 * 1000)

static struct neap_process *process_of(struct neap_handle *handle) {
  return NEAP_LIST_ENTRY(handle, struct neap_process, handle);
}

static void describe(const struct neap_handle *handle, char *out, size_t size) {
  snprintf(out, size, "%d",
           NEAP_LIST_ENTRY(handle, struct neap_process, handle)->pid);
}

static void describe_wait(const struct neap_op *op, char *out, size_t size) {
  const struct neap_process *p = neap__waitq_object(op);
  describe(&p->handle, out, size);
}

static const struct neap_handle_kind kind = {.what = "process",
                                             .describe = describe};
static const struct neap_op_kind wait_kind = {.what = "process:wait",
                                              .describe = describe_wait};

/* --- the end ---------------------------------------------------------- */

static void on_timer_closed(uv_handle_t *uv) {
  struct neap_process *p = NEAP_LIST_ENTRY(uv, struct neap_process, timer);
  p->handle.uv = NULL;
  p->handle.rt->uv_handles--;
  neap__handle_gone(&p->handle);
}

/* It has ended, or nobody will know. */
static void finish(struct neap_process *p) {
  neap__signal_unwatch(p->handle.rt, SIGCHLD, &p->sigchld);
  neap__waitq_wake_all(&p->waiters, 0);
  neap__waitq_wake_all(&p->closers, 0);
  if (p->ending)
    uv_close((uv_handle_t *)&p->timer, on_timer_closed);
  else
    neap__handle_gone(&p->handle);
}

static int send_signal(const struct neap_process *p, int signum, bool group) {
  if (kill(group && p->own_group ? -p->pid : p->pid, signum) == 0)
    return 0;
  return uv_translate_sys_error(errno);
}

/* Its group is to go with it: what is left of that is killed while the number
   is surely theirs, as long as the first of them has not been reaped. */
static bool kill_group(const struct neap_process *p) {
  siginfo_t info = {0};
  int result;
  do {
    result = waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT);
  } while (result < 0 && errno == EINTR);
  if (result == 0 && info.si_pid == 0)
    return false;
  send_signal(p, SIGKILL, true);
  return true;
}

/* Takes its exit status, if it has ended. */
static void try_reap(struct neap_process *p) {
  int status;
  pid_t pid;
  if (!neap__list_linked(&p->sigchld.link) || p->pid == 0)
    return; /* it has been; it is being started */
  if (p->ending && p->own_group && !kill_group(p))
    return;
  do {
    pid = waitpid(p->pid, &status, WNOHANG);
  } while (pid < 0 && errno == EINTR);
  if (pid == 0)
    return;
  if (pid < 0)
    p->exit_err = uv_translate_sys_error(errno);
  else if (WIFSIGNALED(status))
    p->exit.signal = WTERMSIG(status);
  else
    p->exit.code = WEXITSTATUS(status);
  finish(p);
}

static void on_sigchld(struct neap_signal_hook *hook, int signum) {
  (void)signum;
  try_reap(NEAP_LIST_ENTRY(hook, struct neap_process, sigchld));
}

static void on_grace_over(uv_timer_t *timer) {
  struct neap_process *p = NEAP_LIST_ENTRY(timer, struct neap_process, timer);
  int err = send_signal(p, SIGKILL, true);
  if (err == 0)
    return;
  try_reap(p);
  if (neap__list_linked(&p->sigchld.link)) {
    /* It has become somebody else's, and can't be made to end. */
    p->exit_err = err;
    finish(p);
  }
}

/* SIGTERM now, SIGKILL after the grace. */
static void begin_end(struct neap_process *p) {
  struct neap_rt *rt = p->handle.rt;
  p->ending = true;
  uv_timer_init(rt->loop, &p->timer);
  p->handle.uv = (uv_handle_t *)&p->timer;
  rt->uv_handles++;
  uv_timer_start(&p->timer, on_grace_over, (p->grace_ns + 999999) / 1000000, 0);
  send_signal(p, SIGTERM, true);
  /* A stopped one would never see it. */
  send_signal(p, SIGCONT, true);
}

/* Closing, or the runtime's end: neap_handle's end. */
static void end(struct neap_handle *handle) {
  struct neap_process *p = process_of(handle);
  neap__waitq_wake_all(&p->waiters, UV_ECANCELED);
  if (p->detached)
    finish(p);
  else
    begin_end(p);
}

/* --- the beginning ---------------------------------------------------- */

int neap__process_new(struct neap_rt *rt, struct neap_process **out) {
  void *block;
  int err = neap__handle_new(rt, sizeof(struct neap_process), end, &block);
  if (err < 0)
    return err;
  struct neap_process *p = block;
  p->handle.kind = &kind;
  neap__list_init(&p->waiters);
  neap__list_init(&p->closers);
  p->sigchld.on_signal = on_sigchld;
  err = neap__signal_watch(rt, SIGCHLD, &p->sigchld);
  if (err < 0) {
    neap__handle_unref(&p->handle);
    return err;
  }
  *out = p;
  return 0;
}

void neap__process_started(struct neap_process *p, int pid) {
  p->pid = pid;
  if (p->grace_ns == 0)
    p->grace_ns = GRACE_NS;
  neap__handle_opened(&p->handle);
}

void neap__process_failed(struct neap_process *p) {
  neap__signal_unwatch(p->handle.rt, SIGCHLD, &p->sigchld);
  neap__handle_unref(&p->handle);
}

/* --- what one does with it -------------------------------------------- */

static bool is_closed(const struct neap_process *p) {
  return p->handle.closed || p->let_go;
}

int neap_process_wait(neap_process *p, uint64_t due_ns, neap_status *out) {
  int err = neap__handle_begin(&p->handle);
  if (err == 0 && is_closed(p))
    err = UV_EBADF;
  if (err < 0)
    return err;
  neap__handle_ref(&p->handle);
  try_reap(p);
  if (neap__list_linked(&p->sigchld.link))
    err = neap__waitq_wait_on(p->handle.rt, &p->waiters, &wait_kind, p, due_ns,
                              false);
  if (err == 0)
    err = p->exit_err;
  if (err == 0 && out != NULL)
    *out = p->exit;
  neap__handle_unref(&p->handle);
  return err;
}

int neap_process_kill(neap_process *p, int signum, bool group) {
  if (is_closed(p))
    return UV_EBADF;
  try_reap(p);
  if (!neap__list_linked(&p->sigchld.link))
    return UV_ESRCH;
  return send_signal(p, signum, group);
}

int neap_process_result(const neap_process *p, neap_status *out) {
  if (neap__list_linked(&p->sigchld.link))
    return UV_EAGAIN;
  if (p->exit_err == 0)
    *out = p->exit;
  return p->exit_err;
}

struct neap_list *neap_process_queue(neap_process *p) {
  return &p->waiters;
}

int neap_process_pid(const neap_process *p) {
  return p->pid;
}

bool neap_process_runs(const neap_process *p) {
  return neap__list_linked(&p->sigchld.link);
}

bool neap_process_waited(const neap_process *p) {
  return !neap__list_empty(&p->waiters) || !neap__list_empty(&p->closers);
}

static enum neap_op_fate stays(struct neap_op *op) {
  (void)op;
  return NEAP_OP_STAYS;
}

/* Waits until it has ended, whatever happens: it will before long. */
static int await_end(struct neap_process *p) {
  struct neap_op *op = &p->closer;
  if (!p->has_closer) {
    p->has_closer = true;
    neap__op_init(p->handle.rt, "process", op);
  } else {
    int err = neap__op_new(p->handle.rt, "process", 0, &op);
    if (err < 0)
      return err;
  }
  neap__waitq_push(&p->closers, op);
  op->cancel = stays;
  return neap__op_await(op);
}

/* Nobody asks for it any more. */
static void let_go(struct neap_process *p) {
  p->let_go = true;
  neap__waitq_wake_all(&p->waiters, UV_ECANCELED);
}

int neap_process_close(neap_process *p) {
  int err = 0;
  if (p->detached && p->handle.open) {
    let_go(p);
    return 0;
  }
  neap__handle_ref(&p->handle);
  neap__handle_close(&p->handle);
  /* In a closing runtime the end itself waits for it. */
  if (neap__list_linked(&p->sigchld.link) && !p->handle.rt->closing)
    err = await_end(p);
  neap__handle_unref(&p->handle);
  return err;
}

bool neap_process_free(neap_process *p) {
  if (p == NULL)
    return false;
  bool ended = false;
  if (p->detached && p->handle.open) {
    let_go(p);
  } else {
    ended = !p->handle.closed && neap_process_runs(p);
    neap__handle_close(&p->handle);
  }
  neap__handle_unref(&p->handle);
  return ended;
}
