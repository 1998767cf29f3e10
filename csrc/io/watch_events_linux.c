/*
 * watch_events_linux.c: events from inotify(7). A recursive watch has an
 * inotify descriptor of its own: while a new folder is looked through, its
 * events stay in the kernel. All others share one, since a user may have only
 * so many (128 by default).
 */
#include "io/fd.h"
#include "io/job.h"
#include "io/watch_look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define MASK                                                                   \
  (IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM |             \
   IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK)

/* What one read brings, and how many reads before others have their turn. */
#define BUFFER ((size_t)64 * 1024)
#define READS  8

/* How long the second half of a rename may be behind the first: the kernel
   queues them one after the other, but not at once. */
#define HALF_MS 10

struct neap_watch_events {
  struct neap_handle handle;
  struct neap_watch_tree tree;
  uv_poll_t poll;
  uv_timer_t timer; /* for the second half of a rename */
  int fd;
  uint32_t nusers; /* watches, and those being opened */
  bool ending, shut;
  size_t at, len; /* of the buffer: what was read and not told yet */
  char *buffer;
};

static struct neap_watch_events *events_of(struct neap_handle *handle) {
  return NEAP_LIST_ENTRY(handle, struct neap_watch_events, handle);
}

static struct neap_watch_events *events_of_tree(struct neap_watch_tree *tree) {
  return NEAP_LIST_ENTRY(tree, struct neap_watch_events, tree);
}

/* --- the kernel's side ---------------------------------------------- */

/* By the descriptor: neither a swap on the way nor a long path matters. The
   kernel gives it a path for that in /proc. */
static int add(int fd, int dirfd) {
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", dirfd);
  int wd = inotify_add_watch(fd, path, MASK);
  return wd < 0 ? uv_translate_sys_error(errno) : wd;
}

static void remove_wd(int fd, int wd) {
  inotify_rm_watch(fd, wd); /* EINVAL: it has gone with its folder */
}

static const char *limit_of(int err) {
  switch (err) {
  case UV_ENOSPC:
    return "fs.inotify.max_user_watches";
  case UV_EMFILE:
    return "open files of the process (ulimit -n)";
  case UV_ENFILE:
    return "open files of the system (fs.file-max)";
  default:
    return NULL;
  }
}

/* A new inotify descriptor. EMFILE has two reasons: whether it is the process's
   own limit, another descriptor shows. */
static int new_fd(const char **limit) {
  int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (fd >= 0)
    return fd;
  int err = uv_translate_sys_error(errno);
  *limit = limit_of(err);
  int other = err == UV_EMFILE ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : -1;
  if (err == UV_EMFILE && (other >= 0 || errno != EMFILE))
    *limit = "fs.inotify.max_user_instances";
  if (other >= 0)
    close(other);
  return err;
}

/* --- the end -------------------------------------------------------- */

static void on_poll_closed(uv_handle_t *uv) {
  struct neap_watch_events *events = uv->data;
  events->handle.rt->uv_handles--;
  uv_close((uv_handle_t *)&events->timer, neap__handle_on_closed);
}

/* The watches that are left (at the runtime's end) lose their source. */
static void let_go_of_all(struct neap_watch_tree *tree) {
  for (uint32_t i = 0; i < tree->nodes.nbuckets; i++) {
    struct neap_watch_node *node;
    while ((node = tree->nodes.buckets[i]) != NULL) {
      while (node->parent != NULL)
        node = node->parent;
      struct neap_watch *watch = node->watch;
      neap__watch_tree_end(tree, watch);
      watch->source = NULL;
    }
  }
}

/* Nobody looks through a folder any more. */
static void shut(struct neap_watch_events *events) {
  if (events->shut)
    return;
  events->shut = true;
  let_go_of_all(&events->tree);
  neap__watch_tree_deinit(&events->tree);
  neap__mem_free(&events->handle.rt->mem, events->buffer, BUFFER);
  uv_close((uv_handle_t *)&events->poll, on_poll_closed);
  close(events->fd); /* libuv's polling has let go of it */
}

static void on_end(struct neap_handle *handle) {
  struct neap_watch_events *events = events_of(handle);
  struct neap_io *io = handle->rt->io;
  if (io->watch_events == events)
    io->watch_events = NULL;
  events->ending = events->tree.ended = true;
  uv_poll_stop(&events->poll);
  uv_timer_stop(&events->timer);
  if (events->tree.nscans == 0)
    shut(events);
}

/* One user less. */
static void give_up(struct neap_watch_events *events) {
  if (--events->nusers == 0) {
    neap__handle_close(&events->handle);
    neap__handle_unref(&events->handle);
  }
}

static void end_watch(struct neap_watch *watch) {
  struct neap_watch_events *events = watch->state;
  neap__watch_tree_end(&events->tree, watch);
  give_up(events);
}

static const struct neap_watch_source source = {.end = end_watch};

/* --- events --------------------------------------------------------- */

static void tell(struct neap_watch_tree *tree,
                 const struct inotify_event *event) {
  bool is_folder = (event->mask & IN_ISDIR) != 0;
  int wd = event->wd;
  if ((event->mask & IN_Q_OVERFLOW) != 0)
    neap__watch_tree_lost(tree);
  else if ((event->mask & IN_IGNORED) != 0)
    neap__watch_tree_forget(tree, wd);
  else if ((event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) != 0)
    neap__watch_tree_gone(tree, wd);
  else if (event->len == 0)
    return; /* the folder's own attributes: the folder around it tells them */
  else if ((event->mask & IN_MOVED_FROM) != 0)
    neap__watch_tree_moved_from(tree, wd, event->name, event->cookie);
  else if ((event->mask & IN_MOVED_TO) != 0)
    neap__watch_tree_moved_to(tree, wd, event->name, is_folder, event->cookie);
  else if ((event->mask & IN_CREATE) != 0)
    neap__watch_tree_created(tree, wd, event->name, is_folder);
  else if ((event->mask & IN_DELETE) != 0)
    neap__watch_tree_removed(tree, wd, event->name);
  else if ((event->mask & (IN_MODIFY | IN_ATTRIB)) != 0)
    neap__watch_tree_changed(tree, wd, event->name);
}

/* Tells what was read, until the tree is busy. */
static void tell_all(struct neap_watch_events *events) {
  while (events->at < events->len && !events->ending &&
         !neap__watch_tree_is_busy(&events->tree)) {
    const struct inotify_event *event =
        (const void *)(events->buffer + events->at);
    events->at += sizeof *event + event->len;
    tell(&events->tree, event);
  }
}

/* Whole events, or 0: none, or a failure that the next one tells. Not by
   neap__fd_read, which may ask for less than one event takes. */
static size_t read_events(const struct neap_watch_events *events) {
  ssize_t n;
  do {
    n = read(events->fd, events->buffer, BUFFER);
  } while (n < 0 && errno == EINTR);
  return n > 0 ? (size_t)n : 0;
}

/* Reads more. False: there is nothing more now. */
static bool read_more(struct neap_watch_events *events) {
  events->at = 0;
  events->len = read_events(events);
  return events->len > 0;
}

static void on_timer(uv_timer_t *uv) {
  struct neap_watch_events *events = uv->data;
  neap__watch_tree_settle(&events->tree);
}

static void on_readable(uv_poll_t *uv, int status, int mask);

/* Reads and tells. When the tree is busy polling stops, and goes on when it is
   idle. */
static void pump(struct neap_watch_events *events) {
  bool more = true;
  for (int i = 0; more && i < READS; i++) {
    tell_all(events);
    if (events->ending)
      return;
    if (neap__watch_tree_is_busy(&events->tree)) {
      uv_poll_stop(&events->poll);
      return;
    }
    more = read_more(events);
  }
  tell_all(events);
  if (events->ending)
    return;
  if (!more)
    neap__watch_tree_drained(&events->tree);
  if (events->tree.half.name != NULL)
    uv_timer_start(&events->timer, on_timer, HALF_MS, 0);
  if (neap__watch_tree_is_busy(&events->tree))
    uv_poll_stop(&events->poll);
  else
    uv_poll_start(&events->poll, UV_READABLE, on_readable);
}

static void on_readable(uv_poll_t *uv, int status, int mask) {
  (void)status; /* reading tells */
  (void)mask;
  pump(uv->data);
}

static void on_idle(struct neap_watch_tree *tree) {
  struct neap_watch_events *events = events_of_tree(tree);
  if (!events->ending)
    pump(events);
  else
    shut(events);
}

/* --- the beginning -------------------------------------------------- */

static int open_events(struct neap_rt *rt, struct neap_watch_events **out,
                       const char **limit) {
  void *block;
  int err =
      neap__handle_new(rt, sizeof(struct neap_watch_events), on_end, &block);
  if (err < 0)
    return err;
  struct neap_watch_events *events = block;
  events->buffer = neap__mem_alloc(&rt->mem, BUFFER);
  events->fd = events->buffer != NULL ? new_fd(limit) : UV_ENOMEM;
  err = events->fd < 0 ? events->fd
                       : uv_poll_init(rt->loop, &events->poll, events->fd);
  if (err < 0) {
    if (events->fd >= 0)
      close(events->fd);
    neap__mem_free(&rt->mem, events->buffer, BUFFER);
    neap__handle_unref(&events->handle);
    return err;
  }
  uv_timer_init(rt->loop, &events->timer);
  events->poll.data = events;
  rt->uv_handles++;
  neap__handle_opened_uv(&events->handle, (uv_handle_t *)&events->timer);
  neap__watch_tree_init(&events->tree, rt);
  events->tree.fd = events->fd;
  events->tree.add = add;
  events->tree.remove = remove_wd;
  events->tree.limit = limit_of;
  events->tree.on_idle = on_idle;
  *out = events;
  return 0;
}

/* The one for this watch: its own, or the one that others share. */
static int find_events(const struct neap_watch *watch,
                       struct neap_watch_events **out, const char **limit) {
  struct neap_rt *rt = watch->handle.rt;
  struct neap_watch_events *events = rt->io->watch_events;
  if (watch->recursive || events == NULL) {
    int err = open_events(rt, &events, limit);
    if (err < 0)
      return err;
    if (!watch->recursive)
      rt->io->watch_events = events;
  }
  events->nusers++;
  *out = events;
  return 0;
}

/* Puts the path under watch, which is the folder around it if it is none. */
static int begin(struct neap_watch *watch, struct neap_watch_events *events) {
  struct neap_rt *rt = watch->handle.rt;
  neap_blob real;
  int err = neap__watch_look_first(&events->tree, watch, watch->root);
  if (err != UV_ENOTDIR)
    return err;
  err = neap_fs_realpath(rt, watch->root, &real);
  if (err < 0)
    return err;
  char *slash = strrchr(real.base, '/');
  size_t size = strlen(slash);
  watch->recursive = false;
  watch->only = neap__mem_alloc(&rt->mem, size);
  if (watch->only == NULL) {
    neap_fs_free_blob(&real);
    return UV_ENOMEM;
  }
  memcpy(watch->only, slash + 1, size);
  slash[slash == real.base] = '\0';
  err = neap__watch_look_first(&events->tree, watch, real.base);
  neap_fs_free_blob(&real);
  return err;
}

int neap__watch_events_begin(struct neap_watch *watch, const char **limit) {
  struct neap_watch_events *events;
  int err = find_events(watch, &events, limit);
  if (err < 0)
    return err;
  neap__handle_ref(&events->handle);
  err = begin(watch, events);
  if (err == 0 && events->ending)
    err = UV_ECANCELED;
  if (err < 0) {
    *limit = *limit == NULL ? limit_of(err) : *limit;
    if (!events->shut)
      neap__watch_tree_end(&events->tree, watch);
    give_up(events);
  } else {
    watch->source = &source;
    watch->state = events;
  }
  /* It may have been ended while we waited. */
  if (events->ending && events->tree.nscans == 0)
    shut(events);
  else if (err == 0)
    pump(events);
  neap__handle_unref(&events->handle);
  return err;
}
