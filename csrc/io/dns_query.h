/*
 * dns_query.h: questions to name servers, by c-ares. Those that are asked of
 * the same servers in the same way share a channel of c-ares': its sockets, its
 * times. A channel is made for the first of them and goes with the last, as
 * that costs some 20 us: nothing stays open, a question that was called off is
 * gone with its sockets, and changes of /etc/resolv.conf are seen.
 */
#ifndef NEAP_IO_DNS_QUERY_H
#define NEAP_IO_DNS_QUERY_H

#include "core/rt.h"

/* How servers are asked. */
struct neap_dns_way {
  const char *servers; /* "127.0.0.1:53,[::1]:53"; "": the system's */
  uint64_t retry_ns;   /* 0: c-ares' own */
  bool tcp;
};

/* A question: part of what asks it, on the heap. */
struct neap_dns_question {
  struct neap_list link; /* in the channel's list, until it is answered */
  struct neap_dns_asked *asked; /* c-ares' side of it, until then */
  /* Called once, on whatever stack this is: with the message, valid during the
     call, or a negative UV_E*. Not after neap__dns_query_stop. */
  void (*on_answer)(struct neap_dns_question *question, int err,
                    const uint8_t *message, size_t len);
};

/*
 * Asks for name's records of a type. Does not wait. on_answer is called, maybe
 * before this returns. Returns 0; or a negative UV_E*, and on_answer is not
 * called.
 */
int neap__dns_query_start(struct neap_rt *rt, const struct neap_dns_way *way,
                          const char *name, int type,
                          struct neap_dns_question *question);

/* Takes the question back: its memory is the caller's again. Harmless when it
   is answered. Not from on_answer. */
void neap__dns_query_stop(struct neap_dns_question *question);

#endif
