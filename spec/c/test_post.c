/*
 * test_post.c: what other threads may do to a runtime: post functions, wake
 * waits; and runtimes of several threads at once, one of them being freed.
 */
#include "core/op.h"
#include "core/rt.h"

#include "test.h"

#include <pthread.h>
#include <stdatomic.h>

static neap_rt *open_rt(void) {
  neap_options options = {.size = sizeof options};
  neap_rt *rt = NULL;
  CHECK(neap_new(&options, &rt) == 0);
  return rt;
}

/* -- posts */

struct counter {
  int last;     /* the number of the post before */
  int unsorted; /* posts that came out of order */
  int runs;
  bool on_driver;
};

struct numbered {
  struct counter *counter;
  int number;
};

static void note(neap_rt *rt, void *arg) {
  struct numbered *post = arg;
  struct counter *c = post->counter;
  c->unsorted += post->number <= c->last;
  c->last = post->number;
  c->on_driver = neap_current(rt) == NULL;
  c->runs++;
}

static void posts_run_in_order_on_the_driver(void) {
  neap_rt *rt = open_rt();
  struct counter counter = {0};
  struct numbered posts[100];
  for (int i = 0; i < 100; i++) {
    posts[i] = (struct numbered){&counter, i + 1};
    CHECK(neap_post(rt, note, &posts[i]) == 0);
  }
  CHECK(counter.runs == 0);
  CHECK(neap_sleep(rt, 1000) == 0);
  CHECK(counter.runs == 100 && counter.unsorted == 0 && counter.on_driver);
  neap_free(rt);
}

static void posts_that_were_taken_run_before_the_end(void) {
  neap_rt *rt = open_rt();
  struct counter counter = {0};
  struct numbered post = {&counter, 1};
  CHECK(neap_post(rt, note, &post) == 0);
  neap_free(rt);
  CHECK(counter.runs == 1);
}

/* -- wakes from another thread */

struct waker {
  neap_wait *wait;
  int status;
};

static void *wake_from_a_thread(void *arg) {
  struct waker *waker = arg;
  neap_wake_post(waker->wait, waker->status);
  return NULL;
}

static int wait_for_thread(neap_rt *rt, void *arg) {
  int rounds = *(int *)arg;
  for (int i = 1; i <= rounds; i++) {
    struct waker waker = {.status = i};
    pthread_t thread;
    if (!CHECK(neap_wait_new(rt, 16, &waker.wait) == 0))
      return -1;
    CHECK(pthread_create(&thread, NULL, wake_from_a_thread, &waker) == 0);
    CHECK(neap_park(waker.wait) == i);
    pthread_join(thread, NULL);
    neap_wait_free(waker.wait);
  }
  return 0;
}

static void waits_end_by_another_threads_wake(void) {
  neap_rt *rt = open_rt();
  int rounds = (int)test_count(50, 2000);
  for (int i = 0; i < 4; i++)
    CHECK(neap_spawn(rt, wait_for_thread, &rounds, NULL, NULL) == 0);
  CHECK(wait_for_thread(rt, &rounds) == 0); /* main as well */
  CHECK(neap_run(rt) == 0);
  neap_free(rt);
}

/* -- fault 16: posts to a runtime that is being freed */

/* What the two threads share; who posts may do so until `gone` is announced:
   the runtime's memory is there as long. */
struct meeting {
  neap_rt *rt;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool done;          /* the poster has ended */
  atomic_int taken;   /* posts that were taken */
  atomic_int refused; /* after the runtime had begun to close */
  atomic_int runs;
};

static void count_run(neap_rt *rt, void *arg) {
  struct meeting *m = arg;
  (void)rt;
  atomic_fetch_add(&m->runs, 1);
}

static int some_task(neap_rt *rt, void *arg) {
  (void)arg;
  for (;;) {
    int err = neap_sleep(rt, 50000);
    if (err < 0)
      return err;
  }
}

/* A runtime of its own, busy with its own tasks, posting to the other one. */
static void *post_all_the_time(void *arg) {
  struct meeting *m = arg;
  neap_rt *own = open_rt();
  CHECK(neap_spawn(own, some_task, NULL, NULL, NULL) == 0);
  bool closing = false;
  while (!closing) {
    CHECK(neap_yield(own) == 0);
    int err = neap_post(m->rt, count_run, m);
    CHECK(err == 0 || err == UV_ECANCELED);
    if (err == 0)
      atomic_fetch_add(&m->taken, 1);
    else
      atomic_fetch_add(&m->refused, 1);
    closing = err != 0;
  }
  pthread_mutex_lock(&m->lock);
  m->done = true;
  pthread_cond_signal(&m->changed);
  pthread_mutex_unlock(&m->lock);
  neap_free(own);
  return NULL;
}

static void posts_to_a_closing_runtime_are_refused(void) {
  for (long round = 0; round < test_count(30, 1000); round++) {
    struct meeting m = {.rt = open_rt()};
    pthread_t thread;
    pthread_mutex_init(&m.lock, NULL);
    pthread_cond_init(&m.changed, NULL);
    for (int i = 0; i < 3; i++)
      CHECK(neap_spawn(m.rt, some_task, NULL, NULL, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, post_all_the_time, &m) == 0);
    CHECK(neap_sleep(m.rt, (uint64_t)(round % 10) * 20000) == 0);
    neap__rt_close(m.rt); /* ends it; the memory stays for who still posts */
    pthread_mutex_lock(&m.lock);
    while (!m.done)
      pthread_cond_wait(&m.changed, &m.lock);
    pthread_mutex_unlock(&m.lock);
    pthread_join(thread, NULL);
    CHECK(atomic_load(&m.refused) == 1);
    CHECK(atomic_load(&m.taken) == atomic_load(&m.runs)); /* none is lost */
    neap_free(m.rt);
    pthread_cond_destroy(&m.changed);
    pthread_mutex_destroy(&m.lock);
  }
}

/* A waker that comes after its wait was called off by the runtime's end. */
struct late {
  neap_wait *wait;
  uv_sem_t called_off;
};

static void *wake_late(void *arg) {
  struct late *late = arg;
  uv_sem_wait(&late->called_off);
  neap_wake_post(late->wait, 7);
  return NULL;
}

static int parked(neap_rt *rt, void *arg) {
  struct late *late = arg;
  (void)rt;
  int status = neap_park(late->wait);
  neap_wait_free(late->wait);
  CHECK(status == NEAP_CLOSING);
  uv_sem_post(&late->called_off);
  return status;
}

static void the_end_waits_for_late_wakers(void) {
  for (int round = 0; round < 20; round++) {
    neap_rt *rt = open_rt();
    struct late late = {0};
    pthread_t thread;
    CHECK(uv_sem_init(&late.called_off, 0) == 0);
    CHECK(neap_wait_new(rt, 64, &late.wait) == 0);
    CHECK(neap_spawn(rt, parked, &late, NULL, NULL) == 0);
    /* Until it is parked: the hostile build may let us run first. */
    while (neap__op_of(neap_wait_data(late.wait))->task == NULL)
      CHECK(neap_yield(rt) == 0);
    CHECK(pthread_create(&thread, NULL, wake_late, &late) == 0);
    neap_free(rt);
    pthread_join(thread, NULL);
    uv_sem_destroy(&late.called_off);
  }
}

/* -- several runtimes at once share nothing */

static int count_up(neap_rt *rt, void *arg) {
  long *sum = arg;
  for (int i = 0; i < 100; i++) {
    ++*sum;
    if (i % 10 == 0)
      neap_sleep(rt, 1000);
    else
      neap_yield(rt);
  }
  return 0;
}

/* libuv closes descriptors by system calls that TSan does not see: it takes a
   number that is used again for a race. So there, and there alone, runtimes
   begin and end one at a time. */
static pthread_mutex_t tsan_lock = PTHREAD_MUTEX_INITIALIZER;

static void alone_under_tsan(bool begins) {
  (void)begins;
#ifdef __SANITIZE_THREAD__
  if (begins)
    pthread_mutex_lock(&tsan_lock);
  else
    pthread_mutex_unlock(&tsan_lock);
#else
  (void)tsan_lock;
#endif
}

static void *live(void *arg) {
  for (long round = 0; round < test_count(10, 300); round++) {
    long sum = 0;
    alone_under_tsan(true);
    neap_rt *rt = open_rt();
    alone_under_tsan(false);
    for (int i = 0; i < 10; i++)
      CHECK(neap_spawn(rt, count_up, &sum, NULL, NULL) == 0);
    CHECK(neap_run(rt) == 0);
    CHECK(sum == 1000);
    alone_under_tsan(true);
    neap_free(rt);
    alone_under_tsan(false);
  }
  return arg;
}

static void runtimes_of_many_threads_share_nothing(void) {
  pthread_t threads[4];
  for (int i = 0; i < 4; i++)
    CHECK(pthread_create(&threads[i], NULL, live, NULL) == 0);
  for (int i = 0; i < 4; i++)
    pthread_join(threads[i], NULL);
}

TESTS(TEST(posts_run_in_order_on_the_driver),
      TEST(posts_that_were_taken_run_before_the_end),
      TEST(waits_end_by_another_threads_wake),
      TEST(posts_to_a_closing_runtime_are_refused),
      TEST(the_end_waits_for_late_wakers),
      TEST(runtimes_of_many_threads_share_nothing))
