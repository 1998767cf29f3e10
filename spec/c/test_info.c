/* test_info.c: dumps for C, the tasks' clock, and when it is a deadlock. */
#include "core/info.h"
#include "core/rt.h"
#include "core/waitq.h"
#include "test_rt.h"

#include <uv.h>

/* The dump as a string. */
struct dump {
  char text[4096];
};

static void take_text(void *ud, const char *text, size_t len) {
  struct dump *dump = ud;
  if (!CHECK(len < sizeof dump->text))
    return;
  memcpy(dump->text, text, len);
  dump->text[len] = '\0';
}

static int sleep_for_hours(neap_rt *rt, void *arg) {
  (void)arg;
  return neap_sleep(rt, UINT64_C(3600000000000));
}

static void a_dump_tells_of_c_tasks(void) {
  neap_rt *rt = open_rt();
  struct dump dump;
  CHECK(neap_spawn(rt, sleep_for_hours, NULL, NULL, NULL) == 0);
  CHECK(neap_yield(rt) == 0);
  CHECK(neap_yield(rt) == 0);
  CHECK(neap_dump(rt, take_text, &dump) == 0);
  CHECK(strncmp(dump.text, "task 1: running, ", 17) == 0);
  CHECK(strstr(dump.text, "\ntask 2: waiting in sleep for ") != NULL);
  CHECK(strstr(dump.text, " to go, 1 switches, ") != NULL);
  neap_free(rt);
}

static void a_text_is_cut_at_a_line(void) {
  neap_rt *rt = open_rt();
  struct neap_text text;
  neap__text_init(&text, &rt->mem, 2000);
  for (int i = 0; i < 1000; i++)
    neap__text_add(&text, "line %d\n", i);
  neap__text_finish(&text);
  CHECK(text.cut && text.len <= 2000 && text.len > 1900);
  CHECK(memcmp(text.base + text.len - 12, "\n(cut here)\n", 12) == 0);
  neap__text_deinit(&text);
  neap_free(rt);
}

/* Who waits in a queue that a host's callback wakes. */
struct meeting {
  struct neap_list queue;
  neap_rt *rt;
};

static void on_host_timer(uv_timer_t *uv) {
  struct meeting *m = uv->data;
  neap__waitq_wake_all(&m->queue, 7);
}

static void an_active_handle_of_the_hosts_is_no_deadlock(void) {
  neap_rt *rt = open_rt();
  struct meeting m = {.rt = rt};
  uv_timer_t timer;
  neap__list_init(&m.queue);
  uv_timer_init(neap_loop(rt), &timer);
  timer.data = &m;
  uv_timer_start(&timer, on_host_timer, 1, 0);
  CHECK(neap__waitq_wait(rt, &m.queue, "test", NEAP_FOREVER, true) == 7);
  /* It is not active any more: nothing will come of it. */
  CHECK(neap__waitq_wait(rt, &m.queue, "test", NEAP_FOREVER, true) ==
        NEAP_EDEADLK);
  uv_timer_start(&timer, on_host_timer, 1, 0);
  uv_unref((uv_handle_t *)&timer); /* it says itself that it does not count */
  CHECK(neap__waitq_wait(rt, &m.queue, "test", NEAP_FOREVER, true) ==
        NEAP_EDEADLK);
  uv_close((uv_handle_t *)&timer, NULL);
  neap_free(rt);
}

static void handles_of_ours_do_not_hide_a_deadlock(void) {
  neap_rt *rt = open_rt();
  struct meeting m = {.rt = rt};
  neap_server *server;
  neap_stream *stream, *peer;
  neap_address address;
  neap__list_init(&m.queue);
  CHECK(neap_listen(rt, "127.0.0.1", 0, NULL, &server) == 0);
  CHECK(neap_server_address(server, &address) == 0);
  CHECK(neap_connect(rt, "127.0.0.1", (uint16_t)address.port, NULL, &stream) ==
        0);
  CHECK(neap_accept(server, NEAP_NEVER, &peer) == 0);
  neap_view view;
  neap_stream_timeouts(stream, 1000000, NEAP_NEVER); /* leaves it armed */
  CHECK(neap_stream_peek_some(stream, 1, &view) == UV_ETIMEDOUT);
  CHECK(neap__waitq_wait(rt, &m.queue, "test", NEAP_FOREVER, true) ==
        NEAP_EDEADLK);
  neap_stream_close(stream);
  neap_stream_close(peer);
  neap_server_close(server);
  neap_free(rt);
}

static int count_hours(neap_rt *rt, void *arg) {
  int *hours = arg;
  for (int i = 0; i < 24; i++) {
    CHECK(neap_sleep(rt, UINT64_C(3600000000000)) == 0);
    ++*hours;
  }
  return 0;
}

static void virtual_time_jumps_and_never_goes_back(void) {
  neap_rt *rt = open_rt();
  int hours = 0;
  uint64_t before = neap_now(rt), real = uv_hrtime();
  neap__clock_set_virtual(&rt->clock, true);
  neap__timer_rearm(rt);
  uint64_t begun = neap_now(rt);
  CHECK(begun >= before && neap_now(rt) == begun);
  CHECK(neap_spawn(rt, count_hours, &hours, NULL, NULL) == 0);
  CHECK(neap_run(rt) == 0);
  CHECK(hours == 24 && neap_now(rt) - begun == 24 * UINT64_C(3600000000000));
  CHECK(uv_hrtime() - real < UINT64_C(3600000000000));
  uint64_t stood = neap_now(rt);
  neap__clock_set_virtual(&rt->clock, false);
  neap__timer_rearm(rt);
  CHECK(neap_now(rt) >= stood);
  CHECK(neap_sleep(rt, 1000000) == 0 && neap_now(rt) >= stood + 1000000);
  neap_free(rt);
}

/* What was set on libuv's clock before a jump must not be left as it was. */
static void a_timer_from_before_a_jump_fires_in_time(void) {
  neap_rt *rt = open_rt();
  neap__clock_set_virtual(&rt->clock, true);
  neap__timer_rearm(rt);
  uint64_t due = neap_now(rt) + UINT64_C(3600000000000);
  neap_task *task;
  CHECK(neap_spawn(rt, sleep_for_hours, NULL, NULL, &task) == 0);
  CHECK(neap_yield(rt) == 0);
  CHECK(neap_sleep_until(rt, due - 5000000) == 0);
  neap__clock_set_virtual(&rt->clock, false);
  neap__timer_rearm(rt);
  CHECK(neap_join(task, NULL) == 0 && neap_now(rt) >= due);
  neap_task_unref(task);
  neap_free(rt);
}

TESTS(TEST(a_dump_tells_of_c_tasks), TEST(a_text_is_cut_at_a_line),
      TEST(an_active_handle_of_the_hosts_is_no_deadlock),
      TEST(handles_of_ours_do_not_hide_a_deadlock),
      TEST(virtual_time_jumps_and_never_goes_back),
      TEST(a_timer_from_before_a_jump_fires_in_time))
