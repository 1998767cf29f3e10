/*
 * test_threads.c: a runtime in each of several threads: they share nothing,
 * post to each other, and use one thread pool. Looked at by TSan in soak. And
 * many frames of many tasks, as a game has them.
 */
#include "include/neap.h"

#include "test.h"

#include <pthread.h>
#include <uv.h>

#define THREADS 4
#define MS      ((uint64_t)1000 * 1000)

/* -- runtimes in threads */

struct part {
  pthread_t thread;
  struct part *next; /* whom it posts to */
  neap_rt *rt;
  uv_barrier_t *barrier;
  long posted, received, slept, offloaded;
  long want;
  neap_wait *all_received;
};

static void receive(neap_rt *rt, void *arg) {
  struct part *part = arg;
  (void)rt;
  if (++part->received == part->want)
    neap_wake(part->all_received, 0);
}

static int post_all(neap_rt *rt, void *arg) {
  struct part *part = arg;
  while (part->posted < part->want) {
    CHECK(neap_post(part->next->rt, receive, part->next) == 0);
    part->posted++;
    int err = neap_yield(rt);
    if (err < 0)
      return err;
  }
  return 0;
}

static int sleep_often(neap_rt *rt, void *arg) {
  struct part *part = arg;
  for (int i = 0; i < 10; i++) {
    int err = neap_sleep(rt, MS / 10);
    if (err < 0)
      return err;
    part->slept++;
  }
  return 0;
}

static int compute(void *arg) {
  return *(int *)arg * 6;
}

static int offload_often(neap_rt *rt, void *arg) {
  struct part *part = arg;
  int seven = 7;
  for (int i = 0; i < 10; i++) {
    int result = neap_offload(rt, compute, NULL, &seven);
    if (result < 0)
      return result;
    part->offloaded += result == 42;
  }
  return 0;
}

/* A wait that another thread ends. */
struct elsewhere {
  pthread_t thread;
  neap_wait *wait;
};

static void *wake_from_elsewhere(void *arg) {
  neap_wake_post(((struct elsewhere *)arg)->wait, 5);
  return NULL;
}

static int wait_for_thread(neap_rt *rt, void *arg) {
  struct elsewhere elsewhere;
  (void)arg;
  int err = neap_wait_new(rt, 0, &elsewhere.wait);
  if (err < 0)
    return err;
  if (pthread_create(&elsewhere.thread, NULL, wake_from_elsewhere,
                     &elsewhere) != 0)
    neap_wake(elsewhere.wait, UV_EAGAIN);
  err = neap_park(elsewhere.wait);
  neap_wait_free(elsewhere.wait);
  if (err == 5)
    pthread_join(elsewhere.thread, NULL);
  return err == 5 ? 0 : UV_EPROTO;
}

static int work(neap_rt *rt, struct part *part) {
  static const neap_task_fn fns[] = {post_all, sleep_often, offload_often,
                                     wait_for_thread};
  neap_scope *scope;
  int err = neap_scope_open(rt, NEAP_NEVER, &scope);
  if (err < 0)
    return err;
  for (size_t i = 0; err == 0 && i < sizeof fns / sizeof fns[0]; i++)
    err = neap_spawn(rt, fns[i], part, NULL, NULL);
  err = neap_scope_close(scope, err);
  if (err == 0)
    err = neap_park(part->all_received);
  return err;
}

static void *run_part(void *arg) {
  struct part *part = arg;
  CHECK(neap_new(NULL, &part->rt) == 0);
  CHECK(neap_wait_new(part->rt, 0, &part->all_received) == 0);
  uv_barrier_wait(part->barrier); /* all can be posted to */
  CHECK(work(part->rt, part) == 0);
  neap_wait_free(part->all_received);
  uv_barrier_wait(part->barrier); /* nobody is posted to any more */
  neap_free(part->rt);
  return NULL;
}

static void runtimes_in_threads_share_nothing(void) {
  static struct part parts[THREADS];
  uv_barrier_t barrier;
  CHECK(uv_barrier_init(&barrier, THREADS) == 0);
  for (int i = 0; i < THREADS; i++)
    parts[i] = (struct part){.next = &parts[(i + 1) % THREADS],
                             .barrier = &barrier,
                             .want = test_count(500, 20000)};
  for (int i = 0; i < THREADS; i++)
    CHECK(pthread_create(&parts[i].thread, NULL, run_part, &parts[i]) == 0);
  for (int i = 0; i < THREADS; i++) {
    pthread_join(parts[i].thread, NULL);
    CHECK(parts[i].received == parts[i].want);
    CHECK(parts[i].slept == 10 && parts[i].offloaded == 10);
  }
  uv_barrier_destroy(&barrier);
}

/* Posts arrive in the order of the calls. */
struct order {
  neap_rt *rt;
  long next, wrong;
  neap_wait *done;
};

struct numbered {
  struct order *order;
  long number;
};

#define POSTS 1000

static struct numbered numbered[POSTS];

static void note_number(neap_rt *rt, void *arg) {
  struct numbered *one = arg;
  struct order *order = one->order;
  (void)rt;
  order->wrong += one->number != order->next;
  if (++order->next == POSTS)
    neap_wake(order->done, 0);
}

static void *post_in_order(void *arg) {
  struct order *order = arg;
  for (long i = 0; i < POSTS; i++) {
    numbered[i] = (struct numbered){order, i};
    if (neap_post(order->rt, note_number, &numbered[i]) < 0)
      return order;
  }
  return NULL;
}

static void posts_keep_their_order(void) {
  struct order order = {0};
  pthread_t thread;
  void *failed;
  CHECK(neap_new(NULL, &order.rt) == 0);
  CHECK(neap_wait_new(order.rt, 0, &order.done) == 0);
  CHECK(pthread_create(&thread, NULL, post_in_order, &order) == 0);
  CHECK(neap_park(order.done) == 0);
  neap_wait_free(order.done);
  pthread_join(thread, &failed);
  CHECK(failed == NULL && order.next == POSTS && order.wrong == 0);
  neap_free(order.rt);
}

/* -- frames */

struct game {
  long entities, moves, sparks;
};

static int spark(neap_rt *rt, void *arg) {
  struct game *game = arg;
  int err = neap_frame(rt);
  game->sparks += err == 0;
  return err;
}

/* One that moves each frame, and starts something short-lived now and then. */
static int live(neap_rt *rt, void *arg) {
  struct game *game = arg;
  neap_spawn_options options = {.size = sizeof options, .shared_stack = true};
  long number = game->entities++;
  for (long frame = number; neap_frame(rt) == 0; frame++) {
    game->moves++;
    if (frame % 100 == 0 && neap_spawn(rt, spark, game, &options, NULL) < 0)
      return UV_ENOMEM;
  }
  return 0;
}

static void many_frames_of_many_tasks(void) {
  neap_rt *rt;
  struct game game = {0};
  neap_spawn_options options = {.size = sizeof options, .shared_stack = true};
  neap_figures figures;
  long tasks = test_count(500, 5000), frames = test_count(200, 10000);
  CHECK(neap_new(NULL, &rt) == 0);
  for (long i = 0; i < tasks; i++)
    CHECK(neap_spawn(rt, live, &game, &options, NULL) == 0);
  for (long i = 0; i < frames; i++)
    CHECK(neap_step(rt, UINT64_MAX) == 0);
  CHECK(game.moves == tasks * (frames - 1)); /* the first begins to wait */
  CHECK(game.sparks > 0);
  neap_info(rt, &figures);
  CHECK(figures.tasks >= (uint64_t)tasks + 1);
  CHECK(figures.tasks <= (uint64_t)(tasks + tasks / 10) + 1); /* sparks ended */
  neap_free(rt);
}

/* -- how far a step goes beyond its budget */

struct turns {
  uint64_t budget_ns, first_ns; /* of this step; when its first turn began */
  long late; /* turns that began when the budget was used up */
};

static int take_turns(neap_rt *rt, void *arg) {
  struct turns *turns = arg;
  do {
    uint64_t now = uv_hrtime();
    if (turns->first_ns == 0)
      turns->first_ns = now;
    else if (now >= turns->first_ns + turns->budget_ns)
      turns->late++;
    while (uv_hrtime() < now + 20000)
      continue; /* a turn of 20 us */
  } while (neap_yield(rt) == 0);
  return 0;
}

static void a_step_overshoots_by_one_turn_at_most(void) {
  neap_rt *rt;
  struct turns turns = {.budget_ns = MS / 5};
  CHECK(neap_new(NULL, &rt) == 0);
  for (int i = 0; i < 50; i++)
    CHECK(neap_spawn(rt, take_turns, &turns, NULL, NULL) == 0);
  for (int i = 0; i < 100; i++) {
    turns.first_ns = 0;
    turns.late = 0;
    CHECK(neap_step(rt, turns.budget_ns) == 1);
    CHECK(turns.late <= 1);
  }
  neap_free(rt);
}

TESTS(TEST(runtimes_in_threads_share_nothing), TEST(posts_keep_their_order),
      TEST(many_frames_of_many_tasks),
      TEST(a_step_overshoots_by_one_turn_at_most))
