/*
 * test_nomem.c: every allocation of a host's run fails in turn, by the host's
 * own allocator and by the pool above it: a clean error each time, nothing
 * left, and the runtime goes on or can be freed. No Lua.
 */
#include "core/rt.h"

#include "test_rt.h"

#include <fcntl.h>
#include <uv.h>

#pragma GCC diagnostic ignored "-Wframe-larger-than="

/* The host's allocator: counts, and fails the fail_at-th time, or from then
   on. */
struct heap {
  size_t used;
  long calls, fail_at;
  bool fail_on;
};

static void *host_alloc(void *ud, void *ptr, size_t old_size, size_t new_size) {
  struct heap *heap = ud;
  if (new_size > 0) {
    heap->calls++;
    if (heap->calls == heap->fail_at ||
        (heap->fail_on && heap->fail_at > 0 && heap->calls > heap->fail_at))
      return NULL;
  }
  void *block = neap__mem_libc(NULL, ptr, old_size, new_size);
  if (new_size == 0 || block != NULL)
    heap->used = heap->used - old_size + new_size;
  return block;
}

/* --- what a host does: each step may fail, and what it holds is given back */

/* Codes that a lack of memory may end in. A peer whose task has failed is
   another one's end of the connection. */
static bool is_clean(int err) {
  switch (err) {
  case UV_ENOMEM:
  case UV_ENOBUFS:
  case UV_ECANCELED:
  case UV_ECONNRESET:
  case UV_ECONNREFUSED:
  case UV_EPIPE:
  case NEAP_CANCELLED:
    return true;
  default:
    return err >= 0;
  }
}

static int serve_one(neap_rt *rt, void *arg) {
  neap_stream *stream;
  int err = neap_accept(arg, NEAP_NEVER, &stream);
  if (err < 0)
    return err;
  char bytes[64];
  int64_t n = neap_stream_recv(stream, bytes, sizeof bytes);
  err = n > 0 ? neap_stream_send(stream, bytes, (size_t)n) : (int)n;
  neap_stream_close(stream);
  (void)rt;
  return err;
}

static int ask(neap_rt *rt, uint16_t port) {
  neap_stream *stream;
  char bytes[4];
  int err = neap_tcp_connect(rt, "127.0.0.1", port, NEAP_NEVER, &stream);
  if (err < 0)
    return err;
  err = neap_stream_send(stream, "ping", 4);
  if (err == 0) {
    int64_t n = neap_stream_recv(stream, bytes, sizeof bytes);
    err = n < 0 ? (int)n : 0;
  }
  neap_stream_close(stream);
  return err;
}

static int use_network(neap_rt *rt, void *arg) {
  neap_scope *scope;
  neap_server *server;
  neap_address address;
  (void)arg;
  int err = neap_scope_open(rt, NEAP_NEVER, &scope);
  if (err < 0)
    return err;
  err = neap_tcp_listen(rt, "127.0.0.1", 0, NULL, &server);
  if (err < 0)
    return neap_scope_close(scope, err);
  err = neap_server_address(server, &address);
  if (err == 0)
    err = neap_scope_spawn(scope, serve_one, server, NULL, NULL);
  if (err == 0)
    err = ask(rt, (uint16_t)address.port);
  err = neap_scope_close(scope, err);
  neap_server_close(server);
  return err;
}

static int use_files(neap_rt *rt, void *arg) {
  neap_blob dir, bytes;
  char path[256];
  (void)arg;
  int err = neap_fs_tempdir(rt, &dir);
  if (err < 0)
    return err;
  snprintf(path, sizeof path, "%s/file", dir.base);
  err = neap_fs_writefile(rt, path, "text", 4, 0600, false);
  if (err == 0)
    err = neap_fs_readfile(rt, path, 100, &bytes);
  if (err == 0)
    neap_fs_free_blob(&bytes);
  neap_file *file;
  if (err == 0)
    err = neap_file_open(rt, path, O_RDWR, 0, &file);
  if (err == 0) {
    err = neap_file_write(file, "more", 4);
    int closed = neap_file_close(file);
    err = err < 0 ? err : closed;
    neap_file_free(file);
  }
  CHECK(neap_fs_remove_blocking(dir.base) == 0);
  neap_fs_free_blob(&dir);
  return err;
}

static int in_pool(void *arg) {
  return *(int *)arg;
}

static int use_waits(neap_rt *rt, void *arg) {
  static const char key;
  neap_shield *shield;
  neap_wait *wait;
  int seven = 7;
  (void)arg;
  int err = neap_context_set(rt, &key, &seven);
  if (err == 0)
    err = neap_wait_new(rt, 100, &wait);
  if (err < 0)
    return err;
  neap_wake_post(wait, 0);
  err = neap_park_until(wait, NEAP_NEVER - 1);
  neap_wait_free(wait);
  if (err == 0)
    err = neap_shield_open(rt, &shield);
  if (err < 0)
    return err;
  err = neap_sleep(rt, 1000);
  neap_shield_close(shield);
  if (err == 0)
    err = neap_offload(rt, in_pool, NULL, &seven);
  return err;
}

static int use_processes(neap_rt *rt, void *arg) {
  char *argv[] = {"cat", NULL};
  neap_process_options options = {.size = sizeof options, .argv = argv};
  neap_run_options how = {.size = sizeof how, .input = {"text", 4}};
  neap_output *output;
  (void)arg;
  options.stdio[0].kind = options.stdio[1].kind = NEAP_STDIO_PIPE;
  int err = neap_process_run(rt, &options, &how, &output);
  if (err < 0)
    return err;
  CHECK(neap_output_status(output).code == 0);
  CHECK(neap_output_bytes(output, 1).len == 4);
  neap_output_free(output);
  return 0;
}

static int use_folders(neap_rt *rt, void *arg) {
  neap_walk *walk;
  neap_walk_entry entry;
  neap_watch *watch;
  neap_dir *names;
  neap_blob dir;
  (void)arg;
  int err = neap_fs_tempdir(rt, &dir);
  if (err < 0)
    return err;
  err = neap_fs_scandir(rt, dir.base, &names);
  if (err == 0) {
    neap_dir_close(names);
    err = neap_walk_open(rt, dir.base, NULL, &walk);
  }
  if (err == 0) {
    err = neap_walk_next(walk, &entry);
    neap_walk_close(walk);
  }
  if (err == 0)
    err = neap_watch_open(rt, dir.base, NULL, &watch);
  if (err == 0)
    neap_watch_close(watch);
  CHECK(neap_fs_remove_blocking(dir.base) == 0);
  neap_fs_free_blob(&dir);
  return err;
}

static void write_nothing(void *ud, const char *text, size_t len) {
  (void)ud;
  (void)text;
  (void)len;
}

/* Everything above in tasks at once, on shared stacks; the first failure. */
static int run_host(neap_rt *rt) {
  static const neap_task_fn fns[] = {use_network, use_files, use_waits,
                                     use_processes, use_folders};
  neap_spawn_options options = {.size = sizeof options, .shared_stack = true};
  neap_scope *scope;
  int err = neap_scope_open(rt, NEAP_NEVER, &scope);
  if (err < 0)
    return err;
  for (size_t i = 0; err == 0 && i < sizeof fns / sizeof fns[0]; i++)
    err = neap_spawn(rt, fns[i], NULL, &options, NULL);
  if (err == 0)
    err = neap_dump(rt, write_nothing, NULL);
  return neap_scope_close(scope, err);
}

/* --- the sweeps */

static neap_options options_for(struct heap *heap) {
  return (neap_options){
      .size = sizeof(neap_options), .alloc = host_alloc, .alloc_ud = heap};
}

/* The allocator's n-th block is refused, from neap_new to neap_free. True when
   there was no n-th. */
static bool host_refuses(long n, bool on) {
  struct heap heap = {.fail_at = n, .fail_on = on};
  neap_options options = options_for(&heap);
  neap_rt *rt = NULL;
  int err = neap_new(&options, &rt);
  if (err < 0) {
    CHECK(err == UV_ENOMEM && rt == NULL);
  } else {
    CHECK(is_clean(run_host(rt)));
    neap_free(rt);
  }
  CHECK(heap.used == 0);
  return heap.calls < n;
}

/* What libuv opens once per process must be there before it is counted. */
static int count_fds_later(void) {
  CHECK(host_refuses(1000000, false));
  return count_fds();
}

static void sweep_host(bool on) {
  int before = count_fds_later();
  long n = 1;
  while (!host_refuses(n, on) && n < 10000)
    n++;
  CHECK(n > 2);
  CHECK(count_fds() == before);
}

static void the_hosts_allocator_fails_once(void) {
  sweep_host(false);
}

static void the_hosts_allocator_fails_from_then_on(void) {
  sweep_host(true);
}

#if NEAP_TEST
/* The pool's n-th block is refused. True when there was no n-th. */
static bool pool_refuses(long n, bool on) {
  struct heap heap = {0};
  neap_options options = options_for(&heap);
  neap_rt *rt;
  if (!CHECK(neap_new(&options, &rt) == 0))
    return true;
  rt->mem.fail_at = (uint64_t)n;
  rt->mem.fail_on = on;
  int err = run_host(rt);
  bool reached = rt->mem.failed > 0;
  CHECK(is_clean(err));
  CHECK(reached || err >= 0);
  rt->mem.fail_at = 0;
  rt->mem.fail_on = false;
  CHECK(run_host(rt) >= 0); /* it goes on as if nothing had been */
  neap_free(rt);
  CHECK(heap.used == 0);
  return !reached;
}

static void sweep_pool(bool on) {
  int before = count_fds_later();
  long step = test_count(7, 1), n = 1;
  while (!pool_refuses(n, on) && n < 10000)
    n += step;
  CHECK(n > 40);
  CHECK(count_fds() == before);
}
#else
static void sweep_pool(bool on) {
  (void)on; /* a build without the hook */
}
#endif

static void every_block_fails_once(void) {
  sweep_pool(false);
}

static void every_block_fails_from_then_on(void) {
  sweep_pool(true);
}

/* The runtime's end is the only thing that has no memory. */
static int wait_for_ever(neap_rt *rt, void *arg) {
  (void)arg;
  return neap_sleep(rt, NEAP_NEVER);
}

static void ends_without_memory(void) {
  for (int on = 0; on < 2; on++) {
    struct heap heap = {0};
    neap_options options = options_for(&heap);
    neap_spawn_options shared = {.size = sizeof shared, .shared_stack = true};
    neap_rt *rt;
    CHECK(neap_new(&options, &rt) == 0);
    for (int i = 0; i < 20; i++)
      CHECK(neap_spawn(rt, wait_for_ever, NULL, &shared, NULL) == 0);
    CHECK(neap_yield(rt) == 0);
    heap.fail_at = heap.calls + 1;
    heap.fail_on = on != 0;
    neap_free(rt);
    CHECK(heap.used == 0);
  }
}

TESTS(TEST(the_hosts_allocator_fails_once),
      TEST(the_hosts_allocator_fails_from_then_on),
      TEST(every_block_fails_once), TEST(every_block_fails_from_then_on),
      TEST(ends_without_memory))
