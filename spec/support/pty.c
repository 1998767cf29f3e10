/*
 * pty.c: runs a program on a pseudo-terminal of its own: what comes to our
 * stdin are its keys, what it shows goes to our stdout. Specs build and use it
 * through support/pty.lua.
 *
 *   pty COLUMNS ROWS program argument...
 *
 * SIGUSR1 makes the terminal one column wider and one row higher. When the
 * program has ended, a last line tells how, and whether the terminal was left
 * as it was found: "[exit 0, cooked]", "[signal 15, raw]".
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int master;

static void on_usr1(int signum) {
  struct winsize size;
  (void)signum;
  ioctl(master, TIOCGWINSZ, &size);
  size.ws_col++;
  size.ws_row++;
  ioctl(master, TIOCSWINSZ, &size);
}

static void fail(const char *what) {
  perror(what);
  exit(125);
}

static void run(char **argv, const char *name) {
  setsid();
  int fd = open(name, O_RDWR); /* becomes the controlling terminal */
  if (fd < 0)
    fail(name);
  for (int i = 0; i < 3; i++)
    dup2(fd, i);
  if (fd > 2)
    close(fd);
  close(master);
  execvp(argv[0], argv);
  fail(argv[0]);
}

static int write_all(int fd, const char *bytes, size_t n) {
  while (n > 0) {
    ssize_t written = write(fd, bytes, n);
    if (written < 0 && errno != EINTR)
      return -1;
    if (written > 0) {
      bytes += written;
      n -= (size_t)written;
    }
  }
  return 0;
}

/* Moves what is there from one descriptor to another; false at an end. */
static int move(int from, int to) {
  char bytes[4096];
  ssize_t n = read(from, bytes, sizeof bytes);
  if (n > 0)
    write_all(to, bytes, (size_t)n);
  return n > 0 || (n < 0 && errno == EINTR);
}

/* Until the program has ended and all that it showed was passed on. */
static int pump(pid_t pid) {
  struct pollfd fds[2] = {{.fd = 0, .events = POLLIN},
                          {.fd = master, .events = POLLIN}};
  int status = 0, ended = 0;
  for (;;) {
    ended = ended || waitpid(pid, &status, WNOHANG) == pid;
    /* SIGCHLD could come before poll: so it is left after a while. */
    int n = poll(fds, 2, ended ? 0 : 20);
    if (n < 0)
      continue;
    if (fds[0].revents != 0 && !move(0, master))
      fds[0].fd = -1;
    if ((fds[1].revents & POLLIN) != 0)
      move(master, 1);
    else if (ended)
      return status;
  }
}

int main(int argc, char **argv) {
  struct sigaction action = {.sa_handler = on_usr1};
  struct winsize size = {0};
  struct termios before, after;
  if (argc < 4)
    return 125;
  sigaction(SIGUSR1, &action, NULL);
  master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
    fail("pty");
  size.ws_col = (unsigned short)atoi(argv[1]);
  size.ws_row = (unsigned short)atoi(argv[2]);
  ioctl(master, TIOCSWINSZ, &size);
  const char *name = ptsname(master);
  /* Kept open, so that the terminal's mode can be looked at afterwards. */
  int slave = open(name, O_RDWR | O_NOCTTY);
  if (slave < 0 || tcgetattr(slave, &before) != 0)
    fail(name);
  pid_t pid = fork();
  if (pid == 0)
    run(argv + 3, name);
  int status = pump(pid);
  tcgetattr(slave, &after);
  printf("[%s %d, %s]\n", WIFSIGNALED(status) ? "signal" : "exit",
         WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
         before.c_lflag == after.c_lflag ? "cooked" : "raw");
  return 0;
}
