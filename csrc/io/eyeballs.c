/* eyeballs.c: the race for a connection; the idea is in eyeballs.h. */
#include "io/eyeballs.h"

#include "core/mem.h"
#include "io/tcp.h"

#include <stdio.h>
#include <string.h>

/* The Connection Attempt Delay, as recommended in section 8. */
#define ATTEMPT_DELAY_NS ((uint64_t)250 * 1000 * 1000)

/* One connect: libuv writes there until it has answered, which may be after the
   race. */
struct attempt {
  uv_connect_t req;
  struct neap_list link; /* in pending, or in failed */
  struct neap_rt *rt;
  struct race *race;          /* NULL: it is over, and this is freed */
  struct neap_stream *stream; /* the race's, until it is over */
  const union neap_addr *addr;
  int err;
};

/* Lies on the heap, as callbacks write there. */
struct race {
  struct neap_rt *rt;
  const struct neap_addrs *addrs;
  uint32_t next;    /* the address to be tried next */
  uint64_t next_ns; /* and when, if nothing fails before */
  uint64_t delay_ns;
  struct neap_list pending, failed;
  struct attempt *winner;
  struct neap_op *waiter; /* parked until there is something new, or NULL */
};

static struct attempt *attempt_of(struct neap_list *link) {
  return NEAP_LIST_ENTRY(link, struct attempt, link);
}

static void free_attempt(struct attempt *attempt) {
  neap__mem_free(&attempt->rt->mem, attempt, sizeof *attempt);
}

/* --- libuv's answers ------------------------------------------------------ */

static void on_connect(uv_connect_t *req, int status) {
  struct attempt *attempt = NEAP_LIST_ENTRY(req, struct attempt, req);
  struct race *race = attempt->race;
  if (race == NULL) {
    free_attempt(attempt);
    return;
  }
  neap__list_remove(&attempt->link);
  /* Two in one poll: the second has lost, whatever it says. */
  attempt->err = status == 0 && race->winner != NULL ? UV_ECANCELED : status;
  if (attempt->err == 0)
    race->winner = attempt;
  else
    neap__list_push(&race->failed, &attempt->link);
  struct neap_op *op = race->waiter;
  race->waiter = NULL;
  if (op != NULL)
    neap__op_wake(op, 0);
}

/* --- waiting -------------------------------------------------------------- */

static struct race *race_of(const struct neap_op *op) {
  struct race **race = neap__op_data(op);
  return *race;
}

/* The address that was tried last, and how many others are waited for. */
static void describe(const struct neap_op *op, char *out, size_t size) {
  const struct race *race = race_of(op);
  const struct neap_list *link = race->pending.next;
  char address[80];
  unsigned others = 0;
  for (; link->next != &race->pending; link = link->next)
    others++;
  neap__addr_format(attempt_of(race->pending.prev)->addr, address,
                    sizeof address);
  if (others == 0)
    snprintf(out, size, "%s", address);
  else
    snprintf(out, size, "%s and %u more", address, others);
}

static const struct neap_op_kind kind = {.what = "net.connect",
                                         .describe = describe};

static enum neap_op_fate call_off(struct neap_op *op) {
  race_of(op)->waiter = NULL;
  return NEAP_OP_GONE;
}

/* Waits for an answer, until until_ns at most. */
static int wait_for_news(struct race *race, uint64_t until_ns) {
  struct neap_op *op;
  int err = neap__op_new_until(race->rt, kind.what, sizeof race, until_ns, &op);
  if (err < 0)
    return err;
  *(struct race **)neap__op_data(op) = race;
  neap__op_set_kind(op, &kind);
  op->cancel = call_off;
  race->waiter = op;
  return neap__op_await(op);
}

/* --- attempts ------------------------------------------------------------- */

static void note(neap_connect_options *o, const union neap_addr *addr,
                 int err) {
  if (o->attempts == NULL || o->nattempts == o->max_attempts)
    return;
  neap_attempt *attempt = &o->attempts[o->nattempts++];
  attempt->err = err;
  neap__addr_format(addr, attempt->address, sizeof attempt->address);
}

static int new_attempt(struct race *race, const union neap_addr *addr,
                       const union neap_addr *local) {
  struct neap_mem *mem = &race->rt->mem;
  struct attempt *attempt = neap__mem_zalloc(mem, sizeof *attempt);
  if (attempt == NULL)
    return UV_ENOMEM;
  attempt->rt = race->rt;
  attempt->race = race;
  attempt->addr = addr;
  int err = neap__tcp_connect(race->rt, addr, local, &attempt->req, on_connect,
                              &attempt->stream);
  if (err < 0) {
    free_attempt(attempt);
    return err;
  }
  neap__list_push(&race->pending, &attempt->link);
  return 0;
}

/* Begins the next attempt. One that fails at once has the one after it begin at
   once. */
static int start_next(struct race *race, const union neap_addr *local,
                      neap_connect_options *o) {
  const union neap_addr *addr = &race->addrs->list[race->next++];
  int err = new_attempt(race, addr, local);
  if (err == 0) {
    race->next_ns = neap__timer_after(race->rt, race->delay_ns);
  } else {
    race->next_ns = 0;
    note(o, addr, err);
  }
  return err;
}

/* Notes and closes what has failed. Returns the last one's error, or err. */
static int tell_failed(struct race *race, neap_connect_options *o, int err) {
  struct neap_list *link;
  while ((link = neap__list_pop(&race->failed)) != NULL) {
    struct attempt *attempt = attempt_of(link);
    err = attempt->err;
    note(o, attempt->addr, err);
    neap_stream_close(attempt->stream);
    free_attempt(attempt);
    race->next_ns = 0;
  }
  return err;
}

static int set_options(struct neap_stream *s, const neap_connect_options *o) {
  /* It only makes small writes faster: not worth losing a connection for. */
  if (!o->nagle)
    neap_stream_nodelay(s, true);
  return o->keepalive > 0 ? neap_stream_keepalive(s, o->keepalive) : 0;
}

/* One has connected. True: it is good. Else it has failed like the others. */
static bool take_winner(struct race *race, const neap_connect_options *o,
                        struct neap_stream **out) {
  struct attempt *winner = race->winner;
  winner->err = set_options(winner->stream, o);
  if (winner->err < 0) {
    race->winner = NULL;
    neap__list_push(&race->failed, &winner->link);
    return false;
  }
  *out = winner->stream;
  free_attempt(winner);
  return true;
}

/* Whether it is the next one's turn. */
static bool is_due(const struct race *race) {
  return race->next < race->addrs->n && (neap__list_empty(&race->pending) ||
                                         neap_now(race->rt) >= race->next_ns);
}

/* Waits for whatever comes first: an answer, the next one's turn, the end. */
static int wait_on(struct race *race, uint64_t due_ns) {
  uint64_t until_ns = due_ns;
  if (race->next < race->addrs->n && race->next_ns < due_ns)
    until_ns = race->next_ns;
  int err = wait_for_news(race, until_ns);
  return err == UV_ETIMEDOUT && until_ns != due_ns ? 0 : err;
}

static int run(struct race *race, const union neap_addr *local,
               neap_connect_options *o, uint64_t due_ns,
               struct neap_stream **out) {
  int err = 0;
  for (;;) {
    if (race->winner != NULL && take_winner(race, o, out))
      return 0;
    err = tell_failed(race, o, err);
    if (is_due(race)) {
      int failed = start_next(race, local, o);
      if (failed == UV_ENOMEM)
        return failed;
      err = failed < 0 ? failed : err;
    } else if (neap__list_empty(&race->pending)) {
      return err; /* of the last address */
    } else {
      int ended = wait_on(race, due_ns);
      if (ended < 0)
        return ended;
    }
  }
}

/* Closes what has not won. libuv answers each attempt that was waited for once
   more, and it goes then. */
static void close_losers(struct race *race) {
  struct neap_list *link;
  while ((link = neap__list_pop(&race->failed)) != NULL) {
    neap_stream_close(attempt_of(link)->stream);
    free_attempt(attempt_of(link));
  }
  while ((link = neap__list_pop(&race->pending)) != NULL) {
    struct attempt *attempt = attempt_of(link);
    attempt->race = NULL;
    neap_stream_close(attempt->stream);
  }
}

int neap__eyeballs_connect(struct neap_rt *rt, struct neap_addrs *addrs,
                           const union neap_addr *local,
                           neap_connect_options *o, uint64_t due_ns,
                           struct neap_stream **out) {
  struct race *race = neap__mem_zalloc(&rt->mem, sizeof *race);
  if (race == NULL)
    return UV_ENOMEM;
  race->rt = rt;
  race->addrs = addrs;
  race->delay_ns =
      o->attempt_delay_ns != 0 ? o->attempt_delay_ns : ATTEMPT_DELAY_NS;
  neap__list_init(&race->pending);
  neap__list_init(&race->failed);
  neap__eyeballs_sort(addrs);
  int err = run(race, local, o, due_ns, out);
  close_losers(race);
  if (err < 0 && race->winner != NULL) {
    /* It connected as the wait ended another way. */
    neap_stream_close(race->winner->stream);
    free_attempt(race->winner);
  }
  neap__mem_free(&rt->mem, race, sizeof *race);
  return err;
}

void neap__eyeballs_sort(struct neap_addrs *addrs) {
  union neap_addr *list = addrs->list;
  for (uint32_t i = 1; i < addrs->n; i++) {
    const sa_family_t before = list[i - 1].any.sa_family;
    uint32_t j = i;
    while (j < addrs->n && list[j].any.sa_family == before)
      j++;
    if (j == addrs->n)
      return; /* one family is left */
    union neap_addr addr = list[j];
    memmove(&list[i + 1], &list[i], (j - i) * sizeof addr);
    list[i] = addr;
  }
}
