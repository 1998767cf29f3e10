/*
 * select.h: one wait for several things, of which exactly one happens. Each
 * case is a send or a receive on a channel, or a wake of a queue of waiters
 * (waitq.h): a task's end, an event, whatever wakes such a queue. While it
 * waits, a relay (op.h) stands for it in the queue of each case; the first that
 * is woken takes the others out, so that the losers have no effect.
 */
#ifndef NEAP_CORE_SELECT_H
#define NEAP_CORE_SELECT_H

#include "core/chan.h"

enum neap_case_kind {
  NEAP_CASE_NONE, /* never comes */
  NEAP_CASE_SEND,
  NEAP_CASE_RECV,
  NEAP_CASE_QUEUE
};

struct neap_case {
  enum neap_case_kind kind;
  struct neap_chan *chan;  /* SEND, RECV */
  struct neap_list *queue; /* QUEUE */
  uint64_t item;           /* what is sent, or was received */
  const char *what;        /* QUEUE: for dumps, as an op's; static text */
};

struct neap_selects {
  uint32_t seed; /* of the order in which cases are tried */
};

void neap__select_init(struct neap_rt *rt);

/*
 * Fills order with 0 .. n-1 shuffled: who tries the cases in that order is fair
 * among the ready ones. The same sequence in each runtime. Does not wait.
 */
void neap__select_order(struct neap_rt *rt, uint32_t *order, uint32_t n);

/* Tries one case. Does not wait. Returns what neap__chan_try_send or
   neap__chan_try_recv does; UV_EAGAIN for the other kinds. */
int neap__select_try(struct neap_case *c);

/*
 * Waits until one of the n cases happens, none of which could be had at once;
 * until due_ns at most. internal: nothing outside the runtime wakes one of the
 * queues. Waits. Returns 0 with the number of the case in *winner and what its
 * send or receive returned, or the status that its queue was woken with, in
 * *status; or UV_ETIMEDOUT, UV_ENOMEM or the code that ended the wait, with no
 * case having happened. cases is on the heap, and so are queues and channels
 * all the while.
 */
int neap__select_wait(struct neap_rt *rt, struct neap_case *cases, uint32_t n,
                      uint64_t due_ns, bool internal, uint32_t *winner,
                      int *status);

#endif
