/*
 * test_stream.c: connections through the public C functions, without Lua:
 * tasks that wait on shared stacks, real sockets on the loopback interface.
 */
#include "core/rt.h"

#include "test_rt.h"

#include <uv.h>

/* The limit on frames is for those that wait on shared stacks. */
#pragma GCC diagnostic ignored "-Wframe-larger-than="

/* Serves one connection after the other: each line comes back. */
struct echo {
  neap_server *server;
  uint16_t port;
  int served, ended;
};

static int serve_one(neap_rt *rt, void *arg) {
  neap_stream *stream = arg;
  neap_view line;
  size_t sent;
  (void)rt;
  while (neap_stream_peek_line(stream, &line) == 0) {
    /* The bytes are the stream's: a copy, as the write may wait. */
    char copy[256];
    size_t n = line.len + line.tail;
    memcpy(copy, line.base, n);
    neap_stream_consume(stream, n);
    neap_bytes piece = {.base = copy, .len = n};
    if (neap_stream_write(stream, &piece, 1, &sent) < 0)
      break;
  }
  neap_stream_close(stream);
  return 0;
}

static int serve(neap_rt *rt, void *arg) {
  struct echo *echo = arg;
  neap_stream *stream;
  int err;
  while ((err = neap_accept(echo->server, NEAP_NEVER, &stream)) == 0) {
    echo->served++;
    spawn(rt, serve_one, stream);
  }
  echo->ended = err;
  return 0;
}

static struct echo start_echo(neap_rt *rt, struct echo *echo) {
  neap_address address;
  *echo = (struct echo){0};
  CHECK(neap_listen(rt, "127.0.0.1", 0, NULL, &echo->server) == 0);
  CHECK(neap_server_address(echo->server, &address) == 0);
  CHECK(strcmp(address.family, "inet") == 0);
  echo->port = (uint16_t)address.port;
  spawn(rt, serve, echo);
  return *echo;
}

static bool ask(neap_stream *stream, const char *text) {
  size_t sent, n = strlen(text);
  neap_bytes pieces[] = {{text, n - 1}, {"\n", 1}};
  neap_view line;
  if (neap_stream_write(stream, pieces, 2, &sent) != 0 ||
      neap_stream_peek_line(stream, &line) != 0)
    return false;
  bool same = line.len == n - 1 && memcmp(line.base, text, n - 1) == 0;
  neap_stream_consume(stream, line.len + line.tail);
  return same;
}

struct client {
  struct echo *echo;
  int rounds, done;
};

static int run_client(neap_rt *rt, void *arg) {
  struct client *client = arg;
  neap_stream *stream;
  if (!CHECK(neap_connect(rt, "127.0.0.1", client->echo->port, NULL, &stream) ==
             0))
    return 0;
  for (int i = 0; i < client->rounds; i++)
    client->done += ask(stream, "hello, stream\n");
  neap_stream_close(stream);
  return 0;
}

static void echoes_lines_of_many_clients(void) {
  neap_rt *rt = open_rt();
  struct echo echo;
  start_echo(rt, &echo);
  struct client clients[20];
  neap_task *tasks[20];
  for (int i = 0; i < 20; i++) {
    clients[i] = (struct client){.echo = &echo, .rounds = 50};
    neap_spawn_options o = {.size = sizeof o, .shared_stack = true};
    CHECK(neap_spawn(rt, run_client, &clients[i], &o, &tasks[i]) == 0);
  }
  for (int i = 0; i < 20; i++) {
    CHECK(neap_join(tasks[i], NULL) == 0);
    CHECK(clients[i].done == 50);
    neap_task_unref(tasks[i]);
  }
  neap_server_close(echo.server);
  CHECK(neap_run(rt) == 0);
  CHECK(echo.served == 20 && echo.ended == UV_ECANCELED);
  neap_free(rt);
}

/* A runtime that ends with everything under way leaves nothing (ASan). */
static int never_ends(neap_rt *rt, void *arg) {
  neap_stream *stream;
  neap_view view;
  int err =
      neap_connect(rt, "127.0.0.1", ((struct echo *)arg)->port, NULL, &stream);
  if (err < 0)
    return err;
  err = neap_stream_peek_all(stream, &view);
  CHECK(err == NEAP_CLOSING);
  neap_stream_close(stream);
  return err;
}

static void ends_with_everything_under_way(void) {
  neap_rt *rt = open_rt();
  struct echo echo;
  start_echo(rt, &echo);
  for (int i = 0; i < 10; i++)
    spawn(rt, never_ends, &echo);
  neap_stream *unclosed;
  CHECK(neap_connect(rt, "localhost", echo.port, NULL, &unclosed) == 0);
  CHECK(ask(unclosed, "x\n"));
  neap_free(rt);
}

static void fails_with_nothing_left_open(void) {
  neap_rt *rt = open_rt();
  neap_stream *stream = NULL;
  neap_server *server = NULL;
  neap_attempt attempts[4];
  neap_connect_options o = {
      .size = sizeof o, .attempts = attempts, .max_attempts = 4};
  CHECK(neap_connect(rt, "127.0.0.1", 1, &o, &stream) == UV_ECONNREFUSED);
  CHECK(o.nattempts == 1 && attempts[0].err == UV_ECONNREFUSED);
  CHECK(strcmp(attempts[0].address, "127.0.0.1:1") == 0);
  CHECK(neap_listen(rt, "192.0.2.1", 0, NULL, &server) == UV_EADDRNOTAVAIL);
  CHECK(neap_connect(rt, "unix:/nowhere/at/all", 0, NULL, &stream) ==
        UV_ENOENT);
  CHECK(stream == NULL && server == NULL);
  neap_figures figures;
  for (int i = 0; i < 10; i++)
    neap_yield(rt);
  neap_sleep(rt, 1000000);
  neap_info(rt, &figures);
  CHECK(figures.handles == 0);
  neap_free(rt);
}

/* Fills one pair's end, moves it to another pair, and reads it there. */
static int write_all(neap_rt *rt, void *arg) {
  static const char text[] = "0123456789abcdef";
  neap_stream *stream = arg;
  size_t sent;
  (void)rt;
  for (int i = 0; i < 10000; i++) {
    neap_bytes piece = {.base = text, .len = sizeof text - 1};
    if (!CHECK(neap_stream_write(stream, &piece, 1, &sent) == 0))
      break;
  }
  neap_stream_close(stream);
  return 0;
}

static int read_all(neap_rt *rt, void *arg) {
  neap_view view;
  (void)rt;
  if (neap_stream_peek_all(arg, &view) < 0)
    return -1;
  for (size_t i = 0; i < view.len; i++)
    if (view.base[i] != "0123456789abcdef"[i % 16])
      return -1;
  return (int)view.len;
}

static void moves_bytes_from_end_to_end(void) {
  neap_rt *rt = open_rt();
  neap_stream *a, *b, *c = NULL, *d = NULL;
  neap_task *reading;
  int came = 0;
  CHECK(neap_pair(rt, &a, &b) == 0 && neap_pair(rt, &c, &d) == 0);
  spawn(rt, write_all, a);
  CHECK(neap_spawn(rt, read_all, d, NULL, &reading) == 0);
  neap_transfer t = {.from_stream = b, .to_stream = c, .limit = 100000};
  int64_t n;
  while ((n = neap_transfer_step(rt, &t)) > 0)
    CHECK(n <= 65536);
  CHECK(n == 0 && t.moved == 100000);
  t.limit = NEAP_NEVER;
  while ((n = neap_transfer_step(rt, &t)) > 0) {
  }
  CHECK(n == 0 && t.moved == 160000);
  neap_stream_close(c);
  CHECK(neap_join(reading, &came) == 0 && came == 160000);
  t.to_stream = NULL;
  CHECK(neap_transfer_step(rt, &t) == UV_EBADF && t.writing);
  neap_task_unref(reading);
  neap_stream_close(b);
  neap_stream_close(d);
  neap_free(rt);
}

static void asks_and_sets_options(void) {
  neap_rt *rt = open_rt();
  neap_stream *a, *b;
  CHECK(neap_pair(rt, &a, &b) == 0);
  CHECK(neap_stream_fd(a) >= 0 && neap_stream_fd(a) != neap_stream_fd(b));
  CHECK(neap_stream_sndbuf(a, 20000) >= 20000);
  CHECK(neap_stream_rcvbuf(a, 20000) == neap_stream_rcvbuf(a, 0));
  CHECK(neap_stream_nodelay(a, true) == UV_ENOTSUP);
  neap_stream_close(a);
  neap_stream_close(b);
  neap_listen_options o = {.size = sizeof o, .inherited = true, .fd = 99999};
  neap_server *server = NULL;
  const char *names = NULL;
  CHECK(neap_listen(rt, NULL, 0, &o, &server) == UV_EBADF && server == NULL);
  CHECK(neap_listen_fds(&names) == 0 && names == NULL);
  neap_free(rt);
}

TESTS(TEST(echoes_lines_of_many_clients), TEST(ends_with_everything_under_way),
      TEST(fails_with_nothing_left_open), TEST(moves_bytes_from_end_to_end),
      TEST(asks_and_sets_options))
