/*
 * test_dns.c: names, messages of name servers, and the order in which addresses
 * are tried; without Lua. Where a name server is needed it is a thread, which
 * shares nothing with the runtime, whose allocations fail in turn.
 */
#include "core/rt.h"
#include "io/dns_answer.h"
#include "io/eyeballs.h"

#include "test_rt.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

/* The limit on frames is for those that wait on shared stacks. */
#pragma GCC diagnostic ignored "-Wframe-larger-than="

/* --- messages ------------------------------------------------------------- */

/* A message that is being written. */
struct message {
  uint8_t bytes[1024];
  size_t len;
};

static void put(struct message *m, const void *bytes, size_t n) {
  memcpy(m->bytes + m->len, bytes, n);
  m->len += n;
}

static void put16(struct message *m, unsigned value) {
  uint8_t bytes[] = {(uint8_t)(value >> 8), (uint8_t)value};
  put(m, bytes, sizeof bytes);
}

/* The header, and a question for a.test at byte 12. */
static void begin(struct message *m, unsigned answers, unsigned type) {
  m->len = 0;
  put16(m, 1);
  put16(m, 0x8180);
  put16(m, 1);
  put16(m, answers);
  put16(m, 0);
  put16(m, 0);
  put(m, "\1a\4test", 8);
  put16(m, type);
  put16(m, 1);
}

/* A record of the name that lies at byte `name`. */
static void record(struct message *m, unsigned name, unsigned type,
                   unsigned ttl, const void *data, size_t n) {
  put16(m, 0xc000 | name);
  put16(m, type);
  put16(m, 1);
  put16(m, ttl >> 16);
  put16(m, ttl & 0xffff);
  put16(m, (unsigned)n);
  put(m, data, n);
}

static void reads_compressed_names(void) {
  neap_rt *rt = open_rt();
  struct message m;
  neap_dns_answer *answer = NULL;
  size_t n;
  begin(&m, 2, NEAP_DNS_MX);
  record(&m, 12, NEAP_DNS_MX, 70, "\0\5\4mail\xc0\x0c", 9);
  record(&m, 12, NEAP_DNS_MX, 0xffffffff, "\0\6\0", 3);
  if (CHECK(neap__dns_answer_read(rt, m.bytes, m.len, NEAP_DNS_MX, &answer) ==
            0)) {
    const neap_dns_record *r = neap_dns_answer_records(answer, &n);
    CHECK(n == 2);
    CHECK(strcmp(r[0].name, "a.test") == 0);
    CHECK(strcmp(r[0].value, "mail.a.test") == 0 && r[0].len == 11);
    CHECK(r[0].ttl == 70 && r[0].priority == 5 && r[0].tag == NULL);
    CHECK(strcmp(r[1].value, ".") == 0); /* RFC 7505: no mail */
    CHECK(r[1].ttl == 0);                /* RFC 2181 */
  }
  neap_dns_answer_free(answer);
  neap_free(rt);
}

static void writes_odd_bytes_as_zone_files_do(void) {
  neap_rt *rt = open_rt();
  struct message m;
  neap_dns_answer *answer = NULL;
  size_t n;
  begin(&m, 1, NEAP_DNS_NS);
  record(&m, 12, NEAP_DNS_NS, 1, "\6a.b\\ \1\2cd", 10);
  if (CHECK(neap__dns_answer_read(rt, m.bytes, m.len, NEAP_DNS_NS, &answer) ==
            UV_EPROTO)) /* the root is missing */
    CHECK(answer == NULL);
  begin(&m, 1, NEAP_DNS_NS);
  record(&m, 12, NEAP_DNS_NS, 1, "\6a.b\\ \1\2cd", 11);
  CHECK(neap__dns_answer_read(rt, m.bytes, m.len, NEAP_DNS_NS, &answer) == 0);
  if (answer != NULL) {
    const neap_dns_record *r = neap_dns_answer_records(answer, &n);
    CHECK(n == 1);
    CHECK(strcmp(r->value, "a\\.b\\\\\\032\\001.cd") == 0);
  }
  neap_dns_answer_free(answer);
  neap_free(rt);
}

static void refuses_names_without_an_end(void) {
  static const char *const names[] = {
      "\xc0\x0c\xc0", /* goes on */
      "\xff\xff",     /* out of the message */
      "\x40",         /* a label of no kind that there is */
      "\1a",          /* no end */
  };
  neap_rt *rt = open_rt();
  struct message m;
  neap_dns_answer *answer = NULL;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    begin(&m, 1, NEAP_DNS_CNAME);
    record(&m, 12, NEAP_DNS_CNAME, 1, names[i], strlen(names[i]));
    CHECK(neap__dns_answer_read(rt, m.bytes, m.len, NEAP_DNS_CNAME, &answer) ==
          UV_EPROTO);
  }
  begin(&m, 1, NEAP_DNS_NS); /* something behind the name */
  record(&m, 12, NEAP_DNS_NS, 1, "\1a\0x", 4);
  CHECK(neap__dns_answer_read(rt, m.bytes, m.len, NEAP_DNS_NS, &answer) ==
        UV_EPROTO);
  /* A pointer to itself, and two at each other. */
  for (unsigned at = 0; at < 2; at++) {
    begin(&m, 1, NEAP_DNS_A);
    unsigned here = (unsigned)m.len;
    put16(&m, 0xc000 | (here + 2 * at));
    put16(&m, 0xc000 | here);
    put(&m, "\0\1\0\1\0\0\0\1\0\4\1\2\3\4", 14);
    CHECK(neap__dns_answer_read(rt, m.bytes, m.len, NEAP_DNS_A, &answer) ==
          UV_EPROTO);
  }
  CHECK(answer == NULL);
  neap_free(rt);
}

static const unsigned all_types[] = {
    NEAP_DNS_A,   NEAP_DNS_NS,   NEAP_DNS_CNAME, NEAP_DNS_PTR, NEAP_DNS_MX,
    NEAP_DNS_TXT, NEAP_DNS_AAAA, NEAP_DNS_SRV,   NEAP_DNS_CAA};

#define NTYPES (sizeof all_types / sizeof all_types[0])

/* A message with a record of each type, which all are sound. */
static void begin_full(struct message *m) {
  begin(m, 9, NEAP_DNS_A);
  record(m, 12, NEAP_DNS_A, 1, "\1\2\3\4", 4);
  record(m, 12, NEAP_DNS_NS, 1, "\2ns\xc0\x0c", 5);
  record(m, 12, NEAP_DNS_PTR, 1, "\2pt\xc0\x0c", 5);
  record(m, 12, NEAP_DNS_MX, 1, "\0\1\2mx\xc0\x0c", 7);
  record(m, 12, NEAP_DNS_TXT, 1, "\3abc\0\1d", 7);
  record(m, 12, NEAP_DNS_AAAA, 1, "0123456789abcdef", 16);
  record(m, 12, NEAP_DNS_SRV, 1, "\0\1\0\2\0\3\1s\xc0\x0c", 10);
  record(m, 12, NEAP_DNS_CAA, 1, "\0\5issuex.test", 13);
  record(m, 12, NEAP_DNS_CNAME, 1, "\xc0\x0c", 2);
}

/* Whatever comes, nothing outside the bytes is read: each message has a block
   of its own, so that ASan would tell. */
static void survives_whatever_comes(void) {
  neap_rt *rt = open_rt();
  unsigned seed = 12345, answered = 0;
  const size_t used = rt->mem.used;
  for (long i = test_count(20000, 2000000); i > 0; i--) {
    struct message m;
    begin_full(&m);
    for (int j = 0; j < 4; j++) {
      seed = seed * 1103515245 + 12345;
      m.bytes[(seed >> 8) % m.len] = (uint8_t)(seed >> 24);
    }
    seed = seed * 1103515245 + 12345;
    size_t len = (seed >> 16) % 4 == 0 ? (seed >> 8) % (m.len + 1) : m.len;
    uint8_t *bytes = malloc(len + (len == 0));
    if (!CHECK(bytes != NULL))
      break;
    memcpy(bytes, m.bytes, len);
    neap_dns_answer *answer = NULL;
    int err = neap__dns_answer_read(
        rt, bytes, len, (neap_dns_type)all_types[seed % NTYPES], &answer);
    CHECK(err == 0 || err == UV_EPROTO || err == UV_EAI_NODATA);
    CHECK((err == 0) == (answer != NULL));
    answered += answer != NULL;
    neap_dns_answer_free(answer);
    free(bytes);
  }
  CHECK(answered > 0);
  CHECK(rt->mem.used == used);
  neap_free(rt);
}

/* --- the order of addresses ----------------------------------------------- */

/* Sorts "4a 4b 6a" and the like: family and a letter each. */
static void sorts(neap_rt *rt, const char *from, const char *to) {
  uint32_t n = (uint32_t)(strlen(from) + 1) / 3;
  size_t size = sizeof(struct neap_addrs) + n * sizeof(union neap_addr);
  struct neap_addrs *addrs = neap__mem_zalloc(&rt->mem, size);
  char text[64] = "";
  if (!CHECK(addrs != NULL))
    return;
  addrs->rt = rt;
  addrs->n = n;
  for (uint32_t i = 0; i < n; i++) {
    addrs->list[i].any.sa_family = from[3 * i] == '4' ? AF_INET : AF_INET6;
    addrs->list[i].in.sin_port = (in_port_t)from[3 * i + 1];
  }
  neap__eyeballs_sort(addrs);
  for (uint32_t i = 0; i < n; i++)
    snprintf(text + strlen(text), sizeof text - strlen(text), "%s%c%c",
             i > 0 ? " " : "",
             addrs->list[i].any.sa_family == AF_INET ? '4' : '6',
             (char)addrs->list[i].in.sin_port);
  if (!CHECK(strcmp(text, to) == 0))
    printf("%s became %s\n", from, text);
  neap_dns_free(addrs);
}

static void families_take_turns(void) {
  neap_rt *rt = open_rt();
  sorts(rt, "4a", "4a");
  sorts(rt, "6a 6b 6c 4a 4b", "6a 4a 6b 4b 6c");
  sorts(rt, "4a 4b 6a 6b", "4a 6a 4b 6b");
  sorts(rt, "6a 4a 6b 4b", "6a 4a 6b 4b");
  sorts(rt, "6a 4a 4b 4c 6b", "6a 4a 6b 4b 4c");
  sorts(rt, "4a 4b 4c", "4a 4b 4c");
  neap_free(rt);
}

/* --- names ---------------------------------------------------------------- */

static void tells_names_from_others(void) {
  union neap_addr addrs[2];
  CHECK(neap__addr_localhost("localhost", 1, addrs));
  CHECK(addrs[0].any.sa_family == AF_INET && addrs[0].in.sin_port == htons(1));
  CHECK(addrs[1].any.sa_family == AF_INET6 &&
        addrs[1].in6.sin6_port == htons(1));
  CHECK(neap__addr_localhost("A.LOCALHOST.", 1, addrs));
  CHECK(!neap__addr_localhost("alocalhost", 1, addrs));
  CHECK(!neap__addr_localhost(".localhost", 1, addrs));
  CHECK(!neap__addr_localhost("localhost..", 1, addrs));
  CHECK(!neap__addr_localhost("", 1, addrs));
  CHECK(neap__addr_is_name("a.b-c_d.") && neap__addr_is_name("b\xc3\xbc"));
  CHECK(!neap__addr_is_name("") && !neap__addr_is_name(".") &&
        !neap__addr_is_name("a..b") && !neap__addr_is_name("a b"));
}

static void resolves_and_reverses(void) {
  neap_rt *rt = open_rt();
  neap_addrs *addrs = NULL;
  neap_address address;
  char name[NEAP_DNS_NAME_MAX];
  /* To the system's resolver that is an address, so no name server is asked. */
  CHECK(neap_dns_resolve(rt, "127.1", NEAP_FAMILY_INET, NEAP_NEVER, &addrs) ==
        0);
  if (addrs != NULL) {
    CHECK(neap_dns_count(addrs) == 1);
    neap_dns_address(addrs, 0, &address);
    CHECK(strcmp(address.text, "127.0.0.1") == 0 && address.port == 0);
    CHECK(strcmp(address.family, "inet") == 0);
  }
  neap_dns_free(addrs);
  addrs = NULL;
  CHECK(neap_dns_resolve(rt, "::1", NEAP_FAMILY_INET, NEAP_NEVER, &addrs) ==
        UV_EAI_ADDRFAMILY);
  CHECK(neap_dns_resolve(rt, "a b", NEAP_FAMILY_ANY, NEAP_NEVER, &addrs) ==
        UV_EAI_NONAME);
  CHECK(addrs == NULL);
  /* No time at all: the answer may be quicker all the same. */
  int err = neap_dns_resolve(rt, "127.1", NEAP_FAMILY_ANY, 0, &addrs);
  CHECK(err == UV_ETIMEDOUT || err == 0);
  CHECK((err == 0) == (addrs != NULL));
  neap_dns_free(addrs);
  CHECK(neap_dns_reverse(rt, "localhost", NEAP_NEVER, name, sizeof name) ==
        UV_EINVAL);
  err = neap_dns_reverse(rt, "127.0.0.1", 0, name, sizeof name);
  CHECK(err == UV_ETIMEDOUT || err == UV_EAI_NONAME || err == 0);
  neap_free(rt); /* what was let go is waited for */
}

/* --- questions ------------------------------------------------------------ */

/* Answers each question with 192.0.2.7, until a message of one byte comes. */
struct name_server {
  pthread_t thread;
  int fd;
  char address[32];
};

static void *serve(void *arg) {
  struct name_server *server = arg;
  for (;;) {
    struct message m;
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    ssize_t n =
        recvfrom(server->fd, m.bytes, 512, 0, (struct sockaddr *)&from, &len);
    if (n < 12)
      return NULL;
    m.len = 12 + strlen((const char *)m.bytes + 12) + 5; /* the question */
    memcpy(m.bytes + 2, "\x81\x80\0\1\0\1\0\0\0\0", 10);
    record(&m, 12, NEAP_DNS_A, 60, "\300\0\2\7", 4);
    sendto(server->fd, m.bytes, m.len, 0, (struct sockaddr *)&from, len);
  }
}

static void start_server(struct name_server *server) {
  struct sockaddr_in in = {.sin_family = AF_INET};
  socklen_t len = sizeof in;
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  server->fd = socket(AF_INET, SOCK_DGRAM, 0);
  CHECK(server->fd >= 0);
  CHECK(bind(server->fd, (struct sockaddr *)&in, sizeof in) == 0);
  CHECK(getsockname(server->fd, (struct sockaddr *)&in, &len) == 0);
  snprintf(server->address, sizeof server->address, "127.0.0.1:%d",
           ntohs(in.sin_port));
  CHECK(pthread_create(&server->thread, NULL, serve, server) == 0);
}

static void stop_server(struct name_server *server) {
  struct sockaddr_in in;
  socklen_t len = sizeof in;
  getsockname(server->fd, (struct sockaddr *)&in, &len);
  sendto(server->fd, "", 1, 0, (struct sockaddr *)&in, len);
  pthread_join(server->thread, NULL);
  close(server->fd);
}

static int ask(neap_rt *rt, const struct name_server *server) {
  const char *servers[] = {server->address};
  neap_dns_options o = {.size = sizeof o, .servers = servers, .nservers = 1};
  neap_dns_answer *answer = NULL;
  size_t n = 0;
  int err = neap_dns_query(rt, "a.test", NEAP_DNS_A, &o, &answer);
  if (err == 0) {
    const neap_dns_record *r = neap_dns_answer_records(answer, &n);
    CHECK(n == 1 && strcmp(r->value, "192.0.2.7") == 0 && r->ttl == 60);
  }
  neap_dns_answer_free(answer);
  return err;
}

/* Nothing of a question is left once its sockets are closed. */
static void check_level(neap_rt *rt, size_t used) {
  for (int i = 0; i < 1000 && rt->mem.used > used; i++)
    CHECK(neap_sleep(rt, 0) == 0);
  CHECK(rt->mem.used <= used);
}

static void asks_a_server_while_memory_fails(void) {
  neap_rt *rt = open_rt();
  struct name_server server;
  uint64_t failed, runs = 0;
  start_server(&server);
  int err = ask(rt, &server);
  if (err == 0) {
    neap_sleep(rt, 0);
    const size_t used = rt->mem.used;
    do {
      rt->mem.failed = 0;
      rt->mem.fail_at = ++runs;
      err = ask(rt, &server);
      failed = rt->mem.failed;
      rt->mem.fail_at = 0;
      CHECK(err == (failed > 0 ? UV_ENOMEM : 0));
      check_level(rt, used);
    } while (failed > 0);
#ifdef NEAP_TEST
    CHECK(runs > 5);
#endif
  } else {
    CHECK(err == UV_ENOTSUP); /* a build without c-ares */
  }
  stop_server(&server);
  neap_free(rt);
}

/* The runtime ends while a question is open. */
static int ask_silence(neap_rt *rt, void *arg) {
  struct name_server *silent = arg;
  int err = ask(rt, silent);
  CHECK(err == NEAP_CLOSING || err == UV_ENOTSUP);
  return 0;
}

static void ends_with_the_runtime(void) {
  neap_rt *rt = open_rt();
  struct name_server silent = {.fd = socket(AF_INET, SOCK_DGRAM, 0)};
  struct sockaddr_in in = {.sin_family = AF_INET};
  socklen_t len = sizeof in;
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(bind(silent.fd, (struct sockaddr *)&in, sizeof in) == 0);
  CHECK(getsockname(silent.fd, (struct sockaddr *)&in, &len) == 0);
  snprintf(silent.address, sizeof silent.address, "127.0.0.1:%d",
           ntohs(in.sin_port));
  for (int i = 0; i < 3; i++)
    CHECK(neap_spawn(rt, ask_silence, &silent, NULL, NULL) == 0);
  CHECK(neap_sleep(rt, 1000000) == 0);
  neap_free(rt);
  close(silent.fd);
}

static void refuses_what_is_no_server(void) {
  static const char *const bad[] = {
      "",       "localhost",   "127.0.0.1:", "[::1",
      "[::1]x", "127.0.0.1:0", "[::1]:0",    "1.2.3.4:70000"};
  neap_rt *rt = open_rt();
  neap_dns_answer *answer = NULL;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    neap_dns_options o = {.size = sizeof o, .servers = &bad[i], .nservers = 1};
    int err = neap_dns_query(rt, "a.test", NEAP_DNS_A, &o, &answer);
    CHECK(err == UV_EINVAL || err == UV_ENOTSUP);
  }
  neap_free(rt);
}

TESTS(TEST(reads_compressed_names), TEST(writes_odd_bytes_as_zone_files_do),
      TEST(refuses_names_without_an_end), TEST(survives_whatever_comes),
      TEST(families_take_turns), TEST(tells_names_from_others),
      TEST(resolves_and_reverses), TEST(asks_a_server_while_memory_fails),
      TEST(ends_with_the_runtime), TEST(refuses_what_is_no_server))
