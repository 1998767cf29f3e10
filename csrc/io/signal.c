/*
 * signal.c: listening to signals. One uv_signal_t per signal and runtime; what
 * comes goes to every listener that asked for it, and there to one waiter, the
 * first, or into a list of what has come. As the kernel does, a listener keeps
 * a signal once, however often it comes before somebody takes it.
 */
#include "io/signal.h"

#include "core/sigint.h"
#include "core/waitq.h"
#include "io/handle.h"
#include "io/stream.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* --- names ------------------------------------------------------------ */

static const struct {
  const char *name;
  int signum;
} names[] = {
    {"SIGHUP", SIGHUP},       {"SIGINT", SIGINT},   {"SIGQUIT", SIGQUIT},
    {"SIGILL", SIGILL},       {"SIGTRAP", SIGTRAP}, {"SIGABRT", SIGABRT},
    {"SIGBUS", SIGBUS},       {"SIGFPE", SIGFPE},   {"SIGKILL", SIGKILL},
    {"SIGUSR1", SIGUSR1},     {"SIGSEGV", SIGSEGV}, {"SIGUSR2", SIGUSR2},
    {"SIGPIPE", SIGPIPE},     {"SIGALRM", SIGALRM}, {"SIGTERM", SIGTERM},
    {"SIGCHLD", SIGCHLD},     {"SIGCONT", SIGCONT}, {"SIGSTOP", SIGSTOP},
    {"SIGTSTP", SIGTSTP},     {"SIGTTIN", SIGTTIN}, {"SIGTTOU", SIGTTOU},
    {"SIGURG", SIGURG},       {"SIGXCPU", SIGXCPU}, {"SIGXFSZ", SIGXFSZ},
    {"SIGVTALRM", SIGVTALRM}, {"SIGPROF", SIGPROF}, {"SIGWINCH", SIGWINCH},
    {"SIGIO", SIGIO},         {"SIGSYS", SIGSYS},
#ifdef SIGSTKFLT
    {"SIGSTKFLT", SIGSTKFLT},
#endif
#ifdef SIGPWR
    {"SIGPWR", SIGPWR},
#endif
};

#define NAMES (sizeof names / sizeof names[0])

int neap_signal_number(const char *name) {
  for (size_t i = 0; i < NAMES; i++)
    if (strcmp(names[i].name, name) == 0)
      return names[i].signum;
  return 0;
}

const char *neap_signal_name(int signum) {
  for (size_t i = 0; i < NAMES; i++)
    if (names[i].signum == signum)
      return names[i].name;
  return NULL;
}

/* Whether it may be listened to: a fault of the program's own comes back as
   soon as a handler returns, and two can't be caught. */
static bool is_for_listeners(int signum) {
  switch (signum) {
  case SIGKILL:
  case SIGSTOP:
  case SIGSEGV:
  case SIGBUS:
  case SIGFPE:
  case SIGILL:
    return false;
  default:
    return signum > 0 && signum < NEAP_SIGNALS;
  }
}

/* --- watching --------------------------------------------------------- */

/* A signal that is libuv's now. */
struct neap_signal_watch {
  uv_signal_t uv;
  struct neap_rt *rt;
  struct neap_list hooks;
  struct sigaction old; /* what it was before, and is to be again */
  bool restore;         /* if that was anything */
};

static void on_closed(uv_handle_t *uv) {
  struct neap_signal_watch *watch = uv->data;
  struct neap_rt *rt = watch->rt;
  rt->uv_handles--;
  neap__mem_free(&rt->mem, watch, sizeof *watch);
}

static void on_signal(uv_signal_t *uv, int signum) {
  struct neap_signal_watch *watch = uv->data;
  struct neap_list *link = watch->hooks.next;
  while (link != &watch->hooks) {
    struct neap_signal_hook *hook =
        NEAP_LIST_ENTRY(link, struct neap_signal_hook, link);
    link = link->next; /* it may leave */
    hook->on_signal(hook, signum);
  }
}

static bool is_plain(const struct sigaction *action, void (*handler)(int)) {
  return (action->sa_flags & SA_SIGINFO) == 0 && action->sa_handler == handler;
}

/* libuv's handler is all that another loop may have set: that one goes with its
   last watcher, and restoring it would leave a signal that nobody hears. */
static void remember(struct neap_signal_watch *watch, int signum,
                     const struct sigaction *before) {
  struct sigaction now;
  watch->old = *before;
  watch->restore = !is_plain(before, SIG_DFL) &&
                   sigaction(signum, NULL, &now) == 0 &&
                   !is_plain(before, now.sa_handler);
}

static int start(struct neap_signal_watch *watch, int signum) {
  struct sigaction before;
  if (sigaction(signum, NULL, &before) != 0)
    return uv_translate_sys_error(errno);
  int err = uv_signal_start(&watch->uv, on_signal, signum);
  if (err == 0)
    remember(watch, signum, &before);
  return err;
}

static int new_watch(struct neap_rt *rt, int signum,
                     struct neap_signal_watch **out) {
  struct neap_signal_watch *watch = neap__mem_zalloc(&rt->mem, sizeof *watch);
  if (watch == NULL)
    return UV_ENOMEM;
  watch->rt = rt;
  neap__list_init(&watch->hooks);
  int err = uv_signal_init(rt->loop, &watch->uv);
  if (err < 0) {
    neap__mem_free(&rt->mem, watch, sizeof *watch);
    return err;
  }
  rt->uv_handles++;
  watch->uv.data = watch;
  err = start(watch, signum);
  if (err < 0) {
    uv_close((uv_handle_t *)&watch->uv, on_closed);
    return err;
  }
  rt->io->bare_uv++;
  *out = watch;
  return 0;
}

int neap__signal_watch(struct neap_rt *rt, int signum,
                       struct neap_signal_hook *hook) {
  struct neap_io *io;
  int err = neap__handle_io(rt, &io);
  if (err < 0)
    return err;
  if (io->signals[signum] == NULL) {
    if (signum == SIGPIPE) /* its empty handler is what is to come back */
      neap__stream_handle_sigpipe(io);
    if (signum == SIGINT)
      neap__sigint_listen(rt, 1);
    err = new_watch(rt, signum, &io->signals[signum]);
    if (err < 0 && signum == SIGINT)
      neap__sigint_listen(rt, -1);
    if (err < 0)
      return err;
  }
  neap__list_push(&io->signals[signum]->hooks, &hook->link);
  return 0;
}

/* Nobody hears it any more. Between libuv's letting go and our restoring the
   default holds: the signal is kept out of this thread meanwhile. */
static void stop(struct neap_signal_watch *watch, int signum) {
  struct sigaction now;
  sigset_t set, mask;
  sigemptyset(&set);
  sigaddset(&set, signum);
  pthread_sigmask(SIG_BLOCK, &set, &mask);
  uv_signal_stop(&watch->uv);
  if (watch->restore && sigaction(signum, NULL, &now) == 0 &&
      is_plain(&now, SIG_DFL))
    sigaction(signum, &watch->old, NULL);
  pthread_sigmask(SIG_SETMASK, &mask, NULL);
  watch->rt->io->bare_uv--;
  uv_close((uv_handle_t *)&watch->uv, on_closed);
}

void neap__signal_unwatch(struct neap_rt *rt, int signum,
                          struct neap_signal_hook *hook) {
  if (!neap__list_linked(&hook->link))
    return;
  struct neap_signal_watch *watch = rt->io->signals[signum];
  neap__list_remove(&hook->link);
  if (!neap__list_empty(&watch->hooks))
    return;
  rt->io->signals[signum] = NULL;
  stop(watch, signum);
  if (signum == SIGINT)
    neap__sigint_listen(rt, -1);
}

/* --- ignoring --------------------------------------------------------- */

int neap_signal_ignore(neap_rt *rt, int signum) {
  struct sigaction action = {.sa_handler = SIG_IGN};
  struct neap_io *io;
  sigemptyset(&action.sa_mask);
  if (!is_for_listeners(signum))
    return UV_EINVAL;
  int err = neap__handle_io(rt, &io);
  if (err < 0)
    return err;
  struct neap_signal_watch *watch = io->signals[signum];
  if (watch != NULL) { /* once nobody listens any more */
    watch->old = action;
    watch->restore = true;
    return 0;
  }
  return sigaction(signum, &action, NULL) == 0 ? 0
                                               : uv_translate_sys_error(errno);
}

/* --- listeners -------------------------------------------------------- */

enum ear_state {
  QUIET,
  CAME,    /* it is in the list of what has come */
  PROMISED /* and a waiter was woken to take it from there */
};

/* One signal of a listener's. */
struct ear {
  struct neap_signal_hook hook;
  struct neap_listener *listener;
  int signum;
  uint8_t state; /* enum ear_state */
};

struct neap_listener {
  struct neap_handle handle;
  struct neap_list waiters;
  size_t n, ncame;
  struct ear **came; /* in the order of their coming: n places, behind ears */
  struct ear ears[];
};

static struct neap_listener *listener_of(struct neap_handle *handle) {
  return NEAP_LIST_ENTRY(handle, struct neap_listener, handle);
}

static void write_names(const struct neap_listener *listener, char *out,
                        size_t size) {
  size_t len = 0;
  out[0] = 0;
  for (size_t i = 0; i < listener->n && len < size; i++)
    len += (size_t)snprintf(out + len, size - len, "%s%s", i > 0 ? " " : "",
                            neap_signal_name(listener->ears[i].signum));
}

static void describe(const struct neap_handle *handle, char *out, size_t size) {
  write_names(NEAP_LIST_ENTRY(handle, struct neap_listener, handle), out, size);
}

static void describe_wait(const struct neap_op *op, char *out, size_t size) {
  write_names(neap__waitq_object(op), out, size);
}

static const struct neap_handle_kind kind = {.what = "listener",
                                             .describe = describe};
static const struct neap_op_kind wait_kind = {.what = "listener:wait",
                                              .describe = describe_wait};

static void on_hook(struct neap_signal_hook *hook, int signum) {
  struct ear *ear = NEAP_LIST_ENTRY(hook, struct ear, hook);
  struct neap_listener *listener = ear->listener;
  if (ear->state != QUIET)
    return;
  listener->came[listener->ncame++] = ear;
  ear->state =
      neap__waitq_wake_one(&listener->waiters, signum) ? PROMISED : CAME;
}

/* The first of what has come in that state, taken off; 0: none. */
static int take(struct neap_listener *listener, enum ear_state state) {
  for (size_t i = 0; i < listener->ncame; i++) {
    struct ear *ear = listener->came[i];
    if (ear->state != state)
      continue;
    ear->state = QUIET;
    listener->ncame--;
    memmove(&listener->came[i], &listener->came[i + 1],
            (listener->ncame - i) * sizeof(struct ear *));
    return ear->signum;
  }
  return 0;
}

static void end(struct neap_handle *handle) {
  struct neap_listener *listener = listener_of(handle);
  for (size_t i = 0; i < listener->n; i++)
    neap__signal_unwatch(handle->rt, listener->ears[i].signum,
                         &listener->ears[i].hook);
  neap__waitq_wake_all(&listener->waiters, UV_ECANCELED);
  neap__handle_gone(handle);
}

static int new_listener(struct neap_rt *rt, size_t n,
                        struct neap_listener **out) {
  void *block;
  size_t size = sizeof(struct neap_listener) +
                n * (sizeof(struct ear) + sizeof(struct ear *));
  int err = neap__handle_new(rt, size, end, &block);
  if (err < 0)
    return err;
  struct neap_listener *listener = block;
  listener->handle.kind = &kind;
  neap__list_init(&listener->waiters);
  listener->came = (struct ear **)(void *)&listener->ears[n];
  neap__handle_opened(&listener->handle);
  *out = listener;
  return 0;
}

static bool has_ear(const struct neap_listener *listener, int signum) {
  for (size_t i = 0; i < listener->n; i++)
    if (listener->ears[i].signum == signum)
      return true;
  return false;
}

static int add_ear(struct neap_listener *listener, int signum) {
  if (!is_for_listeners(signum))
    return UV_EINVAL;
  if (has_ear(listener, signum))
    return 0;
  struct ear *ear = &listener->ears[listener->n];
  ear->listener = listener;
  ear->signum = signum;
  ear->hook.on_signal = on_hook;
  int err = neap__signal_watch(listener->handle.rt, signum, &ear->hook);
  listener->n += err == 0;
  return err;
}

int neap_signal_listen(neap_rt *rt, const int *signums, size_t n,
                       neap_listener **out) {
  struct neap_listener *listener;
  if (rt->closing)
    return NEAP_CLOSING;
  int err = new_listener(rt, n, &listener);
  if (err < 0)
    return err;
  for (size_t i = 0; err == 0 && i < n; i++)
    err = add_ear(listener, signums[i]);
  if (err < 0) {
    neap_listener_close(listener);
    return err;
  }
  *out = listener;
  return 0;
}

int neap_listener_try(neap_listener *listener, bool woken) {
  int signum = take(listener, woken ? PROMISED : CAME);
  if (signum > 0)
    return signum;
  if (listener->handle.closed)
    return woken ? UV_ECANCELED : UV_EBADF;
  return UV_EAGAIN;
}

int neap_listener_wait(neap_listener *listener, uint64_t due_ns) {
  int err = neap__handle_begin(&listener->handle);
  if (err < 0)
    return err;
  int signum = take(listener, CAME);
  if (signum > 0)
    return signum;
  neap__handle_ref(&listener->handle);
  err = neap__waitq_wait_on(listener->handle.rt, &listener->waiters, &wait_kind,
                            listener, due_ns, false);
  if (err > 0) /* the number is that of the one that was promised */
    err = neap_listener_try(listener, true);
  neap__handle_unref(&listener->handle);
  return err;
}

struct neap_list *neap_listener_queue(neap_listener *listener) {
  return &listener->waiters;
}

bool neap_listener_waited(const neap_listener *listener) {
  return !neap__list_empty(&listener->waiters);
}

void neap_listener_close(neap_listener *listener) {
  if (listener == NULL)
    return;
  neap__handle_close(&listener->handle);
  neap__handle_unref(&listener->handle);
}
