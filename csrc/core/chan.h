/*
 * chan.h: channels: items are handed from senders to receivers in the order in
 * which both came. An item is 64 bits; what it stands for is the caller's.
 * A full channel makes senders wait and an empty one receivers; with capacity
 * 0 each send meets a receive.
 *
 * Invariants: when somebody waits to receive, the channel is empty and nobody
 * else waits to send; when somebody waits to send, it is full; in a closed one
 * nobody waits. So an item is in exactly one place: with its sender, in the
 * ring, or with its receiver, and a wait that is called off has moved none.
 */
#ifndef NEAP_CORE_CHAN_H
#define NEAP_CORE_CHAN_H

#include "core/op.h"

struct neap_chan;

/* The request data of a wait: the item of a sender, and of a receiver the one
   that it was given, when the status is 0. */
struct neap_chan_wait {
  uint64_t item;
  const struct neap_chan *chan; /* for dumps; NULL: a select's */
};

struct neap_chan {
  struct neap_rt *rt;
  uint64_t *items; /* a ring, the owner's memory */
  uint32_t capacity, first, n;
  bool closed;
  /* Ops that wait; their request data begins with struct neap_chan_wait. */
  struct neap_list senders, receivers;
  /* Most channels have one wait at a time, which lies here. */
  struct {
    struct neap_op op;
    struct neap_chan_wait wait;
  } own;
};

static_assert(sizeof(struct neap_op) == NEAP_OP_HEAD,
              "as if it was on the heap");

/* Sets a channel up in memory of the caller's, items being room for capacity
   of them. There is nothing to be freed; nobody may wait when it goes. */
void neap__chan_init(struct neap_chan *ch, struct neap_rt *rt, uint64_t *items,
                     uint32_t capacity);

/* Whether a send or a receive would go through at once, or fail for good. */
static inline bool neap__chan_can_send(const struct neap_chan *ch) {
  return ch->n < ch->capacity || !neap__list_empty(&ch->receivers) ||
         ch->closed;
}

static inline bool neap__chan_can_recv(const struct neap_chan *ch) {
  return ch->n > 0 || !neap__list_empty(&ch->senders) || ch->closed;
}

/* Does not wait. Returns 0; UV_EAGAIN when it would have to wait; UV_EPIPE on a
   closed channel. */
int neap__chan_try_send(struct neap_chan *ch, uint64_t item);

/* Does not wait. Returns 0 and the item; UV_EAGAIN; or UV_EOF when the channel
   is closed and empty. */
int neap__chan_try_recv(struct neap_chan *ch, uint64_t *item);

/*
 * Hands item over, until due_ns at most (NEAP_ONCE: tries). Waits. Returns 0:
 * the item is the channel's or a receiver's; or with the item still the
 * caller's UV_EPIPE, UV_ETIMEDOUT, UV_ENOMEM or the code that ended the wait.
 */
int neap__chan_send(struct neap_chan *ch, uint64_t item, uint64_t due_ns);

/*
 * Takes the next item, until due_ns at most. Waits. Returns 0 and the item; or
 * with nothing taken UV_EOF, UV_ETIMEDOUT, UV_ENOMEM or the code that ended the
 * wait.
 */
int neap__chan_recv(struct neap_chan *ch, uint64_t due_ns, uint64_t *item);

/* Nothing can be sent any more; what is in the channel can still be received.
   Wakes everybody. Does not wait. Harmless on a closed one. */
void neap__chan_close(struct neap_chan *ch);

#endif
