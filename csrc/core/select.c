/* select.c: one wait for several things; the idea is in select.h. */
#include "core/select.h"

#include "core/rt.h"

#include <stdio.h>
#include <string.h>

/* Kept out of the frames of a waiting task. */
#define NOT_IN_FRAME __attribute__((noinline))

/* The request of the wait itself. */
struct select {
  uint32_t n, winner;
  int status;
  uint64_t item;
  struct neap_op *relays[]; /* of the cases that can come, else NULL */
};

/* The request of a relay. A channel's begins like this one. */
struct relay {
  struct neap_chan_wait wait;
  struct neap_op *select;
  const char *what; /* for dumps */
  uint32_t index;
};

static uint32_t count_cases(const struct select *s) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < s->n; i++)
    n += s->relays[i] != NULL;
  return n;
}

/* Room for the last words of what is too long to be told whole. */
#define LAST_WORDS 24

/* "(channel:recv, event:wait)" */
static void describe(const struct neap_op *op, char *out, size_t size) {
  const struct select *s = neap__op_data(op);
  uint32_t left = count_cases(s);
  size_t len = 0;
  for (uint32_t i = 0; left > 0; i++) {
    if (s->relays[i] == NULL)
      continue;
    const struct relay *relay = neap__op_data(s->relays[i]);
    if (len + strlen(relay->what) + LAST_WORDS > size) {
      snprintf(out + len, size - len, "%s%u more)", len == 0 ? "(" : ", ",
               (unsigned)left);
      return;
    }
    len +=
        (size_t)snprintf(out + len, size - len, "%s%s%s", len == 0 ? "(" : ", ",
                         relay->what, --left == 0 ? ")" : "");
  }
}

static const struct neap_op_kind kind = {.what = "select",
                                         .describe = describe};

void neap__select_init(struct neap_rt *rt) {
  rt->selects.seed = 1;
}

/* xorshift32 (Marsaglia, "Xorshift RNGs", 2003). */
static uint32_t next_random(struct neap_selects *selects) {
  uint32_t x = selects->seed;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return selects->seed = x;
}

void neap__select_order(struct neap_rt *rt, uint32_t *order, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    uint32_t j = next_random(&rt->selects) % (i + 1);
    order[i] = order[j];
    order[j] = i;
  }
}

int neap__select_try(struct neap_case *c) {
  if (c->kind == NEAP_CASE_SEND)
    return neap__chan_try_send(c->chan, c->item);
  if (c->kind == NEAP_CASE_RECV)
    return neap__chan_try_recv(c->chan, &c->item);
  return UV_EAGAIN;
}

static struct neap_list *queue_of(const struct neap_case *c) {
  switch (c->kind) {
  case NEAP_CASE_SEND:
    return &c->chan->senders;
  case NEAP_CASE_RECV:
    return &c->chan->receivers;
  case NEAP_CASE_QUEUE:
    return c->queue;
  default:
    return NULL;
  }
}

static const char *what_of(const struct neap_case *c) {
  switch (c->kind) {
  case NEAP_CASE_SEND:
    return "channel:send";
  case NEAP_CASE_RECV:
    return "channel:recv";
  default:
    return c->what != NULL ? c->what : "queue";
  }
}

/* Takes the relays that are left out of their queues. */
static void withdraw(struct select *s) {
  for (uint32_t i = 0; i < s->n; i++) {
    struct neap_op *relay = s->relays[i];
    if (relay == NULL)
      continue;
    s->relays[i] = NULL;
    neap__list_remove(&relay->link);
    neap__op_free(relay);
  }
}

static enum neap_op_fate call_off(struct neap_op *op) {
  withdraw(neap__op_data(op));
  return NEAP_OP_GONE;
}

/* A case has happened, and so no other one does. */
static void on_relay(struct neap_op *op) {
  struct relay *relay = neap__op_data(op);
  struct select *s = neap__op_data(relay->select);
  s->winner = relay->index;
  s->status = op->status;
  s->item = relay->wait.item;
  s->relays[s->winner] = NULL;
  withdraw(s);
  neap__op_wake(relay->select, 0);
  neap__op_unref(op); /* our share; the waker gives up its own */
}

/* Puts a relay for case i into its queue. */
static int enter(struct neap_op *op, const struct neap_case *c, uint32_t i) {
  struct select *s = neap__op_data(op);
  struct neap_list *queue = queue_of(c);
  if (queue == NULL)
    return 0;
  int err =
      neap__op_new_relay(op->rt, sizeof(struct relay), on_relay, &s->relays[i]);
  if (err < 0)
    return err;
  struct relay *relay = neap__op_data(s->relays[i]);
  relay->wait.item = c->item;
  relay->select = op;
  relay->what = what_of(c);
  relay->index = i;
  neap__list_push(queue, &s->relays[i]->link);
  return 0;
}

NOT_IN_FRAME static int begin(struct neap_rt *rt, const struct neap_case *cases,
                              uint32_t n, uint64_t due_ns,
                              struct neap_op **out) {
  if (due_ns == NEAP_ONCE)
    return UV_ETIMEDOUT;
  size_t size = sizeof(struct select) + n * sizeof(struct neap_op *);
  struct neap_op *op;
  int err = neap__op_new_until(rt, kind.what, size, due_ns, &op);
  if (err < 0)
    return err;
  neap__op_set_kind(op, &kind);
  struct select *s = neap__op_data(op);
  s->n = n;
  for (uint32_t i = 0; i < n && err == 0; i++)
    err = enter(op, &cases[i], i);
  if (err < 0) {
    withdraw(s);
    neap__op_free(op);
    return err;
  }
  op->cancel = call_off;
  *out = op;
  return 0;
}

/* The wait is over: what came of it. */
NOT_IN_FRAME static int end(struct neap_op *op, struct neap_case *cases,
                            uint32_t *winner, int *status) {
  int err = op->status;
  if (err == 0) {
    const struct select *s = neap__op_data(op);
    if (cases[s->winner].kind == NEAP_CASE_RECV)
      cases[s->winner].item = s->item;
    *winner = s->winner;
    *status = s->status;
  }
  neap__op_unref(op);
  return err;
}

int neap__select_wait(struct neap_rt *rt, struct neap_case *cases, uint32_t n,
                      uint64_t due_ns, bool internal, uint32_t *winner,
                      int *status) {
  struct neap_op *op = NULL;
  int err = neap__op_check(rt);
  if (err == 0)
    err = begin(rt, cases, n, due_ns, &op);
  if (err < 0)
    return err;
  op->internal = internal;
  neap__op_park(op);
  return end(op, cases, winner, status);
}
