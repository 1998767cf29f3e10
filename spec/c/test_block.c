/*
 * test_block.c: scopes, deadlines, shields, context, stacks of chosen size and
 * shares of tasks, as C code has them.
 */
#include "core/rt.h"
#include "core/waitq.h"

#include "test_rt.h"

#include <uv.h>

#define MS ((uint64_t)1000 * 1000)

/* Sleeps for ever and notes with what that ended. */
static int sleep_forever(neap_rt *rt, void *arg) {
  int err = neap_sleep(rt, NEAP_NEVER);
  if (arg != NULL)
    *(int *)arg = err;
  return err;
}

static int return_it(neap_rt *rt, void *arg) {
  (void)rt;
  return *(int *)arg;
}

static int yield_and_return(neap_rt *rt, void *arg) {
  int err = neap_yield(rt);
  return err < 0 ? err : *(int *)arg;
}

/* -- what a scope comes to */

static void ends_when_its_tasks_have(void) {
  neap_rt *rt = open_rt();
  neap_scope *scope;
  neap_task *task;
  int seven = 7, got = 0;
  CHECK(neap_scope_open(rt, NEAP_NEVER, &scope) == 0);
  CHECK(neap_spawn(rt, yield_and_return, &seven, NULL, &task) == 0);
  CHECK(!neap_task_ended(task));
  CHECK(neap_scope_close(scope, 3) == 3);
  CHECK(neap_task_ended(task));
  CHECK(neap_join(task, &got) == 0 && got == 7);
  neap_task_unref(task);
  CHECK(neap_pending(rt) == 0);
  neap_free(rt);
}

static void a_failing_task_cancels_the_rest(void) {
  neap_rt *rt = open_rt();
  neap_scope *scope;
  int code = UV_EIO, slept = 0;
  CHECK(neap_scope_open(rt, NEAP_NEVER, &scope) == 0);
  CHECK(neap_spawn(rt, sleep_forever, &slept, NULL, NULL) == 0);
  CHECK(neap_scope_spawn(scope, return_it, &code, NULL, NULL) == 0);
  int err = neap_sleep(rt, NEAP_NEVER);
  CHECK(err == NEAP_CANCELLED);
  CHECK(neap_sleep(rt, 0) == NEAP_CANCELLED); /* again, until it is left */
  CHECK(neap_scope_close(scope, err) == UV_EIO);
  CHECK(slept == NEAP_CANCELLED);
  CHECK(neap_sleep(rt, 0) == 0);
  neap_free(rt);
}

static void the_first_failure_is_what_counts(void) {
  neap_rt *rt = open_rt();
  neap_scope *scope;
  int first = UV_EIO, second = UV_ENOENT;
  neap__sched_seed(&rt->sched, 0);
  CHECK(neap_scope_open(rt, NEAP_NEVER, &scope) == 0);
  CHECK(neap_spawn(rt, return_it, &first, NULL, NULL) == 0);
  CHECK(neap_spawn(rt, return_it, &second, NULL, NULL) == 0);
  CHECK(neap_sleep(rt, NEAP_NEVER) == NEAP_CANCELLED);
  CHECK(neap_scope_close(scope, UV_EPROTO) == UV_EIO);
  neap_free(rt);
}

static void a_failing_block_cancels_its_tasks(void) {
  neap_rt *rt = open_rt();
  neap_scope *scope;
  int slept = 0, late = UV_EPIPE;
  CHECK(neap_scope_open(rt, NEAP_NEVER, &scope) == 0);
  CHECK(neap_spawn(rt, sleep_forever, &slept, NULL, NULL) == 0);
  CHECK(neap_spawn(rt, return_it, &late, NULL, NULL) == 0);
  CHECK(neap_scope_close(scope, UV_EPROTO) == UV_EPROTO);
  CHECK(slept == NEAP_CANCELLED);
  neap_free(rt);
}

static void is_cancelled_by_hand(void) {
  neap_rt *rt = open_rt();
  neap_scope *scope;
  int slept = 0;
  CHECK(neap_scope_open(rt, NEAP_NEVER, &scope) == 0);
  CHECK(neap_spawn(rt, sleep_forever, &slept, NULL, NULL) == 0);
  CHECK(neap_yield(rt) == 0);
  CHECK(neap_scope_cancel(scope));
  CHECK(!neap_scope_cancel(scope));
  CHECK(neap_pending(rt) == NEAP_CANCELLED);
  int err = neap_yield(rt);
  CHECK(neap_scope_close(scope, err) == UV_ECANCELED);
  CHECK(slept == NEAP_CANCELLED);
  /* One whose block has come to an end all the same returns that. */
  CHECK(neap_scope_open(rt, NEAP_NEVER, &scope) == 0);
  CHECK(neap_scope_cancel(scope));
  CHECK(neap_scope_close(scope, 5) == 5);
  neap_free(rt);
}

static void has_a_deadline(void) {
  neap_rt *rt = open_rt();
  neap_scope *outer, *inner;
  uint64_t due = neap_now(rt) + 1000 * 1000 * MS;
  CHECK(neap_deadline(rt) == NEAP_NEVER);
  CHECK(neap_scope_open(rt, due, &outer) == 0);
  CHECK(neap_deadline(rt) == due);
  CHECK(neap_scope_open(rt, neap_now(rt) + MS, &inner) == 0);
  CHECK(neap_deadline(rt) < due);
  int err = neap_sleep(rt, NEAP_NEVER);
  CHECK(err == NEAP_CANCELLED);
  CHECK(neap_scope_close(inner, err) == UV_ETIMEDOUT);
  CHECK(neap_deadline(rt) == due);
  CHECK(neap_scope_close(outer, 0) == 0);
  /* One that is over before it begins. */
  CHECK(neap_scope_open(rt, 0, &outer) == 0);
  err = neap_yield(rt);
  CHECK(neap_scope_close(outer, err) == UV_ETIMEDOUT);
  neap_free(rt);
}

static void passes_on_a_cancellation_from_around_it(void) {
  neap_rt *rt = open_rt();
  neap_scope *outer, *inner;
  CHECK(neap_scope_open(rt, NEAP_NEVER, &outer) == 0);
  CHECK(neap_scope_open(rt, NEAP_NEVER, &inner) == 0);
  CHECK(neap_spawn(rt, sleep_forever, NULL, NULL, NULL) == 0);
  CHECK(neap_yield(rt) == 0);
  CHECK(neap_scope_cancel(outer));
  /* The block has not noticed, but a task in it was ended. */
  int err = neap_scope_close(inner, 1);
  CHECK(err == NEAP_CANCELLED);
  CHECK(neap_scope_close(outer, err) == UV_ECANCELED);
  neap_free(rt);
}

static void blocks_may_end_in_any_order(void) {
  neap_rt *rt = open_rt();
  neap_scope *outer, *inner;
  CHECK(neap_scope_open(rt, NEAP_NEVER, &outer) == 0);
  CHECK(neap_scope_open(rt, NEAP_NEVER, &inner) == 0);
  CHECK(neap_scope_close(outer, 0) == 0);
  CHECK(neap_scope_cancel(inner));
  int err = neap_yield(rt);
  CHECK(err == NEAP_CANCELLED);
  CHECK(neap_scope_close(inner, err) == UV_ECANCELED);
  CHECK(neap_yield(rt) == 0);
  neap_free(rt);
}

/* -- who is in one */

static int spawn_grandchild(neap_rt *rt, void *arg) {
  return neap_spawn(rt, sleep_forever, arg, NULL, NULL);
}

static void grandchildren_are_in_it(void) {
  neap_rt *rt = open_rt();
  neap_scope *scope;
  int slept = 0;
  CHECK(neap_scope_open(rt, NEAP_NEVER, &scope) == 0);
  CHECK(neap_spawn(rt, spawn_grandchild, &slept, NULL, NULL) == 0);
  CHECK(neap_yield(rt) == 0 && neap_yield(rt) == 0);
  CHECK(slept == 0);
  CHECK(neap_scope_cancel(scope));
  CHECK(neap_scope_close(scope, 0) == 0);
  CHECK(slept == NEAP_CANCELLED);
  neap_free(rt);
}

static void detached_tasks_are_not(void) {
  neap_rt *rt = open_rt();
  neap_scope *scope;
  neap_task *task;
  neap_spawn_options options = {.size = sizeof options, .detached = true};
  int slept = 0;
  CHECK(neap_scope_open(rt, NEAP_NEVER, &scope) == 0);
  CHECK(neap_spawn(rt, sleep_forever, &slept, &options, &task) == 0);
  CHECK(neap_scope_spawn(scope, sleep_forever, NULL, &options, NULL) ==
        UV_EINVAL);
  CHECK(neap_yield(rt) == 0);
  CHECK(neap_scope_cancel(scope));
  CHECK(neap_scope_close(scope, 0) == 0);
  CHECK(slept == 0 && !neap_task_ended(task));
  neap_task_unref(task);
  neap_free(rt);
  CHECK(slept == NEAP_CLOSING);
}

static int close_anothers(neap_rt *rt, void *arg) {
  (void)rt;
  return neap_scope_close(arg, 0) == UV_EPERM ? 1 : 0;
}

static void its_owner_closes_it(void) {
  neap_rt *rt = open_rt();
  neap_scope *scope;
  neap_task *task;
  int result = 0;
  CHECK(neap_scope_open(rt, NEAP_NEVER, &scope) == 0);
  CHECK(neap_spawn(rt, close_anothers, scope, NULL, &task) == 0);
  CHECK(neap_join(task, &result) == 0 && result == 1);
  CHECK(neap_scope_close(scope, 0) == 0);
  neap_task_unref(task);
  neap_free(rt);
}

static int wait_for_event(neap_rt *rt, void *arg) {
  neap_wait *wait;
  int err = neap_wait_new(rt, 0, &wait);
  if (err < 0)
    return err;
  *(neap_wait **)arg = wait;
  err = neap_park(wait);
  neap_wait_free(wait);
  return err;
}

static int join_it(neap_rt *rt, void *arg) {
  (void)rt;
  return neap_join(arg, NULL);
}

/* Two tasks that wait for each other; the second is told of the first. */
struct pair {
  neap_task *first;
  int result;
};

static int join_first(neap_rt *rt, void *arg) {
  struct pair *pair = arg;
  while (pair->first == NULL)
    neap_yield(rt);
  return pair->result = neap_join(pair->first, NULL);
}

/* For what only another task could end, and none does. */
static int wait_in_vain(neap_rt *rt, void *arg) {
  return neap__waitq_wait(rt, arg, "in vain", NEAP_NEVER, true);
}

static void a_deadlock_ends_it_without_its_tasks(void) {
  neap_rt *rt = open_rt();
  neap_scope *scope;
  neap_task *task;
  struct neap_list queue;
  neap__list_init(&queue);
  CHECK(neap_scope_open(rt, NEAP_NEVER, &scope) == 0);
  CHECK(neap_spawn(rt, wait_in_vain, &queue, NULL, &task) == 0);
  CHECK(neap_yield(rt) == 0);
  CHECK(neap_scope_close(scope, 0) == NEAP_EDEADLK);
  CHECK(!neap_task_ended(task));
  CHECK(neap_yield(rt) == 0);
  neap_task_unref(task);
  neap_free(rt);
}

/* -- shields */

static int shielded(neap_rt *rt, void *arg) {
  int *log = arg;
  neap_shield *shield;
  int err = neap_sleep(rt, NEAP_NEVER);
  log[0] = err;
  if (neap_shield_open(rt, &shield) < 0)
    return -1;
  log[3] = neap_pending(rt);
  log[1] = neap_sleep(rt, MS);
  neap_shield_close(shield);
  log[2] = neap_sleep(rt, MS);
  return err;
}

static void a_shield_keeps_cancellation_out(void) {
  neap_rt *rt = open_rt();
  neap_task *task;
  int log[4] = {1, 1, 1, 1}, result = 0;
  CHECK(neap_spawn(rt, shielded, log, NULL, &task) == 0);
  CHECK(neap_yield(rt) == 0);
  CHECK(neap_cancel(task));
  CHECK(!neap_cancel(task));
  CHECK(neap_join(task, &result) == 0 && result == NEAP_CANCELLED);
  CHECK(log[0] == NEAP_CANCELLED && log[3] == 0);
  CHECK(log[1] == 0 && log[2] == NEAP_CANCELLED);
  CHECK(!neap_cancel(task));
  neap_task_unref(task);
  neap_shield_close(NULL);
  neap_free(rt);
}

static void a_shield_does_not_keep_the_end_out(void) {
  neap_rt *rt = open_rt();
  int log[4] = {1, 1, 1, 1};
  CHECK(neap_spawn(rt, shielded, log, NULL, NULL) == 0);
  CHECK(neap_yield(rt) == 0);
  neap_free(rt);
  CHECK(log[3] == NEAP_CLOSING && log[1] == NEAP_CLOSING);
}

/* -- cancelling and joining */

static void cancels_what_has_not_begun(void) {
  neap_rt *rt = open_rt();
  neap_task *task;
  int result = 0;
  CHECK(neap_spawn(rt, sleep_forever, NULL, NULL, &task) == 0);
  CHECK(neap_cancel(task));
  CHECK(neap_join(task, &result) == 0 && result == NEAP_CANCELLED);
  neap_task_unref(task);
  CHECK(neap_cancel(neap_current(rt))); /* oneself: at the next wait */
  CHECK(neap_pending(rt) == NEAP_CANCELLED);
  CHECK(neap_sleep(rt, 0) == NEAP_CANCELLED);
  neap_free(rt);
}

static void joins_with_a_limit(void) {
  neap_rt *rt = open_rt();
  neap_task *task;
  int result = 42;
  CHECK(neap_spawn(rt, sleep_forever, NULL, NULL, &task) == 0);
  CHECK(neap_join_until(task, 0, &result) == UV_ETIMEDOUT);
  CHECK(neap_join_until(task, neap_now(rt) + MS, &result) == UV_ETIMEDOUT);
  CHECK(result == 42);
  CHECK(neap_task_ref(task) == task);
  CHECK(neap_cancel(task));
  CHECK(neap_join(task, &result) == 0 && result == NEAP_CANCELLED);
  neap_task_unref(task);
  /* The other share is good long after the end. */
  CHECK(neap_task_ended(task) && neap_task_id(task) == 2);
  CHECK(neap_join(task, &result) == 0 && result == NEAP_CANCELLED);
  neap_task_unref(task);
  neap_free(rt);
}

static void refuses_cycles_of_joins(void) {
  neap_rt *rt = open_rt();
  struct pair pair = {NULL, 0};
  neap_task *second, *first;
  CHECK(neap_join(neap_current(rt), NULL) == UV_ELOOP);
  CHECK(neap_spawn(rt, join_first, &pair, NULL, &second) == 0);
  CHECK(neap_spawn(rt, join_it, second, NULL, &first) == 0);
  CHECK(neap_yield(rt) == 0);
  pair.first = first;
  CHECK(neap_join(first, NULL) == 0);
  CHECK(pair.result == UV_ELOOP);
  neap_task_unref(first);
  neap_task_unref(second);
  neap_free(rt);
}

static void a_wait_has_a_limit(void) {
  neap_rt *rt = open_rt();
  neap_wait *wait;
  CHECK(neap_wait_new(rt, 8, &wait) == 0);
  CHECK(neap_park_until(wait, neap_now(rt) + MS) == UV_ETIMEDOUT);
  CHECK(!neap_wake(wait, 3)); /* it comes all the same, and only frees */
  neap_wait_free(wait);
  CHECK(neap_wait_new(rt, 8, &wait) == 0);
  CHECK(neap_wake(wait, 3));
  CHECK(neap_park_until(wait, 0) == 3); /* what has come is not lost */
  neap_wait_free(wait);
  neap_free(rt);
}

static void a_cancelled_wait_is_the_wakers(void) {
  neap_rt *rt = open_rt();
  neap_task *task;
  neap_wait *wait = NULL;
  int result = 0;
  CHECK(neap_spawn(rt, wait_for_event, &wait, NULL, &task) == 0);
  CHECK(neap_yield(rt) == 0);
  CHECK(neap_cancel(task));
  CHECK(neap_join(task, &result) == 0 && result == NEAP_CANCELLED);
  CHECK(!neap_wake(wait, 0));
  neap_task_unref(task);
  neap_free(rt);
}

/* -- context */

static const char user_key, other_key;

static int read_user(neap_rt *rt, void *arg) {
  *(void **)arg = neap_context_get(rt, &user_key);
  return neap_context_set(rt, &user_key, NULL); /* its own alone */
}

static void context_is_passed_on(void) {
  neap_rt *rt = open_rt();
  neap_spawn_options options = {.size = sizeof options, .detached = true};
  void *seen[3] = {NULL, NULL, &options};
  int ann, bob;
  CHECK(neap_context_get(rt, &user_key) == NULL);
  CHECK(neap_context_set(rt, &user_key, &ann) == 0);
  CHECK(neap_context_set(rt, &other_key, &bob) == 0);
  CHECK(neap_spawn(rt, read_user, &seen[0], NULL, NULL) == 0);
  CHECK(neap_context_set(rt, &user_key, &bob) == 0);
  CHECK(neap_spawn(rt, read_user, &seen[1], &options, NULL) == 0);
  CHECK(neap_context_set(rt, &user_key, NULL) == 0);
  CHECK(neap_spawn(rt, read_user, &seen[2], NULL, NULL) == 0);
  CHECK(neap_run(rt) == 0);
  CHECK(seen[0] == &ann && seen[1] == &bob && seen[2] == NULL);
  CHECK(neap_context_get(rt, &other_key) == &bob);
  neap_free(rt);
}

struct noting {
  int number;
  int wrong;
};

static int note_own(neap_rt *rt, void *arg) {
  struct noting *noting = arg;
  if (neap_context_set(rt, &user_key, noting) < 0)
    return -1;
  for (int i = 0; i < noting->number % 7; i++)
    neap_yield(rt);
  noting->wrong = neap_context_get(rt, &user_key) != noting;
  return 0;
}

static void many_tasks_have_their_own(void) {
  static struct noting notings[500];
  neap_rt *rt = open_rt();
  neap_spawn_options options = {.size = sizeof options, .shared_stack = true};
  int wrong = 0;
  for (int i = 0; i < 500; i++) {
    notings[i] = (struct noting){.number = i, .wrong = 1};
    CHECK(neap_spawn(rt, note_own, &notings[i], &options, NULL) == 0);
  }
  CHECK(neap_run(rt) == 0);
  for (int i = 0; i < 500; i++)
    wrong += notings[i].wrong;
  CHECK(wrong == 0);
  neap_free(rt);
}

/* -- stacks and options */

/* Touches most of a stack of so many bytes. */
static int use_stack(neap_rt *rt, void *arg) {
  volatile char room[3 * 1024 * 1024];
  (void)arg;
  for (size_t i = 0; i < sizeof room; i += 4096)
    room[i] = 1;
  int err = neap_yield(rt);
  return err < 0 ? err : room[sizeof room / 2 / 4096 * 4096];
}

static void a_stack_has_the_size_asked_for(void) {
  neap_rt *rt = open_rt();
  neap_spawn_options options = {.size = sizeof options,
                                .stack_size = 4 * 1024 * 1024};
  neap_task *task;
  int result = 0, seven = 7;
  for (int i = 0; i < 3; i++) {
    CHECK(neap_spawn(rt, use_stack, NULL, &options, &task) == 0);
    CHECK(neap_join(task, &result) == 0 && result == 1);
    neap_task_unref(task);
  }
  options.stack_size = 2; /* the least there is */
  CHECK(neap_spawn(rt, yield_and_return, &seven, &options, &task) == 0);
  CHECK(neap_join(task, &result) == 0 && result == 7);
  neap_task_unref(task);
  options.stack_size = SIZE_MAX;
  CHECK(neap_spawn(rt, use_stack, NULL, &options, NULL) == UV_ENOMEM);
  options.shared_stack = true;
  CHECK(neap_spawn(rt, use_stack, NULL, &options, NULL) == UV_EINVAL);
  neap_free(rt);
}

/* Options of a caller that was compiled with another version of neap.h. */
static void options_may_be_older_or_newer(void) {
  struct {
    neap_options known;
    void *newer;
  } options = {{.size = sizeof options}, NULL};
  neap_rt *rt = NULL;
  CHECK(neap_new(&options.known, &rt) == 0);
  neap_free(rt);
  options.newer = &rt; /* asks for what this library does not know */
  rt = NULL;
  CHECK(neap_new(&options.known, &rt) == UV_E2BIG && rt == NULL);
  options.known.size = offsetof(neap_options, stack_size);
  options.known.stack_size = SIZE_MAX / 2; /* is not looked at */
  CHECK(neap_new(&options.known, &rt) == 0);
  CHECK(neap_spawn(rt, sleep_forever, NULL, NULL, NULL) == 0);
  neap_free(rt);
  options.known.size = 0; /* forgotten */
  rt = NULL;
  CHECK(neap_new(&options.known, &rt) == UV_EINVAL && rt == NULL);
  CHECK(neap_new(NULL, &rt) == 0);
  neap_spawn_options older = {.size = offsetof(neap_spawn_options, detached),
                              .stack_size = SIZE_MAX};
  CHECK(neap_spawn(rt, sleep_forever, NULL, &older, NULL) == 0);
  older.size = 0;
  CHECK(neap_spawn(rt, sleep_forever, NULL, &older, NULL) == UV_EINVAL);
  neap_free(rt);
}

static void tells_its_version(void) {
  CHECK(strcmp(neap_version(), NEAP_VERSION) == 0);
}

static void needs_a_task(neap_rt *rt, void *arg) {
  neap_scope *scope;
  neap_shield *shield;
  CHECK(neap_current(rt) == NULL);
  CHECK(neap_scope_open(rt, NEAP_NEVER, &scope) == UV_EPERM);
  CHECK(neap_shield_open(rt, &shield) == UV_EPERM);
  CHECK(neap_context_set(rt, &user_key, arg) == UV_EPERM);
  CHECK(neap_context_get(rt, &user_key) == NULL);
  CHECK(neap_deadline(rt) == NEAP_NEVER && neap_pending(rt) == 0);
  *(int *)arg = 1;
}

static void there_are_none_in_a_post(void) {
  neap_rt *rt = open_rt();
  int ran = 0;
  CHECK(neap_post(rt, needs_a_task, &ran) == 0);
  while (!ran)
    CHECK(neap_sleep(rt, MS) == 0);
  neap_free(rt);
}

TESTS(TEST(ends_when_its_tasks_have), TEST(a_failing_task_cancels_the_rest),
      TEST(the_first_failure_is_what_counts),
      TEST(a_failing_block_cancels_its_tasks), TEST(is_cancelled_by_hand),
      TEST(has_a_deadline), TEST(passes_on_a_cancellation_from_around_it),
      TEST(blocks_may_end_in_any_order), TEST(grandchildren_are_in_it),
      TEST(detached_tasks_are_not), TEST(its_owner_closes_it),
      TEST(a_deadlock_ends_it_without_its_tasks),
      TEST(a_shield_keeps_cancellation_out),
      TEST(a_shield_does_not_keep_the_end_out),
      TEST(cancels_what_has_not_begun), TEST(joins_with_a_limit),
      TEST(refuses_cycles_of_joins), TEST(a_wait_has_a_limit),
      TEST(a_cancelled_wait_is_the_wakers), TEST(context_is_passed_on),
      TEST(many_tasks_have_their_own), TEST(a_stack_has_the_size_asked_for),
      TEST(options_may_be_older_or_newer), TEST(tells_its_version),
      TEST(there_are_none_in_a_post))
