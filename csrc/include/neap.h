/*
 * neap.h: stackful tasks and blocking-looking I/O on a libuv loop, for C.
 *
 * One runtime is one uv_loop_t, one scheduler and one thread. All functions
 * are to be called on the runtime's thread unless they say otherwise.
 * Functions that can suspend say "Waits."; they may be called from a task and
 * from the thread's main stack, which then drives the loop until their wait is
 * over. Results are >= 0 or a negative code: libuv's UV_E*, or one of the
 * NEAP_* below. Times are nanoseconds.
 */
#ifndef NEAP_H
#define NEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NEAP_VERSION "0.1.0-dev"

#if defined(__GNUC__)
#define NEAP_API __attribute__((visibility("default")))
#else
#define NEAP_API
#endif

/* Codes beside libuv's: these end a wait from outside and are passed on. */
#define NEAP_CANCELLED   (-9001) /* the waiting task is cancelled */
#define NEAP_CLOSING     (-9002) /* the runtime is closing */
#define NEAP_EDEADLK     (-9003) /* nothing can end this wait any more */
#define NEAP_INTERRUPTED (-9004) /* main's wait was ended by Ctrl-C */

struct uv_loop_s;

typedef struct neap_rt neap_rt;
typedef struct neap_task neap_task;
typedef struct neap_op neap_wait;

/* A task's function; its result is what neap_join gives, 0 or more for
   success. */
typedef int (*neap_task_fn)(neap_rt *rt, void *arg);
typedef void (*neap_post_fn)(neap_rt *rt, void *arg);

/* As realloc for new_size > 0; frees for new_size 0 and returns NULL. */
typedef void *(*neap_alloc_fn)(void *ud, void *ptr, size_t old_size,
                               size_t new_size);

/* What neap_new may be told. All-zero but size: the defaults. */
typedef struct neap_options {
  size_t size;            /* sizeof(neap_options), so that it may grow */
  struct uv_loop_s *loop; /* the host's loop; NULL: one of its own */
  neap_alloc_fn alloc;    /* NULL: the C library's */
  void *alloc_ud;
  size_t stack_size;   /* bytes of each task's stack; 0: 1 MiB */
  bool private_stacks; /* every task gets a stack of its own */
} neap_options;

/* What neap_spawn may be told. */
typedef struct neap_spawn_options {
  size_t size;       /* sizeof(neap_spawn_options) */
  bool shared_stack; /* frames are moved while it waits: no pointer into them
                        may be used meanwhile. Default for C: a private one */
} neap_spawn_options;

/* Figures of a runtime, for neap_info. */
typedef struct neap_figures {
  uint64_t tasks;    /* alive, main included */
  uint64_t spawned;  /* ever */
  uint64_t switches; /* resumes of tasks */
  uint64_t turns;    /* of the scheduler */
  uint64_t polls;    /* of the loop */
  uint64_t slots;    /* shared stacks mapped */
  uint64_t private_slots;
  uint64_t copies;      /* times a task's frames were moved to the heap */
  uint64_t bytes_saved; /* of frames on the heap now */
  uint64_t memory;      /* bytes in use */
  uint64_t handles;     /* open handles */
  uint64_t jobs;        /* in the thread pool now */
  double busy;          /* share of the time not spent in the poll */
} neap_figures;

/* Does not wait. "major.minor.patch" of the library that runs. */
NEAP_API const char *neap_version(void);

/*
 * Makes a runtime on this thread. Does not wait. options may be NULL. Returns
 * 0 and the runtime in *out, which the caller frees with neap_free; or a
 * negative UV_E* code.
 */
NEAP_API int neap_new(const neap_options *options, neap_rt **out);

/*
 * Ends a runtime: every task is unwound (its waits return NEAP_CLOSING), every
 * handle closed, all memory freed. Runs the tasks' clean-up, and waits for
 * thread-pool jobs that have begun. From a task's stack that task is left as
 * it is. Does not wait as a task does: it blocks. NULL is harmless.
 */
NEAP_API void neap_free(neap_rt *rt);

/* The runtime's loop. Does not wait. */
NEAP_API struct uv_loop_s *neap_loop(neap_rt *rt);

/*
 * Waits until every task has ended; from the main stack only. Waits. Returns
 * 0, NEAP_EDEADLK when those that are left can't go on, UV_EPERM from a task,
 * or the code that ended the wait.
 */
NEAP_API int neap_run(neap_rt *rt);

/*
 * Queues a new task. Does not wait. options may be NULL. Returns 0 or
 * UV_ENOMEM. With out != NULL the caller gets a share of the task, to be given
 * up with neap_task_unref.
 */
NEAP_API int neap_spawn(neap_rt *rt, neap_task_fn fn, void *arg,
                        const neap_spawn_options *options, neap_task **out);

/* Gives up a share of a task. Does not wait. NULL is harmless. */
NEAP_API void neap_task_unref(neap_task *task);

/* The running task (the main stack's is one, too), borrowed. Does not wait. */
NEAP_API neap_task *neap_current(neap_rt *rt);

/* A number that no other task of the runtime has or had. Does not wait. */
NEAP_API uint64_t neap_task_id(const neap_task *task);

/*
 * Waits until task, of which the caller holds a share, has ended. Waits.
 * Returns 0 and what its function returned in *result (may be NULL);
 * UV_ELOOP when it is the caller or waits for the caller; or the code that
 * ended the wait.
 */
NEAP_API int neap_join(neap_task *task, int *result);

/* Lets the other ready tasks run. Waits. Returns 0, or the code of a pending
   cancellation. */
NEAP_API int neap_yield(neap_rt *rt);

/* Waits for ns nanoseconds, never less. Waits. Returns 0, UV_ENOMEM, or the
   code that ended the wait. */
NEAP_API int neap_sleep(neap_rt *rt, uint64_t ns);

/* Waits until uv_hrtime() is due_ns or more. Waits. As neap_sleep. */
NEAP_API int neap_sleep_until(neap_rt *rt, uint64_t due_ns);

/*
 * Makes a wait object with size bytes of cleared request data, which it
 * carries on the heap. Does not wait. Returns 0 or UV_ENOMEM. The waker must
 * call neap_wake or neap_wake_post exactly once, even when the wait was called
 * off meanwhile; until then neap_free does not return.
 */
NEAP_API int neap_wait_new(neap_rt *rt, size_t size, neap_wait **out);

/* The request data. Does not wait. */
NEAP_API void *neap_wait_data(neap_wait *wait);

/*
 * Waits until somebody wakes the object. Waits. Returns the waker's status, or
 * the code that ended the wait: the request is the waker's alone then.
 */
NEAP_API int neap_park(neap_wait *wait);

/* Gives up the waiter's share, after neap_park. Does not wait. */
NEAP_API void neap_wait_free(neap_wait *wait);

/* Completes a wait, on the runtime's thread. Does not wait. False: it had been
   called off. */
NEAP_API bool neap_wake(neap_wait *wait, int status);

/* Completes a wait from any thread. Does not wait. */
NEAP_API void neap_wake_post(neap_wait *wait, int status);

/*
 * Has fn(rt, arg) run on the runtime's thread, on the driver's stack, where it
 * may not wait. From any thread; in the order of the calls. Does not wait.
 * Returns 0, UV_ENOMEM, or UV_ECANCELED when the runtime is closing.
 */
NEAP_API int neap_post(neap_rt *rt, neap_post_fn fn, void *arg);

/* Fills in the figures. Does not wait. */
NEAP_API void neap_info(neap_rt *rt, neap_figures *out);

#ifdef __cplusplus
}
#endif

#endif
