/* dns_query.c: asking name servers for records. */
#include "io/dns_query.h"

#include "core/mem.h"
#include "io/addr.h"
#include "io/dns_answer.h"
#include "io/handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DNS_PORT 53

/* As text: "[IPv6 address]:port,". */
#define MAX_SERVER  80
#define MAX_SERVERS 16

/* The nibbles of an IPv6 address, and ".ip6.arpa". */
#define MAX_REVERSE 80

/* The data of an op, and what asking needs, so that no frame has it. */
struct query {
  struct neap_dns_question question;
  uint8_t *message; /* what came, or NULL */
  size_t len;
  char reverse[MAX_REVERSE];
  char servers[MAX_SERVERS * MAX_SERVER];
  char name[];
};

static struct query *query_of(struct neap_dns_question *question) {
  return NEAP_LIST_ENTRY(question, struct query, question);
}

static void describe(const struct neap_op *op, char *out, size_t size) {
  const struct query *query = neap__op_data(op);
  snprintf(out, size, "%s", query->name);
}

static const struct neap_op_kind kind = {.what = "dns.query",
                                         .describe = describe};

static void on_answer(struct neap_dns_question *question, int err,
                      const uint8_t *message, size_t len) {
  struct query *query = query_of(question);
  struct neap_op *op = neap__op_of(query);
  if (err == 0) {
    query->message = neap__mem_alloc(&op->rt->mem, len);
    query->len = len;
    if (query->message == NULL)
      err = UV_ENOMEM;
    else
      memcpy(query->message, message, len);
  }
  neap__op_wake(op, err);
}

static enum neap_op_fate call_off(struct neap_op *op) {
  struct query *query = neap__op_data(op);
  neap__dns_query_stop(&query->question);
  return NEAP_OP_GONE;
}

/* "127.0.0.1", "127.0.0.1:53", "[::1]:53", "::1". text is not long. */
static bool parse_server(const char *text, union neap_addr *out) {
  char host[MAX_SERVER];
  const char *port = NULL;
  unsigned number = DNS_PORT;
  size_t len = strlen(text);
  if (text[0] == '[' && strchr(text, ']') != NULL) {
    const char *end = strchr(text++, ']');
    len = (size_t)(end - text);
    port = end[1] == ':' ? end + 2 : NULL;
    if (port == NULL && end[1] != '\0')
      return false;
  } else if (strchr(text, ':') == strrchr(text, ':') &&
             strchr(text, ':') != NULL) {
    len = (size_t)(strchr(text, ':') - text);
    port = text + len + 1;
  }
  memcpy(host, text, len);
  host[len] = '\0';
  if (port != NULL) {
    size_t digits = strspn(port, "0123456789");
    if (digits == 0 || digits > 5 || port[digits] != '\0')
      return false;
    number = (unsigned)strtoul(port, NULL, 10);
  }
  return number > 0 && number <= UINT16_MAX &&
         neap__addr_parse(host, (uint16_t)number, out);
}

/* Writes the servers as c-ares wants them. */
static int put_servers(const neap_dns_options *o, char *out, size_t size) {
  size_t at = 0;
  if (o->nservers > MAX_SERVERS)
    return UV_E2BIG;
  for (size_t i = 0; i < o->nservers; i++) {
    union neap_addr addr;
    if (strlen(o->servers[i]) >= MAX_SERVER ||
        !parse_server(o->servers[i], &addr))
      return UV_EINVAL;
    if (i > 0)
      out[at++] = ',';
    neap__addr_format(&addr, out + at, size - at);
    at += strlen(out + at);
  }
  return 0;
}

/* Writes the name that stands for an address: RFC 1035 section 3.5, RFC 3596
   section 2.5. */
static void put_reverse(const union neap_addr *addr, char *out, size_t size) {
  if (addr->any.sa_family == AF_INET) {
    const uint8_t *b = (const uint8_t *)&addr->in.sin_addr;
    snprintf(out, size, "%u.%u.%u.%u.in-addr.arpa", b[3], b[2], b[1], b[0]);
    return;
  }
  const uint8_t *b = addr->in6.sin6_addr.s6_addr;
  size_t at = 0;
  for (int i = 15; i >= 0; i--)
    at += (size_t)snprintf(out + at, size - at, "%x.%x.", b[i] & 15, b[i] >> 4);
  snprintf(out + at, size - at, "ip6.arpa");
}

static bool is_root(const char *name) {
  return strcmp(name, ".") == 0;
}

static bool is_ascii(const char *name) {
  while (*name > 0)
    name++;
  return *name == '\0';
}

/* Whether name can be asked for. What is not ASCII would have to be written as
   it is sent ("xn--..."). A backslash escapes the byte behind it. */
static bool is_askable(const char *name) {
  return is_root(name) || (neap__addr_is_name(name) && is_ascii(name));
}

/* Asks. Returns 0 and query->question is under way; or a negative code. */
static int hand_out(struct neap_rt *rt, struct query *query, neap_dns_type type,
                    const neap_dns_options *o) {
  const char *name = query->name;
  union neap_addr addr;
  int err = put_servers(o, query->servers, sizeof query->servers);
  if (err < 0)
    return err;
  if (type == NEAP_DNS_PTR && neap__addr_parse(name, 0, &addr)) {
    put_reverse(&addr, query->reverse, sizeof query->reverse);
    name = query->reverse;
  }
  const struct neap_dns_way way = {
      .servers = query->servers, .retry_ns = o->retry_ns, .tcp = o->tcp};
  query->question.on_answer = on_answer;
  return neap__dns_query_start(rt, &way, name, type, &query->question);
}

static int ask(struct neap_rt *rt, const char *name, neap_dns_type type,
               const neap_dns_options *o, neap_dns_answer **out) {
  struct neap_op *op;
  size_t len = strlen(name) + 1;
  int err = neap__op_new_until(rt, kind.what, sizeof(struct query) + len,
                               o->due_ns != 0 ? o->due_ns : NEAP_NEVER, &op);
  if (err < 0)
    return err;
  neap__op_set_kind(op, &kind);
  op->cancel = call_off;
  struct query *query = neap__op_data(op);
  memcpy(query->name, name, len);
  err = hand_out(rt, query, type, o);
  if (err < 0) {
    neap__op_free(op);
    return err;
  }
  err = neap__op_park(op);
  if (err == 0)
    err = neap__dns_answer_read(rt, query->message, query->len, type, out);
  neap__mem_free(&rt->mem, query->message, query->len);
  neap__op_unref(op);
  return err;
}

int neap_dns_query(neap_rt *rt, const char *name, neap_dns_type type,
                   const neap_dns_options *options, neap_dns_answer **out) {
  const neap_dns_options none = {.size = sizeof none};
  const neap_dns_options *o = options != NULL ? options : &none;
  int err = neap__handle_enter(rt);
  if (err < 0)
    return err;
  return is_askable(name) ? ask(rt, name, type, o, out) : UV_EAI_NONAME;
}
