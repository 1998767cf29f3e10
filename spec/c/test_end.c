/*
 * test_end.c: a runtime is freed while its tasks wait for everything there is:
 * each is told, cleans up and ends, and nothing is left. fault 89, without Lua.
 */
#include "core/rt.h"

#include "test_rt.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
#include <uv.h>

#pragma GCC diagnostic ignored "-Wframe-larger-than="

/* How many wait, and how many were told and cleaned up. */
static struct {
  int waiting, told;
  neap_server *server;
  int fds[2];
} world;

static size_t used;

static void *count_bytes(void *ud, void *ptr, size_t old_size,
                         size_t new_size) {
  (void)ud;
  void *block = neap__mem_libc(NULL, ptr, old_size, new_size);
  if (block != NULL || new_size == 0)
    used = used - old_size + new_size;
  return block;
}

static int told(int err) {
  CHECK(err == NEAP_CLOSING);
  world.told++;
  return err;
}

static int in_sleep(neap_rt *rt, void *arg) {
  (void)arg;
  world.waiting++;
  return told(neap_sleep(rt, NEAP_NEVER));
}

static int in_frame(neap_rt *rt, void *arg) {
  (void)arg;
  world.waiting++;
  return told(neap_frame(rt));
}

static int in_join(neap_rt *rt, void *arg) {
  neap_task *task;
  (void)arg;
  if (!CHECK(neap_spawn(rt, in_sleep, NULL, NULL, &task) == 0))
    return -1;
  world.waiting++;
  int err = neap_join(task, NULL);
  neap_task_unref(task);
  return told(err);
}

/* The block is told; the end of its scope is waited for all the same. */
static int in_scope(neap_rt *rt, void *arg) {
  neap_scope *scope;
  (void)arg;
  CHECK(neap_scope_open(rt, NEAP_NEVER, &scope) == 0);
  CHECK(neap_spawn(rt, in_sleep, NULL, NULL, NULL) == 0);
  world.waiting++;
  int before = world.told;
  int err = neap_scope_close(scope, 0);
  CHECK(world.told > before);
  return told(err);
}

static int in_shield(neap_rt *rt, void *arg) {
  neap_shield *shield;
  (void)arg;
  CHECK(neap_shield_open(rt, &shield) == 0);
  world.waiting++;
  int err = neap_sleep(rt, NEAP_NEVER);
  neap_shield_close(shield);
  return told(err);
}

static int in_accept(neap_rt *rt, void *arg) {
  neap_stream *stream;
  (void)rt;
  (void)arg;
  world.waiting++;
  return told(neap_accept(world.server, NEAP_NEVER, &stream));
}

static int in_read(neap_rt *rt, void *arg) {
  neap_stream *stream;
  neap_view view;
  (void)arg;
  CHECK(neap_pipe_open(rt, dup(world.fds[0]), &stream) == 0);
  world.waiting++;
  int err = neap_stream_peek_line(stream, &view);
  neap_stream_close(stream);
  return told(err);
}

static int in_wait_fd(neap_rt *rt, void *arg) {
  (void)arg;
  world.waiting++;
  return told(neap_wait_fd(rt, world.fds[0], NEAP_READABLE, NEAP_NEVER));
}

static int in_signal(neap_rt *rt, void *arg) {
  neap_listener *listener;
  int signum = SIGUSR2;
  (void)arg;
  CHECK(neap_signal_listen(rt, &signum, 1, &listener) == 0);
  world.waiting++;
  int err = neap_listener_wait(listener, NEAP_NEVER);
  neap_listener_close(listener);
  return told(err);
}

static int in_process(neap_rt *rt, void *arg) {
  char *argv[] = {"sleep", "1000", NULL};
  neap_process_options options = {.size = sizeof options, .argv = argv};
  neap_process *process;
  (void)arg;
  CHECK(neap_process_spawn(rt, &options, &process) == 0);
  world.waiting++;
  int err = neap_process_wait(process, NEAP_NEVER, NULL);
  neap_process_free(process);
  return told(err);
}

static int in_watch(neap_rt *rt, void *arg) {
  neap_watch *watch;
  neap_watch_event event;
  (void)arg;
  CHECK(neap_watch_open(rt, "/proc/self", NULL, &watch) == 0);
  world.waiting++;
  int err = neap_watch_next(watch, NEAP_NEVER, &event);
  neap_watch_close(watch);
  return told(err);
}

/* The pool has begun: it is told to stop, and waited for. */
static uv_sem_t stopped;

static int in_pool(void *arg) {
  (void)arg;
  uv_sem_wait(&stopped);
  return 1;
}

static void stop_pool(void *arg) {
  (void)arg;
  uv_sem_post(&stopped);
}

static int in_offload(neap_rt *rt, void *arg) {
  (void)arg;
  world.waiting++;
  int err = neap_offload(rt, in_pool, stop_pool, NULL);
  world.told++;
  return err; /* it may have run to its end, or never */
}

/* What a task opens and waits for when it is told has no luck either. */
static int at_the_end(neap_rt *rt, void *arg) {
  neap_blob blob;
  neap_scope *scope;
  neap_task *late;
  (void)arg;
  world.waiting++;
  int err = neap_sleep(rt, NEAP_NEVER);
  CHECK(neap_sleep(rt, 0) == NEAP_CLOSING);
  CHECK(neap_fs_readfile(rt, "/etc/passwd", 1 << 20, &blob) == NEAP_CLOSING);
  CHECK(neap_scope_open(rt, NEAP_NEVER, &scope) == 0);
  world.waiting++;
  CHECK(neap_spawn(rt, in_sleep, NULL, NULL, &late) == 0);
  world.waiting--; /* in_sleep counts itself */
  CHECK(neap_scope_close(scope, 0) == NEAP_CLOSING);
  CHECK(neap_task_ended(late));
  neap_task_unref(late);
  CHECK(neap_step(rt, 0) == UV_ECANCELED);
  CHECK(neap_run(rt) == UV_EPERM);
  return told(err);
}

static void end_with(bool shared_stack) {
  static const neap_task_fn fns[] = {
      in_sleep,  in_frame,   in_join,    in_scope,  in_shield,
      in_accept, in_read,    in_wait_fd, in_signal, in_process,
      in_watch,  in_offload, at_the_end};
  neap_options options = {.size = sizeof options, .alloc = count_bytes};
  neap_spawn_options how = {.size = sizeof how, .shared_stack = shared_stack};
  neap_rt *rt;
  world.waiting = world.told = 0;
  used = 0;
  CHECK(pipe2(world.fds, O_CLOEXEC) == 0);
  CHECK(neap_new(&options, &rt) == 0);
  CHECK(neap_tcp_listen(rt, "127.0.0.1", 0, NULL, &world.server) == 0);
  for (size_t i = 0; i < sizeof fns / sizeof fns[0]; i++)
    CHECK(neap_spawn(rt, fns[i], NULL, &how, NULL) == 0);
  while (world.waiting < (int)(sizeof fns / sizeof fns[0]) + 2)
    CHECK(neap_sleep(rt, 1000) == 0);
  neap_free(rt); /* the server was not even closed */
  CHECK(world.told == world.waiting);
  CHECK(used == 0);
  close(world.fds[0]);
  close(world.fds[1]);
}

static void ends_whatever_its_tasks_wait_for(void) {
  CHECK(uv_sem_init(&stopped, 0) == 0);
  end_with(false); /* libuv opens what it opens once */
  int before = count_fds();
  end_with(false);
  end_with(true);
  CHECK(count_fds() == before);
  uv_sem_destroy(&stopped);
}

/* -- what is refused inside */

static int run_inside(neap_rt *rt, void *arg) {
  (void)arg;
  return neap_run(rt) == UV_EPERM && neap_step(rt, 0) == UV_EBUSY;
}

static void a_task_does_not_drive(void) {
  neap_rt *rt;
  neap_task *task;
  int result = 0;
  CHECK(neap_new(NULL, &rt) == 0);
  CHECK(neap_spawn(rt, run_inside, NULL, NULL, &task) == 0);
  CHECK(neap_join(task, &result) == 0 && result == 1);
  neap_task_unref(task);
  neap_free(rt);
  neap_free(NULL);
}

TESTS(TEST(ends_whatever_its_tasks_wait_for), TEST(a_task_does_not_drive))
