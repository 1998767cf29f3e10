/*
 * file.h: an open file, for the files that make it up: file.c (its life, whose
 * turn it is), file_wait.c (what its owner waits for), file_open.c,
 * file_std.c, file_read.c, file_write.c, file_behind.c (writing while the
 * script goes on), file_at.c (places in it), file_attr.c (what it is) and
 * file_lock.c. It is
 * buffered as stdio is: bytes that were read ahead, or bytes that are still to
 * be written.
 *
 * Regular files are always "ready" and may be slow, so what does not come from
 * the kernel's caches is done in the thread pool; FIFOs, terminals and sockets
 * may never be ready, so they are polled and never reach the pool.
 */
#ifndef NEAP_IO_FILE_H
#define NEAP_IO_FILE_H

#include "io/fd.h"
#include "io/gather.h"
#include "io/handle.h"
#include "io/inbuf.h"
#include "io/job.h"

/* Owner of a file whose turn was handed on, or left to a job in the pool. */
#define NEAP_FILE_HELD UINT64_MAX

/* Bytes that are gathered before they go out. Fewer cost a hop to the pool more
   often, more don't make a disk faster. */
#define NEAP_FILE_OUT (4 * NEAP_IO_SCRATCH)

enum neap_file_state {
  NEAP_FILE_OPEN,
  NEAP_FILE_CLOSING, /* neap_file_close is under way and will shut it */
  NEAP_FILE_ENDING,  /* to be shut as soon as nothing uses it */
  NEAP_FILE_SHUT
};

/* A description that other processes have as well, so that it must not be made
   non-blocking. */
enum neap_file_shared {
  NEAP_FILE_OWN,    /* or a regular file, where it makes no difference */
  NEAP_FILE_SOCKET, /* each call says that it doesn't want to wait */
  NEAP_FILE_POOLED  /* calls are left to the pool when it is ready */
};

struct neap_file {
  struct neap_handle handle;

  /* Whose operation is under way: a task's id, NEAP_FILE_HELD, or 0. */
  uint64_t owner;
  struct neap_list waiters; /* ops of those who wait for their turn */
  struct neap_list lockers; /* and for a lock, between two tries */
  struct neap_op *closer;   /* that of neap_file_close, whose turn is next */
  struct neap_op *op;       /* what the owner waits for, or NULL */
  bool in_pool;             /* a job uses fd and a buffer */

  int fd;
  uint8_t state, kind; /* enum neap_file_state, enum neap_fd_kind */
  bool readable, writable;
  bool no_fast;   /* its file system has no non-blocking reads */
  bool wrote;     /* closing it may bring a late failure */
  uint8_t std;    /* file_std.c: 1 + the standard descriptor that it is, or 0 */
  uint8_t shared; /* enum neap_file_shared */
  int shut_err;   /* how the last flush and the closing went */

  struct neap_inbuf in, out; /* read ahead; to be written */
  size_t marked;             /* out.len when the operation began */
  size_t out_size;
  size_t fill;       /* the least that the next read ahead asks for */
  size_t quick_left; /* of what this operation may read without the pool */
  uint8_t buffering; /* neap_file_buffering */
  bool gathers; /* nobody has chosen out_size: full buffers go out behind */

  /* file_behind.c: the job that writes `spare` out while the script goes on, or
     NULL; who waits for its end; how the last one failed, for the next call. */
  struct neap_job *behind;
  struct neap_inbuf spare;
  struct neap_op *settler;
  int behind_err;

  uint64_t lock;       /* file_lock.c: the number of the lock it holds, or 0 */
  uint64_t locks_made; /* the last number given */

  char *temporary; /* fs_temp.c: the name that goes with it, or NULL */

  bool has_poll; /* poll was initialised */
  uv_poll_t poll;
};

/* A file that is not open yet; the caller holds a share. Returns 0 or
   UV_ENOMEM. */
int neap__file_new(struct neap_rt *rt, struct neap_file **out);

/*
 * Makes an open file of fd, which was opened non-blocking with flags. Does not
 * wait. Takes fd over: it is closed on failure. Returns 0 or a negative code.
 */
int neap__file_adopt(struct neap_rt *rt, int fd, int flags,
                     enum neap_fd_kind kind, struct neap_file **out);

/* Whether the current task's operation is under way. */
bool neap__file_is_mine(const struct neap_file *file);

/* Waits for the file's turn. Waits. Returns 0, and neap_file_end ends it; or a
   negative code. */
int neap__file_claim(struct neap_file *file);

/* The same, not cancellable, for what ends something. */
int neap__file_claim_shielded(struct neap_file *file);

/* Makes the current task the owner of a file that nobody has. Does not wait. */
void neap__file_take(struct neap_file *file);

/* The turn of whoever had it is over: it is the next one's. */
void neap__file_release(struct neap_file *file);

/*
 * Waits until a polled file is ready for UV_READABLE or UV_WRITABLE. Waits;
 * not cancellable when shielded. Returns 0 or a negative code. Where polling
 * is impossible the file is one for the pool from now on.
 */
int neap__file_wait_ready(struct neap_file *file, int events, bool shielded);

/* --- file_wait.c ---------------------------------------------------- */

/*
 * A call on the file's descriptor, in the pool: what it needs and what it
 * brings. Copied into the job, and back at its end; when the wait was called
 * off it is the job's alone, and the waiter's is cleared.
 */
struct neap_file_call {
  int (*fn)(struct neap_file_call *call); /* 0 or more, or a negative code */
  /* Frees what it brought to nobody; NULL: nothing. */
  void (*drop)(struct neap_file_call *call);
  int fd;      /* set by neap__file_run */
  bool fills;  /* a late result is the count of bytes read into file->in */
  bool learns; /* the file's mount as well */
  struct neap_mount mount;
  int64_t at;  /* a place in the file, or a length */
  size_t n;    /* of bytes */
  char *bytes; /* in one of the file's buffers, or the waiter's */
  union {
    struct neap_gather gather;
    neap_fs_info info;
    struct timespec times[2];
    int mode;
  };
};

/*
 * Runs the call for the file's owner. Waits. Returns its result; *ran is false
 * when it was never begun or the wait was called off. In the latter case the
 * call keeps the turn until the pool is done with it.
 */
int neap__file_wait_call(struct neap_file *file, const char *what,
                         enum neap_job_effect effect,
                         struct neap_file_call *call, bool *ran);

/*
 * Waits until a polled file is ready for UV_READABLE or UV_WRITABLE. Waits;
 * not cancellable when shielded. Returns 0 or a negative code. Where polling
 * is impossible the file is one for the pool from now on.
 */
int neap__file_wait_ready(struct neap_file *file, int events, bool shielded);

/* An op with room for the file, whose wait `cancel` calls off; for waits that
   neap_file_close ends, it goes into file->op. Returns 0 or UV_ENOMEM. */
int neap__file_wait_new(struct neap_file *file, const char *what,
                        enum neap_op_fate (*cancel)(struct neap_op *),
                        struct neap_op **out);

/* The file of such an op. */
struct neap_file *neap__file_wait_file(struct neap_op *op);

/* A cancel hook: the wait goes on. */
enum neap_op_fate neap__file_wait_stays(struct neap_op *op);

/* --- file_write.c, file_behind.c ------------------------------------ */

/* Writes what is buffered out. Waits. Returns 0 or a negative code: the bytes
   are dropped then, but on a cancel they stay. */
int neap__file_write_out(struct neap_file *file, bool shielded);

/* Forgets what is buffered; a block of the usual size stays. */
void neap__file_write_clear(struct neap_file *file);

/* Hands the full buffer to the pool; nobody waits. Nothing is being written
   behind. Does not wait. Returns 0 or a negative code with nothing done. */
int neap__file_behind_start(struct neap_file *file);

/*
 * Waits until nothing is written behind any more. Waits; not cancellable when
 * shielded. Returns 0, the code that ended the wait, or how it failed: then
 * what is buffered is dropped, as it would go to the wrong place.
 */
int neap__file_behind_settle(struct neap_file *file, bool shielded);

/* The same where nobody may wait: what the pool has not begun is written here,
   what it has is waited for, blocking. */
int neap__file_behind_stop(struct neap_file *file);

/* --- file_at.c ------------------------------------------------------ */

/* Forgets what was read ahead: the descriptor goes back to where the reader
   stands. Returns 0, UV_ESPIPE where there is no going back. */
int neap__file_at_reader(struct neap_file *file);

/* --- file_std.c ----------------------------------------------------- */

/* What can be had, or written, at once, of a file that is polled; UV_EAGAIN
   else. */
int64_t neap__file_std_read(const struct neap_file *file, char *bytes,
                            size_t n);
int64_t neap__file_std_write(const struct neap_file *file, const char *bytes,
                             size_t n);

/* Whether nobody will write to a FIFO any more that is at its end now. */
bool neap__file_std_hung_up(const struct neap_file *file);

/* As neap__file_wait_ready, of a shared description. */
int neap__file_std_wait(struct neap_file *file, int events, bool shielded);

/* Bytes that a FIFO or a terminal which is ready takes without waiting. */
#define NEAP_FILE_PIECE ((size_t)4096)

#endif
