/*
 * test_file.c: jobs in the pool and files when the task that waits is
 * cancelled, without Lua. What blocks a pool thread here is a semaphore or a
 * FIFO that is taken for a regular file.
 */
#include "core/op.h"
#include "core/rt.h"
#include "io/file.h"
#include "io/job.h"

#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
  neap_rt *rt;
  uv_sem_t begun, leave; /* a job is at work; it may go on */
  int dropped;
  enum neap_job_effect effect;
  int result; /* of the task's wait */
  int ended;
};

/* A job that waits for leave. */
struct slow {
  struct neap_job job;
  struct fixture *on;
};

static void open_fixture(struct fixture *on) {
  memset(on, 0, sizeof *on);
  signal(SIGPIPE, SIG_IGN); /* the test writes to a FIFO itself */
  CHECK(neap_new(NULL, &on->rt) == 0);
  CHECK(uv_sem_init(&on->begun, 0) == 0);
  CHECK(uv_sem_init(&on->leave, 0) == 0);
}

static void close_fixture(struct fixture *on) {
  neap_free(on->rt);
  uv_sem_destroy(&on->begun);
  uv_sem_destroy(&on->leave);
}

static void work_slow(struct neap_job *job) {
  struct slow *slow = NEAP_LIST_ENTRY(job, struct slow, job);
  uv_sem_post(&slow->on->begun);
  uv_sem_wait(&slow->on->leave);
  job->result = 7;
}

static void drop_slow(struct neap_job *job) {
  struct slow *slow = NEAP_LIST_ENTRY(job, struct slow, job);
  slow->on->dropped++;
}

static int run_slow(neap_rt *rt, void *arg) {
  struct fixture *on = arg;
  struct slow *slow;
  int err = neap__job_new(rt, "slow", on->effect, sizeof *slow, (void **)&slow);
  if (err < 0)
    return err;
  slow->job.work = work_slow;
  slow->job.drop = drop_slow;
  slow->on = on;
  on->result = neap__job_run(&slow->job);
  neap__job_free(&slow->job);
  on->ended++;
  return on->result;
}

static neap_task *spawn(neap_rt *rt, neap_task_fn fn, void *arg) {
  neap_spawn_options options = {.size = sizeof options, .shared_stack = true};
  neap_task *task = NULL;
  CHECK(neap_spawn(rt, fn, arg, &options, &task) == 0);
  return task;
}

static void let_wait(neap_rt *rt, const neap_task *task) {
  while (task->op == NULL)
    neap_yield(rt);
}

static void let_end(neap_rt *rt, const int *ended, int n) {
  while (*ended < n)
    neap_yield(rt);
}

static void cancel(neap_task *task) {
  neap__op_interrupt(task->op, NEAP_CANCELLED);
}

/* fault 26: a job without an effect is let go with its own memory. */
static void pure_jobs_are_let_go(void) {
  struct fixture on;
  open_fixture(&on);
  on.effect = NEAP_JOB_PURE;
  uint32_t before = on.rt->uv_handles;
  neap_task *task = spawn(on.rt, run_slow, &on);
  let_wait(on.rt, task);
  uv_sem_wait(&on.begun);
  cancel(task);
  let_end(on.rt, &on.ended, 1);
  CHECK(on.result == NEAP_CANCELLED && on.dropped == 0);
  uv_sem_post(&on.leave);
  while (on.dropped == 0)
    neap_sleep(on.rt, 1000);
  CHECK(on.rt->uv_handles == before && on.rt->io->fs_jobs == 0);
  neap_task_unref(task);
  close_fixture(&on);
}

/* fault 26: one with an effect is waited for. */
static void is_waited_for(enum neap_job_effect effect) {
  struct fixture on;
  open_fixture(&on);
  on.effect = effect;
  neap_task *task = spawn(on.rt, run_slow, &on);
  let_wait(on.rt, task);
  if (effect == NEAP_JOB_EFFECT)
    uv_sem_wait(&on.begun);
  cancel(task);
  neap_yield(on.rt);
  CHECK(on.ended == 0);
  uv_sem_post(&on.leave);
  CHECK(neap_join(task, NULL) == 0);
  CHECK(on.result == 7 && on.dropped == 0);
  neap_task_unref(task);
  close_fixture(&on);
}

static void jobs_with_an_effect_are_waited_for(void) {
  is_waited_for(NEAP_JOB_EFFECT);
  is_waited_for(NEAP_JOB_SHIELDED);
}

/* More than the cap: the last one is in our queue, and never begins. */
static void queued_jobs_are_dropped(void) {
  struct fixture on;
  open_fixture(&on);
  on.effect = NEAP_JOB_EFFECT;
  CHECK(neap__job_pool(on.rt) == 0);
  int n = (int)on.rt->io->fs_cap;
  for (int i = 0; i < n; i++) {
    neap_task *task = spawn(on.rt, run_slow, &on);
    let_wait(on.rt, task);
    neap_task_unref(task);
  }
  neap_task *last = spawn(on.rt, run_slow, &on);
  let_wait(on.rt, last);
  CHECK(on.rt->io->fs_jobs == on.rt->io->fs_cap);
  cancel(last);
  CHECK(on.dropped == 1);
  let_end(on.rt, &on.ended, 1);
  CHECK(on.result == NEAP_CANCELLED);
  for (int i = 0; i < n; i++)
    uv_sem_post(&on.leave);
  CHECK(neap_run(on.rt) == 0);
  CHECK(on.dropped == 1 && on.ended == n + 1);
  neap_task_unref(last);
  close_fixture(&on);
}

static void the_runtime_ends_with_a_job_let_go(void) {
  struct fixture on;
  open_fixture(&on);
  on.effect = NEAP_JOB_PURE;
  neap_task *task = spawn(on.rt, run_slow, &on);
  let_wait(on.rt, task);
  uv_sem_wait(&on.begun);
  cancel(task);
  let_end(on.rt, &on.ended, 1);
  neap_task_unref(task);
  uv_sem_post(&on.leave);
  close_fixture(&on);
  CHECK(on.dropped == 1);
}

/* --- files ---------------------------------------------------------- */

struct slow_file {
  neap_rt *rt;
  char path[32];
  neap_file *file;
  int other; /* the FIFO's writing end */
  char bytes[8];
  int64_t result, close_result;
  int ended;
};

static void open_slow_file(struct slow_file *on) {
  memset(on, 0, sizeof *on);
  CHECK(neap_new(NULL, &on->rt) == 0);
  strcpy(on->path, "/tmp/neap-test-XXXXXX");
  int fd = mkstemp(on->path);
  CHECK(fd >= 0 && close(fd) == 0 && unlink(on->path) == 0);
  CHECK(mkfifo(on->path, 0600) == 0);
  CHECK(neap_file_open(on->rt, on->path, O_RDONLY, 0, &on->file) == 0);
  on->other = open(on->path, O_WRONLY);
  CHECK(on->other >= 0);
  on->file->kind = NEAP_FD_REGULAR;
  on->file->no_fast = true;
  CHECK(neap__fd_set_blocking(on->file->fd) == 0);
}

static void close_slow_file(struct slow_file *on) {
  close(on->other);
  CHECK(neap_file_close(on->file) == 0);
  CHECK(neap_file_free(on->file) == 0);
  neap_free(on->rt);
  unlink(on->path);
}

static int read_slow(neap_rt *rt, void *arg) {
  struct slow_file *on = arg;
  (void)rt;
  char bytes[4] = "";
  on->result = neap_file_read(on->file, bytes, sizeof bytes);
  memcpy(on->bytes, bytes, sizeof bytes);
  on->ended++;
  return 0;
}

static void bytes_of_a_late_read_are_not_lost(void) {
  struct slow_file on;
  open_slow_file(&on);
  neap_task *first = spawn(on.rt, read_slow, &on);
  let_wait(on.rt, first);
  cancel(first);
  let_end(on.rt, &on.ended, 1);
  CHECK(on.result == NEAP_CANCELLED);
  neap_task *second = spawn(on.rt, read_slow, &on);
  let_wait(on.rt, second); /* the file is busy until the job has ended */
  CHECK(on.ended == 1);
  CHECK(write(on.other, "late", 4) == 4);
  close(on.other);
  on.other = -1;
  CHECK(neap_join(second, NULL) == 0);
  /* Whether a thread was at it already or not, which can't be seen. */
  CHECK(on.result == 4 && memcmp(on.bytes, "late", 4) == 0);
  neap_task_unref(first);
  neap_task_unref(second);
  close_slow_file(&on);
}

static int close_it(neap_rt *rt, void *arg) {
  struct slow_file *on = arg;
  (void)rt;
  on->close_result = neap_file_close(on->file);
  on->ended++;
  return 0;
}

static void a_close_waits_for_a_late_read(void) {
  struct slow_file on;
  open_slow_file(&on);
  neap_task *reader = spawn(on.rt, read_slow, &on);
  let_wait(on.rt, reader);
  neap_task *closer = spawn(on.rt, close_it, &on);
  let_end(on.rt, &on.ended, 1);
  /* If no thread had begun the read, the file may be closed already. */
  CHECK(write(on.other, "late", 4) == 4 || errno == EPIPE);
  CHECK(neap_join(closer, NULL) == 0);
  CHECK(neap_join(reader, NULL) == 0);
  CHECK(on.result == UV_ECANCELED && on.close_result == 0 && on.ended == 2);
  CHECK(on.file->fd < 0 && on.rt->io->nopen == 0);
  CHECK(neap_file_read(on.file, on.bytes, 1) == UV_EBADF);
  neap_task_unref(reader);
  neap_task_unref(closer);
  close_slow_file(&on);
}

static void the_runtime_ends_with_a_late_read(void) {
  struct slow_file on;
  open_slow_file(&on);
  neap_task *reader = spawn(on.rt, read_slow, &on);
  let_wait(on.rt, reader);
  cancel(reader);
  let_end(on.rt, &on.ended, 1);
  neap_task_unref(reader);
  int fd = on.file->fd;
  CHECK(write(on.other, "late", 4) == 4);
  close(on.other);
  neap_free(on.rt);
  CHECK(fcntl(fd, F_GETFD) < 0); /* closed, with the job's end */
  unlink(on.path);
}

static int open_slow(neap_rt *rt, void *arg) {
  struct slow_file *on = arg;
  on->result = neap_file_open(rt, on->path, O_RDONLY, 0, &on->file);
  on->ended++;
  return 0;
}

static int count_fds(void) {
  int n = 0;
  for (int fd = 0; fd < 256; fd++)
    n += fcntl(fd, F_GETFD) >= 0;
  return n;
}

/* fault 27: an open that is too late, with a thread already at it or not. */
static void late_opens_are_closed(void) {
  struct slow_file on;
  memset(&on, 0, sizeof on);
  setenv("NEAP_FS", "pool", 1);
  CHECK(neap_new(NULL, &on.rt) == 0);
  strcpy(on.path, "/dev/null");
  CHECK(neap__job_pool(on.rt) == 0);
  neap_fs_info info; /* starts the pool, which has descriptors of its own */
  CHECK(neap_fs_stat(on.rt, on.path, &info) == 0);
  int before = count_fds();
  for (int i = 0; i < 200; i++) {
    neap_task *task = spawn(on.rt, open_slow, &on);
    while (task->op == NULL && on.ended == i)
      neap_yield(on.rt);
    if (task->op != NULL)
      cancel(task);
    CHECK(neap_join(task, NULL) == 0);
    neap_task_unref(task);
    CHECK(on.ended == i + 1);
    if (on.result == 0)
      CHECK(neap_file_free(on.file) == 0);
    else
      CHECK(on.result == NEAP_CANCELLED);
  }
  while (on.rt->io->fs_jobs > 0)
    neap_sleep(on.rt, 1000);
  CHECK(count_fds() == before);
  neap_free(on.rt);
  unsetenv("NEAP_FS");
}

TESTS(TEST(pure_jobs_are_let_go), TEST(jobs_with_an_effect_are_waited_for),
      TEST(queued_jobs_are_dropped), TEST(the_runtime_ends_with_a_job_let_go),
      TEST(bytes_of_a_late_read_are_not_lost),
      TEST(a_close_waits_for_a_late_read),
      TEST(the_runtime_ends_with_a_late_read), TEST(late_opens_are_closed))
