/*
 * test_host.c: what a C host may do around a runtime: wake and spawn from its
 * own callbacks, post while the runtime ends, run several in several threads.
 */
#include "core/rt.h"

#include "test_rt.h"

#include <pthread.h>
#include <signal.h>

static int count_run(neap_rt *rt, void *arg) {
  (void)rt;
  ++*(int *)arg;
  return 0;
}

/* -- posts */

static void spawn_counter(neap_rt *rt, void *arg) {
  CHECK(neap_spawn(rt, count_run, arg, NULL, NULL) == 0);
}

static void what_a_late_post_spawns_is_unwound(void) {
  neap_rt *rt = open_rt();
  int ran = 0;
  CHECK(neap_post(rt, spawn_counter, &ran) == 0);
  neap_free(rt);
  CHECK(ran == 1);
}

struct refused {
  int err;
};

/* Ends with the runtime, and posts then. */
static int post_at_the_end(neap_rt *rt, void *arg) {
  struct refused *refused = arg;
  CHECK(neap_sleep(rt, NEAP_NEVER) == NEAP_CLOSING);
  refused->err = neap_post(rt, spawn_counter, NULL);
  return 0;
}

static void a_closing_runtime_refuses_posts(void) {
  neap_rt *rt = open_rt();
  struct refused refused = {0};
  CHECK(neap_spawn(rt, post_at_the_end, &refused, NULL, NULL) == 0);
  CHECK(neap_yield(rt) == 0);
  neap_free(rt);
  CHECK(refused.err == UV_ECANCELED);
}

/* -- callbacks of the host on the runtime's loop */

struct hosted {
  neap_rt *rt;
  uv_timer_t first, second;
  neap_wait *wait;
  int ran, ran_before_second;
};

static int wake_main(neap_rt *rt, void *arg) {
  struct hosted *hosted = arg;
  (void)rt;
  hosted->ran = 1;
  return 0;
}

static void on_second(uv_timer_t *timer) {
  struct hosted *hosted = timer->data;
  hosted->ran_before_second = hosted->ran;
  neap_wake(hosted->wait, 7);
}

static void on_first(uv_timer_t *timer) {
  struct hosted *hosted = timer->data;
  CHECK(neap_spawn(hosted->rt, wake_main, hosted, NULL, NULL) == 0);
  uv_timer_start(&hosted->second, on_second, 500, 0);
}

/* libuv before 1.45 runs due timers before it polls. */
static void a_spawn_in_a_timer_callback_ends_the_poll(void) {
  struct hosted hosted = {.rt = open_rt()};
  uv_loop_t *loop = neap_loop(hosted.rt);
  uv_timer_init(loop, &hosted.first);
  uv_timer_init(loop, &hosted.second);
  hosted.first.data = hosted.second.data = &hosted;
  CHECK(neap_wait_new(hosted.rt, 0, &hosted.wait) == 0);
  uv_timer_start(&hosted.first, on_first, 0, 0);
  CHECK(neap_park(hosted.wait) == 7);
  CHECK(hosted.ran_before_second == 1);
  neap_wait_free(hosted.wait);
  uv_close((uv_handle_t *)&hosted.first, NULL);
  uv_close((uv_handle_t *)&hosted.second, NULL);
  neap_sleep(hosted.rt, 1);
  neap_free(hosted.rt);
}

static void a_request_of_absurd_size_is_refused(void) {
  neap_rt *rt = open_rt();
  neap_wait *wait = NULL;
  CHECK(neap_wait_new(rt, SIZE_MAX, &wait) == UV_ENOMEM);
  CHECK(neap_wait_new(rt, SIZE_MAX - 64, &wait) == UV_ENOMEM);
  CHECK(neap_wait_new(rt, (size_t)UINT32_MAX, &wait) == UV_ENOMEM);
  neap_free(rt);
}

static void a_task_is_born_now(void) {
  uint64_t before = uv_hrtime();
  neap_rt *rt = open_rt();
  neap_task *task = NULL;
  int ran = 0;
  CHECK(neap_spawn(rt, count_run, &ran, NULL, &task) == 0);
  CHECK(task->born_ns >= before);
  CHECK(task->since_ns >= before);
  neap_task_unref(task);
  neap_free(rt);
}

/* -- Ctrl-C with a runtime in each of two threads */

static volatile sig_atomic_t interrupts;

static void on_interrupt(int signum) {
  (void)signum;
  interrupts++;
}

struct sleeper {
  pthread_t thread;
  uv_sem_t waits; /* posted when it is about to wait */
  neap_rt *rt;
  int result;
};

static int tell_that_main_waits(neap_rt *rt, void *arg) {
  struct sleeper *sleeper = arg;
  neap_sleep(rt, 1000 * 1000); /* main has polled by then */
  uv_sem_post(&sleeper->waits);
  return 0;
}

static void *sleep_in_thread(void *arg) {
  struct sleeper *sleeper = arg;
  sleeper->rt = open_rt();
  CHECK(neap_spawn(sleeper->rt, tell_that_main_waits, sleeper, NULL, NULL) ==
        0);
  sleeper->result = neap_sleep(sleeper->rt, NEAP_NEVER);
  neap_free(sleeper->rt);
  return NULL;
}

static void end_sleep(neap_rt *rt, void *arg) {
  (void)arg;
  neap__op_interrupt(rt->sched.main->op, UV_ECANCELED);
}

static void a_signal_in_the_wrong_thread_reaches_the_right_one(void) {
  struct sleeper first = {0}, second = {0};
  struct sigaction action, old;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_interrupt;
  interrupts = 0;
  CHECK(sigaction(SIGINT, &action, &old) == 0);
  uv_sem_init(&first.waits, 0);
  uv_sem_init(&second.waits, 0);
  CHECK(pthread_create(&first.thread, NULL, sleep_in_thread, &first) == 0);
  uv_sem_wait(&first.waits); /* it stands in front of the handler now */
  CHECK(pthread_create(&second.thread, NULL, sleep_in_thread, &second) == 0);
  uv_sem_wait(&second.waits);
  CHECK(pthread_kill(second.thread, SIGINT) == 0);
  pthread_join(first.thread, NULL);
  CHECK(first.result == NEAP_INTERRUPTED);
  CHECK(interrupts == 1);
  CHECK(neap_post(second.rt, end_sleep, NULL) == 0);
  pthread_join(second.thread, NULL);
  CHECK(second.result == UV_ECANCELED);
  uv_sem_destroy(&first.waits);
  uv_sem_destroy(&second.waits);
  sigaction(SIGINT, &old, NULL);
}

TESTS(TEST(what_a_late_post_spawns_is_unwound),
      TEST(a_closing_runtime_refuses_posts),
      TEST(a_spawn_in_a_timer_callback_ends_the_poll),
      TEST(a_request_of_absurd_size_is_refused), TEST(a_task_is_born_now),
      TEST(a_signal_in_the_wrong_thread_reaches_the_right_one))
