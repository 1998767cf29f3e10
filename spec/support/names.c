/*
 * names.c: a preload library in which names stand for what a spec says. Specs
 * build and use it through support/names.lua. NAMES in the environment:
 *
 *   two.test=127.0.0.2,127.0.0.3;six.test=::1
 *
 * getaddrinfo knows these names and IP addresses, and no others.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

struct entry {
  struct addrinfo info;
  union {
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
  } addr;
};

/* Appends the address text[0..len) to the list, if family allows. */
static struct addrinfo **append(struct addrinfo **end, const char *text,
                                size_t len, int family) {
  char word[64] = "";
  struct entry *entry = calloc(1, sizeof *entry);
  if (entry == NULL || len >= sizeof word)
    abort();
  memcpy(word, text, len);
  if (inet_pton(AF_INET, word, &entry->addr.in.sin_addr) == 1) {
    entry->addr.in.sin_family = AF_INET;
    entry->info.ai_addrlen = sizeof entry->addr.in;
  } else if (inet_pton(AF_INET6, word, &entry->addr.in6.sin6_addr) == 1) {
    entry->addr.in6.sin6_family = AF_INET6;
    entry->info.ai_addrlen = sizeof entry->addr.in6;
  }
  entry->info.ai_addr = (struct sockaddr *)(void *)&entry->addr;
  entry->info.ai_family = entry->info.ai_addr->sa_family;
  entry->info.ai_socktype = SOCK_STREAM;
  if (entry->info.ai_family == AF_UNSPEC ||
      (family != AF_UNSPEC && family != entry->info.ai_family)) {
    free(entry);
    return end;
  }
  *end = &entry->info;
  return &entry->info.ai_next;
}

/* What stands behind "name=" in NAMES, or name itself. */
static const char *find(const char *name) {
  const char *at = getenv("NAMES");
  const size_t len = strlen(name);
  while (at != NULL) {
    at += *at == ';';
    if (strncmp(at, name, len) == 0 && at[len] == '=')
      return at + len + 1;
    at = strchr(at, ';');
  }
  return name;
}

int getaddrinfo(const char *name, const char *service,
                const struct addrinfo *hints, struct addrinfo **out) {
  struct addrinfo *list = NULL, **end = &list;
  (void)service;
  for (const char *at = find(name); *at != '\0' && *at != ';';) {
    size_t len = strcspn(at, ",;");
    end = append(end, at, len, hints != NULL ? hints->ai_family : AF_UNSPEC);
    at += len + (at[len] == ',');
  }
  *out = list;
  return list != NULL ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list) {
  while (list != NULL) {
    struct addrinfo *next = list->ai_next;
    free(list); /* the entry begins with it */
    list = next;
  }
}
