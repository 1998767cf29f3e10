/*
 * test_udp.c: UDP sockets through the public C functions, without Lua: tasks
 * that wait on shared stacks, real sockets on the loopback interface.
 */
#include "core/rt.h"

#include "test_rt.h"

#include <errno.h>
#include <uv.h>

/* The limit on frames is for those that wait on shared stacks. */
#pragma GCC diagnostic ignored "-Wframe-larger-than="

#define MS ((uint64_t)1000 * 1000)

static neap_udp *open_udp(neap_rt *rt, const char *host, uint16_t *port) {
  neap_udp *udp = NULL;
  neap_address address;
  CHECK(neap_udp_open(rt, host, 0, NULL, &udp) == 0);
  CHECK(neap_udp_address(udp, &address) == 0);
  *port = (uint16_t)address.port;
  return udp;
}

static bool send_text(neap_udp *udp, const char *text, uint16_t port) {
  return neap_udp_send(udp, text, strlen(text), "127.0.0.1", port,
                       NEAP_NEVER) == 0;
}

static bool receives(neap_udp *udp, const char *text, uint16_t port) {
  neap_datagram d;
  neap_address from;
  if (neap_udp_peek(udp, NEAP_NEVER, &d) != 0)
    return false;
  neap_udp_from(udp, &from);
  bool same = d.len == strlen(text) && memcmp(d.base, text, d.len) == 0 &&
              !d.truncated && from.port == port &&
              strcmp(from.text, "127.0.0.1") == 0;
  neap_udp_consume(udp);
  return same;
}

static void sends_and_receives(void) {
  neap_rt *rt = open_rt();
  uint16_t port_a, port_b;
  neap_udp *a = open_udp(rt, "127.0.0.1", &port_a);
  neap_udp *b = open_udp(rt, "*", &port_b);
  CHECK(send_text(a, "one", port_b) && send_text(a, "two", port_b));
  CHECK(receives(b, "one", port_a));
  CHECK(receives(b, "two", port_a));
  CHECK(send_text(b, "", port_a) && receives(a, "", port_b));
  /* What was shown stays until it is consumed. */
  CHECK(send_text(a, "stays", port_b));
  neap_datagram d;
  CHECK(neap_udp_peek(b, NEAP_NEVER, &d) == 0 && d.len == 5);
  CHECK(neap_udp_queued(b) == 1);
  CHECK(receives(b, "stays", port_a));
  CHECK(neap_udp_queued(b) == 0 && neap_udp_dropped(b) == 0);
  neap_udp_close(a);
  neap_udp_close(b);
  neap_free(rt);
}

static void fails_with_the_code(void) {
  neap_rt *rt = open_rt();
  uint16_t port;
  neap_udp *a = open_udp(rt, "127.0.0.1", &port), *b = NULL;
  neap_datagram d;
  neap_address address;
  static const char big[70000];
  CHECK(neap_udp_open(rt, "127.0.0.1", port, NULL, &b) == UV_EADDRINUSE);
  CHECK(neap_udp_open(rt, "192.0.2.1", 0, NULL, &b) == UV_EADDRNOTAVAIL);
  CHECK(b == NULL);
  CHECK(neap_udp_peek(a, 0, &d) == UV_ETIMEDOUT);
  CHECK(neap_udp_peek(a, neap_now(rt) + MS, &d) == UV_ETIMEDOUT);
  CHECK(neap_udp_peer(a, &address) == UV_ENOTCONN);
  CHECK(neap_udp_send(a, "x", 1, NULL, 0, NEAP_NEVER) == UV_EDESTADDRREQ);
  CHECK(neap_udp_send(a, "x", 1, "::1", port, NEAP_NEVER) == UV_EAFNOSUPPORT);
  CHECK(neap_udp_send(a, big, sizeof big, "127.0.0.1", port, NEAP_NEVER) ==
        UV_EMSGSIZE);
  /* qemu's user emulation has no such socket option. */
  int err = neap_udp_join(a, "10.0.0.1", NULL, NULL);
  CHECK(err == UV_EINVAL || err == uv_translate_sys_error(ENOPROTOOPT));
  CHECK(neap_udp_join(a, "239.1.1.1", "nosuch0", NULL) == UV_ENODEV);
  CHECK(neap_udp_ttl(a, 1000) == UV_EINVAL);
  neap_udp_close(a);
  neap_udp_close(NULL);
  neap_free(rt);
}

struct receiver {
  neap_udp *udp;
  int err;
};

static int receive_one(neap_rt *rt, void *arg) {
  struct receiver *r = arg;
  neap_datagram d;
  (void)rt;
  r->err = neap_udp_peek(r->udp, NEAP_NEVER, &d);
  return 0;
}

static void wakes_who_waits_when_it_is_closed(void) {
  neap_rt *rt = open_rt();
  uint16_t port;
  struct receiver one = {.udp = open_udp(rt, "127.0.0.1", &port)}, two = one;
  spawn(rt, receive_one, &one);
  neap_yield(rt);
  spawn(rt, receive_one, &two);
  while (!neap_udp_waited(one.udp) || two.err == 0)
    neap_yield(rt);
  CHECK(two.err == UV_EBUSY);
  neap_udp_close(one.udp); /* the waiting task has the last share */
  CHECK(neap_run(rt) == 0);
  CHECK(one.err == UV_ECANCELED);
  neap_free(rt);
}

/* A runtime that ends with everything under way leaves nothing (ASan). */
static int look_up(neap_rt *rt, void *arg) {
  uint16_t port;
  neap_udp *udp = open_udp(rt, "*", &port);
  int err = neap_udp_send(udp, "x", 1, arg, 9, NEAP_NEVER);
  neap_udp_close(udp);
  return err;
}

static void ends_with_everything_under_way(void) {
  neap_rt *rt = open_rt();
  uint16_t port;
  struct receiver r = {.udp = open_udp(rt, "127.0.0.1", &port)};
  neap_udp *queued = open_udp(rt, "127.0.0.1", &port);
  neap_datagram d;
  spawn(rt, receive_one, &r);
  for (int i = 0; i < 4; i++)
    spawn(rt, look_up, "localhost");
  for (int i = 0; i < 10; i++)
    CHECK(send_text(queued, "never consumed", port));
  CHECK(neap_udp_peek(queued, NEAP_NEVER, &d) == 0);
  neap_yield(rt);
  neap_free(rt); /* closes what nobody has closed */
  CHECK(r.err == NEAP_CLOSING || r.err == 0);
}

/* Two runtimes, each on a thread of its own. */
struct side {
  uint16_t own, other;
  bool begins;
  int rounds, done;
  uv_barrier_t *ready;
};

static void run_side(void *arg) {
  struct side *side = arg;
  neap_rt *rt = open_rt();
  neap_udp *udp = open_udp(rt, "127.0.0.1", &side->own);
  uv_barrier_wait(side->ready);
  uv_barrier_wait(side->ready); /* now each knows the other's port */
  for (int i = 0; i < side->rounds; i++) {
    if (side->begins)
      CHECK(send_text(udp, "ping", side->other));
    side->done += receives(udp, side->begins ? "pong" : "ping", side->other);
    if (!side->begins)
      CHECK(send_text(udp, "pong", side->other));
  }
  neap_udp_close(udp);
  neap_free(rt);
}

static void talks_between_two_runtimes(void) {
  uv_barrier_t ready;
  struct side sides[2] = {{.begins = true, .ready = &ready}, {.ready = &ready}};
  uv_thread_t threads[2];
  CHECK(uv_barrier_init(&ready, 3) == 0);
  for (int i = 0; i < 2; i++) {
    sides[i].rounds = (int)test_count(200, 5000);
    CHECK(uv_thread_create(&threads[i], run_side, &sides[i]) == 0);
  }
  uv_barrier_wait(&ready);
  sides[0].other = sides[1].own;
  sides[1].other = sides[0].own;
  uv_barrier_wait(&ready);
  for (int i = 0; i < 2; i++) {
    CHECK(uv_thread_join(&threads[i]) == 0);
    CHECK(sides[i].done == sides[i].rounds);
  }
  uv_barrier_destroy(&ready);
}

TESTS(TEST(sends_and_receives), TEST(fails_with_the_code),
      TEST(wakes_who_waits_when_it_is_closed),
      TEST(ends_with_everything_under_way), TEST(talks_between_two_runtimes))
