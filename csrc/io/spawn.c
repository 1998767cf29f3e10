/* spawn.c: starting a program; see spawn.h. */
#include "io/spawn.h"

#include "io/fd.h"

#include <uv.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child writes when it can't go on. */
struct failure {
  int error; /* errno */
  int step;
};

/* --- in the child ----------------------------------------------------- */

/*
 * Until it runs the program, or ends, the child has our memory and our stack:
 * it calls nothing but the system, and changes nothing of ours. Its
 * descriptors, signal handlers and mask are its own already.
 */

static _Noreturn void give_up(int report, int step) {
  struct failure failure = {.error = errno, .step = step};
  ssize_t n;
  do {
    n = write(report, &failure, sizeof failure);
  } while (n < 0 && errno == EINTR);
  _exit(127);
}

/* A handler of ours would run in our memory, as soon as signals are let in. An
   ignored SIGPIPE is never what a program expects; others that are ignored stay
   so, which is what nohup(1) rests on. */
static void reset_signals(void) {
  struct sigaction action;
  for (int signum = 1; signum < NSIG; signum++) {
    if (sigaction(signum, NULL, &action) != 0 || action.sa_handler == SIG_DFL)
      continue;
    if (action.sa_handler == SIG_IGN && signum != SIGPIPE)
      continue;
    action.sa_handler = SIG_DFL;
    action.sa_flags = 0;
    sigaction(signum, &action, NULL);
  }
}

/* Puts the three in place. Those that stand where another one goes move away
   first. */
static int set_stdio(const int *given) {
  int fds[3];
  for (int i = 0; i < 3; i++) {
    fds[i] = given[i];
    if (fds[i] >= 0 && fds[i] < 3 && fds[i] != i)
      fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
    if (fds[i] < 0 && given[i] >= 0)
      return -1;
  }
  for (int i = 0; i < 3; i++) {
    if (fds[i] == i && fcntl(i, F_SETFD, 0) < 0)
      return -1;
    if (fds[i] >= 0 && fds[i] != i && dup2(fds[i], i) < 0)
      return -1;
  }
  return 0;
}

/* The C library's own setuid and its like change every thread of the process,
   which here is ours. */
static int set_user(const struct neap_spawn *how) {
  if ((how->has_uid || how->has_gid) && geteuid() == 0 &&
      syscall(SYS_setgroups, (size_t)0, NULL) != 0)
    return -1;
  if (how->has_gid && syscall(SYS_setgid, (gid_t)how->gid) != 0)
    return -1;
  if (how->has_uid && syscall(SYS_setuid, (uid_t)how->uid) != 0)
    return -1;
  return 0;
}

static _Noreturn void run(const struct neap_spawn *how, int report,
                          const sigset_t *mask) {
  reset_signals();
  if (how->own_session)
    setsid();
  else if (how->own_group)
    setpgid(0, 0);
  if (set_stdio(how->fds) != 0)
    give_up(report, NEAP_SPAWN_STDIO);
  if (how->cwd != NULL && chdir(how->cwd) != 0)
    give_up(report, NEAP_SPAWN_CWD);
  if (set_user(how) != 0)
    give_up(report, NEAP_SPAWN_USER);
#ifdef CLOSE_RANGE_CLOEXEC
  /* Ours are closed by themselves; Lua's files, and those of other libraries,
     are not. Linux before 5.11 can't, and leaves them. */
  close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
#endif
  sigprocmask(SIG_SETMASK, mask, NULL);
  execvpe(how->file, how->argv, how->envp);
  give_up(report, NEAP_SPAWN_EXEC);
}

/* --- in the parent ---------------------------------------------------- */

/* Where a program's standard descriptors are closed, new ones get their
   numbers; a child would take them for its own. */
int neap__spawn_aside(int fd) {
  if (fd < 0 || fd > 2)
    return fd;
  int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  int err = moved < 0 ? uv_translate_sys_error(errno) : 0;
  neap__fd_close(fd);
  return err < 0 ? err : moved;
}

int neap__spawn_pipe(int *fds) {
  if (pipe2(fds, O_CLOEXEC) != 0)
    return uv_translate_sys_error(errno);
  int first = neap__spawn_aside(fds[0]);
  int second = neap__spawn_aside(fds[1]);
  if (first >= 0 && second >= 0) {
    fds[0] = first;
    fds[1] = second;
    return 0;
  }
  if (first >= 0)
    neap__fd_close(first);
  if (second >= 0)
    neap__fd_close(second);
  return first < 0 ? first : second;
}

/* Apart, and with nothing in its frame that changes: the child returns to it
   first. */
__attribute__((noinline)) static pid_t
start_child(const struct neap_spawn *how, int report, const sigset_t *mask) {
  pid_t pid = vfork();
  if (pid == 0) /* NOLINTNEXTLINE(clang-analyzer-unix.Vfork): see above */
    run(how, report, mask);
  return pid;
}

/* What the child says about its beginning; its silence is success. */
static int hear(int fd, pid_t pid, enum neap_spawn_step *failed) {
  struct failure failure;
  size_t heard = 0;
  while (heard < sizeof failure) {
    int64_t n =
        neap__fd_read(fd, (char *)&failure + heard, sizeof failure - heard);
    if (n <= 0)
      return 0;
    heard += (size_t)n;
  }
  int result;
  do {
    result = waitpid(pid, NULL, 0);
  } while (result < 0 && errno == EINTR);
  *failed = (enum neap_spawn_step)failure.step;
  return uv_translate_sys_error(failure.error);
}

int neap__spawn_start(const struct neap_spawn *how, pid_t *out,
                      enum neap_spawn_step *failed) {
  int report[2];
  sigset_t all, mask;
  *failed = NEAP_SPAWN_FORK;
  int err = neap__spawn_pipe(report);
  if (err < 0)
    return err;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &mask);
  pid_t pid = start_child(how, report[1], &mask);
  err = pid < 0 ? uv_translate_sys_error(errno) : 0;
  pthread_sigmask(SIG_SETMASK, &mask, NULL);
  neap__fd_close(report[1]);
  if (err == 0)
    err = hear(report[0], pid, failed);
  neap__fd_close(report[0]);
  if (err == 0)
    *out = pid;
  return err;
}
