/* chan.c: channels; what holds in them is told in chan.h. */
#include "core/chan.h"

#include "core/rt.h"
#include "core/waitq.h"

#include <stdarg.h>
#include <stdio.h>

/* Kept out of the frames of a waiting task. */
#define NOT_IN_FRAME __attribute__((noinline))

void neap__chan_init(struct neap_chan *ch, struct neap_rt *rt, uint64_t *items,
                     uint32_t capacity) {
  *ch = (struct neap_chan){.rt = rt, .items = items, .capacity = capacity};
  neap__list_init(&ch->senders);
  neap__list_init(&ch->receivers);
}

static struct neap_op *op_of(struct neap_list *link) {
  return NEAP_LIST_ENTRY(link, struct neap_op, link);
}

static struct neap_chan_wait *wait_of(struct neap_op *op) {
  return neap__op_data(op);
}

static void put(struct neap_chan *ch, uint64_t item) {
  uint32_t room = ch->capacity - ch->first; /* to the ring's end */
  ch->items[ch->n < room ? ch->first + ch->n : ch->n - room] = item;
  ch->n++;
}

static uint64_t get(struct neap_chan *ch) {
  uint64_t item = ch->items[ch->first];
  ch->first = ch->first + 1 < ch->capacity ? ch->first + 1 : 0;
  ch->n--;
  return item;
}

/* Takes the item of the first waiting sender, whose send is done with that. */
static uint64_t take_from_sender(struct neap_list *link) {
  struct neap_op *op = op_of(link);
  uint64_t item = wait_of(op)->item;
  neap__op_wake(op, 0);
  return item;
}

int neap__chan_try_send(struct neap_chan *ch, uint64_t item) {
  if (ch->closed)
    return UV_EPIPE;
  struct neap_list *link = neap__list_pop(&ch->receivers);
  if (link != NULL) {
    wait_of(op_of(link))->item = item;
    neap__op_wake(op_of(link), 0);
    return 0;
  }
  if (ch->n == ch->capacity)
    return UV_EAGAIN;
  put(ch, item);
  return 0;
}

int neap__chan_try_recv(struct neap_chan *ch, uint64_t *item) {
  struct neap_list *link;
  if (ch->n > 0) {
    *item = get(ch);
    link = neap__list_pop(&ch->senders);
    if (link != NULL)
      put(ch, take_from_sender(link));
    return 0;
  }
  link = neap__list_pop(&ch->senders);
  if (link == NULL)
    return ch->closed ? UV_EOF : UV_EAGAIN;
  *item = take_from_sender(link);
  return 0;
}

/* The op of a wait: the channel's own if that is free, and takes no time. */
static int new_wait(struct neap_chan *ch, const struct neap_op_kind *kind,
                    uint64_t due_ns, struct neap_op **out) {
  if (due_ns == NEAP_ONCE)
    return UV_ETIMEDOUT;
  if (ch->own.op.refs > 1 || due_ns != NEAP_FOREVER) {
    int err = neap__op_new_until(ch->rt, kind->what,
                                 sizeof(struct neap_chan_wait), due_ns, out);
    if (err < 0)
      return err;
  } else {
    ch->own.op = (struct neap_op){0};
    neap__op_init(ch->rt, kind->what, &ch->own.op);
    *out = &ch->own.op;
  }
  neap__op_set_kind(*out, kind);
  wait_of(*out)->chan = ch;
  return 0;
}

/* No more than MANY waiters are counted, nor more than NAMED told by number. */
#define MANY  1000
#define NAMED 4

/* Who waits beside op. A select's relays are no task's own. */
struct others {
  const struct neap_op *op;
  int n, named;
  unsigned long long ids[NAMED];
};

static void look(const struct neap_list *queue, struct others *others) {
  const struct neap_list *link = queue->next;
  for (; link != queue && others->n < MANY; link = link->next) {
    const struct neap_op *op =
        NEAP_LIST_ENTRY(link, const struct neap_op, link);
    if (op == others->op)
      continue;
    others->n++;
    if (op->task != NULL && others->named < NAMED)
      others->ids[others->named++] = op->task->id;
  }
}

struct line {
  char *out;
  size_t size, len;
};

/* Adds what printf would write; what does not fit is left out. */
__attribute__((format(printf, 2, 3))) static void add(struct line *line,
                                                      const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n =
      vsnprintf(line->out + line->len, line->size - line->len, format, args);
  va_end(args);
  size_t room = line->size - line->len - 1;
  if (n > 0)
    line->len += (size_t)n < room ? (size_t)n : room;
}

/* "(0 of 2 in it, 3 more wait: task 7, 9)" */
static void describe(const struct neap_op *op, char *out, size_t size) {
  const struct neap_chan_wait *wait = neap__op_data(op);
  const struct neap_chan *ch = wait->chan;
  struct others others = {.op = op};
  look(&ch->senders, &others);
  look(&ch->receivers, &others);
  struct line line = {.out = out, .size = size};
  add(&line, "(%u of %u in it", (unsigned)ch->n, (unsigned)ch->capacity);
  if (others.n > 0)
    add(&line, ", %s%d more wait", others.n == MANY ? "over " : "", others.n);
  for (int i = 0; i < others.named; i++)
    add(&line, "%s%llu", i == 0 ? ": task " : ", ", others.ids[i]);
  add(&line, ")");
}

static const struct neap_op_kind send_kind = {.what = "channel:send",
                                              .describe = describe};
static const struct neap_op_kind recv_kind = {.what = "channel:recv",
                                              .describe = describe};

NOT_IN_FRAME static int begin_send(struct neap_chan *ch, uint64_t item,
                                   uint64_t due_ns, struct neap_op **out) {
  int err = new_wait(ch, &send_kind, due_ns, out);
  if (err < 0)
    return err;
  wait_of(*out)->item = item;
  (*out)->internal = true;
  neap__waitq_push(&ch->senders, *out);
  return 0;
}

int neap__chan_send(struct neap_chan *ch, uint64_t item, uint64_t due_ns) {
  struct neap_op *op = NULL;
  int err = neap__op_begin(ch->rt);
  if (err == 0)
    err = neap__chan_try_send(ch, item);
  if (err == UV_EAGAIN)
    err = begin_send(ch, item, due_ns, &op);
  return op != NULL ? neap__op_await(op) : err;
}

NOT_IN_FRAME static int begin_recv(struct neap_chan *ch, uint64_t due_ns,
                                   struct neap_op **out) {
  int err = new_wait(ch, &recv_kind, due_ns, out);
  if (err < 0)
    return err;
  (*out)->internal = true;
  neap__waitq_push(&ch->receivers, *out);
  return 0;
}

/* The wait is over: what came of it. */
NOT_IN_FRAME static int end_recv(struct neap_op *op, uint64_t *item) {
  int status = op->status;
  if (status == 0)
    *item = wait_of(op)->item;
  neap__op_unref(op);
  return status;
}

int neap__chan_recv(struct neap_chan *ch, uint64_t due_ns, uint64_t *item) {
  struct neap_op *op = NULL;
  int err = neap__op_begin(ch->rt);
  if (err == 0)
    err = neap__chan_try_recv(ch, item);
  if (err == UV_EAGAIN)
    err = begin_recv(ch, due_ns, &op);
  if (op == NULL)
    return err;
  neap__op_park(op);
  return end_recv(op, item);
}

void neap__chan_close(struct neap_chan *ch) {
  ch->closed = true;
  neap__waitq_wake_all(&ch->senders, UV_EPIPE);
  neap__waitq_wake_all(&ch->receivers, UV_EOF);
}
