/* test_step.c: a host steps the runtime, or runs its own loop. */
#include "include/neap.h"

#include "test.h"

#include <pthread.h>
#include <uv.h>

#define MS ((uint64_t)1000 * 1000)

static int count_frames(neap_rt *rt, void *arg) {
  int *n = arg;
  while (neap_frame(rt) == 0)
    ++*n;
  return 0;
}

static int yield_often(neap_rt *rt, void *arg) {
  int *left = arg;
  while (*left > 0) {
    --*left;
    if (neap_yield(rt) < 0)
      return -1;
  }
  return 0;
}

static int sleep_once(neap_rt *rt, void *arg) {
  int *done = arg;
  int err = neap_sleep(rt, 2 * MS);
  *done = err == 0;
  return err;
}

static void steps_frames_one_by_one(void) {
  neap_rt *rt;
  int frames = 0;
  CHECK(neap_new(NULL, &rt) == 0);
  CHECK(neap_spawn(rt, count_frames, &frames, NULL, NULL) == 0);
  CHECK(neap_next_timeout(rt) == 0);
  for (int i = 0; i < 10; i++)
    CHECK(neap_step(rt, UINT64_MAX) == 0);
  CHECK(frames == 9); /* the first step only let it begin to wait */
  neap_free(rt);
}

static void runs_all_that_is_ready(void) {
  neap_rt *rt;
  int left = 1000;
  CHECK(neap_new(NULL, &rt) == 0);
  CHECK(neap_spawn(rt, yield_often, &left, NULL, NULL) == 0);
  CHECK(neap_step(rt, UINT64_MAX) == 0);
  CHECK(left == 0);
  neap_free(rt);
}

static void leaves_off_when_its_time_is_up(void) {
  neap_rt *rt;
  int left = INT32_MAX;
  CHECK(neap_new(NULL, &rt) == 0);
  CHECK(neap_spawn(rt, yield_often, &left, NULL, NULL) == 0);
  CHECK(neap_step(rt, 0) == 1);
  CHECK(left == INT32_MAX - 1); /* one turn of one task is the least */
  CHECK(neap_step(rt, MS / 10) == 1);
  CHECK(neap_next_timeout(rt) == 0);
  left = 0;
  CHECK(neap_step(rt, UINT64_MAX) == 0);
  neap_free(rt);
}

static void tells_how_long_a_host_may_sleep(void) {
  neap_rt *rt;
  int done = 0;
  CHECK(neap_new(NULL, &rt) == 0);
  CHECK(neap_backend_fd(rt) >= 0);
  CHECK(neap_step(rt, 0) == 0); /* libuv tells the poll what to watch */
  CHECK(neap_next_timeout(rt) == -1);
  CHECK(neap_spawn(rt, sleep_once, &done, NULL, NULL) == 0);
  CHECK(neap_step(rt, UINT64_MAX) == 0);
  int ms = neap_next_timeout(rt);
  CHECK(ms >= 0 && ms <= 3);
  while (!done) {
    uv_sleep((unsigned)neap_next_timeout(rt));
    CHECK(neap_step(rt, UINT64_MAX) == 0);
  }
  neap_free(rt);
}

static int step_inside(neap_rt *rt, void *arg) {
  *(int *)arg = neap_step(rt, 0);
  return 0;
}

static void *step_elsewhere(void *arg) {
  return neap_step(arg, 0) == UV_EPERM ? arg : NULL;
}

static void refuses_tasks_and_other_threads(void) {
  neap_rt *rt;
  int inside = 0;
  void *result;
  pthread_t thread;
  CHECK(neap_new(NULL, &rt) == 0);
  CHECK(neap_spawn(rt, step_inside, &inside, NULL, NULL) == 0);
  CHECK(neap_step(rt, UINT64_MAX) == 0);
  CHECK(inside == UV_EBUSY);
  CHECK(pthread_create(&thread, NULL, step_elsewhere, rt) == 0);
  pthread_join(thread, &result);
  CHECK(result == rt);
  neap_free(rt);
}

/* On the host's own loop. */
struct host {
  uv_loop_t loop;
  uv_timer_t timer;
  neap_rt *rt;
  neap_wait *wait;
  int status, fired;
};

static void on_fire(uv_timer_t *timer) {
  struct host *host = timer->data;
  host->fired++;
  neap_wake(host->wait, 7);
}

static int wait_for_host(neap_rt *rt, void *arg) {
  struct host *host = arg;
  if (neap_wait_new(rt, 0, &host->wait) < 0)
    return -1;
  uv_timer_start(&host->timer, on_fire, 1, 0);
  host->status = neap_park(host->wait);
  neap_wait_free(host->wait);
  return 0;
}

static void open_host(struct host *host) {
  memset(host, 0, sizeof *host);
  uv_loop_init(&host->loop);
  uv_timer_init(&host->loop, &host->timer);
  host->timer.data = host;
  neap_options options = {.size = sizeof options, .loop = &host->loop};
  CHECK(neap_new(&options, &host->rt) == 0);
}

static void close_host(struct host *host) {
  neap_free(host->rt);
  uv_close((uv_handle_t *)&host->timer, NULL);
  uv_run(&host->loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&host->loop) == 0);
}

static void turns_inside_the_hosts_run(void) {
  struct host host;
  int done = 0, left = 100;
  open_host(&host);
  CHECK(neap_spawn(host.rt, wait_for_host, &host, NULL, NULL) == 0);
  CHECK(neap_spawn(host.rt, sleep_once, &done, NULL, NULL) == 0);
  CHECK(neap_spawn(host.rt, yield_often, &left, NULL, NULL) == 0);
  uv_run(&host.loop, UV_RUN_DEFAULT); /* ends when nothing is left to do */
  CHECK(host.fired == 1 && host.status == 7);
  CHECK(done == 1 && left == 0);
  close_host(&host);
}

static void steps_on_the_hosts_loop_without_running_it(void) {
  struct host host;
  int left = 100;
  open_host(&host);
  CHECK(neap_spawn(host.rt, wait_for_host, &host, NULL, NULL) == 0);
  CHECK(neap_spawn(host.rt, yield_often, &left, NULL, NULL) == 0);
  CHECK(neap_step(host.rt, 1000 * MS) == 0);
  CHECK(left == 0 && host.fired == 0);
  uv_run(&host.loop, UV_RUN_DEFAULT);
  CHECK(host.status == 7);
  close_host(&host);
}

static void drives_the_hosts_loop_in_neap_run(void) {
  struct host host;
  open_host(&host);
  CHECK(neap_spawn(host.rt, wait_for_host, &host, NULL, NULL) == 0);
  CHECK(neap_run(host.rt) == 0);
  CHECK(host.status == 7);
  close_host(&host);
}

/* fault 88: a host that does not step for long has all that is due run once. */
static int note_order(neap_rt *rt, void *arg) {
  int *log = arg;
  uint64_t ns = (uint64_t)(unsigned)log[0] * 1000;
  int err = neap_sleep(rt, ns);
  log[1] = err == 0 ? ++log[2] : -1;
  return err;
}

static void runs_what_is_overdue_once_and_in_order(void) {
  neap_rt *rt;
  int logs[3][3] = {{3, 0, 0}, {1, 0, 0}, {2, 0, 0}};
  CHECK(neap_new(NULL, &rt) == 0);
  for (int i = 0; i < 3; i++)
    CHECK(neap_spawn(rt, note_order, logs[i], NULL, NULL) == 0);
  CHECK(neap_step(rt, UINT64_MAX) == 0);
  uv_sleep(5);
  CHECK(neap_step(rt, UINT64_MAX) == 0);
  for (int i = 0; i < 3; i++)
    CHECK(logs[i][1] == 1);
  neap_free(rt);
}

TESTS(TEST(steps_frames_one_by_one), TEST(runs_all_that_is_ready),
      TEST(leaves_off_when_its_time_is_up),
      TEST(tells_how_long_a_host_may_sleep),
      TEST(refuses_tasks_and_other_threads), TEST(turns_inside_the_hosts_run),
      TEST(steps_on_the_hosts_loop_without_running_it),
      TEST(drives_the_hosts_loop_in_neap_run),
      TEST(runs_what_is_overdue_once_and_in_order))
