/*
 * dns_answer.h: what a DNS message answers (RFC 1035). Pure memory, no loop:
 * read here and not by c-ares, whose older versions leave the times to live out
 * of most records. Whatever the bytes are, nothing outside them is read.
 */
#ifndef NEAP_IO_DNS_ANSWER_H
#define NEAP_IO_DNS_ANSWER_H

#include "core/rt.h"

/*
 * Reads the records of a type that the len bytes at message answer its question
 * with. Does not wait. Returns 0 and at least one record in *out, which the
 * caller frees with neap_dns_answer_free; UV_EAI_NODATA when there is none;
 * UV_EPROTO when the message is broken; UV_ENOMEM.
 */
int neap__dns_answer_read(struct neap_rt *rt, const uint8_t *message,
                          size_t len, neap_dns_type type,
                          neap_dns_answer **out);

#endif
