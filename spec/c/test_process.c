/*
 * test_process.c: children, signals, descriptors and the pool through the
 * public C functions, without Lua: tasks that wait on shared stacks.
 */
#include "core/rt.h"

#include "test_rt.h"

#include <uv.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* The limit on frames is for those that wait on shared stacks. */
#pragma GCC diagnostic ignored "-Wframe-larger-than="

static bool no_children(void) {
  return waitpid(-1, NULL, WNOHANG) == -1;
}

static neap_process_options shell(char **argv, const char *script) {
  neap_process_options o = {.size = sizeof o, .argv = argv};
  argv[0] = "sh";
  argv[1] = "-c";
  argv[2] = (char *)script;
  argv[3] = NULL;
  return o;
}

/* --- processes -------------------------------------------------------- */

static void says_how_it_ended(void) {
  neap_rt *rt = open_rt();
  char *argv[4];
  neap_process_options o = shell(argv, "read x; exit 7");
  o.stdio[0].kind = NEAP_STDIO_PIPE;
  neap_process *p;
  neap_status status;
  CHECK(neap_process_spawn(rt, &o, &p) == 0);
  CHECK(neap_process_pid(p) > 0 && neap_process_runs(p));
  CHECK(neap_process_wait(p, uv_hrtime(), NULL) == UV_ETIMEDOUT);
  CHECK(neap_process_result(p, &status) == UV_EAGAIN);
  neap_stream_close(o.pipes[0]);
  CHECK(neap_process_wait(p, NEAP_NEVER, &status) == 0);
  CHECK(status.code == 7 && status.signal == 0);
  CHECK(neap_process_kill(p, SIGTERM, false) == UV_ESRCH);
  CHECK(neap_process_close(p) == 0);
  CHECK(neap_process_wait(p, NEAP_NEVER, &status) == UV_EBADF);
  CHECK(neap_process_result(p, &status) == 0 && status.code == 7);
  neap_process_free(p);
  CHECK(no_children());
  neap_free(rt);
}

static void says_why_it_did_not_begin(void) {
  neap_rt *rt = open_rt();
  char *argv[4];
  neap_process_options o = shell(argv, "exit 0");
  neap_process *p = NULL;
  o.file = "/no/such/program";
  CHECK(neap_process_spawn(rt, &o, &p) == UV_ENOENT);
  CHECK(o.failed == NEAP_PROCESS_PROGRAM);
  o.file = NULL;
  o.cwd = "/no/such/folder";
  CHECK(neap_process_spawn(rt, &o, &p) == UV_ENOENT);
  CHECK(o.failed == NEAP_PROCESS_CWD);
  o.cwd = NULL;
  o.stdio[1] = (neap_stdio){.kind = NEAP_STDIO_FD, .fd = 987};
  CHECK(neap_process_spawn(rt, &o, &p) == UV_EBADF);
  CHECK(o.failed == NEAP_PROCESS_STDIO);
  CHECK(p == NULL && no_children());
  neap_free(rt);
}

struct waiter {
  neap_process *process;
  int err, signal;
};

static int wait_for(neap_rt *rt, void *arg) {
  struct waiter *waiter = arg;
  neap_status status = {0};
  (void)rt;
  waiter->err = neap_process_wait(waiter->process, NEAP_NEVER, &status);
  waiter->signal = status.signal;
  return 0;
}

static void many_wait_for_one(void) {
  neap_rt *rt = open_rt();
  char *argv[4];
  neap_process_options o = shell(argv, "sleep 1000");
  struct waiter waiters[5];
  neap_process *p;
  CHECK(neap_process_spawn(rt, &o, &p) == 0);
  for (int i = 0; i < 5; i++) {
    waiters[i] = (struct waiter){.process = p};
    spawn(rt, wait_for, &waiters[i]);
  }
  neap_yield(rt);
  CHECK(neap_process_waited(p));
  CHECK(neap_process_kill(p, SIGUSR1, true) == 0);
  CHECK(neap_run(rt) == 0);
  for (int i = 0; i < 5; i++)
    CHECK(waiters[i].err == 0 && waiters[i].signal == SIGUSR1);
  neap_process_free(p);
  neap_free(rt);
}

/* TERM is ignored: KILL comes after the grace. Who waits is sent away. */
static void the_end_ends_children(void) {
  neap_rt *rt = open_rt();
  char *argv[4];
  neap_process_options o = shell(argv, "trap '' TERM; echo; sleep 1000");
  struct waiter waiter = {0};
  neap_process *p;
  neap_view line;
  o.grace_ns = 1000000;
  o.stdio[1].kind = NEAP_STDIO_PIPE;
  CHECK(neap_process_spawn(rt, &o, &p) == 0);
  CHECK(neap_stream_peek_line(o.pipes[1], &line) == 0);
  waiter.process = p;
  spawn(rt, wait_for, &waiter);
  neap_yield(rt);
  neap_free(rt);
  CHECK(waiter.err == NEAP_CLOSING);
  CHECK(no_children());
}

static int run_cat(neap_rt *rt, void *arg) {
  char *argv[] = {"cat", NULL};
  neap_process_options o = {.size = sizeof o, .argv = argv};
  neap_run_options how = {.size = sizeof how};
  neap_output *output;
  o.stdio[0].kind = o.stdio[1].kind = NEAP_STDIO_PIPE;
  o.stdio[2].kind = NEAP_STDIO_NULL;
  how.input = *(neap_bytes *)arg;
  if (!CHECK(neap_process_run(rt, &o, &how, &output) == 0))
    return 0;
  neap_view out = neap_output_bytes(output, 1);
  CHECK(out.len == how.input.len &&
        memcmp(out.base, how.input.base, out.len) == 0);
  CHECK(neap_output_bytes(output, 2).base == NULL);
  CHECK(neap_output_status(output).code == 0);
  neap_output_free(output);
  return 0;
}

static void runs_several_to_their_end(void) {
  static char text[300000];
  neap_rt *rt = open_rt();
  neap_bytes input = {.base = text, .len = sizeof text};
  for (size_t i = 0; i < sizeof text; i++)
    text[i] = (char)i;
  for (int i = 0; i < 8; i++)
    spawn(rt, run_cat, &input);
  CHECK(neap_run(rt) == 0);
  CHECK(no_children());
  neap_free(rt);
}

static void limits_a_run(void) {
  neap_rt *rt = open_rt();
  char *argv[4];
  neap_process_options o = shell(argv, "echo 12345; sleep 1000");
  neap_run_options how = {.size = sizeof how, .max = 3};
  neap_output *output = NULL;
  o.stdio[1].kind = NEAP_STDIO_PIPE;
  CHECK(neap_process_run(rt, &o, &how, &output) == UV_EMSGSIZE);
  how.max = 0;
  how.due_ns = uv_hrtime() + 20000000;
  CHECK(neap_process_run(rt, &o, &how, &output) == UV_ETIMEDOUT);
  CHECK(output == NULL && no_children());
  neap_output_free(NULL);
  neap_free(rt);
}

/* --- signals ---------------------------------------------------------- */

static int plain;

static void on_plain(int signum) {
  plain = signum;
}

static void a_hosts_handler_comes_back(void) {
  struct sigaction host = {.sa_handler = on_plain}, now;
  const int usr1 = SIGUSR1;
  neap_rt *rt = open_rt();
  neap_listener *listener;
  sigemptyset(&host.sa_mask);
  CHECK(sigaction(SIGUSR1, &host, NULL) == 0);
  CHECK(neap_signal_listen(rt, &usr1, 1, &listener) == 0);
  CHECK(neap_listener_try(listener, false) == UV_EAGAIN);
  kill(getpid(), SIGUSR1);
  CHECK(neap_listener_wait(listener, NEAP_NEVER) == SIGUSR1);
  CHECK(plain == 0);
  neap_listener_close(listener);
  CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == on_plain);
  kill(getpid(), SIGUSR1);
  CHECK(plain == SIGUSR1);
  const int segv = SIGSEGV;
  CHECK(neap_signal_listen(rt, &segv, 1, &listener) == UV_EINVAL);
  CHECK(neap_signal_number("SIGUSR1") == SIGUSR1);
  CHECK(neap_signal_number("SIGNONE") == 0 && neap_signal_name(0) == NULL);
  neap_free(rt);
}

/* The one that listens longest gives back what was there before both. */
static void two_runtimes_listen(void) {
  const int usr2 = SIGUSR2;
  neap_rt *one = open_rt(), *two = open_rt();
  neap_listener *first, *second;
  struct sigaction now;
  CHECK(neap_signal_listen(one, &usr2, 1, &first) == 0);
  CHECK(neap_signal_listen(two, &usr2, 1, &second) == 0);
  kill(getpid(), SIGUSR2);
  CHECK(neap_listener_wait(first, NEAP_NEVER) == SIGUSR2);
  CHECK(neap_listener_wait(second, NEAP_NEVER) == SIGUSR2);
  neap_free(one);
  CHECK(sigaction(SIGUSR2, NULL, &now) == 0 && now.sa_handler != SIG_DFL);
  neap_free(two);
  CHECK(sigaction(SIGUSR2, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
}

/* --- descriptors, the pool -------------------------------------------- */

static int write_later(neap_rt *rt, void *arg) {
  const int *fds = arg;
  neap_sleep(rt, 1000000);
  CHECK(write(fds[1], "x", 1) == 1);
  return 0;
}

static void waits_for_a_descriptor(void) {
  neap_rt *rt = open_rt();
  int fds[2];
  CHECK(pipe(fds) == 0);
  CHECK(neap_wait_fd(rt, fds[1], NEAP_WRITABLE, NEAP_NEVER) == NEAP_WRITABLE);
  CHECK(neap_wait_fd(rt, fds[0], NEAP_READABLE, uv_hrtime()) == UV_ETIMEDOUT);
  spawn(rt, write_later, fds);
  CHECK(neap_wait_fd(rt, fds[0], NEAP_READABLE, NEAP_NEVER) == NEAP_READABLE);
  CHECK(neap_run(rt) == 0);
  close(fds[1]);
  close(fds[0]);
  CHECK(neap_wait_fd(rt, 987, NEAP_READABLE, NEAP_NEVER) == UV_EBADF);
  neap_free(rt);
}

static int square(void *arg) {
  int *n = arg;
  *n *= *n;
  return *n;
}

static int offload_one(neap_rt *rt, void *arg) {
  int *n = arg, before = *n;
  CHECK(neap_offload(rt, square, NULL, n) == before * before);
  return 0;
}

static void offloads(void) {
  neap_rt *rt = open_rt();
  int numbers[50];
  for (int i = 0; i < 50; i++) {
    numbers[i] = i;
    spawn(rt, offload_one, &numbers[i]);
  }
  CHECK(neap_run(rt) == 0);
  for (int i = 0; i < 50; i++)
    CHECK(numbers[i] == i * i);
  neap_free(rt);
}

TESTS(TEST(says_how_it_ended), TEST(says_why_it_did_not_begin),
      TEST(many_wait_for_one), TEST(the_end_ends_children),
      TEST(runs_several_to_their_end), TEST(limits_a_run),
      TEST(a_hosts_handler_comes_back), TEST(two_runtimes_listen),
      TEST(waits_for_a_descriptor), TEST(offloads))
