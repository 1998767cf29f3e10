/*
 * tty.c: terminals: how big, and raw mode. Raw mode belongs to the terminal,
 * not to us, and outlives a process that forgets it: so it is given back at the
 * runtime's end, at exit, and when a signal ends the process.
 */
#include "core/sigint.h"
#include "io/handle.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <ucontext.h>
#include <unistd.h>

/* The terminal that was made raw is the one that input comes from. */
#define INPUT 0

/* Signals that end a process which does nothing about them. */
static const int deadly[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};

#define DEADLY (sizeof deadly / sizeof deadly[0])

struct neap_tty {
  struct neap_handle handle; /* open: the terminal is raw */
  struct termios saved;
  bool stands[DEADLY]; /* our handler is, or was, there instead of none */
};

int neap_tty_size(int fd, int *columns, int *rows) {
  struct winsize size;
  if (ioctl(fd, TIOCGWINSZ, &size) != 0)
    return uv_translate_sys_error(errno);
  *columns = size.ws_col;
  *rows = size.ws_row;
  return 0;
}

/* --- giving it back --------------------------------------------------- */

/* tcsetattr is async-signal-safe (POSIX). */
static void restore(const struct neap_tty *tty) {
  int result;
  do {
    result = tcsetattr(INPUT, TCSANOW, &tty->saved);
  } while (result != 0 && errno == EINTR);
}

/* That of this thread's runtime, if it is raw. */
static const struct neap_tty *raw_here(void) {
  const struct neap_rt *rt = neap__sigint_rt();
  return rt != NULL && rt->io != NULL ? rt->io->tty : NULL;
}

/* At exit, when nobody has ended the runtime. */
static void on_exit_of_process(void) {
  const struct neap_tty *tty = raw_here();
  if (tty != NULL)
    restore(tty);
}

static void on_deadly(int signum, siginfo_t *info, void *context) {
  struct sigaction action = {.sa_handler = SIG_DFL};
  int err = errno;
  (void)info;
  if (neap__sigint_rt() == NULL) {
    /* The wrong thread: the process gets it once more, for another one. */
    sigaddset(&((ucontext_t *)context)->uc_sigmask, signum);
  } else {
    on_exit_of_process();
    sigemptyset(&action.sa_mask);
    sigaction(signum, &action, NULL);
  }
  kill(getpid(), signum);
  errno = err;
}

static bool is_ours(const struct sigaction *action) {
  return (action->sa_flags & SA_SIGINFO) != 0 &&
         action->sa_sigaction == on_deadly;
}

static void stand_in(struct neap_tty *tty) {
  struct sigaction now, action = {.sa_flags = SA_SIGINFO | SA_RESTART};
  action.sa_sigaction = on_deadly;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < DEADLY; i++) {
    if (sigaction(deadly[i], NULL, &now) == 0 &&
        (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_DFL)
      tty->stands[i] = sigaction(deadly[i], &action, NULL) == 0;
  }
}

static void step_back(const struct neap_tty *tty) {
  struct sigaction now, none = {.sa_handler = SIG_DFL};
  sigemptyset(&none.sa_mask);
  for (size_t i = 0; i < DEADLY; i++) {
    if (tty->stands[i] && sigaction(deadly[i], NULL, &now) == 0 &&
        is_ours(&now))
      sigaction(deadly[i], &none, NULL);
  }
}

/* Asked for, or the runtime's end: neap_handle's end. */
static void end(struct neap_handle *handle) {
  struct neap_tty *tty = NEAP_LIST_ENTRY(handle, struct neap_tty, handle);
  restore(tty);
  step_back(tty);
  handle->rt->io->tty = NULL;
  neap__handle_gone(handle);
}

/* --- raw mode --------------------------------------------------------- */

/* As cfmakeraw(3), but what is written still has its newlines made whole: as
   libuv's raw mode. */
static int make_raw(const struct termios *saved) {
  struct termios raw = *saved;
  raw.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
  raw.c_oflag |= ONLCR;
  raw.c_cflag |= CS8;
  raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON | IEXTEN | ISIG);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  if (tcsetattr(INPUT, TCSADRAIN, &raw) != 0)
    return uv_translate_sys_error(errno);
  return 0;
}

static const struct neap_handle_kind kind = {.what = "raw terminal"};

static int begin(struct neap_rt *rt, const struct termios *saved) {
  void *block;
  int err = neap__handle_new(rt, sizeof(struct neap_tty), end, &block);
  if (err < 0)
    return err;
  struct neap_tty *tty = block;
  tty->handle.kind = &kind;
  tty->saved = *saved;
  neap__sigint_claim(rt); /* so that handlers find us */
  rt->io->tty = tty;
  stand_in(tty);
  err = make_raw(saved);
  if (err < 0) {
    step_back(tty);
    rt->io->tty = NULL;
    neap__handle_unref(&tty->handle);
    return err;
  }
  neap__handle_opened(&tty->handle);
  neap__handle_unref(&tty->handle);
  return 0;
}

int neap_tty_raw(neap_rt *rt, bool on) {
  struct termios saved;
  struct neap_io *io;
  int err = neap__handle_io(rt, &io);
  if (err < 0 || on == (io->tty != NULL))
    return err;
  if (!on) {
    neap__handle_close(&io->tty->handle);
    return 0;
  }
  if (tcgetattr(INPUT, &saved) != 0)
    return uv_translate_sys_error(errno);
  if (!io->at_exit && atexit(on_exit_of_process) != 0)
    return UV_ENOMEM;
  io->at_exit = true;
  return begin(rt, &saved);
}
