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
 * Queues a new task. Does not wait. options may be NULL. Returns 0 or
 * UV_ENOMEM. With out != NULL the caller gets a share of the task, to be given
 * up with neap_task_unref.
 */
NEAP_API int neap_spawn(neap_rt *rt, neap_task_fn fn, void *arg,
                        const neap_spawn_options *options, neap_task **out);

/* Gives up a share of a task, while the runtime is there. Does not wait. NULL
   is harmless. */
NEAP_API void neap_task_unref(neap_task *task);

/* The running task (the main stack's is one, too), borrowed; NULL on the
   driver's stack: in posts and callbacks, where nobody may wait. Does not
   wait. */
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

/* --- streams and networking ----------------------------------------------- */

typedef struct neap_stream neap_stream; /* a connection */
typedef struct neap_server neap_server; /* what listens for connections */

/* No limit, where a function takes a due time (uv_hrtime's clock). */
#define NEAP_NEVER UINT64_MAX

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
} neap_listen_options;

/*
 * Connects to host, a name or an IP address, by TCP, trying its addresses in
 * order; or to "unix:/path" (port is not looked at). Waits. Returns 0 and a
 * stream in *out, which the caller closes; or a negative code (that of the last
 * address) with nothing left open. options may be NULL.
 */
NEAP_API int neap_connect(neap_rt *rt, const char *host, uint16_t port,
                          neap_connect_options *options, neap_stream **out);

/*
 * Listens on host ("*": every address; a name is looked up) and port (0: any
 * free one), or on "unix:/path". Waits. Returns 0 and a server in *out, which
 * the caller closes; or a negative code. options may be NULL.
 */
NEAP_API int neap_listen(neap_rt *rt, const char *host, uint16_t port,
                         const neap_listen_options *options, neap_server **out);

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

/* Closes the stream, wakes who waits with UV_ECANCELED, and gives the caller's
   share of the memory up. Does not wait. NULL is harmless. */
NEAP_API void neap_stream_close(neap_stream *stream);

/* The same, and the peer sees a reset (RST) instead of an end. Does not
   wait. */
NEAP_API void neap_stream_reset(neap_stream *stream);

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

/* Seconds since 1970 and nanoseconds. */
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
 * Makes a file of len bytes at data (copied), or with append adds them to the
 * end. Waits. mode is what a new file may be used for, less the process's
 * umask. Returns 0 or a negative code, with what was written left as it is.
 */
NEAP_API int neap_fs_writefile(neap_rt *rt, const char *path, const void *data,
                               size_t len, int mode, bool append);

/* What path is; lstat: a symbolic link itself. Waits. Returns 0 or a negative
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
 * new file. Returns 0 and the file in *out, of which the caller holds a share;
 * or a negative code with nothing left open.
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
 * Between begin_write and end: adds bytes to the buffer. Does not wait. Returns
 * 0; UV_EBADF when the file is not open for writing; or UV_ENOMEM, and then
 * nothing of this operation will be written.
 */
NEAP_API int neap_file_append(neap_file *file, const void *bytes, size_t len);

/* Writes the buffer out if it is full or the buffering asks for it. Waits.
   Returns 0 or a negative code. */
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
