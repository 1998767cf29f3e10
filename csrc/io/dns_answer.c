/*
 * dns_answer.c: reading a DNS message; see dns_answer.h. It is gone through
 * twice: once to see how much room the records need, once to write them there.
 */
#include "io/dns_answer.h"

#include "core/mem.h"

#include <uv.h>

#include <stdio.h>
#include <string.h>

#define HEADER 12 /* bytes; the question's name follows */

/* Aliases that are followed from the name that was asked for. */
#define MAX_ALIASES 16

#define CLASS_IN 1

/* Bytes of a name as it is sent, and how often its parts may lie elsewhere:
   each part has at least two bytes. */
#define MAX_NAME  255
#define MAX_JUMPS (MAX_NAME / 2)

struct neap_dns_answer {
  struct neap_rt *rt;
  size_t size; /* of the whole block; the texts lie behind the records */
  size_t n;
  neap_dns_record records[];
};

struct message {
  const uint8_t *bytes;
  size_t len;
};

/* A record where it lies. */
struct record {
  size_t name, data; /* places in the message */
  size_t len;        /* of the data */
  uint16_t type, class;
  uint32_t ttl;
};

/* Where texts are written to; base NULL: they are only counted. */
struct sink {
  char *base;
  size_t n;
};

static void put(struct sink *sink, char c) {
  if (sink->base != NULL)
    sink->base[sink->n] = c;
  sink->n++;
}

static void put_all(struct sink *sink, const void *bytes, size_t len) {
  if (sink->base != NULL)
    memcpy(sink->base + sink->n, bytes, len);
  sink->n += len;
}

/* Where the next text will begin. */
static const char *here(const struct sink *sink) {
  return sink->base != NULL ? sink->base + sink->n : NULL;
}

static uint16_t get16(const uint8_t *at) {
  return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at) {
  return (uint32_t)get16(at) << 16 | get16(at + 2);
}

/* --- names ---------------------------------------------------------------- */

/* A way through a name, label by label. */
struct walk {
  size_t at;    /* the next label */
  size_t end;   /* behind the name where it began; 0: not known yet */
  size_t total; /* bytes of the name so far */
  unsigned jumps;
};

/* The next label at *label; its length, 0 for the root, or -1: broken. */
static int next_label(const struct message *m, struct walk *walk,
                      const uint8_t **label) {
  for (;;) {
    if (walk->at >= m->len)
      return -1;
    uint8_t n = m->bytes[walk->at];
    if (n >= 0xc0) { /* the rest lies elsewhere: section 4.1.4 */
      if (walk->at + 2 > m->len || walk->jumps++ == MAX_JUMPS)
        return -1;
      if (walk->end == 0)
        walk->end = walk->at + 2;
      walk->at = get16(m->bytes + walk->at) & 0x3fff;
      continue;
    }
    walk->total += (size_t)n + 1;
    if (n > 63 || walk->total > MAX_NAME || walk->at + 1 + n > m->len)
      return -1;
    *label = m->bytes + walk->at + 1;
    walk->at += (size_t)n + 1;
    if (n == 0 && walk->end == 0)
      walk->end = walk->at;
    return n;
  }
}

/* What is behind the name at `at`, or 0: it is broken. */
static size_t skip_name(const struct message *m, size_t at) {
  struct walk walk = {.at = at};
  const uint8_t *label;
  int n;
  do {
    n = next_label(m, &walk, &label);
  } while (n > 0);
  return n < 0 ? 0 : walk.end;
}

static uint8_t lower(uint8_t c) {
  return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

/* Whether the names at a and b, which are not broken, are the same. */
static bool same_name(const struct message *m, size_t a, size_t b) {
  struct walk wa = {.at = a}, wb = {.at = b};
  const uint8_t *la, *lb;
  int n;
  do {
    n = next_label(m, &wa, &la);
    if (next_label(m, &wb, &lb) != n)
      return false;
    for (int i = 0; i < n; i++)
      if (lower(la[i]) != lower(lb[i]))
        return false;
  } while (n > 0);
  return true;
}

/* A byte of a label as in a zone file: RFC 1035 section 5.1. */
static void put_escaped(struct sink *sink, uint8_t c) {
  if (c <= ' ' || c >= 0x7f) {
    char text[5];
    snprintf(text, sizeof text, "\\%03u", c);
    put_all(sink, text, 4);
    return;
  }
  if (strchr(".\\\"();@$", c) != NULL)
    put(sink, '\\');
  put(sink, (char)c);
}

/* Writes the name at `at`, which is not broken. */
static const char *put_name(const struct message *m, size_t at,
                            struct sink *sink) {
  struct walk walk = {.at = at};
  const char *text = here(sink);
  const uint8_t *label;
  int n = next_label(m, &walk, &label);
  if (n <= 0)
    put(sink, '.'); /* the root */
  while (n > 0) {
    for (int i = 0; i < n; i++)
      put_escaped(sink, label[i]);
    n = next_label(m, &walk, &label);
    if (n > 0)
      put(sink, '.');
  }
  put(sink, '\0');
  return text;
}

/* --- records -------------------------------------------------------------- */

/* Reads the record at *at and moves on behind it; false: it is broken. */
static bool next_record(const struct message *m, size_t *at,
                        struct record *out) {
  out->name = *at;
  size_t head = skip_name(m, *at);
  if (head == 0 || m->len - head < 10)
    return false;
  const uint8_t *b = m->bytes + head;
  out->type = get16(b);
  out->class = get16(b + 2);
  out->ttl = get32(b + 4);
  if (out->ttl > INT32_MAX)
    out->ttl = 0; /* RFC 2181 section 8 */
  out->len = get16(b + 8);
  out->data = head + 10;
  if (m->len - out->data < out->len)
    return false;
  *at = out->data + out->len;
  return true;
}

/* Whether the data from `skip` on is a name and nothing more. */
static bool is_name(const struct message *m, const struct record *r,
                    size_t skip) {
  return r->len > skip && skip_name(m, r->data + skip) == r->data + r->len;
}

static bool is_text(const struct message *m, const struct record *r) {
  size_t at = 0;
  while (at < r->len)
    at += (size_t)m->bytes[r->data + at] + 1;
  return r->len > 0 && at == r->len;
}

static bool is_caa(const struct message *m, const struct record *r) {
  return r->len > 2 && m->bytes[r->data + 1] > 0 &&
         (size_t)m->bytes[r->data + 1] + 2 <= r->len;
}

/* Whether the data is what a record of its type has. */
static bool is_whole(const struct message *m, const struct record *r) {
  switch (r->type) {
  case NEAP_DNS_A:
    return r->len == 4;
  case NEAP_DNS_AAAA:
    return r->len == 16;
  case NEAP_DNS_MX:
    return is_name(m, r, 2);
  case NEAP_DNS_SRV:
    return is_name(m, r, 6);
  case NEAP_DNS_TXT:
    return is_text(m, r);
  case NEAP_DNS_CAA:
    return is_caa(m, r);
  default:
    return is_name(m, r, 0);
  }
}

static void put_address(const uint8_t *data, int family, struct sink *sink) {
  char text[INET6_ADDRSTRLEN];
  uv_inet_ntop(family, data, text, sizeof text); /* it has room */
  put_all(sink, text, strlen(text));
}

/* The strings of a TXT record, one behind the other. */
static void put_text(const uint8_t *data, size_t len, struct sink *sink) {
  for (size_t at = 0; at < len; at += (size_t)data[at] + 1)
    put_all(sink, data + at + 1, data[at]);
}

/* CAA: RFC 8659 section 4.1. */
static void put_caa(const uint8_t *data, size_t len, struct sink *sink,
                    neap_dns_record *out) {
  const size_t tag = data[1];
  out->flags = data[0];
  out->tag = here(sink);
  put_all(sink, data + 2, tag);
  put(sink, '\0');
  out->value = here(sink);
  put_all(sink, data + 2 + tag, len - 2 - tag);
}

/* Where the name begins in the data of those that have one; SRV: RFC 2782. */
static size_t put_numbers(const uint8_t *data, uint16_t type,
                          neap_dns_record *out) {
  if (type != NEAP_DNS_MX && type != NEAP_DNS_SRV)
    return 0;
  out->priority = get16(data);
  if (type == NEAP_DNS_MX)
    return 2;
  out->weight = get16(data + 2);
  out->port = get16(data + 4);
  return 6;
}

static void put_record(const struct message *m, const struct record *r,
                       struct sink *sink, neap_dns_record *out) {
  const uint8_t *data = m->bytes + r->data;
  memset(out, 0, sizeof *out);
  out->ttl = r->ttl;
  out->name = put_name(m, r->name, sink);
  out->value = here(sink);
  if (r->type == NEAP_DNS_A || r->type == NEAP_DNS_AAAA)
    put_address(data, r->type == NEAP_DNS_A ? AF_INET : AF_INET6, sink);
  else if (r->type == NEAP_DNS_TXT)
    put_text(data, r->len, sink);
  else if (r->type == NEAP_DNS_CAA)
    put_caa(data, r->len, sink, out);
  else {
    put_name(m, r->data + put_numbers(data, r->type, out), sink);
    sink->n--; /* its NUL: one follows */
  }
  if (sink->base != NULL)
    out->len = (size_t)(here(sink) - out->value);
  put(sink, '\0');
}

/* --- messages ------------------------------------------------------------- */

/* Where the answer's records begin, or 0: it is no answer to one question. */
static size_t find_records(const struct message *m) {
  if (m->len < HEADER || (m->bytes[2] & 0x80) == 0 || get16(m->bytes + 4) != 1)
    return 0;
  size_t end = skip_name(m, HEADER);
  return end == 0 || m->len - end < 4 ? 0 : end + 4;
}

/* Whether all records are whole. */
static bool is_sound(const struct message *m, size_t at) {
  struct record r;
  for (unsigned n = get16(m->bytes + 6); n > 0; n--)
    if (!next_record(m, &at, &r))
      return false;
  return true;
}

/* The next record of a type that belongs to name; n: how many follow. */
static bool find(const struct message *m, size_t *at, unsigned *n,
                 uint16_t type, size_t name, struct record *out) {
  while (*n > 0) {
    --*n;
    next_record(m, at, out);
    if (out->type == type && out->class == CLASS_IN &&
        same_name(m, out->name, name))
      return true;
  }
  return false;
}

/* The place of the name behind all aliases of the one asked for; 0: broken. */
static size_t follow(const struct message *m, size_t records) {
  size_t name = HEADER;
  for (int i = 0; i < MAX_ALIASES; i++) {
    struct record r;
    size_t at = records;
    unsigned n = get16(m->bytes + 6);
    if (!find(m, &at, &n, NEAP_DNS_CNAME, name, &r))
      return name;
    if (!is_whole(m, &r))
      return 0;
    name = r.data;
  }
  return name;
}

/* Writes the records, or counts them and their texts. False: one is broken. */
static bool put_records(const struct message *m, size_t at, uint16_t type,
                        size_t name, struct sink *sink, neap_dns_record *out,
                        size_t *count) {
  struct record r;
  unsigned n = get16(m->bytes + 6);
  for (*count = 0; find(m, &at, &n, type, name, &r); ++*count) {
    neap_dns_record counted;
    if (!is_whole(m, &r))
      return false;
    put_record(m, &r, sink, out != NULL ? &out[*count] : &counted);
  }
  return true;
}

int neap__dns_answer_read(struct neap_rt *rt, const uint8_t *message,
                          size_t len, neap_dns_type type,
                          neap_dns_answer **out) {
  const struct message m = {.bytes = message, .len = len};
  struct sink sink = {.base = NULL};
  size_t n, records = find_records(&m);
  if (records == 0 || !is_sound(&m, records))
    return UV_EPROTO;
  size_t name = type == NEAP_DNS_CNAME ? HEADER : follow(&m, records);
  if (name == 0 || !put_records(&m, records, type, name, &sink, NULL, &n))
    return UV_EPROTO;
  if (n == 0)
    return UV_EAI_NODATA;
  size_t head = sizeof(neap_dns_answer) + n * sizeof(neap_dns_record);
  neap_dns_answer *answer = neap__mem_alloc(&rt->mem, head + sink.n);
  if (answer == NULL)
    return UV_ENOMEM;
  answer->rt = rt;
  answer->size = head + sink.n;
  sink = (struct sink){.base = (char *)answer + head};
  put_records(&m, records, type, name, &sink, answer->records, &answer->n);
  *out = answer;
  return 0;
}

const neap_dns_record *neap_dns_answer_records(const neap_dns_answer *answer,
                                               size_t *n) {
  *n = answer->n;
  return answer->records;
}

void neap_dns_answer_free(neap_dns_answer *answer) {
  if (answer != NULL)
    neap__mem_free(&answer->rt->mem, answer, answer->size);
}
