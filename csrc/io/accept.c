/*
 * accept.c: a server. Connections wait in the kernel's own queue: a task that
 * wants one takes it there itself, and waits for the socket to be readable
 * when there is none. So a wait that is called off has taken nothing, and what
 * a shortage of descriptors means is decided here: libuv's own listening would
 * drop the connections on EMFILE, and spin on ENOBUFS.
 */
#include "io/accept.h"

#include "io/pipe.h"
#include "io/tcp.h"

#include "core/waitq.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define MS ((uint64_t)1000 * 1000)

/* How long nobody tries to accept after the system ran out of something: twice
   as long each time in a row. */
#define PAUSE_FIRST (5 * MS)
#define PAUSE_MOST  (1000 * MS)

/* Connections that died before they were accepted: as many are passed over at
   once, then it counts as a shortage. */
#define DEAD_AT_ONCE 16

struct neap_server {
  struct neap_handle handle;
  uv_poll_t poll;
  int fd;
  int family;
  bool armed;
  struct neap_list waiters;
  uint64_t pause_ns;          /* the last pause; 0: none since a success */
  uint64_t until_ns;          /* until then nobody tries */
  struct neap_wrap *wrap;     /* what connections pass, or NULL */
  struct neap_pipe_file file; /* goes with it */
};

static struct neap_server *server_of(struct neap_handle *handle) {
  return NEAP_LIST_ENTRY(handle, struct neap_server, handle);
}

static void describe(const struct neap_handle *handle, char *out, size_t size) {
  const struct neap_server *server =
      NEAP_LIST_ENTRY(handle, struct neap_server, handle);
  neap_address address;
  if (neap__addr_of_fd(server->fd, false, &address) < 0)
    return;
  if (server->family == AF_UNIX)
    snprintf(out, size, "unix:%s", address.text);
  else
    snprintf(out, size, server->family == AF_INET6 ? "[%s]:%d" : "%s:%d",
             address.text, address.port);
}

static const struct neap_handle_kind kind = {.what = "server",
                                             .describe = describe};

/* --- its life ------------------------------------------------------------- */

static void end(struct neap_handle *handle) {
  struct neap_server *server = server_of(handle);
  neap__waitq_wake_all(&server->waiters, UV_ECANCELED);
  uv_close((uv_handle_t *)&server->poll, neap__handle_on_closed);
  neap__pipe_remove(&server->file);
  close(server->fd); /* libuv's polling has let go of it */
  if (server->wrap != NULL)
    server->wrap->free(server->wrap);
}

bool neap__accept_has(const struct neap_rt *rt, int fd) {
  if (rt->io == NULL)
    return false;
  const struct neap_list *head = &rt->io->handles;
  for (struct neap_list *at = head->next; at != head; at = at->next) {
    struct neap_handle *handle = NEAP_LIST_ENTRY(at, struct neap_handle, link);
    if (handle->kind == &kind && !handle->closed && server_of(handle)->fd == fd)
      return true;
  }
  return false;
}

int neap__accept_new(struct neap_rt *rt, int fd, int family,
                     const struct neap_pipe_file *file,
                     struct neap_server **out) {
  void *block;
  int err = neap__handle_new(rt, sizeof(struct neap_server), end, &block);
  if (err < 0)
    return err;
  struct neap_server *server = block;
  err = uv_poll_init(rt->loop, &server->poll, fd);
  if (err < 0) {
    neap__handle_unref(&server->handle);
    return err;
  }
  server->handle.kind = &kind;
  server->fd = fd;
  server->family = family;
  if (file != NULL)
    server->file = *file;
  neap__list_init(&server->waiters);
  neap__handle_opened_uv(&server->handle, (uv_handle_t *)&server->poll);
  *out = server;
  return 0;
}

int neap_server_address(neap_server *server, neap_address *out) {
  if (server->handle.closed)
    return UV_EBADF;
  return neap__addr_of_fd(server->fd, false, out);
}

int neap_server_fd(const neap_server *server) {
  return server->handle.closed ? UV_EBADF : server->fd;
}

bool neap_server_waited(const neap_server *server) {
  return !neap__list_empty(&server->waiters);
}

void neap_server_close(neap_server *server) {
  if (server == NULL)
    return;
  neap__handle_close(&server->handle);
  neap__handle_unref(&server->handle);
}

int neap__accept_wrap(neap_server *server, struct neap_wrap *wrap) {
  if (server->handle.closed)
    return UV_EBADF;
  if (server->wrap != NULL)
    server->wrap->free(server->wrap);
  server->wrap = wrap;
  return 0;
}

const struct neap_wrap *neap__accept_wrapped(const neap_server *server) {
  return server->handle.closed ? NULL : server->wrap;
}

/* --- accepting ------------------------------------------------------------ */

static void disarm(struct neap_server *server) {
  uv_poll_stop(&server->poll);
  server->armed = false;
}

/* Polling goes on while somebody waits, so that a busy server does not ask for
   it anew each time. */
static void on_poll(uv_poll_t *poll, int status, int events) {
  struct neap_server *server = poll->data;
  (void)events;
  if (status < 0)
    disarm(server);
  if (!neap__waitq_wake_one(&server->waiters, 0))
    disarm(server);
}

static int arm(struct neap_server *server) {
  if (server->armed)
    return 0;
  int err = uv_poll_start(&server->poll, UV_READABLE, on_poll);
  server->armed = err == 0;
  return err;
}

static void describe_waiter(const struct neap_op *op, char *out, size_t size) {
  const struct neap_server *server = neap__waitq_object(op);
  describe(&server->handle, out, size);
}

static const struct neap_op_kind accept_kind = {.what = "server:accept",
                                                .describe = describe_waiter};

/* Waits to be woken, until due_ns at most. UV_ECANCELED: the server was closed,
   and its memory may be gone. */
static int wait_turn(struct neap_server *server, uint64_t due_ns) {
  neap__handle_ref(&server->handle);
  int err = neap__waitq_wait_on(server->handle.rt, &server->waiters,
                                &accept_kind, server, due_ns, false);
  if (err == 0 && server->handle.closed)
    err = UV_ECANCELED;
  neap__handle_unref(&server->handle);
  return err;
}

/* Waits for a connection. */
static int wait_readable(struct neap_server *server, uint64_t due_ns) {
  int err = arm(server);
  return err < 0 ? err : wait_turn(server, due_ns);
}

/* Waits for the pause to end. */
static int sit_out(struct neap_server *server, uint64_t due_ns) {
  bool limited = due_ns < server->until_ns;
  int err = wait_turn(server, limited ? due_ns : server->until_ns);
  return err == UV_ETIMEDOUT && !limited ? 0 : err;
}

/* Begins a pause. All who wait look anew: they sit it out, each by itself. */
static void pause_all(struct neap_server *server) {
  uint64_t pause = server->pause_ns == 0 ? PAUSE_FIRST : 2 * server->pause_ns;
  server->pause_ns = pause < PAUSE_MOST ? pause : PAUSE_MOST;
  server->until_ns = neap_now(server->handle.rt) + server->pause_ns;
  if (server->armed)
    disarm(server);
  neap__waitq_wake_all(&server->waiters, 0);
}

enum outcome {
  TAKEN,  /* here is one */
  NONE,   /* there is none */
  DEAD,   /* there was one, which died before it was ours */
  SHORT,  /* the system has run out of something */
  BROKEN, /* the socket itself can't go on */
};

/* accept(2) on Linux passes pending network errors of the new socket on; they
   are that connection's, as those of a peer that has gone again. */
static enum outcome judge(int error) {
  switch (error) {
  case EAGAIN:
    return NONE;
  case EMFILE:
  case ENFILE:
  case ENOBUFS:
  case ENOMEM:
    return SHORT;
  case EINTR:
  case ECONNABORTED:
  case EPROTO:
  case EPERM: /* a firewall's rule */
  case ENETDOWN:
  case ENOPROTOOPT:
  case EHOSTDOWN:
  case ENONET:
  case EHOSTUNREACH:
  case EOPNOTSUPP:
  case ENETUNREACH:
    return DEAD;
  default:
    return BROKEN;
  }
}

/* Takes a connection off the kernel's queue: a descriptor, or a negative
   UV_E* and what it means. One that would be a handle too many stays there. */
static int take(struct neap_server *server, union neap_addr *remote,
                enum outcome *outcome) {
  int dead = 0, fd;
  if (neap__handle_full(server->handle.rt)) {
    *outcome = SHORT;
    return UV_EMFILE;
  }
  do {
    socklen_t len = sizeof *remote;
    fd = accept4(server->fd, &remote->any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    *outcome = fd >= 0 ? TAKEN : judge(errno);
  } while (*outcome == DEAD && ++dead < DEAD_AT_ONCE);
  if (fd >= 0)
    return fd;
  /* The system's lack of memory is not the process's. */
  return errno == ENOMEM ? UV_ENOBUFS : uv_translate_sys_error(errno);
}

static int open_plain(struct neap_server *server, int fd,
                      const union neap_addr *remote, neap_stream **out) {
  struct neap_rt *rt = server->handle.rt;
  if (server->family == AF_UNIX)
    return neap__pipe_open(rt, fd, out);
  int err = neap__tcp_open(rt, fd, remote, out);
  if (err == 0)
    neap_stream_nodelay(*out, true); /* as when connecting */
  return err;
}

static int open_stream(struct neap_server *server, int fd,
                       const union neap_addr *remote, neap_stream **out) {
  neap_stream *stream;
  server->pause_ns = server->until_ns = 0;
  int err = open_plain(server, fd, remote, &stream);
  if (err == 0 && server->wrap != NULL) {
    err = server->wrap->open(server->wrap, stream);
    if (err < 0)
      neap_stream_close(stream);
  }
  if (err == 0)
    *out = stream;
  return err;
}

/* After a try that brought nothing. Waits. Returns 0 to try again. */
static int go_on(struct neap_server *server, enum outcome outcome, int err,
                 uint64_t due_ns) {
  bool first = server->pause_ns == 0;
  switch (outcome) {
  case NONE:
    return wait_readable(server, due_ns);
  case DEAD:
  case SHORT:
    pause_all(server);
    return first && outcome == SHORT ? err : 0;
  default:
    return err;
  }
}

static bool pausing(const struct neap_server *server) {
  return server->until_ns != 0 &&
         neap_now(server->handle.rt) < server->until_ns;
}

int neap_accept(neap_server *server, uint64_t due_ns, neap_stream **out) {
  enum outcome outcome;
  union neap_addr remote;
  int err = neap__handle_begin(&server->handle);
  if (err < 0)
    return err;
  /* First come, first served: not before those who wait already. */
  bool behind = !neap__list_empty(&server->waiters);
  while (err == 0) {
    if (pausing(server)) {
      err = sit_out(server, due_ns);
    } else if (behind) {
      behind = false;
      err = wait_readable(server, due_ns);
    } else {
      int fd = take(server, &remote, &outcome);
      if (outcome == TAKEN)
        return open_stream(server, fd, &remote, out);
      err = go_on(server, outcome, fd, due_ns);
    }
  }
  return err;
}
