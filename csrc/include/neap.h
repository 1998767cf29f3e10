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

#define NEAP_VERSION "0.1.0"

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
#define NEAP_ELIMIT      (-9005) /* no wait: a limit (neap_limits) is reached */

/* No limit, where a function takes a due time (neap_now's clock). */
#define NEAP_NEVER UINT64_MAX

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

/*
 * Structs of options begin with their size, so that they may grow: what is
 * missing at the end of an older caller's is zero. A size that was not set is
 * UV_EINVAL, something set that the library does not know yet UV_E2BIG.
 */

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
  bool detached;     /* in no scope: the runtime's */
  size_t stack_size; /* bytes of its private stack; 0: as neap_new was told */
  const char *name;  /* for dumps; copied */
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
 * it is, and must end the process rather than return from its function. Not
 * from a post or another callback. All shares of tasks are void afterwards.
 * Does not wait as a task does: it blocks. NULL is harmless.
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
 * For a host that owns the time, once a frame: runs what is ready and due for
 * budget_ns at most, and never blocks. It may overshoot by one task's turn
 * (and, with Lua, one atomic phase of its collector). From the runtime's main
 * stack, which waits for nothing. On a loop of the host's it does not run that:
 * its uv_run has the tasks run as well, after each poll. Does not wait. Returns
 * 1 when there is more to be run at once, 0 when not; UV_EBUSY from a task,
 * UV_EPERM from another thread or a fork's child, UV_ECANCELED in a runtime
 * that is closing.
 */
NEAP_API int neap_step(neap_rt *rt, uint64_t budget_ns);

/* How many ms a host may sleep before the next step, if neap_backend_fd does
   not become readable before; -1: for ever. Does not wait. */
NEAP_API int neap_next_timeout(neap_rt *rt);

/* A descriptor that becomes readable when there is something to be stepped for
   besides time. Does not wait. Returns it or a negative UV_E* code. */
NEAP_API int neap_backend_fd(neap_rt *rt);

/*
 * In a child that fork has made of this process: the runtime goes on there as
 * well, with a copy of each task. On a loop of the host's uv_loop_fork comes
 * first. Without this call nobody may wait in the child, and neap_free lets all
 * be as it is. Does not wait. Returns 0; UV_EBUSY, with nothing changed, while
 * handles are open, or jobs, wakes from other threads or a watchdog under way;
 * or another negative code.
 */
NEAP_API int neap_after_fork(neap_rt *rt);

/* Waits for the next neap_step. Waits. Returns 0, or the code that ended the
   wait. */
NEAP_API int neap_frame(neap_rt *rt);

/*
 * Queues a new task, which belongs to the innermost scope that the running task
 * is in, or to the runtime. Does not wait. options may be NULL. Returns 0 or
 * UV_ENOMEM. With out != NULL the caller gets a share of the task, to be given
 * up with neap_task_unref: it may be used after the task's end.
 */
NEAP_API int neap_spawn(neap_rt *rt, neap_task_fn fn, void *arg,
                        const neap_spawn_options *options, neap_task **out);

/* Takes one more share of a task. Does not wait. */
NEAP_API neap_task *neap_task_ref(neap_task *task);

/* Gives up a share of a task, while the runtime is there. Does not wait. NULL
   is harmless. */
NEAP_API void neap_task_unref(neap_task *task);

/* The running task (the main stack's is one, too), borrowed; NULL on the
   driver's stack: in posts and callbacks, where nobody may wait. Does not
   wait. */
NEAP_API neap_task *neap_current(neap_rt *rt);

/* A number that no other task of the runtime has or had. Does not wait. */
NEAP_API uint64_t neap_task_id(const neap_task *task);

/* Whether it has ended. Does not wait. */
NEAP_API bool neap_task_ended(const neap_task *task);

/*
 * Waits until task, of which the caller holds a share, has ended. Waits.
 * Returns 0 and what its function returned in *result (may be NULL); a task
 * that was cancelled has usually returned NEAP_CANCELLED. UV_ELOOP when it is
 * the caller or waits for the caller; or the code that ended the wait.
 */
NEAP_API int neap_join(neap_task *task, int *result);

/* The same until due_ns at most: then UV_ETIMEDOUT. Waits. */
NEAP_API int neap_join_until(neap_task *task, uint64_t due_ns, int *result);

/*
 * Cancels all that task does: the wait it is in, and each that it begins from
 * now on outside a shield, returns NEAP_CANCELLED. Does not wait. False when it
 * has ended or was cancelled before. On oneself it shows at the next wait.
 */
NEAP_API bool neap_cancel(neap_task *task);

/* Lets the other ready tasks run. Waits. Returns 0, or the code of a pending
   cancellation. */
NEAP_API int neap_yield(neap_rt *rt);

/* Waits for ns nanoseconds, never less. Waits. Returns 0, UV_ENOMEM, or the
   code that ended the wait. */
NEAP_API int neap_sleep(neap_rt *rt, uint64_t ns);

/* Waits until neap_now(rt) is due_ns or more. Waits. As neap_sleep. */
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

/* The same until due_ns at most: then UV_ETIMEDOUT. Waits. */
NEAP_API int neap_park_until(neap_wait *wait, uint64_t due_ns);

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

/* --- limits --------------------------------------------------------------- */

/* How much a runtime may have; 0: no limit. What would pass one fails, for the
   task that has asked for it alone. */
typedef struct neap_limits {
  size_t size;      /* sizeof(neap_limits) */
  uint32_t tasks;   /* alive, without main: neap_spawn returns NEAP_ELIMIT */
  uint32_t handles; /* open: what opens returns NEAP_ELIMIT; a server waits, as
                       it does when the system has run out of descriptors */
  size_t memory;    /* bytes: UV_ENOMEM. With Lua, its memory counts as well.
                       What runs already goes on: its frames may be moved */
} neap_limits;

/* Sets the limits, in place of all that were set before. What there is beyond
   them stays; NULL: no limits. Does not wait. Returns 0, UV_EINVAL or UV_E2BIG.
 */
NEAP_API int neap_set_limits(neap_rt *rt, const neap_limits *limits);

/* --- scopes --------------------------------------------------------------- */

/*
 * A scope is a block of a task's code that ends when all tasks in it have. It
 * may have a deadline. While it is cancelled, by hand, by its deadline, or as a
 * task in it has failed, waits in it return NEAP_CANCELLED, in its block and in
 * its tasks, whatever these swallow. A task fails by returning a negative code
 * other than that of its own cancellation.
 *
 *   neap_scope *scope;
 *   int err = neap_scope_open(rt, neap_now(rt) + limit_ns, &scope);
 *   if (err == 0)
 *     err = neap_scope_close(scope, work(rt));
 *
 * Blocks of C code that run in a script's task should not call back into the
 * script: its waits don't stand in them.
 */
typedef struct neap_scope neap_scope;
typedef struct neap_shield neap_shield;

/* Opens a scope around what the running task does from now on, until due_ns at
   most (NEAP_NEVER). Does not wait. Returns 0 and a scope in *out, which that
   task closes; UV_ENOMEM; or UV_EPERM where no task runs. */
NEAP_API int neap_scope_open(neap_rt *rt, uint64_t due_ns, neap_scope **out);

/* As neap_spawn, into an open scope, by whatever task. Does not wait. UV_EINVAL
   with detached. */
NEAP_API int neap_scope_spawn(neap_scope *scope, neap_task_fn fn, void *arg,
                              const neap_spawn_options *options,
                              neap_task **out);

/* Cancels an open scope's block and tasks. Does not wait. False when it was
   cancelled before. */
NEAP_API bool neap_scope_cancel(neap_scope *scope);

/*
 * Ends a scope, whose block came to result: 0 or more, or a negative code, and
 * then its tasks are cancelled. Waits, but is not cancelled, until they have
 * ended. Returns what the first task that failed did; else, if result is
 * the cancellation that ends with this scope, UV_ETIMEDOUT (its deadline) or
 * UV_ECANCELED; NEAP_CANCELLED or NEAP_CLOSING if that, from around the scope,
 * has ended a task in it; else result. NEAP_EDEADLK, on the main stack: its
 * tasks can't go on, and it is left without them. UV_EPERM, and it stays open,
 * from another task.
 */
NEAP_API int neap_scope_close(neap_scope *scope, int result);

/* Between these no cancellation and no deadline from around them is seen, but
   the runtime's end is. Does not wait. As neap_scope_open; NULL is harmless. */
NEAP_API int neap_shield_open(neap_rt *rt, neap_shield **out);
NEAP_API void neap_shield_close(neap_shield *shield);

/* The nearest deadline around the running task, up to the innermost shield, or
   NEAP_NEVER. Does not wait. */
NEAP_API uint64_t neap_deadline(neap_rt *rt);

/* What the running task's next wait will return at once: NEAP_CANCELLED,
   NEAP_CLOSING; or 0. For what computes for long. Does not wait. */
NEAP_API int neap_pending(neap_rt *rt);

/*
 * Notes value under key, an address of the caller's, for the running task and
 * the tasks that it spawns from now on, scripts' included. Does not wait.
 * Returns 0, UV_ENOMEM, or UV_EPERM where no task runs.
 */
NEAP_API int neap_context_set(neap_rt *rt, const void *key, void *value);

/* What was noted under key, or NULL. Does not wait. */
NEAP_API void *neap_context_get(neap_rt *rt, const void *key);

/* --- insight -------------------------------------------------------------- */

typedef void (*neap_write_fn)(void *ud, const char *text, size_t len);

/* The time on the clock of sleeps and time limits: uv_hrtime's, unless a test
   has brought it ahead. Does not wait. */
NEAP_API uint64_t neap_now(const neap_rt *rt);

/*
 * Gives write, in one call, what every task does: what it waits for, since
 * when, in which scope, and who could end that. At most 64 KiB, however many
 * tasks there are. Does not wait. Returns 0 or UV_ENOMEM.
 */
NEAP_API int neap_dump(neap_rt *rt, neap_write_fn write, void *ud);

/* --- streams and networking ----------------------------------------------- */

typedef struct neap_stream neap_stream; /* a connection */
typedef struct neap_server neap_server; /* what listens for connections */

/*
 * Received bytes: a record of len bytes at base and, right behind it, tail
 * bytes that belong to it but not to its value, as the newline of a line. They
 * are the stream's: valid until the next call that waits or reads.
 */
typedef struct neap_view {
  const char *base;
  size_t len, tail;
} neap_view;

/* Bytes to be written, the caller's. */
typedef struct neap_bytes {
  const char *base;
  size_t len;
} neap_bytes;

/* An address as a script sees it. */
typedef struct neap_address {
  const char *family; /* "inet", "inet6", "unix"; "" when it is neither */
  int port;           /* 0 with "unix" */
  char text[108];     /* IP address or path */
} neap_address;

/* How many bytes the path of a unix socket may have. */
#define NEAP_UNIX_PATH_MAX 107

/* What became of one address that was tried. */
typedef struct neap_attempt {
  int err;
  char address[80]; /* "127.0.0.1:80", "[::1]:80" */
} neap_attempt;

/* What neap_connect may be told. All-zero but size: the defaults. */
typedef struct neap_connect_options {
  size_t size;        /* sizeof(neap_connect_options) */
  uint64_t due_ns;    /* when to give up; 0: never */
  const char *bind;   /* the IP address to connect from, or NULL */
  bool nagle;         /* leave Nagle's algorithm on */
  uint32_t keepalive; /* seconds of silence before the peer is probed; 0: off */
  /* After so many ns of silence from one address the next is tried as well; 0:
     250 ms, as RFC 8305 recommends. */
  uint64_t attempt_delay_ns;
  /* Room for what failed (may be NULL), and how many of it were filled in. */
  neap_attempt *attempts;
  size_t max_attempts, nattempts;
} neap_connect_options;

/* What neap_listen may be told. All-zero but size: the defaults. */
typedef struct neap_listen_options {
  size_t size;    /* sizeof(neap_listen_options) */
  int backlog;    /* 0: as many as the system allows */
  bool reuseport; /* several processes may listen on one port */
  bool ipv6only;  /* "::" and "*" don't stand for IPv4 addresses as well */
  int mode;       /* of a unix socket's file; 0: as the umask says */
  /* Take a socket that listens already: fd is the server's if that works; host
     and port are not looked at. */
  bool inherited;
  int fd;
} neap_listen_options;

/*
 * Connects to host, a name or an IP address, by TCP; or to "unix:/path" (port
 * is not looked at). Of a host's addresses IPv6 and IPv4 take turns; the next
 * is tried when one has failed or has been silent for a while, and the first
 * connection is taken (Happy Eyeballs, RFC 8305). With bind only addresses of
 * its family are tried. Waits. Returns 0 and a stream in *out, which the caller
 * closes; or a negative code (that of the last address) with nothing left open.
 * options may be NULL.
 */
NEAP_API int neap_connect(neap_rt *rt, const char *host, uint16_t port,
                          neap_connect_options *options, neap_stream **out);

/*
 * Two streams that are connected to each other, which the caller closes. Waits.
 * (For the caller's turn at most.) Returns 0 or a negative code with nothing
 * left open.
 */
NEAP_API int neap_pair(neap_rt *rt, neap_stream **a, neap_stream **b);

/*
 * Listens on host ("*": every address; a name is looked up) and port (0: any
 * free one), on "unix:/path", or "unix:@name" in Linux's abstract names. A file
 * that is in the path's way is removed if it is that of a socket on which
 * nobody listens; the server's own goes at its end, if it is still there.
 * Waits. Returns 0 and a server in *out, which the caller closes; or a negative
 * code. options may be NULL.
 */
NEAP_API int neap_listen(neap_rt *rt, const char *host, uint16_t port,
                         const neap_listen_options *options, neap_server **out);

/* To one IP address, and on one, without a look-up. Waits, the first until
   due_ns at most. As neap_connect and neap_listen; UV_EINVAL when ip is no
   address. */
NEAP_API int neap_tcp_connect(neap_rt *rt, const char *ip, uint16_t port,
                              uint64_t due_ns, neap_stream **out);
NEAP_API int neap_tcp_listen(neap_rt *rt, const char *ip, uint16_t port,
                             const neap_listen_options *options,
                             neap_server **out);

/* To a unix socket, and on one. Waits, the first until due_ns at most. As
   neap_connect and neap_listen; UV_ENAMETOOLONG: such a path has room for some
   100 bytes. */
NEAP_API int neap_pipe_connect(neap_rt *rt, const char *path, uint64_t due_ns,
                               neap_stream **out);
NEAP_API int neap_pipe_listen(neap_rt *rt, const char *path,
                              const neap_listen_options *options,
                              neap_server **out);

/*
 * A stream on a descriptor: a connected TCP socket; a unix socket or an end of
 * a pipe. It is made non-blocking, and closed with the stream. Does not wait.
 * Returns 0; or a negative code, and UV_EBADF, UV_ENOTSOCK, UV_ENOTCONN and
 * UV_EINVAL, for what is something else, leave it open: after any other one it
 * is closed.
 */
NEAP_API int neap_tcp_open(neap_rt *rt, int fd, neap_stream **out);
NEAP_API int neap_pipe_open(neap_rt *rt, int fd, neap_stream **out);

/*
 * How many sockets that listen this process was started with, as by systemd:
 * descriptors from NEAP_LISTEN_FDS_FIRST on; see sd_listen_fds(3). They are not
 * passed on to child processes from now on. *names is left alone or becomes
 * their names with colons between them, or NULL: valid as getenv's result. Does
 * not wait. Returns the number or a negative UV_E*.
 */
#define NEAP_LISTEN_FDS_FIRST 3
NEAP_API int neap_listen_fds(const char **names);

/*
 * The next connection, first come, first served. Waits, until due_ns at most.
 * Returns 0 and a stream in *out, which the caller closes; UV_EBADF on a closed
 * server, UV_ECANCELED when it is closed meanwhile, UV_ETIMEDOUT, or the code
 * that ended the wait. UV_EMFILE, UV_ENFILE and UV_ENOBUFS say that
 * the system has run out of something; they are told once each time that
 * begins. The server lives: calls after that wait a little before they try.
 */
NEAP_API int neap_accept(neap_server *server, uint64_t due_ns,
                         neap_stream **out);

/* Where server listens. Does not wait. Returns 0 or a negative UV_E* code. */
NEAP_API int neap_server_address(neap_server *server, neap_address *out);

/* The descriptor, still the server's. Does not wait. Returns it or UV_EBADF. */
NEAP_API int neap_server_fd(const neap_server *server);

/* Whether a task waits for a connection. Does not wait. */
NEAP_API bool neap_server_waited(const neap_server *server);

/* Stops listening, wakes who waits with UV_ECANCELED, and gives the caller's
   share of the memory up. Does not wait. NULL is harmless. */
NEAP_API void neap_server_close(neap_server *server);

/*
 * Reading. Each neap_stream_peek_* waits until the stream has what is asked
 * for, or has ended, and shows it without taking it away. Waits. Returns 0;
 * UV_EOF when the stream has ended and nothing is left; UV_EBADF when it is
 * closed, UV_ECANCELED when it is closed meanwhile; UV_EBUSY while another task
 * reads; UV_ETIMEDOUT; the error of the connection; or the code that ended the
 * wait. Nothing received is lost by any failure.
 */

/* A line, without its newline, which is the tail; at the end the rest. */
NEAP_API int neap_stream_peek_line(neap_stream *stream, neap_view *out);

/* n bytes; fewer at the end. n = 0: whether the end has come. */
NEAP_API int neap_stream_peek_count(neap_stream *stream, size_t n,
                                    neap_view *out);

/* All bytes up to the end of the stream, if need be none (never UV_EOF). */
NEAP_API int neap_stream_peek_all(neap_stream *stream, neap_view *out);

/* At least one byte, at most max. */
NEAP_API int neap_stream_peek_some(neap_stream *stream, size_t max,
                                   neap_view *out);

/* A record that ends with the dlen > 0 bytes at delim, which are the tail; at
   the end the rest. UV_EMSGSIZE when the record has more than max bytes. */
NEAP_API int neap_stream_peek_until(neap_stream *stream, const char *delim,
                                    size_t dlen, size_t max, neap_view *out);

/* A numeral as Lua's io reads it: takes white space before it away, then shows
   the longest prefix of one; what can't be a numeral is the tail. */
NEAP_API int neap_stream_peek_number(neap_stream *stream, neap_view *out);

/* At least one byte and at most len, copied; 0 at the end. Waits. Returns how
   many or a negative code. */
NEAP_API int64_t neap_stream_recv(neap_stream *stream, void *bytes, size_t len);

/* Takes n bytes of what was shown away. Does not wait. */
NEAP_API void neap_stream_consume(neap_stream *stream, size_t n);

/*
 * The same in two steps: what was taken is held until neap_stream_commit; until
 * then neap_stream_rewind brings it back. Does not wait.
 */
NEAP_API void neap_stream_take(neap_stream *stream, size_t n);
NEAP_API void neap_stream_commit(neap_stream *stream);
NEAP_API void neap_stream_rewind(neap_stream *stream);

/* How many bytes are there to be read at once. Does not wait. */
NEAP_API size_t neap_stream_buffered(const neap_stream *stream);

/*
 * Writes n pieces as one record; records of several tasks follow each other
 * whole, in the order of the calls. Waits. The pieces stay the caller's and
 * must stay as they are meanwhile. Returns 0, or a negative code as reading
 * does (UV_EPIPE: the peer is gone); *sent is then how many bytes the
 * connection has taken.
 */
NEAP_API int neap_stream_write(neap_stream *stream, const neap_bytes *pieces,
                               size_t n, size_t *sent);

/* The same of one piece. Waits. The bytes must not lie in a frame of a task on
   a shared stack. Returns 0 or a negative code. */
NEAP_API int neap_stream_send(neap_stream *stream, const void *bytes,
                              size_t len);

/* Tells the peer that no more will be written, after what is being written.
   Waits. Returns 0 or a negative code. */
NEAP_API int neap_stream_shutdown(neap_stream *stream);

/* How long each later read and write may take, in ns; NEAP_NEVER: no limit.
   Does not wait. */
NEAP_API void neap_stream_timeouts(neap_stream *stream, uint64_t read_ns,
                                   uint64_t write_ns);

/* The address on this side, and on the other. Does not wait. Returns 0 or a
   negative UV_E* code. */
NEAP_API int neap_stream_address(neap_stream *stream, neap_address *out);
NEAP_API int neap_stream_peer(neap_stream *stream, neap_address *out);

/* "127.0.0.1:80": the peer, for messages, cut to size bytes. Does not wait. */
NEAP_API void neap_stream_name(const neap_stream *stream, char *out,
                               size_t size);

/* What err, the result of a call on the stream, is due to, where that says more
   than the code does; or NULL. Static text. Does not wait. */
NEAP_API const char *neap_stream_reason(const neap_stream *stream, int err);

/* Whether a task waits to read or write. Does not wait. */
NEAP_API bool neap_stream_waited(const neap_stream *stream);

/* TCP's options: small writes go out at once; seconds of silence before the
   peer is probed (0: never). Does not wait. Returns 0 or a negative UV_E*. */
NEAP_API int neap_stream_nodelay(neap_stream *stream, bool on);
NEAP_API int neap_stream_keepalive(neap_stream *stream, uint32_t seconds);

/*
 * Has the kernel hold up to about size bytes that are on their way out, or that
 * came in and were not taken yet; size 0 only asks. Does not wait. Returns the
 * size in force, which may be another (Linux doubles it), or a negative UV_E*.
 */
NEAP_API int neap_stream_sndbuf(neap_stream *stream, int size);
NEAP_API int neap_stream_rcvbuf(neap_stream *stream, int size);

/* The descriptor, still the stream's. Does not wait. Returns it or a negative
   UV_E*. */
NEAP_API int neap_stream_fd(const neap_stream *stream);

/* Closes the stream, wakes who waits with UV_ECANCELED, and gives the caller's
   share of the memory up. Does not wait. NULL is harmless. */
NEAP_API void neap_stream_close(neap_stream *stream);

/* The same, and the peer sees a reset (RST) instead of an end. Does not
   wait. */
NEAP_API void neap_stream_reset(neap_stream *stream);

/* --- datagrams ------------------------------------------------------------ */

typedef struct neap_udp neap_udp; /* a UDP socket */

/* What neap_udp_open may be told. All-zero but size: the defaults. */
typedef struct neap_udp_options {
  size_t size;    /* sizeof(neap_udp_options) */
  uint32_t queue; /* datagrams that may wait here, beside those in the kernel;
                     0: 64 */
  size_t max;     /* what is longer is cut; 0: no datagram is */
  bool reuseaddr; /* several sockets may be bound to the port; each gets
                     what is sent to a group or by broadcast */
  bool reuseport; /* the same; what is sent to one address is shared out */
  bool ipv6only;  /* "::" and "*" don't stand for IPv4 addresses as well */
} neap_udp_options;

/* A datagram, the socket's: valid until the next call that waits or consumes.
 */
typedef struct neap_datagram {
  const char *base;
  size_t len;
  bool truncated; /* it was longer than the socket's max */
} neap_datagram;

/*
 * Opens a socket at host, an IP address or a name that is looked up ("*": at
 * every address), and port (0: any free one). Waits. Returns 0 and a socket in
 * *out, which the caller closes; or a negative code. options may be NULL.
 */
NEAP_API int neap_udp_open(neap_rt *rt, const char *host, uint16_t port,
                           const neap_udp_options *options, neap_udp **out);

/*
 * The first datagram that was received, without taking it away. Waits, until
 * due_ns at most. Returns 0; UV_EBADF on a closed socket, UV_ECANCELED when it
 * is closed meanwhile; UV_EBUSY while another task waits for one; UV_ETIMEDOUT;
 * what an earlier datagram has met (UV_ECONNREFUSED, on a connected socket);
 * UV_ENOMEM; or the code that ended the wait. The socket lives.
 */
NEAP_API int neap_udp_peek(neap_udp *udp, uint64_t due_ns, neap_datagram *out);

/* Who sent what neap_udp_peek has shown. Does not wait. */
NEAP_API void neap_udp_from(const neap_udp *udp, neap_address *out);

/* Takes it away. Does not wait. */
NEAP_API void neap_udp_consume(neap_udp *udp);

/*
 * Sends len bytes as one datagram to host, an IP address or a name that is
 * looked up, and port; on a connected socket to its peer, and host is NULL.
 * The bytes stay as they are meanwhile. Waits, until due_ns at most: for a
 * look-up, and while the system has no room; what was left to it then may still
 * go out after a timeout or a cancellation. Returns 0; UV_EMSGSIZE when it is
 * too long; UV_EAFNOSUPPORT when host has no address of the socket's family;
 * UV_EDESTADDRREQ, UV_EISCONN; UV_EBADF, UV_ECANCELED as receiving does; or a
 * negative code.
 */
NEAP_API int neap_udp_send(neap_udp *udp, const char *base, size_t len,
                           const char *host, uint16_t port, uint64_t due_ns);

/*
 * From now on the socket sends to this peer and receives from it alone; what
 * others have sent before is dropped. host NULL: as before that. Waits, until
 * due_ns at most, when host is a name. Returns 0 or a negative code.
 */
NEAP_API int neap_udp_connect(neap_udp *udp, const char *host, uint16_t port,
                              uint64_t due_ns);

/*
 * Joins a multicast group, an IP address, on an interface: its name, or an
 * address of it; NULL: the system chooses. source, an IP address: only what
 * that one sends; NULL: everybody. Leaving takes the same. Does not wait.
 * Returns 0; UV_EINVAL for what is no group; UV_ENODEV for what is no
 * interface; or a negative code.
 */
NEAP_API int neap_udp_join(neap_udp *udp, const char *group,
                           const char *interface_, const char *source);
NEAP_API int neap_udp_leave(neap_udp *udp, const char *group,
                            const char *interface_, const char *source);

/*
 * Through how many routers what is sent to one address, and what is sent to a
 * group, may go; whether this host gets what is sent to a group; on which
 * interface that goes out; whether the socket may send to a broadcast address.
 * Does not wait. Each returns 0 or a negative code.
 */
NEAP_API int neap_udp_ttl(neap_udp *udp, int ttl);
NEAP_API int neap_udp_multicast_ttl(neap_udp *udp, int ttl);
NEAP_API int neap_udp_multicast_loop(neap_udp *udp, bool on);
NEAP_API int neap_udp_multicast_interface(neap_udp *udp,
                                          const char *interface_);
NEAP_API int neap_udp_broadcast(neap_udp *udp, bool on);

/* The kernel's room for what was received and not read, and for what is to be
   sent; bytes > 0 asks for so much. Does not wait. Returns what there is, or a
   negative code. */
NEAP_API int neap_udp_rcvbuf(neap_udp *udp, int bytes);
NEAP_API int neap_udp_sndbuf(neap_udp *udp, int bytes);

/* The address on this side, and the peer's. Does not wait. Returns 0, UV_EBADF,
   UV_ENOTCONN, or a negative code. */
NEAP_API int neap_udp_address(neap_udp *udp, neap_address *out);
NEAP_API int neap_udp_peer(neap_udp *udp, neap_address *out);

/* "127.0.0.1:53": the peer, else this side, for messages, cut to size bytes.
   Does not wait. */
NEAP_API void neap_udp_name(const neap_udp *udp, char *out, size_t size);

/* How many datagrams wait here; how many were dropped, here or, where the
   system tells, by the kernel. Does not wait. */
NEAP_API size_t neap_udp_queued(const neap_udp *udp);
NEAP_API uint64_t neap_udp_dropped(const neap_udp *udp);

/* Whether a task waits to receive or send. Does not wait. */
NEAP_API bool neap_udp_waited(const neap_udp *udp);

/* Closes the socket, wakes who waits with UV_ECANCELED, and gives the caller's
   share of the memory up. Does not wait. NULL is harmless. */
NEAP_API void neap_udp_close(neap_udp *udp);

/* --- names ---------------------------------------------------------------- */

typedef enum neap_family {
  NEAP_FAMILY_ANY,
  NEAP_FAMILY_INET,
  NEAP_FAMILY_INET6
} neap_family;

typedef struct neap_addrs neap_addrs; /* what a name stands for */

/*
 * Looks up the addresses of host as the system does, in the order in which they
 * are to be tried (RFC 6724). An IP address stands for itself; "localhost" and
 * what ends with ".localhost" for 127.0.0.1 and ::1 (RFC 6761). Waits, until
 * due_ns at most. Returns 0 and a list in *out, which the caller frees with
 * neap_dns_free; UV_EAI_NONAME, also of what can't be a name; UV_EAI_ADDRFAMILY
 * when it is an address of another family; another UV_EAI_*; UV_ETIMEDOUT; or
 * the code that ended the wait.
 */
NEAP_API int neap_dns_resolve(neap_rt *rt, const char *host, neap_family family,
                              uint64_t due_ns, neap_addrs **out);

/*
 * The addresses, two at most, that host stands for by itself: what
 * neap_dns_resolve gives without a look-up. Does not wait. Returns how many; 0:
 * it has to be looked up; or UV_EAI_ADDRFAMILY.
 */
NEAP_API int neap_dns_known(const char *host, neap_family family,
                            neap_address out[2]);

/* How many there are, at least one; the one at i < n, its port 0; frees them
   while the runtime is there (NULL is harmless). Does not wait. */
NEAP_API size_t neap_dns_count(const neap_addrs *addrs);
NEAP_API void neap_dns_address(const neap_addrs *addrs, size_t i,
                               neap_address *out);
NEAP_API void neap_dns_free(neap_addrs *addrs);

/* Room for any host's name, with the NUL. */
#define NEAP_DNS_NAME_MAX 1025

/*
 * The name of an IP address, as the system's resolver knows it. Waits, until
 * due_ns at most. Returns 0 and the name, cut to size bytes, at out; UV_EINVAL
 * when ip is no address; UV_EAI_NONAME when it has no name; UV_ETIMEDOUT; or
 * the code that ended the wait.
 */
NEAP_API int neap_dns_reverse(neap_rt *rt, const char *ip, uint64_t due_ns,
                              char *out, size_t size);

/* Types of records; the numbers are the DNS's. */
typedef enum neap_dns_type {
  NEAP_DNS_A = 1,
  NEAP_DNS_NS = 2,
  NEAP_DNS_CNAME = 5,
  NEAP_DNS_PTR = 12,
  NEAP_DNS_MX = 15,
  NEAP_DNS_TXT = 16,
  NEAP_DNS_AAAA = 28,
  NEAP_DNS_SRV = 33,
  NEAP_DNS_CAA = 257
} neap_dns_type;

/* A record. Names have no dot at the end; a byte in a label that is none of a
   host name's is written as in a zone file ("\\.", "\\032"). */
typedef struct neap_dns_record {
  const char *name; /* whose it is: behind all aliases of what was asked */
  uint32_t ttl;     /* s */
  /* The address, the name that it points to, a TXT record's strings in one, a
     CAA record's value; a NUL follows. */
  const char *value;
  size_t len;
  uint16_t priority;     /* MX and SRV */
  uint16_t weight, port; /* SRV */
  uint8_t flags;         /* CAA */
  const char *tag;       /* CAA, else NULL */
} neap_dns_record;

typedef struct neap_dns_answer neap_dns_answer;

/* What neap_dns_query may be told. All-zero but size: the defaults. */
typedef struct neap_dns_options {
  size_t size;     /* sizeof(neap_dns_options) */
  uint64_t due_ns; /* when to give up; 0: when all servers were tried */
  /* "127.0.0.1", "127.0.0.1:53", "[::1]:53", asked in that order; none: the
     system's. */
  const char *const *servers;
  size_t nservers;
  uint64_t retry_ns; /* a server's time to answer before the next one is asked;
                        0: as the system is set up */
  bool tcp;          /* don't try UDP first */
} neap_dns_options;

/*
 * Asks name servers for name's records of a type, by c-ares; aliases (CNAME)
 * are followed. Of an IP address NEAP_DNS_PTR asks for the name. Hosts files
 * and search lists are left out. Waits. options may be NULL. Returns 0 and at
 * least one record in *out, which the caller frees with neap_dns_answer_free;
 * UV_EAI_NONAME: there is no such name, or it can't be one; UV_EAI_NODATA: it
 * has no such record; UV_EAI_AGAIN: no server could answer; UV_EPROTO: the
 * answer makes no sense; UV_ETIMEDOUT: none came; UV_EINVAL: one of servers is
 * no address; UV_ENOTSUP: this build has no c-ares; or the code that ended the
 * wait.
 */
NEAP_API int neap_dns_query(neap_rt *rt, const char *name, neap_dns_type type,
                            const neap_dns_options *options,
                            neap_dns_answer **out);

/* The answer's *n records; they are its own. Does not wait. */
NEAP_API const neap_dns_record *
neap_dns_answer_records(const neap_dns_answer *answer, size_t *n);

/* Frees it, while the runtime is there. Does not wait. NULL is harmless. */
NEAP_API void neap_dns_answer_free(neap_dns_answer *answer);

/* --- files ---------------------------------------------------------------- */

/*
 * Paths are strings as the system takes them. What has no effect (a read, an
 * open, a look) is let go when the task is cancelled; what has one is waited
 * for once it has begun.
 */

typedef struct neap_file neap_file;
typedef struct neap_dir neap_dir;

/* Bytes that a call hands over, to be given back with neap_fs_free_blob. */
typedef struct neap_blob {
  char *base; /* NULL: none */
  size_t len;
} neap_blob;

/* Seconds since 1970 and nanoseconds. nsec NEAP_FS_NOW, where a time is set:
   the time of the call. */
#define NEAP_FS_NOW (-1)
typedef struct neap_fs_time {
  int64_t sec;
  int64_t nsec;
} neap_fs_time;

/* What is known about a file: stat(2)'s fields under libuv's names. */
typedef struct neap_fs_info {
  const char *type; /* static text: "file", "directory", "link", "fifo",
                       "socket", "char", "block" or "unknown" */
  uint64_t dev, mode, nlink, uid, gid, rdev, ino, size, blksize, blocks;
  neap_fs_time atime, mtime, ctime, birthtime;
} neap_fs_info;

/*
 * A whole file's bytes. Waits, unless they are cached. A file of more than max
 * bytes is UV_EFBIG. Returns 0 and the bytes in *out, or a negative code.
 */
NEAP_API int neap_fs_readfile(neap_rt *rt, const char *path, size_t max,
                              neap_blob *out);

/* Does not wait. Leaves *blob empty. */
NEAP_API void neap_fs_free_blob(neap_blob *blob);

/*
 * Makes a file of len bytes at data, which stay the caller's and as they are
 * meanwhile, or with append adds them to the end. Waits. mode is what a new
 * file may be used for, less the process's umask. Returns 0 or a negative code,
 * with what was written left as it is.
 */
NEAP_API int neap_fs_writefile(neap_rt *rt, const char *path, const void *data,
                               size_t len, int mode, bool append);

/*
 * The same, but whoever looks, and whatever a crash leaves, has the old
 * contents or the new ones, whole. Waits. A file that is there keeps its
 * permissions, and its owner if the process may give it. Returns 0 and the new
 * contents are on the disk; or a negative code and the old ones are there,
 * except that a folder that could not be synced has the new ones. UV_ENOTSUP:
 * path is no regular file.
 */
NEAP_API int neap_fs_replacefile(neap_rt *rt, const char *path,
                                 const void *data, size_t len, int mode);

/* What path is; lstat: a symbolic link itself. Waits, unless that is cached.
   Returns 0 or a negative
   code. */
NEAP_API int neap_fs_stat(neap_rt *rt, const char *path, neap_fs_info *out);
NEAP_API int neap_fs_lstat(neap_rt *rt, const char *path, neap_fs_info *out);

/* As the system's calls of these names. Waits. Returns 0 or a negative code. */
NEAP_API int neap_fs_unlink(neap_rt *rt, const char *path);
NEAP_API int neap_fs_rmdir(neap_rt *rt, const char *path);
NEAP_API int neap_fs_mkdir(neap_rt *rt, const char *path, int mode);
NEAP_API int neap_fs_rename(neap_rt *rt, const char *from, const char *to);

/* Makes a folder whose name is template, its last six bytes, "XXXXXX",
   replaced. Waits. Returns 0 and the name, ended by NUL, in *out, or a negative
   code. */
NEAP_API int neap_fs_mkdtemp(neap_rt *rt, const char *template_,
                             neap_blob *out);

/* Reads a folder's names, sorted by byte. Waits. Returns 0 and a folder to be
   closed in *out, or a negative code. */
NEAP_API int neap_fs_scandir(neap_rt *rt, const char *path, neap_dir **out);

/* The next name and its type, as in neap_fs_info, borrowed until the folder is
   closed. Does not wait. False after the last one. */
NEAP_API bool neap_dir_next(neap_dir *dir, const char **name,
                            const char **type);

/* Does not wait. NULL is harmless. */
NEAP_API void neap_dir_close(neap_dir *dir);

/*
 * Opens a file. Waits, unless it is cached. flags are open(2)'s, mode is for a
 * new file. A FIFO that nobody reads is waited for when it is opened for
 * writing alone, but with O_NONBLOCK that is UV_ENXIO. Returns 0 and the file
 * in *out, of which the caller holds a share; or a negative code with nothing
 * left open.
 */
NEAP_API int neap_file_open(neap_rt *rt, const char *path, int flags, int mode,
                            neap_file **out);

/*
 * Writes what is buffered and closes. Waits, but is not cancelled. Whoever
 * waits on the file gets UV_ECANCELED, later calls UV_EBADF. Returns 0, also
 * when it was closed before, or the code with which writing or closing failed:
 * it is closed all the same.
 */
NEAP_API int neap_file_close(neap_file *file);

/* Gives the caller's share up, and closes the file if nobody has: what is
   buffered is written by a plain blocking call. Does not wait. Returns 0 or the
   code with which that failed. NULL is harmless. */
NEAP_API int neap_file_free(neap_file *file);

/* Whether a task waits on it. Does not wait. */
NEAP_API bool neap_file_has_waiters(const neap_file *file);

/* Whether it was closed. Does not wait. */
NEAP_API bool neap_file_is_closed(const neap_file *file);

/* Whether bytes that were written are not out yet and no task is at work on
   it, so that neap_file_flush has something to do at once. Does not wait. */
NEAP_API bool neap_file_has_output(const neap_file *file);

/*
 * Operations on a file are whole: each one claims it, in the order in which
 * they came. neap_file_begin_* claim. Waits. Returns 0, or a negative code with
 * nothing claimed: UV_EBADF when the file is closed or not open for reading.
 * What is buffered for the other direction is dealt with first.
 */
NEAP_API int neap_file_begin_read(neap_file *file);
NEAP_API int neap_file_begin_write(neap_file *file);

/* Ends an operation that was begun. Does not wait. */
NEAP_API void neap_file_end(neap_file *file);

/*
 * As neap_file_begin_read, for an operation that shall only take what can be
 * had at once: nothing is claimed, and the peeks below return UV_EAGAIN where
 * they would have to wait. Waits. (Only when the task's budget is used up.)
 * Returns 0, UV_EAGAIN when another operation is under way, or a code.
 */
NEAP_API int neap_file_try_read(neap_file *file);

/*
 * As neap_stream_peek_* and its like: what comes next is shown, taken, and gone
 * for good with the commit. Waits, if the task has claimed the file. Returns 0,
 * UV_EOF, UV_EAGAIN or a negative code.
 */
NEAP_API int neap_file_peek_line(neap_file *file, neap_view *out);
NEAP_API int neap_file_peek_count(neap_file *file, size_t n, neap_view *out);
NEAP_API int neap_file_peek_all(neap_file *file, neap_view *out);
NEAP_API int neap_file_peek_number(neap_file *file, neap_view *out);

/* Does not wait. */
NEAP_API void neap_file_take(neap_file *file, size_t n);
NEAP_API void neap_file_commit(neap_file *file);
NEAP_API void neap_file_rewind(neap_file *file);

/* Up to len bytes, fewer only at the end, 0 there. Waits. Returns how many or a
   negative code. */
NEAP_API int64_t neap_file_read(neap_file *file, void *bytes, size_t len);

/*
 * As neap_file_begin_write, for an operation that finds nobody else's under
 * way: nothing is claimed, and neap_file_append and neap_file_put may follow,
 * with no other wait between. Waits. (Only when the task's budget is used up.)
 * Returns 0, UV_EAGAIN when it takes neap_file_begin_write, or a code.
 */
NEAP_API int neap_file_try_write(neap_file *file);

/*
 * Between begin_write and end: adds bytes to the buffer. Does not wait. Returns
 * 0; UV_EBADF when the file is not open for writing; or UV_ENOMEM, and then
 * nothing of this operation will be written.
 */
NEAP_API int neap_file_append(neap_file *file, const void *bytes, size_t len);

/*
 * Writes the buffer out if it is full or the buffering asks for it. Waits. A
 * full buffer of the usual size is written behind: while the task goes on, and
 * how it failed is what the next call returns, or neap_file_close. Returns 0 or
 * a negative code.
 */
NEAP_API int neap_file_put(neap_file *file);

/* The four together. Waits. Returns 0 or a negative code. */
NEAP_API int neap_file_write(neap_file *file, const void *bytes, size_t len);

/* Writes out what is buffered. Waits. Returns 0 or a negative code. */
NEAP_API int neap_file_flush(neap_file *file);

/* lseek(2), as if there were no buffer. Waits, if there are bytes to be written
   first. Returns the new position or a negative code. */
NEAP_API int64_t neap_file_seek(neap_file *file, int64_t offset, int whence);

/* When writes go out: at once, with each line, or when size bytes are there
   (0: the usual number). Waits. Returns 0 or a negative code. */
typedef enum neap_file_buffering {
  NEAP_FILE_FULL,
  NEAP_FILE_LINE,
  NEAP_FILE_UNBUFFERED
} neap_file_buffering;
NEAP_API int neap_file_setvbuf(neap_file *file, neap_file_buffering buffering,
                               size_t size);

/* --- files: places, attributes, locks */

/* The next ones are for what is buffered, too: that is written out first. */

/*
 * Up to n bytes from the place `at`, fewer only at the end (and from a device,
 * which is asked once); where the file is read and written next does not
 * change. Waits. Returns 0 and the bytes in *out, or a negative code.
 */
NEAP_API int neap_file_pread(neap_file *file, size_t n, int64_t at,
                             neap_blob *out);

/* Writes len bytes, which stay the caller's and as they are meanwhile, at the
   place `at`; to a file opened for appending they go to its end. Waits. Returns
   0 or a negative code. */
NEAP_API int neap_file_pwrite(neap_file *file, const void *bytes, size_t len,
                              int64_t at);

/* What the file is. Waits, where its file system does not tell at once. Returns
   0 or a negative code. */
NEAP_API int neap_file_stat(neap_file *file, neap_fs_info *out);

/* Has the disk take what was written; data_only: fdatasync(2). Waits. Returns 0
   or a negative code. */
NEAP_API int neap_file_sync(neap_file *file, bool data_only);

/* ftruncate(2), fchmod(2), futimens(3) with NULL for now. Waits. Returns 0 or a
   negative code. */
NEAP_API int neap_file_truncate(neap_file *file, int64_t size);
NEAP_API int neap_file_chmod(neap_file *file, int mode);
NEAP_API int neap_file_utime(neap_file *file, const neap_fs_time *atime,
                             const neap_fs_time *mtime);

/* The descriptor, which stays the file's, or UV_EBADF. Does not wait. */
NEAP_API int neap_file_fd(const neap_file *file);

/*
 * Locks the whole file against whoever else locks it, here or in another
 * process; shared: beside others that are shared. A lock that the file has is
 * changed. Waits, until due_ns at most; 0 tries once. Returns 0 and the lock's
 * number in *id; UV_EAGAIN or UV_ETIMEDOUT when another has it; UV_EBADF when
 * the file is closed or not open for writing (shared: for reading); or another
 * negative code. Closing the file ends the lock.
 */
NEAP_API int neap_file_lock(neap_file *file, bool shared, uint64_t due_ns,
                            uint64_t *id);

/* Writes out what is buffered and ends the lock of that number, if it is the
   file's last. Waits, but is not cancelled. Returns 0 or a negative code. */
NEAP_API int neap_file_unlock(neap_file *file, uint64_t id);

/* --- from end to end ------------------------------------------------------ */

/*
 * Bytes on their way from a stream or file to a stream or file; the caller's.
 * All-zero but one of each two ends and the limit is a transfer that has not
 * begun. The ends may be set anew before each step: to NULL when they are
 * closed.
 */
typedef struct neap_transfer {
  neap_stream *from_stream, *to_stream;
  neap_file *from_file, *to_file;
  uint64_t limit; /* no more than these; NEAP_NEVER: no limit */
  uint64_t moved; /* so many went so far */
  bool writing;   /* the last step that failed did so at the target's end */
  bool must_copy; /* the kernel can't move them by itself */
} neap_transfer;

/*
 * Moves the next bytes, up to some 64 KiB: what the target does not take the
 * source keeps, but for a file that has been read. Another task's reads of the
 * source fail with UV_EBUSY meanwhile, and its writes come before or behind.
 * Between two streams without TLS the bytes stay in the kernel where that can
 * be had. Waits. Returns how many; 0 at the source's end or the limit; or a
 * negative code, as the source's read or the target's write does.
 */
NEAP_API int64_t neap_transfer_step(neap_rt *rt, neap_transfer *transfer);

/* --- names and trees ------------------------------------------------------ */

/* What is known about a file system: statfs(2)'s fields under libuv's names.
   Of blocks of bsize bytes. */
typedef struct neap_fs_space {
  uint64_t type, bsize, blocks, bfree, bavail, files, ffree;
} neap_fs_space;

/* Of the file system that path is on. Waits. Returns 0 or a negative code. */
NEAP_API int neap_fs_statfs(neap_rt *rt, const char *path, neap_fs_space *out);

/* Whether path may be used as mode says (access(2)'s). Waits. Returns 0 or a
   negative code. */
NEAP_API int neap_fs_access(neap_rt *rt, const char *path, int mode);

/* As the system's calls of these names; (uint32_t)-1 leaves an owner as it is.
   Waits. Returns 0 or a negative code. */
NEAP_API int neap_fs_link(neap_rt *rt, const char *from, const char *to);
NEAP_API int neap_fs_symlink(neap_rt *rt, const char *target, const char *path);
NEAP_API int neap_fs_chmod(neap_rt *rt, const char *path, int mode);
NEAP_API int neap_fs_chown(neap_rt *rt, const char *path, uint32_t uid,
                           uint32_t gid);
NEAP_API int neap_fs_lchown(neap_rt *rt, const char *path, uint32_t uid,
                            uint32_t gid);

/* A link's target; a path without links, "." and "..". Waits. Returns 0 and
   the bytes in *out, or a negative code. */
NEAP_API int neap_fs_readlink(neap_rt *rt, const char *path, neap_blob *out);
NEAP_API int neap_fs_realpath(neap_rt *rt, const char *path, neap_blob *out);

/* Sets the times of the last read and the last change; NULL: now. Waits.
   Returns 0 or a negative code. */
NEAP_API int neap_fs_utime(neap_rt *rt, const char *path,
                           const neap_fs_time *atime,
                           const neap_fs_time *mtime);

/* Sets both times to now; makes an empty file if there is none. Waits. Returns
   0 or a negative code. */
NEAP_API int neap_fs_touch(neap_rt *rt, const char *path);

/* Makes a file whose name is template, its last six bytes, "XXXXXX", replaced,
   for its owner alone, and opens it for reading and writing. Waits. Returns 0,
   the name, ended by NUL, in *name and the file in *out, of which the caller
   holds a share; or a negative code. */
NEAP_API int neap_fs_mkstemp(neap_rt *rt, const char *template_,
                             neap_blob *name, neap_file **out);

/* As neap_fs_mkdir, and makes the folders around it that are missing; one that
   is there already is fine. Waits. Returns 0 or a negative code. */
NEAP_API int neap_fs_mkdirs(neap_rt *rt, const char *path, int mode);

/*
 * Removes a file, a link or an empty folder; with recursive a folder and all in
 * it. Never follows a link, even one that a folder is swapped for meanwhile.
 * Waits. When the task is cancelled it stops, with some of it gone. What can't
 * be removed is passed over. Returns 0, or the first failure's code with its
 * path in *failed (may be NULL; left as it is when that is path itself).
 */
NEAP_API int neap_fs_remove(neap_rt *rt, const char *path, bool recursive,
                            neap_blob *failed);

/* The same with all in it, for clean-up. Waits, but is not cancelled. */
NEAP_API int neap_fs_remove_shielded(neap_rt *rt, const char *path,
                                     neap_blob *failed);

/* The same where nobody may wait: it blocks. Does not wait. Any thread. */
NEAP_API int neap_fs_remove_blocking(const char *path);

/*
 * Makes a file, or a folder, of a new name where the system keeps temporary
 * ones ($TMPDIR, /tmp). Waits. Returns 0 and the name, ended by NUL, in *name;
 * the file in *out, open for reading and writing, of which the caller holds a
 * share, and whose name is removed when it is closed; or a negative code.
 */
NEAP_API int neap_fs_tempfile(neap_rt *rt, neap_blob *name, neap_file **out);
NEAP_API int neap_fs_tempdir(neap_rt *rt, neap_blob *name);

typedef struct neap_copy neap_copy; /* a copy under way */

/*
 * Copies a file: its bytes, with their holes, and for a new one its permissions
 * less the umask. With recursive whatever it is, with all in it: links as
 * links, files of several names as such, owners, permissions and times; what is
 * at `to` is replaced, a folder there is added to. Never follows a link within
 * either tree, even one that a folder is swapped for meanwhile. Waits. When the
 * task is cancelled it stops, and a file that is not whole is removed. Returns
 * 0, UV_EISDIR for a folder without recursive, UV_EINVAL when a folder would be
 * copied into itself or something onto itself, or another code.
 */
NEAP_API int neap_fs_copy(neap_rt *rt, const char *from, const char *to,
                          bool recursive);

/* The same in steps of some milliseconds. Does not wait. Returns 0 and a copy
   to be freed in *out, or UV_ENOMEM. */
NEAP_API int neap_copy_new(const char *from, const char *to, bool recursive,
                           neap_copy **out);

/* A step. Waits. Returns 1: there is more to do; 0: all is done; or a negative
   code, and then it is over. */
NEAP_API int neap_copy_step(neap_rt *rt, neap_copy *copy);

/* Leaves a file off that is not whole. Waits, but is not cancelled. Returns 0
   or a negative code. */
NEAP_API int neap_copy_undo(neap_rt *rt, neap_copy *copy);

/* Between two steps: how many bytes were copied, the original that is being
   copied, the path of what failed (NULL: unknown); borrowed. Does not wait. */
NEAP_API uint64_t neap_copy_bytes(const neap_copy *copy);
NEAP_API const char *neap_copy_path(const neap_copy *copy);
NEAP_API const char *neap_copy_failed(const neap_copy *copy);

/* A file that is not whole is removed by a plain blocking call. Does not wait.
   NULL is harmless. */
NEAP_API void neap_copy_free(neap_copy *copy);

typedef struct neap_walk neap_walk; /* a way through a tree of folders */

/* What neap_walk_open may be told. All-zero but size: the defaults. */
typedef struct neap_walk_options {
  size_t size;    /* sizeof(neap_walk_options) */
  bool follow;    /* links are what they lead to; each folder is still entered
                     from within itself never */
  bool stat;      /* entries have their info */
  uint32_t depth; /* folders below this one are not entered; 1: only root's
                     own entries; 0: all */
} neap_walk_options;

typedef struct neap_walk_entry {
  const char *path; /* root's, then the names, ended by NUL */
  size_t len;
  const char *type;         /* as in neap_fs_info */
  const neap_fs_info *info; /* NULL: not asked for */
  int err;                  /* not 0: what is at path could not be read */
} neap_walk_entry;

/*
 * Begins to go through all that is below the folder root, each folder before
 * what is in it, in the folders' own order. Waits. Returns 0 and a walk to be
 * closed in *out, or a negative code. options may be NULL.
 */
NEAP_API int neap_walk_open(neap_rt *rt, const char *root,
                            const neap_walk_options *options, neap_walk **out);

/*
 * The next entry, valid until the next call. Waits. Several tasks may share a
 * walk. Returns 1; 0 after the last entry; UV_EBADF when the walk is closed,
 * UV_ECANCELED when it is closed meanwhile, or another negative code.
 */
NEAP_API int neap_walk_next(neap_walk *walk, neap_walk_entry *out);

/* Whether a task waits for its next entry. Does not wait. */
NEAP_API bool neap_walk_waited(const neap_walk *walk);

/* Closes it, wakes who waits, and gives the caller's share of the memory up.
   Does not wait. NULL is harmless. */
NEAP_API void neap_walk_close(neap_walk *walk);

/* --- watching ------------------------------------------------------------- */

typedef struct neap_watch neap_watch;

/* What neap_watch_open may be told. All-zero but size: the defaults. */
typedef struct neap_watch_options {
  size_t size;      /* sizeof(neap_watch_options) */
  bool recursive;   /* what is in its folders, too, also in later ones */
  uint64_t poll_ns; /* look again each time that is over; 0: have the system
                       tell */
  /* Out: the limit of the system that was met (static text), or NULL. */
  const char *limit;
} neap_watch_options;

typedef struct neap_watch_event {
  const char *kind; /* "create", "change", "remove", "rename" (from elsewhere
                       in what is watched), "overflow", "error" */
  const char *path;
  const char *name;  /* below the path that is watched, or its last name */
  const char *from;  /* of a rename: the path it had, else NULL */
  int err;           /* of an error: why what is at path can't be watched */
  const char *limit; /* and the limit that was met, or NULL */
  bool overflow;     /* events were lost: what is there must be looked at */
} neap_watch_event;

/*
 * Watches a folder, or a file by its name. Waits. Returns 0 and a watch to be
 * closed in *out, or a negative code. options may be NULL. What comes into a
 * watched tree is told whole: names that were made in a new folder before it
 * could be watched are told, too.
 */
NEAP_API int neap_watch_open(neap_rt *rt, const char *path,
                             neap_watch_options *options, neap_watch **out);

/*
 * The next event, valid until the next call; until due_ns at most. Waits.
 * Returns 1; 0 when the path itself is gone and all was told; UV_ETIMEDOUT;
 * UV_EBADF when the watch is closed, UV_ECANCELED when it is closed meanwhile;
 * or the code that ended the wait.
 */
NEAP_API int neap_watch_next(neap_watch *watch, uint64_t due_ns,
                             neap_watch_event *out);

/*
 * For who waits for several things: takes an event that there is, as
 * neap_watch_next; woken: its place in the queue of waiters was. Does not wait.
 * Returns what that returns, or UV_EAGAIN.
 */
struct neap_list;
NEAP_API int neap_watch_try(neap_watch *watch, bool woken,
                            neap_watch_event *out);
NEAP_API struct neap_list *neap_watch_queue(neap_watch *watch);

/* Whether a task waits for an event. Does not wait. */
NEAP_API bool neap_watch_waited(const neap_watch *watch);

/* Ends it, wakes who waits, and gives the caller's share of the memory up. Does
   not wait. NULL is harmless. */
NEAP_API void neap_watch_close(neap_watch *watch);

/* --- processes, signals, descriptors -------------------------------------- */

typedef struct neap_process neap_process;
typedef struct neap_listener neap_listener; /* hears signals */

/* What one of a child's standard descriptors is. */
typedef enum neap_stdio_kind {
  NEAP_STDIO_INHERIT,  /* ours */
  NEAP_STDIO_NULL,     /* /dev/null */
  NEAP_STDIO_PIPE,     /* a pipe to us: neap_process_options.pipes */
  NEAP_STDIO_BUFFERED, /* the same as an open file: .files */
  NEAP_STDIO_FD,       /* a descriptor */
  NEAP_STDIO_FILE,     /* an open file, from where it stands */
  NEAP_STDIO_STREAM    /* a connection: it is the child's, and closed here */
} neap_stdio_kind;

typedef struct neap_stdio {
  neap_stdio_kind kind;
  int fd;
  neap_file *file;
  neap_stream *stream;
} neap_stdio;

/* Where starting a program failed. */
typedef enum neap_process_step {
  NEAP_PROCESS_SYSTEM, /* no process, no pipe */
  NEAP_PROCESS_STDIO,
  NEAP_PROCESS_CWD,
  NEAP_PROCESS_USER,
  NEAP_PROCESS_PROGRAM
} neap_process_step;

/* What to start. All-zero but size and argv: the defaults. */
typedef struct neap_process_options {
  size_t size;       /* sizeof(neap_process_options) */
  const char *file;  /* a path, or looked for in PATH; NULL: argv[0] */
  char *const *argv; /* ended by NULL */
  char *const *envp; /* "NAME=value", ended by NULL; NULL: ours */
  const char *cwd;   /* NULL: ours */
  neap_stdio stdio[3];
  uint64_t grace_ns; /* between TERM and KILL; 0: two seconds */
  bool detached;     /* a session of its own, and it may outlive us */
  bool has_uid, has_gid;
  uint32_t uid, gid;
  /* Filled in: our ends of pipes, which the caller closes, or NULL; where it
     failed. */
  neap_stream *pipes[3];
  neap_file *files[3];
  neap_process_step failed;
} neap_process_options;

/* How a process ended: code, or the number of the signal that killed it. */
typedef struct neap_status {
  int code;
  int signal; /* 0: none */
} neap_status;

/*
 * Starts a program. It is the first of a process group of its own, but for one
 * that inherits a terminal as its stdin, which it could not read from there.
 * Descriptors other than the three are not passed on. Waits, if a file is
 * to be written out first. Returns 0 and the process in *out, which the caller
 * closes; or a negative code with nothing left.
 */
NEAP_API int neap_process_spawn(neap_rt *rt, neap_process_options *options,
                                neap_process **out);

/* Waits until the process has ended. Waits, until due_ns at most. Returns 0 and
   how in *out (may be NULL); UV_ETIMEDOUT; UV_EBADF after closing, UV_ECANCELED
   when it is closed meanwhile; UV_ECHILD when somebody else has taken its exit
   status; or the code that ended the wait. */
NEAP_API int neap_process_wait(neap_process *process, uint64_t due_ns,
                               neap_status *out);

/* Sends it, or its whole group, a signal. Does not wait. Returns 0; UV_ESRCH
   once it has ended: never is another process hit; or a negative code. */
NEAP_API int neap_process_kill(neap_process *process, int signum, bool group);

/* How it ended, also after closing. Does not wait. Returns 0; UV_EAGAIN: it is
   not known to have; UV_ECHILD. */
NEAP_API int neap_process_result(const neap_process *process, neap_status *out);

/* The queue of those who wait for its end, or for its closing: for who waits
   for several things. Does not wait. */
struct neap_list;
NEAP_API struct neap_list *neap_process_queue(neap_process *process);

/* Its number. Does not wait. */
NEAP_API int neap_process_pid(const neap_process *process);

/* Whether it is known not to have ended; whether a task waits for it. Does not
   wait. */
NEAP_API bool neap_process_runs(const neap_process *process);
NEAP_API bool neap_process_waited(const neap_process *process);

/*
 * Ends a process that still runs: its group (itself, where it has none of its
 * own) gets SIGTERM, after the grace SIGKILL, and it is waited for; a detached
 * one is let go. Waits, but is not cancelled. Returns 0; UV_ENOMEM, if somebody
 * else is closing it: it ends all the same.
 */
NEAP_API int neap_process_close(neap_process *process);

/* Begins to end it, if nobody has, and gives the caller's share up. Does not
   wait. Returns whether it ran, and is ended now. NULL is harmless. */
NEAP_API bool neap_process_free(neap_process *process);

/* How to run a program to its end. */
typedef struct neap_run_options {
  size_t size;      /* sizeof(neap_run_options) */
  neap_bytes input; /* for a stdin that is a pipe: the caller's */
  size_t max;       /* bytes of each output; 0: no limit */
  uint64_t due_ns;  /* 0: no limit */
} neap_run_options;

typedef struct neap_output neap_output; /* what a program has written */

/*
 * Runs a program to its end: feeds its stdin, collects its stdout and stderr,
 * each if it is a pipe, and waits until they have ended and it has. Waits.
 * Returns 0 and what it brought in *out, which the caller frees; UV_EMSGSIZE
 * when an output is longer than max; or a code as neap_process_spawn and wait
 * do. On any failure the process has been ended as neap_process_close does.
 */
NEAP_API int neap_process_run(neap_rt *rt, neap_process_options *options,
                              const neap_run_options *how, neap_output **out);

/* How it ended, and what it has written to stdout (1) or stderr (2); base is
   NULL where that was no pipe. Does not wait. */
NEAP_API neap_status neap_output_status(const neap_output *output);
NEAP_API neap_view neap_output_bytes(const neap_output *output, int which);

/* Does not wait. NULL is harmless. */
NEAP_API void neap_output_free(neap_output *output);

/* "SIGTERM" to its number, 0 for a name that is none; and back, or NULL. Does
   not wait. */
NEAP_API int neap_signal_number(const char *name);
NEAP_API const char *neap_signal_name(int signum);

/*
 * Listens to n signals. They are not acted upon otherwise until the last
 * listener is closed; then they get back what they had. Does not wait. Returns
 * 0 and a listener in *out, which the caller closes; UV_EINVAL for a signal
 * that can't be listened to; or a negative code.
 */
NEAP_API int neap_signal_listen(neap_rt *rt, const int *signums, size_t n,
                                neap_listener **out);

/*
 * The next signal: several of one kind that nobody has taken yet are one.
 * Waits, until due_ns at most. Returns its number; UV_ETIMEDOUT; UV_EBADF on a
 * closed listener, UV_ECANCELED when it is closed meanwhile; or the code that
 * ended the wait.
 */
NEAP_API int neap_listener_wait(neap_listener *listener, uint64_t due_ns);

/*
 * For who waits for several things: takes a signal that has come, woken: the
 * one that its wake in the queue of waiters was for. Does not wait. Returns its
 * number, UV_EAGAIN, or UV_EBADF (woken: UV_ECANCELED) on a closed listener.
 */
struct neap_list;
NEAP_API int neap_listener_try(neap_listener *listener, bool woken);
NEAP_API struct neap_list *neap_listener_queue(neap_listener *listener);

/* Whether a task waits on it. Does not wait. */
NEAP_API bool neap_listener_waited(const neap_listener *listener);

/* Wakes who waits with UV_ECANCELED and gives the caller's share up. Does not
   wait. NULL is harmless. */
NEAP_API void neap_listener_close(neap_listener *listener);

/* Ignores a signal from now on, or from when nobody listens to it any more;
   programs that are started ignore it, too. Does not wait. Returns 0 or a
   negative code. */
NEAP_API int neap_signal_ignore(neap_rt *rt, int signum);

#define NEAP_READABLE 1
#define NEAP_WRITABLE 2

/*
 * Waits until fd can be read from or written to, as events asks. fd is left as
 * it is: not made non-blocking, and any number of tasks may wait. It must stay
 * open. Waits, until due_ns at most. Returns what has come of NEAP_READABLE and
 * NEAP_WRITABLE (an error or a hang-up is both); UV_EBADF, UV_ETIMEDOUT, or the
 * code that ended the wait.
 */
NEAP_API int neap_wait_fd(neap_rt *rt, int fd, int events, uint64_t due_ns);

/*
 * Runs fn(arg) in libuv's thread pool, with at most half of its threads at a
 * time. Waits. The task can be cancelled until it has begun; after that, if
 * stop is not NULL, stop(arg) is called, on this thread, and fn is waited for.
 * So arg is the caller's alone when this returns. Returns fn's result, 0 or
 * more; the code that ended the wait, and fn did not run; or a negative code,
 * also fn's.
 */
NEAP_API int neap_offload(neap_rt *rt, int (*fn)(void *arg),
                          void (*stop)(void *arg), void *arg);

/* How big the terminal behind fd is. Does not wait. Returns 0, UV_ENOTTY, or
   a negative code. */
NEAP_API int neap_tty_size(int fd, int *columns, int *rows);

/*
 * Has the terminal behind stdin give every key at once and do nothing about it
 * itself, or gives it back. Does not wait. It is also given back at the
 * runtime's end, at exit, and when a signal that nobody handles ends the
 * process. Returns 0, UV_ENOTTY, or a negative code.
 */
NEAP_API int neap_tty_raw(neap_rt *rt, bool on);

/*
 * stdin (0), stdout (1) or stderr (2) as an open file; writes go out at once.
 * What other processes share is left as it is: no call here changes whether it
 * blocks. Does not wait. Returns 0 and the file in *out, of which the caller
 * holds a share; UV_EBADF when it is closed; or a negative code.
 */
NEAP_API int neap_file_std(neap_rt *rt, int which, neap_file **out);

/* After such a file was closed: the descriptor itself is /dev/null from now on,
   so that whoever is at its other end sees the end, and nobody gets its number.
   Does not wait. Returns 0 or a negative code. */
NEAP_API int neap_file_end_std(int which);
/* --- TLS ------------------------------------------------------------------ */

/*
 * A stream on which TLS was started is read, written and closed as before: what
 * goes over the wire is encrypted. Its end is UV_EOF only if the peer has said
 * so (close_notify); a connection that just breaks off is UV_ECONNABORTED.
 * UV_EPROTO is what the peer did wrong, NEAP_ECERT a certificate that is not
 * trusted: neap_stream_reason says more. A library that was built without
 * OpenSSL has none of this section.
 */

#define NEAP_ECERT (-8001) /* the peer's certificate is not trusted */

typedef struct neap_tls_context neap_tls_context; /* settings, certificates */

/* Whether the peer must show a certificate that is trusted. */
typedef enum neap_tls_verify {
  NEAP_TLS_VERIFY_DEFAULT, /* a client: REQUIRED; a server: if ca is set */
  NEAP_TLS_VERIFY_REQUIRED,
  NEAP_TLS_VERIFY_OPTIONAL, /* a server: if the client shows one */
  NEAP_TLS_VERIFY_NONE
} neap_tls_verify;

/* A certificate with those between it and its authority, and its key. Each is
   the path of a PEM file or such a file's text. */
typedef struct neap_tls_identity {
  const char *cert;
  const char *key;      /* NULL: it is in cert as well */
  const char *password; /* of the key, or NULL */
} neap_tls_identity;

/* What a server shows to a client that asks for a name. */
typedef struct neap_tls_name {
  const char *name; /* "a.example", or "*.example" for one label more */
  neap_tls_identity identity;
} neap_tls_name;

/* What neap_tls_context_new may be told. All-zero but size: a client with the
   defaults. */
typedef struct neap_tls_options {
  size_t size; /* sizeof(neap_tls_options) */
  bool server;
  neap_tls_identity identity; /* a server must have one */
  const neap_tls_name *names; /* more of a server's */
  size_t nnames;
  const char
      *ca; /* trusted authorities, PEM file or text; NULL: the system's */
  neap_tls_verify verify;
  int min_version;         /* 12 or 13 for TLS 1.2 or 1.3; 0: 12 */
  const char *const *alpn; /* protocols, the preferred one first */
  size_t nalpn;
  const char *keylog;    /* file that session secrets are added to, or NULL */
  uint64_t handshake_ns; /* how long a handshake may take; 0: 30 s */
  char *problem;         /* room for what failed: a file, or why; or NULL */
  size_t problem_size;
} neap_tls_options;

/* What neap_tls_start may be told about the peer. */
typedef struct neap_tls_peer_options {
  size_t size; /* sizeof(neap_tls_peer_options) */
  /* The name or IP address that a server's certificate must be for; may be NULL
     for a server's side, or without verification. */
  const char *servername;
  const void *session; /* from neap_tls_session, or NULL */
  size_t session_len;
} neap_tls_peer_options;

/* What was agreed on. Texts are valid while the stream is open. */
typedef struct neap_tls_info {
  const char *version; /* "TLSv1.3" */
  const char *cipher;
  const char *servername; /* that the client asked for, or NULL */
  const char *alpn;       /* alpn_len bytes, or NULL */
  size_t alpn_len;
  bool resumed;       /* by a session of an earlier connection */
  bool verified;      /* the peer has shown a certificate that is trusted */
  const char *verify; /* "ok", or why not */
} neap_tls_info;

/* A peer's certificate; texts end with NUL. */
typedef struct neap_tls_cert {
  const char *subject, *issuer;     /* as RFC 2253 writes names */
  const char *serial, *fingerprint; /* hexadecimal; the latter is SHA-256 */
  const char *names;                /* nnames texts, one behind the other */
  size_t nnames;                    /* DNS names and IP addresses */
  int64_t not_before, not_after;    /* seconds since 1970 */
  const char *pem;                  /* the certificate itself */
  neap_blob memory;                 /* where all that lies */
} neap_tls_cert;

/*
 * Makes a context for any number of streams and servers of this runtime. Reads
 * and decrypts in the thread pool. Waits. Returns 0 and a share in *out, which
 * the caller gives up with neap_tls_context_unref; or a negative code,
 * UV_EINVAL for what is no certificate or key, and what it is about in
 * options->problem.
 */
NEAP_API int neap_tls_context_new(neap_rt *rt, const neap_tls_options *options,
                                  neap_tls_context **out);

/* Takes a share. Does not wait. */
NEAP_API neap_tls_context *neap_tls_context_ref(neap_tls_context *context);

/* Gives a share up, also after the runtime's end. Does not wait. NULL is
   harmless. */
NEAP_API void neap_tls_context_unref(neap_tls_context *context);

/* Whether it is a server's. Does not wait. */
NEAP_API bool neap_tls_context_serves(const neap_tls_context *context);

/*
 * Begins TLS on a stream, as the context's side. Does not wait: the handshake
 * goes on by itself, calls on the stream wait for it. Returns 0; UV_EALREADY
 * when it has begun before; UV_EBUSY while a task reads or writes; UV_EPROTO
 * when bytes were received that can't be part of it (what came unprotected must
 * not be taken as protected); UV_EINVAL without a servername to verify; or
 * UV_ENOMEM. peer may be NULL for a server's side.
 */
NEAP_API int neap_tls_start(neap_stream *stream, neap_tls_context *context,
                            const neap_tls_peer_options *peer);

/* Waits until the handshake is done, until due_ns at most. Waits. Returns 0,
   also when the connection has failed since; UV_ENOTSUP on a stream without
   TLS; or a negative code. */
NEAP_API int neap_tls_handshake(neap_stream *stream, uint64_t due_ns);

/* Connections that are accepted from now on begin TLS; a call replaces the
   context of the one before. Does not wait. Returns 0 or UV_EBADF. */
NEAP_API int neap_tls_serve(neap_server *server, neap_tls_context *context);

/* Whether the server's connections begin TLS. Does not wait. */
NEAP_API bool neap_tls_serves(const neap_server *server);

/* After the handshake. Does not wait. Returns 0, UV_ENOTSUP on a stream without
   TLS, UV_EAGAIN before its end, UV_EBADF. */
NEAP_API int neap_tls_describe(neap_stream *stream, neap_tls_info *out);

/* The peer's certificate, to be given back with neap_tls_free_cert. Does not
   wait. As neap_tls_describe; UV_ENOENT when it has shown none. */
NEAP_API int neap_tls_peer_cert(neap_stream *stream, neap_tls_cert *out);

/* Does not wait. */
NEAP_API void neap_tls_free_cert(neap_tls_cert *cert);

/*
 * A client's session, with which the next connection to the same server is
 * quicker: secret bytes, to be given back with neap_fs_free_blob. A server
 * sends it some time after the handshake. Does not wait. As neap_tls_describe;
 * UV_ENOENT when there is none (yet).
 */
NEAP_API int neap_tls_session(neap_stream *stream, neap_blob *out);

#ifdef __cplusplus
}
#endif

#endif
