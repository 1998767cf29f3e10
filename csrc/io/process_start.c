/*
 * process_start.c: what a child is started with. Its descriptors are made or
 * copied first, as copies that are ours to close; what can wait, writing out
 * a file, comes before anything else is open.
 */
#include "io/process.h"

#include "core/sched.h"
#include "io/file.h"
#include "io/pipe.h"
#include "io/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

extern char **environ;

/* What is being started. */
struct start {
  neap_process_options *options;
  int child[3]; /* what it gets, ours to close; -1: what we have */
  int ours[3];  /* our ends of pipes, or -1 */
};

static int last_error(void) {
  return uv_translate_sys_error(errno);
}

static void close_all(int *fds) {
  for (int i = 0; i < 3; i++) {
    if (fds[i] >= 0)
      neap__fd_close(fds[i]);
    fds[i] = -1;
  }
}

/* A copy that a child can be given, at most for a moment in the way. */
static int copy_of(int fd) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  return copy < 0 ? last_error() : copy;
}

static int set_nonblocking(int fd, bool on) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0)
    return last_error();
  int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  return wanted == flags || fcntl(fd, F_SETFL, wanted) == 0 ? 0 : last_error();
}

/* --- files ------------------------------------------------------------ */

/*
 * Brings the descriptor to where the file's reader or writer stands, and copies
 * it. A FIFO or a terminal is non-blocking here, which a child does not expect:
 * it gets one of its own, opened anew. Waits.
 */
static int copy_of_file(neap_file *file) {
  int64_t at = neap_file_seek(file, 0, SEEK_CUR);
  if (at >= 0)
    at = neap_file_seek(file, at, SEEK_SET);
  if (at < 0 && at != UV_ESPIPE)
    return (int)at;
  int flags = fcntl(file->fd, F_GETFL);
  if (flags < 0)
    return last_error();
  if ((flags & O_NONBLOCK) == 0 || file->kind == NEAP_FD_REGULAR)
    return copy_of(file->fd);
  return neap__fd_again(file->fd, true);
}

/* The child's end of what is given; done before anything else. Waits. */
static int copy_files(struct start *start) {
  for (int i = 0; i < 3; i++) {
    const neap_stdio *io = &start->options->stdio[i];
    if (io->kind != NEAP_STDIO_FILE)
      continue;
    start->child[i] = neap__spawn_aside(copy_of_file(io->file));
    if (start->child[i] < 0)
      return start->child[i];
  }
  return 0;
}

/* --- connections ------------------------------------------------------ */

/* One that is to be the child's: nobody uses it, and nothing was read off it
   that the child would miss. */
static int copy_of_stream(const struct neap_stream *s) {
  uv_os_fd_t fd;
  if (s->handle.closed)
    return UV_EBADF;
  if (s->filter != NULL)
    return UV_ENOTSUP; /* a child does not speak TLS by itself */
  if (neap_stream_waited(s) || neap_stream_buffered(s) > 0)
    return UV_EBUSY;
  int err = uv_fileno(&s->uv.handle, &fd);
  if (err == 0)
    err = copy_of(fd);
  if (err < 0)
    return err;
  int copy = err;
  err = set_nonblocking(copy, false);
  if (err < 0)
    neap__fd_close(copy);
  return err < 0 ? err : copy;
}

/* They are the child's now, or ours again. */
static void settle_streams(struct start *start, bool started) {
  for (int i = 0; i < 3; i++) {
    const neap_stdio *io = &start->options->stdio[i];
    if (io->kind != NEAP_STDIO_STREAM)
      continue;
    if (started)
      neap__handle_close(&io->stream->handle);
    else if (start->child[i] >= 0)
      set_nonblocking(start->child[i], true);
  }
}

/* --- the rest --------------------------------------------------------- */

static int open_null(void) {
  return neap__spawn_aside(neap__fd_open("/dev/null", O_RDWR, 0));
}

static int open_pipe(struct start *start, int i) {
  int fds[2];
  int err = neap__spawn_pipe(fds);
  if (err < 0)
    return err;
  start->child[i] = fds[i != 0];
  start->ours[i] = fds[i == 0];
  return 0;
}

static int open_one(struct start *start, int i) {
  const neap_stdio *io = &start->options->stdio[i];
  int fd = -1;
  switch (io->kind) {
  case NEAP_STDIO_PIPE:
  case NEAP_STDIO_BUFFERED:
    return open_pipe(start, i);
  case NEAP_STDIO_NULL:
    fd = open_null();
    break;
  case NEAP_STDIO_FD:
    fd = copy_of(io->fd);
    break;
  case NEAP_STDIO_STREAM:
    fd = copy_of_stream(io->stream);
    break;
  default: /* inherited; files are there already */
    return 0;
  }
  start->child[i] = fd < 0 ? -1 : fd;
  return fd < 0 ? fd : 0;
}

static int open_rest(struct start *start) {
  int err = 0;
  for (int i = 0; err == 0 && i < 3; i++)
    err = open_one(start, i);
  return err;
}

/* One that shares our terminal as its stdin stays in our group: it could not
   read from it elsewhere. */
static bool shares_terminal(const neap_process_options *options) {
  return options->stdio[0].kind == NEAP_STDIO_INHERIT && isatty(0);
}

static int run_program(struct start *start, struct neap_process *p) {
  neap_process_options *o = start->options;
  struct neap_spawn how = {
      .file = o->file != NULL ? o->file : o->argv[0],
      .argv = o->argv,
      .envp = o->envp != NULL ? o->envp : environ,
      .cwd = o->cwd,
      .fds = {start->child[0], start->child[1], start->child[2]},
      .own_group = o->detached || !shares_terminal(o),
      .own_session = o->detached,
      .has_uid = o->has_uid,
      .has_gid = o->has_gid,
      .uid = o->uid,
      .gid = o->gid};
  static const neap_process_step steps[] = {
      NEAP_PROCESS_SYSTEM, NEAP_PROCESS_STDIO, NEAP_PROCESS_CWD,
      NEAP_PROCESS_USER, NEAP_PROCESS_PROGRAM};
  enum neap_spawn_step failed;
  pid_t pid;
  int err = neap__spawn_start(&how, &pid, &failed);
  if (err < 0) {
    o->failed = steps[failed];
    return err;
  }
  p->own_group = how.own_group;
  p->detached = o->detached;
  p->grace_ns = o->grace_ns;
  neap__process_started(p, pid);
  return 0;
}

static int start_new(struct neap_rt *rt, struct start *start,
                     struct neap_process **out) {
  struct neap_process *p;
  start->options->failed = NEAP_PROCESS_STDIO;
  int err = copy_files(start);
  if (err == 0)
    err = open_rest(start);
  if (err < 0)
    return err;
  start->options->failed = NEAP_PROCESS_SYSTEM;
  err = rt->closing ? NEAP_CLOSING : neap__process_new(rt, &p);
  if (err < 0)
    return err;
  err = run_program(start, p);
  if (err < 0) {
    neap__process_failed(p);
    return err;
  }
  *out = p;
  return 0;
}

/* What is given may be closed by others while a file is written out. */
static void share(const neap_process_options *options, bool on) {
  for (int i = 0; i < 3; i++) {
    const neap_stdio *io = &options->stdio[i];
    struct neap_handle *handle = NULL;
    if (io->kind == NEAP_STDIO_FILE)
      handle = &io->file->handle;
    else if (io->kind == NEAP_STDIO_STREAM)
      handle = &io->stream->handle;
    if (handle != NULL && on)
      neap__handle_ref(handle);
    else if (handle != NULL)
      neap__handle_unref(handle);
  }
}

int neap__process_start(struct neap_rt *rt, neap_process_options *options,
                        int *ends, struct neap_process **out) {
  struct start start = {
      .options = options, .child = {-1, -1, -1}, .ours = {-1, -1, -1}};
  int err = neap__handle_enter(rt);
  if (err < 0)
    return err;
  share(options, true);
  err = start_new(rt, &start, out);
  settle_streams(&start, err == 0);
  share(options, false);
  close_all(start.child);
  if (err < 0)
    close_all(start.ours);
  for (int i = 0; i < 3; i++)
    ends[i] = start.ours[i];
  return err;
}

/* Our end of a pipe. Takes fd over. */
static int wrap(struct neap_rt *rt, neap_process_options *options, int i,
                int fd) {
  if (options->stdio[i].kind == NEAP_STDIO_PIPE)
    return neap__pipe_open(rt, fd, &options->pipes[i]);
  int err = set_nonblocking(fd, true);
  if (err < 0) {
    neap__fd_close(fd);
    return err;
  }
  return neap__file_adopt(rt, fd, i == 0 ? O_WRONLY : O_RDONLY, NEAP_FD_FIFO,
                          &options->files[i]);
}

static int wrap_ends(struct neap_rt *rt, neap_process_options *options,
                     const int *ends) {
  int err = 0;
  for (int i = 0; i < 3; i++) {
    options->pipes[i] = NULL;
    options->files[i] = NULL;
    if (ends[i] >= 0 && err == 0)
      err = wrap(rt, options, i, ends[i]);
    else if (ends[i] >= 0)
      neap__fd_close(ends[i]);
  }
  return err;
}

int neap_process_spawn(neap_rt *rt, neap_process_options *options,
                       neap_process **out) {
  int ends[3];
  struct neap_process *p;
  int err = neap__process_start(rt, options, ends, &p);
  if (err < 0)
    return err;
  err = wrap_ends(rt, options, ends);
  if (err < 0) { /* no memory for a pipe's handle */
    for (int i = 0; i < 3; i++) {
      neap_stream_close(options->pipes[i]);
      neap_file_free(options->files[i]);
    }
    neap_process_free(p);
    options->failed = NEAP_PROCESS_SYSTEM;
    return err;
  }
  *out = p;
  return 0;
}
