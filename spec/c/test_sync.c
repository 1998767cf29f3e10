/*
 * test_sync.c: mutex, semaphore, event and condition without Lua: who gets
 * what when, and that nothing is lost when a wait is called off.
 */
#include "core/rt.h"
#include "core/sync.h"

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

static void settle(neap_rt *rt) {
  while (rt->sched.nready > 0)
    CHECK(neap_yield(rt) == 0);
}

static struct neap_mutex mutex;
static struct neap_semaphore semaphore;
static struct neap_event event;
static struct neap_condition condition;

struct waiter {
  int status; /* of its wait; 1: not over */
  int again;  /* what a second look at the object gave */
  neap_task *task;
};

static int lock_task(neap_rt *rt, void *arg) {
  struct waiter *w = arg;
  w->task = neap_current(rt);
  w->status = neap__sync_lock(&mutex, NEAP_FOREVER);
  if (w->status == 0) {
    neap_yield(rt);
    w->again = neap__sync_unlock(&mutex);
  }
  return 0;
}

static void start(neap_rt *rt, neap_task_fn fn, struct waiter *w) {
  *w = (struct waiter){.status = 1};
  spawn(rt, fn, w);
  settle(rt);
}

static void a_mutex_is_handed_over(void) {
  static struct waiter a, b;
  neap_rt *rt = open_rt();
  neap__sync_mutex_init(&mutex, rt);
  CHECK(neap__sync_unlock(&mutex) == UV_EPERM);
  CHECK(neap__sync_lock(&mutex, NEAP_FOREVER) == 0);
  CHECK(neap__sync_owns(&mutex));
  CHECK(neap__sync_lock(&mutex, NEAP_FOREVER) == UV_EALREADY);
  CHECK(neap__sync_try_lock(&mutex) == UV_EALREADY);
  start(rt, lock_task, &a);
  start(rt, lock_task, &b);
  const struct neap_op_kind *kind = neap__op_kind_of(a.task->op);
  CHECK(kind->waker(a.task->op) == neap_task_id(neap_current(rt)));
  CHECK(neap__sync_unlock(&mutex) == 0);
  CHECK(mutex.owner == a.task); /* before it has run */
  CHECK(neap__sync_try_lock(&mutex) == UV_EAGAIN);
  CHECK(neap__sync_lock(&mutex, NEAP_ONCE) == UV_ETIMEDOUT);
  CHECK(neap__sync_unlock(&mutex) == UV_EPERM);
  CHECK(neap_run(rt) == 0);
  CHECK(a.status == 0 && a.again == 0 && b.status == 0 && b.again == 0);
  CHECK(mutex.owner == NULL);
  CHECK(neap__list_empty(&rt->syncs.contended));
  neap_free(rt);
}

static void a_lock_that_was_granted_is_returned_and_passed_on(void) {
  static struct waiter a, b, c;
  neap_rt *rt = open_rt();
  neap__sync_mutex_init(&mutex, rt);
  CHECK(neap__sync_lock(&mutex, NEAP_FOREVER) == 0);
  start(rt, lock_task, &a);
  start(rt, lock_task, &b);
  start(rt, lock_task, &c);
  CHECK(neap__cancel_task(b.task)); /* leaves the queue */
  CHECK(neap__sync_unlock(&mutex) == 0);
  CHECK(neap__cancel_task(a.task)); /* has it already */
  CHECK(neap_run(rt) == 0);
  CHECK(a.status == 0 && a.again == 0);
  CHECK(b.status == NEAP_CANCELLED);
  CHECK(c.status == 0 && c.again == 0);
  CHECK(mutex.owner == NULL);
  neap_free(rt);
}

static int lock_and_end(neap_rt *rt, void *arg) {
  *(int *)arg = neap__sync_lock(&mutex, NEAP_FOREVER);
  neap_sleep(rt, 1000000);
  return 0;
}

static void an_owner_that_has_ended_is_told(void) {
  static struct waiter a, b;
  int status = 1;
  neap_rt *rt = open_rt();
  neap__sync_mutex_init(&mutex, rt);
  spawn(rt, lock_and_end, &status);
  settle(rt);
  start(rt, lock_task, &a);
  start(rt, lock_task, &b);
  CHECK(neap_run(rt) == 0);
  CHECK(status == 0 && a.status == UV_ESRCH && b.status == UV_ESRCH);
  CHECK(neap__sync_lock(&mutex, NEAP_FOREVER) == UV_ESRCH);
  CHECK(neap__sync_try_lock(&mutex) == UV_ESRCH);
  CHECK(neap__list_empty(&rt->syncs.contended));
  neap__sync_mutex_deinit(&mutex);
  neap_free(rt);
}

static int acquire_task(neap_rt *rt, void *arg) {
  struct waiter *w = arg;
  w->task = neap_current(rt);
  w->status = neap__sync_acquire(&semaphore, NEAP_FOREVER);
  return 0;
}

static void units_go_to_the_first_waiter(void) {
  static struct waiter a, b, c;
  neap_rt *rt = open_rt();
  neap__sync_semaphore_init(&semaphore, rt, 2);
  CHECK(neap__sync_release(&semaphore) == UV_EOVERFLOW);
  CHECK(neap__sync_acquire(&semaphore, NEAP_FOREVER) == 0);
  CHECK(neap__sync_try_acquire(&semaphore) == 0);
  CHECK(neap__sync_try_acquire(&semaphore) == UV_EAGAIN);
  CHECK(neap__sync_acquire(&semaphore, NEAP_ONCE) == UV_ETIMEDOUT);
  start(rt, acquire_task, &a);
  start(rt, acquire_task, &b);
  start(rt, acquire_task, &c);
  CHECK(neap__cancel_task(b.task));
  CHECK(neap__sync_release(&semaphore) == 0);
  CHECK(neap__cancel_task(a.task)); /* has it already */
  CHECK(neap__sync_release(&semaphore) == 0);
  CHECK(semaphore.units == 0);
  CHECK(neap_run(rt) == 0);
  CHECK(a.status == 0 && b.status == NEAP_CANCELLED && c.status == 0);
  neap_free(rt);
}

static int event_task(neap_rt *rt, void *arg) {
  struct waiter *w = arg;
  w->task = neap_current(rt);
  w->status = neap__sync_event_wait(&event, NEAP_FOREVER);
  return 0;
}

static void an_event_lets_all_go_on(void) {
  static struct waiter a, b;
  neap_rt *rt = open_rt();
  neap__sync_event_init(&event, rt);
  start(rt, event_task, &a);
  start(rt, event_task, &b);
  CHECK(neap__sync_event_wait(&event, uv_hrtime() + 1000000) == UV_ETIMEDOUT);
  neap__sync_event_set(&event);
  event.is_set = false;
  CHECK(neap_run(rt) == 0);
  CHECK(a.status == 0 && b.status == 0);
  CHECK(neap__sync_event_wait(&event, NEAP_ONCE) == UV_ETIMEDOUT);
  neap__sync_event_set(&event);
  CHECK(neap__sync_event_wait(&event, NEAP_FOREVER) == 0);
  neap_free(rt);
}

static int condition_task(neap_rt *rt, void *arg) {
  struct waiter *w = arg;
  w->task = neap_current(rt);
  CHECK(neap__sync_lock(&mutex, NEAP_FOREVER) == 0);
  w->status = neap__sync_condition_wait(&condition, &mutex, NEAP_FOREVER);
  w->again = neap__sync_owns(&mutex);
  neap__sync_unlock(&mutex);
  return 0;
}

static void a_condition_has_its_mutex_again(void) {
  static struct waiter a, b;
  neap_rt *rt = open_rt();
  neap__sync_mutex_init(&mutex, rt);
  neap__sync_condition_init(&condition, rt);
  CHECK(neap__sync_condition_wait(&condition, &mutex, NEAP_FOREVER) ==
        UV_EPERM);
  start(rt, condition_task, &a);
  start(rt, condition_task, &b);
  CHECK(neap__sync_lock(&mutex, NEAP_FOREVER) == 0); /* they have let it go */
  CHECK(neap__sync_notify(&condition, 1) == 1);
  CHECK(neap__cancel_task(b.task));
  CHECK(neap__sync_notify(&condition, UINT64_MAX) == 0);
  settle(rt);
  CHECK(a.status == 1 && b.status == 1); /* both wait for the mutex */
  CHECK(neap__sync_unlock(&mutex) == 0);
  CHECK(neap_run(rt) == 0);
  CHECK(a.status == 0 && a.again);
  CHECK(b.status == NEAP_CANCELLED && b.again);
  CHECK(mutex.owner == NULL);
  neap_free(rt);
}

static void the_end_of_the_runtime_ends_waits(void) {
  static struct waiter a, b, c, d;
  neap_rt *rt = open_rt();
  neap__sync_mutex_init(&mutex, rt);
  neap__sync_semaphore_init(&semaphore, rt, 1);
  neap__sync_event_init(&event, rt);
  neap__sync_condition_init(&condition, rt);
  start(rt, condition_task, &a);
  CHECK(neap__sync_acquire(&semaphore, NEAP_FOREVER) == 0);
  CHECK(neap__sync_lock(&mutex, NEAP_FOREVER) == 0);
  start(rt, lock_task, &b);
  start(rt, event_task, &c);
  start(rt, acquire_task, &d);
  neap__rt_close(rt);
  CHECK(a.status == NEAP_CLOSING && !a.again); /* main will not unlock it */
  CHECK(b.status == NEAP_CLOSING && c.status == NEAP_CLOSING);
  CHECK(d.status == NEAP_CLOSING);
  neap__sync_mutex_deinit(&mutex);
  neap_free(rt);
}

TESTS(TEST(a_mutex_is_handed_over),
      TEST(a_lock_that_was_granted_is_returned_and_passed_on),
      TEST(an_owner_that_has_ended_is_told), TEST(units_go_to_the_first_waiter),
      TEST(an_event_lets_all_go_on), TEST(a_condition_has_its_mutex_again),
      TEST(the_end_of_the_runtime_ends_waits))
