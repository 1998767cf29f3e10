/*
 * test_chan.c: channels and select over 64-bit items, without Lua: order,
 * hand-over, what a wait that is called off leaves.
 */
#include "core/chan.h"
#include "core/rt.h"
#include "core/select.h"
#include "core/waitq.h"

#include "test.h"

static neap_rt *open_rt(void) {
  neap_rt *rt = NULL;
  CHECK(neap_new(NULL, &rt) == 0);
  rt->sched.seed = 0; /* these tests are about order */
  return rt;
}

static void spawn(neap_rt *rt, neap_task_fn fn, void *arg) {
  neap_spawn_options options = {.size = sizeof options, .shared_stack = true};
  CHECK(neap_spawn(rt, fn, arg, &options, NULL) == 0);
}

/* Runs the others until all of them wait. */
static void settle(neap_rt *rt) {
  while (rt->sched.nready > 0)
    CHECK(neap_yield(rt) == 0);
}

/* One call of a task and what became of it. */
struct call {
  struct neap_chan *ch;
  uint64_t item, due_ns;
  int status;
  neap_task *task;
};

static int send_task(neap_rt *rt, void *arg) {
  struct call *call = arg;
  call->task = neap_current(rt);
  call->status = neap__chan_send(call->ch, call->item, call->due_ns);
  return 0;
}

static int recv_task(neap_rt *rt, void *arg) {
  struct call *call = arg;
  call->task = neap_current(rt);
  call->status = neap__chan_recv(call->ch, call->due_ns, &call->item);
  return 0;
}

static void items_leave_in_the_order_of_the_sends(void) {
  enum { N = 7 };
  static struct call calls[N];
  neap_rt *rt = open_rt();
  for (uint32_t capacity = 0; capacity <= 3; capacity++) {
    uint64_t ring[3];
    static struct neap_chan ch;
    neap__chan_init(&ch, rt, ring, capacity);
    for (int round = 0; round < 3; round++) {
      for (int i = 0; i < N; i++) {
        calls[i] = (struct call){.ch = &ch,
                                 .item = (uint64_t)i,
                                 .due_ns = NEAP_FOREVER,
                                 .status = 1};
        spawn(rt, send_task, &calls[i]);
      }
      settle(rt);
      CHECK(ch.n == capacity);
      for (uint64_t i = 0; i < N; i++) {
        uint64_t item = UINT64_MAX;
        CHECK(neap__chan_recv(&ch, NEAP_FOREVER, &item) == 0);
        CHECK(item == i);
      }
      settle(rt);
      for (int i = 0; i < N; i++)
        CHECK(calls[i].status == 0);
      uint64_t none;
      CHECK(neap__chan_try_recv(&ch, &none) == UV_EAGAIN);
    }
  }
  neap_free(rt);
}

static void a_wait_that_is_called_off_has_moved_nothing(void) {
  static struct neap_chan ch;
  neap_rt *rt = open_rt();
  neap__chan_init(&ch, rt, NULL, 0);
  static struct call limited, second;
  limited = (struct call){.ch = &ch, .item = 1};
  limited.due_ns = uv_hrtime() + 1000000;
  second = (struct call){.ch = &ch, .item = 2, .due_ns = NEAP_FOREVER};
  spawn(rt, send_task, &limited);
  spawn(rt, send_task, &second);
  CHECK(neap_sleep(rt, 5000000) == 0);
  CHECK(limited.status == UV_ETIMEDOUT);
  uint64_t item = 0;
  CHECK(neap__chan_try_recv(&ch, &item) == 0 && item == 2);
  CHECK(neap__chan_try_recv(&ch, &item) == UV_EAGAIN);
  CHECK(neap__chan_send(&ch, 3, NEAP_ONCE) == UV_ETIMEDOUT);
  CHECK(neap__chan_recv(&ch, NEAP_ONCE, &item) == UV_ETIMEDOUT);
  CHECK(neap_run(rt) == 0);
  CHECK(second.status == 0);
  neap_free(rt);
}

/* A receive that is cancelled in the turn in which it got its item. */
static void a_completed_wait_keeps_its_item(void) {
  static struct neap_chan ch;
  static struct call call;
  neap_rt *rt = open_rt();
  neap__chan_init(&ch, rt, NULL, 0);
  call = (struct call){.ch = &ch, .due_ns = NEAP_FOREVER, .status = 1};
  spawn(rt, recv_task, &call);
  settle(rt);
  CHECK(neap__chan_try_send(&ch, 42) == 0);
  CHECK(neap__cancel_task(call.task));
  CHECK(neap_run(rt) == 0);
  CHECK(call.status == 0 && call.item == 42);

  call = (struct call){.ch = &ch, .due_ns = NEAP_FOREVER, .status = 1};
  spawn(rt, recv_task, &call);
  settle(rt);
  CHECK(neap__cancel_task(call.task));
  CHECK(neap__chan_try_send(&ch, 43) == UV_EAGAIN);
  CHECK(neap_run(rt) == 0);
  CHECK(call.status == NEAP_CANCELLED);
  neap_free(rt);
}

static void close_wakes_everybody(void) {
  enum { N = 3 };
  static struct neap_chan empty, full;
  static struct call receivers[N], senders[N];
  uint64_t ring[1], item = 0;
  neap_rt *rt = open_rt();
  neap__chan_init(&empty, rt, NULL, 0);
  neap__chan_init(&full, rt, ring, 1);
  CHECK(neap__chan_try_send(&full, 9) == 0);
  for (int i = 0; i < N; i++) {
    receivers[i] = (struct call){.ch = &empty, .due_ns = NEAP_FOREVER};
    senders[i] = (struct call){.ch = &full, .due_ns = NEAP_FOREVER};
    spawn(rt, recv_task, &receivers[i]);
    spawn(rt, send_task, &senders[i]);
  }
  settle(rt);
  neap__chan_close(&empty);
  neap__chan_close(&full);
  neap__chan_close(&full);
  settle(rt);
  for (int i = 0; i < N; i++) {
    CHECK(receivers[i].status == UV_EOF);
    CHECK(senders[i].status == UV_EPIPE);
  }
  CHECK(neap__chan_try_send(&full, 1) == UV_EPIPE);
  CHECK(neap__chan_try_recv(&full, &item) == 0 && item == 9);
  CHECK(neap__chan_try_recv(&full, &item) == UV_EOF);
  CHECK(neap_run(rt) == 0);
  neap_free(rt);
}

/* Everything sent is received once, whoever sends and receives how. */
struct storm {
  struct neap_chan channels[3];
  uint64_t rings[3][3];
  uint32_t seed;
  uint64_t sent, received, sum_sent, sum_received;
  int senders;
};

static uint32_t next_random(struct storm *s, uint32_t below) {
  s->seed = s->seed * 1664525u + 1013904223u;
  return (s->seed >> 8) % below;
}

static int storm_sender(neap_rt *rt, void *arg) {
  struct storm *s = arg;
  for (int i = 0; i < 200; i++) {
    uint64_t item = next_random(s, 1000000);
    uint64_t due = next_random(s, 3) == 0 ? uv_hrtime() + next_random(s, 20000)
                                          : NEAP_FOREVER;
    int err = neap__chan_send(&s->channels[next_random(s, 3)], item, due);
    if (err == 0)
      s->sent++, s->sum_sent += item;
    else
      CHECK(err == UV_ETIMEDOUT);
    if (next_random(s, 10) == 0)
      neap_yield(rt);
  }
  if (--s->senders == 0)
    for (int i = 0; i < 3; i++)
      neap__chan_close(&s->channels[i]);
  return 0;
}

/* Receives from all three by select until all are closed. */
static int storm_receiver(neap_rt *rt, void *arg) {
  struct storm *s = arg;
  struct neap_case *cases =
      neap__mem_zalloc(&rt->mem, 3 * sizeof(struct neap_case));
  for (int i = 0; i < 3; i++) {
    cases[i].kind = NEAP_CASE_RECV;
    cases[i].chan = &s->channels[i];
  }
  for (int open = 3; open > 0;) {
    uint32_t winner = 0;
    int status = UV_EAGAIN;
    for (uint32_t i = 0; i < 3 && status == UV_EAGAIN; i++) {
      winner = i;
      status = neap__select_try(&cases[i]);
    }
    uint64_t due = next_random(s, 3) == 0 ? uv_hrtime() + next_random(s, 20000)
                                          : NEAP_FOREVER;
    int err = 0;
    if (status == UV_EAGAIN)
      err = neap__select_wait(rt, cases, 3, due, true, &winner, &status);
    if (err == UV_ETIMEDOUT)
      continue;
    CHECK(err == 0);
    if (status == 0)
      s->received++, s->sum_received += cases[winner].item;
    else
      cases[winner].kind = NEAP_CASE_NONE, open--;
  }
  neap__mem_free(&rt->mem, cases, 3 * sizeof(struct neap_case));
  return 0;
}

static void nothing_is_lost_in_a_storm(void) {
  static struct storm s;
  int rounds = (int)test_count(10, 200);
  for (int round = 0; round < rounds; round++) {
    neap_rt *rt = NULL;
    CHECK(neap_new(NULL, &rt) == 0);
    memset(&s, 0, sizeof s);
    s.seed = (uint32_t)round + 1;
    s.senders = 5;
    for (uint32_t i = 0; i < 3; i++)
      neap__chan_init(&s.channels[i], rt, s.rings[i], i);
    for (int i = 0; i < 5; i++)
      spawn(rt, storm_sender, &s);
    for (int i = 0; i < 4; i++)
      spawn(rt, storm_receiver, &s);
    CHECK(neap_run(rt) == 0);
    CHECK(s.sent > 0 && s.sent == s.received);
    CHECK(s.sum_sent == s.sum_received);
    neap_free(rt);
  }
}

/* A task that selects over a send, a receive and a queue. */
struct selecting {
  struct neap_case cases[3];
  uint32_t winner;
  int err, status;
  neap_task *task;
};

static int select_task(neap_rt *rt, void *arg) {
  struct selecting *s = arg;
  s->task = neap_current(rt);
  s->err = neap__select_wait(rt, s->cases, 3, NEAP_FOREVER, true, &s->winner,
                             &s->status);
  return 0;
}

static struct neap_chan out, in;
static struct neap_list queue;

static struct selecting *start_select(neap_rt *rt) {
  static struct selecting s;
  neap__chan_init(&out, rt, NULL, 0);
  neap__chan_init(&in, rt, NULL, 0);
  neap__list_init(&queue);
  memset(&s, 0, sizeof s);
  s.cases[0] =
      (struct neap_case){.kind = NEAP_CASE_SEND, .chan = &out, .item = 7};
  s.cases[1] = (struct neap_case){.kind = NEAP_CASE_RECV, .chan = &in};
  s.cases[2] = (struct neap_case){.kind = NEAP_CASE_QUEUE, .queue = &queue};
  s.err = 1;
  spawn(rt, select_task, &s);
  settle(rt);
  return &s;
}

/* After a select nobody waits for any of its cases. */
static void check_alone(void) {
  uint64_t item;
  CHECK(neap__chan_try_recv(&out, &item) == UV_EAGAIN);
  CHECK(neap__chan_try_send(&in, 1) == UV_EAGAIN);
  CHECK(neap__list_empty(&queue));
}

static void exactly_one_case_happens(void) {
  neap_rt *rt = open_rt();
  uint64_t item = 0;
  struct selecting *s = start_select(rt);
  CHECK(neap__chan_try_recv(&out, &item) == 0 && item == 7);
  check_alone();
  settle(rt);
  CHECK(s->err == 0 && s->winner == 0 && s->status == 0);

  s = start_select(rt);
  CHECK(neap__chan_try_send(&in, 8) == 0);
  check_alone();
  settle(rt);
  CHECK(s->err == 0 && s->winner == 1 && s->cases[1].item == 8);

  s = start_select(rt);
  CHECK(neap__waitq_wake_one(&queue, UV_ECANCELED));
  check_alone();
  settle(rt);
  CHECK(s->err == 0 && s->winner == 2 && s->status == UV_ECANCELED);

  s = start_select(rt);
  neap__chan_close(&out);
  CHECK(neap__list_empty(&in.receivers) && neap__list_empty(&queue));
  settle(rt);
  CHECK(s->err == 0 && s->winner == 0 && s->status == UV_EPIPE);

  s = start_select(rt);
  CHECK(neap__cancel_task(s->task));
  check_alone();
  settle(rt);
  CHECK(s->err == NEAP_CANCELLED);
  CHECK(neap_run(rt) == 0);
  neap_free(rt);
}

static void the_order_of_trying_is_a_permutation_and_reproducible(void) {
  enum { N = 5 };
  uint32_t counts[N][N] = {{0}};
  neap_rt *one = open_rt(), *two = open_rt();
  for (int round = 0; round < 5000; round++) {
    uint32_t a[N], b[N], seen = 0;
    neap__select_order(one, a, N);
    neap__select_order(two, b, N);
    CHECK(memcmp(a, b, sizeof a) == 0);
    for (int i = 0; i < N; i++) {
      seen |= 1u << a[i];
      counts[i][a[i]]++;
    }
    CHECK(seen == (1u << N) - 1);
  }
  for (int i = 0; i < N; i++) /* 1000 each are to be expected */
    for (int j = 0; j < N; j++)
      CHECK(counts[i][j] > 880 && counts[i][j] < 1120);
  neap_free(one);
  neap_free(two);
}

static void the_end_of_the_runtime_ends_waits(void) {
  static struct neap_chan ch;
  static struct call call;
  neap_rt *rt = open_rt();
  neap__chan_init(&ch, rt, NULL, 0);
  call = (struct call){.ch = &ch, .due_ns = NEAP_FOREVER};
  spawn(rt, recv_task, &call);
  struct selecting *s = start_select(rt);
  neap_free(rt);
  CHECK(call.status == NEAP_CLOSING && s->err == NEAP_CLOSING);
  CHECK(neap__list_empty(&ch.receivers));
  check_alone();
}

TESTS(TEST(items_leave_in_the_order_of_the_sends),
      TEST(a_wait_that_is_called_off_has_moved_nothing),
      TEST(a_completed_wait_keeps_its_item), TEST(close_wakes_everybody),
      TEST(nothing_is_lost_in_a_storm), TEST(exactly_one_case_happens),
      TEST(the_order_of_trying_is_a_permutation_and_reproducible),
      TEST(the_end_of_the_runtime_ends_waits))
